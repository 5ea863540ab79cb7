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
