//! What stands on the page, section by section.

use super::Picture;
use super::folders::{Found, Record, Run};
use super::pictures;
use crate::failure::Failure;
use crate::host::{date, time};
use crate::record::Begun;
use serde::Serialize;
use serde_json::{Map, Value};

/// All of a page.
#[derive(Serialize)]
pub(super) struct Sheet {
    /// The runs in a line each.
    overview: Option<Table>,
    /// Several searches on the same axes.
    together: Vec<Picture>,
    sections: Vec<Section>,
}

/// A run or a record.
#[derive(Serialize)]
struct Section {
    id: String,
    title: String,
    kind: String,
    /// In a sentence.
    said: String,
    note: String,
    tables: Vec<Table>,
    pictures: Vec<Picture>,
    /// Settings, tables that were read and the machine, as text.
    settings: String,
}

#[derive(Serialize)]
struct Table {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// How many rows are not shown.
    more: usize,
}

/// What is read, and what it is sorted by where that is a number.
#[derive(Serialize)]
struct Cell {
    text: String,
    number: Option<f64>,
}

/// Rows of a table in the page; the files have all.
const ROWS: usize = 200;

impl Sheet {
    pub(super) fn of(found: &Found) -> Result<Self, Failure> {
        let together = pictures::together(&found.runs)?;
        let mut sections = Vec::new();
        for run in &found.runs {
            sections.push(of_run(run, pictures::of_run(run)?));
        }
        for record in &found.records {
            sections.push(of_record(record, pictures::of_record(record)?));
        }
        let overview = (found.runs.len() > 1).then(|| overview(&found.runs));
        Ok(Self { overview, together, sections })
    }

    pub(super) fn pictures(&self) -> impl Iterator<Item = &Picture> {
        self.together.iter().chain(self.sections.iter().flat_map(|section| &section.pictures))
    }
}

fn of_run(run: &Run, pictures: Vec<Picture>) -> Section {
    let Begun { command, started_s, settings, inputs, host } = &run.begun;
    let ended = match &run.result {
        Some(result) => duration(result),
        None if run.trials().next().is_none() => {
            "; no result yet: it was cut off, or is still going on".into()
        }
        None => format!("; no result yet, {} trials so far", run.trials().count()),
    };
    let said = format!("begun on {}{ended}", date(*started_s));
    let mut tables = Vec::new();
    if let Some(Value::Object(result)) = &run.result {
        tables.extend(result.iter().filter_map(|(key, value)| Table::of(key, value)));
    }
    if run.result.is_none() {
        tables.extend(Table::of("trials", &Value::Array(run.trials().cloned().collect())));
    }
    let all = serde_json::json!({ "settings": settings, "inputs": inputs, "host": host });
    Section {
        id: id(&run.name),
        title: run.name.clone(),
        kind: command.clone(),
        said,
        note: String::new(),
        tables,
        pictures,
        settings: serde_json::to_string_pretty(&all).unwrap_or_default(),
    }
}

fn duration(result: &Value) -> String {
    let seconds = result.get("wall_s").and_then(Value::as_f64);
    seconds.map_or_else(String::new, |seconds| format!(", took {seconds:.1} s"))
}

fn of_record(record: &Record, pictures: Vec<Picture>) -> Section {
    let (header, rows) = record.shown.table();
    let rows = rows.into_iter().map(|row| row.into_iter().map(Cell::read).collect()).collect();
    let (name, title, paper, note) = record.shown.described();
    let table = Table { title: "published and here".into(), header, rows, more: 0 };
    Section {
        id: id(&record.shown.place()),
        title: title.to_owned(),
        kind: name.to_owned(),
        said: paper,
        note: note.to_owned(),
        tables: vec![table],
        pictures,
        settings: serde_json::to_string_pretty(&record.host).unwrap_or_default(),
    }
}

