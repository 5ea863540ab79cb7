//! DARTS (Liu, Simonyan and Yang, ICLR 2019).
//!
//! A normal and a reduction cell. Each has four intermediate nodes; a node is the sum of two operations on two
//! different earlier states: (180 * 7^8)^2, about 1.08e18 genotypes.

mod decisions;
mod encoding;
mod genotype;
mod text;

pub use encoding::CellsEncoding;
pub use genotype::{Cell, Genotype, Input, NODES, Operation};

use crate::{Shuffled, SpaceError};
use nas_core::{ParseArchError, SearchSpace, Stream};
use rand::RngExt;

/// Number of sorted cells: 1, 3, 6 and 10 pairs of sources, seven operations on each of eight edges.
const CELLS: u64 = 180 * 5_764_801;

/// Number of sorted genotypes.
const LEN: u64 = CELLS * CELLS;

/// The space. What it samples, numbers and finds as neighbours are [sorted](Genotype::sorted) genotypes.
///
/// ```
/// use nas_core::{SearchSpace, Seed};
/// use spaces::Darts;
/// let genotype = Darts.sample(&mut Seed(0).stream("example"));
/// assert_eq!(Darts.parse(&genotype.to_string())?, genotype);
/// assert_eq!(Darts.neighbours(&genotype).len(), 120);
/// # Ok::<(), nas_core::ParseArchError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Darts;

impl Darts {
    /// The name in records and errors.
    pub const NAME: &'static str = "darts";

    /// The sorted genotype with this number: the normal cell most significant, in a cell node 2, of a node the
    /// pair of sources in lexicographic order, then the operation of the first. Our own numbering.
    ///
    /// # Errors
    /// A number past 1,076,746,950,455,072,399.
    pub fn get(&self, index: u64) -> Result<Genotype, SpaceError> {
        let space = Self::NAME;
        if index >= LEN {
            return Err(SpaceError::Number { space, number: index, len: LEN });
        }
        Ok(Genotype { normal: cell(index / CELLS)?, reduce: cell(index % CELLS)? })
    }

    /// The number of the sorted genotype.
    ///
    /// ```
    /// # use spaces::Darts;
    /// assert_eq!(Darts.index(&Darts.get(123_456_789_000)?), 123_456_789_000);
    /// # Ok::<(), spaces::SpaceError>(())
    /// ```
    pub fn index(&self, genotype: &Genotype) -> u64 {
        number(genotype.normal) * CELLS + number(genotype.reduce)
    }

    /// Random sorted genotypes without repetition, up to all of them, in constant memory.
    ///
    /// ```
    /// use nas_core::Seed;
    /// use spaces::Darts;
    /// let some: Vec<_> = Darts.distinct(&mut Seed(0).stream("example")).take(3).collect();
    /// assert!(some[0] != some[1] && some[1] != some[2] && some[2] != some[0]);
    /// ```
    pub fn distinct(&self, rng: &mut Stream) -> impl Iterator<Item = Genotype> + use<> {
        // every number below LEN is that of a genotype
        Shuffled::new(LEN, rng).filter_map(|index| Darts.get(index).ok())
    }
}

/// Pairs of sources of a node that has so many.
fn pairs(sources: u64) -> u64 {
    sources * (sources - 1) / 2
}

fn cell(mut number: u64) -> Result<Cell, SpaceError> {
    let mut digit = |base: u64| {
        let digit = number % base;
        number /= base;
        digit
    };
    let mut inputs = [[(Operation::SkipConnect, 0); 2]; NODES];
    for (node, pair) in inputs.iter_mut().enumerate().rev() {
        let sources = node as u64 + 2;
        for input in pair.iter_mut().rev() {
            input.0 = Operation::try_from(digit(7) as u8)?;
        }
        let mut rank = digit(pairs(sources));
        let mut first = 0;
        while rank >= sources - 1 - first {
            rank -= sources - 1 - first;
            first += 1;
        }
        (pair[0].1, pair[1].1) = (first as usize, (first + 1 + rank) as usize);
    }
    Cell::new(inputs)
}

fn number(cell: Cell) -> u64 {
    (2..).zip(cell.sorted().inputs()).fold(0, |number, (sources, [a, b])| {
        let rank = decisions::rank(sources as usize, a.1, b.1) as u64;
        ((number * pairs(sources) + rank) * 7 + a.0 as u64) * 7 + b.0 as u64
    })
}

impl SearchSpace for Darts {
    type Arch = Genotype;

    fn name(&self) -> &str {
        Self::NAME
    }

    /// Sorted genotypes: 1,076,746,950,455,072,400.
    fn len(&self) -> Option<u64> {
        Some(LEN)
    }

    /// Uniform over the sorted genotypes, as eagle draws them up to the order of inputs: two different sources
    /// a node, operations uniform.
    fn sample(&self, rng: &mut Stream) -> Genotype {
        loop {
            if let Ok(genotype) = self.get(rng.random_range(0..LEN)) {
                return genotype;
            }
        }
    }

    /// Uniform over the 120 neighbours.
    fn mutate(&self, genotype: &Genotype, rng: &mut Stream) -> Genotype {
        let near = self.neighbours(genotype);
        near[rng.random_range(0..near.len())]
    }

    /// The 120 sorted genotypes in which one edge has another operation (96) or another source (24), by edge.
    fn neighbours(&self, genotype: &Genotype) -> Vec<Genotype> {
        let of = |cell: Cell| {
            let inputs = cell.sorted().inputs();
            let mut found = Vec::with_capacity(60);
            for (node, pair) in inputs.iter().enumerate() {
                for (place, &(op, source)) in pair.iter().enumerate() {
                    let other = pair[1 - place].1;
                    let ops = Operation::ALL.into_iter().filter(|new| *new != op).map(|new| (new, source));
                    let sources = (0..node + 2).filter(|new| *new != source && *new != other);
                    for input in ops.chain(sources.map(|new| (op, new))) {
                        let mut changed = inputs;
                        changed[node][place] = input;
                        found.extend(Cell::new(changed).map(Cell::sorted));
                    }
                }
            }
            found
        };
        let Genotype { normal, reduce } = genotype.sorted();
        let first = of(normal).into_iter().map(|normal| Genotype { normal, reduce });
        first.chain(of(reduce).into_iter().map(|reduce| Genotype { normal, reduce })).collect()
    }

    fn parse(&self, text: &str) -> Result<Genotype, ParseArchError> {
        text.parse()
    }

    /// None: there are too many.
    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Genotype> + '_>> {
        None
    }
}
