//! LatBench of eagle (BRP-NAS): averaged pickles `{vector: seconds}`, and the raw measurements behind them,
//! `[(vector, [[seconds, ...], ...]), ...]` or `"invalid"` in place of the times.

use super::index;
use crate::table::Cell;
use crate::{ColumnInfo, Flaw, Kind, Node, Pickle, PickleLimits, Table};

/// Architectures of a file, and times of one of them.
const ROWS: usize = 1_000_000;
const TIMES: usize = 4 << 20;

/// Reads an averaged file: one row a vector, the latency in seconds as published.
///
/// # Errors
/// Where it is no such dict, or a vector is no cell of NAS-Bench-201.
pub fn read_averaged(bytes: &[u8], column: &str) -> Result<Table, Flaw> {
    let pickle = Pickle::read(bytes, PickleLimits::default())?;
    let mut table = Table::new(vec![
        ColumnInfo::new("arch", Kind::Text),
        ColumnInfo::new("index", Kind::Integer),
        ColumnInfo::new(column, Kind::Number).unit("s"),
    ]);
    let entries = pickle.root().entries()?;
    if entries.len() > ROWS {
        return Err(Flaw::new("", format!("at most {ROWS} vectors"), entries.len()));
    }
    for (i, (key, value)) in entries.enumerate() {
        let within = |flaw: Flaw| flaw.within(format!("entry {i}"));
        let cell = index::eagle(&vector(key).map_err(within)?).map_err(within)?;
        let seconds = match value {
            invalid if invalid.text() == Ok("invalid") => None,
            value => Some(value.number().map_err(within)?).filter(|value| value.is_finite()),
        };
        table.push([Cell::Text(cell.to_string()), Cell::Integer(cell.index() as i64), Cell::from(seconds)]);
    }
    Ok(table)
}

/// Reads a raw file: one row a vector, the latency in seconds as eagle's `calc_stats.py` makes it of the
/// times, the number of runs and of times, and the times themselves as a JSON list of lists.
///
/// # Errors
/// Where it is no such list.
pub fn read_raw(bytes: &[u8], column: &str) -> Result<Table, Flaw> {
    let pickle = Pickle::read(bytes, PickleLimits::default())?;
    let mut table = Table::new(vec![
        ColumnInfo::new("arch", Kind::Text),
        ColumnInfo::new("index", Kind::Integer),
        ColumnInfo::new(column, Kind::Number).unit("s"),
        ColumnInfo::new("runs", Kind::Integer),
        ColumnInfo::new("times", Kind::Integer),
        ColumnInfo::new("times_s", Kind::Text).unit("s"),
    ]);
    let mut left = TIMES;
    for (i, pair) in pickle.root().items()?.enumerate() {
        let within = |flaw: Flaw| flaw.within(format!("entry {i}"));
        let parts: Vec<Node<'_>> = pair.items().map_err(within)?.take(3).collect();
        let [key, times] = parts.as_slice() else {
            return Err(within(Flaw::new("", "a vector and its times", pair)));
        };
        let cell = index::eagle(&vector(*key).map_err(within)?).map_err(within)?;
        let (arch, index) = (Cell::Text(cell.to_string()), Cell::Integer(cell.index() as i64));
        // "invalid", or what was left of a measurement that failed
        if times.items().is_err() {
            table.push([arch, index]);
            continue;
        }
        let mut runs = Vec::new();
        for run in times.items().map_err(within)? {
            // a list that is named again and again would grow without end
            let len = run.items().map_err(within)?.len();
            let enough = || within(Flaw::new("", format!("at most {TIMES} times"), "more"));
            left = left.checked_sub(len.max(1)).ok_or_else(enough)?;
            let run = run.numbers().map_err(within)?;
            runs.push(run.into_iter().flatten().collect::<Vec<f64>>());
        }
        let count: usize = runs.iter().map(Vec::len).sum();
        let latency = quartile_mean(runs.iter().filter_map(|run| quartile_mean(run.iter().copied())));
        table.push([
            arch,
            index,
            Cell::from(latency),
            Cell::Integer(runs.len() as i64),
            Cell::Integer(count as i64),
            Cell::Text(format!("{runs:?}")),
        ]);
    }
    Ok(table)
}

fn vector(node: Node<'_>) -> Result<Vec<i64>, Flaw> {
    let items = node.items()?;
    if items.len() != 6 {
        return Err(Flaw::new("", "a vector of 6 operations", node));
    }
    items.map(Node::int).collect()
}

/// Of finite values; none where there are none.
fn quartile_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    Some(nas_core::stats::interquartile_mean(&values)).filter(|mean| mean.is_finite())
}
