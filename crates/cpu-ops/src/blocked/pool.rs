//! Pooling of images in blocks, and the mean over an image.

use super::Real;
use crate::pool::{Padding, Pool2d, PoolShape, inside};
use crate::simd::{BLOCK, InstructionSet, Kernel, Lanes};
use candle_core::{Result, bail};
use std::ops::Range;

/// A pooling of images of one size, as [`crate::avg_pool2d`] and [`crate::max_pool2d`] have it.
#[derive(Debug, Clone)]
pub struct ImagePool {
    shape: PoolShape,
    /// Rows and columns that every output reads, and the outputs that read every row and column: looked up, because
    /// what works them out is not inlined into vector code.
    windows: [Vec<Range<usize>>; 2],
    readers: [Vec<Range<usize>>; 2],
    /// For an average, one over the count of every output; for a maximum nothing.
    weights: Option<Vec<f64>>,
}

impl ImagePool {
    /// The average over windows of images of `size` (height, width).
    ///
    /// # Errors
    /// As [`crate::avg_pool2d`].
    pub fn average(size: (usize, usize), window: Pool2d, padding: Padding) -> Result<Self> {
        let mut pool = Self::largest(size, window)?;
        let [by_row, by_column] = [&pool.shape.rows, &pool.shape.columns].map(|axis| {
            let counts = match padding {
                Padding::Counted => vec![axis.kernel; axis.output],
                Padding::Excluded => inside(axis),
            };
            counts.into_iter().map(|n| 1.0 / n.max(1) as f64).collect::<Vec<f64>>()
        });
        pool.weights =
            Some(by_row.iter().flat_map(|row| by_column.iter().map(move |column| row * column)).collect());
        Ok(pool)
    }

    /// The largest over windows.
    ///
    /// # Errors
    /// As [`crate::max_pool2d`].
    pub fn largest(size: (usize, usize), window: Pool2d) -> Result<Self> {
        let shape = PoolShape::new("blocked pooling", (1, 1, size.0, size.1), window)?;
        let axes = [&shape.rows, &shape.columns];
        let windows = axes.map(|axis| (0..axis.output).map(|o| axis.window(o)).collect());
        let readers = axes.map(|axis| (0..axis.input).map(|i| axis.readers(i)).collect());
        Ok(Self { shape, windows, readers, weights: None })
    }

    /// Writes the pooling of `image` to `out`. O(elements of the result times the window).
    ///
    /// # Errors
    /// Buffers of other sizes.
    pub fn run<T: Real>(&self, image: &[[T; BLOCK]], out: &mut [[T; BLOCK]]) -> Result<()> {
        self.check(image.len(), out.len())?;
        let set = InstructionSet::current();
        match &self.weights {
            Some(weights) => T::run(set, Mean { of: self, weights, image, out }),
            None => T::run(set, Largest { of: self, image, out }),
        }
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
        T::run(InstructionSet::current(), Pick { of: self, image, along, out });
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
        let set = InstructionSet::current();
        if let Some(weights) = &self.weights {
            T::run(set, Spread { of: self, weights, grad, out, accumulate });
            return Ok(());
        }
        self.check(image.len(), grad.len())?;
        if !accumulate {
            out.fill([T::zero(); BLOCK]);
        }
        T::run(set, Return { of: self, image, grad, out });
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

/// `f(place, rows, columns)` of every element of a plane, in reading order, with what belongs to its row and its column.
#[inline(always)]
fn places([rows, columns]: &[Vec<Range<usize>>; 2], mut f: impl FnMut(usize, &Range<usize>, &Range<usize>)) {
    let mut place = 0;
    for rows in rows {
        for columns in columns {
            f(place, rows, columns);
            place += 1;
        }
    }
}

struct Mean<'a, T> {
    of: &'a ImagePool,
    weights: &'a [f64],
    image: &'a [[T; BLOCK]],
    out: &'a mut [[T; BLOCK]],
}

impl<T: Real> Kernel<T> for Mean<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { of: ImagePool { shape, windows, .. }, weights, image, out } = self;
        let pitch = shape.columns.input;
        let planes = image.chunks_exact(shape.input_len()).zip(out.chunks_exact_mut(shape.output_len()));
        for (image, out) in planes {
            places(windows, |at, rows, columns| {
                let mut sum = [T::zero(); BLOCK];
                for row in rows.clone() {
                    for pixel in &image[row * pitch..][columns.clone()] {
                        sum.iter_mut().zip(pixel).for_each(|(sum, &x)| *sum += x);
                    }
                }
                let weight = T::from_f64(weights[at]);
                out[at].iter_mut().zip(sum).for_each(|(out, sum)| *out = sum * weight);
            });
        }
    }
}

