//! Tables of numbers that come with the program, one row a class of equal NAS-Bench-201 cells.

use anyhow::{Context, anyhow};
use flate2::read::GzDecoder;
use spaces::NasBench201;
use spaces::nas_bench_201::Cell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The class of every cell.
static CLASSES: LazyLock<Vec<usize>> = LazyLock::new(|| NasBench201.classes());

/// The first cell of every class, in the order of the space.
static FIRSTS: LazyLock<Vec<Cell>> = LazyLock::new(|| {
    let mut known = 0;
    let mut is_new = |class: usize| {
        class == known && {
            known += 1;
            true
        }
    };
    let firsts = CLASSES.iter().enumerate().filter(|(_, class)| is_new(**class));
    firsts.filter_map(|(index, _)| NasBench201.get(index).ok()).collect()
});

/// The first cell of every class.
pub(crate) fn firsts() -> &'static [Cell] {
    &FIRSTS
}

/// The first cell of the class of a cell.
pub(crate) fn first(cell: &Cell) -> Cell {
    CLASSES.get(cell.index()).and_then(|class| FIRSTS.get(*class)).copied().unwrap_or(*cell)
}

/// Numbers by class and name.
#[derive(Debug, Default)]
pub(crate) struct ClassTable {
    names: Vec<String>,
    /// By class, a value a name; NaN where it is not defined, none where it is not there.
    rows: BTreeMap<usize, Vec<Option<f64>>>,
}

impl ClassTable {
    /// Of a CSV with a column `arch` first, compressed; a field that is no number is not there.
    pub(crate) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut reader = csv::Reader::from_reader(GzDecoder::new(bytes));
        let names: Vec<String> = reader.headers()?.iter().skip(1).map(String::from).collect();
        let mut rows = BTreeMap::new();
        for (number, row) in (2..).zip(reader.records()) {
            let row = row.with_context(|| format!("line {number}"))?;
            let cell: Cell =
                row.get(0).unwrap_or_default().parse().with_context(|| format!("line {number}"))?;
            let class =
                CLASSES.get(cell.index()).copied().with_context(|| format!("line {number}: no class"))?;
            if rows.insert(class, row.iter().skip(1).map(|value| value.parse().ok()).collect()).is_some() {
                return Err(anyhow!("line {number}: {cell} is of a class that was there already"));
            }
        }
        Ok(Self { names, rows })
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The names of what it has of every class.
    pub(crate) fn whole(&self) -> impl Iterator<Item = &str> {
        let whole = |&(column, _): &(usize, &String)| self.rows.values().all(|row| row[column].is_some());
        self.names.iter().enumerate().filter(whole).map(|(_, name)| name.as_str())
    }

    /// How many classes have a number of this name.
    pub(crate) fn count(&self, name: &str) -> usize {
        let column = self.names.iter().position(|known| known == name);
        column.map_or(0, |column| self.rows.values().filter(|row| row[column].is_some()).count())
    }

    /// The number of a cell's class, where it is defined.
    pub(crate) fn get(&self, name: &str, cell: &Cell) -> Option<f64> {
        let column = self.names.iter().position(|known| known == name)?;
        self.rows.get(CLASSES.get(cell.index())?)?.get(column)?.filter(|value| value.is_finite())
    }
}
