//! Golden values worked out by hand, properties against petgraph, conformance, regressions, bad input.

use arch_graph::{
    ArchGraph, Cost, CostTable, Encode, Encoding, Features, Global, GraphError, Layout, MAX_NODES, Op,
    Vocabulary, conformance, strategies,
};
use petgraph::algo::{has_path_connecting, is_cyclic_directed, is_isomorphic_matching};
use petgraph::graph::NodeIndex;
use proptest::prelude::*;

fn words() -> Vocabulary {
    Vocabulary::new(["conv", "pool"]).expect("two names")
}

/// Isomorphic as petgraph sees it, with the place of input and output in the labels.
fn isomorphic(a: &ArchGraph, b: &ArchGraph) -> bool {
    let marked = |g: &ArchGraph| {
        g.petgraph().map(|n, op| (*op, n.index() == g.input(), n.index() == g.output()), |_, ()| ())
    };
    is_isomorphic_matching(&marked(a), &marked(b), |x, y| x == y, |(), ()| true)
}

/// Input, two operations after one another beside a third, a dead end and a dead start, output.
fn sample() -> ArchGraph {
    let words = Vocabulary::new(["in", "conv", "pool", "skip", "zero", "out"]).expect("six names");
    let ops = [0, 1, 2, 3, 1, 1, 4, 5].map(Op);
    let edges = [(0, 1), (1, 2), (2, 7), (0, 3), (3, 7), (0, 4), (5, 7), (0, 6), (6, 7)];
    ArchGraph::new(&words, ops, edges, 0, 7).expect("a graph")
}

#[test]
fn dead_parts_are_found_removed_or_masked() {
    let graph = sample();
    assert_eq!(graph.live(), [true, true, true, true, false, false, true, true]);
    let pruned = graph.pruned();
    assert_eq!(pruned.edges(), [(0, 1), (0, 3), (0, 4), (1, 2), (2, 5), (3, 5), (4, 5)]);
    assert_eq!((pruned.input(), pruned.output()), (0, 5));
    let masked = graph.masked();
    assert_eq!(masked.len(), 8);
    assert_eq!(masked.edges(), [(0, 1), (0, 3), (0, 6), (1, 2), (2, 7), (3, 7), (6, 7)]);
    assert_eq!(masked.ops().nth(4), Some(None));
}

#[test]
fn zero_and_identity_are_edited_out() {
    let graph = sample();
    let zero = graph.vocabulary().op("zero").unwrap();
    let skip = graph.vocabulary().op("skip").unwrap();
    let edited = graph.isolated(zero).bypassed(skip).masked();
    assert_eq!(edited.edges(), [(0, 1), (0, 7), (1, 2), (2, 7)]);
    let alive: Vec<bool> = edited.ops().map(|op| op.is_some()).collect();
    assert_eq!(alive, [true, true, true, false, false, false, false, true]);
}

#[test]
fn a_chain_of_identities_becomes_one_edge() {
    let words = Vocabulary::new(["skip", "end"]).unwrap();
    let edges = [(0, 3), (3, 1), (1, 2), (2, 4)];
    let graph = ArchGraph::new(&words, [1, 0, 0, 0, 1].map(Op), edges, 0, 4).unwrap();
    assert_eq!(graph.bypassed(Op(0)).edges(), [(0, 4)]);
}

#[test]
fn without_a_path_only_the_ends_are_left() {
    let words = words();
    let graph = ArchGraph::new(&words, [0, 1, 0].map(Op), [(0, 1)], 0, 2).unwrap();
    assert_eq!(graph.live(), [false; 3]);
    assert_eq!(graph.pruned().len(), 2);
    let masked = graph.masked();
    assert!(masked.edges().is_empty());
    assert_eq!(masked.ops().collect::<Vec<_>>(), [Some(Op(0)), None, Some(Op(0))]);
}

