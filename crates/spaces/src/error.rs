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
    /// No architecture of a large space has this number.
    #[error("{space} has no architecture {number}: numbers go from 0 to {}", len.saturating_sub(1))]
    Number {
        /// The space.
        space: &'static str,
        /// The number asked for.
        number: u64,
        /// Number of architectures.
        len: u64,
    },
    /// A space without numbers.
    #[error("{space} has more than 2^64 architectures, so they have no numbers: draw some with `sample`")]
    Unnumbered {
        /// The space.
        space: &'static str,
    },
    /// A node reads what it cannot.
    #[error("node {node} of {space} reads {} and {}: expected two different ones of 0 to {}", found[0], found[1], node.saturating_sub(1))]
    Sources {
        /// The space.
        space: &'static str,
        /// The node.
        node: usize,
        /// What it reads.
        found: [usize; 2],
    },
    /// A layer has no such choice.
    #[error("layer {layer} of {space} has choice {found}: expected 0 to {most}")]
    Choice {
        /// The space.
        space: &'static str,
        /// The layer, from 0.
        layer: usize,
        /// The choice.
        found: u8,
        /// The largest that the layer has.
        most: u8,
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
    /// A graph has too few or too many vertices.
    #[error("{found} vertices: a graph of {space} has {least} to {most}, input and output included")]
    Vertices {
        /// The space.
        space: &'static str,
        /// Number of vertices.
        found: usize,
        /// The fewest allowed.
        least: usize,
        /// The most allowed.
        most: usize,
    },
    /// An edge that cannot be.
    #[error(
        "edge {from} -> {to}: edges of {space} go from a smaller to a larger of the {vertices} vertices, counted from 0"
    )]
    Edge {
        /// The space.
        space: &'static str,
        /// Source.
        from: usize,
        /// Target.
        to: usize,
        /// Number of vertices.
        vertices: usize,
    },
    /// Too many edges on paths from input to output.
    #[error("{found} edges on paths from input to output: {space} allows {most}")]
    Edges {
        /// The space.
        space: &'static str,
        /// Number of edges.
        found: usize,
        /// The most allowed.
        most: usize,
    },
    /// Input and output are not connected.
    #[error("no path leads from the input to the output: {space} needs one")]
    NoPath {
        /// The space.
        space: &'static str,
    },
    /// Another number of operations than there are places for them.
    #[error("{found} operations: {space} needs {expected} here")]
    Operations {
        /// The space.
        space: &'static str,
        /// Number of operations.
        found: usize,
        /// Number of places.
        expected: usize,
    },
    /// A mutation rate out of range.
    #[error("the mutation rate is {found}: expected 0 to {most}")]
    Rate {
        /// The rate.
        found: String,
        /// The largest.
        most: u8,
    },
}
