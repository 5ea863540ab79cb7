//! The pages of a column: their headers are looked at before anybody makes room for what they claim.

use super::thrift::Thrift;
use crate::Flaw;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Bytes of one page once unpacked; writers aim for 1 MiB.
const PAGE: usize = 64 << 20;
/// Bytes of the header of a page at most.
const HEADER: usize = 1 << 20;

/// One page, still packed.
pub(super) struct Page {
    at: u64,
    /// Data 0, index 1, dictionary 2, data of version 2: 3.
    pub(super) kind: i64,
    pub(super) unpacked: usize,
    pub(super) values: usize,
    pub(super) encoding: i64,
    /// Of version 2: bytes of levels in front of the values.
    pub(super) levels: usize,
    /// Of version 2: whether the values are packed.
    pub(super) packed_body: bool,
    pub(super) body: Vec<u8>,
}

impl Page {
    pub(super) fn place(&self) -> String {
        format!("the page at byte {}", self.at)
    }

    pub(super) fn flaw(&self, expected: impl Into<String>, found: impl std::fmt::Display) -> Flaw {
        Flaw::new(self.place(), expected, found)
    }
}

/// The pages of a part of a column, one after another.
pub(super) struct Pages<'f> {
    file: &'f mut File,
    at: u64,
    end: u64,
}

impl<'f> Pages<'f> {
    /// From byte `start` on, for `len` bytes.
    pub(super) fn new(file: &'f mut File, start: u64, len: u64) -> Self {
        Self { file, at: start, end: start.saturating_add(len) }
    }

    /// The next page; none at the end.
    ///
    /// # Errors
    /// A header that is cut off, or that claims more than a page has or the column has left.
    pub(super) fn next(&mut self) -> Result<Option<Page>, Flaw> {
        if self.at >= self.end {
            return Ok(None);
        }
        let place = format!("the page at byte {}", self.at);
        let mut header = None;
        for size in [1 << 10, HEADER] {
            let bytes =
                self.read(self.at, (self.end - self.at).min(size as u64)).map_err(|f| f.within(&place))?;
            header = Header::read(&bytes);
            if header.is_some() {
                break;
            }
        }
        let Some(header) = header else {
            return Err(Flaw::new(place, "the header of a page", "something else"));
        };
        let left = (self.end - self.at).saturating_sub(header.len as u64);
        let sizes = [header.unpacked, header.values, header.levels].map(usize::try_from);
        let packed = u64::try_from(header.packed).ok().filter(|packed| *packed <= left);
        let ([Ok(unpacked), Ok(values), Ok(levels)], Some(packed)) = (sizes, packed) else {
            let found = format!("{} and {}", header.unpacked, header.packed);
            return Err(Flaw::new(place, format!("sizes of a page that has {left} bytes left"), found));
        };
        if unpacked > PAGE || packed > PAGE as u64 {
            return Err(Flaw::new(
                place,
                format!("a page of at most {PAGE} bytes"),
                unpacked.max(packed as usize),
            ));
        }
        let start = self.at + header.len as u64;
        let body = self.read(start, packed).map_err(|flaw| flaw.within(&place))?;
        if body.len() as u64 != packed {
            return Err(Flaw::new(place, format!("{packed} bytes"), body.len()));
        }
        let at = self.at;
        self.at = start + packed;
        let Header { kind, encoding, packed_body, .. } = header;
        Ok(Some(Page { at, kind, unpacked, values, encoding, levels, packed_body, body }))
    }

    fn read(&mut self, at: u64, len: u64) -> Result<Vec<u8>, Flaw> {
        let mut bytes = Vec::new();
        let read = self.file.seek(SeekFrom::Start(at));
        let read = read.and_then(|_| (&mut *self.file).take(len).read_to_end(&mut bytes));
        read.map_err(|error| Flaw::new("", "bytes", error))?;
        Ok(bytes)
    }
}

/// What is needed of the header of a page: a struct of Thrift's compact protocol (parquet.thrift,
/// `PageHeader`).
#[derive(Default)]
struct Header {
    len: usize,
    kind: i64,
    unpacked: i64,
    packed: i64,
    values: i64,
    encoding: i64,
    levels: i64,
    packed_body: bool,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Thrift::new(bytes);
        let mut found = Self { packed_body: true, ..Self::default() };
        let mut sizes = 0;
        reader.fields(&mut |reader, field, kind| {
            match (field, kind) {
                (1, 5) => found.kind = reader.zigzag()?,
                (2, 5) => {
                    found.unpacked = reader.zigzag()?;
                    sizes += 1;
                }
                (3, 5) => {
                    found.packed = reader.zigzag()?;
                    sizes += 1;
                }
                // of data, of a dictionary, of data of version 2
                (5 | 7 | 8, 12) => reader.fields(&mut |reader, inner, kind| {
                    match (field, inner, kind) {
                        (_, 1, 5) => found.values = reader.zigzag()?,
                        (5 | 7, 2, 5) | (8, 4, 5) => found.encoding = reader.zigzag()?,
                        // levels of repetition are those of lists, which are not read: together they must fit
                        (8, 5 | 6, 5) => found.levels = found.levels.checked_add(reader.zigzag()?)?,
                        (8, 7, 1 | 2) => found.packed_body = kind == 1,
                        _ => reader.skip(kind)?,
                    }
                    Some(())
                })?,
                _ => reader.skip(kind)?,
            }
            Some(())
        })?;
        found.len = reader.at;
        (sizes == 2).then_some(found)
    }
}
