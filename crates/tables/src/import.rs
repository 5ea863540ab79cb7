use crate::guess::Guess;
use crate::published::{Records, help, hw_nas_bench, latbench, nas_bench_101, no_curves, suite_zero};
use crate::read::CsvRows;
use crate::source::{COLUMNS, Form, Hashed, Rows, VALUES};
use crate::table_writer::check_names;
use crate::{
    ColumnInfo, Flaw, Kind, Limits, Origin, ParquetTable, Table, TableError, TableWriter, Values, bytes,
    folder, json, json_lines,
};
use csv::StringRecord;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf, absolute};

/// A format that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A folder of `NNNNNN.pickle.pbz2` of NATS-Bench, or one of its files.
    NatsBench,
    /// A TFRecord file of NAS-Bench-101.
    NasBench101,
    /// An averaged pickle of LatBench.
    Eagle,
    /// A pickle with the raw times of LatBench.
    EagleRaw,
    /// A `.pt` of HELP.
    Help,
    /// The pickle of HW-NAS-Bench, its part on NAS-Bench-201.
    HwNasBench,
    /// The same pickle, its part on the blocks of FBNet.
    HwNasBenchBlocks,
    /// A `zc_SPACE.json` of NAS-Bench-Suite-Zero.
    SuiteZero,
    /// A folder of logs of NAS-Bench-NLP, or one of them.
    NasBenchNlp,
    /// CSV, also gzipped.
    Csv,
    /// JSON lines, also gzipped.
    JsonLines,
    /// Parquet.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 12] = [
        Self::NatsBench,
        Self::NasBench101,
        Self::Eagle,
        Self::EagleRaw,
        Self::Help,
        Self::HwNasBench,
        Self::HwNasBenchBlocks,
        Self::SuiteZero,
        Self::NasBenchNlp,
        Self::Csv,
        Self::JsonLines,
        Self::Parquet,
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::NatsBench => "nats-bench",
            Self::NasBench101 => "nas-bench-101",
            Self::Eagle => "eagle",
            Self::EagleRaw => "eagle-raw",
            Self::Help => "help",
            Self::HwNasBench => "hw-nas-bench",
            Self::HwNasBenchBlocks => "hw-nas-bench-blocks",
            Self::SuiteZero => "suite-zero",
            Self::NasBenchNlp => "nlp",
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    /// Whether what was measured epoch by epoch is in it.
    pub fn has_curves(self) -> bool {
        matches!(self, Self::NatsBench | Self::NasBench101 | Self::NasBenchNlp)
    }

    /// Whether an architecture has one value, whose column is named after the file.
    fn has_one_column(self) -> bool {
        matches!(self, Self::Eagle | Self::EagleRaw | Self::Help)
    }

    /// The benchmark and its licence.
    fn source(self) -> (&'static str, &'static str) {
        match self {
            Self::NatsBench => ("NATS-Bench", "MIT"),
            Self::NasBench101 => ("NAS-Bench-101", "Apache-2.0"),
            Self::Eagle | Self::EagleRaw => ("LatBench", "Apache-2.0"),
            Self::Help => ("HELP", "MIT"),
            Self::HwNasBench | Self::HwNasBenchBlocks => ("HW-NAS-Bench", "MIT"),
            Self::SuiteZero => ("NAS-Bench-Suite-Zero", "Apache-2.0"),
            Self::NasBenchNlp => ("NAS-Bench-NLP", "Apache-2.0"),
            Self::Csv | Self::JsonLines | Self::Parquet => ("", ""),
        }
    }
}

/// How to import; the default finds out what it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The format; found out from the bytes where it is not given.
    pub format: Option<Format>,
    /// The name of the column of formats with one value an architecture; by default the name of the file, with
    /// its unit.
    pub column: Option<String>,
    /// Where the curves go, epoch by epoch, of formats that have any.
    pub curves: Option<PathBuf>,
    /// Files that are unpacked at once.
    pub threads: usize,
    /// What a table may hold.
    pub limits: Limits,
    /// The version of the source, where it is known; else what the name of the file says.
    pub version: Option<String>,
}

impl Default for Import {
    fn default() -> Self {
        let (format, column, curves, version) = (None, None, None, None);
        Self { format, column, curves, threads: 1, limits: Limits::default(), version }
    }
}

