//! NAS-Bench-NLP.

use crate::table;
use arch_graph::{Encode, Global, conformance};
use nas_core::{SearchSpace, Seed};
use petgraph::algo::is_isomorphic_matching;
use proptest::prelude::*;
use spaces::nas_bench_nlp::{MAX_VERTICES, Operation, Recipe, RecipeEncoding, Source};
use spaces::{NasBenchNlp, SpaceError};
use std::collections::{BTreeMap, BTreeSet};

const RNN: &str = r#"{"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["f"]}}"#;

/// The published example of a gated recurrent unit.
const GRU: &str = r#"{"r": {"op": "linear", "input": ["x", "h_prev_0"]}, "r_act": {"op": "activation_sigm", "input": ["r"]}, "z": {"op": "linear", "input": ["x", "h_prev_0"]}, "z_act": {"op": "activation_sigm", "input": ["z"]}, "rh": {"op": "elementwise_prod", "input": ["r_act", "h_prev_0"]}, "h_tilde": {"op": "linear", "input": ["x", "rh"]}, "h_tilde_act": {"op": "activation_tanh", "input": ["h_tilde"]}, "h_new_0": {"op": "blend", "input": ["z_act", "h_prev_0", "h_tilde_act"]}}"#;

fn recipe(text: &str) -> Recipe {
    text.parse().unwrap()
}

fn samples(count: usize, seed: u64) -> Vec<Recipe> {
    let mut rng = Seed(seed).stream("test");
    (0..count).map(|_| NasBenchNlp.sample(&mut rng)).collect()
}

#[test]
fn the_space_conforms() {
    nas_core::conformance::space(&NasBenchNlp, 40, Seed(3)).unwrap();
    assert_eq!((NasBenchNlp.name(), NasBenchNlp.len()), ("nas-bench-nlp", None));
    assert!(NasBenchNlp.enumerate().is_none());
}

#[test]
fn every_published_recipe_is_read_and_written_as_it_stands() {
    let Some(rows) = table("data/nas_bench_nlp_wikitext2.csv.gz") else { return };
    assert_eq!(rows.len(), 345);
    let encodings = [Global::Without, Global::First].map(RecipeEncoding::new);
    let mut hashes = BTreeSet::new();
    for row in rows {
        let text = &row["recipe_json"];
        let recipe = recipe(text);
        assert_eq!(&recipe.to_string(), text);
        let short = recipe.representative();
        assert_eq!((short.to_string().parse().as_ref(), &short.representative()), (Ok(&short), &short));
        assert_eq!(short.graph().canonical(), recipe.graph().canonical());
        for encoding in &encodings {
            assert_eq!(encoding.encode(&recipe).unwrap().nodes, encoding.nodes());
        }
        hashes.insert(recipe.graph_hash());
    }
    // as networkx counts them with labelled nodes and the order of a blend's inputs on its edges
    assert_eq!(hashes.len(), 265);
}

#[test]
fn samples_are_what_the_generator_draws() {
    let all = samples(2_000, 5);
    let mut hidden = [0; 4];
    let mut ops = BTreeMap::new();
    for recipe in &all {
        hidden[recipe.hidden()] += 1;
        assert_eq!(&recipe.representative(), recipe);
        assert!(recipe.vertices() <= MAX_VERTICES);
        for node in recipe.nodes() {
            *ops.entry(node.op).or_insert(0) += 1;
            let node_of = |source: &Source| match source {
                Source::Node(place) => Some(recipe.nodes()[usize::from(*place)].op),
                _ => None,
            };
            let of: Vec<Option<Operation>> = node.inputs.iter().map(node_of).collect();
            match node.op {
                // a linear node reads what is given and activations
                Operation::Linear => assert!(of.iter().flatten().all(|op| op.inputs() == (1, 1)), "{recipe}"),
                Operation::Tanh | Operation::Sigmoid | Operation::LeakyRelu => {
                    assert_eq!(of, [Some(Operation::Linear)], "{recipe}");
                }
                _ => {}
            }
            if node.hidden.is_some() {
                assert!(!node.inputs.iter().any(|source| matches!(source, Source::Previous(_))), "{recipe}");
            }
        }
    }
    // every number of states and every operation; in the published table linear nodes are about half of all
    assert!(hidden[1..].iter().all(|count| *count > 100), "{hidden:?}");
    assert_eq!(ops.len(), 7);
    let total: i32 = ops.values().sum();
    assert!((total * 4 / 10..total * 6 / 10).contains(&ops[&Operation::Linear]), "{ops:?}");
    assert!(all.iter().collect::<BTreeSet<_>>().len() > 1_200);
}

