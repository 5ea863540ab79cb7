use crate::{GraphError, Op, Vocabulary};
use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::{Deserialize, Serialize};

/// The largest number of nodes of a graph: a row of its adjacency matrix is one 64-bit word.
pub const MAX_NODES: usize = 64;

/// A directed acyclic graph of operations with one input and one output.
///
/// Nodes keep the numbers they were given, since encodings depend on them. A node may have no operation:
/// such a null node is only there to keep the dimensions.
/// A graph that exists is acyclic, has every edge once, no self loop, nothing into its input and nothing out
/// of its output. A path from input to output is not demanded.
///
/// ```
/// use arch_graph::{ArchGraph, GraphError, Op, Vocabulary};
/// let words = Vocabulary::new(["in", "conv", "out"])?;
/// let graph = ArchGraph::new(&words, [Op(0), Op(1), Op(2)], [(0, 1), (1, 2)], 0, 2)?;
/// assert_eq!(graph.edges(), [(0, 1), (1, 2)]);
///
/// let cyclic = ArchGraph::new(&words, [Op(0), Op(1), Op(1), Op(2)], [(1, 2), (2, 1)], 0, 3);
/// assert!(matches!(cyclic, Err(GraphError::Cycle(_))));
/// # Ok::<(), GraphError>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Plain", into = "Plain")]
pub struct ArchGraph {
    vocabulary: Vocabulary,
    graph: DiGraph<Option<Op>, ()>,
    input: usize,
    output: usize,
}

impl ArchGraph {
    /// A graph with the operation of each node (`Op`, or `Option<Op>` with `None` for a null node) and its
    /// edges as (source, target). Time O(nodes + edges).
    ///
    /// # Errors
    /// The first thing that is not allowed: more than [`MAX_NODES`] nodes, an operation outside the
    /// vocabulary, an input or output that is not there or the same, an edge out of range, from a node to
    /// itself, repeated, into the input or out of the output, or a cycle.
    pub fn new(
        vocabulary: &Vocabulary,
        ops: impl IntoIterator<Item = impl Into<Option<Op>>>,
        edges: impl IntoIterator<Item = (usize, usize)>,
        input: usize,
        output: usize,
    ) -> Result<Self, GraphError> {
        let mut graph = DiGraph::new();
        for op in ops {
            graph.add_node(op.into());
        }
        let count = graph.node_count();
        if count > MAX_NODES {
            return Err(GraphError::TooManyNodes { count, max: MAX_NODES });
        }
        for (node, op) in graph.node_weights().enumerate() {
            check_op(vocabulary, node, *op)?;
        }
        for (role, node) in [("input", input), ("output", output)] {
            if node >= count {
                return Err(GraphError::Terminal { role, node, count });
            }
        }
        if input == output {
            return Err(GraphError::SameTerminal(input));
        }
        let mut rows = [0_u64; MAX_NODES];
        for (from, to) in edges {
            if from >= count || to >= count {
                return Err(GraphError::EdgeRange { from, to, count });
            }
            if from == to {
                return Err(GraphError::SelfLoop(from));
            }
            if to == input || from == output {
                return Err(GraphError::BeyondTerminal { from, to });
            }
            if rows[from] & bit(to) != 0 {
                return Err(GraphError::DuplicateEdge { from, to });
            }
            rows[from] |= bit(to);
            graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
        }
        if let Err(cycle) = toposort(&graph, None) {
            return Err(GraphError::Cycle(cycle.node_id().index()));
        }
        Ok(Self { vocabulary: vocabulary.clone(), graph, input, output })
    }

    /// An empty [`Builder`] that knows operations by name.
    pub fn builder(vocabulary: &Vocabulary) -> Builder {
        Builder { vocabulary: vocabulary.clone(), ops: Vec::new(), edges: Vec::new() }
    }

    /// The same nodes and edges with other operations.
    ///
    /// # Errors
    /// An operation outside the vocabulary, as [`GraphError::OperationRange`].
    pub fn relabelled(&self, op: impl Fn(usize, Option<Op>) -> Option<Op>) -> Result<Self, GraphError> {
        let mut other = self.clone();
        for (node, weight) in other.graph.node_weights_mut().enumerate() {
            *weight = op(node, *weight);
            check_op(&self.vocabulary, node, *weight)?;
        }
        Ok(other)
    }

    /// The operations it is made of.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Never: a graph has at least its input and output.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The input node.
    pub fn input(&self) -> usize {
        self.input
    }

    /// The output node.
    pub fn output(&self) -> usize {
        self.output
    }

