use serde::{Deserialize, Serialize};

/// What neighbouring features are to a Gaussian process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Numbers that count alike: near are rows at a small distance over all of them (Matérn 5/2).
    Numbers,
    /// Few numbers, each with a weight of its own (squared exponential).
    Counts,
    /// Codes that are equal or not, each with a weight of its own (Hamming distance): operations by place.
    Choices,
}

/// Neighbouring features of one kind: the process is a sum over blocks, each with a straight part and a curved one.
///
/// ```
/// use surrogates::{Block, Kind};
/// let operations = Block { kind: Kind::Choices, width: 6 };
/// assert_eq!(Block::numbers(9).width + operations.width, 15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What they are.
    pub kind: Kind,
    /// How many.
    pub width: usize,
}

impl Block {
    /// So many numbers.
    pub fn numbers(width: usize) -> Self {
        Self { kind: Kind::Numbers, width }
    }

    /// So many counts.
    pub fn counts(width: usize) -> Self {
        Self { kind: Kind::Counts, width }
    }

    /// So many choices.
    pub fn choices(width: usize) -> Self {
        Self { kind: Kind::Choices, width }
    }
}
