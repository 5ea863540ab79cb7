//! The table of zero-cost scores of NAS-Bench-201 that comes with the program, one row a class of cells.

use flate2::read::GzDecoder;
use spaces::NasBench201;
use spaces::nas_bench_201::Cell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static FILE: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/proxies/nas_bench_201/scores.csv.gz"
));

#[derive(Default)]
struct Scores {
    names: Vec<String>,
    /// By class, a value a name.
    rows: BTreeMap<usize, Vec<Option<f64>>>,
    classes: Vec<usize>,
}

/// Nothing where the file cannot be read, which a test would tell.
static SCORES: LazyLock<Scores> = LazyLock::new(|| read().unwrap_or_default());

fn read() -> Option<Scores> {
    let mut reader = csv::Reader::from_reader(GzDecoder::new(FILE));
    let names: Vec<String> = reader.headers().ok()?.iter().skip(1).map(String::from).collect();
    let classes = NasBench201.classes();
    let mut rows = BTreeMap::new();
    for row in reader.records() {
        let row = row.ok()?;
        let cell: Cell = row.get(0)?.parse().ok()?;
        let values = row
            .iter()
            .skip(1)
            .map(|value| value.parse().ok().filter(|value: &f64| value.is_finite()))
            .collect();
        rows.insert(*classes.get(cell.index())?, values);
    }
    Some(Scores { names, rows, classes })
}

/// The scores that it has.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SCORES.names.iter().map(String::as_str)
}

/// Those that nine of ten classes have.
pub(crate) fn complete() -> impl Iterator<Item = &'static str> {
    let enough = |column: usize| {
        let there = SCORES.rows.values().filter(|row| row.get(column).is_some_and(Option::is_some)).count();
        10 * there >= 9 * SCORES.rows.len()
    };
    SCORES.names.iter().enumerate().filter(move |(column, _)| enough(*column)).map(|(_, name)| name.as_str())
}

/// The score of a cell's class.
pub(crate) fn get(name: &str, cell: &Cell) -> Option<f64> {
    let column = SCORES.names.iter().position(|known| known == name)?;
    *SCORES.rows.get(SCORES.classes.get(cell.index())?)?.get(column)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_finds_its_class() {
        let scored = (0..15_625).filter_map(|index| get("synflow", &NasBench201.get(index).ok()?)).count();
        // but for the cells without a path, whose synflow is 0 and has no logarithm
        assert!(scored > 15_000, "{scored}");
        assert!(get("no such score", &NasBench201.get(0).unwrap()).is_none());
    }
}
