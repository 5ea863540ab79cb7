//! The table of zero-cost scores of NAS-Bench-201 that comes with the program, one row a class of cells.

use crate::classes::ClassTable;
use spaces::nas_bench_201::Cell;
use std::sync::LazyLock;

static FILE: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/proxies/nas_bench_201/scores.csv.gz"
));

/// Nothing where the file cannot be read, which a test would tell.
static SCORES: LazyLock<ClassTable> = LazyLock::new(|| ClassTable::read(FILE).unwrap_or_default());

/// The scores that it has of every class.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SCORES.whole()
}

/// The score of a cell's class, where it is defined.
pub(crate) fn get(name: &str, cell: &Cell) -> Option<f64> {
    SCORES.get(name, cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spaces::NasBench201;

    #[test]
    fn every_cell_finds_its_class() {
        let scored = (0..15_625).filter_map(|index| get("synflow", &NasBench201.get(index).ok()?)).count();
        // but for the cells without a path, whose synflow is 0 and has no logarithm
        assert!(scored > 15_000, "{scored}");
        assert!(get("no such score", &NasBench201.get(0).unwrap()).is_none());
    }
}
