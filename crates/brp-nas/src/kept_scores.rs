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
    /// By class, a value a name; NaN where a score is not defined, none where it is not there.
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
        let values = row.iter().skip(1).map(|value| value.parse().ok()).collect();
        rows.insert(*classes.get(cell.index())?, values);
    }
    Some(Scores { names, rows, classes })
}

/// The scores that it has of every class.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let whole = |&(column, _): &(usize, &String)| SCORES.rows.values().all(|row| row[column].is_some());
    SCORES.names.iter().enumerate().filter(whole).map(|(_, name)| name.as_str())
}

/// The score of a cell's class, where it is defined.
pub(crate) fn get(name: &str, cell: &Cell) -> Option<f64> {
    let column = SCORES.names.iter().position(|known| known == name)?;
    SCORES.rows.get(SCORES.classes.get(cell.index())?)?.get(column)?.filter(|value| value.is_finite())
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
