use crate::failure::{Failure, OrFail};
use anyhow::{Context, anyhow};
use nas_core::{SearchSpace, Seed};
use serde::{Deserialize, Serialize};
use spaces::NasBench201;
use spaces::nas_bench_201::Cell;
use std::path::{Path, PathBuf};

/// Which architectures a command is about.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Choice {
    /// One architecture; may be given more than once.
    #[arg(long)]
    pub(crate) arch: Option<Vec<String>>,
    /// A file with an architecture a line.
    #[arg(long)]
    pub(crate) archs: Option<PathBuf>,
    /// So many, drawn at random without repetition.
    #[arg(long)]
    pub(crate) sample: Option<usize>,
    /// Every class of equal architectures, by the first of it.
    #[arg(long)]
    pub(crate) all: Option<bool>,
}

impl Choice {
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            arch: self.arch.or(other.arch),
            archs: self.archs.or(other.archs),
            sample: self.sample.or(other.sample),
            all: self.all.or(other.all),
        }
    }

    /// The architectures, each once, in the order in which they were named.
    pub(crate) fn cells(&self, seed: Seed) -> Result<Vec<Cell>, Failure> {
        let mut cells = Vec::new();
        for text in self.arch.iter().flatten() {
            cells.push(NasBench201.parse(text).with_context(|| format!("--arch {text:?}")).or_input()?);
        }
        if let Some(file) = &self.archs {
            cells.extend(from_file(file)?);
        }
        if let Some(count) = self.sample {
            cells.extend(sample(count, seed)?);
        }
        if self.all == Some(true) {
            let classes = NasBench201.classes();
            let mut firsts: Vec<usize> = Vec::new();
            let mut seen = std::collections::BTreeSet::new();
            for (index, class) in classes.iter().enumerate() {
                if seen.insert(*class) {
                    firsts.push(index);
                }
            }
            for index in firsts {
                cells.push(NasBench201.get(index).or_failed()?);
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        cells.retain(|cell| seen.insert(*cell));
        if cells.is_empty() {
            return Err(anyhow!("no architecture is named; use --arch, --archs, --sample or --all true"))
                .or_input();
        }
        Ok(cells)
    }
}

fn from_file(file: &Path) -> Result<Vec<Cell>, Failure> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read {}", file.display()))
        .or_input()?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(number, line): (usize, &str)| {
        let place = || format!("{}, line {}", file.display(), number + 1);
        NasBench201.parse(line.trim()).with_context(place).or_input()
    };
    lines.map(parse).collect()
}

fn sample(count: usize, seed: Seed) -> Result<Vec<Cell>, Failure> {
    let size = NasBench201.len().unwrap_or(0) as usize;
    if count > size {
        return Err(anyhow!("--sample {count}: the space has {size} architectures")).or_input();
    }
    let mut stream = seed.stream("sample");
    let chosen = rand::seq::index::sample(&mut stream, size, count);
    chosen.into_iter().map(|index| NasBench201.get(index).or_failed()).collect()
}
