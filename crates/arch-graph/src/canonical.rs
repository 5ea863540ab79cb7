use crate::graph::{bit, bits};
use crate::{ArchGraph, MAX_NODES, Op};
use std::fmt;

/// A form that two graphs share exactly when they are isomorphic: when some renumbering of the nodes turns
/// one into the other, operation names, input and output included. Node 0 is the input, the last the output.
///
/// It is the smallest adjacency matrix among the numberings that colour refinement (Weisfeiler and Leman,
/// 1968) and individualisation lead to, with automorphisms found on the way used to skip equal branches
/// (McKay, Practical graph isomorphism, 1981).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Canonical {
    labels: Vec<Option<String>>,
    rows: Vec<u64>,
}

impl Canonical {
    /// The operation name of each node; `None` for a null node.
    pub fn labels(&self) -> &[Option<String>] {
        &self.labels
    }

    /// The edges as (source, target), sorted.
    pub fn edges(&self) -> Vec<(usize, usize)> {
        let rows = self.rows.iter().enumerate();
        rows.flat_map(|(from, &row)| bits(row).map(move |to| (from, to))).collect()
    }

    /// 128-bit FNV-1a of the form: the same on every machine and in every run. Graphs that are not
    /// isomorphic differ but for an accident of chance; the hash does not withstand an adversary.
    pub fn hash(&self) -> u128 {
        let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
        let mut eat = |bytes: &[u8]| {
            for &byte in bytes {
                hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
            }
        };
        for label in &self.labels {
            // the length first, so that no two lists of names give the same bytes
            let name = label.as_deref();
            eat(&name.map_or(u64::MAX, |name| name.len() as u64).to_le_bytes());
            eat(name.unwrap_or_default().as_bytes());
        }
        self.rows.iter().for_each(|row| eat(&row.to_le_bytes()));
        hash
    }
}

/// `input conv output: 0>1 1>2`, with `-` for a null node.
impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<&str> = self.labels.iter().map(|label| label.as_deref().unwrap_or("-")).collect();
        write!(f, "{}:", labels.join(" "))?;
        self.edges().iter().try_for_each(|(from, to)| write!(f, " {from}>{to}"))
    }
}

impl ArchGraph {
    /// The canonical form. Time O(nodes^3 log nodes) for each branch tried: a handful for architectures,
    /// exponentially many only for graphs whose symmetry refinement cannot see through.
    ///
    /// ```
    /// use arch_graph::{ArchGraph, Op, Vocabulary};
    /// let words = Vocabulary::new(["in", "conv", "pool", "out"])?;
    /// let edges = [(0, 1), (0, 2), (1, 3), (2, 3)];
    /// let graph = ArchGraph::new(&words, [Op(0), Op(1), Op(2), Op(3)], edges, 0, 3)?;
    /// let other = ArchGraph::new(&words, [Op(0), Op(2), Op(1), Op(3)], edges, 0, 3)?;
    /// assert_ne!(graph, other);
    /// assert_eq!(graph.canonical(), other.canonical());
    /// assert_eq!(graph.canonical().to_string(), "in conv pool out: 0>1 0>2 1>3 2>3");
    /// # Ok::<(), arch_graph::GraphError>(())
    /// ```
    pub fn canonical(&self) -> Canonical {
        let Leaf { form, order, .. } = self.best_numbering();
        let names: Vec<Option<Op>> = self.ops().collect();
        let name = |node: usize| names[node].and_then(|op| self.vocabulary().name(op)).map(String::from);
        Canonical { labels: order.into_iter().map(name).collect(), rows: form }
    }

    /// The node at each place of the [canonical form](ArchGraph::canonical): a numbering under which isomorphic
    /// graphs are equal. Where a graph has symmetries it is one of several that do. Time as for the form.
    ///
    /// ```
    /// use arch_graph::{ArchGraph, Op, Vocabulary};
    /// let words = Vocabulary::new(["in", "conv", "pool", "out"])?;
    /// let edges = [(0, 1), (0, 2), (1, 3), (2, 3)];
    /// let graph = ArchGraph::new(&words, [Op(0), Op(2), Op(1), Op(3)], edges, 0, 3)?;
    /// assert_eq!(graph.canonical_order(), [0, 2, 1, 3]);
    /// # Ok::<(), arch_graph::GraphError>(())
    /// ```
    pub fn canonical_order(&self) -> Vec<usize> {
        self.best_numbering().order
    }

    fn best_numbering(&self) -> Leaf {
        let names: Vec<Option<&str>> =
            self.ops().map(|op| op.and_then(|op| self.vocabulary().name(op))).collect();
        let role = |node| usize::from(node != self.input()) + usize::from(node == self.output());
        let colours = ranks(names.iter().enumerate().map(|(node, name)| (role(node), *name)).collect());
        let successors = self.rows();
        let mut predecessors = [0_u64; MAX_NODES];
        for (from, &row) in successors.iter().enumerate() {
            bits(row).for_each(|to| predecessors[to] |= bit(from));
        }
        let mut search = Search { successors, predecessors, first: None, best: None, symmetries: Vec::new() };
        search.visit(colours, &mut Vec::new());
        search.best.unwrap_or_default()
    }
}

