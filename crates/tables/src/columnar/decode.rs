//! The values of a part of a column, page by page (parquet-format, `Encodings.md` and `parquet.thrift`).
//!
//! The encodings that writers use for flat columns unless told otherwise; nothing that a page says is believed.

use super::pages::{Page, Pages};
use crate::Flaw;
use flate2::read::MultiGzDecoder;
use std::io::Read;
use std::sync::Arc;

/// How the bytes of a page are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Snappy,
    Gzip,
}

/// Decodes so many values without any encoding.
pub(super) type Plain<'f, T> = &'f mut dyn FnMut(&[u8], usize) -> Result<Vec<T>, Flaw>;

/// The values of `rows` rows; none where a row has none.
pub(super) fn values<T: Clone>(
    mut pages: Pages<'_>,
    packing: Packing,
    rows: usize,
    optional: bool,
    plain: Plain<'_, T>,
) -> Result<Vec<Option<T>>, Flaw> {
    let (mut found, mut dictionary) = (Vec::new(), Vec::new());
    while found.len() < rows {
        let page = pages.next()?.ok_or_else(|| Flaw::new("", format!("{rows} rows"), found.len()))?;
        match page.kind {
            0 | 3 => {
                let left = rows - found.len();
                if page.values > left {
                    return Err(page.flaw(format!("at most {left} rows"), page.values));
                }
                data(&page, packing, optional, plain, &dictionary, &mut found)?;
            }
            2 => {
                let body = unpack(&page, packing, &page.body)?;
                dictionary = plain(&body, page.values).map_err(|flaw| flaw.within(page.place()))?;
            }
            // an index, which nothing here needs
            1 => {}
            other => return Err(page.flaw("a page of data or a dictionary", format!("the kind {other}"))),
        }
    }
    Ok(found)
}

fn data<T: Clone>(
    page: &Page,
    packing: Packing,
    optional: bool,
    plain: Plain<'_, T>,
    dictionary: &[T],
    found: &mut Vec<Option<T>>,
) -> Result<(), Flaw> {
    let cut_off = || page.flaw("whole levels and values", "a page that is cut off");
    // which rows have a value, then the values: in version 2 the first is not packed
    let (levels, body) = if page.kind == 3 {
        let (levels, body) = page.body.split_at_checked(page.levels).ok_or_else(cut_off)?;
        let body = if page.packed_body { unpack(page, packing, body)? } else { body.to_vec() };
        (levels.to_vec(), body)
    } else {
        let whole = unpack(page, packing, &page.body)?;
        if optional {
            let (len, rest) = whole.split_first_chunk::<4>().ok_or_else(cut_off)?;
            let (levels, body) =
                rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or_else(cut_off)?;
            (levels.to_vec(), body.to_vec())
        } else {
            (Vec::new(), whole)
        }
    };
    let there = match optional {
        true => hybrid(&levels, 1, page.values).ok_or_else(cut_off)?,
        false => vec![1; page.values],
    };
    let count = there.iter().filter(|level| **level == 1).count();
    let values: Vec<T> = match page.encoding {
        0 => plain(&body, count).map_err(|flaw| flaw.within(page.place()))?,
        2 | 8 => {
            let (width, rest) = body.split_first().unwrap_or((&0, &[]));
            let places = hybrid(rest, u32::from(*width), count).ok_or_else(cut_off)?;
            let value = |place: u32| dictionary.get(place as usize).cloned();
            let values: Option<Vec<T>> = places.into_iter().map(value).collect();
            values.ok_or_else(|| {
                page.flaw(format!("places of a dictionary of {}", dictionary.len()), "others")
            })?
        }
        3 => {
            // bools of version 2: their length, then runs
            let (_, rest) = body.split_first_chunk::<4>().ok_or_else(cut_off)?;
            let bits = hybrid(rest, 1, count).ok_or_else(cut_off)?;
            let bytes =
                bits.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, bit| byte << 1 | *bit as u8));
            plain(&bytes.collect::<Vec<u8>>(), count)?
        }
        other => return Err(page.flaw("values as they are, or of a dictionary", encoding(other))),
    };
    let mut values = values.into_iter();
    found.extend(there.into_iter().map(|level| if level == 1 { values.next() } else { None }));
    Ok(())
}

fn encoding(number: i64) -> String {
    let name = match number {
        4 => "BIT_PACKED",
        5 => "DELTA_BINARY_PACKED",
        6 => "DELTA_LENGTH_BYTE_ARRAY",
        7 => "DELTA_BYTE_ARRAY",
        9 => "BYTE_STREAM_SPLIT",
        _ => return format!("the encoding {number}"),
    };
    format!("the encoding {name}")
}

