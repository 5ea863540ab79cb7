//! What goes over an image pixel by pixel: sums of scaled images, masks, and sums over pixels.

use super::Real;
use crate::element::at_least_zero;
use crate::simd::{BLOCK, InstructionSet, Kernel, Lanes};
use candle_core::{Result, bail};
use pulp::bytemuck;

/// A summand of [`combine`].
#[derive(Debug, Clone, Copy)]
pub struct Term<'a, T> {
    /// An image in blocks.
    pub image: &'a [[T; BLOCK]],
    /// What every channel is multiplied by, a block after the other; nothing is 1.
    pub scale: Option<&'a [[T; BLOCK]]>,
}

/// The sum of scaled images and, where given, of a `shift` by channel, cut off below 0 where `relu`, written to `out`
/// or added to it (before it is cut off) where `accumulate`. `plane` is the pixels of a block. No terms are zeros.
/// O(elements of all terms).
///
/// ```
/// use cpu_ops::blocked::{Term, combine};
/// let (image, scale) = ([[1f32; 16], [-1.0; 16]], [[2f32; 16]]);
/// let mut out = [[0f32; 16]; 2];
/// let terms = [Term { image: &image, scale: Some(&scale) }];
/// combine(&terms, Some(&[[1.0; 16]]), 2, (true, false), &mut out)?;
/// assert_eq!(out, [[3.0; 16], [0.0; 16]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// Buffers that do not fit each other.
pub fn combine<T: Real>(
    terms: &[Term<'_, T>],
    shift: Option<&[[T; BLOCK]]>,
    plane: usize,
    (relu, accumulate): (bool, bool),
    out: &mut [[T; BLOCK]],
) -> Result<()> {
    let blocks = whole("combine", out.len(), plane)?;
    let scales = terms.iter().filter_map(|term| term.scale).chain(shift);
    if terms.iter().any(|term| term.image.len() != out.len()) || scales.clone().any(|s| s.len() != blocks) {
        let images: Vec<usize> = terms.iter().map(|term| term.image.len()).collect();
        bail!(
            "combine: images {images:?} or vectors by channel do not fit {blocks} blocks of {plane} pixels"
        );
    }
    let set = InstructionSet::current();
    // so many at a time as there are registers for
    let mut rest = terms;
    let mut accumulate = accumulate;
    let mut shift = shift;
    loop {
        let (now, later) = rest.split_at(rest.len().min(MOST));
        let relu = relu && later.is_empty();
        T::run(set, Combine { terms: now, shift, plane, relu, accumulate, out });
        if later.is_empty() {
            return Ok(());
        }
        (rest, accumulate, shift) = (later, true, None);
    }
}

/// Terms that are added up in one go.
const MOST: usize = 4;

fn whole(name: &str, pixels: usize, plane: usize) -> Result<usize> {
    if plane == 0 || !pixels.is_multiple_of(plane) {
        bail!("{name}: {pixels} pixels are not blocks of {plane}");
    }
    Ok(pixels / plane)
}

/// Calls a method with the vectors of a pixel as a constant.
macro_rules! by_width {
    ($lanes:expr, $self:ident . $method:ident :: <$s:ident> ($($argument:expr),*)) => {
        match BLOCK / $lanes {
            1 => $self.$method::<$s, 1>($($argument),*),
            2 => $self.$method::<$s, 2>($($argument),*),
            4 => $self.$method::<$s, 4>($($argument),*),
            _ => $self.$method::<$s, 8>($($argument),*),
        }
    };
}

/// Pixels as `Q` vectors each.
#[inline(always)]
pub(super) fn vectors<T: Real, S: Lanes<T>, const Q: usize>(pixels: &[[T; BLOCK]]) -> &[[S::V; Q]] {
    bytemuck::cast_slice::<T, S::V>(pixels.as_flattened()).as_chunks().0
}

/// The same to write to.
#[inline(always)]
pub(super) fn vectors_mut<T: Real, S: Lanes<T>, const Q: usize>(
    pixels: &mut [[T; BLOCK]],
) -> &mut [[S::V; Q]] {
    bytemuck::cast_slice_mut::<T, S::V>(pixels.as_flattened_mut()).as_chunks_mut().0
}

struct Combine<'a, 'b, T> {
    terms: &'a [Term<'a, T>],
    shift: Option<&'a [[T; BLOCK]]>,
    plane: usize,
    relu: bool,
    accumulate: bool,
    out: &'b mut [[T; BLOCK]],
}

impl<T: Real> Combine<'_, '_, T> {
    #[inline(always)]
    fn blocks<S: Lanes<T>, const Q: usize>(self, simd: S) {
        match self.terms.len() {
            0 => self.sum::<S, Q, 0>(simd),
            1 => self.sum::<S, Q, 1>(simd),
            2 => self.sum::<S, Q, 2>(simd),
            3 => self.sum::<S, Q, 3>(simd),
            _ => self.sum::<S, Q, MOST>(simd),
        }
    }

