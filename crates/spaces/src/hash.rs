use md5::{Digest, Md5};
use std::fmt;

/// An MD5 that architectures share which a space holds for the same. Prints as 32 hexadecimal digits.
///
/// ```
/// use spaces::NasBench201;
/// let cell = NasBench201.get(0)?;
/// assert_eq!(cell.class_hash().to_string().len(), 32);
/// # Ok::<(), spaces::SpaceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchHash(pub u128);

impl ArchHash {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(u128::from_be_bytes(Md5::digest(bytes).into()))
    }

    /// The hash of a labelled graph by `graph_util.hash_module` of NAS-Bench-101 (Ying et al., ICML 2019, section
    /// 2.3). `into` and `out` are the predecessors and successors of each vertex, one bit each; `start` is what a
    /// vertex with these numbers of successors and predecessors starts as, written as the published code does.
    ///
    /// As many times as there are vertices, all take in the sorted hashes of their predecessors and successors; the
    /// result is that of the sorted list as Python writes it.
    pub(crate) fn of_module(into: &[u32], out: &[u32], start: impl Fn(usize, u32, u32) -> String) -> Self {
        let n = into.len();
        let mut hashes: Vec<Self> = (0..n)
            .map(|v| Self::of(start(v, out[v].count_ones(), into[v].count_ones()).as_bytes()))
            .collect();
        let mut text = Vec::with_capacity(512);
        for _ in 0..n {
            let next = (0..n).map(|v| {
                text.clear();
                for set in [into[v], out[v]] {
                    let mut near: Vec<Self> =
                        (0..n).filter(|w| set >> w & 1 == 1).map(|w| hashes[w]).collect();
                    near.sort_unstable();
                    near.iter().for_each(|hash| text.extend_from_slice(&hash.hex()));
                    text.push(b'|');
                }
                text.extend_from_slice(&hashes[v].hex());
                Self::of(&text)
            });
            hashes = next.collect();
        }
        hashes.sort_unstable();
        text.clear();
        text.push(b'[');
        for (place, hash) in hashes.iter().enumerate() {
            text.extend_from_slice(if place == 0 { b"'" } else { b", '" });
            text.extend_from_slice(&hash.hex());
            text.push(b'\'');
        }
        text.push(b']');
        Self::of(&text)
    }

    /// The digits. They are of equal length, so their order is that of the numbers.
    pub(crate) fn hex(self) -> [u8; 32] {
        let mut text = [0; 32];
        let digits = self.0.to_be_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        text.iter_mut()
            .zip(digits)
            .for_each(|(place, digit)| *place = b"0123456789abcdef"[usize::from(digit)]);
        text
    }
}

impl fmt::Display for ArchHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
