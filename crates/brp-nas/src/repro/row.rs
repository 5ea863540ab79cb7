//! One row: a command of this program, in a process of its own.

use super::experiment::{Experiment, Row};
use crate::failure::{Failure, OrFail};
use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
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
    /// Whether it was done on the program's own benchmark, because a file was not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) on_benchmark: bool,
    /// In the order of the experiment.
    pub(crate) measured: Vec<Option<f64>>,
}

pub(super) fn run(
    row: &Row,
    experiment: &Experiment,
    folders: &[PathBuf],
    quick: bool,
) -> Result<Done, Failure> {
    let program = std::env::current_exe().context("the path of this program").or_failed()?;
    let out = tempfile::tempdir().context("a folder for the run").or_failed()?;
    let words = row.words(experiment, folders, quick);
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(&words).args(["--format", "json", "--out"]).arg(out.path().join("run"));
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.context("cannot run this program again").or_failed()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default().to_owned();
        let error = anyhow!("`{}` ended with {}: {last}", words.join(" "), output.status);
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
        revision: env!("BRP_NAS_REVISION").into(),
        seconds: start.elapsed().as_secs_f64(),
        on_benchmark: row.stands_in(experiment, folders),
        measured,
    })
}
