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
    /// Nothing is predicted to meet the latency limit.
    #[error(
        "none of {candidates} architectures is predicted to meet a latency of {limit} ms: the lowest prediction is {lowest:.4} ms"
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
    /// A record could not be written.
    #[error("a trial could not be recorded: {0}")]
    Record(#[from] std::io::Error),
}

impl SearchError {
    pub(crate) fn predictor(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Predictor(Box::new(error))
    }
}