#[test]
fn the_global_node_reads_all_and_is_read_by_none() {
    let words = Vocabulary::new(["in", "conv", "out"]).unwrap();
    let mut builder = ArchGraph::builder(&words);
    let (input, null) = (builder.node("in").unwrap(), builder.null());
    let output = builder.node("out").unwrap();
    let graph = builder.edge(input, output).build(input, output).unwrap();
    assert_eq!(null, 1);
    let layout = Layout::new(&words).only(&["out", "in"]).unwrap().global(Global::First).self_loops(true);
    let encoding = graph.encode(&layout).unwrap();
    assert_eq!((encoding.nodes, encoding.width), (4, 3));
    #[rustfmt::skip]
    assert_eq!(encoding.adjacency, [
        1.0, 1.0, 1.0, 1.0,
        0.0, 1.0, 0.0, 1.0,
        0.0, 0.0, 1.0, 0.0,
        0.0, 0.0, 0.0, 1.0,
    ]);
    #[rustfmt::skip]
    assert_eq!(encoding.features, [
        0.0, 0.0, 1.0,
        0.0, 1.0, 0.0,
        0.0, 0.0, 0.0,
        1.0, 0.0, 0.0,
    ]);
    let plain = graph.encode(&Layout::new(&words)).unwrap();
    assert_eq!((plain.nodes, plain.width), (3, 3));
    assert_eq!(plain.adjacency.iter().sum::<f32>(), 1.0);
}

/// Pads nothing: only for graphs of one size.
struct Fixed(usize, Layout);

impl Encode<ArchGraph> for Fixed {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        self.1.nodes(self.0)
    }

    fn width(&self) -> usize {
        self.1.width()
    }

    fn has_global(&self) -> bool {
        self.1.has_global()
    }

    fn encode(&self, graph: &ArchGraph) -> Result<Encoding, GraphError> {
        graph.encode(&self.1)
    }
}

#[test]
fn conformance_tells_sizes_that_change() {
    let layout = Layout::new(&words());
    let graph = |n: usize| ArchGraph::new(&words(), vec![Op(0); n], [(0, 1)], 0, n - 1).unwrap();
    conformance::encoder(&Fixed(3, layout.clone().global(Global::First)), &[graph(3)]).unwrap();
    let error = conformance::encoder(&Fixed(3, layout), &[graph(3), graph(4)]).unwrap_err();
    assert_eq!(error, "architecture 1 has 4 nodes x 2, not the promised 3 x 2");
}

#[test]
fn isomorphism_is_seen_in_all_graphs_of_four_nodes() {
    // every graph with two inner nodes and every edge set: 64 x 4 labellings, all pairs
    let words = words();
    let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
    let graphs: Vec<ArchGraph> = (0..256_u32)
        .map(|code| {
            let ops = [0, code >> 6 & 1, code >> 7, 0].map(|op| Op(op as u8));
            let edges = pairs.into_iter().enumerate().filter(|(i, _)| code >> i & 1 == 1).map(|(_, e)| e);
            ArchGraph::new(&words, ops, edges, 0, 3).unwrap()
        })
        .collect();
    let forms: Vec<_> = graphs.iter().map(ArchGraph::canonical).collect();
    for (a, x) in graphs.iter().zip(&forms) {
        for (b, y) in graphs.iter().zip(&forms) {
            assert_eq!(x == y, isomorphic(a, b), "{x} and {y}");
            assert_eq!(x == y, x.hash() == y.hash());
        }
    }
}

#[test]
fn symmetry_does_not_explode() {
    let words = Vocabulary::new(["in", "a", "out"]).unwrap();
    for (branches, length) in [(62, 1), (31, 2), (20, 3), (12, 5), (2, 31)] {
        let inner = branches * length;
        let at = |forward: bool, i: usize| if forward { i + 1 } else { inner - i };
        let build = |forward: bool| {
            let ops = (0..inner + 2).map(|i| Op(if i == 0 { 0 } else { 1 + u8::from(i > inner) }));
            let edges = (0..inner).flat_map(|i| {
                let from = if i % length == 0 { 0 } else { at(forward, i - 1) };
                let end = (i % length == length - 1).then(|| (at(forward, i), inner + 1));
                [Some((from, at(forward, i))), end].into_iter().flatten()
            });
            ArchGraph::new(&words, ops, edges, 0, inner + 1).unwrap()
        };
        assert_eq!(build(true).canonical(), build(false).canonical(), "{branches} x {length}");
    }
}