/// Letters, digits and lines: what an address in a page may have.
fn id(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// What the commands say of themselves in a few numbers: each where it is first found, a mean before a single run.
const HEADLINES: [(&str, [&str; 2]); 9] = [
    ("repeats", ["/mean/repeats", "/repeats"]),
    ("best valid", ["/mean/best_valid", "/best/valid"]),
    ("its test", ["/mean/best_test", "/best/test"]),
    ("latency ms", ["/mean/best_latency", "/best/latency"]),
    ("kendall", ["/mean/kendall", "/kendall"]),
    ("within 10 %", ["/mean/within_10pct", "/within_10pct"]),
    ("failed", ["/mean/failed", "/failed"]),
    ("cpu s", ["/mean/cpu_s", "/cpu_s"]),
    ("wall s", ["/mean/wall_s", "/wall_s"]),
];

/// What tells runs of a command apart.
const FLAGS: [(&str, &str); 4] =
    [("accuracy", "accuracy"), ("table", "table"), ("budget", "budget"), ("limit, ms", "max-latency")];

fn overview(runs: &[Run]) -> Table {
    let number = |run: &Run, at: &[&str; 2]| {
        let result = run.result.as_ref()?;
        at.iter().find_map(|at| result.pointer(at)?.as_f64())
    };
    let used: Vec<&(&str, [&str; 2])> =
        HEADLINES.iter().filter(|(_, at)| runs.iter().any(|run| number(run, at).is_some())).collect();
    let flag = |run: &Run, name: &str| match run.flag(name)? {
        Value::Number(number) => number.as_f64().map(Cell::number),
        _ => run.column(name).map(Cell::text),
    };
    let given: Vec<&(&str, &str)> =
        FLAGS.iter().filter(|(_, name)| runs.iter().any(|run| flag(run, name).is_some())).collect();
    let rows = runs.iter().map(|run| {
        let how = run.algorithm().map_or_else(String::new, |algorithm| format!(", {algorithm}"));
        let mut row = vec![Cell::text(&run.name), Cell::text(&format!("{}{how}", run.begun.command))];
        row.push(Cell::text(&format!("{} {}", date(run.begun.started_s), time(run.begun.started_s))));
        row.extend(given.iter().map(|(_, name)| flag(run, name).unwrap_or_else(|| Cell::text(""))));
        row.extend(used.iter().map(|(_, at)| number(run, at).map_or_else(|| Cell::text(""), Cell::number)));
        row
    });
    let header = ["run", "command", "begun"].into_iter().chain(given.iter().map(|(name, _)| *name));
    let header = header.chain(used.iter().map(|(name, _)| *name));
    let header = header.map(String::from).collect();
    Table { title: "Runs".into(), header, rows: rows.collect(), more: 0 }
}

/// With the keys of objects in it behind theirs.
fn flat(object: &Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (key, value) in object {
        match value {
            Value::Object(inner) => {
                all.extend(inner.iter().map(|(name, value)| (format!("{key} {name}"), value.clone())));
            }
            _ => {
                all.insert(key.clone(), value.clone());
            }
        }
    }
    all
}

impl Table {
    /// Of a list of objects: their keys with a single value, and those of objects in them.
    fn of(key: &str, value: &Value) -> Option<Self> {
        let objects: Vec<Map<String, Value>> =
            value.as_array()?.iter().map(|row| row.as_object().map(flat)).collect::<Option<_>>()?;
        let mut header: Vec<String> = Vec::new();
        for object in &objects {
            for (key, value) in object.iter() {
                if !(value.is_array() || value.is_object() || value.is_null() || header.contains(key)) {
                    header.push(key.clone());
                }
            }
        }
        if header.is_empty() {
            return None;
        }
        let cell = |value: Option<&Value>| match value {
            Some(Value::Number(number)) => number.as_f64().map_or_else(|| Cell::text(""), Cell::number),
            Some(Value::String(text)) => Cell::text(text),
            Some(Value::Bool(yes)) => Cell::text(if *yes { "yes" } else { "" }),
            _ => Cell::text(""),
        };
        let row = |object: &Map<String, Value>| header.iter().map(|key| cell(object.get(key))).collect();
        let rows = objects.iter().take(ROWS).map(row).collect();
        let title = key.replace('_', " ");
        Some(Self { title, rows, header, more: objects.len().saturating_sub(ROWS) })
    }
}

impl Cell {
    fn text(text: &str) -> Self {
        Self { text: text.to_owned(), number: None }
    }

    /// Text that may be a number.
    fn read(text: String) -> Self {
        let number = text.parse().ok();
        Self { text, number }
    }

    fn number(number: f64) -> Self {
        let size = number.abs();
        let text = if number.fract() == 0.0 && size < 1e9 {
            format!("{number:.0}")
        } else if (1e-3..1e6).contains(&size) {
            let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
            format!("{number:.decimals$}")
        } else {
            format!("{number:.3e}")
        };
        Self { text, number: Some(number) }
    }
}
