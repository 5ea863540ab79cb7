//! Pooling of images in blocks, and the mean over an image.

use super::Real;
use crate::pool::{Padding, Pool2d, PoolShape, inside};
use crate::simd::{BLOCK, InstructionSet, Kernel, Lanes};
use candle_core::{Result, bail};

/// A pooling of images of one size, as [`crate::avg_pool2d`] and [`crate::max_pool2d`] have it.
#[derive(Debug, Clone)]
pub struct ImagePool {
    shape: PoolShape,
    /// For an average, one over the count of every output, by row and by column; for a maximum nothing.
    weights: Option<[Vec<f64>; 2]>,
}

impl ImagePool {
    /// The average over windows of images of `size` (height, width).
    ///
    /// # Errors
    /// As [`crate::avg_pool2d`].
    pub fn average(size: (usize, usize), window: Pool2d, padding: Padding) -> Result<Self> {
        let shape = PoolShape::new("blocked pooling", (1, 1, size.0, size.1), window)?;
        let counts = [&shape.rows, &shape.columns].map(|axis| match padding {
            Padding::Counted => vec![axis.kernel; axis.output],
            Padding::Excluded => inside(axis),
        });
        let over = counts.map(|counts| counts.iter().map(|&n| 1.0 / n.max(1) as f64).collect());
        Ok(Self { shape, weights: Some(over) })
    }

    /// The largest over windows.
    ///
    /// # Errors
    /// As [`crate::max_pool2d`].
    pub fn largest(size: (usize, usize), window: Pool2d) -> Result<Self> {
        let shape = PoolShape::new("blocked pooling", (1, 1, size.0, size.1), window)?;
        Ok(Self { shape, weights: None })
    }

    /// Writes the pooling of `image` to `out`. O(elements of the result times the window).
    ///
    /// # Errors
    /// Buffers of other sizes.
    pub fn run<T: Real>(&self, image: &[[T; BLOCK]], out: &mut [[T; BLOCK]]) -> Result<()> {
        self.check(image.len(), out.len())?;
        T::run(InstructionSet::current(), Forward { of: self, image, out });
        Ok(())
    }

    /// Writes how the pooling of `image` moves when it moves by `along` to `out`: for an average the pooling of that, for
    /// a maximum what moves where the largest lies. O(elements of the result times the window).
    ///
    /// # Errors
    /// Buffers of other sizes.
    pub fn tangent<T: Real>(
        &self,
        image: &[[T; BLOCK]],
        along: &[[T; BLOCK]],
        out: &mut [[T; BLOCK]],
    ) -> Result<()> {
        if self.weights.is_some() {
            return self.run(along, out);
        }
        self.check(image.len(), out.len())?;
        self.check(along.len(), out.len())?;
        T::run(InstructionSet::current(), Pick { shape: &self.shape, image, along, out });
        Ok(())
    }

    /// Writes the gradient by the image, from that of the result, to `out`, or adds it. A maximum needs the `image`
    /// itself again; an average takes any. O(elements of the result times the window).
    ///
    /// # Errors
    /// Buffers of other sizes.
    pub fn gradient<T: Real>(
        &self,
        image: &[[T; BLOCK]],
        grad: &[[T; BLOCK]],
        out: &mut [[T; BLOCK]],
        accumulate: bool,
    ) -> Result<()> {
        self.check(out.len(), grad.len())?;
        if self.weights.is_none() {
            self.check(image.len(), grad.len())?;
        }
        if !accumulate {
            out.fill([T::zero(); BLOCK]);
        }
        T::run(InstructionSet::current(), Backward { of: self, image, grad, out });
        Ok(())
    }

    fn check(&self, input: usize, output: usize) -> Result<()> {
        let (from, to) = (self.shape.input_len(), self.shape.output_len());
        if !input.is_multiple_of(from) || output != input / from * to {
            bail!("blocked pooling: {input} and {output} pixels, expected blocks of {from} and {to}");
        }
        Ok(())
    }
}