/// What was imported.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The format that was read.
    pub format: Format,
    /// Rows of the table.
    pub rows: u64,
    /// Rows of curves.
    pub curve_rows: u64,
    /// The columns of the table.
    pub columns: Vec<ColumnInfo>,
    /// Where it comes from, as the table says too.
    pub origin: Origin,
}

/// Reads a published file and writes it as a table, in the form that the name of `to` says
/// ([`TableWriter`]).
///
/// NATS-Bench, CSV, JSON lines and Parquet go through in parts; of NAS-Bench-101 the sums of its models are
/// kept, and every other format is read as a whole, within 256 MiB.
///
/// # Errors
/// The first thing that is wrong, by file and place; then nothing is written. Curves, and a name for the column, are
/// refused of a format that has none.
///
/// ```
/// use tables::{Import, ParquetTable};
/// let folder = std::env::temp_dir().join(format!("tables-import-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("t.csv"), "arch,ms\na,1.5\nb,\n")?;
/// let to = folder.join("t.parquet");
/// let imported = tables::import(&folder.join("t.csv"), &to, &Import::default())?;
/// assert_eq!((imported.rows, imported.format.name()), (2, "csv"));
/// assert_eq!(ParquetTable::open(&to, Default::default())?.origin(), Some(&imported.origin));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn import(path: &Path, to: &Path, how: &Import) -> Result<Imported, TableError> {
    run(path, Some(to), how)
}

/// What [`import`] would give, without writing it: what a file holds.
///
/// # Errors
/// As there, but for those of writing.
pub fn inspect(path: &Path, how: &Import) -> Result<Imported, TableError> {
    run(path, None, &Import { curves: None, ..how.clone() })
}

fn run(path: &Path, to: Option<&Path>, how: &Import) -> Result<Imported, TableError> {
    let format = how.format.map_or_else(|| detect(path), Ok)?;
    for (what, asked, there) in [
        ("curves", how.curves.is_some(), format.has_curves()),
        ("column to be named", how.column.is_some(), format.has_one_column()),
    ] {
        if asked && !there {
            return Err(TableError::HasNo { file: path.into(), format: format.name(), what });
        }
    }
    if let (Some(curves), Some(to)) = (&how.curves, to)
        && let (Ok(one), Ok(other)) = (absolute(curves), absolute(to))
        && one == other
    {
        return Err(TableError::SameFile { file: curves.clone() });
    }
    let mut out = Output::new(path, to, how.curves.as_deref());
    let (mut notes, mut before) = (Vec::new(), None);
    let sha256 = match format {
        Format::NatsBench => folder::nats_bench(path, how.threads, &mut out, &mut notes)?,
        Format::NasBenchNlp => folder::nas_bench_nlp(path, &mut out)?,
        Format::NasBench101 => nas_bench_101(path, &mut out)?,
        Format::Csv => csv_rows(path, how.limits, &mut |part| out.write(part))?,
        Format::JsonLines => json_rows(path, how.limits, &mut |part| out.write(part))?,
        Format::Parquet => {
            let mut parquet = ParquetTable::open(path, how.limits)?;
            notes.extend(parquet.note());
            before = parquet.origin().cloned();
            parquet_rows(&mut parquet, &mut |part| out.write(part))?
        }
        _ => whole(path, format, how.column.as_deref(), &mut out)?,
    };
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let (source, licence) = format.source();
    let mut origin = Origin {
        source: source.into(),
        format: format.name().into(),
        version: how.version.clone().unwrap_or_else(|| version(&file)),
        file,
        sha256,
        licence: licence.into(),
        notes,
    };
    if let Some(before) = before {
        // a table of ours keeps what it says
        origin = Origin { notes: [before.notes, origin.notes].concat(), ..before };
    }
    let (rows, curve_rows, columns) = out.finish(&origin)?;
    Ok(Imported { format, rows, curve_rows, columns, origin })
}

/// `v1_0` of a file or folder that names a version.
fn version(name: &str) -> String {
    let parts = name.split(['-', '.']).filter(|part| part.starts_with('v'));
    let mut versions = parts.filter(|part| part[1..].starts_with(|digit: char| digit.is_ascii_digit()));
    versions.next().unwrap_or_default().into()
}

