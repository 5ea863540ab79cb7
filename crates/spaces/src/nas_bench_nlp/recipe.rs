use super::{NasBenchNlp, encoding};
use crate::{ArchHash, SpaceError};
use arch_graph::{ArchGraph, Op};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The most nodes of a recipe.
pub const MAX_NODES: usize = 24;

/// The most states that a cell hands on.
pub const MAX_HIDDEN: usize = 3;

/// Longest name of a node, in bytes.
const MAX_NAME: usize = 32;

/// What a node does with its inputs, all of which have the width of a state; the token, which may have another, is
/// read by linear nodes alone. Names are those of the published code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// `W1 a + W2 b (+ W3 c) + bias`.
    #[serde(rename = "linear")]
    Linear,
    /// The product of two, element by element.
    #[serde(rename = "elementwise_prod")]
    Product,
    /// The sum of two.
    #[serde(rename = "elementwise_sum")]
    Sum,
    /// `g a + (1 - g) b` of three, `g` the first.
    #[serde(rename = "blend")]
    Blend,
    /// Hyperbolic tangent.
    #[serde(rename = "activation_tanh")]
    Tanh,
    /// Logistic function.
    #[serde(rename = "activation_sigm")]
    Sigmoid,
    /// The input where it is positive, else a hundredth of it.
    #[serde(rename = "activation_leaky_relu")]
    LeakyRelu,
}

impl Operation {
    /// All operations, each at its number.
    pub const ALL: [Self; 7] =
        [Self::Linear, Self::Product, Self::Sum, Self::Blend, Self::Tanh, Self::Sigmoid, Self::LeakyRelu];

    /// The names, each at its operation's number.
    pub(crate) const NAMES: [&'static str; 7] = [
        "linear",
        "elementwise_prod",
        "elementwise_sum",
        "blend",
        "activation_tanh",
        "activation_sigm",
        "activation_leaky_relu",
    ];

    /// The published name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }

    /// The number, from 0 to 6.
    pub fn number(self) -> usize {
        self as usize
    }

    /// Its place in the vocabulary of [`Recipe::graph`].
    pub fn op(self) -> Op {
        Op(self as u8)
    }

    /// The fewest and the most inputs.
    pub fn inputs(self) -> (usize, usize) {
        match self {
            Self::Linear => (2, 3),
            Self::Product | Self::Sum => (2, 2),
            Self::Blend => (3, 3),
            Self::Tanh | Self::Sigmoid | Self::LeakyRelu => (1, 1),
        }
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
        let (space, known) = (NasBenchNlp::NAME, Self::NAMES.to_vec());
        let found = Self::ALL.into_iter().find(|op| op.name() == name);
        found.ok_or_else(|| SpaceError::Operation { space, found: name.into(), known })
    }
}

/// What a node reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The token, `x`.
    Token,
    /// A state of the step before, `h_prev_i`.
    Previous(u8),
    /// The node at this place.
    Node(u8),
}

/// A node without its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// What it does.
    pub op: Operation,
    /// What it reads. The order matters to [`Operation::Blend`] alone.
    pub inputs: Vec<Source>,
    /// Which new state it is, if any.
    pub hidden: Option<u8>,
}

/// A node as it is written: everything by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: `h_new_i` for a new state, else any of letters, digits and `_` that is no source's.
    pub name: String,
    /// What it does.
    pub op: Operation,
    /// The names of what it reads: `x`, `h_prev_i`, or a node before or after it.
    pub input: Vec<String>,
}

/// Why nodes are no recipe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}expected {expected}, found {found}", place(.name, .field, .input))]
pub struct RecipeError {
    /// The place of the node; none where the recipe as a whole is meant.
    pub node: Option<usize>,
    /// Its name.
    pub name: String,
    /// `name`, `op` or `input`.
    pub field: &'static str,
    /// Which of the inputs.
    pub input: Option<usize>,
    /// What would have been right there.
    pub expected: String,
    /// What stands there instead.
    pub found: String,
}

fn place(name: &str, field: &str, input: &Option<usize>) -> String {
    match (name, input) {
        ("", _) => String::new(),
        (name, None) => format!("node `{name}`, {field}: "),
        (name, Some(input)) => format!("node `{name}`, {field} {input}: "),
    }
}

