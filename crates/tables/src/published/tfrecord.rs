use crate::{Flaw, masked_crc32c};
use std::io::{self, BufRead, Read};

/// Bytes of one record; those of NAS-Bench-101 have less than a thousand.
const RECORD: u64 = 16 << 20;

/// The records of a TFRecord file, one after another: a length, its checksum, the bytes, their checksum
/// (`tensorflow/core/lib/io/record_writer.h`).
///
/// ```
/// use tables::published::Records;
/// let payload = b"some bytes";
/// let mut file = Vec::new();
/// file.extend(10_u64.to_le_bytes());
/// file.extend(tables::masked_crc32c(&10_u64.to_le_bytes()).to_le_bytes());
/// file.extend(payload);
/// file.extend(tables::masked_crc32c(payload).to_le_bytes());
/// let mut records = Records::new(file.as_slice());
/// assert_eq!(records.next_record()?, Some(&payload[..]));
/// assert_eq!(records.next_record()?, None);
/// # Ok::<(), tables::Flaw>(())
/// ```
pub struct Records<R> {
    from: R,
    record: Vec<u8>,
    /// Records that were read.
    count: u64,
    /// Where the next begins.
    at: u64,
}

impl<R: BufRead> Records<R> {
    /// Of a file from its beginning.
    pub fn new(from: R) -> Self {
        Self { from, record: Vec::new(), count: 0, at: 0 }
    }

    /// What was read from.
    pub fn into_inner(self) -> R {
        self.from
    }

    /// Where the record that was read last stands.
    pub fn place(&self) -> String {
        format!("record {}", self.count)
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// A file that is cut off, a checksum that is wrong, a record longer than 16 MiB. Records are counted from
    /// 1, bytes from 0.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, Flaw> {
        self.count += 1;
        let place = format!("record {} at byte {}", self.count, self.at);
        let wrong = |expected: &str, found: String| Flaw::new(place.clone(), expected, found);
        let read = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => wrong("a whole record", "the end: the file is cut off".into()),
            _ => wrong("bytes", error.to_string()),
        };
        if self.from.fill_buf().map_err(read)?.is_empty() {
            return Ok(None);
        }
        let (mut len, mut sum) = ([0; 8], [0; 4]);
        self.from.read_exact(&mut len).map_err(read)?;
        self.from.read_exact(&mut sum).map_err(read)?;
        let check =
            |bytes: &[u8], sum: [u8; 4], what: &str| match (masked_crc32c(bytes), u32::from_le_bytes(sum)) {
                (made, kept) if made == kept => Ok(()),
                (made, kept) => {
                    Err(wrong(&format!("the checksum {made:08x} of the {what}"), format!("{kept:08x}")))
                }
            };
        check(&len, sum, "length")?;
        let len = u64::from_le_bytes(len);
        if len > RECORD {
            return Err(wrong(&format!("at most {RECORD} bytes"), len.to_string()));
        }
        self.record.clear();
        self.from.by_ref().take(len).read_to_end(&mut self.record).map_err(read)?;
        self.from.read_exact(&mut sum).map_err(read)?;
        check(&self.record, sum, "bytes")?;
        self.at += 16 + len;
        Ok(Some(&self.record))
    }
}
