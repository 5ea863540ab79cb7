//! NAS-Bench-ASR (Mehrotra et al., ICLR 2021).
//!
//! A cell has three nodes in a row. A node is one of six operations on the state before it, plus any of the earlier
//! states: 6^3 * 2^6 = 13,824 cells, of which 8,242 differ as graphs.

mod cell;
mod encoding;
mod text;

pub use cell::{Cell, NODES, Operation, SKIPS};
pub use encoding::{FullEncoding, PrunedEncoding};

use crate::SpaceError;
use nas_core::{Decisions, ParseArchError, SearchSpace, Stream};
use rand::RngExt;
use std::collections::BTreeMap;

/// Number of cells.
const LEN: u16 = 13_824;

/// How many choices each place of the published list has: a node's operation, then its skips.
const CHOICES: [u16; 9] = [6, 2, 6, 2, 2, 6, 2, 2, 2];

/// The space.
///
/// ```
/// use nas_core::{SearchSpace, Seed};
/// use spaces::NasBenchAsr;
/// let cell = NasBenchAsr.sample(&mut Seed(0).stream("example"));
/// assert_eq!(NasBenchAsr.parse(&cell.to_string())?, cell);
/// assert_eq!(NasBenchAsr.neighbours(&cell).len(), 3 * 5 + 6);
/// # Ok::<(), nas_core::ParseArchError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NasBenchAsr;

impl NasBenchAsr {
    /// The name in records and errors.
    pub const NAME: &'static str = "nas-bench-asr";

    /// The cell with this place in the published enumeration (`get_all_architectures`): of the list that is
    /// written, the first number changes fastest.
    ///
    /// # Errors
    /// An index past 13,823.
    pub fn get(&self, index: usize) -> Result<Cell, SpaceError> {
        if index >= usize::from(LEN) {
            return Err(SpaceError::Index { space: Self::NAME, index, len: usize::from(LEN) });
        }
        let mut rest = index;
        Ok(Cell::from_places(CHOICES.map(|count| {
            let place = rest % usize::from(count);
            rest /= usize::from(count);
            place
        })))
    }

    /// The place of a cell in the published enumeration, from 0 to 13,823.
    ///
    /// ```
    /// # use spaces::NasBenchAsr;
    /// assert_eq!(NasBenchAsr.index(&NasBenchAsr.get(9_876)?), 9_876);
    /// # Ok::<(), spaces::SpaceError>(())
    /// ```
    pub fn index(&self, cell: &Cell) -> usize {
        let places = CHOICES.iter().zip(cell.places()).rev();
        places.fold(0, |index, (&count, place)| index * usize::from(count) + place)
    }

    /// The class of each cell, by index: cells of one [`graph_hash`](Cell::graph_hash) are one class. Classes are
    /// numbered from 0 in the order in which they first occur; there are 8,242. Takes some hundred milliseconds.
    ///
    /// ```
    /// let classes = spaces::NasBenchAsr.classes();
    /// assert_eq!((classes.len(), classes.iter().max()), (13_824, Some(&8_241)));
    /// ```
    pub fn classes(&self) -> Vec<usize> {
        let mut known = BTreeMap::new();
        let class = |cell: Cell| {
            let next = known.len();
            *known.entry(cell.graph_hash()).or_insert(next)
        };
        self.all().map(class).collect()
    }

    fn all(self) -> impl Iterator<Item = Cell> {
        (0..usize::from(LEN)).filter_map(move |index| self.get(index).ok())
    }
}

impl SearchSpace for NasBenchAsr {
    type Arch = Cell;

    fn name(&self) -> &str {
        Self::NAME
    }

    fn len(&self) -> Option<u64> {
        Some(u64::from(LEN))
    }

    /// Uniform over the 13,824 cells.
    fn sample(&self, rng: &mut Stream) -> Cell {
        Cell::from_places(CHOICES.map(|count| usize::from(rng.random_range(0..count))))
    }

    /// Uniform over the 21 neighbours.
    fn mutate(&self, cell: &Cell, rng: &mut Stream) -> Cell {
        let near = self.neighbours(cell);
        near[rng.random_range(0..near.len())]
    }

    /// The 21 cells in which one node has another operation or one skip is flipped, by place in the published list.
    fn neighbours(&self, cell: &Cell) -> Vec<Cell> {
        let places = cell.places();
        let other = |at: usize| {
            (0..usize::from(CHOICES[at])).filter(move |place| *place != places[at]).map(move |place| {
                let mut changed = places;
                changed[at] = place;
                Cell::from_places(changed)
            })
        };
        (0..CHOICES.len()).flat_map(other).collect()
    }

    fn parse(&self, text: &str) -> Result<Cell, ParseArchError> {
        text.parse()
    }

    /// All cells by index.
    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Cell> + '_>> {
        Some(Box::new(self.all()))
    }
}

/// The places of the published list: for each node the number of its operation, then each of its skips, 0 or 1.
impl Decisions for NasBenchAsr {
    fn decisions(&self) -> Vec<usize> {
        CHOICES.map(usize::from).to_vec()
    }

    fn choices_of(&self, cell: &Cell) -> Vec<usize> {
        cell.places().to_vec()
    }

    fn arch_of(&self, choices: &[usize]) -> Option<Cell> {
        let places: [usize; 9] = choices.try_into().ok()?;
        let fits = places.iter().zip(CHOICES).all(|(&place, count)| place < usize::from(count));
        fits.then(|| Cell::from_places(places))
    }
}
