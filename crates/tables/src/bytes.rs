//! Whole files in memory, within a limit.

use crate::TableError;
use crate::source::Hashed;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

/// Reads a file of at most `limit` bytes, and its SHA-256.
pub(crate) fn read(path: &Path, limit: u64) -> Result<(Vec<u8>, String), TableError> {
    let file = path.to_path_buf();
    let opened = File::open(path).map_err(|source| TableError::Open { file: file.clone(), source })?;
    let mut bytes = Vec::new();
    let read = opened.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|source| TableError::Read { file: file.clone(), line: 0, source })?;
    if bytes.len() as u64 > limit {
        return Err(TableError::TooLarge { file, limit });
    }
    let sha256 = hex(&Sha256::digest(&bytes));
    Ok((bytes, sha256))
}

/// SHA-256 of an open file of any size, in hexadecimal.
pub(crate) fn sha256(mut file: &File) -> io::Result<String> {
    file.rewind()?;
    let mut hashed = Hashed::of(file.try_clone()?);
    io::copy(&mut hashed, &mut io::sink())?;
    Ok(hashed.sha256())
}

/// Bytes as hexadecimal digits.
///
/// ```
/// assert_eq!(tables::hex(&[0, 255]), "00ff");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Unpacks bzip2 into at most `limit` bytes.
pub(crate) fn bunzip2(bytes: &[u8], limit: u64) -> Result<Vec<u8>, crate::Flaw> {
    let mut unpacked = Vec::new();
    let decoder = bzip2::read::MultiBzDecoder::new(bytes);
    let read = decoder.take(limit.saturating_add(1)).read_to_end(&mut unpacked);
    read.map_err(|error| crate::Flaw::new("the bzip2 stream", "whole blocks with right checksums", error))?;
    if unpacked.len() as u64 > limit {
        return Err(crate::Flaw::new("the bzip2 stream", format!("at most {limit} bytes"), "more"));
    }
    Ok(unpacked)
}
