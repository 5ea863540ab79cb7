//! NAS-Bench-101.

use crate::{expected, number, plain, shared, table};
use arch_graph::{Encode, conformance};
use nas_core::{Decisions, SearchSpace, Seed};
use proptest::prelude::*;
use serde_json::Value;
use spaces::nas_bench_101::{
    BareEncoding, Draft, MAX_EDGES, Models, Operation, PaddedEncoding, Skeleton, Spec,
};
use spaces::{NasBench101, SpaceError};
use std::collections::{BTreeMap, BTreeSet};

const SPECS: &str = include_str!("../../../../fixtures/spaces/nas_bench_101_specs/specs.json");
const HASHES: &str = include_str!("../../../../fixtures/spaces/nas_bench_101_specs/published_hashes.json");

fn golden() -> Value {
    serde_json::from_str(SPECS).unwrap()
}

fn spec(text: &str) -> Spec {
    text.parse().unwrap()
}

#[test]
fn the_space_conforms() {
    nas_core::conformance::space(&NasBench101, 60, Seed(3)).unwrap();
    nas_core::conformance::decisions(&NasBench101, 200, Seed(4)).unwrap();
    assert_eq!((NasBench101.name(), NasBench101.len()), ("nas-bench-101", Some(423_624)));
}

#[test]
fn hashes_are_the_published_ones() {
    let cases: Value = serde_json::from_str(HASHES).unwrap();
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 20);
    for case in cases {
        let ops = case["operations"].as_array().unwrap().iter().map(|op| op.as_str().unwrap());
        let text = format!("{}:{}", case["adjacency"].as_str().unwrap(), ops.collect::<Vec<_>>().join(","));
        assert_eq!(spec(&text).module_hash().to_string(), case["hash"].as_str().unwrap(), "{text}");
    }
    let rows = "0111010000000100000010000100000000100000010000000";
    let ops = "input,conv1x1-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,maxpool3x3,output";
    let example = spec(&format!("{rows}:{ops}"));
    assert_eq!(example.module_hash().to_string(), "28cfc7874f6d200472e1a9dcd8650aa0");
}

#[test]
fn specs_are_those_of_the_second_implementation() {
    let golden = golden();
    let cases = golden["specs"].as_array().unwrap();
    assert_eq!(cases.len(), 60);
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap();
        let draft: Draft = text("draft").parse().unwrap();
        let spec = draft.prune().unwrap();
        assert_eq!((draft.to_string().as_str(), spec.to_string().as_str()), (text("draft"), text("spec")));
        assert_eq!(text("draft").parse(), Ok(spec));
        assert_eq!(spec.module_hash().to_string(), text("hash"), "{spec}");
        let channels: Vec<u64> =
            case["channels"].as_array().unwrap().iter().map(|c| c.as_u64().unwrap()).collect();
        assert_eq!(spec.channels(128, 256), channels, "{spec}");
        let parameters = Skeleton::default().cost(&spec).unwrap().parameters;
        assert_eq!(Some(parameters), case["parameters"].as_u64(), "{spec}");
        let padded = plain(&PaddedEncoding.encode(&spec).unwrap());
        assert_eq!(padded, expected(&case["padded"]["adjacency"], &case["padded"]["column"]), "{spec}");
        let bare = plain(&BareEncoding.encode(&spec).unwrap());
        assert_eq!(bare, expected(&case["bare"]["adjacency"], &case["bare"]["column"]), "{spec}");
    }
}

#[test]
fn models_are_as_many_as_distinct_hashes() {
    for (vertices, count) in golden()["models"].as_object().unwrap() {
        let models: Vec<Spec> = Models::up_to(vertices.parse().unwrap()).collect();
        assert_eq!(Some(models.len() as u64), count.as_u64());
        let hashes: BTreeSet<_> = models.iter().map(|spec| spec.module_hash()).collect();
        assert_eq!(hashes.len(), models.len());
        assert!(models.iter().all(|spec| spec.representative() == *spec));
        assert!(models.is_sorted());
    }
    assert_eq!(Models::up_to(6).count(), 64_542);
    assert_eq!((Models::up_to(0).count(), Models::up_to(1).count()), (0, 0));
    let mut done = Models::up_to(2);
    assert!(done.next().is_some() && done.next().is_none() && done.next().is_none());
}

