use crate::set::reserve;
use crate::{ImageError, Images};

/// Which of the binary files of CIFAR (Krizhevsky 2009): images of 3x32x32, planes of red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cifar {
    /// CIFAR-10: a label and 3,072 pixels a record.
    Ten,
    /// CIFAR-100: a label of 20, one of 100 and 3,072 pixels a record; the label of 100 is taken.
    Hundred,
    /// The same files with the label of 20.
    HundredCoarse,
}

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;

impl Cifar {
    /// Labels before the pixels of a record.
    fn heads(self) -> usize {
        if self == Self::Ten { 1 } else { 2 }
    }

    /// The number of classes.
    pub fn classes(self) -> usize {
        match self {
            Self::Ten => 10,
            Self::Hundred => 100,
            Self::HundredCoarse => 20,
        }
    }

    /// Bytes of a record.
    pub fn record(self) -> usize {
        self.heads() + PIXELS
    }
}

/// Images from the bytes of a binary file of CIFAR.
///
/// # Errors
/// No record, a last record that is cut off, a label beyond the classes (of CIFAR-100 the other label is
/// checked too).
pub fn from_cifar(bytes: &[u8], kind: Cifar) -> Result<Images, ImageError> {
    let record = kind.record();
    let records = bytes.len().div_ceil(record).max(1);
    if !bytes.len().is_multiple_of(record) || bytes.is_empty() {
        let what = format!("record {} of {record} bytes", records - 1);
        // no overflow: less than one record more than there is
        return Err(ImageError::Truncated { what, expected: records * record, found: bytes.len() });
    }
    let (mut pixels, mut labels) = (reserve(records * PIXELS)?, reserve(records)?);
    for (image, record) in bytes.chunks_exact(record).enumerate() {
        let (heads, rest) = record.split_at(kind.heads());
        let (label, other) = match (kind, heads) {
            (Cifar::Hundred, &[coarse, fine]) => (fine, Some((coarse, Cifar::HundredCoarse.classes()))),
            (Cifar::HundredCoarse, &[coarse, fine]) => (coarse, Some((fine, Cifar::Hundred.classes()))),
            _ => (heads[0], None),
        };
        if let Some((label, classes)) = other.filter(|&(label, classes)| usize::from(label) >= classes) {
            return Err(ImageError::Label { image, label, classes });
        }
        labels.push(label);
        pixels.extend_from_slice(rest);
    }
    Images::new(SHAPE, kind.classes(), pixels, labels)
}
