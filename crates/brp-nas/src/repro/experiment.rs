//! Experiments as files.

use super::read;
use crate::columns;
use crate::failure::{Failure, OrFail};
use anyhow::{Context, anyhow};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One published table or figure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Experiment {
    #[serde(skip)]
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) file: PathBuf,
    /// What it is, in a line.
    pub(crate) title: String,
    /// Paper, and table or figure.
    pub(crate) paper: String,
    /// How the published numbers came to be, and what is different here.
    #[serde(default)]
    pub(crate) note: String,
    /// Whether it takes so long that it is done by its name alone, and not with all.
    #[serde(default)]
    pub(crate) apart: bool,
    /// Files by the name that rows have for them.
    #[serde(default)]
    pub(crate) data: BTreeMap<String, Data>,
    /// Of rows that name none of their own.
    #[serde(default, rename = "value")]
    values: Vec<Value>,
    #[serde(rename = "row")]
    rows: Vec<Row>,
}

/// A file that is not in the repository.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    pub(crate) file: String,
    /// Where it comes from.
    pub(crate) from: String,
    /// How to make it of what is published.
    pub(crate) make: Option<String>,
    /// What of the program's own benchmark stands in for its columns where it is not there.
    #[serde(default)]
    pub(crate) instead: BTreeMap<String, String>,
}

/// One command, and what of its result is compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The command line behind the program's name; `{NAME}` is a data file.
    run: String,
    /// More flags, or others, where it has to be quick; without them the row is not done then.
    quick: Option<String>,
    #[serde(default, rename = "value")]
    pub(crate) values: Vec<Value>,
}

/// A number of the result.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Value {
    pub(crate) name: String,
    /// Where it is in the command's JSON (RFC 6901).
    pub(crate) at: String,
    pub(crate) published: Option<f64>,
    /// Half of the interval of the published number, where it has one.
    pub(crate) spread: Option<f64>,
    /// Whose number it is, where it is not the paper's.
    pub(crate) from: Option<String>,
    #[serde(default)]
    pub(crate) better: Better,
}

/// Which numbers are better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Better {
    #[default]
    Higher,
    Lower,
}

impl Experiment {
    /// All of a folder, in the order of their names.
    pub(crate) fn read_all(folder: &Path) -> Result<Vec<Self>, Failure> {
        let cannot =
            || format!("cannot list the experiments in {}: --experiments names the folder", folder.display());
        let entries = std::fs::read_dir(folder).with_context(cannot).or_input()?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.with_context(cannot).or_input()?.path();
            if path.extension().is_some_and(|end| end == "toml") {
                files.push(path);
            }
        }
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    fn read(file: &Path) -> Result<Self, Failure> {
        let place = || format!("in {}", file.display());
        let text = read(file, "the experiment")?;
        let mut experiment: Self = toml::from_str(&text).with_context(place).or_input()?;
        experiment.name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        experiment.file = file.to_path_buf();
        for row in experiment.rows.iter_mut().filter(|row| row.values.is_empty()) {
            row.values.clone_from(&experiment.values);
        }
        for row in &experiment.rows {
            if row.values.is_empty() {
                let said =
                    anyhow!("row `{}` has no [[row.value]], and there is no [[value]] of all", row.name);
                return Err(said).with_context(place).or_input();
            }
            let known = |name: &str| experiment.data.contains_key(name);
            if let Some(name) = names(&row.line(true)).into_iter().find(|name| !known(name)) {
                let there: Vec<&str> = experiment.data.keys().map(String::as_str).collect();
                let name =
                    format!("row `{}` names the data {{{name}}}; there are {}", row.name, there.join(", "));
                return Err(anyhow!(name)).with_context(place).or_input();
            }
        }
        Ok(experiment)
    }

    /// What is to be done.
    pub(crate) fn rows(&self, quick: bool, part: Option<&str>) -> impl Iterator<Item = &Row> {
        let wanted = move |row: &&Row| part.is_none_or(|part| row.name.contains(part));
        self.rows.iter().filter(move |row| !quick || row.quick.is_some()).filter(wanted)
    }

    /// Files that are not there, and how to get them.
    pub(crate) fn missing(&self, folders: &[PathBuf]) -> Vec<String> {
        let absent = self.data.values().filter(|data| data.path(folders).is_none());
        let said = |data: &Data| {
            let make = data.make.as_ref().map_or_else(String::new, |make| format!("; make it by: {make}"));
            let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            format!("{} is not in {}: it comes from {}{make}", data.file, folders.join(" or "), data.from)
        };
        absent.map(said).collect()
    }
}

impl Data {
    /// Where it is, in the first folder that has it.
    pub(crate) fn path(&self, folders: &[PathBuf]) -> Option<PathBuf> {
        folders.iter().map(|folder| folder.join(&self.file)).find(|path| path.exists())
    }
}

impl Row {
    /// The command line, as it stands in the file.
    pub(crate) fn line(&self, quick: bool) -> String {
        match (&self.quick, quick) {
            (Some(more), true) => format!("{} {more}", self.run),
            _ => self.run.clone(),
        }
    }

    /// The words of the command.
    pub(crate) fn words(&self, experiment: &Experiment, folders: &[PathBuf], quick: bool) -> Vec<String> {
        let fill = |word: &str| {
            experiment.data.iter().fold(word.to_owned(), |word, (name, data)| match data.path(folders) {
                Some(path) => word.replace(&format!("{{{name}}}"), &path.display().to_string()),
                None => data.instead.iter().fold(word, |word, (column, own)| {
                    word.replace(&format!("{{{name}}}:{column}"), &format!("{}:{own}", columns::BENCHMARK))
                }),
            })
        };
        self.line(quick).split_whitespace().map(fill).collect()
    }

    /// A data file that it needs and that is not there, with nothing that stands in for it.
    pub(crate) fn lacks(&self, experiment: &Experiment, folders: &[PathBuf]) -> Option<String> {
        let left = names(&self.words(experiment, folders, true).join(" "));
        left.iter().find_map(|name| experiment.data.get(name)).map(|data| data.file.clone())
    }

    /// Whether the program's own benchmark stands in for a file of it.
    pub(crate) fn stands_in(&self, experiment: &Experiment, folders: &[PathBuf]) -> bool {
        let mut named = names(&self.line(true)).into_iter().filter_map(|name| experiment.data.get(&name));
        named.any(|data| data.path(folders).is_none())
    }
}

/// The names in braces.
fn names(line: &str) -> Vec<String> {
    let parts = line.split('{').skip(1);
    parts.filter_map(|part| part.split_once('}').map(|(name, _)| name.to_owned())).collect()
}
