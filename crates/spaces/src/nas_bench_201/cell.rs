use super::{NasBench201, encoding, order};
use crate::SpaceError;
use arch_graph::{ArchGraph, Op};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The edges of a cell as (target, source), in the order in which its operations are written.
pub const EDGES: [(usize, usize); 6] = [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)];

/// What an edge does. Numbers, names and order are those of the published code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Gives zero.
    #[serde(rename = "none")]
    None,
    /// Gives its input.
    #[serde(rename = "skip_connect")]
    SkipConnect,
    /// ReLU, 1x1 convolution, batch normalisation.
    #[serde(rename = "nor_conv_1x1")]
    Conv1x1,
    /// ReLU, 3x3 convolution, batch normalisation.
    #[serde(rename = "nor_conv_3x3")]
    Conv3x3,
    /// 3x3 average pooling, stride 1.
    #[serde(rename = "avg_pool_3x3")]
    AvgPool3x3,
}

impl Operation {
    /// All operations, each at its number.
    pub const ALL: [Self; 5] =
        [Self::None, Self::SkipConnect, Self::Conv1x1, Self::Conv3x3, Self::AvgPool3x3];

    /// The names, each at its operation's number.
    pub(crate) const NAMES: [&'static str; 5] =
        ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];

    /// The published name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }

    /// The number, from 0 to 4.
    pub fn number(self) -> usize {
        self as usize
    }

    /// Its place in the vocabulary of [`Cell::graph`].
    pub fn op(self) -> Op {
        Op(self as u8)
    }

    fn unknown(found: impl Into<String>) -> SpaceError {
        let known = Self::NAMES.to_vec();
        SpaceError::Operation { space: NasBench201::NAME, found: found.into(), known }
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
        Self::ALL.into_iter().find(|op| op.name() == name).ok_or_else(|| Self::unknown(name))
    }
}

impl TryFrom<u8> for Operation {
    type Error = SpaceError;

    fn try_from(number: u8) -> Result<Self, SpaceError> {
        Self::ALL.get(usize::from(number)).copied().ok_or_else(|| Self::unknown(number.to_string()))
    }
}

/// One architecture: an operation on each of the six [`EDGES`].
///
/// It prints, parses and is stored as the published text. Its order is that of the operation numbers, edge
/// by edge; the tables' order is [`index`](Cell::index).
///
/// ```
/// use spaces::nas_bench_201::{Cell, Operation};
/// let resnet = Cell::new([
///     Operation::Conv3x3,
///     Operation::None,
///     Operation::Conv3x3,
///     Operation::SkipConnect,
///     Operation::None,
///     Operation::SkipConnect,
/// ]);
/// let text = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|";
/// assert_eq!(resnet.to_string(), text);
/// assert_eq!(resnet.operation(2, 1), Some(Operation::Conv3x3));
/// assert_eq!(resnet.count(Operation::None), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell([Operation; 6]);

impl Cell {
    /// The cell with these operations, in the order of [`EDGES`].
    pub fn new(operations: [Operation; 6]) -> Self {
        Self(operations)
    }

    /// The operations, in the order of [`EDGES`].
    pub fn operations(self) -> [Operation; 6] {
        self.0
    }

    /// The operation on the edge into `target` from `source`, if there is such an edge.
    pub fn operation(self, target: usize, source: usize) -> Option<Operation> {
        EDGES.iter().zip(self.0).find(|(edge, _)| **edge == (target, source)).map(|(_, op)| op)
    }

    /// How many edges carry `operation`.
    pub fn count(self, operation: Operation) -> usize {
        self.0.iter().filter(|op| **op == operation).count()
    }

    /// The index in the published tables, from 0 to 15,624.
    ///
    /// The published order is not lexicographic: it is the lexicographic list as CPython's
    /// `random.seed(88); random.shuffle(list)` leaves it (NAS-Bench-201's `generate_meta_info`).
    pub fn index(self) -> usize {
        order::index(self.code())
    }

    /// The cell as a graph: input, the six operations in order, output, each a node, and an edge from each
    /// operation to those that read its node (the line graph). Its vocabulary is the five operation names in
    /// order, `input`, `output`. Nothing is left out: `none` and `skip_connect` are nodes too.
    ///
    /// ```
    /// # use spaces::NasBench201;
    /// let graph = NasBench201.get(0)?.graph();
    /// assert_eq!((graph.len(), graph.edges().len()), (8, 10));
    /// # Ok::<(), spaces::SpaceError>(())
    /// ```
    pub fn graph(self) -> ArchGraph {
        encoding::graph(self)
    }

    /// The graph of what the cell computes, with the numbering of [`graph`](Cell::graph): `none` cuts its node
    /// off, `skip_connect` is replaced by direct edges (two parallel ways become one), then what lies on no path
    /// from input to output becomes null.
    ///
    /// ```
    /// # use spaces::nas_bench_201::{Cell, Operation};
    /// // both ways through node 1 end there: only the edge from node 0 to node 3 is left
    /// let mut ops = [Operation::None; 6];
    /// (ops[0], ops[3]) = (Operation::Conv1x1, Operation::SkipConnect);
    /// assert_eq!(Cell::new(ops).pruned_graph().edges(), [(0, 7)]);
    /// ```
    pub fn pruned_graph(self) -> ArchGraph {
        encoding::pruned_graph(self)
    }

    /// The cell with `none` in place of every operation that lies on no path from the input to the output: what is left
    /// is what a device has to run. Without any path all are `none`.
    ///
    /// ```
    /// # use spaces::nas_bench_201::Cell;
    /// let cell: Cell = "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|skip_connect~2|".parse()?;
    /// assert_eq!(cell.live().to_string(), "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|");
    /// # Ok::<(), nas_core::ParseArchError>(())
    /// ```
    pub fn live(self) -> Self {
        let runs = |edge: usize| self.0[edge] != Operation::None;
        let (mut reached, mut leads) = ([true, false, false, false], [false, false, false, true]);
        // edges are in the order of their targets
        for (edge, &(target, source)) in EDGES.iter().enumerate() {
            reached[target] |= runs(edge) && reached[source];
        }
        for (edge, &(target, source)) in EDGES.iter().enumerate().rev() {
            leads[source] |= runs(edge) && leads[target];
        }
        let mut ops = self.0;
        for (op, &(target, source)) in ops.iter_mut().zip(&EDGES) {
            if !(reached[source] && leads[target]) {
                *op = Operation::None;
            }
        }
        Self(ops)
    }

    /// The place in lexicographic order.
    pub(crate) fn code(self) -> u16 {
        self.0.iter().fold(0, |code, op| code * 5 + *op as u16)
    }

    pub(crate) fn from_code(code: u16) -> Self {
        let mut rest = usize::from(code);
        let mut ops = [Operation::None; 6];
        for op in ops.iter_mut().rev() {
            *op = Operation::ALL[rest % 5];
            rest /= 5;
        }
        Self(ops)
    }
}
