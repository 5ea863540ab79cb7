use thiserror::Error;

/// Why a surrogate cannot be fitted or asked.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SurrogateError {
    /// Not enough rows to fit to.
    #[error("{found} labelled architectures; at least {needed} are needed to fit: label more")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// All labels are equal, so that there is nothing to learn.
    #[error("all {rows} labels are {value}: there is nothing to learn from equal labels; label others")]
    Constant {
        /// How many labels.
        rows: usize,
        /// Their value.
        value: f64,
    },
    /// An architecture has another number of features than the rest.
    #[error(
        "architecture {index} has {found} features, expected {expected} as of the others: give every one as many"
    )]
    Width {
        /// Its position in what was given.
        index: usize,
        /// How many it has.
        found: usize,
        /// How many the others have.
        expected: usize,
    },
    /// A feature that is NaN or infinite.
    #[error(
        "feature {feature} of architecture {index} is {value}, expected a finite number: leave the feature out or \
         put a number in its place"
    )]
    Feature {
        /// Position of the architecture in what was given.
        index: usize,
        /// Position of the feature.
        feature: usize,
        /// Its value.
        value: f64,
    },
    /// No feature tells the training architectures apart.
    #[error("none of {features} features differs between the {rows} training architectures: give others")]
    NoFeature {
        /// How many features.
        features: usize,
        /// How many rows.
        rows: usize,
    },
    /// A setting outside its range.
    #[error("setting {name} is {value}, expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What would be right.
        expected: &'static str,
    },
    /// A label that is no cost.
    #[error("label {index} is {value}, expected a positive number: leave the row out")]
    NotPositive {
        /// Its position in what was given.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// Blocks that do not cover the features.
    #[error("the blocks describe {described} features, expected {features}, as many as there are")]
    Blocks {
        /// How many are described.
        described: usize,
        /// How many there are.
        features: usize,
    },
    /// A covariance that is not positive definite in floating point.
    #[error(
        "the covariance of {rows} architectures is not positive definite: scale the features, or use trees"
    )]
    Covariance {
        /// How many rows.
        rows: usize,
    },
}