/// The gradient of [`Mean`]: every pixel collects from the outputs that read it, in reading order.
struct Spread<'a, T> {
    of: &'a ImagePool,
    weights: &'a [f64],
    grad: &'a [[T; BLOCK]],
    out: &'a mut [[T; BLOCK]],
    accumulate: bool,
}

impl<T: Real> Kernel<T> for Spread<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { of: ImagePool { shape, readers, .. }, weights, grad, out, accumulate } = self;
        let pitch = shape.columns.output;
        let planes = grad.chunks_exact(shape.output_len()).zip(out.chunks_exact_mut(shape.input_len()));
        for (grad, out) in planes {
            places(readers, |at, rows, columns| {
                let mut sum = if accumulate { out[at] } else { [T::zero(); BLOCK] };
                for row in rows.clone() {
                    let grads = &grad[row * pitch..][columns.clone()];
                    for (grad, &weight) in grads.iter().zip(&weights[row * pitch..][columns.clone()]) {
                        let weight = T::from_f64(weight);
                        sum.iter_mut().zip(grad).for_each(|(sum, &grad)| *sum += grad * weight);
                    }
                }
                out[at] = sum;
            });
        }
    }
}

struct Largest<'a, T> {
    of: &'a ImagePool,
    image: &'a [[T; BLOCK]],
    out: &'a mut [[T; BLOCK]],
}

impl<T: Real> Kernel<T> for Largest<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { of: ImagePool { shape, windows, .. }, image, out } = self;
        let planes = image.chunks_exact(shape.input_len()).zip(out.chunks_exact_mut(shape.output_len()));
        for (image, out) in planes {
            places(windows, |at, rows, columns| {
                out[at] = largest(image, shape.columns.input, rows, columns).0;
            });
        }
    }
}

/// What lies `along` where the largest of the image lies.
struct Pick<'a, T> {
    of: &'a ImagePool,
    image: &'a [[T; BLOCK]],
    along: &'a [[T; BLOCK]],
    out: &'a mut [[T; BLOCK]],
}

impl<T: Real> Kernel<T> for Pick<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { of: ImagePool { shape, windows, .. }, image, along, out } = self;
        let inputs = image.chunks_exact(shape.input_len()).zip(along.chunks_exact(shape.input_len()));
        for ((image, along), out) in inputs.zip(out.chunks_exact_mut(shape.output_len())) {
            places(windows, |at, rows, columns| {
                let (_, largest) = largest(image, shape.columns.input, rows, columns);
                for (lane, out) in out[at].iter_mut().enumerate() {
                    *out = along[largest[lane]][lane];
                }
            });
        }
    }
}

/// The largest of a window by lane, and where it lies; the first of equal ones, and a NaN before all.
#[inline(always)]
fn largest<T: Real>(
    image: &[[T; BLOCK]],
    pitch: usize,
    rows: &Range<usize>,
    columns: &Range<usize>,
) -> ([T; BLOCK], [usize; BLOCK]) {
    let first = rows.start * pitch + columns.start;
    let (mut best, mut places) = (image[first], [first; BLOCK]);
    for row in rows.clone() {
        let pixels = &image[row * pitch..][columns.clone()];
        for (at, pixel) in (row * pitch + columns.start..).zip(pixels) {
            for lane in 0..BLOCK {
                let (x, held) = (pixel[lane], best[lane]);
                let missing = |x: T| x.partial_cmp(&x).is_none();
                if x > held || (missing(x) && !missing(held)) {
                    (best[lane], places[lane]) = (x, at);
                }
            }
        }
    }
    (best, places)
}

/// The gradient of the largest: back to where it lay.
struct Return<'a, T> {
    of: &'a ImagePool,
    image: &'a [[T; BLOCK]],
    grad: &'a [[T; BLOCK]],
    out: &'a mut [[T; BLOCK]],
}

impl<T: Real> Kernel<T> for Return<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { of: ImagePool { shape, windows, .. }, image, grad, out } = self;
        let inputs = image.chunks_exact(shape.input_len()).zip(grad.chunks_exact(shape.output_len()));
        for ((image, grad), out) in inputs.zip(out.chunks_exact_mut(shape.input_len())) {
            places(windows, |at, rows, columns| {
                let (_, largest) = largest(image, shape.columns.input, rows, columns);
                for (lane, &grad) in grad[at].iter().enumerate() {
                    out[largest[lane]][lane] += grad;
                }
            });
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
