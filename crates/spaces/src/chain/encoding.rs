use super::{Chain, ChainSpace};
use arch_graph::{ArchGraph, Encode, Encoding, Global, GraphError, Layout, Vocabulary};

/// A node a layer with its choice as a one-hot, and an edge to the next (Wen et al., Neural Predictor, ECCV
/// 2020): 22 nodes x 7 features for ProxylessNAS, 22 x 9 for FBNet, 8 x 3 for NAS-Bench-Macro.
///
/// Without a global node there are no self loops either, as that network adds the diagonal itself. With one, as
/// BRP-NAS reads graphs, a node and a column are added and every diagonal entry is 1.
///
/// ```
/// use arch_graph::{Encode, Global};
/// use nas_core::SearchSpace;
/// use spaces::chain::{ChainEncoding, NAS_BENCH_MACRO};
/// let chain = NAS_BENCH_MACRO.parse("0_2_0_1_2_1_0_0")?;
/// let encoding = ChainEncoding::new(&NAS_BENCH_MACRO, Global::Without)?.encode(&chain)?;
/// assert_eq!((encoding.nodes, encoding.width), (8, 3));
/// assert_eq!(encoding.features[3..6], [0.0, 0.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ChainEncoding {
    nodes: usize,
    vocabulary: Vocabulary,
    layout: Layout,
}

impl ChainEncoding {
    /// The encoding of a space, with or without a global node.
    ///
    /// # Errors
    /// None for the spaces of this crate, whose choices have distinct names.
    pub fn new(space: &ChainSpace, global: Global) -> Result<Self, GraphError> {
        let vocabulary = Vocabulary::new(space.choices.iter().copied())?;
        let layout = Layout::new(&vocabulary).global(global).self_loops(global == Global::First);
        Ok(Self { nodes: space.layers.len(), vocabulary, layout })
    }

    /// The chain as a graph, whose vocabulary is the names of the choices.
    ///
    /// # Errors
    /// A chain of another space: of another length, or with a choice that this one has not.
    pub fn graph(&self, chain: &Chain) -> Result<ArchGraph, GraphError> {
        let (found, expected) = (chain.choices().len(), self.nodes);
        if found != expected {
            return Err(GraphError::OtherLength { found, expected });
        }
        let ops = chain.choices().iter().map(|&choice| arch_graph::Op(choice));
        let last = self.nodes.saturating_sub(1);
        ArchGraph::new(&self.vocabulary, ops, (0..last).map(|layer| (layer, layer + 1)), 0, last)
    }
}

impl Encode<Chain> for ChainEncoding {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        self.layout.nodes(self.nodes)
    }

    fn width(&self) -> usize {
        self.layout.width()
    }

    fn has_global(&self) -> bool {
        self.layout.has_global()
    }

    fn encode(&self, chain: &Chain) -> Result<Encoding, GraphError> {
        self.graph(chain)?.encode(&self.layout)
    }
}
