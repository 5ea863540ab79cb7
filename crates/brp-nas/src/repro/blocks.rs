//! Tables of texts that are written from records, so that they cannot drift.

use super::experiment::Experiment;
use super::kept::Results;
use super::read;
use super::show::Shown;
use crate::failure::{Failure, OrFail};
use crate::record::write_whole;
use anyhow::{Context, anyhow};
use std::path::Path;

const BEGIN: &str = "<!-- repro ";
const BEHIND: &str = " -->\n";
const END: &str = "<!-- end -->";

/// Writes every block of the text anew.
pub(super) fn update(file: &Path, all: &[Experiment], results: &Results) -> Result<(), Failure> {
    let text = read(file, "the text")?;
    let new = renewed(&text, all, results).with_context(|| format!("in {}", file.display())).or_input()?;
    if new == text { Ok(()) } else { write_whole(file, new.as_bytes()).or_failed() }
}

fn renewed(text: &str, all: &[Experiment], results: &Results) -> anyhow::Result<String> {
    let mut parts = text.split(BEGIN);
    let mut new = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) =
            part.split_once(BEHIND).with_context(|| format!("a block without `{}`", BEHIND.trim()))?;
        let (_, rest) = rest.split_once(END).with_context(|| format!("the block `{name}` has no `{END}`"))?;
        let experiment = all.iter().find(|experiment| experiment.name == name);
        let experiment = experiment.ok_or_else(|| anyhow!("there is no experiment `{name}`"))?;
        let kept = results.kept(experiment, false).map_err(|failure| anyhow!("{:#}", failure.error()))?;
        let table = Shown::of(experiment, &kept).markdown();
        new += &format!("{BEGIN}{name}{BEHIND}{table}{END}{rest}");
    }
    Ok(new)
}
