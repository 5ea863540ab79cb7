//! `brp-nas status`.

use super::{Folder, Visit, slurm};
use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::options::Format;
use crate::output::{self, Show};
use crate::units::Work;
use cluster::{Engine, Phase, Slurm};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use store::{State, Store};

/// Result files whose seconds are looked at for an estimate.
const LOOKED_AT: usize = 200;

/// Flags of `status`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The work folder.
    folder: PathBuf,
    /// How the result is printed on stdout [default: table].
    #[arg(long)]
    format: Option<Format>,
}

/// How work stands, in tasks.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    done: u64,
    running: u64,
    waiting: u64,
    /// Of those that are done, how many have an item that failed or diverged.
    failed: u64,
    /// Neither done nor with the engine.
    missing: u64,
    /// Results that cannot be read; they count as missing.
    damaged: u64,
    /// Seconds until all is done, by those that are done, where any is and any runs.
    left_s: Option<f64>,
    /// Why tasks wait, as the engine says it.
    reasons: BTreeMap<String, usize>,
}

pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let folder = Folder::open(&args.folder)?;
    let mut engine = slurm(&folder, Vec::new());
    output::print(&Standing::now(&folder, &mut engine)?, args.format.unwrap_or(Format::Table))
}

/// Which tasks are done, by the store or a result.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) open: BTreeSet<u64>,
    done: u64,
    failed: BTreeSet<u64>,
    damaged: u64,
    seconds: Vec<f64>,
}

/// Which items have an outcome in the store.
struct InStore<'a>(&'a Store);

impl Visit for InStore<'_> {
    type Out = Vec<Option<bool>>;

    /// Whether it is one of a failure.
    fn visit<W: Work>(self, work: &W) -> Result<Self::Out, Failure> {
        let keys = work.keys();
        self.0.submit(&keys.concat(), now_ms()).or_failed()?;
        let mut items = Vec::new();
        for (item, keys) in keys.iter().enumerate() {
            let mut worst = Some(false);
            for key in keys {
                let row = self.0.get(key, now_ms()).or_failed()?;
                worst = match row.map(|row| row.state) {
                    Some(State::Done(_)) => worst,
                    Some(State::Failed { .. } | State::Diverged { .. }) => worst.map(|_| true),
                    _ => None,
                };
            }
            items.extend(std::iter::repeat_n(worst, work.size(item)));
        }
        Ok(items)
    }
}

/// Looks through store and results.
pub(crate) fn standing(folder: &Folder) -> Result<Found, Failure> {
    let store = Store::open_or_create(&folder.work().store).or_input()?;
    let items = folder.items()?;
    let known =
        if items.is_empty() { Vec::new() } else { folder.work().pieces.on(&items, InStore(&store))? };
    let files: BTreeSet<u64> = folder.finished()?.into_iter().collect();
    let pack = usize::try_from(folder.work().pack).or_input()?;
    let mut found = Found::default();
    for (task, items) in (0..).zip(known.chunks(pack)) {
        if items.iter().all(Option::is_some) {
            found.done += 1;
            if items.contains(&Some(true)) {
                found.failed.insert(task);
            }
            continue;
        }
        let result = if files.contains(&task) { folder.result(task) } else { Ok(None) };
        match result {
            Ok(Some(done)) => {
                found.done += 1;
                if done.rows.iter().any(|row| !matches!(row.state, State::Done(_))) {
                    found.failed.insert(task);
                }
            }
            Ok(None) => drop(found.open.insert(task)),
            Err(_) => {
                found.damaged += 1;
                found.open.insert(task);
            }
        }
    }
    let last = files.iter().rev().take(LOOKED_AT);
    found.seconds = last.filter_map(|task| Some(folder.result(*task).ok()??.seconds)).collect();
    Ok(found)
}

impl Standing {
    pub(crate) fn now(folder: &Folder, engine: &mut Slurm) -> Result<Self, Failure> {
        let there = engine.tasks().or_failed()?;
        let found = standing(folder)?;
        let count = |phase: Phase| {
            there.iter().filter(|(task, at)| **at == phase && found.open.contains(task)).count() as u64
        };
        let (running, waiting) = (count(Phase::Running), count(Phase::Waiting));
        let open = found.open.len() as u64;
        let mean = found.seconds.iter().sum::<f64>() / found.seconds.len() as f64;
        let left_s = (running > 0 && mean.is_finite()).then(|| open as f64 * mean / running as f64);
        let reasons = if waiting > 0 { engine.reasons().or_failed()? } else { BTreeMap::new() };
        Ok(Self {
            done: found.done,
            running,
            waiting,
            failed: found.failed.len() as u64,
            missing: open - running - waiting,
            damaged: found.damaged,
            left_s,
            reasons,
        })
    }
}

impl Show for Standing {
    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["done", "running", "waiting", "failed", "missing", "damaged", "left_s"];
        let counts = [self.done, self.running, self.waiting, self.failed, self.missing, self.damaged];
        let left = self.left_s.map_or_else(String::new, |left| format!("{left:.0}"));
        let row = counts.iter().map(u64::to_string).chain([left]).collect();
        (header.map(String::from).to_vec(), vec![row])
    }
}
