//! The suite on every space, and that it finds what is wrong.

use arch_graph::{ArchGraph, Encode, Global};
use nas_core::{ParseArchError, SearchSpace, Stream};
use spaces::chain::{Chain, ChainEncoding, FB_NET, NAS_BENCH_MACRO, PROXYLESS_NAS};
use spaces::conformance::{holds, numbering, suite};
use spaces::nas_bench_201::{Cell, FullEncoding, Operation, PrunedEncoding};
use spaces::{Darts, NasBench101, NasBench201, NasBenchAsr, NasBenchNlp};
use spaces::{darts, nas_bench_101, nas_bench_asr, nas_bench_nlp};

#[test]
fn every_space_conforms() {
    suite(&NasBench201, &PrunedEncoding, |cell: &Cell| cell.graph()).unwrap();
    suite(&NasBench201, &FullEncoding, |cell: &Cell| cell.pruned_graph()).unwrap();
    suite(&NasBench101, &nas_bench_101::PaddedEncoding, |spec: &nas_bench_101::Spec| spec.graph()).unwrap();
    suite(&Darts, &darts::CellsEncoding, |genotype: &darts::Genotype| genotype.graph()).unwrap();
    suite(&NasBenchAsr, &nas_bench_asr::PrunedEncoding, |cell: &nas_bench_asr::Cell| cell.pruned_graph())
        .unwrap();
    let encoding = nas_bench_nlp::RecipeEncoding::new(Global::First);
    suite(&NasBenchNlp, &encoding, |recipe: &nas_bench_nlp::Recipe| recipe.graph()).unwrap();
    for space in [&PROXYLESS_NAS, &FB_NET, &NAS_BENCH_MACRO] {
        let encoding = ChainEncoding::new(space, Global::First).unwrap();
        suite(space, &encoding, |chain: &Chain| encoding.graph(chain).unwrap()).unwrap();
    }
}

#[test]
fn every_numbering_is_inverse() {
    let small = |number: u64| usize::try_from(number).unwrap();
    numbering(&NasBench201, 15_625, |n| NasBench201.get(small(n)), |cell| cell.index() as u64).unwrap();
    numbering(&NasBench101, 423_624, |n| NasBench101.get(small(n)), |spec| NasBench101.index(spec) as u64)
        .unwrap();
    numbering(&NasBenchAsr, 13_824, |n| NasBenchAsr.get(small(n)), |cell| NasBenchAsr.index(cell) as u64)
        .unwrap();
    numbering(&Darts, Darts.len().unwrap(), |n| Darts.get(n), |genotype| Darts.index(genotype)).unwrap();
    for space in [&PROXYLESS_NAS, &NAS_BENCH_MACRO] {
        numbering(space, space.len().unwrap(), |n| space.get(n), |chain| space.index(chain).unwrap())
            .unwrap();
    }
    let shifted =
        numbering(&NasBench201, 15_625, |n| NasBench201.get(small(n)), |cell| cell.index() as u64 + 1);
    assert!(shifted.unwrap_err().contains("which has the number 1"));
}

#[test]
fn what_fails_is_shrunk() {
    // everything: the smallest of all
    let error = holds(&NasBench201, |_| Err("no".into())).unwrap_err();
    assert_eq!(error, format!("{}: no", Cell::new([Operation::None; 6])));
    let error = holds(&FB_NET, |_| Err("no".into())).unwrap_err();
    assert_eq!(error, format!("{}: no", ["0"; 22].join("_")));
    // what has a convolution fails: one is left
    let convolutions = |cell: &Cell| cell.count(Operation::Conv3x3);
    let error = holds(&NasBench201, |cell| if convolutions(cell) == 0 { Ok(()) } else { Err("conv".into()) });
    let cell: Cell = error.unwrap_err().strip_suffix(": conv").unwrap().parse().unwrap();
    assert_eq!((convolutions(&cell), cell.count(Operation::None)), (1, 5));
    let error = holds(&NasBenchNlp, |_| Err("no".into())).unwrap_err();
    let recipe: nas_bench_nlp::Recipe = error.strip_suffix(": no").unwrap().parse().unwrap();
    assert_eq!(recipe.nodes().len(), recipe.hidden(), "{recipe}");
}

/// NAS-Bench-201 with one thing wrong.
#[derive(Clone, Copy)]
enum Wrong {
    Text,
    Mutation,
    Nothing,
}

impl SearchSpace for Wrong {
    type Arch = Cell;

    fn name(&self) -> &str {
        "wrong"
    }

    fn len(&self) -> Option<u64> {
        None
    }

    fn sample(&self, rng: &mut Stream) -> Cell {
        NasBench201.sample(rng)
    }

    fn mutate(&self, cell: &Cell, rng: &mut Stream) -> Cell {
        match self {
            Self::Mutation => NasBench201.mutate(&NasBench201.mutate(cell, rng), rng),
            _ => NasBench201.mutate(cell, rng),
        }
    }

    fn neighbours(&self, cell: &Cell) -> Vec<Cell> {
        NasBench201.neighbours(cell)
    }

    fn parse(&self, text: &str) -> Result<Cell, ParseArchError> {
        match self {
            Self::Text => NasBench201.parse(&text.replace("nor_conv_1x1", "nor_conv_3x3")),
            _ => NasBench201.parse(text),
        }
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Cell> + '_>> {
        None
    }
}

#[test]
fn the_suite_finds_what_is_wrong() {
    let check = |space: Wrong| suite(&space, &FullEncoding, |cell: &Cell| cell.graph());
    check(Wrong::Nothing).unwrap();
    assert!(check(Wrong::Text).unwrap_err().contains("parses as"));
    assert!(check(Wrong::Mutation).unwrap_err().contains("mutates to"));
    // a graph that is another one under another numbering is not possible, but an encoder may promise too little
    struct Short;
    impl Encode<Cell> for Short {
        type Error = arch_graph::GraphError;
        fn nodes(&self) -> usize {
            8
        }
        fn width(&self) -> usize {
            8
        }
        fn has_global(&self) -> bool {
            true
        }
        fn encode(&self, cell: &Cell) -> Result<arch_graph::Encoding, Self::Error> {
            FullEncoding.encode(cell)
        }
    }
    let graph = |cell: &Cell| -> ArchGraph { cell.graph() };
    assert!(suite(&NasBench201, &Short, graph).unwrap_err().contains("not the promised 8 x 8"));
}
