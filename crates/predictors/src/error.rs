use gcn::GcnError;
use thiserror::Error;

/// Why a predictor cannot be fitted, loaded or asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PredictError {
    /// Not enough rows to fit to.
    #[error("{found} labelled architectures; at least {needed} are needed to fit")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// All labels are equal, so that there is nothing to learn.
    #[error("all {rows} labels are {value}: there is nothing to learn from equal labels")]
    Constant {
        /// How many labels.
        rows: usize,
        /// Their value.
        value: f64,
    },
    /// A label that the output of the network cannot reach.
    #[error("label {index} is {value}: {expected}")]
    Range {
        /// Its position in what was given.
        index: usize,
        /// The label.
        value: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// All labels lie on one side of the threshold between good and bad.
    #[error(
        "of {rows} labels {above} lie above the threshold of {threshold}, where some must and some must not: choose \
         another, or a quantile of the labels"
    )]
    OneSided {
        /// How many labels.
        rows: usize,
        /// How many of them are above.
        above: usize,
        /// The threshold, in the label's unit.
        threshold: f64,
    },
    /// An architecture that cannot be encoded.
    #[error("architecture {index} cannot be encoded")]
    Encode {
        /// Its position in what was given.
        index: usize,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Descriptors of an architecture that a linear model cannot use.
    #[error("the descriptors of architecture {index} cannot be used: {why}")]
    Descriptors {
        /// Its position in what was given.
        index: usize,
        /// What is wrong with them.
        why: String,
    },
    /// A random forest cannot be grown or asked.
    #[error("the random forest failed: {0}")]
    Forest(String),
    /// A model of another shape than the settings.
    #[error("cannot go on from this model: {0}")]
    Start(String),
    /// The graph network failed.
    #[error(transparent)]
    Gcn(#[from] GcnError),
}

impl From<candle_core::Error> for PredictError {
    fn from(error: candle_core::Error) -> Self {
        Self::Gcn(error.into())
    }
}