#[test]
fn layers_of_a_complete_network_do_not_explode() {
    // four layers of 15 nodes, each joined to the whole next one: 15!^4 automorphisms
    let words = Vocabulary::new(["a"]).unwrap();
    let layer = |l: usize| 1 + 15 * l..16 + 15 * l;
    let between = (0..3).flat_map(|l| layer(l).flat_map(move |a| layer(l + 1).map(move |b| (a, b))));
    let edges = between.chain(layer(0).map(|b| (0, b))).chain(layer(3).map(|a| (a, 61)));
    let graph = ArchGraph::new(&words, vec![Op(0); 62], edges, 0, 61).unwrap();
    assert_eq!(graph.canonical().edges().len(), 15 * 15 * 3 + 30);
}

#[test]
fn the_canonical_hash_is_pinned() {
    // part of records: it must never change
    let form = sample().canonical();
    assert_eq!(form.to_string(), FORM);
    assert_eq!(form.hash(), HASH, "{:#x}", form.hash());
}

const FORM: &str = "in conv conv conv pool skip zero out: 0>2 0>3 0>5 0>6 1>7 3>4 4>7 5>7 6>7";
const HASH: u128 = 0x3c8a_a670_7e18_410b_4b57_f4ca_2cad_57f6;

#[test]
fn names_count_not_numbers() {
    let (a, b) = (Vocabulary::new(["x", "y"]).unwrap(), Vocabulary::new(["y", "x"]).unwrap());
    let first = ArchGraph::new(&a, [0, 0, 1].map(Op), [(0, 1), (1, 2)], 0, 2).unwrap();
    let second = ArchGraph::new(&b, [1, 1, 0].map(Op), [(0, 1), (1, 2)], 0, 2).unwrap();
    assert_ne!(first, second);
    assert_eq!(first.canonical(), second.canonical());
}

#[test]
fn serde_checks_what_it_reads() {
    let graph = sample().masked();
    let text = serde_json::to_string(&graph).unwrap();
    assert_eq!(serde_json::from_str::<ArchGraph>(&text).unwrap(), graph);
    let cyclic = r#"{"vocabulary":["a"],"ops":[0,0,0,0],"edges":[[1,2],[2,1]],"input":0,"output":3}"#;
    assert!(serde_json::from_str::<ArchGraph>(cyclic).unwrap_err().to_string().contains("cycle"));
    let twice = r#"["a","b","a"]"#;
    assert!(serde_json::from_str::<Vocabulary>(twice).unwrap_err().to_string().contains("at 0 and at 2"));
}

