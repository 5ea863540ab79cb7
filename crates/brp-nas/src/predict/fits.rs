//! Fits one after another, each kept before the next begins.

use super::found::Found;
use super::network::start;
use super::predictions::Said;
use super::report::{Row, judge};
use super::{Args, Ground, Method, label_of, one};
use crate::failure::{Failure, OrFail};
use crate::predictable::Predictable;
use crate::progress::{Progress, beside};
use crate::record::{Lines, Record};
use anyhow::{Context, anyhow};
use nas_core::{Seed, Split};
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tables::Column;

/// How a fit did, and of the first split what it says of the rest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Fit {
    pub(super) row: Row,
    said: Option<Said>,
}

/// What there is to fit: every method on the split of every seed.
pub(super) struct Fits<'a, S: Predictable> {
    pub(super) ground: &'a Ground<'a, S>,
    pub(super) methods: &'a [Method],
    pub(super) seeds: &'a [u64],
    pub(super) splits: &'a [Split<S::Arch>],
    /// What graph networks start from too.
    pub(super) source: Option<&'a Column<S::Arch>>,
    pub(super) args: &'a Args,
}

/// `fits.jsonl`: a fit a line, as they come.
struct Kept {
    lines: Mutex<Lines>,
    before: Vec<Fit>,
}

impl<S: Predictable> Fits<'_, S> {
    /// Does those that the record does not have, several repeats at once; the rows by repeat, and of the first split
    /// what was said.
    pub(super) fn all(&self, record: &Record, cores: usize) -> Result<(Vec<Row>, Vec<Said>), Failure> {
        let (lines, before) = record.lines("fits.jsonl")?;
        let kept = Kept { lines: Mutex::new(lines), before };
        let networks = self.methods.iter().filter(|method| method.is_network()).count();
        let each = self.methods.len() + self.source.map_or(0, |_| networks);
        let bar = Progress::new("fitted", self.seeds.len() * each);
        let fits = beside(Some(bar), (self.seeds.len(), cores), |repeat, done| self.of(repeat, &kept, done))?;
        let said = fits.iter().flatten().filter_map(|fit| fit.said.clone()).collect();
        Ok((fits.into_iter().flatten().map(|fit| fit.row).collect(), said))
    }

    /// All of one split.
    fn of(&self, repeat: usize, kept: &Kept, done: &AtomicUsize) -> Result<Vec<Fit>, Failure> {
        let mut fits = Vec::new();
        for &method in self.methods {
            let transfers = self.source.filter(|_| method.is_network()).map(Some);
            for source in transfers.into_iter().chain([None]) {
                fits.push(match kept.find(method, source.is_some(), self.seeds[repeat]) {
                    Some(fit) => fit,
                    None => kept.add(self.fit(method, source, repeat)?)?,
                });
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(fits)
    }

    fn fit(&self, method: Method, source: Option<&Column<S::Arch>>, repeat: usize) -> Result<Fit, Failure> {
        let Self { ground, args, .. } = self;
        let (seed, split) = (self.seeds[repeat], &self.splits[repeat]);
        let start = match (source, &args.transfer_from) {
            (Some(source), Some(from)) => {
                let rows = args.transfer_train();
                let split = source.labelled().split(rows, rows / 9, Seed(seed)).or_input()?;
                Some(start(ground, method, label_of(&from.column), &split, Seed(seed))?)
            }
            _ => None,
        };
        let found: Found = one(ground, method, split, start.as_ref(), seed)?;
        let transfer = source.is_some();
        let said = if repeat == 0 { Said::of(method, transfer, &found) } else { None };
        let truth = split.test.values();
        let row = judge(method, ground.plan.encoding, transfer, seed, found, truth).or_failed()?;
        Ok(Fit { row, said })
    }
}

impl Kept {
    fn find(&self, method: Method, transfer: bool, seed: u64) -> Option<Fit> {
        self.before.iter().find(|fit| fit.row.is_of(method, transfer, seed)).cloned()
    }

    fn add(&self, fit: Fit) -> Result<Fit, Failure> {
        let lines = self.lines.lock();
        let mut lines = lines.map_err(|_| anyhow!("another fit panicked")).or_failed()?;
        lines.add(&fit).context("cannot write fits.jsonl").or_failed()?;
        Ok(fit)
    }
}