/// One architecture. It prints, parses and is stored as the published JSON.
///
/// Shorter recipes are smaller.
///
/// ```
/// use spaces::nas_bench_nlp::{Operation, Recipe, Source};
/// let text = r#"{"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["f"]}}"#;
/// let rnn: Recipe = text.parse()?;
/// assert_eq!(rnn.to_string(), text);
/// assert_eq!(rnn.nodes()[0].inputs, [Source::Token, Source::Previous(0)]);
/// assert_eq!((rnn.names()[1].as_str(), rnn.nodes()[1].op, rnn.hidden()), ("h_new_0", Operation::Tanh, 1));
///
/// let bad = text.replace("[\"f\"]", "[\"g\"]");
/// let error = bad.parse::<Recipe>().unwrap_err();
/// assert_eq!(Some(error.at), bad.find("\"g\""));
/// assert_eq!(error.expected, "node `h_new_0`, input: a node of the recipe, x or h_prev_0");
/// # Ok::<(), nas_core::ParseArchError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recipe {
    nodes: Vec<Node>,
    names: Vec<String>,
}

impl PartialOrd for Recipe {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Recipe {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |recipe: &Self| (recipe.nodes.len(), recipe.hidden());
        let by_size = key(self).cmp(&key(other));
        by_size.then_with(|| self.nodes.cmp(&other.nodes)).then_with(|| self.names.cmp(&other.names))
    }
}

impl Recipe {
    /// A recipe of these nodes.
    ///
    /// ```
    /// use spaces::nas_bench_nlp::{Entry, Operation, Recipe};
    /// let entry = |name: &str, op, input: &[&str]| {
    ///     let input = input.iter().map(|name| name.to_string()).collect();
    ///     Entry { name: name.into(), op, input }
    /// };
    /// let linear = entry("a", Operation::Linear, &["x", "h_prev_0"]);
    /// assert!(Recipe::new(vec![linear.clone(), entry("h_new_0", Operation::Tanh, &["a"])]).is_ok());
    /// let error = Recipe::new(vec![linear, entry("h_new_0", Operation::Sum, &["a"])]).unwrap_err();
    /// assert_eq!(error.to_string(), "node `h_new_0`, input: expected 2 for elementwise_sum, found 1");
    /// ```
    ///
    /// # Errors
    /// The first thing that is not allowed: more than 24 nodes; a name that is not one or stands twice; no or more
    /// than three new states, or numbers of them that leave one out; another number of inputs than the operation
    /// takes; an input that is not there, stands twice, or is the token where the operation is not linear; a cycle; a
    /// node that no new state needs; a token or previous state that no node reads.
    pub fn new(entries: Vec<Entry>) -> Result<Self, RecipeError> {
        let fail = |node: usize, field, input, expected: String, found: String| {
            Err(RecipeError {
                node: Some(node),
                name: entries[node].name.clone(),
                field,
                input,
                expected,
                found,
            })
        };
        if let Some(extra) = entries.get(MAX_NODES) {
            let found = format!("`{}` as one more", extra.name);
            return fail(MAX_NODES, "name", None, format!("at most {MAX_NODES} nodes"), found);
        }
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        let mut states = [None; MAX_HIDDEN];
        let mut nodes = Vec::with_capacity(entries.len());
        for (place, Entry { name, op, .. }) in entries.iter().enumerate() {
            let found = || format!("`{name}`");
            let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !letters || name.is_empty() || name.len() > MAX_NAME {
                let expected = format!("1 to {MAX_NAME} letters, digits and _");
                return fail(place, "name", None, expected, found());
            }
            if name == "x" || name.starts_with("h_prev") {
                return fail(place, "name", None, "a name that is no input of the cell".into(), found());
            }
            if known.insert(name, place).is_some() {
                return fail(place, "name", None, "a name that no node before has".into(), found());
            }
            let hidden = state(name, "h_new_");
            if let Some(number) = hidden {
                let Some(free) = states.get_mut(usize::from(number)) else {
                    return fail(place, "name", None, "h_new_0 to h_new_2 alone".into(), found());
                };
                *free = Some(place);
            }
            nodes.push(Node { op: *op, inputs: Vec::new(), hidden });
        }
        let hidden = states.iter().flatten().count();
        if let Some(last) = states[hidden..].iter().flatten().next() {
            let missing = states.iter().take_while(|state| state.is_some()).count();
            return fail(
                *last,
                "name",
                None,
                format!("h_new_{missing} too"),
                format!("`{}`", entries[*last].name),
            );
        }
        let whole = |expected: String, found: &str| {
            let (node, name, field, input, found) = (None, String::new(), "", None, found.to_string());
            Err(RecipeError { node, name, field, input, expected, found })
        };
        if hidden == 0 {
            return whole("a new state, h_new_0".into(), "none");
        }
        for (place, Entry { op, input, .. }) in entries.iter().enumerate() {
            let (least, most) = op.inputs();
            if !(least..=most).contains(&input.len()) {
                let count = if least == most { least.to_string() } else { format!("{least} or {most}") };
                return fail(place, "input", None, format!("{count} for {op}"), input.len().to_string());
            }
            for (at, name) in input.iter().enumerate() {
                let source = match name.as_str() {
                    "x" => Some(Source::Token),
                    name => match state(name, "h_prev_") {
                        Some(number) => {
                            Some(Source::Previous(number)).filter(|_| usize::from(number) < hidden)
                        }
                        // at most 24
                        None => known.get(name).map(|place| Source::Node(*place as u8)),
                    },
                };
                let found = format!("`{name}`");
                let Some(source) = source else {
                    let expected = match hidden {
                        1 => "a node of the recipe, x or h_prev_0".into(),
                        _ => format!("a node of the recipe, x, or h_prev_0 to h_prev_{}", hidden - 1),
                    };
                    return fail(place, "input", Some(at), expected, found);
                };
                if nodes[place].inputs.contains(&source) {
                    return fail(place, "input", Some(at), "another input than those before".into(), found);
                }
                if source == Source::Token && *op != Operation::Linear {
                    let expected = "a state or node: only a linear node reads x".into();
                    return fail(place, "input", Some(at), expected, found);
                }
                nodes[place].inputs.push(source);
            }
        }
        if let Err(place) = order(&nodes, |place| place) {
            let expected = "inputs that do not depend on the node".into();
            return fail(place, "input", None, expected, "a cycle".into());
        }
        let (live, read) = needed(&nodes);
        if let Some(dead) = live.iter().position(|live| !live) {
            let expected = "a node that some new state needs".into();
            return fail(dead, "name", None, expected, "one that none does".into());
        }
        let missing = (0..=hidden).find(|source| read & 1 << source == 0);
        if let Some(source) = missing {
            let name = source.checked_sub(1).map_or("x".into(), |state| format!("h_prev_{state}"));
            return whole(format!("a node that reads {name}"), "none");
        }
        Ok(Self { nodes, names: entries.into_iter().map(|entry| entry.name).collect() })
    }

