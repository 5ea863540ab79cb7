use thiserror::Error;

/// Why a space cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// No architecture has this index.
    #[error("{space} has no architecture {index}: indices go from 0 to {}", len.saturating_sub(1))]
    Index {
        /// The space.
        space: &'static str,
        /// The index asked for.
        index: usize,
        /// Number of architectures.
        len: usize,
    },
    /// No operation has this name or number.
    #[error("{space} has no operation `{found}`: expected one of {}", known.join(", "))]
    Operation {
        /// The space.
        space: &'static str,
        /// The name or number.
        found: String,
        /// The names there are, in the order of their numbers.
        known: Vec<&'static str>,
    },
    /// A setting of the network around the architecture is out of range.
    #[error("{name} is {value}: expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: u64,
        /// What is allowed.
        expected: &'static str,
    },
}
