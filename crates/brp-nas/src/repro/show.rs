//! Published and measured numbers side by side.

use super::experiment::{Better, Experiment, Value};
use super::kept::Kept;
use crate::output::{Show, grid, number};
use serde::Serialize;

/// An experiment as it stands.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    experiment: String,
    title: String,
    paper: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    quick: bool,
    rows: Vec<Line>,
}

/// One number.
#[derive(Debug, Serialize)]
struct Line {
    setting: String,
    value: String,
    published: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    measured: Option<f64>,
    verdict: Verdict,
    seconds: Option<f64>,
}

/// How a number stands beside the published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// Better, or within what the published one is known by.
    Reached,
    Short,
    /// There is no published one, or none was measured.
    #[serde(rename = "")]
    None,
}

fn verdict(value: &Value, measured: Option<f64>) -> Verdict {
    let (Some(published), Some(measured)) = (value.published, measured) else { return Verdict::None };
    let ahead = match value.better {
        Better::Higher => measured - published,
        Better::Lower => published - measured,
    };
    if ahead >= -value.spread.unwrap_or(0.0) { Verdict::Reached } else { Verdict::Short }
}

impl Shown {
    pub(crate) fn of(experiment: &Experiment, kept: &Kept) -> Self {
        let mut rows = Vec::new();
        for row in experiment.rows(kept.quick, None) {
            let done = kept.done(row, kept.quick);
            for (at, value) in row.values.iter().enumerate() {
                let measured = done.and_then(|done| done.measured.get(at).copied().flatten());
                let own = done.is_some_and(|done| done.on_benchmark);
                let mark = if own { " (on the program's own benchmark)" } else { "" };
                rows.push(Line {
                    setting: format!("{}{mark}", row.name),
                    value: value.name.clone(),
                    published: value.published,
                    spread: value.spread,
                    from: value.from.clone(),
                    measured,
                    verdict: if own { Verdict::None } else { verdict(value, measured) },
                    seconds: done.map(|done| done.seconds).filter(|_| at == 0),
                });
            }
        }
        let Experiment { name, title, paper, note, .. } = experiment;
        let (title, paper, note) = (title.clone(), paper.clone(), note.clone());
        Self { experiment: name.clone(), title, paper, note, quick: kept.quick, rows }
    }
}

impl Shown {
    /// Name, title, paper and note.
    pub(crate) fn described(&self) -> (&str, &str, String, &str) {
        let quick = if self.quick { " (quick: not what it is about)" } else { "" };
        (&self.experiment, &self.title, format!("{}{quick}", self.paper), self.note.trim())
    }

    /// Header and rows.
    pub(crate) fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        (HEADER.map(String::from).to_vec(), self.rows.iter().map(Line::cells).collect())
    }

    /// What its pictures and its part of a page are called: quick ones may lie beside others.
    pub(crate) fn place(&self) -> String {
        format!("{}{}", self.experiment, if self.quick { "-quick" } else { "" })
    }

    /// Published, measured, and whether that is reached, of what can be compared.
    pub(crate) fn pairs(&self) -> Vec<(f64, f64, bool)> {
        let compared = self.rows.iter().filter(|line| line.verdict != Verdict::None);
        let pair = |line: &Line| Some((line.published?, line.measured?, line.verdict == Verdict::Reached));
        compared.filter_map(pair).collect()
    }

    /// What is known, as a table for a text: a row a setting.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("| setting | value | published | here | |\n|---|---|---|---|---|\n");
        let mut last = "";
        for line in self.rows.iter().filter(|line| line.measured.is_some()) {
            let mut cells = line.cells();
            cells.truncate(5);
            if line.setting == last {
                cells[0].clear();
            }
            last = &line.setting;
            text += &format!("| {} |\n", cells.join(" | "));
        }
        text
    }
}

