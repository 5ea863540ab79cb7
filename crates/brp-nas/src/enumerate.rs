//! `brp-nas enumerate`.

use crate::choice::architectures;
use crate::failure::{Failure, OrFail};
use crate::options::{Common, read_config};
use crate::output::{self, Show, grid};
use crate::progress::Progress;
use crate::record::Record;
use crate::registry::{Described, Space};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Architectures that are hashed between two steps of the bar.
const BLOCK: usize = 8_192;

/// Flags of `enumerate`; each is also a key of the `--config` file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Args {
    /// The search space [default: nas-bench-201].
    #[arg(long)]
    space: Option<Space>,
    /// Describe these architectures instead of counting the space: a file with one a line, or a CSV with a
    /// column `arch`; also gzipped.
    #[arg(long)]
    archs: Option<PathBuf>,
    /// TOML file with the same options; flags win.
    #[arg(long)]
    #[serde(skip)]
    config: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    common: Common,
}

/// What `enumerate` prints.
#[derive(Debug, Serialize)]
struct Report {
    space: Space,
    /// Architectures of the space, none where that does not fit in 64 bits; or of the file.
    count: Option<u64>,
    /// Different hashes among them; none where the space is too large to go through.
    unique: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archs: Option<Vec<Row>>,
}

/// One architecture.
#[derive(Debug, Serialize)]
struct Row {
    /// As it stands in the file.
    arch: String,
    /// The place in the space's order, from 0.
    index: Option<u64>,
    hash: String,
    parameters: Option<u64>,
    /// Multiply-adds of one image.
    flops: Option<u64>,
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let config: Args = read_config(args.config.as_deref())?;
    let args = Args {
        space: args.space.or(config.space),
        archs: args.archs.or(config.archs),
        config: None,
        common: args.common.or(config.common),
    };
    let space = args.space.unwrap_or_default();
    let report = match &args.archs {
        Some(file) => of_file(space, file)?,
        None => of_space(space, args.common.cores()?),
    };
    if let Some(out) = &args.common.out {
        let record = Record::start("enumerate", Some(out), args.common.seed(), &args, &[])?;
        record.write("result.json", &report)?;
    }
    output::print(&report, args.common.format())
}

fn of_space(space: Space, threads: usize) -> Report {
    let Some(mut next) = space.hashes() else {
        return Report { space, count: space.len(), unique: None, archs: None };
    };
    let total = space.len().and_then(|len| usize::try_from(len).ok()).unwrap_or(usize::MAX);
    let mut bar = Progress::new("hashed", total);
    let mut seen = Vec::new();
    loop {
        let more = next(BLOCK, threads);
        if more.is_empty() {
            break;
        }
        seen.extend(more);
        bar.step(seen.len());
    }
    let count = Some(seen.len() as u64);
    seen.sort_unstable();
    seen.dedup();
    Report { space, count, unique: Some(seen.len() as u64), archs: None }
}

fn of_file(space: Space, file: &Path) -> Result<Report, Failure> {
    let lines = architectures(file)?;
    let mut bar = Progress::new("described", lines.len());
    let mut rows = Vec::with_capacity(lines.len());
    let mut seen = BTreeSet::new();
    for (line, arch) in lines {
        let place = || format!("{}, line {line}", file.display());
        let Described { index, hash, cost } = space.describe(&arch).with_context(place).or_input()?;
        seen.insert(hash);
        let (parameters, flops) = (cost.map(|cost| cost.parameters), cost.map(|cost| cost.multiply_adds));
        rows.push(Row { arch, index, hash: hash.to_string(), parameters, flops });
        bar.step(rows.len());
    }
    Ok(Report { space, count: Some(rows.len() as u64), unique: Some(seen.len() as u64), archs: Some(rows) })
}

impl Show for Report {
    fn table(&self) -> String {
        let Self { space, count, unique, archs } = self;
        let unique = unique.map_or_else(String::new, |unique| format!(", {unique} of them unique"));
        let count = count.map_or_else(|| "more than 2^64".into(), |count| count.to_string());
        let total = format!("{}: {count} architectures{unique}\n", space.name());
        match archs {
            None => total,
            Some(_) => {
                let (header, rows) = self.rows();
                let header: Vec<&str> = header.iter().map(String::as_str).collect();
                grid(&header, rows) + &total
            }
        }
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let text = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        let (header, rows): (&[&str], Vec<Vec<String>>) = match &self.archs {
            None => {
                let row = vec![self.space.name().into(), text(self.count), text(self.unique)];
                (&["space", "count", "unique"], vec![row])
            }
            Some(archs) => {
                let row = |r: &Row| {
                    vec![r.arch.clone(), text(r.index), r.hash.clone(), text(r.parameters), text(r.flops)]
                };
                (&["arch", "index", "hash", "parameters", "flops"], archs.iter().map(row).collect())
            }
        };
        (header.iter().map(ToString::to_string).collect(), rows)
    }
}
