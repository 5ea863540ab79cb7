//! `brp-nas worker`.

use super::{Folder, Visit};
use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::kept_units::put;
use crate::options::Format;
use crate::output::{self, Show};
use crate::units::{Work, complete};
use anyhow::{Context, anyhow};
use cluster::read_ranges;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;
use store::{Row, Store};

/// Tasks that one command may name.
const MOST: u64 = 1_000_000;

/// Flags of `worker`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The work folder, as `submit` made it.
    folder: PathBuf,
    /// The tasks, such as 17 or 0-5,8, or `all` that have no result yet.
    #[arg(long)]
    task: String,
    /// Threads of a task [default: SLURM_CPUS_PER_TASK, else 1].
    #[arg(long)]
    threads: Option<usize>,
    /// How the result is printed on stdout [default: table].
    #[arg(long)]
    format: Option<Format>,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Report {
    done: usize,
    /// Those that had a result already.
    found: usize,
    wall_s: f64,
}

/// Does the work in a store of its own, and gives what is in it then.
struct Do<'a> {
    folder: &'a Folder,
    threads: usize,
}

impl Visit for Do<'_> {
    type Out = Vec<Row>;

    fn visit<W: Work>(self, work: &W) -> Result<Vec<Row>, Failure> {
        // on a disk of this machine, because a store does not work on others
        let place = tempfile::tempdir()
            .context("cannot make a folder for temporary files (TMPDIR says where)")
            .or_failed()?;
        let file = place.path().join("store.sqlite");
        let store = Store::open_or_create(&file).or_failed()?;
        let known: Vec<_> = self.folder.shared()?.into_iter().map(|row| (row.key, row.state)).collect();
        put(&store, &known)?;
        complete(work, &file, self.threads)?;
        let rows = |keys: Vec<store::Key>| -> Result<Vec<Row>, Failure> {
            let get = |key| store.get(key, now_ms()).or_failed();
            keys.iter().filter_map(|key| get(key).transpose()).collect()
        };
        let found = rows(work.shared())?;
        found.iter().try_for_each(|row| self.folder.share(row))?;
        // tasks that began together may each have found it out: the first word counts for all of them
        let mut agreed = self.folder.shared()?;
        agreed.retain(|row| found.iter().any(|found| found.key == row.key));
        let owned = rows(work.keys().concat())?.into_iter();
        let owned: Vec<Row> = owned.map(|row| work.agree(row, &found, &agreed)).collect::<Result<_, _>>()?;
        Ok(owned.into_iter().chain(agreed).collect())
    }
}

pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let start = Instant::now();
    let folder = Folder::open(&args.folder)?;
    let tasks = match args.task.as_str() {
        "all" => (0..folder.tasks(folder.items()?.len())).collect(),
        text => read_ranges(text, MOST).context("--task").or_input()?,
    };
    let threads =
        args.threads.or_else(|| std::env::var("SLURM_CPUS_PER_TASK").ok()?.parse().ok()).unwrap_or(1);
    if threads == 0 {
        return Err(anyhow!("--threads is 0; at least one is needed")).or_input();
    }
    let mut report = Report { done: 0, found: 0, wall_s: 0.0 };
    for task in tasks {
        // what is damaged is done again
        if folder.result(task).is_ok_and(|done| done.is_some()) {
            report.found += 1;
            continue;
        }
        let items = folder.items_of(task)?;
        let began = Instant::now();
        let rows = folder.work().pieces.on(&items, Do { folder: &folder, threads })?;
        folder.finish(task, began.elapsed().as_secs_f64(), rows)?;
        report.done += 1;
    }
    report.wall_s = start.elapsed().as_secs_f64();
    output::print(&report, args.format.unwrap_or_default())
}

impl Show for Report {
    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["done", "found", "wall_s"].map(String::from).to_vec();
        (header, vec![vec![self.done.to_string(), self.found.to_string(), format!("{:.1}", self.wall_s)]])
    }
}
