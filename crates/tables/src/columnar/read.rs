use super::decode::{self, Packing};
use super::footer::{Footer, INTEGER, Leaf, STRING, UNKNOWN};
use super::pages::Pages;
use super::{KEY, Known};
use crate::source::VALUES;
use crate::{ColumnInfo, Flaw, Kind, Limits, Origin, Table, TableError, Values, bytes};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ADVICE: &str =
    "write it again, with flat columns of numbers and text, uncompressed, or with Snappy or gzip";

/// A Parquet file that was opened: its columns are known, its rows are read group by group.
///
/// Columns of floats, whole numbers, bools (as 0 and 1) and text are read, whoever wrote the file; others are
/// left out of [`ParquetTable::columns`] and named by [`ParquetTable::left_out`]. What the footer says of a table of
/// ours is in [`ParquetTable::origin`].
pub struct ParquetTable {
    path: PathBuf,
    file: File,
    footer: Footer,
    limits: Limits,
    columns: Vec<ColumnInfo>,
    /// Where the columns stand among those of the file.
    places: Vec<usize>,
    left_out: Vec<(String, String)>,
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
        let (mut columns, mut places, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (place, leaf) in footer.leaves.iter().enumerate() {
            let Some(kind) = kind(leaf) else {
                // a group is named once
                if leaf.flat || !leaf.name.is_empty() {
                    left_out.push((leaf.name.clone(), type_of(leaf).to_owned()));
                }
                continue;
            };
            let known = ours.iter().flat_map(|known| &known.columns).find(|info| info.name == leaf.name);
            let info = known.filter(|info| info.kind == kind).cloned();
            columns.push(info.unwrap_or_else(|| ColumnInfo::new(leaf.name.as_str(), kind)));
            places.push(place);
        }
        let origin = ours.map(|known| known.origin);
        Ok(Self { path: path.into(), file, footer, limits, columns, places, left_out, origin, rows })
    }

    /// The columns that can be read, in the order of the file.
    pub fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    /// The columns that cannot be read, in the order of the file: the name of each, and what it holds as Parquet calls
    /// it, for instance `DATE`.
    pub fn left_out(&self) -> &[(String, String)] {
        &self.left_out
    }

    /// What is to be said of [`ParquetTable::left_out`]; none where all columns can be read.
    pub fn note(&self) -> Option<String> {
        const NAMED: usize = 40;
        let all = &self.left_out;
        let mut said: Vec<String> =
            all.iter().take(NAMED).map(|(name, kind)| format!("`{}` ({kind})", Flaw::cut(name))).collect();
        if all.len() > NAMED {
            said.push(format!("{} more", all.len() - NAMED));
        }
        (!said.is_empty()).then(|| format!("left out, because their types are not read: {}", said.join(", ")))
    }

    /// SHA-256 of the file that was opened, in hexadecimal.
    pub(crate) fn sha256(&self) -> Result<String, TableError> {
        let failed = |source| TableError::Read { file: self.path.clone(), line: 0, source };
        bytes::sha256(&self.file).map_err(failed)
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
    /// More rows or text than the limits allow, a damaged page, a compression that is not known, text that is not
    /// UTF-8, a whole number without a sign that 64 bits with a sign do not hold.
    pub fn group(&mut self, group: usize, columns: &[usize]) -> Result<Table, TableError> {
        let mut left = self.limits.text_bytes;
        self.group_within(group, columns, &mut left)
    }

    /// [`ParquetTable::group`] of which the text has at most `left` bytes, which is then less by them.
    fn group_within(&mut self, group: usize, columns: &[usize], left: &mut u64) -> Result<Table, TableError> {
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
            let values = self.chunk(group, place, info.kind, left);
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
        let mut left = self.limits.text_bytes;
        for group in 0..self.groups() {
            table.append(self.group_within(group, columns, &mut left)?.values);
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

    fn chunk(&mut self, group: usize, place: usize, kind: Kind, left: &mut u64) -> Result<Values, Flaw> {
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
        let Limits { line_bytes, text_bytes, .. } = self.limits;
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
            (2, Kind::Integer) if unsigned => {
                let mut plain = |bytes: &[u8], count| {
                    let values = decode::fixed(bytes, count, u64::from_le_bytes)?.into_iter();
                    values.map(|value| i64::try_from(value).map_err(|_| too_large(value))).collect()
                };
                Values::Integer(decode::values(pages, packing, rows, optional, &mut plain)?)
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
                let too_much = || Flaw::new("", format!("at most {text_bytes} bytes of text"), "more");
                let len = |text: &Arc<str>| text.len() as u64;
                // page by page too, before a small file has filled the memory
                let mut room = *left;
                let mut plain = |bytes: &[u8], count| {
                    let texts = decode::texts(bytes, count, line_bytes)?;
                    room = room.checked_sub(texts.iter().map(len).sum()).ok_or_else(too_much)?;
                    Ok(texts)
                };
                let shared = decode::values(pages, packing, rows, optional, &mut plain)?;
                // a text of a dictionary is named often and kept once so far: it counts each time
                let all = shared.iter().flatten().map(len).sum();
                *left = left.checked_sub(all).ok_or_else(too_much)?;
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
        1 | 2 if whole => Kind::Integer,
        6 if text => Kind::Text,
        _ => return None,
    })
}

/// What a column holds that cannot be read, as parquet.thrift calls it.
fn type_of(leaf: &Leaf) -> &'static str {
    match (leaf.logical, leaf.converted, leaf.physical) {
        _ if !leaf.flat => "lists or groups",
        (Some(4), ..) | (None, Some(4), _) => "ENUM",
        (Some(5), ..) | (None, Some(5), _) => "DECIMAL",
        (Some(6), ..) | (None, Some(6), _) => "DATE",
        (Some(7), ..) | (None, Some(7 | 8), _) => "TIME",
        (Some(8), ..) | (None, Some(9 | 10), _) => "TIMESTAMP",
        (Some(12), ..) | (None, Some(19), _) => "JSON",
        (Some(13), ..) | (None, Some(20), _) => "BSON",
        (Some(14), ..) => "UUID",
        (Some(15), ..) => "FLOAT16",
        (None, Some(21), _) => "INTERVAL",
        (_, _, 3) => "INT96",
        (_, _, 7) => "FIXED_LEN_BYTE_ARRAY",
        _ => "a type that is not known",
    }
}

/// A whole number of 64 bits without a sign.
fn too_large(value: u64) -> Flaw {
    Flaw::new("", format!("whole numbers up to {}, or text", i64::MAX), value)
}

fn broken(path: &Path, flaw: Flaw) -> TableError {
    TableError::Broken { file: path.into(), flaw: Box::new(flaw), advice: ADVICE }
}
