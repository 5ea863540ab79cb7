//! Tables of texts that are written from records, so that they cannot drift.

use super::experiment::Experiment;
use super::kept::Results;
use super::read;
use super::show::{self, Shown};
use crate::failure::{Failure, OrFail};
use crate::record::write_whole;
use anyhow::{Context, anyhow};
use std::path::Path;

const BEGIN: &str = "<!-- repro ";
const BEHIND: &str = " -->\n";
const END: &str = "<!-- end -->";

/// Stands for a table of all experiments, a row each.
const ALL: &str = "all";

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
        let (block, rest) =
            part.split_once(BEHIND).with_context(|| format!("a block without `{}`", BEHIND.trim()))?;
        let (_, rest) =
            rest.split_once(END).with_context(|| format!("the block `{block}` has no `{END}`"))?;
        // behind the name of an experiment, how the values begin that are shown side by side
        let (name, values) = block.split_once(' ').map_or((block, None), |(name, part)| (name, Some(part)));
        let shown = |experiment: &Experiment| {
            let kept = results.kept(experiment, false).map_err(|failure| anyhow!("{:#}", failure.error()))?;
            anyhow::Ok(Shown::of(experiment, &kept))
        };
        let experiment = all.iter().find(|experiment| experiment.name == name);
        let table = match experiment {
            Some(experiment) => match values {
                Some(begin) => shown(experiment)?.side_by_side(begin),
                None => shown(experiment)?.markdown(),
            },
            None if name == ALL => show::summary(&all.iter().map(shown).collect::<Result<Vec<_>, _>>()?),
            None => return Err(anyhow!("there is no experiment `{name}`, and the name is not `{ALL}`")),
        };
        new += &format!("{BEGIN}{block}{BEHIND}{table}{END}{rest}");
    }
    Ok(new)
}
