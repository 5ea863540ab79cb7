//! What training an architecture is: looking it up, or doing it.

use super::data::Data;
use crate::failure::{Broken, Failure, OrFail};
use crate::predictable::Predictable;
use crate::train::{self, Bench, Trained};
use crate::units::{self, Work as _};
use nas_core::{Evaluation, Objective};
use std::path::PathBuf;
use store::{Filter, Store};

/// The two of them.
pub(super) enum Work<'a, S: Predictable> {
    /// In the tables.
    Lookup(&'a Data<S>),
    /// For real, with every result in a store.
    Train(Training<'a, S>),
}

/// A training, in the run store.
pub(super) struct Training<'a, S: Predictable> {
    pub(super) bench: &'a Bench,
    pub(super) store: PathBuf,
    /// Threads of one training.
    pub(super) threads: usize,
    /// Whether what failed before is tried again; what diverged would do so again.
    pub(super) retry: bool,
    pub(super) data: &'a Data<S>,
    /// Where it is done, if not here.
    pub(super) elsewhere: Option<Box<Elsewhere>>,
    /// Where it is left that something else went wrong than a training.
    pub(super) broken: Broken,
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
pub(super) struct NoResult(pub(super) String);

impl std::fmt::Display for NoResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoResult {}

impl<S: Predictable> Training<'_, S> {
    /// What is in the store is not trained again.
    fn train(&self, arch: &S::Arch) -> Result<Trained, Failure> {
        let archs = [arch.to_string()];
        let job = self.bench.job(&archs)?;
        let (mut trained, _) = units::complete(&job, &self.store, self.threads)?;
        trained.pop().ok_or_else(|| Failure::Failed(anyhow::anyhow!("{arch} was not trained")))
    }
}

impl<S: Predictable> Training<'_, S> {
    /// The same, once more where it failed before and that is asked for.
    fn train_or_retry(&self, arch: &S::Arch) -> Result<Trained, Failure> {
        if self.retry && self.store.exists() {
            let store = Store::open(&self.store).or_input()?;
            for key in self.bench.job(&[arch.to_string()])?.keys().concat() {
                store.retry(&Filter::from(&key)).or_failed()?;
            }
        }
        self.train(arch)
    }

    /// Whether a store has an outcome already.
    pub(super) fn is_in(&self, store: &Store, arch: &S::Arch) -> Result<bool, Failure> {
        Ok(self.bench.job(&[arch.to_string()])?.row(0, store)?.is_some())
    }
}

impl<S: Predictable> Work<'_, S> {
    /// Why a trial that failed says nothing of its architecture, where that is so.
    pub(super) fn broken(&self, why: &str) -> Option<String> {
        if let Self::Train(training) = self { training.broken.said(Some(why)) } else { None }
    }

    /// The test accuracy, which no strategy sees.
    pub(super) fn test(&self, arch: &S::Arch) -> Option<f64> {
        match self {
            Self::Lookup(data) => data.test.as_ref()?.get(arch),
            Self::Train(training) => training.train(arch).ok()?.test,
        }
    }
}

/// Latencies in ms.
pub(super) type Predictions<'a, A> = dyn Fn(&A) -> Option<f64> + Sync + 'a;

/// The work of one search, which predicts the latency of what was not measured.
pub(super) struct Predicting<'a, S: Predictable> {
    pub(super) work: &'a Work<'a, S>,
    pub(super) latencies: &'a Predictions<'a, S::Arch>,
}

impl<S: Predictable> Objective<S::Arch> for Predicting<'_, S> {
    type Error = NoResult;

    fn evaluate(&self, arch: &S::Arch) -> Result<Evaluation, NoResult> {
        let (data, value, seconds) = match self.work {
            Work::Lookup(data) => (*data, data.accuracy.as_ref().and_then(|column| column.get(arch)), None),
            Work::Train(training) => {
                let trained = training
                    .train_or_retry(arch)
                    .map_err(|failure| NoResult(training.broken.say(&failure)))?;
                match trained.reason {
                    Some(reason) => return Err(NoResult(reason)),
                    None => (training.data, trained.valid, trained.seconds),
                }
            }
        };
        let value =
            value.ok_or_else(|| NoResult("the table has no accuracy for this architecture".into()))?;
        let of =
            |column: &Option<tables::Column<S::Arch>>| column.as_ref().and_then(|column| column.get(arch));
        let latency_ms = of(&data.latency).or_else(|| (self.latencies)(arch));
        Ok(Evaluation { value, latency_ms, cost_s: of(&data.cost).or(seconds) })
    }
}
