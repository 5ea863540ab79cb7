//! `brp-nas export`.

use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::kept_units;
use crate::options::Format;
use crate::output::{self, Show};
use anyhow::anyhow;
use serde::Serialize;
use std::path::PathBuf;
use store::{Filter, Store};
use tables::Origin;

/// Flags of `export`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The run store.
    store: PathBuf,
    /// The table to write: .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz. A `value` is empty where a score is not defined,
    /// and the logarithm of a score that has one.
    #[arg(long)]
    to: PathBuf,
    /// Only units of this metric.
    #[arg(long)]
    metric: Option<String>,
    /// Only units of this space, as its key says.
    #[arg(long)]
    space: Option<String>,
    /// Only units of this device.
    #[arg(long)]
    device: Option<String>,
    /// How the result is printed on stdout [default: table].
    #[arg(long)]
    format: Option<Format>,
}

/// What `export` prints.
#[derive(Debug, Serialize)]
struct Report {
    rows: u64,
    to: String,
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let store = Store::open(&args.store).or_input()?;
    let filter = Filter { metric: args.metric, space: args.space, device: args.device, ..Filter::default() };
    let rows = store.rows(&filter, now_ms()).or_failed()?;
    if rows.is_empty() {
        let file = args.store.display();
        return Err(anyhow!("{file} holds nothing that is asked for; `info {file}` says what it holds"))
            .or_input();
    }
    let table = kept_units::table(&rows);
    let file = args.store.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let origin =
        Origin { source: "brp-nas run store".into(), format: "store".into(), file, ..Origin::default() };
    tables::write_table(&args.to, &table, &origin).or_input()?;
    output::print(
        &Report { rows: rows.len() as u64, to: args.to.display().to_string() },
        args.format.unwrap_or_default(),
    )
}

impl Show for Report {
    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["rows", "to"].map(str::to_owned).to_vec();
        (header, vec![vec![self.rows.to_string(), self.to.clone()]])
    }
}
