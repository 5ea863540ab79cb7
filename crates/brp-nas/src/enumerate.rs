//! `brp-nas enumerate`.

use crate::choice::architectures;
use crate::failure::{Failure, OrFail};
use crate::options::{Common, read_config};
use crate::output::{self, Show, grid};
use crate::progress::Progress;
use crate::record::Record;
use crate::registry::{Described, EncodingName, Space};
use anyhow::{Context, anyhow};
use arch_graph::Encoding;
use nas_core::Seed;
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
    /// Describe these architectures instead of counting the space: a file with one a line, or a table with a
    /// column `arch`; also gzipped.
    #[arg(long)]
    archs: Option<PathBuf>,
    /// List the space, in its order.
    #[arg(long)]
    list: Option<bool>,
    /// List so many of the space, drawn at random without repetition.
    #[arg(long)]
    sample: Option<usize>,
    /// List no more than so many [default: all].
    #[arg(long)]
    limit: Option<usize>,
    /// Encode what is listed, with a global node: every operation kept, or as published. Spaces that have one
    /// encoding alone have it under both names.
    #[arg(long)]
    encoding: Option<EncodingName>,
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
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoded>,
}

/// An encoding, a text of digits a row.
#[derive(Debug, Serialize)]
struct Encoded {
    adjacency: Vec<String>,
    features: Vec<String>,
}

impl From<Encoding> for Encoded {
    fn from(encoding: Encoding) -> Self {
        let digit = |value: &f32| if *value == 0.0 { '0' } else { '1' };
        let rows = |values: &[f32], width: usize| {
            values.chunks(width.max(1)).map(|row| row.iter().map(digit).collect()).collect()
        };
        Self {
            adjacency: rows(&encoding.adjacency, encoding.nodes),
            features: rows(&encoding.features, encoding.width),
        }
    }
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let config: Args = read_config(args.config.as_deref())?;
    let args = Args {
        space: args.space.or(config.space),
        archs: args.archs.or(config.archs),
        list: args.list.or(config.list),
        sample: args.sample.or(config.sample),
        limit: args.limit.or(config.limit),
        encoding: args.encoding.or(config.encoding),
        config: None,
        common: args.common.or(config.common),
    };
    let space = args.space.unwrap_or_default();
    let threads = args.common.cores()?;
    let listed = match (&args.archs, args.sample, args.list.unwrap_or(false)) {
        (Some(file), None, false) => Some(of_file(file)?),
        (None, Some(count), false) => Some(sampled(space, count, Seed(args.common.seed()))?),
        (None, None, true) => Some(whole(space, args.limit)?),
        (None, None, false) if args.encoding.is_some() || args.limit.is_some() => {
            let what =
                "--encoding and --limit are about a list: expected --archs, --sample or --list true too";
            return Err(anyhow!(what)).or_input();
        }
        (None, None, false) => None,
        _ => return Err(anyhow!("expected one of --archs, --sample and --list true")).or_input(),
    };
    let report = match listed {
        Some(mut listed) => {
            listed.truncate(args.limit.unwrap_or(usize::MAX));
            describe(space, listed, args.encoding)?
        }
        None => of_space(space, threads),
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

/// Where an architecture stands, for errors, and its text.
type Listed = (String, String);

fn of_file(file: &Path) -> Result<Vec<Listed>, Failure> {
    let place = |line: u64| format!("{}, line {line}", file.display());
    Ok(architectures(file)?.into_iter().map(|(line, arch)| (place(line), arch)).collect())
}

fn sampled(space: Space, count: usize, seed: Seed) -> Result<Vec<Listed>, Failure> {
    let found = space.sample(count, seed);
    if found.len() < count {
        let (space, there) = (space.name(), found.len());
        return Err(anyhow!("--sample {count}: only {there} different architectures of {space} were drawn"))
            .or_input();
    }
    Ok(found.into_iter().map(|arch| ("a sample".into(), arch)).collect())
}

fn whole(space: Space, limit: Option<usize>) -> Result<Vec<Listed>, Failure> {
    let Some(all) = space.texts() else {
        return Err(anyhow!(
            "{} has too many architectures for a list: draw some with --sample",
            space.name()
        ))
        .or_input();
    };
    let found = all.take(limit.unwrap_or(usize::MAX));
    Ok(found.map(|arch| ("the list".into(), arch)).collect())
}

fn describe(space: Space, listed: Vec<Listed>, encoding: Option<EncodingName>) -> Result<Report, Failure> {
    let mut bar = Progress::new("described", listed.len());
    let mut rows = Vec::with_capacity(listed.len());
    let mut seen = BTreeSet::new();
    for (place, arch) in listed {
        let Described { index, hash, cost } =
            space.describe(&arch).with_context(|| place.clone()).or_input()?;
        let encoding = match encoding {
            Some(name) => Some(space.encode(&arch, name).with_context(|| place.clone()).or_input()?.into()),
            None => None,
        };
        seen.insert(hash);
        let (parameters, flops) = (cost.map(|cost| cost.parameters), cost.map(|cost| cost.multiply_adds));
        rows.push(Row { arch, index, hash: hash.to_string(), parameters, flops, encoding });
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
        let (mut header, rows) = match &self.archs {
            None => {
                let row = vec![self.space.name().into(), text(self.count), text(self.unique)];
                (vec!["space", "count", "unique"], vec![row])
            }
            Some(archs) => {
                let row = |r: &Row| {
                    let mut row = vec![
                        r.arch.clone(),
                        text(r.index),
                        r.hash.clone(),
                        text(r.parameters),
                        text(r.flops),
                    ];
                    row.extend(r.encoding.iter().flat_map(|e| [e.adjacency.join(" "), e.features.join(" ")]));
                    row
                };
                (vec!["arch", "index", "hash", "parameters", "flops"], archs.iter().map(row).collect())
            }
        };
        if self.archs.iter().flatten().any(|row| row.encoding.is_some()) {
            header.extend(["adjacency", "features"]);
        }
        (header.iter().map(ToString::to_string).collect(), rows)
    }
}
