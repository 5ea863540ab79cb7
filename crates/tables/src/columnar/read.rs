use super::{Footer, KEY, pages};
use crate::{ColumnInfo, Flaw, Kind, Limits, Origin, Table, TableError, Values};
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Bytes of the footer: some hundred a column and row group.
const FOOTER: u64 = 16 << 20;
/// Columns, row groups times columns.
const CHUNKS: usize = 1 << 20;
/// Rows that are decoded at once.
const BATCH: usize = 1 << 14;

const ADVICE: &str = "write it again, with flat columns of numbers and text, uncompressed or with Snappy";

/// A Parquet file that was opened: its columns are known, its rows are read group by group.
///
/// Columns of floats, whole numbers, bools (as 0 and 1) and text are read, whoever wrote the file; others are
/// left out of [`ParquetTable::columns`]. What the footer says of a table of ours is in
/// [`ParquetTable::origin`].
pub struct ParquetTable {
    path: PathBuf,
    file: File,
    reader: SerializedFileReader<File>,
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
    /// A file that cannot be read, is no Parquet file, or holds more than the limits allow.
    pub fn open(path: impl AsRef<Path>, limits: Limits) -> Result<Self, TableError> {
        let path = path.as_ref();
        let open = || File::open(path).map_err(|source| TableError::Open { file: path.into(), source });
        let mut file = open()?;
        check_footer(&mut file).map_err(|flaw| broken(path, flaw))?;
        let failed = |error| broken(path, footer(error));
        let reader = SerializedFileReader::new(open()?).map_err(failed)?;
        let metadata = reader.metadata().file_metadata();
        let rows = usize::try_from(metadata.num_rows()).unwrap_or(usize::MAX);
        if rows > limits.rows {
            let flaw = Flaw::new("the footer", format!("at most {} rows", limits.rows), metadata.num_rows());
            return Err(broken(path, flaw));
        }
        let chunks = metadata.schema_descr().num_columns().saturating_mul(reader.num_row_groups().max(1));
        if chunks > CHUNKS {
            return Err(broken(
                path,
                Flaw::new("the footer", format!("at most {CHUNKS} parts of columns"), chunks),
            ));
        }
        let pairs = metadata.key_value_metadata().into_iter().flatten();
        let ours = pairs.filter(|pair| pair.key == KEY).find_map(|pair| pair.value.as_deref());
        let ours: Option<Footer> = ours.map(serde_json::from_str).transpose().map_err(|error| {
            broken(path, Flaw::new(format!("`{KEY}` in the footer"), "what a table of ours says", error))
        })?;
        let (mut columns, mut places) = (Vec::new(), Vec::new());
        for (place, column) in metadata.schema_descr().columns().iter().enumerate() {
            let text = column.converted_type() == ConvertedType::UTF8
                || matches!(column.logical_type_ref(), Some(LogicalType::String))
                || column.logical_type_ref().is_none() && column.converted_type() == ConvertedType::NONE;
            let kind = match column.physical_type() {
                _ if column.max_rep_level() > 0 || column.max_def_level() > 1 => continue,
                Physical::DOUBLE | Physical::FLOAT => Kind::Number,
                Physical::INT32 | Physical::INT64 | Physical::BOOLEAN => Kind::Integer,
                Physical::BYTE_ARRAY if text => Kind::Text,
                _ => continue,
            };
            let known =
                ours.iter().flat_map(|footer| &footer.columns).find(|info| info.name == column.name());
            let info = known.filter(|info| info.kind == kind).cloned();
            columns.push(info.unwrap_or_else(|| ColumnInfo::new(column.name(), kind)));
            places.push(place);
        }
        let origin = ours.map(|footer| footer.origin);
        Ok(Self { path: path.into(), file, reader, limits, columns, places, origin, rows })
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
        self.reader.num_row_groups()
    }

    /// The rows of one group, of the columns at these places of [`ParquetTable::columns`].
    ///
    /// # Errors
    /// A damaged page, a compression that is not known, text that is not UTF-8.
    pub fn group(&mut self, group: usize, columns: &[usize]) -> Result<Table, TableError> {
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
        let infos = columns.iter().filter_map(|&column| self.columns.get(column).cloned()).collect();
        let mut table = Table::new(infos);
        for group in 0..self.groups() {
            let more = self.group(group, columns)?;
            for (values, more) in table.values.iter_mut().zip(more.values) {
                match (values, more) {
                    (Values::Number(values), Values::Number(more)) => values.extend(more),
                    (Values::Integer(values), Values::Integer(more)) => values.extend(more),
                    (Values::Text(values), Values::Text(more)) => values.extend(more),
                    _ => {}
                }
            }
        }
        Ok(table)
    }