/// Finds out the format of a file or folder from what it holds.
///
/// # Errors
/// A file that cannot be read, or is of no format that is known.
pub fn detect(path: &Path) -> Result<Format, TableError> {
    if path.is_dir() {
        return folder::detect(path);
    }
    let mut start = Vec::new();
    let opened = File::open(path).map_err(|source| TableError::Open { file: path.into(), source })?;
    let read = opened.take(1 << 16).read_to_end(&mut start);
    read.map_err(|source| TableError::Read { file: path.into(), line: 0, source })?;
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(match start.as_slice() {
        [b'P', b'A', b'R', b'1', ..] => Format::Parquet,
        [b'P', b'K', 3, 4, ..] => Format::Help,
        [b'B', b'Z', b'h', ..] => Format::NatsBench,
        [0x80, 2..=5, ..] => return pickled(path),
        [0x1f, 0x8b, ..] => match Form::of(path, Limits::default())? {
            Form::JsonLines => Format::JsonLines,
            _ => Format::Csv,
        },
        // the length of a record has small numbers in front of zeros
        [_, _, _, 0, 0, 0, 0, 0, ..] => Format::NasBench101,
        _ if text.starts_with(b"{") => match is_row(path) {
            true => Format::JsonLines,
            // these may go over many lines
            false if json::has_key(text, "recepie", 1) => Format::NasBenchNlp,
            false if json::has_key(text, "score", 2) => Format::SuiteZero,
            false => Format::JsonLines,
        },
        _ if std::str::from_utf8(text).is_ok_and(|text| text.contains(',')) || name.ends_with(".csv") => {
            Format::Csv
        }
        // cut within a letter
        _ if text.len() > 60_000 && text.contains(&b',') && !text.contains(&0) => Format::Csv,
        _ => {
            let found = start.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
            return Err(TableError::UnknownFormat { file: path.into(), found });
        }
    })
}

/// Whether the first line is a row of a table: an object by itself, with an architecture.
fn is_row(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "arch")]
        _arch: String,
    }
    let rows = Rows::open(path, Limits::default());
    rows.is_ok_and(|mut rows| {
        let first = rows.next_line();
        first.is_ok_and(|line| line.is_some_and(|(_, line)| serde_json::from_slice::<Row>(line).is_ok()))
    })
}

/// Tells the pickles apart.
fn pickled(path: &Path) -> Result<Format, TableError> {
    let (read, _) = bytes::read(path, WHOLE)?;
    let broken = |flaw: Flaw| broken(path, flaw);
    let pickle = crate::Pickle::read(&read, Default::default()).map_err(broken)?;
    let root = pickle.root();
    let Ok(entries) = root.entries() else { return Ok(Format::EagleRaw) };
    Ok(match entries.map(|(key, _)| key.text().is_ok()).next() {
        Some(true) => Format::HwNasBench,
        _ => Format::Eagle,
    })
}

/// Bytes of a file that is read as a whole.
pub(crate) const WHOLE: u64 = 256 << 20;

pub(crate) fn broken(path: &Path, flaw: Flaw) -> TableError {
    let advice = "check the format that is named, or fetch the file again";
    TableError::Broken { file: path.into(), flaw: Box::new(flaw), advice }
}

fn whole(path: &Path, format: Format, column: Option<&str>, out: &mut Output) -> Result<String, TableError> {
    let (read, sha256) = bytes::read(path, WHOLE)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let named =
        |unit: &str| column.map_or_else(|| format!("{}_{unit}", stem.replace(':', "_")), str::to_owned);
    let table = match format {
        Format::Eagle => latbench::read_averaged(&read, &named("s")),
        Format::EagleRaw => latbench::read_raw(&read, &named("s")),
        Format::Help => help::read(&read, &named("ms")),
        Format::HwNasBenchBlocks => hw_nas_bench::read_blocks(&read),
        Format::HwNasBench => hw_nas_bench::read(&read),
        _ => suite_zero::read(&read),
    };
    out.write(&table.map_err(|flaw| broken(path, flaw))?)?;
    Ok(sha256)
}

/// Rows of curves that are kept before they are written.
pub(crate) const CURVE_ROWS: usize = 1 << 16;
/// Values of any table, likewise; of Parquet every part costs place in the footer.
const PART: usize = 1 << 20;

