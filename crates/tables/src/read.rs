use crate::source::{Form, Limits, Rows};
use crate::{
    Column, ColumnInfo, Flaw, Kind, ParquetTable, Place, Provenance, Table, TableError, TableRef, Values,
    json_lines,
};
use csv::{ErrorKind, StringRecord, Terminator};
use nas_core::{Labelled, SearchSpace};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

/// A file whose header was read.
pub(crate) struct CsvRows {
    pub(crate) rows: csv::Reader<Rows>,
    pub(crate) header: StringRecord,
    header_line: u64,
}

impl CsvRows {
    pub(crate) fn open(path: &Path, limits: Limits) -> Result<Self, TableError> {
        let rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(Rows::open(path, limits)?);
        let mut table = Self { rows, header: StringRecord::new(), header_line: 0 };
        let mut header = StringRecord::new();
        if !table.next(&mut header)? {
            return Err(TableError::Empty { file: path.into() });
        }
        table.header = header;
        table.header_line = table.line();
        Ok(table)
    }

    /// The line where the row that was read last begins.
    pub(crate) fn line(&self) -> u64 {
        self.rows.get_ref().line
    }

    fn file(&self) -> std::path::PathBuf {
        self.rows.get_ref().file.clone()
    }

    pub(crate) fn place(&self, field: usize) -> Box<Place> {
        let name = self.header.get(field).map_or_else(|| format!("number {}", field + 1), str::to_owned);
        Box::new(Place { file: self.file(), line: self.line(), field: name })
    }