    fn chunk(&mut self, group: usize, place: usize, kind: Kind) -> Result<Values, Flaw> {
        let reader = self.reader.get_row_group(group).map_err(page)?;
        let metadata = reader.metadata();
        let rows = usize::try_from(metadata.num_rows()).ok().filter(|rows| *rows <= self.rows);
        let rows =
            rows.ok_or_else(|| Flaw::new("", format!("at most {} rows", self.rows), metadata.num_rows()))?;
        let column = metadata.column(place);
        let starts = [Some(column.data_page_offset()), column.dictionary_page_offset()];
        let start = starts.into_iter().flatten().filter(|start| *start > 0).min().unwrap_or(-1);
        let (start, len) = (u64::try_from(start), u64::try_from(column.compressed_size()));
        let (Ok(start), Ok(len)) = (start, len) else {
            return Err(Flaw::new("", "a place in the file", "none"));
        };
        pages::check(&mut self.file, start, len)?;
        let optional = column.column_descr().max_def_level() > 0;
        let column = reader.get_column_reader(place).map_err(page)?;
        let bytes = self.limits.text_bytes;
        Ok(match (column, kind) {
            (ColumnReader::DoubleColumnReader(column), Kind::Number) => {
                Values::Number(all(column, rows, optional, Ok)?)
            }
            (ColumnReader::FloatColumnReader(column), Kind::Number) => {
                Values::Number(all(column, rows, optional, |value| Ok(f64::from(value)))?)
            }
            (ColumnReader::Int64ColumnReader(column), Kind::Integer) => {
                Values::Integer(all(column, rows, optional, Ok)?)
            }
            (ColumnReader::Int32ColumnReader(column), Kind::Integer) => {
                Values::Integer(all(column, rows, optional, |value| Ok(i64::from(value)))?)
            }
            (ColumnReader::BoolColumnReader(column), Kind::Integer) => {
                Values::Integer(all(column, rows, optional, |value| Ok(i64::from(value)))?)
            }
            (ColumnReader::ByteArrayColumnReader(column), Kind::Text) => {
                let mut left = bytes;
                let text = |value: ByteArray| {
                    // values of a dictionary are named often and kept once: they count each time
                    left = left
                        .checked_sub(value.len() as u64)
                        .ok_or_else(|| Flaw::new("", format!("at most {bytes} bytes of text"), "more"))?;
                    match std::str::from_utf8(value.data()) {
                        Ok(text) => Ok(text.to_owned()),
                        Err(_) => Err(Flaw::new("", "UTF-8", "something else")),
                    }
                };
                Values::Text(all(column, rows, optional, text)?)
            }
            _ => return Err(Flaw::new("", "the type that the schema says", "another")),
        })
    }
}

/// All values of a part of a column.
fn all<T: DataType, V>(
    mut column: ColumnReaderImpl<T>,
    rows: usize,
    optional: bool,
    mut convert: impl FnMut(T::T) -> Result<V, Flaw>,
) -> Result<Vec<Option<V>>, Flaw> {
    let mut found = Vec::new();
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    while found.len() < rows {
        levels.clear();
        values.clear();
        let want = BATCH.min(rows - found.len());
        let read = column.read_records(want, Some(&mut levels), None, &mut values).map_err(page)?;
        if read.0 == 0 {
            return Err(Flaw::new("", format!("{rows} rows"), found.len()));
        }
        let mut values = values.drain(..);
        for row in 0..read.0 {
            let there = !optional || levels.get(row).is_some_and(|level| *level > 0);
            let value = if there { values.next().map(&mut convert).transpose()? } else { None };
            found.push(value);
        }
    }
    Ok(found)
}

/// That the footer is where it should be, and not too long.
fn check_footer(file: &mut File) -> Result<(), Flaw> {
    let mut ends = || {
        let len = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(len.saturating_sub(8)))?;
        let mut end = Vec::new();
        file.take(8).read_to_end(&mut end)?;
        Ok((len, end))
    };
    let (len, end) = ends().map_err(|error: std::io::Error| Flaw::new("the end", "bytes", error))?;
    match end.as_slice() {
        [a, b, c, d, b'P', b'A', b'R', b'1'] => {
            let footer = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
            let most = FOOTER.min(len.saturating_sub(12));
            if footer > most {
                return Err(Flaw::new("the end", format!("a footer of at most {most} bytes"), footer));
            }
            Ok(())
        }
        _ => Err(Flaw::new(
            "the end",
            "the four letters PAR1",
            "others: the file is cut off or no Parquet file",
        )),
    }
}

fn broken(path: &Path, flaw: Flaw) -> TableError {
    TableError::Broken { file: path.into(), flaw: Box::new(flaw), advice: ADVICE }
}

fn footer(error: ParquetError) -> Flaw {
    Flaw::new("the footer", "what describes a Parquet file", error)
}

fn page(error: ParquetError) -> Flaw {
    Flaw::new("", "a page that can be decoded", error)
}