#[test]
fn there_are_423624_models_and_each_has_its_index() {
    assert_eq!(Models::up_to(9).count(), 423_624);
    assert_eq!(NasBench101.enumerate().unwrap().count() as u64, NasBench101.len().unwrap());
    for index in (0..423_624).step_by(997).chain([423_623]) {
        assert_eq!(NasBench101.index(&NasBench101.get(index).unwrap()), index);
    }
    let error = NasBench101.get(423_624).unwrap_err();
    assert_eq!(error, SpaceError::Index { space: "nas-bench-101", index: 423_624, len: 423_624 });
}

#[test]
fn parameters_go_from_one_published_extreme_to_the_other() {
    let cost = |spec: Spec| Skeleton::default().cost(&spec).unwrap().parameters;
    let all: Vec<u64> = Models::up_to(7).map(cost).collect();
    assert_eq!((all.iter().min(), all.iter().max()), (Some(&227_274), Some(&49_979_274)));
}

/// Values that normalisation, ReLU and pooling compute, as the published table counts them.
fn element_wise(spec: Spec) -> u64 {
    let (mut first, mut total) = (128, 3 * 128 * 1_024);
    for stack in 0..3 {
        let (last, pixels) = (128 << stack, 1_024 >> (2 * stack));
        // 2 x 2 pooling before the stack
        total += if stack > 0 { 4 * first * pixels } else { 0 };
        for _ in 0..3 {
            let channels = spec.channels(first, last);
            let projected = (1..channels.len()).filter(|&to| spec.has_edge(0, to)).map(|to| 3 * channels[to]);
            let inner = spec.operations().iter().zip(&channels[1..]);
            let inner =
                inner.map(|(op, width)| if *op == Operation::MaxPool3x3 { 9 * width } else { 3 * width });
            total += projected.chain(inner).sum::<u64>() * pixels;
            first = last;
        }
    }
    total
}

#[test]
fn the_published_table_has_these_parameters_and_multiply_adds() {
    let Some(rows) = table("data/nas_bench_101_sample_250.csv.gz") else { return };
    assert_eq!(rows.len(), 250);
    for row in rows {
        let spec = spec(&format!("{}:{}", row["adjacency"], row["operations"].replace(' ', ",")));
        let cost = Skeleton::default().cost(&spec).unwrap();
        assert!((cost.parameters as f64 / 1e6 - number(&row, "params_m")).abs() < 1e-9, "{spec}");
        let flops = (cost.multiply_adds + element_wise(spec)) as f64 / 1e6;
        assert!((flops - number(&row, "flops_m")).abs() < 1e-6, "{spec}");
    }
}

#[test]
fn the_hashes_of_the_neighbouring_folder_are_these() {
    let Some(path) = shared("golden/nas_bench_101_hashes.json") else { return };
    assert_eq!(std::fs::read_to_string(path).unwrap(), HASHES);
}

