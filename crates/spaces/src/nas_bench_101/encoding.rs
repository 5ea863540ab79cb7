use super::matrix::MAX_VERTICES;
use super::text::{INPUT, OUTPUT};
use super::{Operation, Spec};
use arch_graph::{ArchGraph, Encode, Encoding, Global, GraphError, Layout, Op, Vocabulary};
use std::sync::LazyLock;

/// What eagle calls a vertex that is not there.
const NONE: &str = "none";

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let names = Operation::NAMES.into_iter().chain([INPUT, OUTPUT, NONE]);
    Vocabulary::new(names).expect("six distinct names")
});
const INPUT_OP: Op = Op(3);
const OUTPUT_OP: Op = Op(4);
const NONE_OP: Op = Op(5);

static PADDED: LazyLock<Layout> = LazyLock::new(|| {
    let columns = [NONE, "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3", INPUT, OUTPUT];
    let layout = Layout::new(&VOCABULARY).only(&columns).expect("names of the vocabulary");
    layout.global(Global::First).self_loops(true)
});

static BARE: LazyLock<Layout> = LazyLock::new(|| {
    let columns = [INPUT, "conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3", OUTPUT];
    Layout::new(&VOCABULARY).only(&columns).expect("names of the vocabulary")
});

impl Spec {
    /// The graph: a node a vertex, with its numbering. Its vocabulary is the three operation names in order,
    /// `input`, `output`, and `none`, which it does not use.
    ///
    /// ```
    /// let spec: spaces::nas_bench_101::Spec = "010001000:input,maxpool3x3,output".parse()?;
    /// assert_eq!(spec.graph().edges(), [(0, 1), (1, 2)]);
    /// # Ok::<(), nas_core::ParseArchError>(())
    /// ```
    pub fn graph(self) -> ArchGraph {
        self.padded(|ops, n| (ops, n - 1))
    }

    fn ops(self) -> impl Iterator<Item = Op> {
        (0..self.vertices()).map(move |vertex| match self.operation(vertex) {
            Some(op) => Op(op as u8),
            None if vertex == 0 => INPUT_OP,
            None => OUTPUT_OP,
        })
    }

    /// The graph after `pad` has put nodes without edges in and said where the output is now.
    fn padded(self, pad: impl FnOnce(Vec<Option<Op>>, usize) -> (Vec<Option<Op>>, usize)) -> ArchGraph {
        let (ops, output) = pad(self.ops().map(Some).collect(), self.vertices());
        let at = |vertex: usize| if vertex + 1 == self.vertices() { output } else { vertex };
        let edges = self.edges().map(|(from, to)| (from, at(to)));
        ArchGraph::new(&VOCABULARY, ops, edges, 0, output).expect("edges go upwards")
    }
}

/// The encoding of BRP-NAS, 8 nodes x 7 features (Dudziak et al., NeurIPS 2020; `eagle`).
///
/// Nodes: global, then the vertices, where those missing to 7 stand before the output and have the feature of
/// `none`. Columns: none, 3x3 convolution, 1x1 convolution, pooling, input, output, global. Every diagonal entry
/// is 1.
///
/// ```
/// use arch_graph::Encode;
/// use spaces::nas_bench_101::{PaddedEncoding, Spec};
/// let spec: Spec = "0100:input,output".parse()?;
/// let encoding = PaddedEncoding.encode(&spec)?;
/// assert_eq!((encoding.nodes, encoding.width), (8, 7));
/// assert_eq!(encoding.adjacency[8 + 7], 1.0); // from the input, node 1, to the output, node 7
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PaddedEncoding;

impl Encode<Spec> for PaddedEncoding {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        PADDED.nodes(MAX_VERTICES)
    }

    fn width(&self) -> usize {
        PADDED.width()
    }

    fn has_global(&self) -> bool {
        PADDED.has_global()
    }

    fn encode(&self, spec: &Spec) -> Result<Encoding, GraphError> {
        let graph = spec.padded(|mut ops, n| {
            let missing = std::iter::repeat_n(Some(NONE_OP), MAX_VERTICES - n);
            ops.splice(n - 1..n - 1, missing);
            (ops, MAX_VERTICES - 1)
        });
        graph.encode(&PADDED)
    }
}

/// The encoding of the Neural Predictor, 7 nodes x 5 features (Wen et al., ECCV 2020, section 3).
///
/// Nodes: the vertices, then those missing to 7, without a feature: the output is the last vertex, not the last
/// node. Columns: input, 1x1 convolution, 3x3 convolution, pooling, output. No global node and no self loops:
/// that network adds the diagonal and normalises itself, and reads the transposed matrix too.
///
/// ```
/// use arch_graph::Encode;
/// use spaces::nas_bench_101::{BareEncoding, Spec};
/// let spec: Spec = "0100:input,output".parse()?;
/// let encoding = BareEncoding.encode(&spec)?;
/// assert_eq!(encoding.features[..10], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
/// assert_eq!(encoding.features[10..].iter().sum::<f32>(), 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BareEncoding;

impl Encode<Spec> for BareEncoding {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        BARE.nodes(MAX_VERTICES)
    }

    fn width(&self) -> usize {
        BARE.width()
    }

    fn has_global(&self) -> bool {
        BARE.has_global()
    }

    fn encode(&self, spec: &Spec) -> Result<Encoding, GraphError> {
        let graph = spec.padded(|mut ops, n| {
            ops.resize(MAX_VERTICES, None);
            (ops, n - 1)
        });
        graph.encode(&BARE)
    }
}
