//! What is in the folders.

use crate::failure::{Failure, OrFail};
use crate::record::{Begun, plan_of_trials};
use crate::repro::{Experiment, Kept, Shown, kept_in};
use anyhow::{Context, anyhow};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Everything that a page is made of.
pub(super) struct Found {
    pub(super) runs: Vec<Run>,
    pub(super) records: Vec<Record>,
}

/// A run of any command.
pub(super) struct Run {
    /// Of its folder.
    pub(super) name: String,
    pub(super) begun: Begun,
    /// None where it was cut off.
    pub(super) result: Option<Value>,
    /// What its searches have left so far, where it was cut off.
    pub(super) left: Vec<Left>,
    /// By column: what `predict` said of architectures that it never saw.
    pub(super) predictions: Vec<(String, Vec<f64>)>,
}

/// The trials of one search.
pub(super) struct Left {
    /// Of a run that compares several, which; the repeats of one have the same name.
    pub(super) of: String,
    pub(super) trials: Vec<Value>,
}

impl Run {
    /// All trials that were recorded.
    pub(super) fn trials(&self) -> impl Iterator<Item = &Value> {
        self.left.iter().flat_map(|left| &left.trials)
    }

    /// What a flag was given; nothing where it was not.
    pub(super) fn flag(&self, name: &str) -> Option<&Value> {
        self.begun.settings.get("flags")?.get(name).filter(|value| !value.is_null())
    }

    /// A column that a flag names, without the folders of its file.
    pub(super) fn column(&self, flag: &str) -> Option<&str> {
        self.flag(flag)?.as_str()?.rsplit('/').next()
    }

    /// Of a search, how it went.
    pub(super) fn algorithm(&self) -> Option<&str> {
        self.result.as_ref()?.get("algorithm")?.as_str()
    }

    /// The values that a search looked for the best of.
    pub(super) fn searched(&self) -> String {
        match (self.column("accuracy"), self.column("test")) {
            (Some(accuracy), Some(test)) => {
                let (file, column) = test.split_once(':').unwrap_or_default();
                let shared = accuracy.split_once(':').is_some_and(|(other, _)| other == file);
                format!("{accuracy}, {}", if shared { column } else { test })
            }
            (Some(accuracy), None) => accuracy.to_owned(),
            (None, _) => "what was trained".to_owned(),
        }
    }
}

/// A published experiment as it stands.
pub(super) struct Record {
    pub(super) shown: Shown,
    pub(super) host: Value,
}

pub(super) fn read(folders: &[PathBuf], experiments: &Path) -> Result<Found, Failure> {
    let mut found = Found { runs: Vec::new(), records: Vec::new() };
    for folder in folders {
        let before = (found.runs.len(), found.records.len());
        if folder.join("settings.json").exists() {
            found.runs.push(Run::read(folder)?);
        } else {
            for entry in sorted(folder)? {
                if entry.join("settings.json").exists() {
                    found.runs.push(Run::read(&entry)?);
                }
            }
            records(folder, experiments, &mut found.records)?;
        }
        if before == (found.runs.len(), found.records.len()) {
            return Err(anyhow!(
                "{} holds no run: a run is a folder with settings.json, as every command leaves one under runs/ or \
                 where --out says; records are kept by `repro` under results/",
                folder.display()
            ))
            .or_input();
        }
    }
    told_apart(&mut found.runs);
    Ok(found)
}

/// Runs of one name in several folders get numbers behind it: their pictures are files side by side.
fn told_apart(runs: &mut [Run]) {
    for at in 1..runs.len() {
        let (before, rest) = runs.split_at_mut(at);
        let taken = |name: &String| before.iter().any(|run| run.name == *name);
        let own = rest[0].name.clone();
        let names = std::iter::once(own.clone()).chain((2..).map(|number| format!("{own}-{number}")));
        rest[0].name = names.into_iter().find(|name| !taken(name)).unwrap_or(own);
    }
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let cannot = || format!("cannot list {}", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot).or_input()? {
        paths.push(entry.with_context(cannot).or_input()?.path());
    }
    paths.sort();
    Ok(paths)
}

fn records(folder: &Path, experiments: &Path, records: &mut Vec<Record>) -> Result<(), Failure> {
    let kept: Vec<Kept> = kept_in(folder)?;
    if kept.is_empty() {
        return Ok(());
    }
    let all = Experiment::read_all(experiments)?;
    for kept in kept {
        let experiment = all.iter().find(|experiment| experiment.name == kept.experiment);
        let experiment = experiment.ok_or_else(|| {
            let (name, at) = (&kept.experiment, folder.display());
            anyhow!("{at} has a record of `{name}`, which is not in {}", experiments.display())
        });
        records.push(Record { shown: Shown::of(experiment.or_input()?, &kept), host: kept.host });
    }
    Ok(())
}

impl Run {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let named = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        let name = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let begun = Begun::read(folder)?;
        let result = folder.join("result.json");
        let result = match result.exists() {
            true => {
                let cannot = || format!("cannot read {}", result.display());
                let text = std::fs::read_to_string(&result).with_context(cannot).or_input()?;
                Some(serde_json::from_str(&text).with_context(cannot).or_input()?)
            }
            false => None,
        };
        let left = if result.is_none() { left(folder, &begun)? } else { Vec::new() };
        let predictions = folder.join("predictions.csv");
        let predictions = if predictions.exists() { numbers(&predictions)? } else { Vec::new() };
        Ok(Self { name, begun, result, left, predictions })
    }
}

/// The trials of every search of a run.
fn left(folder: &Path, begun: &Begun) -> Result<Vec<Left>, Failure> {
    let repeated = begun.settings.get("repeats").and_then(Value::as_u64) > Some(1);
    let mut all = Vec::new();
    for path in sorted(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jsonl"));
        let Some(of) = name.and_then(|name| plan_of_trials(name, repeated)) else { continue };
        let cannot = || format!("cannot read {}", path.display());
        let text = std::fs::read_to_string(&path).with_context(cannot).or_input()?;
        // the last line may be half written
        let trials = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        all.push(Left { of: of.to_owned(), trials });
    }
    Ok(all)
}

/// The columns of numbers of a CSV; what is no number is NaN.
fn numbers(file: &Path) -> Result<Vec<(String, Vec<f64>)>, Failure> {
    let cannot = || format!("cannot read {}", file.display());
    let mut reader = csv::Reader::from_path(file).with_context(cannot).or_input()?;
    let header = reader.headers().with_context(cannot).or_input()?.clone();
    let mut columns: Vec<(String, Vec<f64>)> =
        header.iter().skip(1).map(|name| (name.to_owned(), Vec::new())).collect();
    for row in reader.records() {
        let row = row.with_context(cannot).or_input()?;
        for (column, cell) in columns.iter_mut().zip(row.iter().skip(1)) {
            column.1.push(cell.parse().unwrap_or(f64::NAN));
        }
    }
    Ok(columns)
}
