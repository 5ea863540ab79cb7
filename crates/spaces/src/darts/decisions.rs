use super::{Cell, Darts, Genotype, NODES, Operation, pairs};
use nas_core::Decisions;

/// Decisions of a node: its pair of sources, the operation of the first, the operation of the second.
const OF_NODE: usize = 3;

/// By cell, then by node. Pairs are in lexicographic order; a genotype is taken as its sorted one.
impl Decisions for Darts {
    fn decisions(&self) -> Vec<usize> {
        let operations = Operation::ALL.len();
        let cell = (2..).take(NODES).flat_map(|sources| [pairs(sources) as usize, operations, operations]);
        let cell: Vec<usize> = cell.collect();
        [cell.as_slice(), &cell].concat()
    }

    fn choices_of(&self, genotype: &Genotype) -> Vec<usize> {
        let of = |cell: Cell| {
            (2..)
                .zip(cell.sorted().inputs())
                .flat_map(|(sources, [a, b])| [rank(sources, a.1, b.1), a.0.number(), b.0.number()])
        };
        of(genotype.normal).chain(of(genotype.reduce)).collect()
    }

    fn arch_of(&self, choices: &[usize]) -> Option<Genotype> {
        let (normal, reduce) = choices.split_at_checked(OF_NODE * NODES)?;
        Some(Genotype { normal: cell(normal)?, reduce: cell(reduce)? })
    }
}

/// The place of a pair of sources, the smaller first, in lexicographic order.
pub(super) fn rank(sources: usize, first: usize, second: usize) -> usize {
    let all = |sources: usize| sources * (sources - 1) / 2;
    all(sources) - all(sources - first) + second - first - 1
}

fn cell(choices: &[usize]) -> Option<Cell> {
    if choices.len() != OF_NODE * NODES {
        return None;
    }
    let mut inputs = [[(Operation::SkipConnect, 0); 2]; NODES];
    for ((sources, pair), node) in (2..).zip(&mut inputs).zip(choices.chunks_exact(OF_NODE)) {
        let both = (0..sources).flat_map(|first| (first + 1..sources).map(move |second| (first, second)));
        let (first, second) = both.into_iter().nth(node[0])?;
        *pair = [(*Operation::ALL.get(node[1])?, first), (*Operation::ALL.get(node[2])?, second)];
    }
    Cell::new(inputs).ok()
}
