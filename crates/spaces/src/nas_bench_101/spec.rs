use super::matrix::{INNER, MAX_EDGES, MAX_VERTICES, Matrix};
use super::{NasBench101, order};
use crate::SpaceError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a vertex does. Numbers, names and order are those of the published code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// 3x3 convolution, batch normalisation, ReLU.
    #[serde(rename = "conv3x3-bn-relu")]
    Conv3x3,
    /// 1x1 convolution, batch normalisation, ReLU.
    #[serde(rename = "conv1x1-bn-relu")]
    Conv1x1,
    /// 3x3 max pooling, stride 1.
    #[serde(rename = "maxpool3x3")]
    MaxPool3x3,
}

impl Operation {
    /// All operations, each at its number.
    pub const ALL: [Self; 3] = [Self::Conv3x3, Self::Conv1x1, Self::MaxPool3x3];

    /// The names, each at its operation's number.
    pub(crate) const NAMES: [&'static str; 3] = ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"];

    /// The published name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }

    /// The number, from 0 to 2.
    pub fn number(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Operation {
    type Err = SpaceError;

    fn from_str(name: &str) -> Result<Self, SpaceError> {
        Self::ALL.into_iter().find(|op| op.name() == name).ok_or_else(|| SpaceError::Operation {
            space: NasBench101::NAME,
            found: name.into(),
            known: Self::NAMES.to_vec(),
        })
    }
}

/// One architecture: a graph of 2 to 7 vertices and at most 9 edges in which every vertex lies on a path from
/// the first, the input, to the last, the output. Edges go from a smaller to a larger vertex.
///
/// Prints as `<adjacency, row by row, 0 or 1>:<operations>`, input and output included. Parsing prunes what
/// lies on no path, as the published `ModelSpec` does.
///
/// Two specs are equal where they are written alike. Isomorphic ones have an equal [hash](Spec::module_hash) and
/// [`representative`](Spec::representative). The numbering is kept because the network depends on it: where
/// channels do not divide evenly among the inputs of the output, the first of them get one more.
///
/// ```
/// use spaces::nas_bench_101::{Operation, Spec};
/// let spec = Spec::new(3, [(0, 1), (1, 2), (0, 2)], &[Operation::Conv1x1])?;
/// assert_eq!(spec.to_string(), "011001000:input,conv1x1-bn-relu,output");
/// // what leads nowhere is dropped
/// let same: Spec = "0111000100000000:input,conv1x1-bn-relu,maxpool3x3,output".parse()?;
/// assert_eq!(same, spec);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spec {
    matrix: Matrix,
    /// Those past the last inner vertex are 3x3 convolutions, so that equality is that of the graph.
    ops: [Operation; INNER],
}

impl Spec {
    /// The spec with these edges (source, target) and the operations of the vertices between input and output,
    /// without what lies on no path.
    ///
    /// # Errors
    /// As [`Draft::new`] and [`Draft::prune`].
    pub fn new(
        vertices: usize,
        edges: impl IntoIterator<Item = (usize, usize)>,
        operations: &[Operation],
    ) -> Result<Self, SpaceError> {
        Draft::new(vertices, edges, operations)?.prune()
    }

    /// Of a matrix that is whole and within the limits.
    pub(super) fn of(matrix: Matrix, mut ops: [Operation; INNER]) -> Self {
        debug_assert!(matrix.is_whole() && matrix.edge_count() <= MAX_EDGES);
        ops[matrix.inner()..].fill(Operation::Conv3x3);
        Self { matrix, ops }
    }

    pub(super) fn matrix(self) -> Matrix {
        self.matrix
    }

    /// Number of vertices, input and output included: 2 to 7.
    pub fn vertices(self) -> usize {
        self.matrix.vertices()
    }

    /// The operations of the vertices 1, 2, .. between input and output.
    pub fn operations(&self) -> &[Operation] {
        &self.ops[..self.matrix.inner()]
    }

    /// The operation of a vertex; none of input and output.
    pub fn operation(self, vertex: usize) -> Option<Operation> {
        self.operations().get(vertex.checked_sub(1)?).copied()
    }

    /// Whether there is an edge.
    pub fn has_edge(self, from: usize, to: usize) -> bool {
        to < self.vertices() && self.matrix.has(from, to)
    }

    /// The edges as (source, target), by target, then by source; at most 9.
    pub fn edges(self) -> impl Iterator<Item = (usize, usize)> {
        self.matrix.edges()
    }

    /// The one of all isomorphic specs that the benchmark holds and has trained: the first that its generator
    /// meets, which has the smallest adjacency as a number and then the smallest operation numbers.
    /// Tries at most 120 numberings: about a microsecond.
    ///
    /// ```
    /// use spaces::nas_bench_101::{Operation, Spec};
    /// let edges = [(0, 1), (0, 2), (1, 3), (2, 3)];
    /// let spec = Spec::new(4, edges, &[Operation::MaxPool3x3, Operation::Conv3x3])?;
    /// let first = Spec::new(4, edges, &[Operation::Conv3x3, Operation::MaxPool3x3])?;
    /// assert_eq!((spec.representative(), first.representative()), (first, first));
    /// # Ok::<(), spaces::SpaceError>(())
    /// ```
    pub fn representative(self) -> Self {
        let edges: Vec<_> = self.edges().collect();
        order::least(self.vertices(), &edges, self.operations())
    }
}

/// A graph as the benchmark samples and mutates it: dead parts included, a path from input to output and the
/// limit of edges not yet asked for.
///
/// ```
/// use nas_core::Seed;
/// use spaces::nas_bench_101::Draft;
/// let mut rng = Seed(1).stream("example");
/// let parent = Draft::sample(&mut rng);
/// let child = parent.mutate(1.0, &mut rng)?;
/// assert!(child.prune().is_ok());
/// # Ok::<(), spaces::SpaceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Draft {
    matrix: Matrix,
    ops: [Operation; INNER],
}

impl Draft {
    /// A graph with these edges (source, target) and the operations of the vertices between input and output.
    ///
    /// # Errors
    /// Fewer than 2 or more than 7 vertices, an edge that does not go from a smaller to a larger vertex, or
    /// another number of operations than of inner vertices. An edge given twice is one edge.
    pub fn new(
        vertices: usize,
        edges: impl IntoIterator<Item = (usize, usize)>,
        operations: &[Operation],
    ) -> Result<Self, SpaceError> {
        let space = NasBench101::NAME;
        if !(2..=MAX_VERTICES).contains(&vertices) {
            return Err(SpaceError::Vertices { space, found: vertices, least: 2, most: MAX_VERTICES });
        }
        let mut matrix = Matrix::empty(vertices);
        let mut ops = [Operation::Conv3x3; INNER];
        if operations.len() != matrix.inner() {
            let (found, expected) = (operations.len(), matrix.inner());
            return Err(SpaceError::Operations { space, found, expected });
        }
        ops[..operations.len()].copy_from_slice(operations);
        for (from, to) in edges {
            if from >= to || to >= vertices {
                return Err(SpaceError::Edge { space, from, to, vertices });
            }
            if !matrix.has(from, to) {
                matrix.flip(from, to);
            }
        }
        Ok(Self { matrix, ops })
    }

