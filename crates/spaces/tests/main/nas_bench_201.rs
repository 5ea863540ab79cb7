//! NAS-Bench-201.

use crate::{expected, fnv1a, number, plain, shared, table};
use arch_graph::{Encode, conformance};
use nas_core::{SearchSpace, Seed};
use proptest::prelude::*;
use serde_json::Value;
use spaces::nas_bench_201::{Cell, EDGES, FullEncoding, Operation, PrunedEncoding, Skeleton};
use spaces::{NasBench201, SpaceError};
use std::collections::{BTreeMap, BTreeSet};

fn all() -> Vec<Cell> {
    NasBench201.enumerate().expect("a small space").collect()
}

#[test]
fn the_space_conforms() {
    nas_core::conformance::space(&NasBench201, 300, Seed(3)).unwrap();
    nas_core::conformance::decisions(&NasBench201, 200, Seed(4)).unwrap();
    assert_eq!(NasBench201.name(), "nas-bench-201");
}

#[test]
fn the_order_is_the_published_one() {
    let rows = include_str!("../../../../fixtures/spaces/nas_bench_201_order/order.csv");
    let mut count = 0;
    for row in csv::Reader::from_reader(rows.as_bytes()).deserialize() {
        let (index, text, class): (usize, String, String) = row.unwrap();
        let cell = NasBench201.get(index).unwrap();
        assert_eq!((cell.to_string(), cell.class(), cell.index()), (text, class, index));
        count += 1;
    }
    assert_eq!(count, 25);
    let sums = include_str!("../../../../fixtures/spaces/nas_bench_201_order/checksum.txt");
    let found = [fnv1a(all().iter().map(Cell::to_string)), fnv1a(all().iter().map(|cell| cell.class()))];
    assert_eq!(found.to_vec(), sums.lines().collect::<Vec<_>>());
    for (index, cell) in all().into_iter().enumerate() {
        assert_eq!((cell.index(), NasBench201.get(index)), (index, Ok(cell)));
    }
    let error = NasBench201.get(15_625).unwrap_err();
    assert_eq!(error, SpaceError::Index { space: "nas-bench-201", index: 15_625, len: 15_625 });
    assert!(error.to_string().contains("from 0 to 15624"));
    assert!(NasBench201.get(usize::MAX).is_err());
}

#[test]
fn the_published_tables_have_this_order_and_these_parameters() {
    let Some(rows) = table("data/nas_bench_201_accuracy.csv.gz") else { return };
    assert_eq!(rows.len(), 15_625);
    let costs = Skeleton::default().table().unwrap();
    for (row, cell) in rows.iter().zip(all()) {
        assert_eq!((row["index"].parse(), &row["arch"]), (Ok(cell.index()), &cell.to_string()));
        let parameters = costs.total(cell.operations().map(Operation::op)).parameters as f64 / 1e6;
        assert!((parameters - number(row, "params_m")).abs() < 1e-9, "{cell}");
    }
}

#[test]
fn the_published_operation_counts_follow_from_multiply_adds() {
    let Some(rows) = table("data/nas_bench_201_zero_cost_cifar10.csv.gz") else { return };
    assert_eq!(rows.len(), 9_445);
    for row in rows {
        let cell: Cell = row["arch"].parse().unwrap();
        let cost = Skeleton::default().cost(&cell).unwrap();
        assert!((cost.parameters as f64 / 1e6 - number(&row, "params")).abs() < 1e-9, "{cell}");
        // that table also counts biases, normalisation, ReLU and pooling: so many a convolution, a pooling
        // and outside the cells
        let convolutions = (cell.count(Operation::Conv1x1) + cell.count(Operation::Conv3x3)) as f64;
        let rest = 0.430_08 * convolutions + 1.290_24 * cell.count(Operation::AvgPool3x3) as f64;
        let flops = cost.multiply_adds as f64 / 1e6 + 0.160_832 + rest;
        assert!((flops - number(&row, "flops")).abs() < 1e-9, "{cell}");
    }
}