#[test]
fn what_is_not_a_graph_is_refused() {
    let words = words();
    let graph = |edges: &[(usize, usize)], input, output| {
        ArchGraph::new(&words, [0, 1, 0, 1].map(Op), edges.iter().copied(), input, output).unwrap_err()
    };
    assert_eq!(graph(&[(0, 4)], 0, 3), GraphError::EdgeRange { from: 0, to: 4, count: 4 });
    assert_eq!(graph(&[(1, 1)], 0, 3), GraphError::SelfLoop(1));
    assert_eq!(graph(&[(0, 1), (0, 1)], 0, 3), GraphError::DuplicateEdge { from: 0, to: 1 });
    assert_eq!(graph(&[(1, 0)], 0, 3), GraphError::BeyondTerminal { from: 1, to: 0 });
    assert_eq!(graph(&[(3, 1)], 0, 3), GraphError::BeyondTerminal { from: 3, to: 1 });
    assert!(matches!(graph(&[(1, 2), (2, 1)], 0, 3), GraphError::Cycle(1 | 2)));
    assert_eq!(graph(&[], 4, 3), GraphError::Terminal { role: "input", node: 4, count: 4 });
    assert_eq!(graph(&[], 0, 9), GraphError::Terminal { role: "output", node: 9, count: 4 });
    assert_eq!(graph(&[], 2, 2), GraphError::SameTerminal(2));
    let ops = |ops: Vec<Op>| ArchGraph::new(&words, ops, [], 0, 1).unwrap_err();
    assert_eq!(ops(vec![Op(0), Op(2)]), GraphError::OperationRange { node: 1, op: 2, count: 2 });
    assert_eq!(ops(vec![Op(0); 65]), GraphError::TooManyNodes { count: 65, max: MAX_NODES });
    assert_eq!(ops(vec![]), GraphError::Terminal { role: "input", node: 0, count: 0 });
    let names = (0..257).map(|i| i.to_string());
    assert_eq!(Vocabulary::new(names).unwrap_err(), GraphError::TooManyOperations { count: 257, max: 256 });
    let unknown = ArchGraph::builder(&words).node("lstm").unwrap_err();
    assert_eq!(unknown.to_string(), "unknown operation `lstm`: expected one of conv, pool");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let graph = sample();
    let other = words();
    let error = graph.encode(&Layout::new(&other)).unwrap_err();
    assert!(matches!(error, GraphError::Vocabulary { what: "layout", .. }));
    let table = CostTable::new(&other, Cost::default(), []).unwrap();
    assert!(matches!(graph.cost(&table), Err(GraphError::Vocabulary { what: "cost table", .. })));
    let narrow = Layout::new(graph.vocabulary()).only(&["in", "conv"]).unwrap();
    let error = graph.encode(&narrow).unwrap_err();
    assert_eq!(error, GraphError::NoColumn { node: 2, name: "pool".into() });
    assert!(Layout::new(&other).only(&["conv", "conv"]).is_err());
    assert!(Layout::new(&other).only(&["lstm"]).is_err());
    assert!(CostTable::new(&other, Cost::default(), [("lstm", Cost::default())]).is_err());
    assert!(graph.relabelled(|_, _| Some(Op(200))).is_err());
}

#[test]
fn costs_stop_at_the_largest_number() {
    let graph = sample();
    let most = Cost { parameters: u64::MAX, multiply_adds: 7 };
    let table = CostTable::new(graph.vocabulary(), Cost::default(), [("conv", most)]).unwrap();
    assert_eq!(graph.cost(&table).unwrap(), Cost { parameters: u64::MAX, multiply_adds: 21 });
}

/// A table over the words of a graph in which the first operation costs most.
fn table(words: &Vocabulary) -> CostTable {
    let cost = |k: usize| Cost { parameters: 0, multiply_adds: 1 << (20 - 4 * k) };
    let costs = words.names().iter().enumerate().map(|(k, name)| (name.as_str(), cost(k)));
    CostTable::new(words, Cost { parameters: 0, multiply_adds: 99 }, costs).expect("names of the vocabulary")
}