    pub(super) fn of(matrix: Matrix, ops: [Operation; INNER]) -> Self {
        Self { matrix, ops }
    }

    pub(super) fn matrix(self) -> Matrix {
        self.matrix
    }

    pub(super) fn ops(self) -> [Operation; INNER] {
        self.ops
    }

    /// The graph without the vertices that lie on no path from input to output; the others close up in order
    /// (`ModelSpec._prune`).
    ///
    /// # Errors
    /// No path at all, or more than 9 edges left.
    pub fn prune(self) -> Result<Spec, SpaceError> {
        let space = NasBench101::NAME;
        let live = self.matrix.live();
        if live == 0 {
            return Err(SpaceError::NoPath { space });
        }
        let matrix = self.matrix.restricted(live);
        if matrix.edge_count() > MAX_EDGES {
            return Err(SpaceError::Edges { space, found: matrix.edge_count(), most: MAX_EDGES });
        }
        let inner = (1..self.matrix.output()).filter(|vertex| live >> vertex & 1 == 1);
        let mut ops = [Operation::Conv3x3; INNER];
        ops.iter_mut().zip(inner).for_each(|(op, vertex)| *op = self.ops[vertex - 1]);
        Ok(Spec::of(matrix, ops))
    }
}

/// The pruned graph as it is.
impl From<Spec> for Draft {
    fn from(spec: Spec) -> Self {
        Self { matrix: spec.matrix, ops: spec.ops }
    }
}
