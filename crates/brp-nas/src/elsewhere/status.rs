//! `brp-nas status`.

use super::{Folder, Visit, slurm};
use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::options::Format;
use crate::output::{self, Show};
use crate::units::Work;
use cluster::{Phase, Queued, Slurm};
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
    let engine = slurm(&folder, Vec::new());
    output::print(&Standing::now(&folder, &engine, &in_store(&folder)?)?, args.format.unwrap_or_default())
}

/// Which tasks are done, by the store or a result.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) open: BTreeSet<u64>,
    done: u64,
    failed: u64,
    damaged: u64,
}

/// Which items have an outcome in the store.
struct InStore<'a>(&'a Store);

impl Visit for InStore<'_> {
    type Out = Vec<Option<bool>>;

    /// Whether it is one of a failure.
    fn visit<W: Work>(self, work: &W) -> Result<Self::Out, Failure> {
        let keys = work.keys();
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

/// Of every task, whether its outcome in the store is one of a failure; none where it has none there.
pub(crate) fn in_store(folder: &Folder) -> Result<Vec<Option<bool>>, Failure> {
    let (items, file) = (folder.items()?, &folder.work().store);
    let known = if items.is_empty() || !file.exists() {
        vec![None; items.len()]
    } else {
        folder.work().pieces.on(&items, InStore(&Store::open(file).or_input()?))?
    };
    let pack = usize::try_from(folder.work().pack).or_input()?;
    let task = |items: &[Option<bool>]| items.iter().try_fold(false, |failed, item| Some(failed | (*item)?));
    Ok(known.chunks(pack).map(task).collect())
}

/// Looks for the results of what is not in the store.
pub(crate) fn found(folder: &Folder, stored: &[Option<bool>]) -> Result<Found, Failure> {
    let files: BTreeSet<u64> = folder.finished()?.into_iter().collect();
    let mut found = Found::default();
    for (task, stored) in (0..).zip(stored) {
        let failed = match (stored, files.contains(&task)) {
            (Some(failed), _) => Some(*failed),
            (None, false) => None,
            (None, true) => match folder.result(task) {
                Ok(done) => done.map(|done| done.rows.iter().any(|row| !matches!(row.state, State::Done(_)))),
                Err(_) => {
                    found.damaged += 1;
                    None
                }
            },
        };
        match failed {
            Some(failed) => {
                found.done += 1;
                found.failed += u64::from(failed);
            }
            None => drop(found.open.insert(task)),
        }
    }
    Ok(found)
}

impl Standing {
    pub(crate) fn now(folder: &Folder, engine: &Slurm, stored: &[Option<bool>]) -> Result<Self, Failure> {
        let queue: BTreeMap<u64, Queued> =
            engine.queue().or_failed()?.into_iter().map(|queued| (queued.task, queued)).collect();
        let found = found(folder, stored)?;
        let ours: Vec<&Queued> = queue.values().filter(|queued| found.open.contains(&queued.task)).collect();
        let waiting: Vec<&&Queued> = ours.iter().filter(|queued| queued.phase == Phase::Waiting).collect();
        let mut reasons = BTreeMap::new();
        waiting.iter().for_each(|queued| *reasons.entry(queued.reason.clone()).or_default() += 1);
        let (open, waiting) = (found.open.len() as u64, waiting.len() as u64);
        let running = ours.len() as u64 - waiting;
        let last = folder.finished()?.into_iter().rev().take(LOOKED_AT);
        let seconds: Vec<f64> = last.filter_map(|task| Some(folder.result(task).ok()??.seconds)).collect();
        let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
        let left_s = (running > 0 && mean.is_finite()).then(|| open as f64 * mean / running as f64);
        let Found { done, failed, damaged, .. } = found;
        let missing = open - ours.len() as u64;
        Ok(Self { done, running, waiting, failed, missing, damaged, left_s, reasons })
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