fn unpack(page: &Page, packing: Packing, body: &[u8]) -> Result<Vec<u8>, Flaw> {
    let levels = if page.kind == 3 { page.levels } else { 0 };
    let len = page.unpacked.saturating_sub(levels);
    match packing {
        Packing::None => Ok(body.to_vec()),
        Packing::Snappy | Packing::Gzip if body.is_empty() && len == 0 => Ok(Vec::new()),
        Packing::Snappy => {
            if snap::raw::decompress_len(body).ok() != Some(len) {
                return Err(page.flaw(format!("{len} bytes of Snappy"), "another number"));
            }
            let unpacked = snap::raw::Decoder::new().decompress_vec(body);
            unpacked.map_err(|error| page.flaw("bytes of Snappy", error))
        }
        Packing::Gzip => {
            let mut unpacked = Vec::new();
            let read = MultiGzDecoder::new(body).take(len as u64 + 1).read_to_end(&mut unpacked);
            read.map_err(|error| page.flaw("bytes of gzip", error))?;
            if unpacked.len() == len {
                Ok(unpacked)
            } else {
                Err(page.flaw(format!("{len} bytes of gzip"), "another number"))
            }
        }
    }
}

/// Runs and packed groups of numbers of some bits, mixed; none where they are cut off.
fn hybrid(bytes: &[u8], width: u32, count: usize) -> Option<Vec<u32>> {
    if width > 32 {
        return None;
    }
    let mut found = Vec::new();
    let mut rest = bytes;
    while found.len() < count {
        let mut head = 0_u64;
        for shift in (0..35).step_by(7) {
            let (byte, behind) = rest.split_first()?;
            rest = behind;
            head |= u64::from(byte & 127) << shift;
            if *byte < 128 {
                break;
            }
        }
        let left = count - found.len();
        if head & 1 == 0 {
            let (value, behind) = rest.split_at_checked(width.div_ceil(8) as usize)?;
            rest = behind;
            let value = value.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
            let run = usize::try_from(head >> 1).ok()?.min(left);
            if run == 0 {
                return None;
            }
            found.resize(found.len() + run, value);
        } else {
            let numbers = usize::try_from(head >> 1).ok()?.checked_mul(8)?.min(left);
            if numbers == 0 {
                return None;
            }
            let mask = if width == 32 { u32::MAX } else { (1 << width) - 1 };
            let (mut bits, mut have, mut at) = (0_u64, 0, 0);
            for _ in 0..numbers {
                while have < width {
                    bits |= u64::from(*rest.get(at)?) << have;
                    at += 1;
                    have += 8;
                }
                found.push(bits as u32 & mask);
                bits >>= width;
                have -= width;
            }
            // groups of eight take whole bytes, also where their last numbers are not needed
            let whole = usize::try_from(head >> 1).ok()?.checked_mul(width as usize)?;
            rest = rest.get(whole.min(rest.len())..)?;
        }
    }
    Some(found)
}

/// Decodes numbers of N bytes.
pub(super) fn fixed<T, const N: usize>(
    bytes: &[u8],
    count: usize,
    convert: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Flaw> {
    let (numbers, _) = bytes.as_chunks::<N>();
    let numbers =
        numbers.get(..count).ok_or_else(|| Flaw::new("", format!("{count} values"), numbers.len()))?;
    Ok(numbers.iter().map(|number| convert(*number)).collect())
}

/// Decodes bools, eight a byte.
pub(super) fn bools(bytes: &[u8], count: usize) -> Result<Vec<i64>, Flaw> {
    let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| i64::from(byte >> bit & 1)));
    let found: Vec<i64> = bits.take(count).collect();
    if found.len() < count { Err(Flaw::new("", format!("{count} values"), found.len())) } else { Ok(found) }
}

/// Decodes texts of at most so many bytes, each behind its length.
pub(super) fn texts(bytes: &[u8], count: usize, most: usize) -> Result<Vec<Arc<str>>, Flaw> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    for _ in 0..count {
        let piece = rest.split_first_chunk::<4>();
        let piece =
            piece.and_then(|(len, behind)| behind.split_at_checked(u32::from_le_bytes(*len) as usize));
        let (text, behind) = piece.ok_or_else(|| Flaw::new("", format!("{count} values"), found.len()))?;
        rest = behind;
        if text.len() > most {
            return Err(Flaw::new("", format!("a text of at most {most} bytes"), text.len()));
        }
        let text = std::str::from_utf8(text).map_err(|_| Flaw::new("", "UTF-8", "something else"))?;
        found.push(text.into());
    }
    Ok(found)
}
