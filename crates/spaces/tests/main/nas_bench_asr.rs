//! NAS-Bench-ASR.

use crate::fnv1a;
use arch_graph::{Encode, conformance};
use nas_core::{SearchSpace, Seed};
use proptest::prelude::*;
use serde_json::Value;
use spaces::nas_bench_asr::{Cell, FullEncoding, Operation, PrunedEncoding};
use spaces::{NasBenchAsr, SpaceError};
use std::collections::{BTreeMap, BTreeSet};

fn all() -> Vec<Cell> {
    NasBenchAsr.enumerate().unwrap().collect()
}

#[test]
fn the_space_conforms() {
    nas_core::conformance::space(&NasBenchAsr, 300, Seed(3)).unwrap();
    nas_core::conformance::decisions(&NasBenchAsr, 200, Seed(4)).unwrap();
    assert_eq!(NasBenchAsr.name(), "nas-bench-asr");
}

#[test]
fn order_graphs_and_hashes_are_the_published_ones() {
    let golden = include_str!("../../../../fixtures/spaces/nas_bench_asr_hashes/hashes.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let cells = all();
    let hashes: Vec<String> = cells.iter().map(|cell| cell.graph_hash().to_string()).collect();
    assert_eq!((golden["cells"].as_u64(), cells.len()), (Some(13_824), 13_824));
    assert_eq!(golden["classes"], hashes.iter().collect::<BTreeSet<_>>().len());
    assert_eq!(golden["texts"], fnv1a(cells.iter().map(Cell::to_string)));
    assert_eq!(golden["hashes"], fnv1a(hashes.iter().cloned()));
    let some = golden["some"].as_array().unwrap();
    assert_eq!(some.len(), 40);
    for case in some {
        let index = case["index"].as_u64().unwrap() as usize;
        let cell = NasBenchAsr.get(index).unwrap();
        assert_eq!(
            (case["text"].as_str(), case["hash"].as_str()),
            (Some(&*cell.to_string()), Some(&*hashes[index]))
        );
        assert_eq!(case["edges"], serde_json::to_value(cell.pruned_graph().edges()).unwrap(), "{cell}");
    }
}

#[test]
fn indices_and_cells_are_inverse() {
    for (index, cell) in all().into_iter().enumerate() {
        assert_eq!((NasBenchAsr.index(&cell), NasBenchAsr.get(index)), (index, Ok(cell)));
        assert_eq!(Cell::new(cell.operations(), cell.skips()), cell);
    }
    let error = NasBenchAsr.get(13_824).unwrap_err();
    assert_eq!(error, SpaceError::Index { space: "nas-bench-asr", index: 13_824, len: 13_824 });
}

#[test]
fn cells_share_a_hash_exactly_where_their_pruned_graphs_are_isomorphic() {
    let mut by_hash = BTreeMap::new();
    let mut forms = BTreeSet::new();
    for cell in all() {
        let (hash, form) = (cell.graph_hash(), cell.pruned_graph().pruned().canonical());
        assert_eq!(by_hash.entry(hash).or_insert_with(|| form.clone()), &form, "{cell}");
        forms.insert(form);
    }
    assert_eq!((by_hash.len(), forms.len()), (8_242, 8_242));
}

#[test]
fn encodings_are_of_what_is_computed_or_of_everything() {
    let cells = all();
    conformance::encoder(&PrunedEncoding, &cells).unwrap();
    conformance::encoder(&FullEncoding, &cells).unwrap();
    let key = |encoding: arch_graph::Encoding| {
        let bits = encoding.adjacency.iter().chain(&encoding.features).map(|x| *x == 1.0);
        bits.collect::<Vec<bool>>()
    };
    let distinct = |encode: &dyn Fn(&Cell) -> arch_graph::Encoding| {
        cells.iter().map(|cell| key(encode(cell))).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(distinct(&|cell| FullEncoding.encode(cell).unwrap()), 13_824);
    // finer than the classes: dead nodes keep their place
    let pruned = distinct(&|cell| PrunedEncoding.encode(cell).unwrap());
    assert!((8_242..13_824).contains(&pruned), "{pruned}");
}

const GOOD: &str = "[[0, 1], [5, 1, 0], [3, 1, 1, 1]]";

#[test]
fn texts_are_read_in_every_published_form() {
    let cell: Cell = GOOD.parse().unwrap();
    assert_eq!(cell.operations(), [Operation::Linear, Operation::Zero, Operation::Conv7]);
    assert_eq!(cell.skips(), [true, true, false, true, true, true]);
    for text in [
        "[[0,1],[5,1,0],[3,1,1,1]]",
        "((0, 1), (5, 1, 0), (3, 1, 1, 1))",
        "[['linear', 1], ['zero', 1, 0], ['conv7', 1, 1, 1]]",
        " [ [ \"linear\" , 1 ] , [ \"zero\", 1, 0 ], [\"conv7\", 1, 1, 1] ] ",
    ] {
        assert_eq!(text.parse(), Ok(cell), "{text}");
    }
    assert_eq!(serde_json::from_str::<Cell>(&serde_json::to_string(&cell).unwrap()).unwrap(), cell);
}

#[test]
fn bad_texts_are_refused_where_they_go_wrong() {
    for (text, at, expected) in [
        ("", 0, "`[`"),
        ("[[6, 1]", 2, "a number from 0 to 5"),
        ("[[0, 2]", 5, "a number from 0 to 1"),
        ("[[0, 1], [5, 1, 0, 1]", 17, "`]`"),
        ("[['lstm', 1]", 3, "one of linear, conv5, conv5d2, conv7, conv7d2, zero"),
        ("[['linear\", 1]", 9, "`'`"),
        ("[(0, 1], [5", 6, "`)`"),
        ("[[0, 1], [5, 1, 0]]", 18, "`,`"),
        ("[[0, 1], [5, 1, 0], [3, 1, 1, 1]] x", 34, "the end"),
        ("[[0, 1], é", 9, "`[`"),
    ] {
        let error = NasBenchAsr.parse(text).unwrap_err();
        assert_eq!((error.at, error.expected.as_str()), (at, expected), "{text}");
    }
    for cut in 0..GOOD.len() {
        assert!(NasBenchAsr.parse(&GOOD[..cut]).is_err_and(|error| error.at <= cut));
    }
    assert!(Operation::try_from(6).is_err() && "conv9".parse::<Operation>().is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*", at in 0_usize..GOOD.len(), cut in 0_usize..5) {
        let _ = NasBenchAsr.parse(&text);
        let near = format!("{}{text}{}", &GOOD[..at], &GOOD[(at + cut).min(GOOD.len())..]);
        match NasBenchAsr.parse(&near) {
            Ok(cell) => prop_assert_eq!(NasBenchAsr.parse(&cell.to_string()), Ok(cell)),
            Err(error) => prop_assert!(near.is_char_boundary(error.at), "{}", error),
        }
    }
}
