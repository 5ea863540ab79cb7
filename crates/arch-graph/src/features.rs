use crate::graph::{bit, bits};
use crate::paths::{Paths, Ways};
use crate::{ArchGraph, GraphError, Op, Vocabulary};

/// The most operations of which every subset is looked at: 63 subsets.
const ALL_SUBSETS: usize = 6;

/// Graph features of any space, from the graph and the names of the operations that do something: what trees and
/// kernels learn from, in the manner of GRAF (Kadlecová et al., Surprisingly strong performance prediction with
/// neural graph features, ICML 2024).
///
/// Lengths are in steps from node to node. A subset `S` stands for every non-empty subset of at most six operations;
/// of more, for each alone and each pair. The ends and nodes of other operations are in no subset. An operation that
/// gives zero is best cut off before ([`ArchGraph::isolated`]). In this order, with these names:
///
/// | name | what |
/// |---|---|
/// | `joined` | 1 where a path joins input and output, else 0 |
/// | `all nodes` | nodes with an operation, the ends apart, dead ones included |
/// | `nodes` | the live ones of them |
/// | `edges` | edges between live nodes, the ends included |
/// | `paths` | ln(1 + paths from input to output) |
/// | `all OP` | nodes of the operation, dead ones included |
/// | `OP` | live nodes of the operation |
/// | `most OP` | the most of them on one path |
/// | `fewest OP` | the fewest of them on one path |
/// | `sum OP` | ln(1 + how many there are on all paths together) |
/// | `paths with OP` | ln(1 + paths with at least one) |
/// | `paths S` | ln(1 + paths on which every node between the ends is of S) |
/// | `longest S` | steps of the longest such path; 0 without one |
/// | `nearest S` | 1 / steps of the shortest such path; 0 without one |
/// | `input to S` | live successors of the input in S |
/// | `S to output` | live predecessors of the output in S |
/// | `into S`, `out of S` | live edges into, and out of, nodes of S |
/// | `within S` | live edges from S to S |
/// | `widest from S`, `widest to S` | the most predecessors, and successors, in S of a live node between the ends |
/// | `meet OP OP` | live nodes, the output included, with predecessors of both operations (of two nodes, where it is one operation) |
///
/// All but those that begin with `all` are the same for the pruned graph; all are the same for isomorphic graphs.
/// Time O(subsets * (nodes + edges)).
///
/// ```
/// use arch_graph::{ArchGraph, Features, Op, Vocabulary};
/// let words = Vocabulary::new(["in", "conv", "pool", "out"])?;
/// let features = Features::new(&words, ["conv", "pool"])?;
/// // one way through two convolutions, another through a pooling
/// let ops = [Op(0), Op(1), Op(1), Op(2), Op(3)];
/// let graph = ArchGraph::new(&words, ops, [(0, 1), (1, 2), (2, 4), (0, 3), (3, 4)], 0, 4)?;
/// let found = features.of(&graph)?;
/// let value = |name: &str| features.names().iter().position(|n| n == name).map(|at| found[at]);
/// assert_eq!(value("most conv"), Some(2.0));
/// assert_eq!(value("longest conv"), Some(3.0));
/// assert_eq!(value("nearest pool"), Some(0.5));
/// assert_eq!(value("paths conv+pool"), Some(f64::ln_1p(2.0)));
/// assert_eq!(value("meet conv pool"), Some(1.0));
/// # Ok::<(), arch_graph::GraphError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Features {
    vocabulary: Vocabulary,
    /// For each operation of the vocabulary its place among those that do something.
    places: Vec<Option<usize>>,
    /// How many do something.
    count: usize,
    /// Places, the smaller subsets first.
    subsets: Vec<Vec<usize>>,
    names: Vec<String>,
}

