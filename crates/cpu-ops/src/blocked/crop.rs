//! Images in blocks without their first rows and columns.

use super::Real;
use crate::simd::BLOCK;
use candle_core::{Result, bail};

/// Writes an image in blocks without its first rows and columns to `out`: `size` is the height and width of the image,
/// `first` how many are left out of each. O(elements of the result).
///
/// # Errors
/// Buffers of other sizes, more left out than there is.
pub fn crop<T: Real>(
    image: &[[T; BLOCK]],
    size: (usize, usize),
    first: (usize, usize),
    out: &mut [[T; BLOCK]],
) -> Result<()> {
    let planes = planes(image.len(), out.len(), size, first)?;
    for plane in 0..planes {
        for (row, out) in rows(size, first, plane)
            .zip(out.chunks_exact_mut(size.1 - first.1).skip(plane * (size.0 - first.0)))
        {
            out.copy_from_slice(&image[row..row + out.len()]);
        }
    }
    Ok(())
}

/// Writes the gradient by the image of [`crop`], from that of the result, to `out`, or adds it. O(elements).
///
/// # Errors
/// As [`crop`].
pub fn crop_gradient<T: Real>(
    grad: &[[T; BLOCK]],
    out: &mut [[T; BLOCK]],
    size: (usize, usize),
    first: (usize, usize),
    accumulate: bool,
) -> Result<()> {
    let planes = planes(out.len(), grad.len(), size, first)?;
    if !accumulate {
        out.fill([T::zero(); BLOCK]);
    }
    for plane in 0..planes {
        for (row, grad) in
            rows(size, first, plane).zip(grad.chunks_exact(size.1 - first.1).skip(plane * (size.0 - first.0)))
        {
            for (out, grad) in out[row..row + grad.len()].iter_mut().zip(grad) {
                out.iter_mut().zip(grad).for_each(|(out, &grad)| *out += grad);
            }
        }
    }
    Ok(())
}

/// Where in the image the rows of the result begin.
fn rows(size: (usize, usize), first: (usize, usize), plane: usize) -> impl Iterator<Item = usize> {
    (first.0..size.0).map(move |row| (plane * size.0 + row) * size.1 + first.1)
}

/// How many blocks there are.
fn planes(image: usize, result: usize, size: (usize, usize), first: (usize, usize)) -> Result<usize> {
    let whole = size.0 * size.1;
    if first.0 >= size.0 || first.1 >= size.1 || !image.is_multiple_of(whole) {
        bail!("crop: {first:?} of {size:?} in {image} pixels");
    }
    let (planes, left) = (image / whole, (size.0 - first.0) * (size.1 - first.1));
    if planes * left != result {
        bail!("crop: {result} pixels of the result, expected {}", planes * left);
    }
    Ok(planes)
}
