use crate::TableError;
use crate::bytes::hex;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// How much a file may hold, so that none can exhaust the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one row; of Parquet, of one text.
    pub line_bytes: usize,
    /// Rows below the header; of Parquet, those that are in memory at once.
    pub rows: usize,
    /// Bytes of text in all, once unpacked; of Parquet, those that are in memory at once. A text of a dictionary counts
    /// as often as it is named.
    pub text_bytes: u64,
}

impl Default for Limits {
    /// 1 MiB a row, 10 million rows, 4 GiB in all.
    fn default() -> Self {
        Self { line_bytes: LINE, rows: 10_000_000, text_bytes: 4 << 30 }
    }
}

/// Bytes of a row, unless somebody says otherwise; so no longer text is written to Parquet.
pub(crate) const LINE: usize = 1 << 20;
/// Columns of a table at most.
pub(crate) const COLUMNS: usize = 10_000;
/// Values of all columns that are in memory at once.
pub(crate) const VALUES: usize = 48 << 20;

/// The form of a table, seen from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Csv,
    JsonLines,
    Parquet,
}

impl Form {
    pub(crate) fn of(path: &Path, limits: Limits) -> Result<Self, TableError> {
        let mut rows = Rows::open(path, limits)?;
        if rows.start().starts_with(b"PAR1") {
            return Ok(Self::Parquet);
        }
        Ok(if rows.is_json() { Self::JsonLines } else { Self::Csv })
    }
}

/// A file that is hashed as it is read.
pub(crate) struct Hashed {
    file: File,
    hash: Sha256,
}

impl Hashed {
    pub(crate) fn open(path: &Path) -> Result<Self, TableError> {
        let file = File::open(path).map_err(|source| TableError::Open { file: path.into(), source })?;
        Ok(Self::of(file))
    }

    /// From where the file stands.
    pub(crate) fn of(file: File) -> Self {
        Self { file, hash: Sha256::new() }
    }

    /// SHA-256 of what was read, in hexadecimal.
    pub(crate) fn sha256(self) -> String {
        hex(&self.hash.finalize())
    }
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}

/// Where in a row a byte stands: enough to tell where the row ends, and whether its quotes are right (RFC 4180).
#[derive(Clone, Copy, PartialEq)]
enum Csv {
    FieldStart,
    Bare,
    Quoted,
    AfterQuote,
}

impl Csv {
    fn after(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Quoted, b'"') => Some(Self::AfterQuote),
            (Self::Quoted, _) | (Self::FieldStart | Self::AfterQuote, b'"') => Some(Self::Quoted),
            (Self::Bare, b'"') => None,
            (_, b',') => Some(Self::FieldStart),
            (Self::AfterQuote, b'\r' | b'\n') => Some(Self::AfterQuote),
            (Self::AfterQuote, _) => None,
            _ => Some(Self::Bare),
        }
    }
}

enum Text {
    Plain(BufReader<Hashed>),
    Gzip(Box<BufReader<MultiGzDecoder<BufReader<Hashed>>>>),
}

/// The rows of a file as text, whole row by whole row, so that the CSV parser never reads ahead of the
/// line that [`Rows::line`] names. Unpacks gzip, skips empty lines, ends every row in `\n` alone.
pub(crate) struct Rows {
    pub(crate) file: PathBuf,
    /// The line where the last row begins, from 1.
    pub(crate) line: u64,
    /// The error behind the `io::Error` that the parser passed on.
    pub(crate) failed: Option<TableError>,
    text: Text,
    lines: u64,
    bytes: u64,
    limits: Limits,
    row: Vec<u8>,
    taken: usize,
}