impl Features {
    /// Features for the operations called `working`, in that order.
    ///
    /// # Errors
    /// A name that is not in the vocabulary, or one that stands twice.
    pub fn new(
        vocabulary: &Vocabulary,
        working: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, GraphError> {
        // finds names that stand twice
        let working = Vocabulary::new(working)?;
        let mut places = vec![None; vocabulary.len()];
        for (place, name) in working.names().iter().enumerate() {
            places[vocabulary.op(name)?.index()] = Some(place);
        }
        let count = working.len();
        let mut subsets: Vec<Vec<usize>> = if count <= ALL_SUBSETS {
            (1_u64..1 << count).map(|set| bits(set).collect()).collect()
        } else {
            let pairs = (0..count).flat_map(|b| (0..b).map(move |a| vec![a, b]));
            (0..count).map(|a| vec![a]).chain(pairs).collect()
        };
        subsets.sort_by_key(Vec::len);
        let names = names(working.names(), &subsets);
        Ok(Self { vocabulary: vocabulary.clone(), places, count, subsets, names })
    }

    /// The name of each feature.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The features of a graph, as many as there are names; all are finite.
    ///
    /// # Errors
    /// A graph of another vocabulary.
    pub fn of(&self, graph: &ArchGraph) -> Result<Vec<f64>, GraphError> {
        graph.same_vocabulary("features", &self.vocabulary)?;
        let rows = graph.rows();
        let (input, output) = (graph.input(), graph.output());
        let live = graph.live_bits(&rows);
        let inner = live & !bit(input) & !bit(output);
        let paths = Paths::new(rows, live, input, output);
        // the nodes of each operation, dead ones included
        let mut all = vec![0_u64; self.count];
        let mut nodes = 0;
        for (node, op) in graph.ops().enumerate().filter(|(node, _)| *node != input && *node != output) {
            nodes += u32::from(op.is_some());
            if let Some(place) = op.and_then(|op: Op| self.places[op.index()]) {
                all[place] |= bit(node);
            }
        }
        let size = |set: u64| f64::from(set.count_ones());
        let ln = |count: u64| (count as f64).ln_1p();
        let with_op =
            graph.ops().enumerate().filter(|(_, op)| op.is_some()).fold(0, |set, (node, _)| set | bit(node));
        let edges: u32 = bits(live).map(|node| paths.before[node].count_ones()).sum();
        let total = paths.only(inner);

        let mut found = Vec::with_capacity(self.names.len());
        found.extend([f64::from(u8::from(live != 0)), f64::from(nodes), size(inner & with_op)]);
        found.extend([f64::from(edges), ln(total.count)]);
        for &all in &all {
            let alive = all & inner;
            found.extend([size(all), size(alive)]);
            let has = |node: usize| u64::from(alive & bit(node) != 0);
            found.extend([paths.best(has, u64::max) as f64, paths.best(has, u64::min) as f64]);
            found.push(ln(paths.through(alive)));
            found.push(ln(total.count - paths.only(inner & !alive).count));
        }
        for subset in &self.subsets {
            let set = subset.iter().fold(0, |set, &place| set | all[place]) & inner;
            let Ways { count, shortest, longest } = paths.only(set);
            let nearest = if shortest == 0 { 0.0 } else { 1.0 / shortest as f64 };
            found.extend([ln(count), longest as f64, nearest]);
            found.extend([size(paths.after[input] & set), size(paths.before[output] & set)]);
            let (mut into, mut out, mut within) = (0, 0, 0);
            for node in bits(set) {
                into += paths.before[node].count_ones();
                out += paths.after[node].count_ones();
                within += (paths.before[node] & set).count_ones();
            }
            found.extend([into, out, within].map(f64::from));
            let (mut from, mut to) = (0, 0);
            for node in bits(inner) {
                from = from.max((paths.before[node] & set).count_ones());
                to = to.max((paths.after[node] & set).count_ones());
            }
            found.extend([from, to].map(f64::from));
        }
        let ends = inner | live & bit(output);
        for b in 0..self.count {
            for a in 0..=b {
                let meets = |node: &usize| {
                    let (a_in, b_in) = (paths.before[*node] & all[a], paths.before[*node] & all[b]);
                    if a == b { a_in.count_ones() > 1 } else { a_in != 0 && b_in != 0 }
                };
                found.push(bits(ends).filter(meets).count() as f64);
            }
        }
        Ok(found)
    }
}

fn names(working: &[String], subsets: &[Vec<usize>]) -> Vec<String> {
    let mut names = ["joined", "all nodes", "nodes", "edges", "paths"].map(String::from).to_vec();
    for op in working {
        let forms = ["all {}", "{}", "most {}", "fewest {}", "sum {}", "paths with {}"];
        names.extend(forms.map(|form| form.replace("{}", op)));
    }
    for subset in subsets {
        let set = subset.iter().map(|&place| working[place].as_str()).collect::<Vec<_>>().join("+");
        let forms = ["paths {}", "longest {}", "nearest {}", "input to {}", "{} to output", "into {}"];
        let more = ["out of {}", "within {}", "widest from {}", "widest to {}"];
        names.extend(forms.iter().chain(&more).map(|form| form.replace("{}", &set)));
    }
    for (b, second) in working.iter().enumerate() {
        names.extend(working[..=b].iter().map(|first| format!("meet {first} {second}")));
    }
    names
}
