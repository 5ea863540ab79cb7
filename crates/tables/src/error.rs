use crate::Flaw;
use nas_core::ParseArchError;
use std::path::PathBuf;
use std::{fmt, io};
use thiserror::Error;

/// One field of one row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as given.
    pub file: PathBuf,
    /// The line where the row begins, counted from 1.
    pub line: u64,
    /// The name of the column.
    pub field: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}, field `{}`", self.file.display(), self.line, self.field)
    }
}

/// Why a table cannot be read or written.
///
/// Lines are counted from 1, as an editor counts them.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableError {
    /// A text that does not name a column of a file.
    #[error("`{text}` names no column: write FILE:COLUMN, for instance accuracy.csv.gz:test_acc")]
    NotATable {
        /// The text, cut to 200 characters.
        text: String,
    },
    /// The file cannot be opened.
    #[error("cannot open {}: check the path and that the file may be read", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file can be opened but not read.
    #[error("cannot read {} after line {line}: check that it is a file and that its disk is well", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The last line that was read.
        line: u64,
        /// What the system says.
        source: io::Error,
    },
    /// A gzipped file that is cut off or damaged; nothing of it is accepted.
    #[error("{} is gzipped, but cut off or damaged after line {line}: fetch or pack it again", file.display())]
    Gzip {
        /// The file.
        file: PathBuf,
        /// The last line that could be unpacked.
        line: u64,
        /// What the unpacker says.
        source: io::Error,
    },
    /// A file without a byte of text.
    #[error("{} is empty: expected a header with a column `arch`, then one row an architecture", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A header without rows.
    #[error("{} has no rows: expected at least one architecture below the header", file.display())]
    NoRows {
        /// The file.
        file: PathBuf,
    },
    /// A column that is asked for is not there.
    #[error("{}, line {line}: no column `{column}`; there are {}", file.display(), list(there))]
    NoSuchColumn {
        /// The file.
        file: PathBuf,
        /// The line of the header.
        line: u64,
        /// The column that was asked for.
        column: String,
        /// The columns of the file.
        there: Vec<String>,
    },
    /// A column of Parquet that is there, but of a type that is not read.
    #[error(
        "{}: the column `{column}` is there, but holds {kind}, which is not read: write it again as numbers or text",
        file.display()
    )]
    NotRead {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
        /// What it holds, as Parquet calls it.
        kind: String,
    },
    /// A file that somebody wrote to while it was read.
    #[error("{} changed while it was read: read it again when nothing writes to it", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// The header has no column `arch`.
    #[error(
        "{}, line {line}: no column `arch`, which holds the architectures; there are {}; {}",
        file.display(),
        list(there),
        advice(there)
    )]
    NoArchColumn {
        /// The file.
        file: PathBuf,
        /// The line of the header.
        line: u64,
        /// The columns of the file.
        there: Vec<String>,
    },
    /// A name stands twice in the header, so that it does not say which column is meant.
    #[error("{}, line {line}: the column `{column}` is there twice: rename one of them", file.display())]
    SameColumnTwice {
        /// The file.
        file: PathBuf,
        /// The line of the header.
        line: u64,
        /// The name.
        column: String,
    },
    /// A column in which no row has a value.
    #[error("{}: all {rows} rows of the column `{column}` are empty: choose another column", file.display())]
    NoValues {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
        /// Rows of the file.
        rows: usize,
    },
    /// A text that is not an architecture of the space.
    #[error("{at}: not an architecture of this space; mend the row or choose the space of this table")]
    Arch {
        /// The field.
        at: Box<Place>,
        /// What was expected and found, and at which byte of the field.
        source: ParseArchError,
    },
    /// An architecture with two rows.
    #[error("{}, line {second}: {arch} is already on line {first}: keep one of the two rows", file.display())]
    Duplicate {
        /// The file.
        file: PathBuf,
        /// The architecture.
        arch: String,
        /// The line (when writing: the row, from 1) where it stands first.
        first: u64,
        /// The line (when writing: the row, from 1) where it stands again.
        second: u64,
    },
    /// A value that is not a number.
    #[error(
        "{at}: expected a number or nothing, found `{found}`: mend the row, leave the field empty where there is no \
         value, or choose another column"
    )]
    NotANumber {
        /// The field.
        at: Box<Place>,
        /// What stands there, cut to 60 characters.
        found: String,
    },
    /// A value that is NaN, infinite, or too large for a 64-bit float.
    #[error("{at}: expected a finite number, found `{found}`: leave the field empty where there is no value")]
    NotFinite {
        /// The field.
        at: Box<Place>,
        /// What stands there, cut to 60 characters.
        found: String,
    },
    /// A row with too few or too many fields.
    #[error(
        "{}, line {line}: expected {expected} fields as in the header, found {found}; \
         a field that holds a comma must stand in double quotes",
        file.display()
    )]
    Fields {
        /// The file.
        file: PathBuf,
        /// The line.
        line: u64,
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
    },
    /// Text that is not UTF-8.
    #[error("{at}: not UTF-8 at byte {byte} of the field: save the file as UTF-8")]
    Utf8 {
        /// The field.
        at: Box<Place>,
        /// Offset in the field.
        byte: usize,
    },
    /// A double quote that does not pair up.
    #[error("{}, line {line}: a double quote is not closed, or stands inside a field without quotes", file.display())]
    Quote {
        /// The file.
        file: PathBuf,
        /// The line where the row begins.
        line: u64,
    },
    /// A row that is too long.
    #[error(
        "{}, line {line}: the row is longer than {limit} bytes: this is no table, or a quote is not closed",
        file.display()
    )]
    LineTooLong {
        /// The file.
        file: PathBuf,
        /// The line where the row begins.
        line: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// Too many rows.
    #[error("{}, line {line}: more than {limit} rows: divide the file", file.display())]
    TooManyRows {
        /// The file.
        file: PathBuf,
        /// The first line beyond the limit.
        line: u64,
        /// The limit.
        limit: usize,
    },
    /// Too much text, once unpacked.
    #[error("{}, line {line}: more than {limit} bytes of text: divide the file", file.display())]
    TooMuchText {
        /// The file.
        file: PathBuf,
        /// The line that crosses the limit.
        line: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Bytes of a published file that are not what they should be.
    #[error("{}, {flaw}: {advice}", file.display())]
    Broken {
        /// The file.
        file: PathBuf,
        /// Where, what was expected and what was found.
        flaw: Box<Flaw>,
        /// What to do.
        advice: &'static str,
    },
    /// A file of a format that is read as a whole, and too large for that.
    #[error("{} has more than {limit} bytes, which is too much for a file of its format: divide it", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file of no format that is known.
    #[error(
        "{} is of no format that is known ({found}): name the format, or bring a CSV, JSON lines or Parquet file",
        file.display()
    )]
    UnknownFormat {
        /// The file.
        file: PathBuf,
        /// What it begins with.
        found: String,
    },
    /// Architectures of which a column knows no value.
    #[error(
        "{}: the column `{column}` has no value for {missing} of {asked} architectures, first for {first}; \
         leave them out or use a complete table",
        file.display()
    )]
    Missing {
        /// The file of the column.
        file: PathBuf,
        /// The column.
        column: String,
        /// Architectures without a value.
        missing: usize,
        /// Architectures asked for.
        asked: usize,
        /// The first of them without a value.
        first: String,
    },
    /// A name that a column cannot have.
    #[error(
        "{}: a column cannot be named `{column}`: the name must not be empty or hold a `:`, and only that of the \
         architectures is `arch`",
        file.display()
    )]
    ColumnName {
        /// The file that has the column, or would have it.
        file: PathBuf,
        /// The name.
        column: String,
    },
    /// A column to write that is not as long as the architectures.
    #[error("column `{column}` has {values} values for {archs} architectures: one an architecture is needed")]
    Lengths {
        /// The column.
        column: String,
        /// Number of values.
        values: usize,
        /// Number of architectures.
        archs: usize,
    },
    /// A name that does not say which form a table is to be written in.
    #[error("{}: the name says no form of a table: end it in .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz", file.display())]
    Ending {
        /// The file.
        file: PathBuf,
    },
    /// Two tables that would be written to one file.
    #[error("{}: two tables cannot go to one file: name another one for the curves", file.display())]
    SameFile {
        /// The file.
        file: PathBuf,
    },
    /// What was asked for of a format that does not have it.
    #[error("{}: {format} has no {what}: leave out what asks for it", file.display())]
    HasNo {
        /// The file that was read.
        file: PathBuf,
        /// The format.
        format: &'static str,
        /// What it does not have.
        what: &'static str,
    },
    /// The file cannot be written; what stood there before is untouched.
    #[error("cannot write {}: check that its folder exists, may be written to, and has room", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Names in backticks, at most 40 of them.
fn list(names: &[String]) -> String {
    let mut text: Vec<String> = names.iter().take(40).map(|name| format!("`{name}`")).collect();
    if names.len() > 40 {
        text.push(format!("{} more", names.len() - 40));
    }
    text.join(", ")
}

/// What to do about a header without the column of architectures.
fn advice(there: &[String]) -> &'static str {
    match there {
        [one] if one.contains([';', '\t']) => "columns are separated by commas",
        _ => "rename the right one, or add a header if the first row is data",
    }
}