#[test]
fn the_encoder_conforms() {
    for encoding in [Global::Without, Global::First].map(RecipeEncoding::new) {
        conformance::encoder(&encoding, &samples(200, 1)).unwrap();
    }
    // 24 nodes and three previous states are a recipe, but too large for the encoding
    let mut text = r#"{"h_new_1": {"op": "linear", "input": ["x", "h_prev_1"]}, "h_new_2": {"op": "linear", "input": ["x", "h_prev_2"]}, "a0": {"op": "linear", "input": ["x", "h_prev_0"]}"#.to_string();
    for node in 1..21 {
        text += &format!(r#", "a{node}": {{"op": "activation_tanh", "input": ["a{}"]}}"#, node - 1);
    }
    text += r#", "h_new_0": {"op": "activation_tanh", "input": ["a20"]}}"#;
    let large = recipe(&text);
    let error = RecipeEncoding::default().encode(&large).unwrap_err();
    assert_eq!(error, SpaceError::Vertices { space: "nas-bench-nlp", found: 28, least: 3, most: 25 });
    assert_eq!(large.graph().len(), 33);
    assert!(NasBenchNlp.mutate(&large, &mut Seed(0).stream("edit")).vertices() <= MAX_VERTICES);
    let more = text.replace(r#""a20"]}}"#, r#""b"]}, "b": {"op": "activation_tanh", "input": ["a20"]}}"#);
    let error = NasBenchNlp.parse(&more).unwrap_err();
    assert!(error.expected.contains("node `b`, name: at most 24 nodes"), "{error}");
}

#[test]
fn the_order_of_a_blend_matters_and_no_other() {
    let gru = recipe(GRU);
    let other = recipe(
        &GRU.replace(r#"["z_act", "h_prev_0", "h_tilde_act"]"#, r#"["z_act", "h_tilde_act", "h_prev_0"]"#),
    );
    assert_ne!(gru.graph_hash(), other.graph_hash());
    assert_ne!(gru.graph().canonical(), other.graph().canonical());
    let same = recipe(&GRU.replace(r#"["x", "h_prev_0"]"#, r#"["h_prev_0", "x"]"#).replace("z_act", "gate"));
    assert_ne!(gru, same);
    assert_eq!((gru.graph_hash(), gru.representative()), (same.graph_hash(), same.representative()));
    assert!(NasBenchNlp.neighbours(&gru).contains(&recipe(&GRU.replace("blend", "linear")).representative()));
}

#[test]
fn white_space_and_the_order_of_fields_are_free() {
    let spaced = RNN
        .replace(',', "\n\t, ")
        .replace(':', " :\r\n ")
        .replace(['[', ']'], " ")
        .replace("\"x\"", "[\"x\"");
    let spaced = spaced.replace("\"h_prev_0\"", "\"h_prev_0\" ]").replace("\"f\" }}", "[ \"f\" ] } } ");
    let swapped =
        r#"{"f":{"input":["x","h_prev_0"],"op":"linear"},"h_new_0":{"input":["f"],"op":"activation_tanh"}}"#;
    assert_eq!((recipe(&spaced), recipe(swapped)), (recipe(RNN), recipe(RNN)));
    let stored = serde_json::to_string(&recipe(RNN)).unwrap();
    assert_eq!(serde_json::from_str::<Recipe>(&stored).unwrap(), recipe(RNN));
}

#[test]
fn bad_texts_are_refused_where_they_go_wrong() {
    let linear = r#""f": {"op": "linear", "input": ["x", "h_prev_0"]}"#;
    for (good, bad, at, expected) in [
        ("{\"f\"", "", "", "`{`"),
        ("{\"f\"", "[\"f\"", "[\"f\"", "`{`"),
        ("\"f\"", "f", "f:", "the name of a node of letters"),
        ("\"f\"", "\"é\"", "\"é\"", "the name of a node of letters"),
        ("\"f\"", "\"\"", "\"\"", "the name of a node of letters"),
        ("\"f\":", "\"x\":", "\"x\"", "node `x`, name: a name that is no input of the cell"),
        ("\"f\":", "\"h_prev_3\":", "\"h_prev_3\"", "node `h_prev_3`, name: a name that is no input"),
        (
            "\"h_new_0\"",
            "\"f\"",
            "\"f\": {\"op\": \"activation",
            "node `f`, name: a name that no node before has",
        ),
        ("\"h_new_0\"", "\"h_new_1\"", "\"h_new_1\"", "node `h_new_1`, name: h_new_0 too"),
        ("\"h_new_0\"", "\"h_new_3\"", "\"h_new_3\"", "node `h_new_3`, name: h_new_0 to h_new_2 alone"),
        ("\"h_new_0\"", "\"h_new_00\"", "\"h_new_00\"", "node `h_new_00`, name: h_new_0 to h_new_2 alone"),
        ("\"h_new_0\"", "\"out\"", "", "a new state, h_new_0"),
        ("\"linear\"", "\"lstm\"", "\"lstm\"", "node `f`, op: one of linear, elementwise_prod"),
        ("\"linear\"", "\"blend\"", "[\"x\", \"h_prev_0\"]", "node `f`, input: 3 for blend"),
        (
            "\"linear\"",
            "\"elementwise_sum\"",
            "\"x\"",
            "node `f`, input: a state or node: only a linear node reads x",
        ),
        ("[\"f\"]", "[\"f\", \"x\"]", "[\"f\", \"x\"]", "node `h_new_0`, input: 1 for activation_tanh"),
        ("[\"f\"]", "[\"g\"]", "\"g\"", "node `h_new_0`, input: a node of the recipe, x or h_prev_0"),
        (
            "[\"f\"]",
            "[\"h_prev_1\"]",
            "\"h_prev_1\"",
            "node `h_new_0`, input: a node of the recipe, x or h_prev_0",
        ),
        (
            "[\"f\"]",
            "[\"h_new_0\"]",
            "[\"h_new_0\"]",
            "node `h_new_0`, input: inputs that do not depend on the node",
        ),
        ("[\"f\"]", "[\"h_prev_0\"]", "\"f\":", "node `f`, name: a node that some new state needs"),
        ("[\"f\"]", "[]", "]}}", "node `h_new_0`, input: a name of letters"),
        ("\"h_prev_0\"]", "\"x\"]", "\"x\"]", "node `f`, input: another input than those before"),
        (
            "\"h_prev_0\"]",
            "\"h_new_0\"]",
            "[\"x\", \"h_new_0\"]",
            "node `f`, input: inputs that do not depend on the node",
        ),
        (
            "\"op\": \"linear\", ",
            "\"op\": \"linear\", \"op\": \"linear\", ",
            "\"op\": \"linear\", \"input\"",
            "node `f`: field \"input\"",
        ),
        ("\"op\": \"linear\"", "\"kind\": 3", "\"kind\"", "node `f`: field \"op\" or \"input\""),
        ("]}, \"h", "], \"bias\": 1}, \"h", ", \"bias\"", "`}`"),
        ("\"]}}", "\"]}", "", "`,` or `}`"),
        ("\"]}}", "\"]}}}", "}", "the end"),
        ("\"]}}", "\"]}}é", "é", "the end"),
    ] {
        assert!(RNN.contains(good) && RNN.contains(linear), "{good}");
        let text = RNN.replacen(good, bad, 1);
        let error = NasBenchNlp.parse(&text).unwrap_err();
        assert!(error.expected.starts_with(expected), "{text}: {error}");
        if !at.is_empty() {
            assert!(text[error.at..].starts_with(at), "{text}: {error}");
        }
    }
    let unread = r#"{"a": {"op": "linear", "input": ["x", "b"]}, "b": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["a"]}, "h_new_1": {"op": "activation_tanh", "input": ["b"]}}"#;
    assert_eq!(NasBenchNlp.parse(unread).unwrap_err().expected, "a node that reads h_prev_1");
    for cut in 0..GRU.len() {
        assert!(NasBenchNlp.parse(&GRU[..cut]).is_err_and(|error| error.at <= cut));
    }
}

/// Whether petgraph finds an isomorphism that keeps operations.
fn isomorphic(a: &Recipe, b: &Recipe) -> bool {
    let (a, b) = (a.graph(), b.graph());
    is_isomorphic_matching(a.petgraph(), b.petgraph(), |a, b| a == b, |_, _| true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn equal_representatives_are_exactly_isomorphic_graphs(seed in any::<u64>()) {
        let mut rng = Seed(seed).stream("test");
        // small cells, where two edits often meet again
        let start = recipe(RNN);
        let some: Vec<Recipe> = (0..6).map(|_| NasBenchNlp.mutate(&NasBenchNlp.mutate(&start, &mut rng), &mut rng)).collect();
        for (place, a) in some.iter().enumerate() {
            for b in &some[..=place] {
                let same = isomorphic(a, b);
                prop_assert_eq!(same, a == b, "{} {}", a, b);
                prop_assert_eq!(same, a.graph_hash() == b.graph_hash());
                prop_assert_eq!(same, a.graph().canonical() == b.graph().canonical());
            }
        }
    }

    #[test]
    fn names_and_order_do_not_change_the_representative(seed in any::<u64>(), turn in 0_usize..24) {
        let recipe = NasBenchNlp.sample(&mut Seed(seed).stream("test"));
        let text = recipe.to_string().replace("\"node_", "\"n");
        // the same nodes from another one on
        let inner = text.trim_start_matches('{').trim_end_matches('}');
        let mut nodes: Vec<&str> = inner.split("]}, ").map(|node| node.trim_end_matches(']')).collect();
        let turn = turn % nodes.len();
        nodes.rotate_left(turn);
        let other: Recipe = format!("{{{}]}}}}", nodes.join("]}, ")).parse().unwrap();
        prop_assert_eq!(other.representative(), recipe);
    }

    #[test]
    fn mutation_is_an_edit(seed in any::<u64>()) {
        let mut rng = Seed(seed).stream("test");
        let parent = NasBenchNlp.sample(&mut rng);
        let child = NasBenchNlp.mutate(&parent, &mut rng);
        prop_assert_eq!(child.to_string().parse(), Ok(child.clone()));
        prop_assert!(child.vertices().abs_diff(parent.vertices()) <= 1);
        prop_assert_eq!(child.hidden(), parent.hidden());
        prop_assert!(!isomorphic(&child, &parent));
    }

    #[test]
    fn no_text_panics(text in "\\PC*", at in 0_usize..GRU.len(), cut in 0_usize..8) {
        let _ = NasBenchNlp.parse(&text);
        let near = format!("{}{text}{}", &GRU[..at], &GRU[(at + cut).min(GRU.len())..]);
        match NasBenchNlp.parse(&near) {
            Ok(recipe) => prop_assert_eq!(NasBenchNlp.parse(&recipe.to_string()), Ok(recipe)),
            Err(error) => prop_assert!(near.is_char_boundary(error.at), "{}", error),
        }
    }
}