fn nas_bench_101(path: &Path, out: &mut Output) -> Result<String, TableError> {
    let mut records = Records::new(BufReader::with_capacity(1 << 16, Hashed::open(path)?));
    let (mut models, mut curves) = (nas_bench_101::Models::default(), no_curves());
    while let Some(record) = records.next_record().map_err(|flaw| broken(path, flaw))? {
        let training = nas_bench_101::read(record);
        let training = training.and_then(|training| models.add(&training).map(|()| training));
        let training = training.map_err(|flaw| broken(path, flaw.within(records.place())))?;
        if out.wants_curves() {
            nas_bench_101::push_curves(&mut curves, &training, models.repeat(&training));
            if curves.rows() >= CURVE_ROWS {
                out.write_curves(&mut curves)?;
            }
        }
    }
    out.write_curves(&mut curves)?;
    let table = models.table();
    if table.rows() == 0 {
        return Err(TableError::NoRows { file: path.into() });
    }
    out.write(&table)?;
    Ok(records.into_inner().into_inner().sha256())
}

/// What becomes of the parts of a table.
type Take<'t> = &'t mut dyn FnMut(&Table) -> Result<(), TableError>;

fn csv_rows(path: &Path, limits: Limits, take: Take<'_>) -> Result<String, TableError> {
    let mut rows = CsvRows::open(path, limits)?;
    let names = rows.names();
    if names.len() > COLUMNS {
        let flaw = Flaw::new("the header", format!("at most {COLUMNS} columns"), names.len());
        return Err(broken(path, flaw));
    }
    let mut guesses = vec![Guess::default(); names.len()];
    let mut row = StringRecord::new();
    let mut count = 0;
    while rows.next(&mut row)? {
        count += 1;
        if count > limits.rows {
            let (file, line) = (path.into(), rows.line());
            return Err(TableError::TooManyRows { file, line, limit: limits.rows });
        }
        if row.len() != names.len() {
            let (file, line) = (path.into(), rows.line());
            return Err(TableError::Fields { file, line, expected: names.len(), found: row.len() });
        }
        for (guess, text) in guesses.iter_mut().zip(&row) {
            guess.see_field(text);
        }
    }
    let sha256 = rows.rows.into_inner().checksum()?;
    let named = names.iter().zip(guesses).map(|(name, guess)| match name.as_str() {
        // an architecture is text, also where it looks like a number
        "arch" => ColumnInfo::new(name, Kind::Text),
        _ => ColumnInfo::new(name, guess.kind()),
    });
    let columns: Vec<ColumnInfo> = named.collect();
    let mut table = Table::new(columns.clone());
    let mut rows = CsvRows::open(path, limits)?;
    while rows.next(&mut row)? {
        for (values, text) in table.values.iter_mut().zip(&row) {
            push_field(values, text);
        }
        if table.rows() * columns.len() >= PART {
            take(&table)?;
            table = Table::new(columns.clone());
        }
    }
    take(&table)?;
    same(path, sha256, rows.rows.into_inner().checksum()?)
}

/// Adds a field of CSV to a column of the kind that was found out for it.
fn push_field(values: &mut Values, text: &str) {
    let trimmed = text.trim();
    match values {
        Values::Number(values) => values.push(trimmed.parse().ok()),
        Values::Integer(values) => values.push(trimmed.parse().ok()),
        Values::Text(values) => values.push((!text.is_empty()).then(|| text.to_owned())),
    }
}

/// The checksum of both passes over a file: what the first found out must hold in the second.
fn same(path: &Path, first: String, second: String) -> Result<String, TableError> {
    if first == second { Ok(second) } else { Err(TableError::Changed { file: path.into() }) }
}

fn json_rows(path: &Path, limits: Limits, take: Take<'_>) -> Result<String, TableError> {
    let json_lines::Columns { columns, rows, sha256 } = json_lines::columns(path, limits)?;
    // what is not there takes a comma each in text
    if (columns.len() as u64).saturating_mul(rows) > limits.text_bytes {
        let found = format!("{rows} rows of {} columns", columns.len());
        return Err(broken(path, Flaw::new("", format!("at most {} values", limits.text_bytes), found)));
    }
    let mut table = Table::new(columns.clone());
    let again = json_lines::each(path, limits, &mut |line, object| {
        json_lines::push(&mut table, path, line, object)?;
        if table.rows() * columns.len() >= PART {
            take(&table)?;
            table = Table::new(columns.clone());
        }
        Ok(())
    })?;
    take(&table)?;
    same(path, sha256, again)
}

fn parquet_rows(parquet: &mut ParquetTable, take: Take<'_>) -> Result<String, TableError> {
    let all: Vec<usize> = (0..parquet.columns().len()).collect();
    take(&Table::new(parquet.columns().to_vec()))?;
    for group in 0..parquet.groups() {
        take(&parquet.group(group, &all)?)?;
    }
    parquet.sha256()
}