#[test]
fn costs_are_the_closed_forms() {
    let costs = Skeleton::default().table().unwrap();
    for cell in all() {
        let (one, three) = (cell.count(Operation::Conv1x1) as u64, cell.count(Operation::Conv3x3) as u64);
        let cost = cell.graph().cost(&costs).unwrap();
        assert_eq!(cost.parameters, 73_306 + 28_000 * one + 243_040 * three);
        assert_eq!(cost.multiply_adds, 7_783_040 + 3_932_160 * one + 35_389_440 * three);
    }
    let most = Skeleton::default().cost(&Cell::new([Operation::Conv3x3; 6])).unwrap();
    assert_eq!(most.multiply_adds, 220_119_680);
    // 100 classes add 90 rows of 64 weights and a bias
    let wide = Skeleton { classes: 100, ..Skeleton::default() }.table().unwrap().fixed();
    assert_eq!((wide.parameters, wide.multiply_adds), (73_306 + 90 * 65, 7_783_040 + 90 * 64));
    // ImageNet16-120: everything but the linear layer on a quarter of the pixels
    let small = Skeleton { classes: 120, image: 16, ..Skeleton::default() }.table().unwrap().fixed();
    assert_eq!(small.multiply_adds, (7_783_040 - 640) / 4 + 120 * 64);
}

