use super::decode::{self, Packing};
use super::footer::{Footer, INTEGER, Leaf, STRING, UNKNOWN};
use super::pages::Pages;
use super::{KEY, Known};
use crate::source::VALUES;
use crate::{ColumnInfo, Flaw, Kind, Limits, Origin, Table, TableError, Values};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ADVICE: &str =
    "write it again, with flat columns of numbers and text, uncompressed, or with Snappy or gzip";

/// A Parquet file that was opened: its columns are known, its rows are read group by group.
///
/// Columns of floats, whole numbers, bools (as 0 and 1) and text are read, whoever wrote the file; others are
/// left out of [`ParquetTable::columns`]. What the footer says of a table of ours is in
/// [`ParquetTable::origin`].
pub struct ParquetTable {
    path: PathBuf,
    file: File,
    footer: Footer,
    limits: Limits,
    columns: Vec<ColumnInfo>,
    /// Where the columns stand among those of the file.
    places: Vec<usize>,
    origin: Option<Origin>,
    rows: usize,
}

impl ParquetTable {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// A file that cannot be read, or is no Parquet file.
    pub fn open(path: impl AsRef<Path>, limits: Limits) -> Result<Self, TableError> {
        let path = path.as_ref();
        let broken = |flaw| broken(path, flaw);
        let mut file = File::open(path).map_err(|source| TableError::Open { file: path.into(), source })?;
        let footer = Footer::read(&mut file).map_err(broken)?;
        let rows = usize::try_from(footer.rows);
        let rows = rows.map_err(|_| broken(Flaw::new("the footer", "a number of rows", footer.rows)))?;
        let parts = footer.groups.iter().map(|group| group.rows).try_fold(0_i64, i64::checked_add);
        if parts != Some(footer.rows) {
            return Err(broken(Flaw::new(
                "the footer",
                format!("{rows} rows in its groups"),
                "another number",
            )));
        }
        let ours =
            footer.pairs.iter().find(|(key, _)| key == KEY).map(|(_, value)| serde_json::from_str(value));
        let ours: Option<Known> = ours.transpose().map_err(|error| {
            broken(Flaw::new(format!("`{KEY}` in the footer"), "what a table of ours says", error))
        })?;
        let (mut columns, mut places) = (Vec::new(), Vec::new());
        for (place, leaf) in footer.leaves.iter().enumerate() {
            let Some(kind) = kind(leaf) else { continue };
            let known = ours.iter().flat_map(|known| &known.columns).find(|info| info.name == leaf.name);
            let info = known.filter(|info| info.kind == kind).cloned();
            columns.push(info.unwrap_or_else(|| ColumnInfo::new(leaf.name.as_str(), kind)));
            places.push(place);
        }
        let origin = ours.map(|known| known.origin);
        Ok(Self { path: path.into(), file, footer, limits, columns, places, origin, rows })
    }