    /// The operation of each node; `None` for a null node.
    pub fn ops(&self) -> impl ExactSizeIterator<Item = Option<Op>> + '_ {
        self.graph.raw_nodes().iter().map(|node| node.weight)
    }

    /// The edges as (source, target), sorted.
    pub fn edges(&self) -> Vec<(usize, usize)> {
        let mut edges: Vec<_> =
            self.graph.edge_references().map(|e| (e.source().index(), e.target().index())).collect();
        edges.sort_unstable();
        edges
    }

    /// The graph as petgraph's own type, for its algorithms.
    pub fn petgraph(&self) -> &DiGraph<Option<Op>, ()> {
        &self.graph
    }

    /// The successors of every node, one bit each.
    pub(crate) fn rows(&self) -> [u64; MAX_NODES] {
        let mut rows = [0_u64; MAX_NODES];
        for edge in self.graph.raw_edges() {
            rows[edge.source().index()] |= bit(edge.target().index());
        }
        rows
    }

    /// The same nodes with the edges of `rows`, which the caller has made from those of an acyclic graph.
    /// Nodes of `nulled` lose their operation, apart from input and output.
    pub(crate) fn with_rows(&self, rows: &[u64; MAX_NODES], nulled: u64) -> Self {
        let mut graph = DiGraph::with_capacity(self.len(), self.graph.edge_count());
        for (node, op) in self.ops().enumerate() {
            let keep = nulled & bit(node) == 0 || node == self.input || node == self.output;
            graph.add_node(op.filter(|_| keep));
        }
        for (from, &row) in rows.iter().enumerate().take(self.len()) {
            for to in bits(row) {
                graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
            }
        }
        Self { vocabulary: self.vocabulary.clone(), graph, input: self.input, output: self.output }
    }

    /// The sub-graph on the nodes of `kept`, which holds input and output; numbers close up in order.
    pub(crate) fn restricted(&self, kept: u64) -> Self {
        let place = |node: usize| (kept & (bit(node) - 1)).count_ones() as usize;
        let mut graph = DiGraph::new();
        for (_, op) in self.ops().enumerate().filter(|(node, _)| kept & bit(*node) != 0) {
            graph.add_node(op);
        }
        for (from, to) in self.edges() {
            if kept & bit(from) != 0 && kept & bit(to) != 0 {
                graph.add_edge(NodeIndex::new(place(from)), NodeIndex::new(place(to)), ());
            }
        }
        let (input, output) = (place(self.input), place(self.output));
        Self { vocabulary: self.vocabulary.clone(), graph, input, output }
    }
}

/// Equal numbering, not isomorphism: compare [`ArchGraph::canonical`] for that.
impl PartialEq for ArchGraph {
    fn eq(&self, other: &Self) -> bool {
        (self.input, self.output) == (other.input, other.output)
            && self.vocabulary.same(&other.vocabulary)
            && self.ops().eq(other.ops())
            && self.rows() == other.rows()
    }
}

impl Eq for ArchGraph {}

fn check_op(vocabulary: &Vocabulary, node: usize, op: Option<Op>) -> Result<(), GraphError> {
    match op.map(Op::index) {
        Some(op) if op >= vocabulary.len() => {
            Err(GraphError::OperationRange { node, op, count: vocabulary.len() })
        }
        _ => Ok(()),
    }
}

pub(crate) fn bit(node: usize) -> u64 {
    1 << node
}

/// The places of the ones of `row`, ascending.
pub(crate) fn bits(mut row: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (row != 0).then(|| row.trailing_zeros() as usize)?;
        row &= row - 1;
        Some(place)
    })
}

/// Collects nodes and edges of an [`ArchGraph`]; everything about the edges is checked in [`Builder::build`].
///
/// The crate's first page has an example.
#[derive(Debug, Clone)]
pub struct Builder {
    vocabulary: Vocabulary,
    ops: Vec<Option<Op>>,
    edges: Vec<(usize, usize)>,
}

impl Builder {
    /// Adds a node and returns its number.
    ///
    /// # Errors
    /// The unknown name, and the names there are.
    pub fn node(&mut self, name: &str) -> Result<usize, GraphError> {
        self.ops.push(Some(self.vocabulary.op(name)?));
        Ok(self.ops.len() - 1)
    }

    /// Adds a null node and returns its number.
    pub fn null(&mut self) -> usize {
        self.ops.push(None);
        self.ops.len() - 1
    }

    /// Adds an edge.
    pub fn edge(&mut self, from: usize, to: usize) -> &mut Self {
        self.edges.push((from, to));
        self
    }

    /// The graph.
    ///
    /// # Errors
    /// As [`ArchGraph::new`].
    pub fn build(&self, input: usize, output: usize) -> Result<ArchGraph, GraphError> {
        ArchGraph::new(&self.vocabulary, self.ops.iter().copied(), self.edges.iter().copied(), input, output)
    }
}

/// What stands in a file; checked anew when it is read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    vocabulary: Vocabulary,
    ops: Vec<Option<Op>>,
    edges: Vec<(usize, usize)>,
    input: usize,
    output: usize,
}

impl TryFrom<Plain> for ArchGraph {
    type Error = GraphError;

    fn try_from(plain: Plain) -> Result<Self, GraphError> {
        Self::new(&plain.vocabulary, plain.ops, plain.edges, plain.input, plain.output)
    }
}

impl From<ArchGraph> for Plain {
    fn from(graph: ArchGraph) -> Self {
        Self {
            ops: graph.ops().collect(),
            edges: graph.edges(),
            input: graph.input,
            output: graph.output,
            vocabulary: graph.vocabulary,
        }
    }
}
