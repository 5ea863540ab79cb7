use crate::failure::{Failure, OrFail};
use crate::predictable::Predictable;
use crate::registry::{Space, on_space};
use anyhow::{Context, anyhow};
use nas_core::Seed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Which architectures a command is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Choice {
    /// One architecture; may be given more than once.
    #[arg(long)]
    pub(crate) arch: Option<Vec<String>>,
    /// A file with an architecture a line, or a table with a column `arch`.
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

    /// The same as text, of the space of this name.
    pub(crate) fn texts(&self, name: Space, seed: Seed) -> Result<Vec<String>, Failure> {
        on_space!(name, space => {
            let archs = self.archs(space, seed)?;
            Ok(archs.iter().map(ToString::to_string).collect())
        })
    }

    /// The architectures, each once, in the order in which they were named.
    fn archs<S: Predictable>(&self, space: &S, seed: Seed) -> Result<Vec<S::Arch>, Failure> {
        let mut archs = Vec::new();
        for text in self.arch.iter().flatten() {
            archs.push(space.parse(text).with_context(|| format!("--arch {text:?}")).or_input()?);
        }
        if let Some(file) = &self.archs {
            for (line, text) in architectures(file)? {
                let place = || format!("{}, line {line}", file.display());
                archs.push(space.parse(&text).with_context(place).or_input()?);
            }
        }
        if let Some(count) = self.sample {
            archs.extend(space.draw(count, seed)?);
        }
        if self.all == Some(true) {
            let too_many = || anyhow!("--all true: {} has too many; draw some with --sample", space.name());
            archs.extend(space.whole().ok_or_else(too_many).or_input()?);
        }
        let mut seen = BTreeSet::new();
        archs.retain(|arch| seen.insert(arch.clone()));
        if archs.is_empty() {
            return Err(anyhow!("no architecture is named; use --arch, --archs, --sample or --all true"))
                .or_input();
        }
        Ok(archs)
    }
}

/// The architectures of a file with the lines where they stand, counted from 1.
pub(crate) fn architectures(file: &Path) -> Result<Vec<(u64, String)>, Failure> {
    let cannot = || format!("cannot read {}: expected one architecture a line, or a table", file.display());
    // by the name, as architectures themselves may be JSON
    if [".parquet", ".jsonl", ".jsonl.gz"].iter().any(|end| file.to_string_lossy().ends_with(end)) {
        return of_table(file);
    }
    let text = text_of(file).with_context(cannot).or_input()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let header = text.lines().next().unwrap_or_default();
    let is_table = header.split(',').any(|name| name.trim().trim_matches('"') == "arch");
    let found = if is_table { column(text, file)? } else { plain(text) };
    if found.is_empty() {
        return Err(anyhow!("{} holds no architectures: expected one a line", file.display())).or_input();
    }
    Ok(found)
}

/// A text, which may be compressed, of at most what a table may hold.
fn text_of(file: &Path) -> std::io::Result<String> {
    let most = tables::Limits::default().text_bytes;
    let mut read = BufReader::new(File::open(file)?);
    let packed = read.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let whole: Box<dyn Read> =
        if packed { Box::new(flate2::bufread::MultiGzDecoder::new(read)) } else { Box::new(read) };
    let mut text = String::new();
    whole.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(std::io::Error::other(format!("it holds more than {most} bytes")));
    }
    Ok(text)
}

/// Of JSON lines and Parquet, by their places.
fn of_table(file: &Path) -> Result<Vec<(u64, String)>, Failure> {
    let table = tables::read_table(file, tables::Limits::default()).or_input()?;
    let none = || anyhow!("{}: expected a column `arch`", file.display());
    let archs = table.column("arch").ok_or_else(none).or_input()?;
    Ok((1..).zip(0..archs.len()).map(|(at, row)| (at, archs.text(row).unwrap_or_default())).collect())
}

fn plain(text: &str) -> Vec<(u64, String)> {
    let lines = (1..).zip(text.lines().map(str::trim));
    lines.filter(|(_, line)| !line.is_empty()).map(|(at, line)| (at, line.to_owned())).collect()
}

fn column(text: &str, file: &Path) -> Result<Vec<(u64, String)>, Failure> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let what = || format!("{}: expected a CSV with a column `arch`", file.display());
    let at = reader.headers().with_context(what).or_input()?.iter().position(|name| name == "arch");
    let mut found = Vec::new();
    for row in reader.records() {
        let row = row.with_context(what).or_input()?;
        let line = row.position().map_or(0, csv::Position::line);
        found.push((line, at.and_then(|at| row.get(at)).unwrap_or_default().to_owned()));
    }
    Ok(found)
}
