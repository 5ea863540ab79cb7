//! `brp-nas info`.

use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::import::{self, Report};
use crate::options::{Format, cores};
use crate::output::{self, Show, rows_as_grid};
use anyhow::Context;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use store::{Counts, Filter, State, Store};
use tables::{Import, Imported, ParquetTable};

/// Flags of `info`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// A table, a file or folder that a benchmark publishes, or a run store.
    file: PathBuf,
    /// The format, where its bytes do not say it, as for `import`.
    #[arg(long)]
    from: Option<String>,
    /// How the result is printed on stdout [default: table].
    #[arg(long)]
    format: Option<Format>,
    /// Files that are unpacked at once [default: one a core].
    #[arg(long)]
    threads: Option<usize>,
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let printed = args.format.unwrap_or_default();
    let mut start = [0; 16];
    let mut read = File::open(&args.file).ok().filter(|_| args.file.is_file());
    let is_store = read.as_mut().is_some_and(|file| file.read_exact(&mut start).is_ok());
    if is_store && start.starts_with(b"SQLite format 3") {
        return output::print(&of_store(&args.file)?, printed);
    }
    if start.starts_with(b"PAR1") && args.from.is_none() {
        return output::print(&of_parquet(&args.file)?, printed);
    }
    let from = args.from.as_deref().map(|name| import::format(name, Default::default())).transpose()?;
    let how = Import { format: from, threads: cores(args.threads)?, ..Import::default() };
    let found = tables::inspect(&args.file, &how).or_input()?;
    let format = found.format.name().to_owned();
    output::print(&Report::of(found, format), printed)
}

/// What the footer says: the rows themselves are not read.
fn of_parquet(file: &Path) -> Result<Report, Failure> {
    let table = ParquetTable::open(file, Default::default()).or_input()?;
    let (rows, columns) = (table.rows() as u64, table.columns().to_vec());
    let (origin, note) = (table.origin().cloned(), table.note());
    let format = match &origin {
        Some(origin) => format!("parquet, imported from {}", origin.format),
        None => "parquet".into(),
    };
    let mut origin = origin.unwrap_or_default();
    origin.notes.extend(note.filter(|note| !origin.notes.contains(note)));
    Ok(Report::of(Imported { format: tables::Format::Parquet, rows, curve_rows: 0, columns, origin }, format))
}

/// What `info` prints of a run store.
#[derive(Debug, Serialize)]
struct Units {
    format: &'static str,
    rows: u64,
    metrics: Vec<Metric>,
}

/// The units of one metric.
#[derive(Debug, Serialize)]
struct Metric {
    space: String,
    metric: String,
    device: String,
    fidelity: String,
    #[serde(flatten)]
    counts: Counts,
}

fn of_store(file: &Path) -> Result<Units, Failure> {
    let store = Store::open(file).or_input()?;
    store.check().context("the store is damaged").or_input()?;
    let mut found = BTreeMap::<_, Counts>::new();
    for row in store.rows(&Filter::default(), now_ms()).or_failed()? {
        let counts =
            found.entry((row.key.space, row.key.metric, row.key.device, row.key.fidelity)).or_default();
        *match row.state {
            State::Done(_) => &mut counts.done,
            State::Running { .. } => &mut counts.running,
            State::Failed { .. } => &mut counts.failed,
            State::Diverged { .. } => &mut counts.diverged,
            _ => &mut counts.missing,
        } += 1;
    }
    let all =
        |counts: &Counts| counts.done + counts.running + counts.failed + counts.diverged + counts.missing;
    let rows = found.values().map(all).sum();
    let metric =
        |((space, metric, device, fidelity), counts)| Metric { space, metric, device, fidelity, counts };
    Ok(Units { format: "run store", rows, metrics: found.into_iter().map(metric).collect() })
}

impl Show for Units {
    fn table(&self) -> String {
        rows_as_grid(self) + &format!("{}: {} units\n", self.format, self.rows)
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header =
            ["space", "metric", "device", "fidelity", "done", "running", "failed", "diverged", "missing"];
        let row = |m: &Metric| {
            let Counts { done, running, failed, diverged, missing } = m.counts;
            let names = [&m.space, &m.metric, &m.device, &m.fidelity].map(Clone::clone);
            let counts = [done, running, failed, diverged, missing].map(|count| count.to_string());
            names.into_iter().chain(counts).collect()
        };
        (header.map(str::to_owned).to_vec(), self.metrics.iter().map(row).collect())
    }
}
