//! The zip archives that `torch.save` writes: files as they are, none compressed.

use crate::Flaw;

/// Files of an archive at most; a checkpoint of a large network has some hundred.
const FILES: usize = 10_000;

/// The files of an archive, by name, as pieces of its bytes (APPNOTE.TXT 6.3.9, sections 4.3.7 to 4.3.16).
///
/// # Errors
/// An archive that is cut off, a file that is compressed, encrypted or has another checksum than it should.
pub(crate) fn entries(bytes: &[u8]) -> Result<Vec<(String, &[u8])>, Flaw> {
    // the last record, behind which a comment of 64 KiB may stand
    let from = bytes.len().saturating_sub(22 + (1 << 16));
    let tail = bytes.get(from..).unwrap_or_default();
    let end = tail.windows(4).rposition(|four| four == b"PK\x05\x06").map(|at| from + at);
    let end =
        end.ok_or_else(|| Flaw::new("the end", "the directory of a zip archive", "none: it is cut off"))?;
    let (count, mut at) = (number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)? as usize);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > FILES {
        return Err(Flaw::new(format!("byte {end}"), format!("at most {FILES} files"), count));
    }
    let (mut found, mut all) = (Vec::with_capacity(count), 0);
    for _ in 0..count {
        let place = format!("byte {at}");
        if bytes.get(at..at + 4) != Some(b"PK\x01\x02") {
            return Err(Flaw::new(place, "an entry of the archive's directory", "something else"));
        }
        let field = |offset, len| number(bytes, at + offset, len);
        let (method, flags) = (field(10, 2)?, field(8, 2)?);
        let (sum, stored, size, start) =
            (field(16, 4)?, field(20, 4)?, field(24, 4)?, field(42, 4)? as usize);
        let lengths = [field(28, 2)? as usize, field(30, 2)? as usize, field(32, 2)? as usize];
        let name = String::from_utf8_lossy(piece(bytes, at + 46, lengths[0])?).into_owned();
        if method != 0 || flags & 1 == 1 || stored != size {
            return Err(Flaw::new(
                name,
                "a file that is not compressed, as torch.save writes",
                "a compressed one",
            ));
        }
        if [size, start as u64].contains(&0xffff_ffff) {
            return Err(Flaw::new(name, "a file below 4 GiB", "a larger one"));
        }
        let behind = number(bytes, start + 26, 2)? + number(bytes, start + 28, 2)?;
        let data = piece(bytes, start + 30 + behind as usize, size as usize)?;
        // several entries may name one piece
        all += data.len();
        if all > bytes.len() {
            return Err(Flaw::new(name, "files that together are no larger than the archive", "larger ones"));
        }
        let mut checksum = flate2::Crc::new();
        checksum.update(data);
        if u64::from(checksum.sum()) != sum {
            return Err(Flaw::new(
                name,
                format!("the checksum {sum:08x}"),
                format!("{:08x}", checksum.sum()),
            ));
        }
        found.push((name, data));
        at += 46 + lengths.iter().sum::<usize>();
    }
    Ok(found)
}

fn piece(bytes: &[u8], start: usize, len: usize) -> Result<&[u8], Flaw> {
    let found = start.checked_add(len).and_then(|end| bytes.get(start..end));
    found.ok_or_else(|| {
        Flaw::new(format!("byte {start}"), format!("{len} bytes"), "the end: the archive is cut off")
    })
}

/// A little-endian number of at most 8 bytes.
fn number(bytes: &[u8], start: usize, len: usize) -> Result<u64, Flaw> {
    Ok(piece(bytes, start, len)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
