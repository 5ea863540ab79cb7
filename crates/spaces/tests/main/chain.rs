//! ProxylessNAS, FBNet and NAS-Bench-Macro.

use crate::table;
use arch_graph::{Encode, Global, conformance};
use nas_core::{SearchSpace, Seed};
use proptest::prelude::*;
use spaces::SpaceError;
use spaces::chain::{Chain, ChainEncoding, ChainSpace, FB_NET, NAS_BENCH_MACRO, PROXYLESS_NAS};
use std::collections::BTreeSet;

const ALL: [&ChainSpace; 3] = [&PROXYLESS_NAS, &FB_NET, &NAS_BENCH_MACRO];

#[test]
fn the_spaces_conform() {
    for space in ALL {
        nas_core::conformance::space(space, 100, Seed(3)).unwrap();
        nas_core::conformance::decisions(space, 100, Seed(4)).unwrap();
    }
    // 3 * 6^6 * 7^15, as published: 6.64e17
    assert_eq!(PROXYLESS_NAS.len(), Some(664_506_689_423_701_824));
    assert_eq!((FB_NET.len(), NAS_BENCH_MACRO.len()), (None, Some(6_561)));
    assert!(PROXYLESS_NAS.enumerate().is_none() && FB_NET.enumerate().is_none());
}

#[test]
fn the_encoders_conform() {
    for (space, nodes, width) in [(&PROXYLESS_NAS, 22, 7), (&FB_NET, 22, 9), (&NAS_BENCH_MACRO, 8, 3)] {
        let mut rng = Seed(1).stream("encoders");
        let some: Vec<Chain> = (0..100).map(|_| space.sample(&mut rng)).collect();
        for (global, more) in [(Global::Without, 0), (Global::First, 1)] {
            let encoding = ChainEncoding::new(space, global).unwrap();
            conformance::encoder(&encoding, &some).unwrap();
            assert_eq!((encoding.nodes(), encoding.width()), (nodes + more, width + more));
        }
        let plain = ChainEncoding::new(space, Global::Without).unwrap().encode(&some[0]).unwrap();
        let edges = (0..nodes * nodes).filter(|&at| plain.adjacency[at] == 1.0);
        assert!(edges.eq((0..nodes - 1).map(|layer| layer * nodes + layer + 1)));
        for (layer, &choice) in some[0].choices().iter().enumerate() {
            assert_eq!(plain.features[layer * width + usize::from(choice)], 1.0);
        }
        assert_eq!(plain.features.iter().sum::<f32>(), nodes as f32);
    }
}

#[test]
fn nas_bench_macro_costs_what_its_table_says() {
    let Some(rows) = table("data/nas_bench_macro_cifar10.csv.gz") else { return };
    let mut seen = BTreeSet::new();
    for row in rows {
        let chain = NAS_BENCH_MACRO.parse(&row["arch"]).unwrap();
        let cost = NAS_BENCH_MACRO.cost(&chain).unwrap();
        assert_eq!(
            (Ok(cost.parameters), Ok(cost.multiply_adds)),
            (row["params"].parse(), row["flops"].parse())
        );
        seen.insert(NAS_BENCH_MACRO.index(&chain).unwrap());
    }
    assert!(seen.into_iter().eq(0..6_561));
}

#[test]
fn nas_bench_macro_costs_what_was_published() {
    // the first rows of its table, and the identity alone
    for (text, parameters, multiply_adds) in [
        ("02012100", 890_666, 47_327_744),
        ("11111221", 2_181_386, 65_012_224),
        ("00000000", 387_882, 7_713_280),
        ("00000002", 387_882 + 831_488, 7_713_280 + 13_197_312),
    ] {
        let cost = NAS_BENCH_MACRO.cost(&NAS_BENCH_MACRO.parse(text).unwrap()).unwrap();
        assert_eq!((cost.parameters, cost.multiply_adds), (parameters, multiply_adds));
    }
    let other = PROXYLESS_NAS.sample(&mut Seed(0).stream("other"));
    assert_eq!((NAS_BENCH_MACRO.cost(&other), PROXYLESS_NAS.cost(&other)), (None, None));
}

#[test]
fn every_row_of_the_tables_is_a_chain() {
    for (space, file, column, count) in [
        (&PROXYLESS_NAS, "data/proxylessnas_cifar100.csv.gz", "ops", 86),
        (&PROXYLESS_NAS, "data/proxylessnas_caltech.csv.gz", "ops", 288),
        (&FB_NET, "data/fbnet_latency.csv.gz", "arch", 5_000),
    ] {
        let Some(rows) = table(file) else { return };
        assert_eq!(rows.len(), count);
        let encoding = ChainEncoding::new(space, Global::First).unwrap();
        for row in rows {
            let chain = space.parse(&row[column]).unwrap();
            assert_eq!(chain.to_string().replace('_', " "), row[column].replace('_', " "));
            assert_eq!(encoding.encode(&chain).unwrap().nodes, 23);
        }
    }
}

