//! NAS-Bench-Suite-Zero (Krishnakumar et al., 2022): `zc_SPACE.json`, for each data set and architecture the
//! scores of zero-cost proxies with the seconds they took, and the validation accuracy.

use super::index;
use crate::json::without_nan;
use crate::{ColumnInfo, Flaw, Kind, Table, Values};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Columns, and values in all: published files have 90, and 1.5 million.
const COLUMNS: usize = 1_000;
const VALUES: usize = 32 << 20;
/// Bytes of a name; published ones have 100.
const NAME: usize = 1_000;

/// Reads such a file: one row an architecture, columns `DATASET_PROXY` and `DATASET_PROXY_s`, and whatever else
/// is a number under its own name.
///
/// Architectures that are vectors of NAS-Bench-201 become its text; others stay as they are published, as do those of
/// TransNAS-Bench-101, whose vectors look the same and are told by the data sets of the file.
///
/// # Errors
/// Where it is no such JSON: the line and column.
pub fn read(bytes: &[u8]) -> Result<Table, Flaw> {
    let bytes = without_nan(bytes);
    let mut found = Found::default();
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let read = Level::DataSets(&mut found).deserialize(&mut json).and_then(|()| json.end());
    read.map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Flaw::new(place, "{data set: {architecture: {proxy: {score, time}}}}", error)
    })?;
    Ok(found.table())
}

#[derive(Default)]
struct Found {
    rows: BTreeMap<String, usize>,
    archs: Vec<String>,
    columns: Vec<(String, Vec<Option<f64>>)>,
    places: BTreeMap<String, usize>,
    datasets: Vec<String>,
}

/// The data sets that NAS-Bench-201 is scored on, of which TransNAS-Bench-101 has the last three too.
const NAS_BENCH_201: [&str; 6] = ["cifar10", "cifar100", "ImageNet16-120", "ninapro", "svhn", "scifar100"];

impl Found {
    /// Whether vectors are those of NAS-Bench-201.
    fn is_nas_bench_201(&self) -> bool {
        let place = |dataset: &String| NAS_BENCH_201.iter().position(|known| known == dataset);
        let places: Option<Vec<usize>> = self.datasets.iter().map(place).collect();
        places.is_some_and(|places| places.iter().any(|place| *place < 3))
    }

    fn row(&mut self, arch: String) -> usize {
        let next = self.archs.len();
        *self.rows.entry(arch).or_insert_with_key(|arch| {
            self.archs.push(arch.clone());
            next
        })
    }

    fn set(&mut self, row: usize, name: String, value: Option<f64>) -> Result<(), String> {
        if name.len() > 2 * NAME {
            return Err(format!("a name of more than {} bytes", 2 * NAME));
        }
        let next = self.columns.len();
        let place = *self.places.entry(name).or_insert_with_key(|name| {
            self.columns.push((name.clone(), Vec::new()));
            next
        });
        if self.columns.len() > COLUMNS || self.columns.len() * self.archs.len() > VALUES {
            return Err(format!("more than {COLUMNS} columns or {VALUES} values"));
        }
        if let Some((_, values)) = self.columns.get_mut(place) {
            values.resize(values.len().max(row + 1), None);
            if let Some(slot) = values.get_mut(row) {
                *slot = value.filter(|value| value.is_finite());
            }
        }
        Ok(())
    }

    fn table(self) -> Table {
        let rows = self.archs.len();
        let mut table = Table::new(Vec::new());
        let ours = self.is_nas_bench_201();
        let cell = |numbers: Vec<i64>| index::naslib(&numbers).ok().filter(|_| ours);
        let text = |arch: &String| numbers(arch).and_then(cell);
        let cells: Vec<_> = self.archs.iter().map(text).collect();
        let archs = self
            .archs
            .into_iter()
            .zip(&cells)
            .map(|(arch, cell)| Some(cell.map_or(arch, |cell| cell.to_string())));
        table.add(ColumnInfo::new("arch", Kind::Text), Values::Text(archs.collect()));
        if cells.iter().all(Option::is_some) {
            let indices = cells.iter().map(|cell| cell.map(|cell| cell.index() as i64)).collect();
            table.add(ColumnInfo::new("index", Kind::Integer), Values::Integer(indices));
        }
        for (name, mut values) in self.columns {
            values.resize(rows, None);
            let info = ColumnInfo::new(name.as_str(), Kind::Number);
            let info = match name.as_str() {
                seconds if seconds.ends_with("_s") => info.unit("s"),
                accuracy if accuracy.ends_with("_val_accuracy") => info.unit("%").split("valid"),
                _ => info,
            };
            table.add(info, Values::Number(values));
        }
        table
    }
}

/// The numbers of `(4, 3, 3, 0, 0, 0)`.
fn numbers(text: &str) -> Option<Vec<i64>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    inner.split(',').map(|number| number.trim().parse().ok()).collect()
}

/// What an architecture has under a name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Score {
        score: Option<f64>,
        #[serde(default)]
        time: Option<f64>,
    },
    Number(f64),
    Other(IgnoredAny),
}

/// How deep in the file we are.
enum Level<'f> {
    DataSets(&'f mut Found),
    Archs(&'f mut Found, String),
    Entries(&'f mut Found, String, usize),
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DataSets(_) => "an object of data sets",
            Self::Archs(..) => "an object of architectures",
            Self::Entries(..) => "an object of proxies",
        })
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        match self {
            Self::DataSets(found) => {
                while let Some(dataset) = map.next_key::<String>()? {
                    if dataset.len() > NAME {
                        return Err(M::Error::custom(format!("a data set's name of more than {NAME} bytes")));
                    }
                    found.datasets.push(dataset.clone());
                    map.next_value_seed(Level::Archs(found, dataset))?;
                }
            }
            Self::Archs(found, dataset) => {
                while let Some(arch) = map.next_key::<String>()? {
                    let row = found.row(arch);
                    map.next_value_seed(Level::Entries(found, dataset.clone(), row))?;
                }
            }
            Self::Entries(found, dataset, row) => {
                while let Some((name, entry)) = map.next_entry::<String, Entry>()? {
                    let name = format!("{dataset}_{name}");
                    let set = match entry {
                        Entry::Score { score, time } => {
                            let seconds = found.set(row, format!("{name}_s"), time);
                            seconds.and_then(|()| found.set(row, name, score))
                        }
                        Entry::Number(number) => found.set(row, name, Some(number)),
                        Entry::Other(_) => Ok(()),
                    };
                    set.map_err(M::Error::custom)?;
                }
            }
        }
        Ok(())
    }
}
