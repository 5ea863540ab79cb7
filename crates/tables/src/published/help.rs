//! HELP (Lee et al., 2021): `data/nasbench201/latency/DEVICE.pt`, a list or tensor of latencies in
//! milliseconds by the index of NAS-Bench-201.

use super::index;
use crate::{ColumnInfo, Flaw, Kind, Pickle, PickleLimits, Table, Values};

/// Reads such a file: one row a cell, the latency in ms.
///
/// # Errors
/// No archive of `torch.save`, or not one number a cell.
pub fn read(bytes: &[u8], column: &str) -> Result<Table, Flaw> {
    let pickle = Pickle::read_torch(bytes, PickleLimits::default())?;
    let numbers = pickle.root().numbers().map_err(|flaw| flaw.within("data.pkl"))?;
    let cells = index::cells();
    if numbers.len() != cells {
        let expected = format!("{cells} numbers, one a cell of NAS-Bench-201");
        return Err(Flaw::new("data.pkl", expected, numbers.len()));
    }
    let finite = numbers.into_iter().map(|number| number.filter(|number| number.is_finite()));
    let mut table = Table::new(Vec::new());
    table.add(ColumnInfo::new("arch", Kind::Text), Values::Text(index::texts()));
    table.add(ColumnInfo::new("index", Kind::Integer), Values::Integer(index::numbers()));
    table.add(ColumnInfo::new(column, Kind::Number).unit("ms"), Values::Number(finite.collect()));
    Ok(table)
}
