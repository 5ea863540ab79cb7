use crate::columnar::ParquetRows;
use crate::{ColumnInfo, Origin, Table, TableError, Values};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A table that is being written, part by part, in the form that the name says: `.parquet`, `.csv`, `.jsonl`, the last
/// two also with `.gz` behind. No other name is taken, so that nothing else is written over.
///
/// Nothing of it is to be seen before [`TableWriter::finish`]: the parts go to a file beside, which takes the
/// name when all is on disk. Only Parquet keeps the units and the origin.
///
/// ```
/// use tables::{ColumnInfo, Kind, Limits, Origin, ParquetTable, Table, TableWriter, Values};
/// let file = std::env::temp_dir().join(format!("tables-writer-{}.parquet", std::process::id()));
/// let columns = vec![ColumnInfo::new("arch", Kind::Text), ColumnInfo::new("latency", Kind::Number).unit("ms")];
/// let mut writer = TableWriter::create(&file, &columns)?;
/// let arch = Values::Text(vec![Some("a".into()), Some("b".into())]);
/// writer.write(&[arch, Values::Number(vec![Some(1.5), None])])?;
/// writer.finish(&Origin { source: "a stopwatch".into(), ..Origin::default() })?;
///
/// let mut table = ParquetTable::open(&file, Limits::default())?;
/// assert_eq!(table.columns()[1].unit.as_deref(), Some("ms"));
/// assert_eq!(table.origin().map(|origin| origin.source.as_str()), Some("a stopwatch"));
/// assert_eq!(table.read(&[1])?.values, [Values::Number(vec![Some(1.5), None])]);
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TableWriter {
    path: PathBuf,
    partial: Partial,
    columns: Vec<ColumnInfo>,
    form: Form,
}

enum Form {
    Csv(Box<csv::Writer<Text>>),
    JsonLines(Text),
    Parquet(Box<ParquetRows>),
}

/// Text, gzipped or not.
enum Text {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(text) => text.write(bytes),
            Self::Gzip(text) => text.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(text) => text.flush(),
            Self::Gzip(text) => text.flush(),
        }
    }
}

impl TableWriter {
    /// Begins a table of these columns.
    ///
    /// # Errors
    /// A name of no form, two columns of one name, an empty name, or a file that cannot be made.
    pub fn create(path: impl AsRef<Path>, columns: &[ColumnInfo]) -> Result<Self, TableError> {
        let path = path.as_ref();
        let ending = Ending::of(path).ok_or_else(|| TableError::Ending { file: path.into() })?;
        Self::create_as(ending, path, columns)
    }

    /// [`TableWriter::create`] in this form, whatever the name says.
    pub(crate) fn create_as(ending: Ending, path: &Path, columns: &[ColumnInfo]) -> Result<Self, TableError> {
        check_names(path, columns)?;
        let failed = |source| TableError::Write { file: path.into(), source };
        let (partial, file) = beside(path).map_err(failed)?;
        let form = form(ending, file, columns).map_err(failed)?;
        Ok(Self { path: path.into(), partial, columns: columns.to_vec(), form })
    }

    /// Writes rows: the values of each column, in the order of the columns.
    ///
    /// # Errors
    /// Values of another kind or number than the columns say, or a file that cannot be written.
    pub fn write(&mut self, values: &[Values]) -> Result<(), TableError> {
        let rows = values.first().map_or(0, Values::len);
        let fits =
            |(column, values): (&ColumnInfo, &Values)| column.kind == values.kind() && values.len() == rows;
        if values.len() != self.columns.len() || !self.columns.iter().zip(values).all(fits) {
            let wrong = io::Error::other("the values do not fit the columns");
            return Err(TableError::Write { file: self.path.clone(), source: wrong });
        }
        let written = match &mut self.form {
            Form::Csv(csv) => (0..rows).try_for_each(|row| {
                csv.write_record(values.iter().map(|values| values.text(row).unwrap_or_default()))?;
                Ok(())
            }),
            Form::JsonLines(text) => {
                (0..rows).try_for_each(|row| json_line(text, &self.columns, values, row))
            }
            Form::Parquet(parquet) if rows > 0 => parquet.write(values),
            Form::Parquet(_) => Ok(()),
        };
        written.map_err(|source| TableError::Write { file: self.path.clone(), source })
    }