impl Rows {
    pub(crate) fn open(path: &Path, limits: Limits) -> Result<Self, TableError> {
        let file = path.to_path_buf();
        let mut raw = BufReader::with_capacity(1 << 16, Hashed::open(path)?);
        let start =
            raw.fill_buf().map_err(|source| TableError::Read { file: file.clone(), line: 0, source })?;
        let text = if start.starts_with(&[0x1f, 0x8b]) {
            Text::Gzip(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(raw))))
        } else {
            Text::Plain(raw)
        };
        let (row, failed) = (Vec::new(), None);
        Ok(Self { file, line: 0, failed, text, lines: 0, bytes: 0, limits, row, taken: 0 })
    }

    /// SHA-256 of all bytes of the file, in hexadecimal.
    pub(crate) fn checksum(self) -> Result<String, TableError> {
        let mut raw = match self.text {
            Text::Plain(raw) => raw,
            Text::Gzip(text) => text.into_inner().into_inner(),
        };
        io::copy(&mut raw, &mut io::sink()).map_err(|source| TableError::Read {
            file: self.file,
            line: self.lines,
            source,
        })?;
        Ok(raw.into_inner().sha256())
    }

    /// The first bytes, unpacked; what cannot be read shows when it is read.
    fn start(&mut self) -> &[u8] {
        let start = match &mut self.text {
            Text::Plain(text) => text.fill_buf(),
            Text::Gzip(text) => text.fill_buf(),
        };
        start.unwrap_or_default()
    }

    /// Whether the first thing of the file is an object of JSON.
    pub(crate) fn is_json(&mut self) -> bool {
        let start = self.start();
        let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        text.trim_ascii_start().starts_with(b"{")
    }

    /// The number and text of the next line that is not empty, whatever quotes it holds; none at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<(u64, &[u8])>, TableError> {
        loop {
            self.row.clear();
            self.line = self.lines + 1;
            if self.append_line()? == 0 {
                return Ok(None);
            }
            if self.lines == 1 && self.row.starts_with(b"\xef\xbb\xbf") {
                self.row.drain(..3);
            }
            if !self.row.trim_ascii().is_empty() {
                return Ok(Some((self.line, self.row.trim_ascii())));
            }
        }
    }

    /// Reads the next row that is not empty into `row`; false at the end.
    fn advance(&mut self) -> Result<bool, TableError> {
        loop {
            self.row.clear();
            self.taken = 0;
            self.line = self.lines + 1;
            let mut at = Csv::FieldStart;
            loop {
                let start = self.row.len();
                if self.append_line()? == 0 {
                    return if at == Csv::Quoted { Err(self.bad_quote()) } else { Ok(false) };
                }
                if self.lines == 1 && self.row.starts_with(b"\xef\xbb\xbf") {
                    self.row.drain(..3);
                }
                for &byte in self.row.get(start..).unwrap_or_default() {
                    at = at.after(byte).ok_or_else(|| self.bad_quote())?;
                }
                if at != Csv::Quoted {
                    break;
                }
            }
            let end = self.row.strip_suffix(b"\n").unwrap_or(&self.row);
            let end = end.strip_suffix(b"\r").unwrap_or(end).len();
            self.row.truncate(end);
            if !self.row.is_empty() {
                self.row.push(b'\n');
                return Ok(true);
            }
        }
    }

    fn bad_quote(&self) -> TableError {
        TableError::Quote { file: self.file.clone(), line: self.line }
    }

    /// Appends one line with its end to `row` and returns its length; 0 at the end of the file.
    fn append_line(&mut self) -> Result<usize, TableError> {
        let room = self.limits.line_bytes.saturating_add(2).saturating_sub(self.row.len()) as u64;
        let read = match &mut self.text {
            Text::Plain(text) => text.take(room).read_until(b'\n', &mut self.row),
            Text::Gzip(text) => text.take(room).read_until(b'\n', &mut self.row),
        };
        let file = || self.file.clone();
        let n = read.map_err(|source| match self.text {
            Text::Plain(_) => TableError::Read { file: file(), line: self.lines, source },
            Text::Gzip(_) => TableError::Gzip { file: file(), line: self.lines, source },
        })?;
        let ends = self.row.ends_with(b"\n");
        if self.row.len() - usize::from(ends) > self.limits.line_bytes {
            let limit = self.limits.line_bytes;
            return Err(TableError::LineTooLong { file: file(), line: self.line, limit });
        }
        self.bytes += n as u64;
        if self.bytes > self.limits.text_bytes {
            let limit = self.limits.text_bytes;
            return Err(TableError::TooMuchText { file: file(), line: self.line, limit });
        }
        self.lines += u64::from(n > 0);
        Ok(n)
    }
}

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.row.len() {
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("see `failed`"));
                }
            }
        }
        let n = buffer.len().min(self.row.len() - self.taken);
        buffer[..n].copy_from_slice(&self.row[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }
}
