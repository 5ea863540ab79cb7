use crate::element::Element;
use crate::simd::{BLOCK, InstructionSet, Kernel, Lanes};
use pulp::bytemuck;

/// Result channels that are computed together: each loaded source vector feeds all of them.
const CHANNELS: usize = 4;

/// Pixels whose products with each other are summed in registers before they reach the memory, about.
const CHAIN: usize = 2048;

/// A kernel of one tap with unit steps, on planes as they lie: every result channel is a weighted sum of the source
/// channels, pixel by pixel.
#[derive(Debug, Clone)]
pub(crate) struct Pointwise<T> {
    set: InstructionSet,
    sources: usize,
    targets: usize,
    /// `[groups of four targets][sources][4]`.
    weights: Vec<T>,
}

impl<T: Element> Pointwise<T> {
    /// `weight(target channel, source channel)`.
    pub(crate) fn new(
        set: InstructionSet,
        (sources, targets): (usize, usize),
        weight: impl Fn(usize, usize) -> T,
    ) -> Self {
        let mut weights = Vec::with_capacity(targets.next_multiple_of(CHANNELS) * sources);
        for first in (0..targets).step_by(CHANNELS) {
            for source in 0..sources {
                let here = |target| if target < targets { weight(target, source) } else { T::zero() };
                weights.extend((first..first + CHANNELS).map(here));
            }
        }
        Self { set, sources, targets, weights }
    }

    /// Writes the result of one image of planes, `bias` added where given.
    pub(crate) fn run(&self, source: &[T], target: &mut [T], bias: Option<&[T]>) {
        let size = target.len() / self.targets;
        assert!(source.len() == self.sources * size && target.len() == self.targets * size, "planes");
        T::run(self.set, Run { of: self, source, target, bias, size });
    }
}

struct Run<'a, T> {
    of: &'a Pointwise<T>,
    source: &'a [T],
    target: &'a mut [T],
    bias: Option<&'a [T]>,
    size: usize,
}

impl<T: Element> Kernel<T> for Run<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(mut self, simd: S) {
        let mut pixel = 0;
        while self.size - pixel >= 4 * S::LANES && S::REGISTER_COUNT >= 32 {
            self.columns::<S, 4>(simd, pixel);
            pixel += 4 * S::LANES;
        }
        while self.size - pixel >= 2 * S::LANES {
            self.columns::<S, 2>(simd, pixel);
            pixel += 2 * S::LANES;
        }
        while self.size - pixel >= S::LANES {
            self.columns::<S, 1>(simd, pixel);
            pixel += S::LANES;
        }
        (pixel..self.size).for_each(|pixel| self.last(pixel));
    }
}

impl<T: Element> Run<'_, T> {
    fn bias(&self, target: usize) -> T {
        self.bias.and_then(|bias| bias.get(target)).copied().unwrap_or_else(T::zero)
    }

    /// `V` vectors of pixels of every channel.
    #[inline(always)]
    fn columns<S: Lanes<T>, const V: usize>(&mut self, simd: S, pixel: usize) {
        let Self { of, source, size, .. } = *self;
        for (group, weights) in of.weights.chunks_exact(CHANNELS * of.sources).enumerate() {
            let mut sums = [[simd.splat(T::zero()); V]; CHANNELS];
            for (c, sums) in sums.iter_mut().enumerate() {
                *sums = [simd.splat(self.bias(group * CHANNELS + c)); V];
            }
            for (plane, weights) in source.chunks_exact(size).zip(weights.as_chunks::<CHANNELS>().0) {
                let vectors: &[S::V] = bytemuck::cast_slice(&plane[pixel..][..V * S::LANES]);
                let vectors: &[S::V; V] = vectors.first_chunk().expect("inside");
                for c in 0..CHANNELS {
                    let weight = simd.splat(weights[c]);
                    for v in 0..V {
                        sums[c][v] = simd.mul_add(weight, vectors[v], sums[c][v]);
                    }
                }
            }
            for (c, sums) in sums.iter().enumerate().take(of.targets - group * CHANNELS) {
                let out = &mut self.target[(group * CHANNELS + c) * size + pixel..][..V * S::LANES];
                bytemuck::cast_slice_mut::<T, S::V>(out).copy_from_slice(sums);
            }
        }
    }

    /// One pixel of every channel.
    fn last(&mut self, pixel: usize) {
        let Self { of, source, size, .. } = *self;
        for target in 0..of.targets {
            let weights = of.weights[target / CHANNELS * CHANNELS * of.sources + target % CHANNELS..].iter();
            let planes = source.iter().skip(pixel).step_by(size);
            let start = self.bias(target);
            self.target[target * size + pixel] =
                weights.step_by(CHANNELS).zip(planes).fold(start, |sum, (&w, &x)| sum + w * x);
        }
    }
}