    /// Ends the table: it is on disk under its name when this returns.
    ///
    /// # Errors
    /// A file that cannot be written; what stood under the name before is then untouched.
    pub fn finish(self, origin: &Origin) -> Result<(), TableError> {
        let Self { path, partial, form, .. } = self;
        let written = match form {
            Form::Csv(csv) => csv.into_inner().map_err(|error| error.into_error()).and_then(end),
            Form::JsonLines(text) => end(text),
            Form::Parquet(parquet) => parquet.finish(origin),
        };
        written
            .and_then(|()| fs::rename(&partial.0, &path))
            .map(|()| keep_name(&path))
            .map_err(|source| TableError::Write { file: path, source })
    }
}

/// Writes a whole table by [`TableWriter`].
///
/// # Errors
/// As there.
pub fn write_table(path: impl AsRef<Path>, table: &Table, origin: &Origin) -> Result<(), TableError> {
    let mut writer = TableWriter::create(path, &table.columns)?;
    writer.write(&table.values)?;
    writer.finish(origin)
}

/// Refuses names that a table cannot have, of columns that come from this file or go into it.
pub(crate) fn check_names(file: &Path, columns: &[ColumnInfo]) -> Result<(), TableError> {
    for (i, ColumnInfo { name, .. }) in columns.iter().enumerate() {
        let (file, column) = (file.into(), name.clone());
        if name.is_empty() || name.contains(':') {
            return Err(TableError::ColumnName { file, column });
        }
        if columns.iter().take(i).any(|other| other.name == *name) {
            return Err(TableError::SameColumnTwice { file, line: 1, column });
        }
    }
    Ok(())
}

/// What the name of a table says of its form.
pub(crate) enum Ending {
    Parquet,
    Csv { zipped: bool },
    JsonLines { zipped: bool },
}

impl Ending {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let (plain, zipped) = match name.strip_suffix(".gz") {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        Some(match plain.rsplit_once('.')?.1 {
            "csv" => Self::Csv { zipped },
            "jsonl" => Self::JsonLines { zipped },
            "parquet" if !zipped => Self::Parquet,
            _ => return None,
        })
    }
}

fn form(ending: Ending, file: File, columns: &[ColumnInfo]) -> io::Result<Form> {
    let text = |file: File, zipped: bool| match (zipped, BufWriter::new(file)) {
        (true, text) => Text::Gzip(GzBuilder::new().write(text, Compression::default())),
        (false, text) => Text::Plain(text),
    };
    Ok(match ending {
        Ending::Parquet => Form::Parquet(Box::new(ParquetRows::new(file, columns)?)),
        Ending::JsonLines { zipped } => Form::JsonLines(text(file, zipped)),
        Ending::Csv { zipped } => {
            let mut csv = csv::Writer::from_writer(text(file, zipped));
            csv.write_record(columns.iter().map(|column| &column.name))?;
            Form::Csv(Box::new(csv))
        }
    })
}

/// One object; a value that is not there is null, and so is one that JSON cannot hold.
fn json_line(text: &mut Text, columns: &[ColumnInfo], values: &[Values], row: usize) -> io::Result<()> {
    for (i, (column, values)) in columns.iter().zip(values).enumerate() {
        text.write_all(if i == 0 { b"{" } else { b"," })?;
        serde_json::to_writer(&mut *text, &column.name)?;
        text.write_all(b":")?;
        match values {
            Values::Number(values) => serde_json::to_writer(&mut *text, &values.get(row).copied().flatten()),
            Values::Integer(values) => serde_json::to_writer(&mut *text, &values.get(row).copied().flatten()),
            Values::Text(values) => serde_json::to_writer(&mut *text, &values.get(row).cloned().flatten()),
        }?;
    }
    text.write_all(b"}\n")
}

fn end(text: Text) -> io::Result<()> {
    let text = match text {
        Text::Plain(text) => text,
        Text::Gzip(zip) => zip.finish()?,
    };
    text.into_inner().map_err(|error| error.into_error())?.sync_all()
}

/// A new file in the same folder that no other writer uses, also none of another machine with the same process number.
fn beside(path: &Path) -> io::Result<(Partial, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let partial = format!(".{}.{}-{number}.partial", name.to_string_lossy(), std::process::id());
        let partial = path.with_file_name(partial);
        match OpenOptions::new().write(true).create_new(true).open(&partial) {
            Ok(file) => return Ok((Partial(partial), file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// A new name is on disk once its folder is; where that cannot be asked for, the system does it in its own time.
fn keep_name(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let _ = File::open(folder.unwrap_or_else(|| Path::new("."))).and_then(|folder| folder.sync_all());
}

/// Removes the new file where it did not take the target's name.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
