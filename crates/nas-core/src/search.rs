use serde::{Deserialize, Serialize};
use std::error::Error;

/// What training and measuring one architecture gave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// What the search maximises, usually the validation accuracy in percent.
    pub value: f64,
    /// Measured latency in milliseconds, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// What the evaluation cost in seconds, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_s: Option<f64>,
}

impl Evaluation {
    /// An evaluation that knows its value only.
    pub fn of(value: f64) -> Self {
        Self { value, latency_ms: None, cost_s: None }
    }
}

/// One architecture that was evaluated, or failed to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial<A> {
    /// Position in the search, from 0.
    pub number: usize,
    /// Which `ask` it came from, from 0.
    pub iteration: usize,
    /// The architecture.
    pub arch: A,
    /// What came of it; the text says why it failed.
    pub result: Result<Evaluation, String>,
}

/// A strategy, by ask and tell: it never evaluates anything itself.
pub trait Searcher<A> {
    /// Why a strategy can fail.
    type Error: Error + Send + Sync + 'static;

    /// The next architectures to evaluate, at most `room` of them; none means that the strategy is done.
    /// It never asks for an architecture twice.
    ///
    /// # Errors
    /// A predictor inside that cannot rank.
    fn ask(&mut self, room: usize) -> Result<Vec<A>, Self::Error>;

    /// Whether it can be asked again now, before it was told what came of all that it asked for. A strategy that
    /// learns from whole batches cannot; the answer depends on what it was asked and told alone.
    fn asks_ahead(&self) -> bool {
        false
    }

    /// What came of a batch, in the order in which it was asked for; batches come in the order in which they are
    /// done, which is that of asking but where the strategy was asked ahead.
    ///
    /// # Errors
    /// A predictor inside that cannot be fitted.
    fn tell(&mut self, trials: &[Trial<A>]) -> Result<(), Self::Error>;
}

/// Something that can be evaluated: a table, a training, the user's own closure.
pub trait Objective<A> {
    /// Why an evaluation can fail.
    type Error: Error + Send + Sync + 'static;

    /// Evaluates one architecture.
    ///
    /// # Errors
    /// Whatever the evaluation can meet; the search records it as a failed trial.
    fn evaluate(&self, arch: &A) -> Result<Evaluation, Self::Error>;
}

/// The user's own closure.
impl<A, E, F> Objective<A> for F
where
    E: Error + Send + Sync + 'static,
    F: Fn(&A) -> Result<Evaluation, E>,
{
    type Error = E;

    fn evaluate(&self, arch: &A) -> Result<Evaluation, E> {
        self(arch)
    }
}

/// Somebody who watches: progress, a record on disk, a curve.
pub trait Observe<A> {
    /// Called after every trial, before the strategy learns of it.
    ///
    /// # Errors
    /// A record that cannot be written ends the search: nothing is reported that is not recorded.
    fn on_trial(&mut self, trial: &Trial<A>) -> std::io::Result<()>;

    /// Called instead for a trial that an earlier run recorded and this one goes on from. Nothing is to be done
    /// by the record itself; a curve or a count takes it as any other trial.
    ///
    /// # Errors
    /// As [`on_trial`](Observe::on_trial).
    fn on_recorded(&mut self, _: &Trial<A>) -> std::io::Result<()> {
        Ok(())
    }
}
