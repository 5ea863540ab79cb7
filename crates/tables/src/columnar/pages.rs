//! The sizes that the pages of a column claim, looked at before anybody makes room for them.

use crate::Flaw;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes of one page once unpacked; writers aim for 1 MiB.
const PAGE: i64 = 64 << 20;
/// Bytes of the header of a page at most.
const HEADER: usize = 1 << 20;

/// Checks every page header from `start` on, for `len` bytes of the file.
///
/// A header is a struct of Thrift's compact protocol; its fields 2 and 3 are the sizes (parquet.thrift,
/// `PageHeader`).
///
/// # Errors
/// A header that is cut off, or that claims more than a page has or the column has left.
pub(super) fn check(file: &mut File, start: u64, len: u64) -> Result<(), Flaw> {
    let (mut at, end) = (start, start.saturating_add(len));
    while at < end {
        let place = || format!("the page at byte {at}");
        let mut header = Vec::new();
        let mut found = None;
        for size in [1 << 10, HEADER] {
            header.clear();
            let room = (end - at).min(size as u64);
            let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.take(room).read_to_end(&mut header));
            read.map_err(|error: io::Error| Flaw::new(place(), "bytes", error))?;
            found = sizes(&header);
            if found.is_some() {
                break;
            }
        }
        let Some((len, unpacked, packed)) = found else {
            return Err(Flaw::new(place(), "the header of a page", "something else"));
        };
        let left = (end - at).saturating_sub(len as u64);
        if !(0..=PAGE).contains(&unpacked) || u64::try_from(packed).map_or(true, |packed| packed > left) {
            let found = format!("{unpacked} and {packed}");
            return Err(Flaw::new(
                place(),
                format!("a page of at most {PAGE} bytes, and {left} packed"),
                found,
            ));
        }
        at += len as u64 + packed.unsigned_abs();
    }
    Ok(())
}

/// Length of the header, size of the page unpacked and packed.
fn sizes(bytes: &[u8]) -> Option<(usize, i64, i64)> {
    let mut reader = Thrift { bytes, at: 0 };
    let (mut field, mut unpacked, mut packed) = (0, None, None);
    loop {
        let head = reader.byte()?;
        if head == 0 {
            return Some((reader.at, unpacked?, packed?));
        }
        field = match i64::from(head >> 4) {
            0 => reader.zigzag()?,
            step => field + step,
        };
        match (field, head & 15) {
            (2, 5) => unpacked = Some(reader.zigzag()?),
            (3, 5) => packed = Some(reader.zigzag()?),
            (_, kind) => reader.skip(kind, 0)?,
        }
    }
}

/// As much of the compact protocol as is needed to pass over what is not asked for.
struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        if depth > 16 {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.varint()?),
            7 => self.at = self.at.checked_add(8)?,
            8 => {
                let len = usize::try_from(self.varint()?).ok()?;
                self.at = self.at.checked_add(len)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    // a bool in a list takes a byte
                    let kind = if head & 15 <= 2 { 3 } else { head & 15 };
                    self.skip(kind, depth + 1)?;
                    (self.at <= self.bytes.len()).then_some(())?;
                }
            }
            12 => loop {
                let head = self.byte()?;
                if head == 0 {
                    break;
                }
                if head >> 4 == 0 {
                    self.zigzag()?;
                }
                self.skip(head & 15, depth + 1)?;
            },
            _ => return None,
        }
        (self.at <= self.bytes.len()).then_some(())
    }
}