    /// The nodes, as they are written.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many states the cell hands on, 1 to 3.
    pub fn hidden(&self) -> usize {
        self.nodes.iter().filter(|node| node.hidden.is_some()).count()
    }

    /// Nodes, the token and the previous states together.
    pub fn vertices(&self) -> usize {
        self.nodes.len() + self.hidden() + 1
    }

    /// The places of the nodes in an order in which each comes after what it reads; else as they are written.
    pub fn order(&self) -> Vec<usize> {
        order(&self.nodes, |place| place).unwrap_or_default()
    }

    /// The name of what a node reads.
    pub fn source(&self, source: Source) -> String {
        match source {
            Source::Token => "x".into(),
            Source::Previous(state) => format!("h_prev_{state}"),
            Source::Node(place) => self.names.get(usize::from(place)).cloned().unwrap_or_default(),
        }
    }

    /// The cell as a graph: the input, which `x` and `h_prev_i` read; those; the nodes in [order](Recipe::order);
    /// for each blend a node `blended` that reads its first two inputs, so that the three are told apart; `h_new_i`,
    /// which read their nodes; the output, which reads them. At most 56 nodes. Graphs of two recipes are isomorphic
    /// exactly where the recipes differ in nothing but names, order, and the order of inputs that may be swapped.
    ///
    /// ```
    /// use spaces::nas_bench_nlp::Recipe;
    /// let rnn: Recipe =
    ///     r#"{"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["f"]}}"#.parse()?;
    /// assert_eq!(rnn.graph().edges(), [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 5), (5, 6)]);
    /// # Ok::<(), nas_core::ParseArchError>(())
    /// ```
    pub fn graph(&self) -> ArchGraph {
        encoding::graph(&self.nodes, &self.order())
    }

    /// The recipe that stands for all that differ from this one in nothing but names, order, and the order of inputs
    /// that may be swapped. Nodes come after what they read; those that are no new state are `node_0`, `node_1`, ..
    pub fn representative(&self) -> Self {
        representative(self.nodes.clone())
    }

