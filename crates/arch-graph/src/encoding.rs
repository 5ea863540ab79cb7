use crate::{ArchGraph, GraphError, Vocabulary};

/// A graph as plain numbers: what a graph network reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    /// Number of nodes, the global one included.
    pub nodes: usize,
    /// Number of features a node.
    pub width: usize,
    /// `nodes * nodes`, row-major: 1 at row `src`, column `dst` for an edge, else 0.
    pub adjacency: Vec<f32>,
    /// `nodes * width`, row-major.
    pub features: Vec<f32>,
}

/// Turns an architecture into an [`Encoding`]; all encodings of one encoder have the same shape.
///
/// [`conformance::encoder`](crate::conformance::encoder) checks what is said here.
pub trait Encode<A> {
    /// Why an architecture could not be encoded.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Number of nodes of every encoding, the global one included.
    fn nodes(&self) -> usize;

    /// Number of features a node.
    fn width(&self) -> usize;

    /// Whether node 0 is a global one that reads every node and that none reads.
    fn has_global(&self) -> bool;

    /// The encoding of one architecture; the same every time.
    ///
    /// # Errors
    /// The encoder's own.
    fn encode(&self, arch: &A) -> Result<Encoding, Self::Error>;
}

/// Whether an encoding has a global node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Global {
    /// It has none.
    #[default]
    Without,
    /// It stands first and its feature last: its row is all ones, so it reads every node, and no other node
    /// reads it (Dudziak et al., BRP-NAS, NeurIPS 2020, section 3.1).
    First,
}

/// How a graph becomes an [`Encoding`]: a column an operation, and the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    vocabulary: Vocabulary,
    columns: Vec<Option<usize>>,
    ops: usize,
    global: Global,
    self_loops: bool,
}

impl Layout {
    /// A column for each operation in the vocabulary's order, no global node, no self loops.
    pub fn new(vocabulary: &Vocabulary) -> Self {
        let ops = vocabulary.len();
        Self {
            vocabulary: vocabulary.clone(),
            columns: (0..ops).map(Some).collect(),
            ops,
            global: Global::Without,
            self_loops: false,
        }
    }

    /// Columns for these operations alone, in this order. A graph with another one is then refused.
    ///
    /// # Errors
    /// An unknown name, or one that stands twice.
    pub fn only(mut self, names: &[&str]) -> Result<Self, GraphError> {
        let chosen = Vocabulary::new(names.iter().copied())?;
        self.columns = vec![None; self.vocabulary.len()];
        for (column, name) in chosen.names().iter().enumerate() {
            self.columns[self.vocabulary.op(name)?.index()] = Some(column);
        }
        self.ops = chosen.len();
        Ok(self)
    }

    /// With or without a global node.
    pub fn global(mut self, global: Global) -> Self {
        self.global = global;
        self
    }

    /// Whether the diagonal is set to 1.
    pub fn self_loops(mut self, self_loops: bool) -> Self {
        self.self_loops = self_loops;
        self
    }

    /// Number of nodes of the encoding of a graph of `nodes` nodes.
    pub fn nodes(&self, nodes: usize) -> usize {
        nodes + usize::from(self.has_global())
    }

    /// Number of features a node: one an operation, and one for the global node.
    pub fn width(&self) -> usize {
        self.ops + usize::from(self.has_global())
    }

    /// Whether there is a global node.
    pub fn has_global(&self) -> bool {
        self.global == Global::First
    }
}

impl ArchGraph {
    /// Adjacency and one-hot operations in the layout's shape. Null nodes have no feature. The global node,
    /// if any, is row and column 0: its row is all ones (its own column too), its column otherwise zero,
    /// and its feature is the last column. Time O(nodes^2 + nodes * width).
    ///
    /// ```
    /// # use arch_graph::{ArchGraph, Layout, Op, Vocabulary};
    /// let words = Vocabulary::new(["in", "out"])?;
    /// let graph = ArchGraph::new(&words, [Op(0), Op(1)], [(0, 1)], 0, 1)?;
    /// let encoding = graph.encode(&Layout::new(&words).self_loops(true))?;
    /// assert_eq!(encoding.adjacency, [1.0, 1.0, 0.0, 1.0]);
    /// assert_eq!(encoding.features, [1.0, 0.0, 0.0, 1.0]);
    /// # Ok::<(), arch_graph::GraphError>(())
    /// ```
    ///
    /// # Errors
    /// A layout of another vocabulary, or an operation without a column.
    pub fn encode(&self, layout: &Layout) -> Result<Encoding, GraphError> {
        self.same_vocabulary("layout", &layout.vocabulary)?;
        let (nodes, width) = (layout.nodes(self.len()), layout.width());
        let shift = nodes - self.len();
        let mut adjacency = vec![0.0; nodes * nodes];
        let mut features = vec![0.0; nodes * width];
        for edge in self.petgraph().raw_edges() {
            adjacency[(edge.source().index() + shift) * nodes + edge.target().index() + shift] = 1.0;
        }
        if layout.self_loops {
            adjacency.iter_mut().step_by(nodes + 1).for_each(|x| *x = 1.0);
        }
        if layout.has_global() {
            adjacency[..nodes].fill(1.0);
            features[width - 1] = 1.0;
        }
        for (node, op) in self.ops().enumerate() {
            let Some(op) = op else { continue };
            let Some(column) = layout.columns.get(op.index()).copied().flatten() else {
                let name = self.vocabulary().name(op).unwrap_or_default().into();
                return Err(GraphError::NoColumn { node, name });
            };
            features[(node + shift) * width + column] = 1.0;
        }
        Ok(Encoding { nodes, width, adjacency, features })
    }
}
