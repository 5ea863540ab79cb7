//! DARTS, and orders without a list.

use crate::{expected, plain, shared, table};
use arch_graph::{Encode, conformance};
use nas_core::{SearchSpace, Seed};
use proptest::prelude::*;
use serde_json::Value;
use spaces::darts::{Cell, CellsEncoding, Genotype, Input, NODES, Operation};
use spaces::{Darts, Shuffled, SpaceError};
use std::collections::BTreeSet;

const ENCODINGS: &str = include_str!("../../../../fixtures/spaces/darts_encodings/encodings.json");

fn cell_of(edges: &[Input]) -> Cell {
    let pairs: Vec<[Input; 2]> = edges.chunks(2).map(|pair| [pair[0], pair[1]]).collect();
    Cell::new(pairs.try_into().unwrap()).unwrap()
}

fn cell(value: &Value) -> Cell {
    let edges = value.as_array().unwrap().iter();
    let edges =
        edges.map(|edge| (edge[0].as_str().unwrap().parse().unwrap(), edge[1].as_u64().unwrap() as usize));
    cell_of(&edges.collect::<Vec<_>>())
}

#[test]
fn the_space_conforms() {
    nas_core::conformance::space(&Darts, 100, Seed(3)).unwrap();
    nas_core::conformance::decisions(&Darts, 200, Seed(4)).unwrap();
    assert_eq!((Darts.name(), Darts.len()), ("darts", Some(1_076_746_950_455_072_400)));
    assert!(Darts.enumerate().is_none());
}

#[test]
fn encodings_are_those_of_the_published_code() {
    let cases: Value = serde_json::from_str(ENCODINGS).unwrap();
    assert_eq!(cases.as_array().unwrap().len(), 6);
    for case in cases.as_array().unwrap() {
        let genotype = Genotype { normal: cell(&case["normal"]), reduce: cell(&case["reduce"]) };
        let found = plain(&CellsEncoding.encode(&genotype).unwrap());
        assert_eq!(found, expected(&case["adj"], &case["feat"]), "{genotype}");
        assert_eq!(genotype.to_string().parse(), Ok(genotype));
    }
}

#[test]
fn the_encodings_of_the_neighbouring_folder_are_these() {
    let Some(path) = shared("golden/darts_encodings.json") else { return };
    assert_eq!(std::fs::read_to_string(path).unwrap(), ENCODINGS);
}

#[test]
fn every_row_of_the_surrogate_table_is_a_genotype() {
    let Some(rows) = table("data/darts_nas_bench_301_surrogate_725.csv.gz") else { return };
    assert_eq!(rows.len(), 725);
    for row in rows {
        // [[(source, operation), ..], [..]]
        let numbers: Vec<u8> =
            row["naslib_key"].bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let edges = |numbers: &[u8]| -> Vec<Input> {
            let edges =
                numbers.chunks(2).map(|edge| (Operation::try_from(edge[1]).unwrap(), usize::from(edge[0])));
            edges.collect()
        };
        let (normal, reduce) = (cell_of(&edges(&numbers[..16])), cell_of(&edges(&numbers[16..])));
        let genotype = Genotype { normal, reduce };
        assert_eq!(genotype.to_string().parse(), Ok(genotype));
        assert_eq!(CellsEncoding.encode(&genotype).unwrap().nodes, 31);
        assert_eq!(Darts.get(Darts.index(&genotype)), Ok(genotype.sorted()));
    }
}

#[test]
fn the_encoder_conforms() {
    let some: Vec<Genotype> = Darts.distinct(&mut Seed(1).stream("test")).take(200).collect();
    conformance::encoder(&CellsEncoding, &some).unwrap();
}

#[test]
fn a_hundred_thousand_samples_are_distinct() {
    let mut seen: Vec<u64> =
        Darts.distinct(&mut Seed(2).stream("test")).take(100_000).map(|g| Darts.index(&g)).collect();
    // spread over the whole space
    let first_tenth = seen.iter().filter(|&&index| index < Darts.len().unwrap() / 10).count();
    assert!((9_500..10_500).contains(&first_tenth), "{first_tenth}");
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 100_000);
}

