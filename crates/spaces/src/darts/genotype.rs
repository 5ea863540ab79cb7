use super::Darts;
use crate::{ArchHash, SpaceError};
use arch_graph::Op;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Intermediate nodes of a cell.
pub const NODES: usize = 4;

/// What an edge does. Numbers, names and order are those of the published code, without `none`, which no
/// genotype holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// 3x3 max pooling.
    #[serde(rename = "max_pool_3x3")]
    MaxPool3x3,
    /// 3x3 average pooling.
    #[serde(rename = "avg_pool_3x3")]
    AvgPool3x3,
    /// The identity; at stride 2 a factorised reduction.
    #[serde(rename = "skip_connect")]
    SkipConnect,
    /// 3x3 separable convolution, twice.
    #[serde(rename = "sep_conv_3x3")]
    SepConv3x3,
    /// 5x5 separable convolution, twice.
    #[serde(rename = "sep_conv_5x5")]
    SepConv5x5,
    /// 3x3 separable convolution with dilation 2.
    #[serde(rename = "dil_conv_3x3")]
    DilConv3x3,
    /// 5x5 separable convolution with dilation 2.
    #[serde(rename = "dil_conv_5x5")]
    DilConv5x5,
}

impl Operation {
    /// All operations, each at its number.
    pub const ALL: [Self; 7] = [
        Self::MaxPool3x3,
        Self::AvgPool3x3,
        Self::SkipConnect,
        Self::SepConv3x3,
        Self::SepConv5x5,
        Self::DilConv3x3,
        Self::DilConv5x5,
    ];

    /// The names, each at its operation's number.
    pub(crate) const NAMES: [&'static str; 7] = [
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    ];

    /// The published name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }

    /// The number, from 0 to 6, as in NAS-Bench-301 and NASLib.
    pub fn number(self) -> usize {
        self as usize
    }

    /// Its place in the vocabulary of [`Genotype::graph`].
    pub fn op(self) -> Op {
        Op(self as u8)
    }

    fn unknown(found: impl Into<String>) -> SpaceError {
        SpaceError::Operation { space: Darts::NAME, found: found.into(), known: Self::NAMES.to_vec() }
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

/// What one edge of a cell brings: an operation, and the state it reads. States 0 and 1 are the outputs of the
/// cell before the last and of the last; 2 to 5 the intermediate nodes.
pub type Input = (Operation, usize);

/// One cell: two inputs for each of the four intermediate nodes, whose results are concatenated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// (source, operation), so that the order is by source first.
    nodes: [[(u8, Operation); 2]; NODES],
}

impl Cell {
    /// The cell with these inputs of the nodes 2 to 5.
    ///
    /// ```
    /// use spaces::darts::{Cell, Operation::{SepConv3x3 as Sep, SkipConnect as Skip}};
    /// let from_inputs = [(Sep, 0), (Skip, 1)];
    /// assert!(Cell::new([from_inputs; 4]).is_ok());
    /// let twice = Cell::new([from_inputs, from_inputs, [(Sep, 3), (Skip, 3)], from_inputs]).unwrap_err();
    /// assert_eq!(twice.to_string(), "node 4 of darts reads 3 and 3: expected two different ones of 0 to 3");
    /// ```
    ///
    /// # Errors
    /// A node that reads itself, a later node, or the same state twice.
    pub fn new(inputs: [[Input; 2]; NODES]) -> Result<Self, SpaceError> {
        for (node, [a, b]) in (2..).zip(&inputs) {
            if a.1 == b.1 || a.1.max(b.1) >= node {
                return Err(SpaceError::Sources { space: Darts::NAME, node, found: [a.1, b.1] });
            }
        }
        // a source is below 5
        Ok(Self { nodes: inputs.map(|pair| pair.map(|(op, source)| (source as u8, op))) })
    }

    /// The two inputs of each of the nodes 2 to 5, as they are written.
    pub fn inputs(self) -> [[Input; 2]; NODES] {
        self.nodes.map(|pair| pair.map(|(source, op)| (op, usize::from(source))))
    }

    /// The same cell with the two inputs of each node by source.
    pub fn sorted(mut self) -> Self {
        self.nodes.iter_mut().for_each(|pair| pair.sort_unstable());
        self
    }

    /// The smallest of the sorted cells that are this one up to the numbers of its intermediate nodes: all 24
    /// orders are tried.
    fn representative(self) -> Self {
        let mut best = self.sorted();
        let mut order = [0_usize, 1, 2, 3];
        permutations(&mut order, 0, &mut |order| {
            // node `order[place]` becomes number `place`
            let place = |source: u8| match usize::from(source).checked_sub(2) {
                None => Some(source),
                Some(node) => order.iter().position(|&other| other == node).map(|place| place as u8 + 2),
            };
            let mut other = self;
            for (to, &node) in order.iter().enumerate() {
                for (into, (source, op)) in other.nodes[to].iter_mut().zip(self.nodes[node]) {
                    match place(source).filter(|&source| usize::from(source) < to + 2) {
                        Some(source) => *into = (source, op),
                        None => return,
                    }
                }
            }
            best = best.min(other.sorted());
        });
        best
    }
}

fn permutations(order: &mut [usize; NODES], from: usize, visit: &mut impl FnMut(&[usize; NODES])) {
    if from == NODES {
        return visit(order);
    }
    for other in from..NODES {
        order.swap(from, other);
        permutations(order, from + 1, visit);
        order.swap(from, other);
    }
}

/// One architecture: a cell that keeps the size of the image and one that halves it.
///
/// It prints, parses and is stored as the published text. The order in which the two inputs of a node are
/// written is kept, since it numbers the nodes of the [encoding](super::CellsEncoding);
/// [`sorted`](Genotype::sorted) writes architectures that differ in nothing else alike.
///
/// ```
/// use spaces::darts::Genotype;
/// let darts_v2: Genotype = "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), \
///     ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], \
///     normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), \
///     ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], \
///     reduce_concat=[2, 3, 4, 5])".parse()?;
/// assert_eq!(darts_v2.normal.inputs()[3][1].1, 2);
/// assert!(darts_v2.to_string().ends_with("('max_pool_3x3', 1)], reduce_concat=range(2, 6))"));
/// # Ok::<(), nas_core::ParseArchError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Genotype {
    /// The cell that keeps the size.
    pub normal: Cell,
    /// The cell that halves it.
    pub reduce: Cell,
}

impl Genotype {
    /// The same architecture with the two inputs of each node by source: what the space samples and numbers.
    pub fn sorted(self) -> Self {
        Self { normal: self.normal.sorted(), reduce: self.reduce.sorted() }
    }

    /// The smallest of the sorted genotypes that are this one up to the numbers of the intermediate nodes.
    pub fn representative(self) -> Self {
        Self { normal: self.normal.representative(), reduce: self.reduce.representative() }
    }

    /// The MD5 of the [`representative`](Genotype::representative)'s text: equal for genotypes that differ only in
    /// the order of inputs and in the numbers of nodes. Our own; DARTS defines none.
    pub fn graph_hash(self) -> ArchHash {
        ArchHash::of(self.representative().to_string().as_bytes())
    }
}