    /// The columns that can be read, in the order of the file.
    pub fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    /// Where the table comes from; none where somebody else wrote the file.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.footer.groups.len()
    }

    /// The rows of one group, of the columns at these places of [`ParquetTable::columns`].
    ///
    /// # Errors
    /// More rows than the limits allow, a damaged page, a compression that is not known, text that is not UTF-8.
    pub fn group(&mut self, group: usize, columns: &[usize]) -> Result<Table, TableError> {
        let rows = self.footer.groups.get(group).map_or(0, |group| group.rows);
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        self.check(rows, columns.len(), &format!("row group {group}"))?;
        let mut table = Table::new(Vec::new());
        for &column in columns {
            let (Some(info), Some(&place)) = (self.columns.get(column), self.places.get(column)) else {
                continue;
            };
            let name = info.name.clone();
            let info = info.clone();
            let values = self.chunk(group, place, info.kind);
            let values = values.map_err(|flaw| {
                broken(&self.path, flaw.within(format!("row group {group}, column `{name}`")))
            })?;
            if table.values.first().is_some_and(|first| first.len() != values.len()) {
                let flaw = Flaw::new(
                    format!("row group {group}, column `{name}`"),
                    table.rows().to_string(),
                    values.len(),
                );
                return Err(broken(&self.path, flaw));
            }
            table.add(info, values);
        }
        Ok(table)
    }

    /// All rows, of the columns at these places.
    ///
    /// # Errors
    /// As [`ParquetTable::group`].
    pub fn read(&mut self, columns: &[usize]) -> Result<Table, TableError> {
        self.check(self.rows, columns.len(), "the footer")?;
        let infos = columns.iter().filter_map(|&column| self.columns.get(column).cloned()).collect();
        let mut table = Table::new(infos);
        for group in 0..self.groups() {
            table.append(self.group(group, columns)?.values);
        }
        Ok(table)
    }

    /// What is to be in memory at once.
    fn check(&self, rows: usize, columns: usize, place: &str) -> Result<(), TableError> {
        let values = rows.saturating_mul(columns);
        let flaw = match self.limits.rows {
            most if rows > most => Flaw::new(place, format!("at most {most} rows at once"), rows),
            _ if values > VALUES => Flaw::new(place, format!("at most {VALUES} values at once"), values),
            _ => return Ok(()),
        };
        Err(broken(&self.path, flaw))
    }

    fn chunk(&mut self, group: usize, place: usize, kind: Kind) -> Result<Values, Flaw> {
        let (leaf, group) = (self.footer.leaves.get(place), self.footer.groups.get(group));
        let part = group.and_then(|group| group.parts.get(place));
        let (Some(leaf), Some(group), Some(part)) = (leaf, group, part) else {
            return Err(Flaw::new("", "a part of every column", "none"));
        };
        let rows = usize::try_from(group.rows).ok().filter(|rows| *rows <= self.rows);
        let rows = rows.ok_or_else(|| Flaw::new("", format!("at most {} rows", self.rows), group.rows))?;
        // some writers say 0 where there is no dictionary
        let start =
            part.dictionary.filter(|start| *start > 0).map_or(part.data, |start| start.min(part.data));
        let (Ok(start), Ok(len)) = (u64::try_from(start), u64::try_from(part.len)) else {
            return Err(Flaw::new("", "a place in the file", start));
        };
        let packing = match part.codec {
            0 => Packing::None,
            1 => Packing::Snappy,
            2 => Packing::Gzip,
            other => {
                let names = ["LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW"];
                let name = usize::try_from(other - 3).ok().and_then(|other| names.get(other));
                return Err(Flaw::new("", "no compression, Snappy or gzip", name.unwrap_or(&"another")));
            }
        };
        let (optional, physical, unsigned) = (leaf.optional, leaf.physical, leaf.unsigned);
        let pages = Pages::new(&mut self.file, start, len);
        let limit = self.limits.text_bytes;
        Ok(match (physical, kind) {
            (5, Kind::Number) => {
                let mut plain = |bytes: &[u8], count| decode::fixed(bytes, count, f64::from_le_bytes);
                Values::Number(decode::values(pages, packing, rows, optional, &mut plain)?)
            }
            (4, Kind::Number) => {
                let convert = |bytes| f64::from(f32::from_le_bytes(bytes));
                let mut plain = |bytes: &[u8], count| decode::fixed(bytes, count, convert);
                Values::Number(decode::values(pages, packing, rows, optional, &mut plain)?)
            }
            (2, Kind::Integer) => {
                let mut plain = |bytes: &[u8], count| decode::fixed(bytes, count, i64::from_le_bytes);
                Values::Integer(decode::values(pages, packing, rows, optional, &mut plain)?)
            }
            (1, Kind::Integer) => {
                let convert = |bytes| match unsigned {
                    true => i64::from(u32::from_le_bytes(bytes)),
                    false => i64::from(i32::from_le_bytes(bytes)),
                };
                let mut plain = |bytes: &[u8], count| decode::fixed(bytes, count, convert);
                Values::Integer(decode::values(pages, packing, rows, optional, &mut plain)?)
            }
            (0, Kind::Integer) => {
                Values::Integer(decode::values(pages, packing, rows, optional, &mut decode::bools)?)
            }
            (6, Kind::Text) => {
                let shared: Vec<Option<Arc<str>>> =
                    decode::values(pages, packing, rows, optional, &mut |bytes, count| {
                        Ok(decode::texts(bytes, count)?.into_iter().map(Arc::from).collect())
                    })?;
                // a text of a dictionary is named often and kept once: it counts each time
                let len: u64 = shared.iter().flatten().map(|text| text.len() as u64).sum();
                if len > limit {
                    return Err(Flaw::new("", format!("at most {limit} bytes of text"), len));
                }
                Values::Text(shared.into_iter().map(|text| text.map(|text| text.to_string())).collect())
            }
            _ => return Err(Flaw::new("", "the type that the schema says", physical)),
        })
    }
}

/// What the values of a column are; none where they cannot be read.
fn kind(leaf: &Leaf) -> Option<Kind> {
    // whole numbers with a meaning of their own, as decimals and dates, are not what they seem
    let whole = match (leaf.logical, leaf.converted) {
        // without a value in it, nobody knows what a column holds
        (Some(logical), _) => logical == INTEGER || logical == UNKNOWN,
        (None, converted) => matches!(converted, None | Some(11..=18)),
    };
    let text = match (leaf.logical, leaf.converted) {
        (Some(logical), _) => logical == STRING,
        (None, converted) => matches!(converted, None | Some(0)),
    };
    Some(match leaf.physical {
        _ if !leaf.flat => return None,
        5 | 4 => Kind::Number,
        0 => Kind::Integer,
        1 if whole => Kind::Integer,
        // an i64 does not hold all of them
        2 if whole && !leaf.unsigned => Kind::Integer,
        6 if text => Kind::Text,
        _ => return None,
    })
}

fn broken(path: &Path, flaw: Flaw) -> TableError {
    TableError::Broken { file: path.into(), flaw: Box::new(flaw), advice: ADVICE }
}