    /// Reads the next row; false at the end.
    pub(crate) fn next(&mut self, row: &mut StringRecord) -> Result<bool, TableError> {
        match self.rows.read_record(row) {
            Ok(more) => Ok(more),
            Err(error) => Err(match (self.rows.get_mut().failed.take(), error.into_kind()) {
                (Some(failed), _) => failed,
                (None, ErrorKind::Utf8 { err, .. }) => {
                    TableError::Utf8 { at: self.place(err.field()), byte: err.valid_up_to() }
                }
                (None, ErrorKind::Io(source)) => {
                    TableError::Read { file: self.file(), line: self.line(), source }
                }
                (None, _) => TableError::Quote { file: self.file(), line: self.line() },
            }),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.header.iter().map(str::to_owned).collect()
    }

    /// The one field of that name; none where there is none.
    fn find(&self, name: &str) -> Result<Option<usize>, TableError> {
        let mut found = self.header.iter().enumerate().filter(|(_, field)| *field == name).map(|(i, _)| i);
        let first = found.next();
        match found.next() {
            Some(_) => Err(TableError::SameColumnTwice {
                file: self.file(),
                line: self.header_line,
                column: name.into(),
            }),
            None => Ok(first),
        }
    }
}

/// The names of all columns of a file, in its order, `arch` among them. Of Parquet those that can be read
/// ([`ParquetTable::left_out`] has the others).
///
/// O(1) in the rows of CSV and Parquet; JSON lines are read to their end, because any line may have more keys.
///
/// # Errors
/// A file that cannot be read, is empty, or whose first line is no text; of JSON lines any line that is no object.
pub fn list_columns(path: impl AsRef<Path>) -> Result<Vec<String>, TableError> {
    let path = path.as_ref();
    match Form::of(path, Limits::default())? {
        Form::Csv => Ok(CsvRows::open(path, Limits::default())?.names()),
        Form::JsonLines => {
            let found = json_lines::columns(path, Limits::default())?;
            Ok(found.columns.into_iter().map(|column| column.name).collect())
        }
        Form::Parquet => {
            let table = ParquetTable::open(path, Limits::default())?;
            Ok(table.columns().iter().map(|column| column.name.clone()).collect())
        }
    }
}

/// Reads one column: its values by architecture, in the order of the file.
///
/// O(n log n) in the rows. The first bytes say the form of the file. Text is then parsed in one pass, in which its
/// checksum is taken too; of Parquet the parts of the columns asked for are read, and then all of the file for its
/// checksum. The file must not change meanwhile. Rows whose field is empty are left out and counted.
///
/// # Errors
/// The first thing that is wrong, by file, line and field; then nothing of the file is accepted.
pub fn read_column<S: SearchSpace>(space: &S, table: &TableRef) -> Result<Column<S::Arch>, TableError> {
    let columns = read_columns(space, &table.file, &[table.column.as_str()])?;
    columns.into_iter().next().ok_or_else(|| TableError::NotATable { text: table.to_string() })
}

/// Reads several columns of a file together, in the order asked for; what it costs is said at [`read_column`].
///
/// # Errors
/// As [`read_column`].
pub fn read_columns<S: SearchSpace>(
    space: &S,
    path: impl AsRef<Path>,
    columns: &[&str],
) -> Result<Vec<Column<S::Arch>>, TableError> {
    read_columns_within(Limits::default(), space, path, columns)
}

/// [`read_columns`] with limits of one's own.
///
/// # Errors
/// As [`read_column`].
pub fn read_columns_within<S: SearchSpace>(
    limits: Limits,
    space: &S,
    path: impl AsRef<Path>,
    columns: &[&str],
) -> Result<Vec<Column<S::Arch>>, TableError> {
    let path = path.as_ref();
    let (archs, values, sha256) = read_any(limits, space, path, columns)?;
    let mut made = Vec::with_capacity(columns.len());
    for (&column, values) in columns.iter().zip(values) {
        let rows = archs.len();
        let (kept, values): (Vec<S::Arch>, Vec<f64>) =
            archs.iter().zip(values).filter_map(|(arch, value)| Some((arch.clone(), value?))).unzip();
        let provenance = Provenance {
            file: path.into(),
            column: column.into(),
            rows: values.len(),
            without_value: rows - values.len(),
            sha256: sha256.clone(),
        };
        let none = || TableError::NoValues { file: path.into(), column: column.into(), rows };
        let labelled = Labelled::new(kept, values).ok().filter(|labelled| !labelled.is_empty());
        made.push(Column::new(labelled.ok_or_else(none)?, provenance));
    }
    Ok(made)
}

/// The architectures of a file, in its order; its other columns are not looked at.
///
/// # Errors
/// As [`read_column`].
pub fn read_archs<S: SearchSpace>(space: &S, path: impl AsRef<Path>) -> Result<Vec<S::Arch>, TableError> {
    Ok(read_any(Limits::default(), space, path.as_ref(), &[])?.0)
}

/// Architectures, then the values of each column, then the checksum.
type Parts<A> = (Vec<A>, Vec<Vec<Option<f64>>>, String);

fn read_any<S: SearchSpace>(
    limits: Limits,
    space: &S,
    path: &Path,
    columns: &[&str],
) -> Result<Parts<S::Arch>, TableError> {
    match Form::of(path, limits)? {
        Form::Csv => read(limits, space, path, columns),
        Form::JsonLines => {
            read_rows(space, path, json_lines::read(path, limits, &wanted(columns))?, columns, "line")
        }
        Form::Parquet => {
            let mut parquet = ParquetTable::open(path, limits)?;
            let wanted = wanted(columns);
            let named = |(_, info): &(usize, &ColumnInfo)| wanted.contains(&info.name.as_str());
            let there: Vec<String> = parquet.columns().iter().map(|info| info.name.clone()).collect();
            let mut places = BTreeMap::new();
            for (place, info) in parquet.columns().iter().enumerate().filter(named) {
                if places.insert(info.name.as_str(), place).is_some() {
                    let column = info.name.clone();
                    return Err(TableError::SameColumnTwice { file: path.into(), line: 0, column });
                }
            }
            let places: Vec<usize> = places.into_values().collect();
            if let Some(missing) = wanted.iter().find(|name| !there.iter().any(|there| there == *name)) {
                let (file, column) = (path.into(), (*missing).to_owned());
                let left_out = parquet.left_out().iter().find(|(name, _)| name == missing);
                return Err(match (*missing, left_out) {
                    (_, Some((_, kind))) => TableError::NotRead { file, column, kind: kind.clone() },
                    ("arch", _) => TableError::NoArchColumn { file, line: 0, there },
                    _ => TableError::NoSuchColumn { file, line: 0, column, there },
                });
            }
            let table = parquet.read(&places)?;
            let rows = 1..=table.rows() as u64;
            let sha256 = parquet.sha256()?;
            read_rows(space, path, (table, rows.collect(), sha256), columns, "row")
        }
    }
}

/// The columns to read, each once.
fn wanted<'a>(columns: &[&'a str]) -> Vec<&'a str> {
    let mut wanted = vec!["arch"];
    for &column in columns {
        if !wanted.contains(&column) {
            wanted.push(column);
        }
    }
    wanted
}

pub(crate) const FINITE: &str = "a finite number or nothing";

