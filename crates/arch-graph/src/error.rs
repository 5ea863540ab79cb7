use thiserror::Error;

/// Why something is not an architecture graph, or cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// No such operation.
    #[error("unknown operation `{name}`: expected one of {}", known.join(", "))]
    UnknownOperation {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A name stands twice in a vocabulary.
    #[error("operation `{name}` stands at {first} and at {second}: the names must differ")]
    DuplicateOperation {
        /// The name.
        name: String,
        /// Its first place.
        first: usize,
        /// Its second place.
        second: usize,
    },
    /// A vocabulary is too large.
    #[error("{count} operations: a vocabulary holds at most {max}")]
    TooManyOperations {
        /// Number of names.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// An operation's number is not in the vocabulary.
    #[error("node {node} has operation number {op}, but there are only {count} operations")]
    OperationRange {
        /// The node.
        node: usize,
        /// Its operation's number.
        op: usize,
        /// Number of operations.
        count: usize,
    },
    /// The graph is too large.
    #[error("{count} nodes: a graph holds at most {max}")]
    TooManyNodes {
        /// Number of nodes.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A chain of another space.
    #[error("a chain of {found} layers, but this space has {expected}: take its own encoding")]
    OtherLength {
        /// Its layers.
        found: usize,
        /// Those of the space.
        expected: usize,
    },
    /// The input or output is not a node.
    #[error("the {role} is node {node}, but there are only {count} nodes")]
    Terminal {
        /// `input` or `output`.
        role: &'static str,
        /// The node named.
        node: usize,
        /// Number of nodes.
        count: usize,
    },
    /// Input and output are one node.
    #[error("node {0} is both input and output: they must differ")]
    SameTerminal(usize),
    /// An edge ends at a node that is not there.
    #[error("edge {from} -> {to}: there are only {count} nodes")]
    EdgeRange {
        /// Source.
        from: usize,
        /// Target.
        to: usize,
        /// Number of nodes.
        count: usize,
    },
    /// An edge from a node to itself.
    #[error("edge {0} -> {0}: a node cannot feed itself")]
    SelfLoop(usize),
    /// An edge stands twice.
    #[error("edge {from} -> {to} stands twice")]
    DuplicateEdge {
        /// Source.
        from: usize,
        /// Target.
        to: usize,
    },
    /// An edge into the input or out of the output.
    #[error("edge {from} -> {to}: nothing may lead into the input or out of the output")]
    BeyondTerminal {
        /// Source.
        from: usize,
        /// Target.
        to: usize,
    },
    /// The edges form a cycle.
    #[error("node {0} lies on a cycle: the graph must be acyclic")]
    Cycle(usize),
    /// An operation was left out of the layout of an encoding.
    #[error("node {node} has operation `{name}`, which has no column in this layout")]
    NoColumn {
        /// The node.
        node: usize,
        /// Its operation.
        name: String,
    },
    /// Two things that belong together have different vocabularies.
    #[error("the graph's operations are {graph:?}, but the {what}'s are {other:?}")]
    Vocabulary {
        /// `layout` or `cost table`.
        what: &'static str,
        /// The names of the graph's operations.
        graph: Vec<String>,
        /// The other's names.
        other: Vec<String>,
    },
}