/// Adds the gradient by the weight, `(targets, sources)`, of images of planes of `x` and `dy`, `stride` elements apart
/// in each.
pub(crate) struct PointwiseGradient<'a, T> {
    pub(crate) x: &'a [T],
    pub(crate) dy: &'a [T],
    /// Elements from one image to the next in `x` and `dy`.
    pub(crate) strides: (usize, usize),
    pub(crate) images: usize,
    pub(crate) channels: (usize, usize),
    pub(crate) size: usize,
    pub(crate) sums: &'a mut [T],
}

impl<T: Element> Kernel<T> for PointwiseGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(mut self, simd: S) {
        let together = (CHAIN / self.size).max(1);
        for first in (0..self.images).step_by(together) {
            let images = first..(first + together).min(self.images);
            let (sources, targets) = self.channels;
            // tiles that fill the registers, and what is left at the edges one by one
            let rows = if S::REGISTER_COUNT >= 32 { 4 } else { 2 };
            for target in (0..targets).step_by(rows) {
                for source in (0..sources).step_by(4) {
                    match (target + rows <= targets && source + 4 <= sources, rows) {
                        (true, 4) => self.tile::<S, 4, 4>(simd, images.clone(), (target, source)),
                        (true, _) => self.tile::<S, 2, 4>(simd, images.clone(), (target, source)),
                        (false, _) => {
                            for target in target..(target + rows).min(targets) {
                                for source in source..(source + 4).min(sources) {
                                    self.tile::<S, 1, 1>(simd, images.clone(), (target, source));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl<T: Element> PointwiseGradient<'_, T> {
    /// The products of `O` channels of `dy` with `I` of `x`.
    #[inline(always)]
    fn tile<S: Lanes<T>, const O: usize, const I: usize>(
        &mut self,
        simd: S,
        images: std::ops::Range<usize>,
        (target, source): (usize, usize),
    ) {
        let size = self.size;
        let whole = size / S::LANES * S::LANES;
        let mut sums = [[simd.splat(T::zero()); I]; O];
        let mut rest = [[T::zero(); I]; O];
        for image in images {
            let (mut dys, mut xs): ([&[T]; O], [&[T]; I]) = ([&[]; O], [&[]; I]);
            for (o, dy) in dys.iter_mut().enumerate() {
                *dy = &self.dy[image * self.strides.1 + (target + o) * size..][..size];
            }
            for (i, x) in xs.iter_mut().enumerate() {
                *x = &self.x[image * self.strides.0 + (source + i) * size..][..size];
            }
            let mut dy_vectors: [&[S::V]; O] = [&[]; O];
            let mut x_vectors: [&[S::V]; I] = [&[]; I];
            for (vectors, dy) in dy_vectors.iter_mut().zip(dys) {
                *vectors = bytemuck::cast_slice(&dy[..whole]);
            }
            for (vectors, x) in x_vectors.iter_mut().zip(xs) {
                *vectors = bytemuck::cast_slice(&x[..whole]);
            }
            for at in 0..whole / S::LANES {
                let mut loaded = [simd.splat(T::zero()); I];
                for (loaded, vectors) in loaded.iter_mut().zip(x_vectors) {
                    *loaded = vectors[at];
                }
                for o in 0..O {
                    let dy = dy_vectors[o][at];
                    for i in 0..I {
                        sums[o][i] = simd.mul_add(dy, loaded[i], sums[o][i]);
                    }
                }
            }
            for (rest, dy) in rest.iter_mut().zip(dys) {
                for (rest, x) in rest.iter_mut().zip(xs) {
                    for at in whole..size {
                        *rest += dy[at] * x[at];
                    }
                }
            }
        }
        // lanes are added up by turning all vectors at once
        let mut rows = [[T::zero(); BLOCK]; BLOCK];
        for (row, sum) in rows.iter_mut().zip(sums.as_flattened()) {
            row[..S::LANES].copy_from_slice(bytemuck::cast_slice(std::slice::from_ref(sum)));
        }
        let mut total = [T::zero(); BLOCK];
        for row in simd.transpose(rows) {
            total.iter_mut().zip(row).for_each(|(total, v)| *total += v);
        }
        for o in 0..O {
            for i in 0..I {
                self.sums[(target + o) * self.channels.0 + source + i] += total[o * I + i] + rest[o][i];
            }
        }
    }
}