struct Forward<'a, T> {
    of: &'a ImagePool,
    image: &'a [[T; BLOCK]],
    out: &'a mut [[T; BLOCK]],
}

impl<T: Real> Kernel<T> for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { of: ImagePool { shape, weights }, image, out } = self;
        let PoolShape { rows, columns, .. } = shape;
        let planes = image.chunks_exact(shape.input_len()).zip(out.chunks_exact_mut(shape.output_len()));
        for (image, out) in planes {
            for (at, out) in out.iter_mut().enumerate() {
                let (row, column) = (at / columns.output, at % columns.output);
                match weights {
                    Some([by_row, by_column]) => {
                        let mut sum = [T::zero(); BLOCK];
                        for r in (0..rows.kernel).filter_map(|k| rows.source(row, k)) {
                            for c in (0..columns.kernel).filter_map(|k| columns.source(column, k)) {
                                let pixel = &image[r * columns.input + c];
                                sum.iter_mut().zip(pixel).for_each(|(sum, &x)| *sum += x);
                            }
                        }
                        let weight = T::from_f64(by_row[row] * by_column[column]);
                        out.iter_mut().zip(sum).for_each(|(out, sum)| *out = sum * weight);
                    }
                    None => *out = largest(shape, image, (row, column)).0,
                }
            }
        }
    }
}

struct Pick<'a, T> {
    shape: &'a PoolShape,
    image: &'a [[T; BLOCK]],
    along: &'a [[T; BLOCK]],
    out: &'a mut [[T; BLOCK]],
}

impl<T: Real> Kernel<T> for Pick<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { shape, image, along, out } = self;
        let planes = image.chunks_exact(shape.input_len()).zip(along.chunks_exact(shape.input_len()));
        for ((image, along), out) in planes.zip(out.chunks_exact_mut(shape.output_len())) {
            for (at, out) in out.iter_mut().enumerate() {
                let place = (at / shape.columns.output, at % shape.columns.output);
                let (_, places) = largest(shape, image, place);
                for (lane, out) in out.iter_mut().enumerate() {
                    *out = along[places[lane]][lane];
                }
            }
        }
    }
}

/// The largest of a window by lane, and where it lies; the first of equal ones, and a NaN before all.
#[inline(always)]
fn largest<T: Real>(
    PoolShape { rows, columns, .. }: &PoolShape,
    image: &[[T; BLOCK]],
    (row, column): (usize, usize),
) -> ([T; BLOCK], [usize; BLOCK]) {
    let (mut best, mut places) = ([T::zero(); BLOCK], [0; BLOCK]);
    let mut first = true;
    for r in (0..rows.kernel).filter_map(|k| rows.source(row, k)) {
        for c in (0..columns.kernel).filter_map(|k| columns.source(column, k)) {
            let at = r * columns.input + c;
            for lane in 0..BLOCK {
                let (x, held) = (image[at][lane], best[lane]);
                let missing = |x: T| x.partial_cmp(&x).is_none();
                if first || x > held || (missing(x) && !missing(held)) {
                    (best[lane], places[lane]) = (x, at);
                }
            }
            first = false;
        }
    }
    (best, places)
}

struct Backward<'a, T> {
    of: &'a ImagePool,
    image: &'a [[T; BLOCK]],
    grad: &'a [[T; BLOCK]],
    out: &'a mut [[T; BLOCK]],
}