#[test]
fn a_chain_of_another_space_is_not_encoded() {
    let encoding = ChainEncoding::new(&NAS_BENCH_MACRO, Global::Without).unwrap();
    let text = ["0"; 22].join("_");
    let error = encoding.encode(&FB_NET.parse(&text).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "a chain of 22 layers, but this space has 8: take its own encoding");
}

#[test]
fn texts_are_read_in_every_published_form() {
    let chain = NAS_BENCH_MACRO.parse("0_2_0_1_2_1_0_0").unwrap();
    for text in ["02012100", "0 2 0 1 2 1 0 0"] {
        assert_eq!(NAS_BENCH_MACRO.parse(text), Ok(chain.clone()));
    }
    assert_eq!(chain.hash().to_string().len(), 32);
}

#[test]
fn bad_texts_are_refused_where_they_go_wrong() {
    for (text, at, expected, found) in [
        ("", 0, "a number from 0 to 2", "the end"),
        ("0_3_0_1_2_1_0_0", 2, "a number from 0 to 2", "`3_0_1_2_1_0_0`"),
        ("0_2_0_1_2_1_0", 13, "`_`", "the end"),
        ("0_2_0_1_2_1_0_0_1", 15, "the end", "`_1`"),
        ("0_2_0 1_2_1_0_0", 5, "`_`", "' '"),
        ("0201210", 7, "a number from 0 to 2", "the end"),
        ("0-2-0", 1, "`_`", "`-2-0`"),
        ("é", 0, "a number from 0 to 2", "`é`"),
        ("00_2", 2, "a number from 0 to 2", "`_2`"),
    ] {
        let error = NAS_BENCH_MACRO.parse(text).unwrap_err();
        let parts = (error.at, error.expected.as_str(), error.found.as_str(), error.space.as_str());
        assert_eq!(parts, (at, expected, found, "nas-bench-macro"), "{text}");
    }
    let first = format!("3{}", "_0".repeat(21));
    assert_eq!(PROXYLESS_NAS.parse(&first).unwrap_err().expected, "a number from 0 to 2");
    let space = "fbnet";
    assert_eq!(FB_NET.chain(&[9; 22]), Err(SpaceError::Choice { space, layer: 0, found: 9, most: 8 }));
    assert_eq!(FB_NET.chain(&[0; 21]), Err(SpaceError::Operations { space, found: 21, expected: 22 }));
    assert!(FB_NET.get(0).is_err() && NAS_BENCH_MACRO.get(6_561).is_err());
}

#[test]
fn samples_without_repetition_end_with_the_space() {
    let all: BTreeSet<Chain> = NAS_BENCH_MACRO.distinct(&mut Seed(0).stream("all")).collect();
    assert_eq!(all.len(), 6_561);
    assert_eq!(FB_NET.distinct(&mut Seed(0).stream("all")).count(), 0);
}

proptest! {
    #[test]
    fn texts_and_indices_are_inverse(index in 0..PROXYLESS_NAS.len().unwrap()) {
        let chain = PROXYLESS_NAS.get(index).unwrap();
        prop_assert_eq!(PROXYLESS_NAS.index(&chain), Some(index));
        prop_assert_eq!(PROXYLESS_NAS.parse(&chain.to_string()), Ok(chain.clone()));
        prop_assert_eq!(PROXYLESS_NAS.chain(chain.choices()), Ok(chain));
    }

    #[test]
    fn no_text_panics(text in "\\PC*", at in 0_usize..43, cut in 0_usize..4) {
        for space in ALL {
            let _ = space.parse(&text);
            let good = space.get(0).map_or_else(|_| ["0"; 22].join("_"), |chain| chain.to_string());
            let (from, to) = (at.min(good.len()), (at + cut).min(good.len()));
            let near = format!("{}{text}{}", &good[..from], &good[to..]);
            match space.parse(&near) {
                Ok(chain) => prop_assert_eq!(space.parse(&chain.to_string()), Ok(chain)),
                Err(error) => prop_assert!(near.is_char_boundary(error.at), "{}", error),
            }
        }
    }

    #[test]
    fn mutation_changes_one_layer(seed in any::<u64>()) {
        for space in ALL {
            let mut rng = Seed(seed).stream("mutate");
            let parent = space.sample(&mut rng);
            let child = space.mutate(&parent, &mut rng);
            prop_assert_eq!(parent.choices().iter().zip(child.choices()).filter(|(a, b)| a != b).count(), 1);
            prop_assert!(space.chain(child.choices()).is_ok());
        }
    }
}
