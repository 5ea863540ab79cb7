use super::{NasBenchAsr, encoding};
use crate::{ArchHash, SpaceError};
use arch_graph::{ArchGraph, Op};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Nodes of a cell.
pub const NODES: usize = 3;

/// The skips of a cell as (node, state), in the order in which they are written. Nodes count from 1; state 0 is the
/// input of the cell, state k the output of node k.
pub const SKIPS: [(usize, usize); 6] = [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)];

/// What a node does to the state before it. Numbers, names and order are those of the published code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Linear layer over the channels.
    #[serde(rename = "linear")]
    Linear,
    /// Grouped convolution over 5 steps.
    #[serde(rename = "conv5")]
    Conv5,
    /// Grouped convolution over 5 steps with dilation 2.
    #[serde(rename = "conv5d2")]
    Conv5D2,
    /// Grouped convolution over 7 steps.
    #[serde(rename = "conv7")]
    Conv7,
    /// Grouped convolution over 7 steps with dilation 2.
    #[serde(rename = "conv7d2")]
    Conv7D2,
    /// Gives zero.
    #[serde(rename = "zero")]
    Zero,
}

impl Operation {
    /// All operations, each at its number.
    pub const ALL: [Self; 6] =
        [Self::Linear, Self::Conv5, Self::Conv5D2, Self::Conv7, Self::Conv7D2, Self::Zero];

    /// The names, each at its operation's number.
    pub(crate) const NAMES: [&'static str; 6] = ["linear", "conv5", "conv5d2", "conv7", "conv7d2", "zero"];

    /// The published name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }

    /// The number, from 0 to 5.
    pub fn number(self) -> usize {
        self as usize
    }

    /// Its place in the vocabulary of [`Cell::graph`].
    pub fn op(self) -> Op {
        Op(self as u8)
    }

    /// Steps that a convolution spans, and its dilation; none for the other operations.
    pub fn kernel(self) -> Option<(usize, usize)> {
        match self {
            Self::Conv5 => Some((5, 1)),
            Self::Conv5D2 => Some((5, 2)),
            Self::Conv7 => Some((7, 1)),
            Self::Conv7D2 => Some((7, 2)),
            Self::Linear | Self::Zero => None,
        }
    }

    fn unknown(found: impl Into<String>) -> SpaceError {
        let known = Self::NAMES.to_vec();
        SpaceError::Operation { space: NasBenchAsr::NAME, found: found.into(), known }
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

/// One architecture: an operation for each of the three nodes, and which of the [`SKIPS`] are there.
///
/// It prints and is stored as the published list of numbers; it parses that, or names in their place.
///
/// ```
/// use spaces::nas_bench_asr::{Cell, Operation};
/// let skips = [true, false, false, false, false, true];
/// let cell = Cell::new([Operation::Linear, Operation::Conv5, Operation::Zero], skips);
/// assert_eq!(cell.to_string(), "[[0, 1], [1, 0, 0], [5, 0, 0, 1]]");
/// assert_eq!("[['linear', 1], ['conv5', 0, 0], ['zero', 0, 0, 1]]".parse(), Ok(cell));
/// assert!(cell.skip(3, 2) && !cell.skip(3, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    ops: [Operation; NODES],
    skips: [bool; SKIPS.len()],
}

impl Cell {
    /// The cell with these operations of its nodes, and these skips in the order of [`SKIPS`].
    pub fn new(operations: [Operation; NODES], skips: [bool; SKIPS.len()]) -> Self {
        Self { ops: operations, skips }
    }

    /// The operations, from the first node to the last.
    pub fn operations(self) -> [Operation; NODES] {
        self.ops
    }

    /// Which skips are there, in the order of [`SKIPS`].
    pub fn skips(self) -> [bool; SKIPS.len()] {
        self.skips
    }

    /// Whether `node` (from 1) also adds `state`; false where there is no such skip.
    pub fn skip(self, node: usize, state: usize) -> bool {
        SKIPS.iter().zip(self.skips).any(|(skip, there)| there && *skip == (node, state))
    }

    /// The cell as the published code draws it: input, the three operations, output, each a node. Every node is
    /// read by the next; a skip from state `i` into the sum of node `k` is an edge from node `i` to node `k + 1`,
    /// which reads that sum. Its vocabulary is the six operation names in order, `input`, `output`.
    ///
    /// ```
    /// # use spaces::NasBenchAsr;
    /// let cell = NasBenchAsr.parse("[[0, 1], [5, 1, 0], [3, 1, 1, 1]]")?;
    /// assert_eq!(cell.graph().edges(), [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 4), (2, 3), (2, 4), (3, 4)]);
    /// # use nas_core::SearchSpace;
    /// # Ok::<(), nas_core::ParseArchError>(())
    /// ```
    pub fn graph(self) -> ArchGraph {
        encoding::graph(self)
    }

    /// The graph without what `zero` cuts off: its nodes, and those that then lie on no path from input to output,
    /// are null, with the numbering of [`graph`](Cell::graph).
    pub fn pruned_graph(self) -> ArchGraph {
        self.graph().isolated(Operation::Zero.op()).masked()
    }

    /// The hash that names the model in the published files, bit for bit (`get_model_hash` of the published code):
    /// that of NAS-Bench-101 over the [pruned graph](Cell::pruned_graph), with degrees written as Python's floats.
    /// There are 8,242 different ones, one of them for all cells without a path.
    ///
    /// ```
    /// # use spaces::NasBenchAsr;
    /// // the cells [[5, 0], ..] have no path where nothing skips the first node: the hash of an empty list
    /// assert_eq!(NasBenchAsr.get(5)?.graph_hash().to_string(), "d751713988987e9331980363e24189ce");
    /// # Ok::<(), spaces::SpaceError>(())
    /// ```
    pub fn graph_hash(self) -> ArchHash {
        let graph = self.pruned_graph();
        let live: Vec<usize> =
            (0..graph.len()).zip(graph.live()).filter(|node| node.1).map(|node| node.0).collect();
        let (mut into, mut out) = (vec![0_u32; live.len()], vec![0_u32; live.len()]);
        let place = |node: usize| live.iter().position(|other| *other == node);
        for (from, to) in graph.edges() {
            if let (Some(from), Some(to)) = (place(from), place(to)) {
                into[to] |= 1 << from;
                out[from] |= 1 << to;
            }
        }
        let label = |v: usize| match live[v].checked_sub(1).map(|node| self.ops.get(node)) {
            None => -1,
            Some(None) => -2,
            Some(Some(op)) => op.number() as i32,
        };
        ArchHash::of_module(&into, &out, |v, out, into| format!("({out}.0, {into}.0, {})", label(v)))
    }

    /// The numbers of the published list, as one.
    pub(super) fn places(self) -> [usize; 9] {
        let (o, s) = (self.ops.map(Operation::number), self.skips.map(usize::from));
        [o[0], s[0], o[1], s[1], s[2], o[2], s[3], s[4], s[5]]
    }

    /// From numbers that are in range.
    pub(super) fn from_places(p: [usize; 9]) -> Self {
        let op = |place: usize| Operation::ALL[p[place] % Operation::ALL.len()];
        Self { ops: [op(0), op(2), op(5)], skips: [1, 3, 4, 6, 7, 8].map(|place| p[place] == 1) }
    }
}
