//! What training an architecture is: looking it up, or doing it.

use super::data::Data;
use crate::failure::Failure;
use crate::train::{self, Bench, Trained};
use crate::units;
use nas_core::{Evaluation, Objective};
use spaces::NasBench201;
use spaces::nas_bench_201::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The two of them.
pub(super) enum Work<'a> {
    /// In the tables.
    Lookup(&'a Data),
    /// For real, with every result in a store.
    Train(Training<'a>),
}

/// A training, in the run store.
pub(super) struct Training<'a> {
    pub(super) bench: &'a Bench,
    pub(super) store: PathBuf,
    /// Threads of one training.
    pub(super) threads: usize,
    pub(super) data: &'a Data,
    /// Where it is done, if not here.
    pub(super) elsewhere: Option<Box<Elsewhere>>,
}

/// Trainings as tasks of Slurm.
pub(super) struct Elsewhere {
    /// A work folder, or the folder of several.
    pub(super) folder: PathBuf,
    pub(super) args: train::Args,
    pub(super) sbatch: Vec<String>,
}

/// Why an architecture has no result.
#[derive(Debug)]
pub(super) struct NoResult(String);

impl std::fmt::Display for NoResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoResult {}

impl Training<'_> {
    /// What is in the store is not trained again.
    fn train(&self, cell: Cell) -> Result<Trained, Failure> {
        let cells = [cell];
        let job = self.bench.job(NasBench201::NAME, &cells)?;
        let (mut trained, _) = units::complete(&job, &self.store, self.threads)?;
        trained.pop().ok_or_else(|| Failure::Failed(anyhow::anyhow!("{cell} was not trained")))
    }
}

impl Work<'_> {
    /// The test accuracy, which no strategy sees.
    pub(super) fn test(&self, cell: &Cell) -> Option<f64> {
        match self {
            Self::Lookup(data) => data.test.as_ref()?.get(cell),
            Self::Train(training) => training.train(*cell).ok()?.test,
        }
    }
}

/// The work of one search, which predicts the latency of what was not measured.
pub(super) struct Predicting<'a> {
    pub(super) work: &'a Work<'a>,
    /// In ms.
    pub(super) latencies: BTreeMap<Cell, f64>,
}

impl Objective<Cell> for Predicting<'_> {
    type Error = NoResult;

    fn evaluate(&self, cell: &Cell) -> Result<Evaluation, NoResult> {
        let (data, value, seconds) = match self.work {
            Work::Lookup(data) => (*data, data.accuracy.as_ref().and_then(|column| column.get(cell)), None),
            Work::Train(training) => {
                let trained =
                    training.train(*cell).map_err(|failure| NoResult(format!("{:#}", failure.error())))?;
                match trained.reason {
                    Some(reason) => return Err(NoResult(reason)),
                    None => (training.data, trained.valid, trained.seconds),
                }
            }
        };
        let value =
            value.ok_or_else(|| NoResult("the table has no accuracy for this architecture".into()))?;
        let of = |column: &Option<tables::Column<Cell>>| column.as_ref().and_then(|column| column.get(cell));
        let latency_ms = of(&data.latency).or_else(|| self.latencies.get(cell).copied());
        Ok(Evaluation { value, latency_ms, cost_s: of(&data.cost).or(seconds) })
    }
}
