//! One row: a command of this program, in a process of its own.

use super::experiment::{Experiment, Row};
use crate::failure::{Failure, OrFail};
use crate::record::try_lock;
use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What a row came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Done {
    pub(crate) name: String,
    /// The command line, as it stands in the experiment.
    pub(crate) run: String,
    /// Of the program that did it.
    pub(crate) revision: String,
    pub(crate) seconds: f64,
    /// Whether the seconds are those after a kill, what was kept by then being gone on with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) gone_on: bool,
    /// Whether it was done on the program's own benchmark, because a file was not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) on_benchmark: bool,
    /// In the order of the experiment.
    pub(crate) measured: Vec<Option<f64>>,
}

/// Keeps other processes from doing the same row.
pub(super) fn hold(folder: &Path) -> Result<File, Failure> {
    let make = || {
        fs::create_dir_all(folder.parent().unwrap_or(folder))?;
        File::create(lock_of(folder))
    };
    // another process may just have removed the folder, which it left empty
    let file = make()
        .or_else(|_| make())
        .with_context(|| format!("cannot make {}", lock_of(folder).display()))
        .or_input()?;
    try_lock(&file, folder)?;
    Ok(file)
}

fn lock_of(folder: &Path) -> PathBuf {
    folder.with_extension("lock")
}

/// Takes away what a row leaves, once it is recorded.
pub(super) fn clear(folder: &Path) -> Result<(), Failure> {
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display())).or_failed()?;
    let _ = fs::remove_file(lock_of(folder));
    for above in folder.ancestors().skip(1).take(2) {
        // where it is empty
        let _ = fs::remove_dir(above);
    }
    Ok(())
}

/// Does a row in a folder of its own; what a killed one left there is gone on with.
pub(super) fn run(
    row: &Row,
    experiment: &Experiment,
    folders: &[PathBuf],
    quick: bool,
    folder: &Path,
) -> Result<Done, Failure> {
    let program = std::env::current_exe().context("the path of this program").or_failed()?;
    let words = row.words(experiment, folders, quick);
    let revision = env!("BRP_NAS_REVISION");
    let record = folder.join("run");
    let files = experiment.data.values().filter_map(|data| data.path(folders));
    let stamps: Vec<String> = files.chain([program.clone()]).map(|file| stamp(&file)).collect();
    let of = format!("{revision}\n{}\n{}\n", words.join(" "), stamps.join("\n"));
    let gone_on = begun(folder, &of).or_failed()?;
    let start = Instant::now();
    let mut command = Command::new(program);
    match words.first().map(String::as_str) {
        Some(word @ ("predict" | "search")) if gone_on => {
            command.args([word, "--resume"]).arg(&record);
        }
        word => {
            if gone_on {
                fs::remove_dir_all(&record).context("what a killed run left").or_failed()?;
            }
            command.args(&words).arg("--out").arg(&record);
            // their store is what is gone on with; scores that are looked up need none
            if matches!(word, Some("train" | "score")) && !words.iter().any(|word| word == "--scores") {
                command.arg("--store").arg(folder.join("store.sqlite"));
            }
        }
    }
    let output = command.args(["--format", "json"]).stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.context("cannot run this program again").or_failed()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default().to_owned();
        let before = if gone_on {
            format!(" (gone on with in {}: remove it to begin anew)", folder.display())
        } else {
            String::new()
        };
        let error = anyhow!("`{}`{before} ended with {}: {last}", words.join(" "), output.status);
        return if output.status.code() == Some(2) { Err(error).or_input() } else { Err(error).or_failed() };
    }
    let result: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the result of `{}`", words.join(" ")))
        .or_failed()?;
    let value = |value: &super::experiment::Value| -> Result<Option<f64>, Failure> {
        match result.pointer(&value.at) {
            Some(found) => Ok(found.as_f64()),
            None => Err(anyhow!("value `{}`: there is no {} in the result", value.name, value.at)).or_input(),
        }
    };
    let measured = row.values.iter().map(value).collect::<Result<_, _>>()?;
    Ok(Done {
        name: row.name.clone(),
        run: row.line(quick),
        revision: revision.into(),
        seconds: start.elapsed().as_secs_f64(),
        gone_on,
        on_benchmark: row.stands_in(experiment, folders),
        measured,
    })
}

/// A file's size and when it was changed: what is kept for another program or other tables is not gone on with.
fn stamp(file: &Path) -> String {
    let of = |metadata: fs::Metadata| Some((metadata.len(), metadata.modified().ok()?));
    format!("{} {:?}", file.display(), fs::metadata(file).ok().and_then(of))
}

/// Makes the folder, unless it is there with a record of the same; whether it has one.
fn begun(folder: &Path, of: &str) -> anyhow::Result<bool> {
    let note = folder.join("row");
    if fs::read_to_string(&note).is_ok_and(|before| before == of) {
        return Ok(folder.join("run/settings.json").exists());
    }
    let make = || {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        fs::write(&note, of)
    };
    make().with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(false)
}
