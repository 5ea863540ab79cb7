use crate::table::Cell;
use crate::{ColumnInfo, Kind, Table};

/// What one split of the data gave at one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measured {
    /// Accuracy, in the unit of the source; none where there is none.
    pub accuracy: Option<f64>,
    /// Accuracy when five guesses are free, likewise.
    pub accuracy5: Option<f64>,
    /// Loss.
    pub loss: Option<f64>,
    /// Seconds.
    pub seconds: Option<f64>,
}

/// The splits of a row of curves, and how they are called in its columns.
pub(super) const SPLITS: [&str; 4] = ["train", "valid", "test", "valid_and_test"];

/// The columns of a table of curves: one row an architecture, run and epoch, whatever the benchmark.
///
/// `arch, schedule, dataset, seed, epoch`, then for each of the splits `train`, `valid`, `test` and
/// `valid_and_test` (what NATS-Bench calls `ori-test` of CIFAR-100 and ImageNet16-120) accuracy, top-5
/// accuracy, loss and seconds; then what is known of the run as a whole, in its first row: `params`, `flops`
/// and `latencies_s`, the measured latencies as a JSON list.
pub fn curve_columns() -> Vec<ColumnInfo> {
    let text = |name: &str| ColumnInfo::new(name, Kind::Text);
    let whole = |name: &str| ColumnInfo::new(name, Kind::Integer);
    let mut columns =
        vec![text("arch"), whole("schedule").unit("epochs"), text("dataset"), whole("seed"), whole("epoch")];
    for split in SPLITS {
        let column = |what: &str| ColumnInfo::new(format!("{split}_{what}"), Kind::Number).split(split);
        columns.extend([column("acc"), column("acc5"), column("loss"), column("time_s").unit("s")]);
    }
    let number = |name: &str| ColumnInfo::new(name, Kind::Number);
    columns.extend([number("params"), number("flops"), text("latencies_s")]);
    columns
}

/// An empty table of [`curve_columns`].
pub fn no_curves() -> Table {
    Table::new(curve_columns())
}

/// One row of [`curve_columns`].
pub(super) struct CurveRow<'a> {
    pub(super) arch: &'a str,
    pub(super) schedule: i64,
    pub(super) dataset: &'a str,
    pub(super) seed: i64,
    pub(super) epoch: i64,
    pub(super) splits: [Measured; 4],
    /// Parameters, multiply-adds, latencies: of the run's first row alone.
    pub(super) run: (Option<f64>, Option<f64>, Option<String>),
}

impl CurveRow<'_> {
    pub(super) fn push_to(self, table: &mut Table) {
        let keys = [
            Cell::Text(self.arch.into()),
            Cell::Integer(self.schedule),
            Cell::Text(self.dataset.into()),
            Cell::Integer(self.seed),
            Cell::Integer(self.epoch),
        ];
        let of =
            |split: &Measured| [split.accuracy, split.accuracy5, split.loss, split.seconds].map(Cell::from);
        let (params, flops, latencies) = self.run;
        let run = [Cell::from(params), Cell::from(flops), latencies.map_or(Cell::None, Cell::Text)];
        table.push(keys.into_iter().chain(self.splits.iter().flat_map(of)).chain(run));
    }
}
