use super::recipe::{MAX_HIDDEN, Node, Operation, Recipe, Source};
use super::{MAX_VERTICES, NasBenchNlp};
use crate::SpaceError;
use arch_graph::{ArchGraph, Encode, Encoding, Global, Op, Vocabulary};
use std::sync::LazyLock;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let others = [
        "blended", "input", "x", "h_prev_0", "h_prev_1", "h_prev_2", "h_new_0", "h_new_1", "h_new_2",
        "output",
    ];
    Vocabulary::new(Operation::NAMES.into_iter().chain(others)).expect("seventeen distinct names")
});
const BLENDED: Op = Op(7);
const INPUT: Op = Op(8);
const TOKEN: Op = Op(9);
const PREVIOUS: u8 = 10;
const NEW: u8 = 13;
const OUTPUT: Op = Op(16);

/// Vertices of the graph before the nodes.
pub(super) fn first_node(nodes: &[Node]) -> usize {
    2 + nodes.iter().filter(|node| node.hidden.is_some()).count()
}

/// The graph of valid nodes, which come in this order.
pub(super) fn graph(nodes: &[Node], order: &[usize]) -> ArchGraph {
    let first = first_node(nodes);
    let hidden = first - 2;
    let mut ops = vec![INPUT, TOKEN];
    // at most three
    ops.extend((0..hidden as u8).map(|state| Op(PREVIOUS + state)));
    ops.extend(order.iter().map(|node| nodes[*node].op.op()));
    let mut vertex = vec![0; nodes.len()];
    order.iter().enumerate().for_each(|(at, node)| vertex[*node] = first + at);
    let of = |source: &Source| match source {
        Source::Token => 1,
        Source::Previous(state) => 2 + usize::from(*state),
        Source::Node(place) => vertex[usize::from(*place)],
    };
    let mut edges: Vec<(usize, usize)> = (1..first).map(|given| (0, given)).collect();
    let mut outputs = [0; MAX_HIDDEN];
    for &node in order {
        let Node { op, inputs, hidden } = &nodes[node];
        let to = vertex[node];
        if let (Operation::Blend, [gate, kept, other]) = (op, inputs.as_slice()) {
            let blended = ops.len();
            ops.push(BLENDED);
            edges.extend([
                (of(gate), blended),
                (of(kept), blended),
                (blended, to),
                (of(gate), to),
                (of(other), to),
            ]);
        } else {
            edges.extend(inputs.iter().map(|source| (of(source), to)));
        }
        if let Some(place) = hidden.and_then(|state| outputs.get_mut(usize::from(state))) {
            *place = to;
        }
    }
    let output = ops.len() + hidden;
    for (state, from) in (0..).zip(&outputs[..hidden]) {
        edges.extend([(*from, ops.len()), (ops.len(), output)]);
        ops.push(Op(NEW + state));
    }
    ops.push(OUTPUT);
    ArchGraph::new(&VOCABULARY, ops, edges, 0, output).expect("a valid recipe is an acyclic graph")
}

/// A node each for the token, the previous states and the nodes of the recipe in [order](Recipe::order), up to 25,
/// as the Neural Predictor re-implementations size it; what is left over is empty and last.
///
/// Columns: the seven operations in order, `x`, `h_prev_0` to `h_prev_2`, and, in addition to its operation,
/// `h_new_0` to `h_new_2` for a node that is a new state: 14. Edges go from what is read to what reads it; the three
/// inputs of a blend are not told apart.
///
/// Without a global node there are no self loops either. With one, as BRP-NAS reads graphs, a node and a column are
/// added and every diagonal entry is 1.
///
/// ```
/// use arch_graph::{Encode, Global};
/// use nas_core::SearchSpace;
/// use spaces::{NasBenchNlp, nas_bench_nlp::RecipeEncoding};
/// let rnn = r#"{"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["f"]}}"#;
/// let encoding = RecipeEncoding::new(Global::Without).encode(&NasBenchNlp.parse(rnn)?)?;
/// assert_eq!((encoding.nodes, encoding.width), (25, 14));
/// assert_eq!(encoding.adjacency[..4], [0.0, 0.0, 1.0, 0.0]); // x is read by the third
/// assert_eq!(encoding.features[3 * 14..4 * 14].iter().sum::<f32>(), 2.0); // a tanh, and h_new_0
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecipeEncoding {
    global: Global,
}

/// Columns but for the global node's.
const COLUMNS: usize = Operation::ALL.len() + 1 + 2 * MAX_HIDDEN;

impl RecipeEncoding {
    /// The encoding with or without a global node.
    pub fn new(global: Global) -> Self {
        Self { global }
    }
}

impl Encode<Recipe> for RecipeEncoding {
    type Error = SpaceError;

    fn nodes(&self) -> usize {
        MAX_VERTICES + usize::from(self.has_global())
    }

    fn width(&self) -> usize {
        COLUMNS + usize::from(self.has_global())
    }

    fn has_global(&self) -> bool {
        self.global == Global::First
    }

    /// # Errors
    /// A recipe of more than 25 vertices.
    fn encode(&self, recipe: &Recipe) -> Result<Encoding, SpaceError> {
        let found = recipe.vertices();
        if found > MAX_VERTICES {
            let (space, least, most) = (NasBenchNlp::NAME, 3, MAX_VERTICES);
            return Err(SpaceError::Vertices { space, found, least, most });
        }
        let (nodes, width, shift) = (self.nodes(), self.width(), self.nodes() - MAX_VERTICES);
        let (mut adjacency, mut features) = (vec![0.0; nodes * nodes], vec![0.0; nodes * width]);
        let given = shift + 1 + recipe.hidden();
        let order = recipe.order();
        let mut row = vec![0; recipe.nodes().len()];
        order.iter().enumerate().for_each(|(at, node)| row[*node] = given + at);
        for (at, row) in (shift..given).enumerate() {
            features[row * width + Operation::ALL.len() + at] = 1.0;
        }
        for (Node { op, inputs, hidden }, to) in recipe.nodes().iter().zip(&row) {
            for source in inputs {
                let from = match source {
                    Source::Token => shift,
                    Source::Previous(state) => shift + 1 + usize::from(*state),
                    Source::Node(place) => row[usize::from(*place)],
                };
                adjacency[from * nodes + to] = 1.0;
            }
            features[to * width + op.number()] = 1.0;
            if let Some(state) = hidden {
                features[to * width + Operation::ALL.len() + 1 + MAX_HIDDEN + usize::from(*state)] = 1.0;
            }
        }
        if self.has_global() {
            adjacency.iter_mut().step_by(nodes + 1).for_each(|x| *x = 1.0);
            adjacency[..nodes].fill(1.0);
            features[width - 1] = 1.0;
        }
        Ok(Encoding { nodes, width, adjacency, features })
    }
}
