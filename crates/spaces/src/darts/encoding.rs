use super::genotype::NODES;
use super::{Genotype, Operation};
use arch_graph::{ArchGraph, Encode, Encoding, Global, GraphError, Layout, Op, Vocabulary};
use std::sync::LazyLock;

/// Nodes of one cell: two inputs, two operations and a sum for each intermediate node, the output.
const CELL: usize = 2 + 3 * NODES + 1;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let names = Operation::NAMES.into_iter().chain(["addition", "input", "output"]);
    Vocabulary::new(names).expect("ten distinct names")
});
const ADDITION: Op = Op(7);
const INPUT: Op = Op(8);
const OUTPUT: Op = Op(9);

static LAYOUT: LazyLock<Layout> = LazyLock::new(|| {
    let names = VOCABULARY.names().iter().map(String::as_str);
    let columns: Vec<&str> = names.filter(|name| *name != Operation::SkipConnect.name()).collect();
    let layout = Layout::new(&VOCABULARY).only(&columns).expect("names of the vocabulary");
    layout.global(Global::First).self_loops(true)
});

impl Genotype {
    /// Both cells as one graph of 30 nodes without an edge between them: of each cell the two inputs, then for
    /// each intermediate node its two operations and their sum, then the output; the normal cell first. The
    /// graph's input is the first cell's, its output the second's. `skip_connect` is a node too. Its vocabulary
    /// is the seven operation names in order, `addition`, `input`, `output`.
    ///
    /// No path joins the two ends, so all nodes are dead to [`live`](ArchGraph::live), [`pruned`](ArchGraph::pruned) leaves
    /// the ends alone, and what looks at paths, as [`descriptors`](ArchGraph::descriptors), finds none: it is a graph to
    /// encode and to draw.
    pub fn graph(self) -> ArchGraph {
        let mut ops = Vec::with_capacity(2 * CELL);
        let mut edges = Vec::with_capacity(48);
        for cell in [self.normal, self.reduce] {
            let base = ops.len();
            let sum = |node: usize| base + 4 + 3 * node;
            let state = |source: usize| source.checked_sub(2).map_or(base + source, sum);
            let output = base + CELL - 1;
            ops.extend([INPUT, INPUT]);
            for (node, pair) in cell.inputs().into_iter().enumerate() {
                for (op, source) in pair {
                    edges.extend([(state(source), ops.len()), (ops.len(), sum(node))]);
                    ops.push(op.op());
                }
                edges.push((sum(node), output));
                ops.push(ADDITION);
            }
            ops.push(OUTPUT);
        }
        let output = ops.len() - 1;
        ArchGraph::new(&VOCABULARY, ops, edges, 0, output).expect("edges go upwards")
    }
}

/// The encoding of BRP-NAS, 31 nodes x 10 features (Dudziak et al., NeurIPS 2020; `eagle`).
///
/// Nodes: global, then those of [`Genotype::graph`], where `skip_connect` is replaced by direct edges and has no
/// feature. Columns: max pooling, average pooling, separable 3x3, 5x5, dilated 3x3, 5x5, addition, input, output,
/// global. Every diagonal entry is 1. Nothing is pruned.
///
/// ```
/// use arch_graph::Encode;
/// use spaces::{Darts, darts::CellsEncoding};
/// let encoding = CellsEncoding.encode(&Darts.get(0)?)?;
/// assert_eq!((encoding.nodes, encoding.width), (31, 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CellsEncoding;

impl Encode<Genotype> for CellsEncoding {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        LAYOUT.nodes(2 * CELL)
    }

    fn width(&self) -> usize {
        LAYOUT.width()
    }

    fn has_global(&self) -> bool {
        LAYOUT.has_global()
    }

    fn encode(&self, genotype: &Genotype) -> Result<Encoding, GraphError> {
        genotype.graph().bypassed(Operation::SkipConnect.op()).encode(&LAYOUT)
    }
}