    #[inline(always)]
    fn sum<S: Lanes<T>, const Q: usize, const K: usize>(self, simd: S) {
        let Self { terms, shift, plane, relu, accumulate, out } = self;
        let (zero, one) = ([[T::zero(); BLOCK]], [[T::one(); BLOCK]]);
        let floor = simd.splat(if relu { T::zero() } else { -T::from_f64(f64::INFINITY) });
        for (block, out) in out.chunks_exact_mut(plane).enumerate() {
            let start = vectors::<T, S, Q>(shift.map_or(&zero, |s| &s[block..=block]))[0];
            let mut images: [&[[S::V; Q]]; K] = [&[]; K];
            let mut scales = [start; K];
            for k in 0..K {
                images[k] = vectors::<T, S, Q>(&terms[k].image[block * plane..(block + 1) * plane]);
                scales[k] = vectors::<T, S, Q>(terms[k].scale.map_or(&one, |s| &s[block..=block]))[0];
            }
            for (pixel, out) in vectors_mut::<T, S, Q>(out).iter_mut().enumerate() {
                for q in 0..Q {
                    let mut sum = if accumulate { simd.add(out[q], start[q]) } else { start[q] };
                    for k in 0..K {
                        sum = simd.mul_add(images[k][pixel][q], scales[k][q], sum);
                    }
                    // a NaN stays one
                    out[q] = if relu { simd.max(floor, sum) } else { sum };
                }
            }
        }
    }
}

impl<T: Real> Kernel<T> for Combine<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        by_width!(S::LANES, self.blocks::<S>(simd))
    }
}

/// Puts zeros where `gate` is 0 or below, and keeps `grad` elsewhere. O(elements).
///
/// # Errors
/// Buffers of different sizes.
pub fn mask<T: Real>(gate: &[[T; BLOCK]], grad: &mut [[T; BLOCK]]) -> Result<()> {
    if gate.len() != grad.len() {
        bail!("mask: {} and {} pixels", gate.len(), grad.len());
    }
    T::run(InstructionSet::current(), Mask { gate, grad });
    Ok(())
}

struct Mask<'a, T> {
    gate: &'a [[T; BLOCK]],
    grad: &'a mut [[T; BLOCK]],
}

impl<T: Real> Kernel<T> for Mask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        for (grad, &gate) in self.grad.as_flattened_mut().iter_mut().zip(self.gate.as_flattened()) {
            *grad = if gate <= T::zero() { T::zero() } else { *grad };
        }
    }
}

/// Puts `most` where an image is above it. O(elements).
pub fn cap<T: Real>(most: f64, image: &mut [[T; BLOCK]]) {
    T::run(InstructionSet::current(), Cap { most: T::from_f64(most), image });
}

struct Cap<'a, T> {
    most: T,
    image: &'a mut [[T; BLOCK]],
}

impl<T: Real> Kernel<T> for Cap<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        for x in self.image.as_flattened_mut() {
            *x = if *x > self.most { self.most } else { *x };
        }
    }
}

/// Puts zeros where the capped image `gate` is at `most`, and keeps `grad` elsewhere. O(elements).
///
/// # Errors
/// Buffers of different sizes.
pub fn cap_mask<T: Real>(most: f64, gate: &[[T; BLOCK]], grad: &mut [[T; BLOCK]]) -> Result<()> {
    if gate.len() != grad.len() {
        bail!("cap_mask: {} and {} pixels", gate.len(), grad.len());
    }
    T::run(InstructionSet::current(), CapMask { most: T::from_f64(most), gate, grad });
    Ok(())
}

struct CapMask<'a, T> {
    most: T,
    gate: &'a [[T; BLOCK]],
    grad: &'a mut [[T; BLOCK]],
}

impl<T: Real> Kernel<T> for CapMask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        for (grad, &gate) in self.grad.as_flattened_mut().iter_mut().zip(self.gate.as_flattened()) {
            *grad = if gate >= self.most { T::zero() } else { *grad };
        }
    }
}

/// Of every channel the mean over an image and the sum of squared distances from it, in f64: parts of a batch's
/// statistics, to be merged image by image. Two passes, so that no digits cancel. O(elements).
///
/// # Errors
/// Buffers that do not fit each other: `out` has an element for every lane of every block.
pub fn moments<T: Real>(image: &[[T; BLOCK]], plane: usize, out: &mut [[f64; 2]]) -> Result<()> {
    let blocks = whole("moments", image.len(), plane)?;
    if out.len() != blocks * BLOCK {
        bail!("moments: {} results for {blocks} blocks", out.len());
    }
    T::run(InstructionSet::current(), Moments { image, plane, out });
    Ok(())
}

/// Pixels that are summed side by side, so that additions need not wait for each other.
const CHAINS: usize = 4;

struct Moments<'a, T> {
    image: &'a [[T; BLOCK]],
    plane: usize,
    out: &'a mut [[f64; 2]],
}