    /// The MD5 of the [`representative`](Recipe::representative)'s text. Our own; the benchmark defines none.
    pub fn graph_hash(&self) -> ArchHash {
        ArchHash::of(self.representative().to_string().as_bytes())
    }
}

/// The number of a state from its name.
fn state(name: &str, prefix: &str) -> Option<u8> {
    let digits = name.strip_prefix(prefix)?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // what is too large for a byte is no state's number either
    plain.then(|| if digits.len() > 1 { u8::MAX } else { digits.parse().unwrap_or(u8::MAX) })
}

/// The nodes in an order in which each comes after what it reads, of those that may be next always the one with the
/// smallest key. Or a node on a cycle.
pub(super) fn order<K: Ord>(nodes: &[Node], key: impl Fn(usize) -> K) -> Result<Vec<usize>, usize> {
    let waits: Vec<u64> = nodes.iter().map(reads_nodes).collect();
    let (mut done, mut order) = (0_u64, Vec::with_capacity(nodes.len()));
    while order.len() < nodes.len() {
        let open = (0..nodes.len()).filter(|place| done >> place & 1 == 0);
        let ready = open.filter(|place| waits[*place] & !done == 0).min_by_key(|place| key(*place));
        let Some(next) = ready else {
            // from any node that is left, going back along what is left must come round
            let mut node = (!done).trailing_zeros() as usize;
            for _ in 0..nodes.len() {
                node = (waits[node] & !done).trailing_zeros() as usize;
            }
            return Err(node);
        };
        done |= 1 << next;
        order.push(next);
    }
    Ok(order)
}

/// The nodes that a node reads, one bit each.
pub(super) fn reads_nodes(node: &Node) -> u64 {
    node.inputs.iter().fold(0, |set, source| match source {
        Source::Node(place) => set | 1 << place,
        _ => set,
    })
}

/// Which nodes some new state needs; and of what the cell is given, one bit each, what is read: the token, then the
/// previous states.
pub(super) fn needed(nodes: &[Node]) -> (Vec<bool>, u32) {
    let mut live: Vec<bool> = nodes.iter().map(|node| node.hidden.is_some()).collect();
    let mut todo: Vec<usize> = (0..nodes.len()).filter(|place| live[*place]).collect();
    let mut read = 0;
    while let Some(place) = todo.pop() {
        for source in &nodes[place].inputs {
            match source {
                Source::Token => read |= 1,
                Source::Previous(state) => read |= 2 << state,
                Source::Node(other) => {
                    if !std::mem::replace(&mut live[usize::from(*other)], true) {
                        todo.push(usize::from(*other));
                    }
                }
            }
        }
    }
    (live, read)
}

/// The representative of valid nodes.
pub(super) fn representative(mut nodes: Vec<Node>) -> Recipe {
    let by_reading = order(&nodes, |place| place).unwrap_or_default();
    let graph = encoding::graph(&nodes, &by_reading);
    let first = encoding::first_node(&nodes);
    let mut places = vec![0; graph.len()];
    graph.canonical_order().into_iter().enumerate().for_each(|(place, vertex)| places[vertex] = place);
    let mut vertex = vec![0; nodes.len()];
    by_reading.iter().enumerate().for_each(|(at, node)| vertex[*node] = first + at);
    let sorted = order(&nodes, |node| places[vertex[node]]).unwrap_or_default();
    let mut renamed = vec![0_u8; nodes.len()];
    (0..).zip(&sorted).for_each(|(new, old)| renamed[*old] = new);
    let mut others = 0..;
    let (mut named, mut names) = (Vec::with_capacity(nodes.len()), Vec::with_capacity(nodes.len()));
    for old in sorted {
        let Node { op, inputs, hidden } = &mut nodes[old];
        let mut inputs: Vec<Source> = inputs
            .iter()
            .map(|source| match source {
                Source::Node(place) => Source::Node(renamed[usize::from(*place)]),
                other => *other,
            })
            .collect();
        if *op != Operation::Blend {
            inputs.sort_unstable();
        }
        names.push(match hidden {
            Some(state) => format!("h_new_{state}"),
            None => format!("node_{}", others.next().unwrap_or(0)),
        });
        named.push(Node { op: *op, inputs, hidden: *hidden });
    }
    Recipe { nodes: named, names }
}