#[test]
fn skeletons_out_of_range_are_refused() {
    let paper = Skeleton::default();
    for (name, skeleton) in [
        ("channels", Skeleton { channels: 0, ..paper }),
        ("channels", Skeleton { channels: u64::MAX, ..paper }),
        ("cells", Skeleton { cells: 0, ..paper }),
        ("classes", Skeleton { classes: 1_000_001, ..paper }),
        ("image", Skeleton { image: 30, ..paper }),
        ("image", Skeleton { image: 0, ..paper }),
    ] {
        let error = skeleton.table().unwrap_err();
        assert!(matches!(error, SpaceError::Setting { name: found, .. } if found == name), "{error}");
    }
    let most = Skeleton { channels: 4_096, cells: 10_000, classes: 1_000_000, image: 4_096 };
    assert!(most.cost(&Cell::new([Operation::Conv3x3; 6])).unwrap().parameters > 0);
    assert_eq!(serde_json::from_str::<Skeleton>(r#"{"cells":5}"#).unwrap(), paper);
    assert!(serde_json::from_str::<Skeleton>(r#"{"cell":5}"#).is_err());
}

#[test]
fn there_are_6466_classes() {
    let classes = NasBench201.classes();
    assert_eq!(classes.iter().collect::<BTreeSet<_>>().len(), 6_466);
    assert_eq!((classes[0], classes.iter().max()), (0, Some(&6_465)));
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (cell, &class) in all().iter().zip(&classes) {
        assert_eq!(*first.entry(cell.class()).or_insert(class), class);
    }
}

#[test]
fn classes_do_not_see_a_zero_that_is_a_sum() {
    // both cells give zero, but node 2 of the second is written `#+#`
    let zero = |last| Cell::new([0, 0, 0, 0, 0, last].map(|op| Operation::try_from(op).unwrap()));
    assert_eq!(zero(0).class(), "#+#+#");
    assert_eq!(zero(3).class(), "#+#+(#+#)@nor_conv_3x3");
}

#[test]
fn encodings_are_those_of_the_definition() {
    let golden: Value = serde_json::from_str(include_str!(
        "../../../../fixtures/spaces/nas_bench_201_encodings/encodings.json"
    ))
    .unwrap();
    let cells = golden["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 40);
    for case in cells {
        let cell: Cell = case["arch"].as_str().unwrap().parse().unwrap();
        let pruned = plain(&PrunedEncoding.encode(&cell).unwrap());
        assert_eq!(pruned, expected(&case["pruned"]["adjacency"], &case["pruned"]["column"]), "{cell}");
        let full = plain(&FullEncoding.encode(&cell).unwrap());
        assert_eq!(full, expected(&case["full"]["adjacency"], &case["full"]["column"]), "{cell}");
    }
}

#[test]
fn encodings_are_those_of_the_published_code() {
    let Some(path) = shared("golden/nas_bench_201_encodings.json") else { return };
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = golden["nb201"].as_array().unwrap();
    assert_eq!(cases.len(), 154);
    for case in cases {
        let ops: Vec<Operation> = case["vec"]
            .as_array()
            .unwrap()
            .iter()
            .map(|op| Operation::try_from(op.as_u64().unwrap() as u8).unwrap())
            .collect();
        let cell = Cell::new(ops.try_into().unwrap());
        let found = plain(&PrunedEncoding.encode(&cell).unwrap());
        assert_eq!(found, expected(&case["adj"], &case["feat"]), "{cell}");
    }
}

#[test]
fn the_space_has_8687_pruned_and_15625_full_encodings() {
    let mut pruned: BTreeMap<_, usize> = BTreeMap::new();
    let mut full = BTreeSet::new();
    let mut no_path = 0;
    for cell in all() {
        *pruned.entry(plain(&PrunedEncoding.encode(&cell).unwrap())).or_default() += 1;
        full.insert(plain(&FullEncoding.encode(&cell).unwrap()));
        let graph = cell.graph().isolated(Operation::None.op());
        no_path += usize::from(!graph.live().contains(&true));
    }
    assert_eq!((pruned.len(), full.len(), no_path), (8_687, 15_625, 341));
    assert_eq!(pruned.values().filter(|n| **n > 1).sum::<usize>(), 7_369);
    let none = plain(&PrunedEncoding.encode(&Cell::new([Operation::None; 6])).unwrap());
    assert_eq!(pruned[&none], 341);
}

#[test]
fn the_encoders_conform() {
    let cells: Vec<Cell> = all().into_iter().step_by(13).collect();
    conformance::encoder(&PrunedEncoding, &cells).unwrap();
    conformance::encoder(&FullEncoding, &cells).unwrap();
    assert_eq!((PrunedEncoding.nodes(), PrunedEncoding.width()), (9, 6));
    assert_eq!((FullEncoding.nodes(), FullEncoding.width()), (9, 8));
}

const GOOD: &str = "|avg_pool_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|none~2|";

#[test]
fn bad_texts_are_refused_where_they_go_wrong() {
    for (text, at, expected, found) in [
        ("", 0, "`|`", "the end"),
        ("avg_pool_3x3~0|", 0, "`|`", "`avg_pool_3x3~0|`"),
        ("|max_pool_3x3~0|", 1, "one of none, skip_connect", "`max_pool_3x3~0|`"),
        ("|none0|", 5, "`~`", "`0|`"),
        ("|none~1|", 6, "`0`", "`1|`"),
        ("|none~0|", 8, "`+`", "the end"),
        ("|none~0|+none~0|", 9, "`|`", "`none~0|`"),
        ("|none~0||none~0|", 8, "`+`", "`|none~0|`"),
        ("|none~0|+|none~0|none~0|", 22, "`1`", "`0|`"),
        (" |none~0|", 0, "`|`", "' '"),
        ("|nöne~0|", 1, "one of none", "`nöne~0|`"),
        ("|none~０|", 6, "`0`", "`０|`"),
    ] {
        let error = NasBench201.parse(text).unwrap_err();
        assert_eq!((error.at, error.found.as_str()), (at, found), "{text}");
        assert!(error.expected.starts_with(expected), "{text}: {}", error.expected);
        assert_eq!(error.space, "nas-bench-201");
    }
    for cut in 0..GOOD.len() {
        let error = NasBench201.parse(&GOOD[..cut]).unwrap_err();
        assert!(error.at <= cut && GOOD.len() > cut, "{error}");
    }
    for tail in ["|", "\n", "+|none~0|", "é"] {
        let error = NasBench201.parse(&format!("{GOOD}{tail}")).unwrap_err();
        assert_eq!((error.at, error.expected.as_str()), (GOOD.len(), "the end"));
    }
    assert_eq!(NasBench201.parse(GOOD).unwrap().to_string(), GOOD);
}

#[test]
fn operations_have_the_published_names_and_numbers() {
    let names = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    for (number, name) in (0_u8..).zip(names) {
        let op = Operation::try_from(number).unwrap();
        assert_eq!((op.name(), op.number(), name.parse()), (name, usize::from(number), Ok(op)));
        assert_eq!(serde_json::to_value(op).unwrap(), name);
    }
    let error = Operation::try_from(5).unwrap_err();
    assert!(error.to_string().starts_with("nas-bench-201 has no operation `5`: expected one of none, skip"));
    assert!("None".parse::<Operation>().is_err());
}

#[test]
fn serde_is_the_text() {
    let cell = NasBench201.parse(GOOD).unwrap();
    let text = serde_json::to_string(&cell).unwrap();
    assert_eq!(text, format!("\"{GOOD}\""));
    assert_eq!(serde_json::from_str::<Cell>(&text).unwrap(), cell);
    let error = serde_json::from_str::<Cell>("\"|none~0|\"").unwrap_err();
    assert!(error.to_string().contains("at byte 8 expected `+`"), "{error}");
    assert!(serde_json::from_str::<Cell>("7").is_err());
}

#[test]
fn mutation_is_uniform_over_the_neighbours() {
    let cell = NasBench201.get(42).unwrap();
    let mut rng = Seed(1).stream("mutate");
    let mut seen: BTreeMap<Cell, usize> = BTreeMap::new();
    for _ in 0..24_000 {
        *seen.entry(NasBench201.mutate(&cell, &mut rng)).or_default() += 1;
    }
    assert_eq!(
        seen.keys().copied().collect::<BTreeSet<_>>(),
        NasBench201.neighbours(&cell).into_iter().collect()
    );
    assert!(seen.values().all(|n| (850..1_150).contains(n)), "{seen:?}");
}

fn cells() -> impl Strategy<Value = Cell> {
    prop::array::uniform6(0_u8..5).prop_map(|ops| Cell::new(ops.map(|op| Operation::ALL[usize::from(op)])))
}

proptest! {
    #[test]
    fn texts_and_indices_are_inverse(cell in cells()) {
        prop_assert_eq!(cell.to_string().parse::<Cell>(), Ok(cell));
        prop_assert_eq!(NasBench201.get(cell.index()), Ok(cell));
        prop_assert!(EDGES.iter().zip(cell.operations()).all(|(e, op)| cell.operation(e.0, e.1) == Some(op)));
        prop_assert_eq!(cell.operation(0, 0), None);
    }

    #[test]
    fn no_text_panics(text in "\\PC*", cell in cells(), at in 0_usize..90, cut in 0_usize..5) {
        let _ = NasBench201.parse(&text);
        // a good text with some of it replaced
        let good = cell.to_string();
        let (from, to) = (at.min(good.len()), (at + cut).min(good.len()));
        let near = format!("{}{text}{}", &good[..from], &good[to..]);
        match NasBench201.parse(&near) {
            Ok(other) => prop_assert_eq!(other.to_string(), near),
            Err(error) => prop_assert!(near.is_char_boundary(error.at), "{}", error),
        }
    }

    #[test]
    fn words_of_the_language_do_not_panic(
        words in prop::collection::vec(prop::sample::select(vec!["|", "+", "~", "0", "1", "2", "none", "skip_connect"]), 0..40)
    ) {
        let text = words.concat();
        if let Ok(cell) = NasBench201.parse(&text) {
            prop_assert_eq!(cell.to_string(), text);
        }
    }

    #[test]
    fn pruning_and_masking_leave_the_same(cell in cells()) {
        let graph = cell.graph().isolated(Operation::None.op()).bypassed(Operation::SkipConnect.op());
        prop_assert_eq!(graph.masked().pruned(), graph.pruned());
        prop_assert_eq!(graph.masked().live(), graph.live());
    }
}
