use super::{Cell, NODES, Operation};
use arch_graph::{ArchGraph, Encode, Encoding, Global, GraphError, Layout, Op, Vocabulary};
use std::sync::LazyLock;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let names = Operation::NAMES.into_iter().chain(["input", "output"]);
    Vocabulary::new(names).expect("eight distinct names")
});
const INPUT: Op = Op(6);
const OUTPUT: Op = Op(7);

static PRUNED: LazyLock<Layout> = LazyLock::new(|| {
    let names = VOCABULARY.names().iter().map(String::as_str);
    let columns: Vec<&str> = names.filter(|name| *name != Operation::Zero.name()).collect();
    let layout = Layout::new(&VOCABULARY).only(&columns).expect("names of the vocabulary");
    layout.global(Global::First).self_loops(true)
});

static FULL: LazyLock<Layout> =
    LazyLock::new(|| Layout::new(&VOCABULARY).global(Global::First).self_loops(true));

pub(super) fn graph(cell: Cell) -> ArchGraph {
    let [a, b, c] = cell.operations().map(Operation::op);
    let chain = (0..=NODES).map(|node| (node, node + 1));
    let skips = super::SKIPS.into_iter().zip(cell.skips()).filter(|skip| skip.1);
    let edges = chain.chain(skips.map(|((node, state), _)| (state, node + 1)));
    ArchGraph::new(&VOCABULARY, [INPUT, a, b, c, OUTPUT], edges, 0, NODES + 1).expect("edges go upwards")
}

/// What the cell computes, 6 nodes x 8 features, in the manner of BRP-NAS (Dudziak et al., NeurIPS 2020).
///
/// Nodes: global, input, the three operations, output, with the edges of [`Cell::pruned_graph`]. Columns: linear,
/// the four convolutions in order, input, output, global. Every diagonal entry is 1. Global, input and output always
/// have their feature.
///
/// ```
/// use arch_graph::Encode;
/// use spaces::{NasBenchAsr, nas_bench_asr::PrunedEncoding};
/// let encoding = PrunedEncoding.encode(&NasBenchAsr.get(0)?)?;
/// assert_eq!((encoding.nodes, encoding.width), (6, 8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrunedEncoding;

/// Every operation kept, 6 nodes x 9 features: no two cells share an encoding.
///
/// Nodes as in [`PrunedEncoding`], with the edges of [`Cell::graph`]. Columns: the six operations in order, input,
/// output, global.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FullEncoding;

impl Encode<Cell> for PrunedEncoding {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        PRUNED.nodes(NODES + 2)
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

impl Encode<Cell> for FullEncoding {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        FULL.nodes(NODES + 2)
    }

    fn width(&self) -> usize {
        FULL.width()
    }

    fn has_global(&self) -> bool {
        FULL.has_global()
    }

    fn encode(&self, cell: &Cell) -> Result<Encoding, GraphError> {
        cell.graph().encode(&FULL)
    }
}