impl<T: Real> Moments<'_, T> {
    #[inline(always)]
    fn blocks<S: Lanes<T>, const Q: usize>(self, simd: S) {
        let Self { image, plane, out } = self;
        let count = plane as f64;
        for (image, out) in image.chunks_exact(plane).zip(out.chunks_exact_mut(BLOCK)) {
            let pixels = vectors::<T, S, Q>(image);
            let sums = by_chains(simd, pixels, |sum, x, _| simd.add(sum, x));
            let mut near = [T::zero(); BLOCK];
            for (near, sum) in near.iter_mut().zip(sums) {
                *near = T::from_f64(sum / count);
            }
            let from = vectors::<T, S, Q>(std::slice::from_ref(&near))[0];
            let far = by_chains(simd, pixels, |sum, x, q| {
                let apart = simd.sub(x, from[q]);
                simd.mul_add(apart, apart, sum)
            });
            for lane in 0..BLOCK {
                // the mean is rounded to T: correct for what that leaves
                let off = sums[lane] / count - near[lane].to_f64();
                out[lane] = [sums[lane] / count, at_least_zero(far[lane] - count * off * off)];
            }
        }
    }
}

impl<T: Real> Kernel<T> for Moments<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        by_width!(S::LANES, self.blocks::<S>(simd))
    }
}

/// Folds the pixels by `f(sum, vector, its place in the pixel)`, several side by side, and adds up in f64.
#[inline(always)]
fn by_chains<T: Real, S: Lanes<T>, const Q: usize>(
    simd: S,
    pixels: &[[S::V; Q]],
    f: impl Fn(S::V, S::V, usize) -> S::V,
) -> [f64; BLOCK] {
    let (groups, rest) = pixels.as_chunks::<CHAINS>();
    let mut chains = [[simd.splat(T::zero()); Q]; CHAINS];
    for group in groups {
        for (chain, pixel) in chains.iter_mut().zip(group) {
            for q in 0..Q {
                chain[q] = f(chain[q], pixel[q], q);
            }
        }
    }
    for pixel in rest {
        for q in 0..Q {
            chains[0][q] = f(chains[0][q], pixel[q], q);
        }
    }
    let mut total = [0.0; BLOCK];
    for chain in &chains {
        for (total, lane) in total.iter_mut().zip(bytemuck::cast_slice::<S::V, T>(chain)) {
            *total += lane.to_f64();
        }
    }
    total
}

/// Of every channel the sums over an image of `grad` and of `grad (image - from)`, in f64: what the gradients of
/// batch norm are made of, of biases, and of channels as such. O(elements).
///
/// # Errors
/// Buffers that do not fit each other: `from` has one vector a block, `out` an element for every lane of every block.
pub fn products<T: Real>(
    grad: &[[T; BLOCK]],
    image: &[[T; BLOCK]],
    from: &[[T; BLOCK]],
    plane: usize,
    out: &mut [[f64; 2]],
) -> Result<()> {
    let blocks = whole("products", grad.len(), plane)?;
    if image.len() != grad.len() || from.len() != blocks || out.len() != blocks * BLOCK {
        bail!(
            "products: {} pixels, {} vectors and {} results for {blocks} blocks of {plane} pixels",
            image.len(),
            from.len(),
            out.len()
        );
    }
    T::run(InstructionSet::current(), Products { grad, image, from, plane, out });
    Ok(())
}

struct Products<'a, T> {
    grad: &'a [[T; BLOCK]],
    image: &'a [[T; BLOCK]],
    from: &'a [[T; BLOCK]],
    plane: usize,
    out: &'a mut [[f64; 2]],
}

impl<T: Real> Products<'_, T> {
    #[inline(always)]
    fn blocks<S: Lanes<T>, const Q: usize>(self, simd: S) {
        let Self { grad, image, from, plane, out } = self;
        let blocks = grad.chunks_exact(plane).zip(image.chunks_exact(plane));
        for (((grad, image), from), out) in blocks.zip(from).zip(out.chunks_exact_mut(BLOCK)) {
            let from = vectors::<T, S, Q>(std::slice::from_ref(from))[0];
            let mut sums = [[[simd.splat(T::zero()); Q]; 2]; 2];
            let (grad, last) = vectors::<T, S, Q>(grad).as_chunks::<2>();
            let (image, last_image) = vectors::<T, S, Q>(image).as_chunks::<2>();
            for (g, x) in grad.iter().zip(image) {
                for (chain, (g, x)) in sums.iter_mut().zip(g.iter().zip(x)) {
                    for q in 0..Q {
                        chain[0][q] = simd.add(chain[0][q], g[q]);
                        chain[1][q] = simd.mul_add(g[q], simd.sub(x[q], from[q]), chain[1][q]);
                    }
                }
            }
            for (g, x) in last.iter().zip(last_image) {
                for q in 0..Q {
                    sums[0][0][q] = simd.add(sums[0][0][q], g[q]);
                    sums[0][1][q] = simd.mul_add(g[q], simd.sub(x[q], from[q]), sums[0][1][q]);
                }
            }
            out.fill([0.0; 2]);
            for chain in &sums {
                for (k, sums) in chain.iter().enumerate() {
                    for (out, lane) in out.iter_mut().zip(bytemuck::cast_slice::<S::V, T>(sums)) {
                        out[k] += lane.to_f64();
                    }
                }
            }
        }
    }
}

impl<T: Real> Kernel<T> for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        by_width!(S::LANES, self.blocks::<S>(simd))
    }
}
