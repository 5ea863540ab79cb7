use thiserror::Error;

/// Why a search cannot be set up or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A setting outside its range.
    #[error("{name} is {value}; {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What is allowed.
        expected: String,
    },
    /// Nothing meets the latency limit, or is predicted to.
    #[error(
        "none of {candidates} architectures meets a latency of {limit} ms, or is predicted to: the lowest is {lowest:.4} ms"
    )]
    NothingMeets {
        /// The limit.
        limit: f64,
        /// The lowest predicted latency.
        lowest: f64,
        /// How many architectures were looked at.
        candidates: usize,
    },
    /// A predictor inside a strategy failed.
    #[error("the predictor failed: {0}")]
    Predictor(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The strategy failed.
    #[error("the strategy failed: {0}")]
    Strategy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Whoever evaluates can do no more.
    #[error("nothing can be evaluated any more: {0}")]
    Evaluator(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Evaluations that were begun and never came.
    #[error("{open} evaluations were begun, and whoever does them says that none is left to wait for")]
    NothingComes {
        /// How many are open.
        open: usize,
    },
    /// What was recorded is not what the strategy asks for.
    #[error(
        "trial {number} of the record is {recorded}, but these settings ask for {asked}: the record is of other settings; go on with the settings and the version it was made with, or begin a new one"
    )]
    OtherRecord {
        /// The trial, from 0.
        number: usize,
        /// What the record has there.
        recorded: String,
        /// What the strategy asks for.
        asked: String,
    },
    /// The record goes on where the search ends.
    #[error(
        "the budget ends the search after {trials} trials, but the record goes on with trial {next}: give it a budget that is no smaller than the record's, or begin a new one"
    )]
    RecordGoesOn {
        /// How many trials the budget allows.
        trials: usize,
        /// The first trial of the record beyond them.
        next: usize,
    },
    /// A budget of cost, and an evaluation that does not say what it cost.
    #[error(
        "the budget is one of cost, but the evaluation of {arch} does not say what it cost: fill in `Evaluation::cost_s`, or give another budget"
    )]
    NoCost {
        /// The architecture.
        arch: String,
    },
    /// More architectures are wanted than there are.
    #[error("{wanted} architectures are wanted {purpose}, but there are only {there}")]
    TooFew {
        /// How many are wanted.
        wanted: usize,
        /// What for.
        purpose: &'static str,
        /// How many there are.
        there: usize,
    },
    /// A scorer that scored nothing.
    #[error("none of {asked} architectures could be scored; the first: {reason}")]
    NothingScored {
        /// How many were to be scored.
        asked: usize,
        /// What the scorer said of the first.
        reason: String,
    },
    /// A front of nothing.
    #[error(
        "the front is empty: of {trials} trials {failed} failed and {without} have no latency; a front needs trials with a value and a latency"
    )]
    EmptyFront {
        /// How many trials there are.
        trials: usize,
        /// How many of them failed.
        failed: usize,
        /// How many have no latency.
        without: usize,
    },
    /// A record could not be written.
    #[error("a trial could not be recorded: {0}")]
    Record(#[from] std::io::Error),
}

impl SearchError {
    pub(crate) fn strategy(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Strategy(Box::new(error))
    }

    pub(crate) fn evaluator(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Evaluator(Box::new(error))
    }

    pub(crate) fn predictor(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Predictor(Box::new(error))
    }
}