#[test]
fn descriptors_are_costs_counts_and_paths_of_what_is_live() {
    let graph = sample();
    let table = CostTable::new(
        graph.vocabulary(),
        Cost { parameters: 1, multiply_adds: 9 },
        [
            ("in", Cost { parameters: 0, multiply_adds: 1_000 }),
            ("conv", Cost { parameters: 0, multiply_adds: 50 }),
            ("pool", Cost { parameters: 0, multiply_adds: 3 }),
            ("zero", Cost { parameters: 0, multiply_adds: 400 }),
        ],
    );
    let found = graph.descriptors(&table.unwrap()).unwrap();
    // ways: conv pool; skip; zero. The ends and the two dead convolutions do not count
    assert_eq!(found[..3], [1.0, f64::ln(1.0 + 462.0), f64::ln(1.0 + 409.0)]);
    assert_eq!(found[3..9], [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(found[9..], [0.0; 6]);
    let apart = ArchGraph::new(&words(), [Op(0), Op(0), Op(1)], [(0, 1)], 0, 2).unwrap();
    let found = apart.descriptors(&self::table(&words())).unwrap();
    assert_eq!(found, [0.0, f64::ln(100.0), f64::ln(100.0), 0.0, 0.0, 0.0, 0.0]);
    let error = graph.descriptors(&self::table(&words())).unwrap_err();
    assert!(matches!(error, GraphError::Vocabulary { what: "cost table", .. }));
}

/// The operations between the ends of each path, one by one.
fn paths(graph: &ArchGraph) -> Vec<Vec<usize>> {
    let (ops, edges): (Vec<_>, _) = (graph.ops().collect(), graph.edges());
    let (mut whole, mut open) = (Vec::new(), vec![(graph.input(), Vec::new())]);
    while let Some((at, path)) = open.pop() {
        for &(_, to) in edges.iter().filter(|(from, _)| *from == at) {
            if to == graph.output() {
                whole.push(path.clone());
            } else {
                let op = ops[to].map(Op::index);
                open.push((to, path.iter().copied().chain(op).collect()));
            }
        }
    }
    whole
}

#[test]
fn features_of_a_small_graph_by_hand() {
    let graph = sample();
    let features = Features::new(graph.vocabulary(), ["conv", "pool", "skip"]).unwrap();
    let graph = graph.isolated(Op(4));
    let found = features.of(&graph).unwrap();
    let value = |name: &str| found[features.names().iter().position(|n| n == name).unwrap()];
    // live ways: conv pool; skip. Two dead convolutions
    for (name, expected) in [
        ("joined", 1.0),
        ("all nodes", 5.0),
        ("nodes", 3.0),
        ("edges", 5.0),
        ("paths", f64::ln_1p(2.0)),
        ("all conv", 3.0),
        ("conv", 1.0),
        ("most pool", 1.0),
        ("fewest pool", 0.0),
        ("sum conv", f64::ln_1p(1.0)),
        ("paths with skip", f64::ln_1p(1.0)),
        ("paths conv", 0.0),
        ("paths conv+pool", f64::ln_1p(1.0)),
        ("longest conv+pool+skip", 3.0),
        ("nearest conv+pool+skip", 0.5),
        ("nearest pool+skip", 0.5),
        ("input to conv+skip", 2.0),
        ("pool+skip to output", 2.0),
        ("within conv+pool", 1.0),
        ("into conv+pool", 2.0),
        ("out of conv", 1.0),
        ("widest from conv", 1.0),
        ("widest to conv", 0.0),
        ("meet pool skip", 1.0),
        ("meet pool pool", 0.0),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    assert_eq!(found.len(), 5 + 3 * 6 + 7 * 10 + 6);
}

#[test]
fn features_refuse_unknown_and_repeated_names_and_other_vocabularies() {
    let error = Features::new(&words(), ["lstm"]).unwrap_err();
    assert_eq!(error.to_string(), "unknown operation `lstm`: expected one of conv, pool");
    assert!(matches!(
        Features::new(&words(), ["conv", "conv"]),
        Err(GraphError::DuplicateOperation { first: 0, second: 1, .. })
    ));
    let error = Features::new(&words(), ["conv"]).unwrap().of(&sample()).unwrap_err();
    assert!(matches!(error, GraphError::Vocabulary { what: "features", .. }));
}

#[test]
fn features_of_the_densest_graph_are_finite() {
    let names: Vec<String> = (0..9).map(|i| format!("op{i}")).collect();
    let words = Vocabulary::new(names.clone()).unwrap();
    let edges = (0..MAX_NODES).flat_map(|to| (0..to).map(move |from| (from, to)));
    let ops = (0..MAX_NODES).map(|node| Op((node % 9) as u8));
    let graph = ArchGraph::new(&words, ops, edges, 0, MAX_NODES - 1).unwrap();
    let features = Features::new(&words, names).unwrap();
    let found = features.of(&graph).unwrap();
    assert_eq!(found[4], ((1_u64 << 62) as f64).ln_1p());
    assert!(found.iter().all(|x| x.is_finite()));
    // each alone and 36 pairs
    assert_eq!(found.len(), 5 + 9 * 6 + 45 * 10 + 45);
    assert_eq!(features.names().len(), found.len());
}

proptest! {
    #[test]
    fn features_agree_with_all_paths_one_by_one(graph in strategies::graph(words(), 2..=9)) {
        let features = Features::new(&words(), ["conv", "pool"]).unwrap();
        let found = features.of(&graph).unwrap();
        prop_assert_eq!(found.len(), features.names().len());
        let value = |name: &str| features.names().iter().position(|n| n == name).map(|at| found[at]);
        let paths = paths(&graph);
        let ln = |count: usize| Some((count as f64).ln_1p());
        prop_assert_eq!(value("paths"), ln(paths.len()));
        for (op, name) in ["conv", "pool"].into_iter().enumerate() {
            let count = |path: &Vec<usize>| path.iter().filter(|other| **other == op).count();
            let most = paths.iter().map(count).max().unwrap_or(0);
            prop_assert_eq!(value(&format!("most {name}")), Some(most as f64));
            prop_assert_eq!(value(&format!("sum {name}")), ln(paths.iter().map(count).sum()));
            let with = paths.iter().filter(|path| count(path) > 0).count();
            prop_assert_eq!(value(&format!("paths with {name}")), ln(with));
            let only: Vec<usize> =
                paths.iter().filter(|path| count(path) == path.len()).map(|path| path.len() + 1).collect();
            prop_assert_eq!(value(&format!("paths {name}")), ln(only.len()));
            let longest = only.iter().max().map_or(0.0, |steps| *steps as f64);
            prop_assert_eq!(value(&format!("longest {name}")), Some(longest));
            let nearest = only.iter().min().map_or(0.0, |steps| 1.0 / *steps as f64);
            prop_assert_eq!(value(&format!("nearest {name}")), Some(nearest));
        }
    }

    #[test]
    fn features_see_dead_parts_only_where_they_say_so(graph in strategies::graph(words(), 2..=24)) {
        let features = Features::new(&words(), ["conv", "pool"]).unwrap();
        let (whole, pruned) = (features.of(&graph).unwrap(), features.of(&graph.pruned()).unwrap());
        for ((name, whole), pruned) in features.names().iter().zip(whole).zip(pruned) {
            prop_assert!(name.starts_with("all ") || whole == pruned, "{name}: {whole} and {pruned}");
        }
    }

    #[test]
    fn features_do_not_depend_on_the_numbering(
        (a, b) in strategies::graph(words(), 2..=24).prop_flat_map(strategies::renumbered),
    ) {
        let features = Features::new(&words(), ["conv", "pool"]).unwrap();
        prop_assert_eq!(features.of(&a).unwrap(), features.of(&b).unwrap());
    }

    #[test]
    fn descriptors_agree_with_all_paths_one_by_one(graph in strategies::graph(words(), 2..=9)) {
        let table = table(&words());
        let found = graph.descriptors(&table).unwrap();
        let paths = paths(&graph);
        prop_assert_eq!(found[0], f64::from(u8::from(!paths.is_empty())));
        let cost = |path: &Vec<usize>| table.total(path.iter().map(|&op| Op(op as u8))).multiply_adds;
        let costliest = paths.iter().map(cost).max().unwrap_or(99);
        prop_assert_eq!(found[2], (costliest as f64).ln_1p());
        for op in 0..2 {
            let count = |path: &Vec<usize>| path.iter().filter(|other| **other == op).count();
            prop_assert_eq!(found[5 + op], paths.iter().map(count).min().unwrap_or(0) as f64);
        }
        prop_assert_eq!(graph.pruned().descriptors(&table).unwrap(), found);
    }

    #[test]
    fn descriptors_do_not_depend_on_the_numbering(
        (a, b) in strategies::graph(words(), 2..=24).prop_flat_map(strategies::renumbered),
    ) {
        let table = table(&words());
        prop_assert_eq!(a.descriptors(&table).unwrap(), b.descriptors(&table).unwrap());
    }

    #[test]
    fn equal_forms_mean_isomorphic_and_back(
        a in strategies::graph(words(), 2..=5), b in strategies::graph(words(), 2..=5),
    ) {
        prop_assert_eq!(a.canonical() == b.canonical(), isomorphic(&a, &b));
    }

    #[test]
    fn one_edge_more_or_less_is_told_apart_rightly(
        a in strategies::graph(words(), 4..=8), from in 0_usize..8, to in 0_usize..8,
    ) {
        // near-isomorphic pairs: random pairs are hardly ever isomorphic
        let (from, to) = (from % a.len(), to % a.len());
        let mut edges = a.edges();
        match edges.iter().position(|&edge| edge == (from, to)) {
            Some(place) => { edges.remove(place); }
            None => edges.push((from, to)),
        }
        let mut reversed = edges.clone();
        reversed.pop();
        for edges in [edges, reversed] {
            if let Ok(b) = ArchGraph::new(a.vocabulary(), a.ops(), edges, a.input(), a.output()) {
                prop_assert_eq!(a.canonical() == b.canonical(), isomorphic(&a, &b));
            }
        }
    }

    #[test]
    fn numbering_does_not_matter(
        (a, b) in strategies::graph(words(), 2..=24).prop_flat_map(strategies::renumbered),
    ) {
        prop_assert_eq!(a.canonical(), b.canonical());
        prop_assert_eq!(a.canonical().hash(), b.canonical().hash());
        prop_assert_eq!(a.pruned().canonical(), b.pruned().canonical());
        prop_assert_eq!(a.bypassed(Op(0)).canonical(), b.bypassed(Op(0)).canonical());
    }

    #[test]
    fn live_is_what_petgraph_reaches(graph in strategies::graph(words(), 2..=12)) {
        let path = |from: usize, to: usize| {
            has_path_connecting(graph.petgraph(), NodeIndex::new(from), NodeIndex::new(to), None)
        };
        let live: Vec<bool> =
            (0..graph.len()).map(|n| path(graph.input(), n) && path(n, graph.output())).collect();
        prop_assert_eq!(graph.live(), live);
    }

    #[test]
    fn every_edit_gives_a_valid_graph(graph in strategies::graph(words(), 2..=12), op in 0_u8..3) {
        for other in [graph.pruned(), graph.masked(), graph.isolated(Op(op)), graph.bypassed(Op(op))] {
            prop_assert!(!is_cyclic_directed(other.petgraph()));
            let again = ArchGraph::new(
                other.vocabulary(), other.ops(), other.edges(), other.input(), other.output(),
            );
            prop_assert_eq!(again.as_ref(), Ok(&other));
        }
        prop_assert_eq!(graph.pruned().pruned(), graph.pruned());
        prop_assert_eq!(graph.masked().masked(), graph.masked());
        prop_assert_eq!(graph.masked().live(), graph.live());
        prop_assert_eq!(graph.bypassed(Op(op)).live()[graph.input()], graph.live()[graph.input()]);
    }

    #[test]
    fn encodings_conform(graph in strategies::graph(words(), 2..=12), global: bool, self_loops: bool) {
        let global = if global { Global::First } else { Global::Without };
        let layout = Layout::new(&words()).global(global).self_loops(self_loops);
        let fixed = Fixed(graph.len(), layout);
        prop_assert_eq!(conformance::encoder(&fixed, &[graph]), Ok(()));
    }
}
