//! `brp-nas repro`: published tables and figures, with this program's numbers beside them.

mod blocks;
mod experiment;
mod kept;
mod row;
mod show;

pub(crate) use experiment::Experiment;
pub(crate) use kept::{Kept, kept_in};
pub(crate) use show::Shown;

use crate::failure::{Failure, OrFail};
use crate::options::Format;
use crate::output;
use anyhow::{Context, anyhow};
use kept::Results;
use row::run;
use std::path::PathBuf;

/// Flags of `repro`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The experiment, by the name of its file; `all` of them but those that take long; `list` names them.
    name: String,
    /// The folder of experiments.
    #[arg(long, default_value = "experiments")]
    experiments: PathBuf,
    /// A folder of published data; may be given more than once. What is in none is said, with where it comes from
    /// [default: data, ../shared/data].
    #[arg(long)]
    data: Vec<PathBuf>,
    /// Where records are kept; rows that are there, of these settings, are not done again
    /// [default: the newest results/DATE-MACHINE of this machine and revision, else a new one].
    #[arg(long)]
    results: Option<PathBuf>,
    /// A few minutes' worth of all of it, with fewer repeats and smaller samples, marked in the record.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    quick: Option<bool>,
    /// Only rows whose name has this in it.
    #[arg(long)]
    rows: Option<String>,
    /// Show what is kept, without doing anything.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    kept: Option<bool>,
    /// Write the tables of what is kept into a text instead, between `<!-- repro NAME -->` and `<!-- end -->`; the names
    /// are those of the text.
    #[arg(long)]
    into: Option<PathBuf>,
    /// How the result is printed on stdout [default: table].
    #[arg(long)]
    format: Option<Format>,
}

pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let all = Experiment::read_all(&args.experiments)?;
    let format = args.format.unwrap_or_default();
    if args.name == "list" {
        return output::print(&show::List::of(&all), format);
    }
    if let Some(file) = &args.into {
        return blocks::update(file, &all, &Results::open(args.results.as_deref())?);
    }
    let named = |e: &&Experiment| if args.name == "all" { !e.apart } else { e.name == args.name };
    let chosen: Vec<&Experiment> = all.iter().filter(named).collect();
    if chosen.is_empty() && args.name != "all" {
        let names: Vec<&str> = all.iter().map(|experiment| experiment.name.as_str()).collect();
        return Err(anyhow!("no experiment `{}`; there are all, {}", args.name, names.join(", "))).or_input();
    }
    let quick = args.quick == Some(true);
    let standard = || ["data", "../shared/data"].map(PathBuf::from).to_vec();
    let folders = if args.data.is_empty() { standard() } else { args.data.clone() };
    let results = Results::open(args.results.as_deref())?;
    eprintln!("records are in {}", results.folder().display());
    let rows = |experiment: &&Experiment| experiment.rows(quick, args.rows.as_deref()).count();
    if let Some(part) = args.rows.as_ref().filter(|_| chosen.iter().map(rows).sum::<usize>() == 0) {
        return Err(anyhow!(
            "no row of {} has `{part}` in its name: leave out --rows to see them",
            args.name
        ))
        .or_input();
    }
    let mut shown = Vec::new();
    for experiment in &chosen {
        let mut kept = results.kept(experiment, quick)?;
        if args.kept == Some(true) {
            if args.results.is_none() && kept.rows.is_empty() {
                kept = kept::newest(experiment, quick)?.unwrap_or(kept);
            }
        } else {
            let missing = experiment.missing(&folders);
            missing.iter().for_each(|said| eprintln!("{}: {said}", experiment.name));
            for row in experiment.rows(quick, args.rows.as_deref()) {
                let stands_in = row.stands_in(experiment, &folders);
                // what was done for want of a file is done again when it is there
                let done = results.done(&kept, row, quick);
                if let Some(done) = done.filter(|done| stands_in || !done.on_benchmark) {
                    if done.revision != env!("BRP_NAS_REVISION") {
                        eprintln!("{}, {}: as revision {} did it", experiment.name, row.name, done.revision);
                    }
                    // what a kill left there between recording and clearing
                    let left = results.at_work(experiment, quick, row);
                    if left.exists()
                        && let Ok(_held) = row::hold(&left)
                    {
                        row::clear(&left)?;
                    }
                    continue;
                }
                if let Some(lacks) = row.lacks(experiment, &folders) {
                    eprintln!("{}, {}: not done, {lacks} is missing", experiment.name, row.name);
                    continue;
                }
                let left = results
                    .estimate(&chosen, quick, args.rows.as_deref())
                    .map_or_else(String::new, |left| format!(", about {:.0} min left", left / 60.0));
                let on = if stands_in { ", on the program's own benchmark" } else { "" };
                eprintln!("{}, {}{on}{left}", experiment.name, row.name);
                let at_work = results.at_work(experiment, quick, row);
                let place = format!("{}, row `{}`", experiment.file.display(), row.name);
                let held = row::hold(&at_work)?;
                let done = match run(row, experiment, &folders, quick, &at_work) {
                    // a row may ask for more architectures than a benchmark has; what is quick is made for it
                    Err(Failure::Input(error)) if stands_in && !quick => {
                        eprintln!(
                            "{}, {}: not done, the benchmark does not do: {error}",
                            experiment.name, row.name
                        );
                        continue;
                    }
                    done => done.map_err(|failure| failure.within(&place))?,
                };
                kept = results.add(experiment, quick, done)?;
                row::clear(&at_work)?;
                drop(held);
            }
        }
        shown.push(Shown::of(experiment, &kept));
    }
    output::print(&show::All(shown), format)
}

/// A file's text, or what it is for.
fn read(path: &std::path::Path, what: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {what} {}", path.display())).or_input()
}
