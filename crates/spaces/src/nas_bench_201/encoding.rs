use super::{Cell, Operation};
use arch_graph::{ArchGraph, Encode, Encoding, Global, GraphError, Layout, Op, Vocabulary};
use std::sync::LazyLock;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let names = Operation::NAMES.into_iter().chain(["input", "output"]);
    Vocabulary::new(names).expect("seven distinct names")
});

/// The line graph of the cell: node 0 the input, node k + 1 the operation k, node 7 the output.
static LINE_GRAPH: LazyLock<ArchGraph> = LazyLock::new(|| {
    let edges = [(0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7), (6, 7)];
    ArchGraph::new(&VOCABULARY, [5, 0, 0, 0, 0, 0, 0, 6].map(Op), edges, 0, 7).expect("an acyclic graph")
});

static PRUNED: LazyLock<Layout> = LazyLock::new(|| {
    let columns = ["nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "input", "output"];
    let layout = Layout::new(&VOCABULARY).only(&columns).expect("names of the vocabulary");
    layout.global(Global::First).self_loops(true)
});

static FULL: LazyLock<Layout> =
    LazyLock::new(|| Layout::new(&VOCABULARY).global(Global::First).self_loops(true));

pub(super) fn vocabulary() -> &'static Vocabulary {
    &VOCABULARY
}

pub(super) fn graph(cell: Cell) -> ArchGraph {
    let ops = cell.operations();
    let label = |node: usize, end| node.checked_sub(1).and_then(|k| ops.get(k)).map(|op| op.op()).or(end);
    LINE_GRAPH.relabelled(label).expect("operations of the vocabulary")
}

pub(super) fn pruned_graph(cell: Cell) -> ArchGraph {
    graph(cell).isolated(Operation::None.op()).bypassed(Operation::SkipConnect.op()).masked()
}

/// The published encoding, 9 nodes x 6 features (Dudziak et al., BRP-NAS, NeurIPS 2020).
///
/// Nodes: global, input, the six operations in order, output, with the edges of [`Cell::pruned_graph`].
/// Columns: 1x1 convolution, 3x3 convolution, average pooling, input, output, global. Every diagonal entry is 1.
/// Global, input and output always have their feature.
///
/// Not every cell has its own: the 15,625 cells give 8,687 encodings, and the 341 cells without a path share
/// one. Use [`FullEncoding`] where dead operations matter.
///
/// ```
/// use arch_graph::Encode;
/// use spaces::{NasBench201, nas_bench_201::PrunedEncoding};
/// let encoding = PrunedEncoding.encode(&NasBench201.get(0)?)?;
/// assert_eq!(encoding.features[..6], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrunedEncoding;

impl Encode<Cell> for PrunedEncoding {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        PRUNED.nodes(LINE_GRAPH.len())
    }

    fn width(&self) -> usize {
        PRUNED.width()
    }

    fn has_global(&self) -> bool {
        PRUNED.has_global()
    }

    fn encode(&self, cell: &Cell) -> Result<Encoding, GraphError> {
        cell.pruned_graph().encode(&PRUNED)
    }
}

/// Every operation kept, 9 nodes x 8 features: no two cells share an encoding.
///
/// Nodes: global, input, the six operations in order, output, with the edges of [`Cell::graph`] whatever the
/// operations. Columns: none, skip, 1x1 convolution, 3x3 convolution, average pooling, input, output, global.
/// Every diagonal entry is 1.
///
/// For measurements in which dead operations were run, which an encoding that prunes cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FullEncoding;

impl Encode<Cell> for FullEncoding {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        FULL.nodes(LINE_GRAPH.len())
    }

    fn width(&self) -> usize {
        FULL.width()
    }

    fn has_global(&self) -> bool {
        FULL.has_global()
    }

    fn encode(&self, cell: &Cell) -> Result<Encoding, GraphError> {
        graph(*cell).encode(&FULL)
    }
}
