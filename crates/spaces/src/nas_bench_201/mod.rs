//! NAS-Bench-201 (Dong and Yang, ICLR 2020), called the topology search space in NATS-Bench.
//!
//! A cell has four nodes. Each of the six edges from an earlier to a later node carries one of five
//! operations, and a node is the sum of what its edges bring: 5^6 = 15,625 cells.

mod cell;
mod classes;
mod cost;
mod encoding;
mod order;
mod text;

pub use cell::{Cell, EDGES, Operation};
pub use cost::Skeleton;
pub use encoding::{FullEncoding, PrunedEncoding};

use crate::SpaceError;
use nas_core::{Decisions, ParseArchError, SearchSpace, Stream};
use rand::RngExt;
use std::collections::BTreeMap;

/// Number of cells.
const LEN: u16 = 15_625;

/// The space.
///
/// ```
/// use nas_core::{SearchSpace, Seed};
/// use spaces::NasBench201;
/// let cell = NasBench201.sample(&mut Seed(0).stream("example"));
/// assert_eq!(NasBench201.parse(&cell.to_string())?, cell);
/// assert_eq!(NasBench201.len(), Some(15_625));
/// # Ok::<(), nas_core::ParseArchError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NasBench201;

impl NasBench201 {
    /// The name in records and errors.
    pub const NAME: &'static str = "nas-bench-201";

    /// The cell with this index in the published tables.
    ///
    /// # Errors
    /// An index past 15,624.
    pub fn get(&self, index: usize) -> Result<Cell, SpaceError> {
        let code = order::codes().get(index).copied();
        let (space, len) = (Self::NAME, usize::from(LEN));
        code.map(Cell::from_code).ok_or(SpaceError::Index { space, index, len })
    }

    /// The class of each cell, by index. Classes are numbered from 0 in the order in which they first occur;
    /// there are 6,466. [`Cell::class`] says what is told apart. Takes some ten milliseconds.
    ///
    /// ```
    /// let classes = spaces::NasBench201.classes();
    /// assert_eq!(classes.len(), 15_625);
    /// assert_eq!(classes.iter().max(), Some(&6_465));
    /// ```
    pub fn classes(&self) -> Vec<usize> {
        let mut known = BTreeMap::new();
        let class = |cell: Cell| {
            let next = known.len();
            *known.entry(cell.class()).or_insert(next)
        };
        order::codes().iter().copied().map(Cell::from_code).map(class).collect()
    }
}

impl SearchSpace for NasBench201 {
    type Arch = Cell;

    fn name(&self) -> &str {
        Self::NAME
    }

    fn len(&self) -> Option<u64> {
        Some(u64::from(LEN))
    }

    /// Uniform over the 15,625 cells.
    fn sample(&self, rng: &mut Stream) -> Cell {
        Cell::from_code(rng.random_range(0..LEN))
    }

    /// Another operation on one edge, uniform over the 24 neighbours.
    fn mutate(&self, cell: &Cell, rng: &mut Stream) -> Cell {
        let (edge, step) = (rng.random_range(0..EDGES.len()), rng.random_range(1..Operation::ALL.len()));
        let mut ops = cell.operations();
        ops[edge] = Operation::ALL[(ops[edge].number() + step) % Operation::ALL.len()];
        Cell::new(ops)
    }

    /// The 24 cells that differ in one edge: by edge, then by operation.
    fn neighbours(&self, cell: &Cell) -> Vec<Cell> {
        let ops = cell.operations();
        let other = |edge: usize| {
            Operation::ALL.into_iter().filter(move |op| *op != ops[edge]).map(move |op| {
                let mut changed = ops;
                changed[edge] = op;
                Cell::new(changed)
            })
        };
        (0..EDGES.len()).flat_map(other).collect()
    }

    fn parse(&self, text: &str) -> Result<Cell, ParseArchError> {
        text.parse()
    }

    /// All cells by index.
    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Cell> + '_>> {
        Some(Box::new(order::codes().iter().copied().map(Cell::from_code)))
    }
}

/// One decision an edge, in the order of [`EDGES`]; a choice is the number of an operation.
impl Decisions for NasBench201 {
    fn decisions(&self) -> Vec<usize> {
        vec![Operation::ALL.len(); EDGES.len()]
    }

    fn choices_of(&self, cell: &Cell) -> Vec<usize> {
        cell.operations().map(Operation::number).to_vec()
    }

    fn arch_of(&self, choices: &[usize]) -> Option<Cell> {
        let ops: Option<Vec<Operation>> =
            choices.iter().map(|&choice| Operation::ALL.get(choice).copied()).collect();
        Some(Cell::new(ops?.try_into().ok()?))
    }
}