/// From a table with the columns `arch` and those asked for, and where each of its rows stands.
fn read_rows<S: SearchSpace>(
    space: &S,
    path: &Path,
    (table, places, sha256): (Table, Vec<u64>, String),
    columns: &[&str],
    counted: &str,
) -> Result<Parts<S::Arch>, TableError> {
    let flaw = |row: usize, column: &str, expected: &str, found: String| TableError::Broken {
        file: path.into(),
        flaw: Box::new(Flaw::new(
            format!("{counted} {}, column `{column}`", places.get(row).copied().unwrap_or_default()),
            expected,
            found,
        )),
        advice: "mend the row, or choose another column or space",
    };
    if table.rows() == 0 {
        return Err(TableError::NoRows { file: path.into() });
    }
    let none = Values::none(Kind::Text);
    let texts = table.column("arch").unwrap_or(&none);
    let mut archs = Vec::with_capacity(table.rows());
    for row in 0..table.rows() {
        let text = match texts {
            Values::Text(texts) => texts.get(row).and_then(|text| text.as_deref()).unwrap_or_default(),
            _ => return Err(flaw(row, "arch", "text", texts.text(row).unwrap_or_default())),
        };
        let parsed = space.parse(text);
        archs.push(
            parsed.map_err(|error| flaw(row, "arch", "an architecture of this space", error.to_string()))?,
        );
    }
    let mut values = Vec::with_capacity(columns.len());
    for &column in columns {
        let found = table.column(column).unwrap_or(&none);
        if let Values::Text(texts) = found {
            // one text makes texts of all numbers of a column, where they come from CSV; it is the one to be mended
            let text = |row: &usize| texts.get(*row).and_then(|text| text.as_deref());
            let mut rows = (0..archs.len()).filter(|row| text(row).is_some());
            let first = rows.clone().next();
            let wrong =
                rows.find(|row| text(row).is_some_and(|text| !text.parse().is_ok_and(f64::is_finite)));
            if let Some((row, text)) = wrong.or(first).and_then(|row| Some((row, text(&row)?))) {
                return Err(flaw(row, column, FINITE, text.to_owned()));
            }
        }
        let mut numbers = Vec::with_capacity(archs.len());
        for row in 0..archs.len() {
            let number = found.number(row);
            if let Some(number) = number.filter(|number| !number.is_finite()) {
                return Err(flaw(row, column, FINITE, number.to_string()));
            }
            numbers.push(number);
        }
        values.push(numbers);
    }
    check_distinct(path, &archs, |row| places.get(row).copied().unwrap_or_default())?;
    Ok((archs, values, sha256))
}

fn read<S: SearchSpace>(
    limits: Limits,
    space: &S,
    path: &Path,
    columns: &[&str],
) -> Result<Parts<S::Arch>, TableError> {
    let mut table = CsvRows::open(path, limits)?;
    let line = table.header_line;
    let arch_field = table.find("arch")?.ok_or_else(|| TableError::NoArchColumn {
        file: path.into(),
        line,
        there: table.names(),
    })?;
    let mut fields = Vec::with_capacity(columns.len());
    for &column in columns {
        fields.push(table.find(column)?.ok_or_else(|| TableError::NoSuchColumn {
            file: path.into(),
            line,
            column: column.into(),
            there: table.names(),
        })?);
    }
    let (mut archs, mut lines) = (Vec::new(), Vec::new());
    let mut values = vec![Vec::new(); columns.len()];
    let mut row = StringRecord::new();
    while table.next(&mut row)? {
        let line = table.line();
        if archs.len() == limits.rows {
            return Err(TableError::TooManyRows { file: path.into(), line, limit: limits.rows });
        }
        let (expected, found) = (table.header.len(), row.len());
        if expected != found {
            return Err(TableError::Fields { file: path.into(), line, expected, found });
        }
        let text = row.get(arch_field).unwrap_or_default();
        let wrong = |source| TableError::Arch { at: table.place(arch_field), source };
        archs.push(space.parse(text).map_err(wrong)?);
        lines.push(line);
        for (values, &field) in values.iter_mut().zip(&fields) {
            values.push(number(row.get(field).unwrap_or_default(), || table.place(field))?);
        }
    }
    if archs.is_empty() {
        return Err(TableError::NoRows { file: path.into() });
    }
    let line_of = |row: usize| lines.get(row).copied().unwrap_or_default();
    check_distinct(path, &archs, line_of)?;
    let checksum = table.rows.into_inner().checksum()?;
    Ok((archs, values, checksum))
}

fn number(text: &str, place: impl Fn() -> Box<Place>) -> Result<Option<f64>, TableError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let found = || text.chars().take(60).collect();
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Some(value)),
        Ok(_) => Err(TableError::NotFinite { at: place(), found: found() }),
        Err(_) => Err(TableError::NotANumber { at: place(), found: found() }),
    }
}

/// Refuses the first row, in the order of the file, whose architecture stands above it already.
pub(crate) fn check_distinct<A: Ord + Display>(
    path: &Path,
    archs: &[A],
    line_of: impl Fn(usize) -> u64,
) -> Result<(), TableError> {
    let mut order: Vec<usize> = (0..archs.len()).collect();
    order.sort_by(|&a, &b| archs[a].cmp(&archs[b]));
    let same = order.windows(2).filter(|pair| archs[pair[0]] == archs[pair[1]]);
    match same.min_by_key(|pair| pair[1]) {
        Some(pair) => Err(TableError::Duplicate {
            file: path.into(),
            arch: archs[pair[0]].to_string().chars().take(200).collect(),
            first: line_of(pair[0]),
            second: line_of(pair[1]),
        }),
        None => Ok(()),
    }
}