/// Reads a whole table of any columns: CSV, JSON lines or Parquet, as its first bytes say.
///
/// # Errors
/// A file that cannot be read, or is damaged.
///
/// ```
/// let file = std::env::temp_dir().join(format!("tables-read-{}.jsonl", std::process::id()));
/// std::fs::write(&file, "{\"arch\":\"a\",\"ms\":1.5}\n{\"arch\":\"b\"}\n")?;
/// let table = tables::read_table(&file, Default::default())?;
/// assert_eq!(table.column("ms"), Some(&tables::Values::Number(vec![Some(1.5), None])));
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_table(path: impl AsRef<Path>, limits: Limits) -> Result<Table, TableError> {
    let path = path.as_ref();
    let form = Form::of(path, limits)?;
    if form == Form::Parquet {
        let mut parquet = ParquetTable::open(path, limits)?;
        let all: Vec<usize> = (0..parquet.columns().len()).collect();
        return parquet.read(&all);
    }
    let mut whole = Table::new(Vec::new());
    let mut take = |part: &Table| {
        if whole.columns.is_empty() {
            whole = Table::new(part.columns.clone());
        }
        whole.append(part.values.clone());
        if whole.rows() > limits.rows {
            let found = format!("{} and perhaps more", whole.rows());
            return Err(broken(path, Flaw::new("", format!("at most {} rows", limits.rows), found)));
        }
        if whole.rows() * whole.columns.len() > VALUES {
            let found = format!("more in {} columns", whole.columns.len());
            return Err(broken(path, Flaw::new("", format!("at most {VALUES} values"), found)));
        }
        Ok(())
    };
    match form {
        Form::JsonLines => json_rows(path, limits, &mut take)?,
        _ => csv_rows(path, limits, &mut take)?,
    };
    Ok(whole)
}

/// The table that is written, and the curves beside it.
pub(crate) struct Output {
    from: PathBuf,
    /// None where nothing is to be written.
    to: Option<PathBuf>,
    table: Option<TableWriter>,
    columns: Vec<ColumnInfo>,
    rows: u64,
    curves_to: Option<PathBuf>,
    curves: Option<TableWriter>,
    curve_rows: u64,
}

impl Output {
    fn new(from: &Path, to: Option<&Path>, curves: Option<&Path>) -> Self {
        let (to, curves_to) = (to.map(Path::to_path_buf), curves.map(Path::to_path_buf));
        let (table, curves, columns) = (None, None, Vec::new());
        Self { from: from.into(), to, table, columns, rows: 0, curves_to, curves, curve_rows: 0 }
    }

    pub(crate) fn wants_curves(&self) -> bool {
        self.curves_to.is_some()
    }

    /// Writes rows; the first part says the columns.
    pub(crate) fn write(&mut self, table: &Table) -> Result<(), TableError> {
        if self.columns.is_empty() {
            self.columns = table.columns.clone();
            check_names(&self.from, &self.columns)?;
            if let Some(to) = &self.to {
                self.table = Some(TableWriter::create(to, &self.columns)?);
            }
        }
        self.rows += table.rows() as u64;
        self.table.as_mut().map_or(Ok(()), |writer| writer.write(&table.values))
    }

    /// Writes rows of curves, where anybody wants them, and empties them.
    pub(crate) fn write_curves(&mut self, curves: &mut Table) -> Result<(), TableError> {
        if let Some(to) = &self.curves_to {
            if self.curves.is_none() {
                self.curves = Some(TableWriter::create(to, &curves.columns)?);
            }
            self.curve_rows += curves.rows() as u64;
            self.curves.as_mut().map_or(Ok(()), |writer| writer.write(&curves.values))?;
        }
        curves.values = curves.columns.iter().map(|column| Values::none(column.kind)).collect();
        Ok(())
    }

    fn finish(self, origin: &Origin) -> Result<(u64, u64, Vec<ColumnInfo>), TableError> {
        if self.rows == 0 {
            return Err(TableError::NoRows { file: self.from });
        }
        if let Some(curves) = self.curves {
            curves.finish(origin)?;
        }
        if let Some(table) = self.table {
            table.finish(origin)?;
        }
        Ok((self.rows, self.curve_rows, self.columns))
    }
}