#[test]
fn indices_go_from_0_to_the_last() {
    let last = Darts.len().unwrap() - 1;
    for index in [0, 1, 48, 49, last / 2, last] {
        assert_eq!(Darts.index(&Darts.get(index).unwrap()), index);
    }
    let first = Darts.get(0).unwrap();
    assert!(first.normal.inputs().into_iter().flatten().all(|(op, _)| op == Operation::MaxPool3x3));
    let error = Darts.get(last + 1).unwrap_err();
    assert!(error.to_string().contains("from 0 to 1076746950455072399"), "{error}");
}

const GOOD: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('max_pool_3x3', 2), ('sep_conv_5x5', 0), \
    ('avg_pool_3x3', 3), ('dil_conv_3x3', 1), ('dil_conv_5x5', 4), ('sep_conv_3x3', 3)], normal_concat=range(2, 6), \
    reduce=[('sep_conv_3x3', 0), ('skip_connect', 1), ('max_pool_3x3', 2), ('sep_conv_5x5', 0), \
    ('avg_pool_3x3', 3), ('dil_conv_3x3', 1), ('dil_conv_5x5', 4), ('sep_conv_3x3', 3)], reduce_concat=range(2, 6))";

#[test]
fn texts_are_read_in_every_published_form() {
    let genotype: Genotype = GOOD.parse().unwrap();
    assert_eq!(genotype.to_string(), GOOD);
    let lists = GOOD.replace("range(2, 6)", "[2, 3, 4, 5]");
    let tight = lists.replace(' ', "");
    let quoted = GOOD.replace('\'', "\"");
    // as the code of BRP-NAS prints them
    let tuples = GOOD.replace('[', "(").replace(']', ")");
    for text in [lists, tight, quoted, tuples, GOOD.replace("range(2, 6)", " range( 2,6 ) ")] {
        assert_eq!(text.parse(), Ok(genotype), "{text}");
    }
}

#[test]
fn bad_texts_are_refused_where_they_go_wrong() {
    let cases = [
        ("Genotype(", "Genotyp(", "`Genotype`"),
        ("'sep_conv_3x3', 0", "'none', 0", "one of max_pool_3x3"),
        ("'sep_conv_3x3', 0", "'sep_conv_3x3\", 0", "`'`"),
        ("'sep_conv_3x3', 0", "'sep_conv_3x3', 2", "a number from 0 to 1"),
        ("'skip_connect', 1", "'skip_connect', 0", "another source than 0"),
        ("('sep_conv_5x5', 0)", "('sep_conv_5x5', 3)", "a number from 0 to 2"),
        (", ('sep_conv_3x3', 3)], normal", "], normal", "`,`"),
        ("('sep_conv_3x3', 3)], normal", "('sep_conv_3x3', 3), ('sep_conv_3x3', 3)], normal", "`]`"),
        ("range(2, 6)", "range(2, 5)", "`6`"),
        ("range(2, 6)", "6", "`range(2, 6)` or"),
        ("reduce=", "reduced=", "`=`"),
    ];
    for (good, bad, says) in cases {
        let text = GOOD.replacen(good, bad, 1);
        let error = Darts.parse(&text).unwrap_err();
        assert!(error.expected.starts_with(says), "{bad}: {error}");
        // what is right before it is still read
        assert!(GOOD.starts_with(&text[..error.at]) || bad.contains("], normal"), "{bad}: {error}");
    }
    for cut in 0..GOOD.len() {
        assert!(Darts.parse(&GOOD[..cut]).is_err_and(|error| error.at <= cut));
    }
    assert_eq!(Darts.parse(&format!("{GOOD}x")).unwrap_err().at, GOOD.len());
}