impl<T: Real> Kernel<T> for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { of: ImagePool { shape, weights }, image, grad, out } = self;
        let PoolShape { rows, columns, .. } = shape;
        let (input, output) = (shape.input_len(), shape.output_len());
        for (plane, (grad, out)) in grad.chunks_exact(output).zip(out.chunks_exact_mut(input)).enumerate() {
            for (at, grad) in grad.iter().enumerate() {
                let (row, column) = (at / columns.output, at % columns.output);
                match weights {
                    Some([by_row, by_column]) => {
                        let weight = T::from_f64(by_row[row] * by_column[column]);
                        let mut share = *grad;
                        share.iter_mut().for_each(|share| *share *= weight);
                        for r in (0..rows.kernel).filter_map(|k| rows.source(row, k)) {
                            for c in (0..columns.kernel).filter_map(|k| columns.source(column, k)) {
                                let pixel = &mut out[r * columns.input + c];
                                pixel.iter_mut().zip(share).for_each(|(out, share)| *out += share);
                            }
                        }
                    }
                    None => {
                        let image = &image[plane * input..(plane + 1) * input];
                        let (_, places) = largest(shape, image, (row, column));
                        for lane in 0..BLOCK {
                            out[places[lane]][lane] += grad[lane];
                        }
                    }
                }
            }
        }
    }
}

/// Writes the mean of every channel, one pixel a block. Summed in f64. O(elements).
///
/// # Errors
/// Buffers that do not fit each other.
pub fn image_mean<T: Real>(image: &[[T; BLOCK]], out: &mut [[T; BLOCK]]) -> Result<()> {
    let plane = per_block("image_mean", image.len(), out.len())?;
    for (image, out) in image.chunks_exact(plane).zip(out) {
        let mut sum = [0.0; BLOCK];
        for pixel in image {
            sum.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x.to_f64());
        }
        out.iter_mut().zip(sum).for_each(|(out, sum)| *out = T::from_f64(sum / plane as f64));
    }
    Ok(())
}

/// Writes the gradient of [`image_mean`] by the image to `out`, or adds it. O(elements).
///
/// # Errors
/// Buffers that do not fit each other.
pub fn image_mean_gradient<T: Real>(
    grad: &[[T; BLOCK]],
    out: &mut [[T; BLOCK]],
    accumulate: bool,
) -> Result<()> {
    let plane = per_block("image_mean_gradient", out.len(), grad.len())?;
    let weight = T::from_f64(1.0 / plane as f64);
    for (grad, out) in grad.iter().zip(out.chunks_exact_mut(plane)) {
        for pixel in out {
            for (out, &grad) in pixel.iter_mut().zip(grad) {
                *out = if accumulate { *out + grad * weight } else { grad * weight };
            }
        }
    }
    Ok(())
}

fn per_block(name: &str, pixels: usize, blocks: usize) -> Result<usize> {
    if blocks == 0 || pixels == 0 || !pixels.is_multiple_of(blocks) {
        bail!("{name}: {pixels} pixels and {blocks} blocks");
    }
    Ok(pixels / blocks)
}

/// Copies `channels` channels of an image in blocks, from channel `from` of `source` to channel `to` of `target`, or
/// adds them; `plane` is the pixels of a block of both. O(elements).
///
/// # Errors
/// Channels that are not there.
pub fn copy_channels<T: Real>(
    (source, from): (&[[T; BLOCK]], usize),
    (target, to): (&mut [[T; BLOCK]], usize),
    channels: usize,
    plane: usize,
    accumulate: bool,
) -> Result<()> {
    let reach = |first: usize| (first + channels).div_ceil(BLOCK) * plane;
    if plane == 0 || reach(from) > source.len() || reach(to) > target.len() {
        bail!(
            "copy_channels: channels {from} and {to}, {channels} of them, of {} and {} pixels",
            source.len(),
            target.len()
        );
    }
    for channel in 0..channels {
        let ((at, lane), (put, put_lane)) = (split(from + channel), split(to + channel));
        let source = &source[at * plane..(at + 1) * plane];
        for (target, source) in target[put * plane..(put + 1) * plane].iter_mut().zip(source) {
            let held = &mut target[put_lane];
            *held = if accumulate { *held + source[lane] } else { source[lane] };
        }
    }
    Ok(())
}

fn split(channel: usize) -> (usize, usize) {
    (channel / BLOCK, channel % BLOCK)
}