#[test]
fn skeletons_out_of_range_are_refused() {
    let (paper, identity) = (Skeleton::default(), spec("0100:input,output"));
    for (name, skeleton) in [
        ("channels", Skeleton { channels: 7, ..paper }),
        ("stacks", Skeleton { stacks: 9, ..paper }),
        ("modules", Skeleton { modules: 0, ..paper }),
        ("classes", Skeleton { classes: 0, ..paper }),
        ("image", Skeleton { image: u64::MAX, ..paper }),
    ] {
        let error = skeleton.cost(&identity).unwrap_err();
        assert!(matches!(error, SpaceError::Setting { name: found, .. } if found == name), "{error}");
    }
    let most = Skeleton { channels: 1_024, stacks: 8, modules: 1_000, classes: 1_000_000, image: 4_096 };
    let largest = Models::up_to(4).last().unwrap();
    assert!(most.cost(&largest).unwrap().parameters > 0);
    assert_eq!(serde_json::from_str::<Skeleton>(r#"{"modules":3}"#).unwrap(), paper);
    assert!(serde_json::from_str::<Skeleton>(r#"{"cells":3}"#).is_err());
}

#[test]
fn the_encoders_conform() {
    let specs: Vec<Spec> = Models::up_to(5).step_by(7).collect();
    conformance::encoder(&PaddedEncoding, &specs).unwrap();
    conformance::encoder(&BareEncoding, &specs).unwrap();
    assert_eq!((BareEncoding.nodes(), BareEncoding.width(), BareEncoding.has_global()), (7, 5, false));
    // nothing is lost: no two models share an encoding
    let models: Vec<Spec> = Models::up_to(4).collect();
    let padded = models.iter().map(|spec| plain(&PaddedEncoding.encode(spec).unwrap()));
    let bare = models.iter().map(|spec| plain(&BareEncoding.encode(spec).unwrap()));
    let distinct = (padded.collect::<BTreeSet<_>>().len(), bare.collect::<BTreeSet<_>>().len());
    assert_eq!(distinct, (models.len(), models.len()));
}

#[test]
fn bad_texts_are_refused_where_they_go_wrong() {
    for (text, at, expected, found) in [
        ("", 0, "an adjacency of 2 to 7", "the end"),
        ("010:input,output", 0, "an adjacency of 2 to 7", "`010:input,output`"),
        ("01x0:input,output", 2, "an adjacency of 2 to 7", "`x0:input,output`"),
        ("0:input", 0, "an adjacency of 2 to 7", "`0:input`"),
        ("0110:input,output", 2, "`0`: edges go", "`10:input,output`"),
        ("1100:input,output", 0, "`0`: edges go", "`1100:input,output`"),
        ("0100input,output", 4, "`:`", "`input,output`"),
        ("0100:in,output", 5, "`input`", "`in,output`"),
        ("0100:input,conv1x1-bn-relu,output", 11, "`output`", "`conv1x1-bn-relu,output`"),
        ("010001000:input,output", 16, "one of conv3x3-bn-relu", "`output`"),
        ("010001000:input,conv5x5,output", 16, "one of conv3x3-bn-relu", "`conv5x5,output`"),
        ("0100:input,output,output", 17, "the end", "`,output`"),
        ("0000:input,output", 0, "an adjacency with a path", "`0000:input,output`"),
        ("0100:input, output", 11, "`output`", "' '"),
        ("0100:input,öutput", 11, "`output`", "`öutput`"),
    ] {
        let error = NasBench101.parse(text).unwrap_err();
        assert_eq!((error.at, error.found.as_str()), (at, found), "{text}");
        assert!(error.expected.starts_with(expected), "{text}: {}", error.expected);
        assert_eq!(error.space, "nas-bench-101");
    }
    let eight = format!("{}:input,output", "0".repeat(64));
    assert!(NasBench101.parse(&eight).unwrap_err().expected.contains("2 to 7 vertices"));
    let full = "0111100111000110000100000:input,maxpool3x3,maxpool3x3,maxpool3x3,output";
    assert!(NasBench101.parse(full).unwrap_err().expected.contains("at most 9 edges on paths"));
}

#[test]
fn bad_graphs_are_refused() {
    use Operation::Conv1x1;
    let space = "nas-bench-101";
    for (result, error) in [
        (Spec::new(8, [(0, 7)], &[Conv1x1; 6]), SpaceError::Vertices { space, found: 8, least: 2, most: 7 }),
        (Spec::new(1, [], &[]), SpaceError::Vertices { space, found: 1, least: 2, most: 7 }),
        (Spec::new(3, [(0, 1), (1, 1)], &[Conv1x1]), SpaceError::Edge { space, from: 1, to: 1, vertices: 3 }),
        (Spec::new(3, [(0, 3)], &[Conv1x1]), SpaceError::Edge { space, from: 0, to: 3, vertices: 3 }),
        (Spec::new(3, [(0, 1)], &[Conv1x1]), SpaceError::NoPath { space }),
        (Spec::new(3, [(1, 2)], &[Conv1x1]), SpaceError::NoPath { space }),
        (Spec::new(3, [(0, 2)], &[]), SpaceError::Operations { space, found: 0, expected: 1 }),
    ] {
        assert_eq!(result, Err(error));
    }
    let draft = Draft::new(3, [(0, 1)], &[Conv1x1]).unwrap();
    let mut rng = Seed(0).stream("test");
    assert_eq!(draft.mutate(1.0, &mut rng), Err(SpaceError::NoPath { space }));
    for rate in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(Draft::sample(&mut rng).mutate(rate, &mut rng), Err(SpaceError::Rate { .. })));
    }
}

#[test]
fn operations_have_the_published_names_and_numbers() {
    for (number, name) in ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"].into_iter().enumerate() {
        let op = Operation::ALL[number];
        assert_eq!((op.name(), op.number(), name.parse()), (name, number, Ok(op)));
        assert_eq!(serde_json::to_value(op).unwrap(), name);
    }
    assert!("input".parse::<Operation>().unwrap_err().to_string().contains("expected one of conv3x3"));
}

#[test]
fn serde_is_the_text() {
    let spec = spec("010001000:input,maxpool3x3,output");
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(text, format!("\"{spec}\""));
    assert_eq!(serde_json::from_str::<Spec>(&text).unwrap(), spec);
    assert!(serde_json::from_str::<Spec>("\"0000:input,output\"").is_err());
}

#[test]
fn samples_are_those_of_the_benchmark() {
    // half of all edges and a third of each operation before validity is asked for; what is valid is pruned to
    // a whole graph of every size
    let mut rng = Seed(5).stream("samples");
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for _ in 0..3_000 {
        let spec = NasBench101.sample(&mut rng);
        assert!(spec.edges().count() <= MAX_EDGES);
        assert!(spec.graph().live().into_iter().all(|live| live));
        *sizes.entry(spec.vertices()).or_default() += 1;
    }
    assert!(sizes.len() >= 5 && sizes[&5] > sizes[&2], "{sizes:?}");
}

#[test]
fn the_published_mutation_flips_three_edges_on_average() {
    let mut rng = Seed(6).stream("mutation");
    let parent = Draft::sample(&mut rng);
    assert_eq!(parent.mutate(0.0, &mut rng), Ok(parent));
    let edges =
        |draft: &Draft| -> Vec<bool> { draft.to_string().bytes().take(49).map(|b| b == b'1').collect() };
    let mut flips = 0;
    for _ in 0..2_000 {
        let child = parent.mutate(1.0, &mut rng).unwrap();
        assert!(child.prune().is_ok());
        flips += edges(&child).iter().zip(edges(&parent)).filter(|(a, b)| **a != *b).count();
    }
    // 21 edges at 1/7, fewer where validity is hard to keep
    assert!((3_000..7_000).contains(&flips), "{flips}");
}

#[test]
fn every_small_model_can_be_reached_by_edits() {
    let mut reached = BTreeSet::from([spec("0100:input,output")]);
    let mut todo: Vec<Spec> = reached.iter().copied().collect();
    while let Some(next) = todo.pop() {
        let near = NasBench101.neighbours(&next).into_iter().filter(|spec| spec.vertices() <= 4);
        todo.extend(near.filter(|spec| reached.insert(*spec)));
    }
    assert_eq!(reached.len(), 91);
}

fn drafts() -> impl Strategy<Value = Draft> {
    (2_usize..=7).prop_flat_map(|n| {
        let pairs: Vec<(usize, usize)> = (0..n).flat_map(|to| (0..to).map(move |from| (from, to))).collect();
        let most = pairs.len();
        let ops = prop::collection::vec(prop::sample::select(Operation::ALL.to_vec()), n - 2);
        (prop::sample::subsequence(pairs, 0..=most), ops)
            .prop_map(move |(edges, ops)| Draft::new(n, edges, &ops).unwrap())
    })
}

fn specs() -> impl Strategy<Value = Spec> {
    drafts().prop_filter_map("no path, or too many edges", |draft| draft.prune().ok())
}

/// The spec under another numbering that goes upwards, chosen by `keys`.
fn renumbered(spec: Spec, keys: &[u32]) -> Spec {
    let n = spec.vertices();
    let mut order: Vec<usize> = Vec::new();
    while order.len() < n {
        let ready = |v: &usize| {
            !order.contains(v) && spec.edges().all(|(from, to)| to != *v || order.contains(&from))
        };
        let next = (0..n).filter(ready).min_by_key(|&v| (v == n - 1, keys[v])).unwrap();
        order.push(next);
    }
    let place = |v: usize| order.iter().position(|&other| other == v).unwrap();
    let edges: Vec<_> = spec.edges().map(|(from, to)| (place(from), place(to))).collect();
    let ops: Vec<Operation> = order[1..n - 1].iter().map(|&v| spec.operation(v).unwrap()).collect();
    Spec::new(n, edges, &ops).unwrap()
}

proptest! {
    #[test]
    fn choices_make_what_the_graph_prunes_to(
        edges in prop::collection::vec(0_usize..2, 21),
        numbers in prop::collection::vec(0_usize..3, 5),
    ) {
        let pairs = (0..7).flat_map(|to| (0..to).map(move |from| (from, to)));
        let there = pairs.zip(&edges).filter(|(_, there)| **there == 1).map(|(pair, _)| pair);
        let ops: Vec<Operation> = numbers.iter().map(|&number| Operation::ALL[number]).collect();
        let pruned = Draft::new(7, there, &ops).unwrap().prune().ok();
        let made = NasBench101.arch_of(&[edges, numbers].concat());
        prop_assert_eq!(made, pruned.map(Spec::representative));
    }

    #[test]
    fn any_numbering_has_choices_that_make_the_model(spec in specs()) {
        let choices = NasBench101.choices_of(&spec);
        prop_assert_eq!(NasBench101.arch_of(&choices), Some(spec.representative()));
    }

    #[test]
    fn texts_and_specs_are_inverse(draft in drafts()) {
        prop_assert_eq!(draft.to_string().parse::<Draft>(), Ok(draft));
        match draft.prune() {
            Ok(spec) => {
                prop_assert_eq!(spec.to_string().parse::<Spec>(), Ok(spec));
                prop_assert_eq!(draft.to_string().parse::<Spec>(), Ok(spec));
                prop_assert_eq!(Draft::from(spec).prune(), Ok(spec));
                prop_assert!(spec.graph().live().into_iter().all(|live| live));
            }
            Err(_) => prop_assert!(draft.to_string().parse::<Spec>().is_err()),
        }
    }

    #[test]
    fn isomorphic_specs_have_one_hash_and_one_representative(spec in specs(), keys in prop::array::uniform7(any::<u32>())) {
        let other = renumbered(spec, &keys);
        prop_assert_eq!(other.module_hash(), spec.module_hash());
        prop_assert_eq!(other.representative(), spec.representative());
        prop_assert_eq!(other.graph().canonical(), spec.graph().canonical());
        prop_assert_eq!(spec.representative().module_hash(), spec.module_hash());
    }

    #[test]
    fn representative_hash_and_canonical_form_tell_the_same_apart(a in specs(), b in specs(), keys in prop::array::uniform7(any::<u32>())) {
        // most pairs differ, so take one edit away from a too
        let near = NasBench101.neighbours(&a);
        for b in [b, near[keys[0] as usize % near.len()], near[keys[1] as usize % near.len()]] {
            let same = a.graph().canonical() == b.graph().canonical();
            prop_assert_eq!(a.representative() == b.representative(), same);
            prop_assert_eq!(a.module_hash() == b.module_hash(), same);
        }
    }

    #[test]
    fn mutation_moves_and_stays_valid(spec in specs(), seed in any::<u64>()) {
        let child = NasBench101.mutate(&spec, &mut Seed(seed).stream("mutate"));
        prop_assert!(child.representative() == child && child != spec.representative());
        prop_assert!(child.edges().count() <= MAX_EDGES && child.vertices() <= 7);
    }

    #[test]
    fn channels_are_divided_and_never_grow(spec in specs()) {
        let channels = spec.channels(128, 250);
        let n = channels.len();
        let ends: u64 = (1..n - 1).filter(|&v| spec.has_edge(v, n - 1)).map(|v| channels[v]).sum();
        prop_assert!(ends == 250 || ends == 0);
        for (from, to) in spec.edges().filter(|(from, to)| *from > 0 && *to < n - 1) {
            prop_assert!(channels[from] >= channels[to] && channels[to] > 0);
            prop_assert!(channels[from] - channels[to] <= 1 || spec.has_edge(from, n - 1) || channels[from] > 0);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC*", spec in specs(), at in 0_usize..130, cut in 0_usize..5) {
        let _ = NasBench101.parse(&text);
        let good = spec.to_string();
        let (from, to) = (at.min(good.len()), (at + cut).min(good.len()));
        let near = format!("{}{text}{}", &good[..from], &good[to..]);
        match near.parse::<Draft>() {
            Ok(other) => prop_assert_eq!(other.to_string(), near),
            Err(error) => prop_assert!(near.is_char_boundary(error.at), "{}", error),
        }
    }

    #[test]
    fn words_of_the_language_do_not_panic(
        words in prop::collection::vec(prop::sample::select(vec!["0100", "0", "1", ":", ",", "input", "output", "maxpool3x3"]), 0..30)
    ) {
        let text = words.concat();
        if let Ok(draft) = text.parse::<Draft>() {
            prop_assert_eq!(draft.to_string(), text);
        }
    }
}