#[test]
fn bad_cells_are_refused() {
    let good = [(Operation::SepConv3x3, 0), (Operation::SepConv3x3, 1)];
    for (node, bad) in [(2, [0, 0]), (2, [0, 2]), (5, [5, 1]), (4, [1, usize::MAX])] {
        let mut inputs = [good; NODES];
        inputs[node - 2] = bad.map(|source| (Operation::SkipConnect, source));
        assert_eq!(Cell::new(inputs), Err(SpaceError::Sources { space: "darts", node, found: bad }));
    }
    assert!(Operation::try_from(7).is_err() && "none".parse::<Operation>().is_err());
    let text = serde_json::to_string(&GOOD.parse::<Genotype>().unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Genotype>(&text).unwrap().to_string(), GOOD);
}

fn genotypes() -> impl Strategy<Value = Genotype> {
    (0..Darts.len().unwrap()).prop_map(|index| Darts.get(index).unwrap())
}

proptest! {
    #[test]
    fn texts_and_indices_are_inverse(genotype in genotypes()) {
        prop_assert_eq!(genotype.to_string().parse(), Ok(genotype));
        prop_assert_eq!(Darts.get(Darts.index(&genotype)), Ok(genotype));
        prop_assert_eq!(genotype.sorted(), genotype);
    }

    #[test]
    fn the_order_of_inputs_and_nodes_does_not_change_the_hash(genotype in genotypes(), swaps in prop::array::uniform4(any::<bool>())) {
        let mut inputs = genotype.normal.inputs();
        inputs.iter_mut().zip(swaps).filter(|(_, swap)| *swap).for_each(|(pair, _)| pair.swap(0, 1));
        let other = Genotype { normal: Cell::new(inputs).unwrap(), ..genotype };
        prop_assert_eq!(other.graph_hash(), genotype.graph_hash());
        prop_assert_eq!(other.sorted(), genotype);
        // nodes 2 and 3 change places where neither reads the other
        let mut inputs = genotype.normal.inputs();
        if inputs[1].iter().all(|input| input.1 < 2) {
            inputs.swap(0, 1);
            for input in inputs[2..].iter_mut().flatten().filter(|input| (2..4).contains(&input.1)) {
                input.1 = 5 - input.1;
            }
        }
        let other = Genotype { normal: Cell::new(inputs).unwrap(), ..genotype };
        prop_assert_eq!(other.graph_hash(), genotype.graph_hash());
        prop_assert_eq!(other.graph().canonical(), genotype.graph().canonical());
    }

    #[test]
    fn a_neighbour_has_another_hash_or_the_same_graph(genotype in genotypes(), seed in any::<u64>()) {
        let child = Darts.mutate(&genotype, &mut Seed(seed).stream("mutate"));
        prop_assert_ne!(child, genotype);
        let same = child.graph_hash() == genotype.graph_hash();
        prop_assert_eq!(same, child.representative() == genotype.representative());
    }

    #[test]
    fn no_text_panics(text in "\\PC*", at in 0_usize..GOOD.len(), cut in 0_usize..8) {
        let _ = Darts.parse(&text);
        let near = format!("{}{text}{}", &GOOD[..at], &GOOD[(at + cut).min(GOOD.len())..]);
        match Darts.parse(&near) {
            Ok(other) => prop_assert_eq!(Darts.parse(&other.to_string()), Ok(other)),
            Err(error) => prop_assert!(near.is_char_boundary(error.at), "{}", error),
        }
    }

    #[test]
    fn an_order_is_a_permutation(len in 0_u64..3_000, seed in any::<u64>()) {
        let order: Vec<u64> = Shuffled::new(len, &mut Seed(seed).stream("order")).collect();
        prop_assert_eq!(order.len() as u64, len);
        prop_assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), (0..len).collect());
    }
}

#[test]
fn the_largest_order_starts_anywhere() {
    let mut order = Shuffled::new(u64::MAX, &mut Seed(0).stream("order"));
    let some: BTreeSet<u64> = order.by_ref().take(1_000).collect();
    assert_eq!(some.len(), 1_000);
    assert!(some.iter().filter(|&&x| x < u64::MAX / 2).count() > 400);
}
