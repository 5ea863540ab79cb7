//! HW-NAS-Bench (Li et al., 2021): `HW-NAS-Bench-v1_0.pickle`, lists by the index of NAS-Bench-201 for each
//! data set and device, and look-up tables of the blocks of FBNet.

use super::index;
use crate::table::Cell;
use crate::{ColumnInfo, Flaw, Kind, Node, Pickle, PickleLimits, Table, Values};
use std::collections::BTreeSet;

/// Columns of a table; published ones have 30.
const COLUMNS: usize = 200;
/// Blocks of the look-up tables.
const BLOCKS: usize = 100_000;
/// Bytes of a name; published ones have 30.
const NAME: usize = 1_000;
/// Keys of the configuration of an architecture; published ones have a few.
const KEYS: usize = 100;

/// The metrics, by the end of their names, with their units.
const UNITS: [(&str, &str); 3] =
    [("_latency", "ms"), ("_energy", "mJ"), ("_arithmetic_intensity", "ops/byte")];

/// Reads the part on NAS-Bench-201: one row a cell, a column for each data set and metric, -1 as missing.
///
/// The `config` that stands beside the metrics says which architecture an index means; it is compared.
///
/// # Errors
/// Where it is no such pickle, a list is not as long as the space, or an index means another architecture.
pub fn read(bytes: &[u8]) -> Result<Table, Flaw> {
    let pickle = Pickle::read(bytes, PickleLimits::default())?;
    let texts = index::texts();
    let mut table = Table::new(Vec::new());
    table.add(ColumnInfo::new("arch", Kind::Text), Values::Text(texts.clone()));
    table.add(ColumnInfo::new("index", Kind::Integer), Values::Integer(index::numbers()));
    let mut configs = 0;
    let spaces = pickle.root().get("nasbench201")?;
    for (dataset, metrics) in spaces.entries().map_err(|flaw| flaw.within("key 'nasbench201'"))? {
        let dataset = name(dataset)?;
        for (metric, values) in metrics.entries().map_err(|flaw| flaw.within(format!("key '{dataset}'")))? {
            let metric = name(metric)?;
            let within = |flaw: Flaw| flaw.within(format!("key '{dataset}', key '{metric}'"));
            if metric == "config" {
                configs += 1;
                if configs > COLUMNS {
                    return Err(within(Flaw::new("", format!("at most {COLUMNS} lists"), "more")));
                }
                check(values, &texts).map_err(within)?;
                continue;
            }
            if table.columns.len() == COLUMNS {
                return Err(within(Flaw::new("", format!("at most {COLUMNS} metrics"), "more")));
            }
            let len = values.items().map(|items| items.len());
            if len.is_ok_and(|len| len != texts.len()) {
                return Err(within(Flaw::new("", format!("{} values, one a cell", texts.len()), values)));
            }
            let numbers = values.numbers().map_err(within)?;
            if numbers.len() != texts.len() {
                return Err(within(Flaw::new(
                    "",
                    format!("{} values, one a cell", texts.len()),
                    numbers.len(),
                )));
            }
            let known = |value: &f64| value.is_finite() && *value != -1.0;
            let numbers = numbers.into_iter().map(|number| number.filter(known)).collect();
            table.add(info(format!("{dataset}_{metric}"), metric), Values::Number(numbers));
        }
    }
    Ok(table)
}

/// Reads the part on FBNet: one row a block, whose name stands in place of an architecture.
///
/// # Errors
/// Where it is no such pickle, or a metric has too many blocks or one whose value is no number.
pub fn read_blocks(bytes: &[u8]) -> Result<Table, Flaw> {
    let pickle = Pickle::read(bytes, PickleLimits::default())?;
    let metrics = pickle.root().get("fbnet")?;
    let within = |flaw: Flaw| flaw.within("key 'fbnet'");
    let mut columns = vec![ColumnInfo::new("arch", Kind::Text)];
    let (mut blocks, mut lists) = (BTreeSet::new(), Vec::new());
    for (metric, values) in metrics.entries().map_err(within)? {
        let metric = name(metric).map_err(within)?;
        if columns.len() == COLUMNS {
            return Err(within(Flaw::new("", format!("at most {COLUMNS} metrics"), "more")));
        }
        // beside the metrics stands what the search settled on
        let Ok(entries) = values.entries() else { continue };
        if metric == "config"
            || values.entries().is_ok_and(|mut all| all.all(|(_, one)| one.number().is_err()))
        {
            continue;
        }
        let within = |flaw: Flaw| within(flaw.within(format!("key '{metric}'")));
        let mut found = Vec::new();
        if entries.len() > BLOCKS {
            return Err(within(Flaw::new("", format!("at most {BLOCKS} blocks"), entries.len())));
        }
        for (block, value) in entries {
            let block = name(block).map_err(within)?;
            let value =
                value.number().map_err(|flaw| within(flaw.within(format!("key '{}'", Flaw::cut(block)))))?;
            blocks.insert(block);
            found.push((block, value));
        }
        found.sort_by_key(|(block, _)| *block);
        columns.push(info(metric.into(), metric));
        lists.push(found);
    }
    let mut table = Table::new(columns);
    for block in blocks {
        let value = |list: &Vec<(&str, f64)>| {
            let place = list.binary_search_by_key(&block, |(name, _)| *name).ok();
            let value = place.and_then(|place| list.get(place)).map(|(_, value)| *value);
            Cell::from(value.filter(|value| value.is_finite() && *value != -1.0))
        };
        table.push(std::iter::once(Cell::Text(block.into())).chain(lists.iter().map(value)));
    }
    Ok(table)
}

/// One text may be the key of many entries, each of which is looked at and copied.
fn name<'p>(key: Node<'p>) -> Result<&'p str, Flaw> {
    match key.text()? {
        text if text.len() > NAME => {
            Err(Flaw::new("", format!("a name of at most {NAME} bytes"), text.len()))
        }
        text => Ok(text),
    }
}

fn info(name: String, metric: &str) -> ColumnInfo {
    let column = ColumnInfo::new(name, Kind::Number);
    match UNITS.iter().find(|(end, _)| metric.ends_with(end)) {
        Some((_, unit)) => column.unit(unit),
        None => column,
    }
}

/// That the configurations name the architectures of the space, in its order.
fn check(configs: Node<'_>, texts: &[Option<String>]) -> Result<(), Flaw> {
    for (i, (config, text)) in configs.items()?.zip(texts).enumerate() {
        let len = config.entries()?.len();
        if len > KEYS {
            return Err(Flaw::new(format!("[{i}]"), format!("a dict of at most {KEYS} keys"), len));
        }
        let Some(arch) = config.find("arch_str")? else { continue };
        if Some(arch.text()?) != text.as_deref() {
            return Err(Flaw::new(format!("[{i}]"), format!("'{}'", text.clone().unwrap_or_default()), arch));
        }
    }
    Ok(())
}