/// One complete numbering.
#[derive(Clone, Default)]
struct Leaf {
    form: Vec<u64>,
    /// The node at each place.
    order: Vec<usize>,
    /// The nodes that were singled out to get there.
    path: Vec<usize>,
}

struct Search {
    successors: [u64; MAX_NODES],
    predecessors: [u64; MAX_NODES],
    first: Option<Leaf>,
    best: Option<Leaf>,
    /// Automorphisms met so far, as the image of each node.
    symmetries: Vec<Vec<usize>>,
}

impl Search {
    /// Tries every numbering below a colouring; returns the depth at which to go on.
    fn visit(&mut self, mut colours: Vec<usize>, path: &mut Vec<usize>) -> usize {
        self.refine(&mut colours);
        let Some(cell) = smallest_shared(&colours) else { return self.leaf(&colours, path) };
        let depth = path.len();
        let mut tried: Vec<usize> = Vec::new();
        for node in (0..colours.len()).filter(|&node| colours[node] == cell) {
            if !tried.is_empty() && self.has_twin(node, &tried, path) {
                continue;
            }
            let mut child: Vec<usize> = colours.iter().map(|colour| 2 * colour + 1).collect();
            child[node] -= 1;
            path.push(node);
            let back = self.visit(child, path);
            path.pop();
            if back < depth {
                return back;
            }
            tried.push(node);
        }
        depth
    }

    /// Colour refinement: nodes are told apart by the colours of their predecessors and successors until
    /// nothing changes. Keeps the order of the colours.
    fn refine(&self, colours: &mut Vec<usize>) {
        let of = |set: u64, colours: &[usize]| {
            let mut list: Vec<usize> = bits(set).map(|node| colours[node]).collect();
            list.sort_unstable();
            list
        };
        let mut count = 0;
        loop {
            let keys = (0..colours.len()).map(|node| {
                (colours[node], of(self.predecessors[node], colours), of(self.successors[node], colours))
            });
            *colours = ranks(keys.collect());
            let found = colours.iter().max().map_or(0, |most| most + 1);
            if found == count {
                return;
            }
            count = found;
        }
    }

    fn leaf(&mut self, places: &[usize], path: &[usize]) -> usize {
        let mut order = vec![0; places.len()];
        places.iter().enumerate().for_each(|(node, &place)| order[place] = node);
        let image = |set: u64| bits(set).fold(0, |row, node| row | bit(places[node]));
        let form: Vec<u64> = order.iter().map(|&node| image(self.successors[node])).collect();
        let leaf = Leaf { form, order, path: path.to_vec() };
        for known in [&self.first, &self.best].into_iter().flatten() {
            if known.form == leaf.form {
                // an automorphism: everything below where the two paths part was seen before
                let mut symmetry = vec![0; places.len()];
                known.order.iter().zip(&leaf.order).for_each(|(&from, &to)| symmetry[from] = to);
                let shared = known.path.iter().zip(path).take_while(|(a, b)| a == b).count();
                self.symmetries.push(symmetry);
                return shared;
            }
        }
        if self.first.is_none() {
            self.first = Some(leaf.clone());
        }
        if self.best.as_ref().is_none_or(|best| leaf.form < best.form) {
            self.best = Some(leaf);
        }
        path.len()
    }

    /// Whether automorphisms that leave `path` in place take `node` to one of `tried`.
    fn has_twin(&self, node: usize, tried: &[usize], path: &[usize]) -> bool {
        let fixing: Vec<_> = self.symmetries.iter().filter(|s| path.iter().all(|&p| s[p] == p)).collect();
        let mut orbit = bit(node);
        loop {
            let image = |symmetry: &[usize]| bits(orbit).fold(0, |set, n| set | bit(symmetry[n]));
            let wider = fixing.iter().fold(orbit, |set, symmetry| set | image(symmetry));
            if wider == orbit {
                return tried.iter().any(|&other| orbit & bit(other) != 0);
            }
            orbit = wider;
        }
    }
}

/// The rank of each key among the distinct keys.
fn ranks<K: Ord>(keys: Vec<K>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&a, &b| keys[a].cmp(&keys[b]));
    let mut ranks = vec![0; keys.len()];
    for pair in order.windows(2) {
        ranks[pair[1]] = ranks[pair[0]] + usize::from(keys[pair[0]] != keys[pair[1]]);
    }
    ranks
}

/// The smallest colour that more than one node has.
fn smallest_shared(colours: &[usize]) -> Option<usize> {
    let mut sorted = colours.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}
