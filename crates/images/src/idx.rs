use crate::set::product;
use crate::{ImageError, Images};

/// Bytes in three dimensions: grey images.
pub(crate) const IMAGES: u32 = 0x0803;
/// Bytes in one dimension: labels.
const LABELS: u32 = 0x0801;

/// Grey images from the bytes of two files in the IDX format of MNIST (LeCun, Cortes and Burges 1998): one of
/// images, one of labels.
///
/// # Errors
/// What is wrong in the images, then in the labels: the first four bytes, sizes, a file that is cut off or
/// too long; then numbers of images and labels that differ, and labels beyond the classes.
pub fn from_idx(images: &[u8], labels: &[u8], classes: usize) -> Result<Images, ImageError> {
    let ([count, height, width], pixels) = sections::<3>(images, IMAGES, "grey images")?;
    let ([there], labels) = sections::<1>(labels, LABELS, "labels")?;
    if count != there {
        return Err(ImageError::Counts { images: count, labels: there });
    }
    Images::new([1, height, width], classes, pixels.to_vec(), labels.to_vec())
}

/// The sizes and the bytes behind them.
fn sections<'a, const N: usize>(
    bytes: &'a [u8],
    magic: u32,
    what: &'static str,
) -> Result<([usize; N], &'a [u8]), ImageError> {
    let head = 4 + 4 * N;
    let number = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    match number(0) {
        Some(found) if found != magic => return Err(ImageError::Magic { what, expected: magic, found }),
        Some(_) if bytes.len() >= head => {}
        _ => {
            let what = format!("the head of {what}");
            return Err(ImageError::Truncated { what, expected: head, found: bytes.len() });
        }
    }
    let mut sizes = [0; N];
    for (i, size) in sizes.iter_mut().enumerate() {
        *size = number(4 + 4 * i).map_or(0, |size| size as usize);
    }
    let expected = head + product(&sizes)?;
    let found = bytes.len();
    let sized = || {
        let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
        format!("{what} ({})", sizes.join("x"))
    };
    match found.cmp(&expected) {
        std::cmp::Ordering::Less => Err(ImageError::Truncated { what: sized(), expected, found }),
        std::cmp::Ordering::Greater => Err(ImageError::TooLong { what: sized(), expected, found }),
        std::cmp::Ordering::Equal => Ok((sizes, &bytes[head..])),
    }
}
