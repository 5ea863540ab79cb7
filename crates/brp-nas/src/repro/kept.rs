//! Records: one file an experiment, in a folder for a day and a machine.

use super::experiment::{Experiment, Row};
use super::read;
use super::row::Done;
use crate::failure::{Failure, OrFail};
use crate::host::{Host, date, now_s};
use crate::record::write_whole;
use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The form of these files.
const FORMAT: u32 = 1;

/// The record of an experiment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    format: u32,
    pub(crate) experiment: String,
    /// With fewer repeats and smaller samples: not what the experiment is about.
    pub(crate) quick: bool,
    pub(crate) host: serde_json::Value,
    pub(crate) rows: Vec<Done>,
}

impl Kept {
    /// What is known of a row, in its settings of today.
    pub(crate) fn done(&self, row: &Row, quick: bool) -> Option<&Done> {
        let line = row.line(quick);
        let same = |done: &&Done| {
            done.name == row.name && done.run == line && done.measured.len() == row.values.len()
        };
        self.rows.iter().find(same)
    }

    pub(crate) fn take(&mut self, done: Done) {
        self.rows.retain(|other| other.name != done.name);
        self.rows.push(done);
    }
}

/// The folder of records, and those beside it.
#[derive(Debug)]
pub(crate) struct Results {
    folder: PathBuf,
    /// Whether somebody named it: then rows of any revision count.
    named: bool,
    host: serde_json::Value,
}

impl Results {
    pub(crate) fn open(named: Option<&Path>) -> Result<Self, Failure> {
        let host = serde_json::to_value(Host::here()).or_failed()?;
        if let Some(folder) = named {
            return Ok(Self { folder: folder.to_path_buf(), named: true, host });
        }
        let machine: String = host["processor"].as_str().unwrap_or("unknown").to_lowercase();
        let words = machine.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let machine = words.take(4).collect::<Vec<_>>().join("-");
        let folder = Path::new("results").join(format!("{}-{machine}", date(now_s())));
        let newest = folders().into_iter().rev().find(|folder| {
            let of_here = |kept: &Kept| {
                kept.host["revision"] == host["revision"] && kept.host["processor"] == host["processor"]
            };
            files(folder).iter().any(|file| open(file).is_ok_and(|kept| of_here(&kept)))
        });
        Ok(Self { folder: newest.unwrap_or(folder), named: false, host })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self, experiment: &str, quick: bool) -> PathBuf {
        name_in(&self.folder, experiment, quick)
    }

    /// Where a row is at work, by its place in the experiment.
    pub(crate) fn at_work(&self, experiment: &Experiment, quick: bool, row: &Row) -> PathBuf {
        let place = experiment.rows(false, None).position(|other| other.name == row.name).unwrap_or_default();
        let name = self.file(&experiment.name, quick);
        let name = name.file_stem().unwrap_or_default();
        self.folder.join(".at-work").join(name).join(place.to_string())
    }

    /// What is known of an experiment; nothing where nobody did it.
    pub(crate) fn kept(&self, experiment: &Experiment, quick: bool) -> Result<Kept, Failure> {
        let file = self.file(&experiment.name, quick);
        if file.exists() {
            return open(&file);
        }
        let (experiment, host) = (experiment.name.clone(), self.host.clone());
        Ok(Kept { format: FORMAT, experiment, quick, host, rows: Vec::new() })
    }

    /// What is known of a row that need not be done again: a folder that nobody named may have rows of an older revision
    /// of the same day.
    pub(crate) fn done<'a>(&self, kept: &'a Kept, row: &Row, quick: bool) -> Option<&'a Done> {
        let here = |done: &&Done| self.named || done.revision == env!("BRP_NAS_REVISION");
        kept.done(row, quick).filter(here)
    }

    /// Adds a row to the record, beside what other processes have added; the record then.
    pub(crate) fn add(&self, experiment: &Experiment, quick: bool, done: Done) -> Result<Kept, Failure> {
        let cannot = || format!("cannot write in {}", self.folder.display());
        std::fs::create_dir_all(&self.folder).with_context(cannot).or_input()?;
        let lock = File::create(self.folder.join(".lock")).with_context(cannot).or_input()?;
        // where the disk knows no locks, nobody waits
        let _ = lock.lock();
        let mut kept = self.kept(experiment, quick)?;
        kept.take(done);
        if !self.named {
            // what is found again is found by the newest revision
            kept.host = self.host.clone();
        }
        let text = serde_json::to_string_pretty(&kept).or_failed()? + "\n";
        write_whole(&self.file(&kept.experiment, kept.quick), text.as_bytes()).or_failed()?;
        Ok(kept)
    }

    /// How long a row took, when it was last done in these settings, in any folder.
    fn expected(&self, experiment: &Experiment, row: &Row, quick: bool) -> Option<f64> {
        let known = folders().into_iter().rev().chain([self.folder.clone()]);
        let of = |folder: PathBuf| {
            let kept = open(&name_in(&folder, &experiment.name, quick)).ok()?;
            kept.done(row, quick).map(|done| done.seconds)
        };
        known.filter_map(of).next()
    }

    /// Seconds for what is not done, where all of it was done before.
    pub(crate) fn estimate(&self, chosen: &[&Experiment], quick: bool, part: Option<&str>) -> Option<f64> {
        let mut total = 0.0;
        for experiment in chosen {
            let kept = self.kept(experiment, quick).ok()?;
            for row in experiment.rows(quick, part).filter(|row| self.done(&kept, row, quick).is_none()) {
                total += self.expected(experiment, row, quick)?;
            }
        }
        Some(total)
    }
}

/// The record of an experiment in a folder.
fn name_in(folder: &Path, experiment: &str, quick: bool) -> PathBuf {
    folder.join(format!("{experiment}{}.json", if quick { "-quick" } else { "" }))
}

/// The folders of records, by name, so by day.
fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("results").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// The JSON files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    files
}

/// What was last kept of an experiment, on any machine, and says where.
pub(crate) fn newest(experiment: &Experiment, quick: bool) -> Result<Option<Kept>, Failure> {
    let files = folders().into_iter().rev().map(|folder| name_in(&folder, &experiment.name, quick));
    let Some(file) = files.into_iter().find(|file| file.exists()) else { return Ok(None) };
    eprintln!("{}: as kept in {}", experiment.name, file.display());
    open(&file).map(Some)
}

/// All records of a folder.
pub(crate) fn kept_in(folder: &Path) -> Result<Vec<Kept>, Failure> {
    files(folder).iter().map(|file| open(file)).collect()
}

fn open(file: &Path) -> Result<Kept, Failure> {
    let text = read(file, "the record")?;
    let kept: Kept =
        serde_json::from_str(&text).with_context(|| format!("in {}", file.display())).or_input()?;
    if kept.format == FORMAT {
        Ok(kept)
    } else {
        let (found, file) = (kept.format, file.display());
        Err(anyhow!("{file} is of form {found}, and this program writes form {FORMAT}: name another folder with --results"))
            .or_input()
    }
}