impl Shown {
    /// What is known of the values whose name begins with `begin`, a line a setting.
    pub(crate) fn side_by_side(&self, begin: &str) -> String {
        let known: Vec<(&Line, &str)> = self
            .rows
            .iter()
            .filter(|line| line.measured.is_some())
            .filter_map(|line| Some((line, line.value.strip_prefix(begin)?.trim())))
            .collect();
        let (mut names, mut settings): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for (line, name) in &known {
            if !names.contains(name) {
                names.push(name);
            }
            if !settings.contains(&line.setting.as_str()) {
                settings.push(&line.setting);
            }
        }
        let mut text = format!("| {begin} | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
        for setting in settings {
            let of = |name: &&str| {
                let here = known.iter().find(|(line, own)| line.setting == setting && own == name);
                digits(here.and_then(|(line, _)| line.measured))
            };
            let cells: Vec<String> = names.iter().map(of).collect();
            text += &format!("| {setting} | {} |\n", cells.join(" | "));
        }
        text
    }
}

/// All experiments, a row each.
pub(crate) fn summary(all: &[Shown]) -> String {
    let mut text = String::from("| experiment | of | numbers reached |\n|---|---|---|\n");
    for shown in all {
        let count = |verdict| shown.rows.iter().filter(|line| line.verdict == verdict).count();
        let (reached, short) = (count(Verdict::Reached), count(Verdict::Short));
        let measured = shown.rows.iter().filter(|line| line.measured.is_some()).count();
        let said = match (measured, reached + short) {
            (0, _) => "not done yet".into(),
            (_, 0) => "recorded; none is published".into(),
            (_, compared) => format!("{reached} of {compared}"),
        };
        let Shown { experiment, title, paper, .. } = shown;
        text += &format!("| `{experiment}`: {title} | {paper} | {said} |\n");
    }
    text
}

/// With as many digits as a number deserves.
fn digits(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| match value.abs() {
        size if size < 2.0 => format!("{value:.3}"),
        size if size < 200.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    })
}

impl Line {
    fn cells(&self) -> Vec<String> {
        let spread = self.spread.map_or_else(String::new, |spread| format!(" ±{spread}"));
        let from = self.from.as_ref().map_or_else(String::new, |from| format!(" ({from})"));
        let published = self.published.map_or_else(String::new, |_| digits(self.published) + &spread + &from);
        let verdict = match self.verdict {
            Verdict::Reached => "reached",
            Verdict::Short => "short",
            Verdict::None => "",
        };
        let seconds = number(self.seconds, 0);
        vec![
            self.setting.clone(),
            self.value.clone(),
            published,
            digits(self.measured),
            verdict.into(),
            seconds,
        ]
    }
}

const HEADER: [&str; 6] = ["setting", "value", "published", "here", "", "seconds"];

/// One or all of them.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct All(pub(crate) Vec<Shown>);

impl Show for All {
    fn table(&self) -> String {
        let mut text = String::new();
        for shown in &self.0 {
            let quick = if shown.quick { ", quick: not what it is about" } else { "" };
            text += &format!("{}: {} ({}{quick})\n", shown.experiment, shown.title, shown.paper);
            text += &grid(&HEADER, shown.rows.iter().map(Line::cells));
            let count = |verdict| shown.rows.iter().filter(|line| line.verdict == verdict).count();
            let (reached, short) = (count(Verdict::Reached), count(Verdict::Short));
            text += &format!("{reached} reached, {short} short\n");
            if !shown.note.is_empty() {
                text += &format!("{}\n", shown.note.trim());
            }
            text.push('\n');
        }
        text
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["experiment", "setting", "value", "published", "measured", "verdict", "seconds"];
        let row = |shown: &Shown, line: &Line| {
            let plain = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
            let mut cells = line.cells();
            (cells[2], cells[3], cells[5]) =
                (plain(line.published), plain(line.measured), plain(line.seconds));
            cells.insert(0, shown.experiment.clone());
            cells
        };
        let rows = self.0.iter().flat_map(|shown| shown.rows.iter().map(move |line| row(shown, line)));
        (header.map(String::from).to_vec(), rows.collect())
    }
}

/// The names of experiments.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct List(Vec<Listed>);

#[derive(Debug, Serialize)]
struct Listed {
    experiment: String,
    title: String,
    paper: String,
    rows: usize,
    /// Done by its name alone.
    apart: bool,
}

impl List {
    pub(crate) fn of(all: &[Experiment]) -> Self {
        let listed = |experiment: &Experiment| Listed {
            experiment: experiment.name.clone(),
            title: experiment.title.clone(),
            paper: experiment.paper.clone(),
            rows: experiment.rows(false, None).count(),
            apart: experiment.apart,
        };
        Self(all.iter().map(listed).collect())
    }
}

impl Show for List {
    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["experiment", "title", "paper", "rows", ""].map(String::from).to_vec();
        let row = |l: &Listed| {
            let apart = if l.apart { "takes long: not in `all`" } else { "" };
            vec![l.experiment.clone(), l.title.clone(), l.paper.clone(), l.rows.to_string(), apart.into()]
        };
        (header, self.0.iter().map(row).collect())
    }
}
