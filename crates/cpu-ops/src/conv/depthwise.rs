//! Convolutions whose channels do not see each other: a channel a lane, so no lane is empty.

use super::shape::{Axis, ConvShape};
use crate::element::Element;
use crate::simd::{BLOCK, InstructionSet, Kernel, Lanes};
use pulp::bytemuck;

/// Targets along a row, `step` apart, that read by the same taps; from one to the next the source moves by `shift`.
#[derive(Debug, Clone)]
struct Run {
    start: usize,
    step: usize,
    count: usize,
    shift: usize,
    /// Taps, and what the first target reads by them.
    taps: Vec<(usize, usize)>,
}

/// Which source every target reads by which tap: the convolution, or its gradient by the input where `transposed`.
fn taps(axis: &Axis, transposed: bool, target: usize) -> Vec<(usize, usize)> {
    let source = |tap: usize| {
        if !transposed {
            return axis.source(target, tap);
        }
        let reach = (target + axis.padding).checked_sub(tap * axis.dilation)?;
        Some(reach / axis.stride).filter(|&o| reach.is_multiple_of(axis.stride) && o < axis.output)
    };
    (0..axis.kernel).filter_map(|tap| Some((tap, source(tap)?))).collect()
}

fn runs(axis: &Axis, transposed: bool) -> Vec<Run> {
    let (targets, step, shift) =
        if transposed { (axis.input, axis.stride, 1) } else { (axis.output, 1, axis.stride) };
    let mut runs: Vec<Run> = Vec::new();
    for phase in 0..step.min(targets) {
        let first = runs.len();
        for start in (phase..targets).step_by(step) {
            let taps = taps(axis, transposed, start);
            let goes_on = |run: &Run| {
                let moved = run.taps.iter().map(|&(tap, at)| (tap, at + run.count * shift));
                moved.eq(taps.iter().copied())
            };
            match runs[first..].last_mut().filter(|run| goes_on(run)) {
                Some(run) => run.count += 1,
                None => runs.push(Run { start, step, count: 1, shift, taps }),
            }
        }
    }
    runs
}

/// From source to target, both in blocks, with a kernel a channel.
#[derive(Debug, Clone)]
pub(crate) struct Depthwise {
    /// By row of the target its taps and the rows of the source that it reads.
    rows: Vec<Vec<(usize, usize)>>,
    runs: Vec<Run>,
    /// Rows and columns.
    kernel: (usize, usize),
    source: (usize, usize),
    target: (usize, usize),
}

impl Depthwise {
    /// Whether a convolution is one.
    pub(crate) fn fits(shape: &ConvShape) -> bool {
        shape.groups > 1 && (shape.in_channels, shape.out_channels) == (1, 1)
    }

    /// The convolution, or its gradient by the input where `transposed`.
    pub(crate) fn new(shape: &ConvShape, transposed: bool) -> Self {
        let (rows, columns) = (&shape.rows, &shape.columns);
        let (input, output) = ((rows.input, columns.input), (rows.output, columns.output));
        let (source, target) = if transposed { (output, input) } else { (input, output) };
        Self {
            rows: (0..target.0).map(|row| taps(rows, transposed, row)).collect(),
            runs: runs(columns, transposed),
            kernel: (rows.kernel, columns.kernel),
            source,
            target,
        }
    }

    /// Weights a block.
    pub(crate) fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    pub(crate) fn source_plane(&self) -> usize {
        self.source.0 * self.source.1
    }

    pub(crate) fn target_plane(&self) -> usize {
        self.target.0 * self.target.1
    }

    /// Kernels `(C, KH, KW)` in blocks `[C / 16][KH KW][16]`.
    pub(crate) fn pack<T: Element>(&self, weight: &[T], packed: &mut [[T; BLOCK]]) {
        let taps = self.taps();
        for (block, kernels) in packed.chunks_exact_mut(taps).zip(weight.chunks(taps * BLOCK)) {
            for (lane, kernel) in kernels.chunks_exact(taps).enumerate() {
                block.iter_mut().zip(kernel).for_each(|(block, &w)| block[lane] = w);
            }
        }
    }

    /// Kernels from blocks.
    pub(crate) fn unpack<T: Element>(&self, packed: &[[T; BLOCK]], weight: &mut [T]) {
        let taps = self.taps();
        for (block, kernels) in packed.chunks_exact(taps).zip(weight.chunks_mut(taps * BLOCK)) {
            for (lane, kernel) in kernels.chunks_exact_mut(taps).enumerate() {
                kernel.iter_mut().zip(block).for_each(|(w, block)| *w = block[lane]);
            }
        }
    }

    /// Writes the target, or adds to it; as many blocks as the buffers hold.
    pub(crate) fn run<T: Element>(
        &self,
        set: InstructionSet,
        weights: &[[T; BLOCK]],
        source: &[[T; BLOCK]],
        target: &mut [[T; BLOCK]],
        accumulate: bool,
    ) {
        T::run(set, Gather { of: self, weights, source, target, accumulate });
    }

    /// Adds to `sums`, `[C / 16][KH KW][16]`, the gradient by the weight of the convolution (not of its transpose).
    pub(crate) fn add_weight_gradient<T: Element>(
        &self,
        set: InstructionSet,
        source: &[[T; BLOCK]],
        grad: &[[T; BLOCK]],
        sums: &mut [[T; BLOCK]],
    ) {
        T::run(set, Products { of: self, source, grad, sums });
    }
}

struct Gather<'a, T> {
    of: &'a Depthwise,
    weights: &'a [[T; BLOCK]],
    source: &'a [[T; BLOCK]],
    target: &'a mut [[T; BLOCK]],
    accumulate: bool,
}

impl<T: Element> Kernel<T> for Gather<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { of, weights, source, target, accumulate } = self;
        let parts = BLOCK / S::LANES;
        let blocks = source.chunks_exact(of.source_plane()).zip(target.chunks_exact_mut(of.target_plane()));
        for ((source, target), weights) in blocks.zip(weights.chunks_exact(of.taps())) {
            let weights = bytemuck::cast_slice::<_, S::V>(weights.as_flattened());
            let source = bytemuck::cast_slice::<_, S::V>(source.as_flattened());
            let target = bytemuck::cast_slice_mut::<_, S::V>(target.as_flattened_mut());
            for (row, taps) in of.rows.iter().enumerate() {
                let target = &mut target[row * of.target.1 * parts..][..of.target.1 * parts];
                for part in 0..parts {
                    for run in &of.runs {
                        let line = Line { of, taps, run, weights, source, part };
                        let mut at = 0;
                        while at < run.count {
                            let left = run.count - at;
                            if left >= 8 && S::REGISTER_COUNT >= 32 {
                                line.write::<T, S, 8>(simd, &mut at, target, accumulate);
                            } else if left >= 4 {
                                line.write::<T, S, 4>(simd, &mut at, target, accumulate);
                            } else if left >= 2 {
                                line.write::<T, S, 2>(simd, &mut at, target, accumulate);
                            } else {
                                line.write::<T, S, 1>(simd, &mut at, target, accumulate);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One run of one row, of one vector of a block.
struct Line<'a, V> {
    of: &'a Depthwise,
    /// Of the row.
    taps: &'a [(usize, usize)],
    run: &'a Run,
    weights: &'a [V],
    source: &'a [V],
    part: usize,
}

impl<V: Copy> Line<'_, V> {
    /// `P` targets from the `at`-th of the run on.
    #[inline(always)]
    fn write<T: Element, S: Lanes<T, V = V>, const P: usize>(
        &self,
        simd: S,
        at: &mut usize,
        target: &mut [V],
        accumulate: bool,
    ) {
        let Self { of, taps, run, weights, source, part } = *self;
        let parts = BLOCK / S::LANES;
        let mut sums = [simd.splat(T::zero()); P];
        let (stride, reach) = (run.shift * parts, (P - 1) * run.shift * parts + 1);
        for &(tap_row, row) in taps {
            for &(tap, first) in &run.taps {
                let weight = weights[(tap_row * of.kernel.1 + tap) * parts + part];
                let from = (row * of.source.1 + first + *at * run.shift) * parts + part;
                let here = &source[from..][..reach];
                for (p, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.mul_add(here[p * stride], weight, *sum);
                }
            }
        }
        for (p, sum) in sums.into_iter().enumerate() {
            let held = &mut target[(run.start + (*at + p) * run.step) * parts + part];
            *held = if accumulate { simd.add(*held, sum) } else { sum };
        }
        *at += P;
    }
}

/// Sums of products at once: those of one are slower than what waits for them.
const SUMS: usize = 4;

struct Products<'a, T> {
    of: &'a Depthwise,
    source: &'a [[T; BLOCK]],
    grad: &'a [[T; BLOCK]],
    sums: &'a mut [[T; BLOCK]],
}

impl<T: Element> Kernel<T> for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { of, source, grad, sums } = self;
        let parts = BLOCK / S::LANES;
        let blocks = source.chunks_exact(of.source_plane()).zip(grad.chunks_exact(of.target_plane()));
        for ((source, grad), sums) in blocks.zip(sums.chunks_exact_mut(of.taps())) {
            let sums = bytemuck::cast_slice_mut::<_, S::V>(sums.as_flattened_mut());
            let source = bytemuck::cast_slice::<_, S::V>(source.as_flattened());
            let grad = bytemuck::cast_slice::<_, S::V>(grad.as_flattened());
            for (row, taps) in of.rows.iter().enumerate() {
                let grad = &grad[row * of.target.1 * parts..][..of.target.1 * parts];
                for (run, part) in of.runs.iter().flat_map(|run| (0..parts).map(move |part| (run, part))) {
                    for &(tap_row, source_row) in taps {
                        for &(tap, first) in &run.taps {
                            let from = (source_row * of.source.1 + first) * parts + part;
                            let reads = (&source[from..], run.shift * parts);
                            let grads = (&grad[run.start * parts + part..], run.step * parts);
                            let held = &mut sums[(tap_row * of.kernel.1 + tap) * parts + part];
                            *held = simd.add(*held, dot::<T, S>(simd, run.count, reads, grads));
                        }
                    }
                }
            }
        }
    }
}

/// The sum of products of so many of each, taken at their steps.
#[inline(always)]
fn dot<T: Element, S: Lanes<T>>(
    simd: S,
    count: usize,
    (a, by): (&[S::V], usize),
    (b, step): (&[S::V], usize),
) -> S::V {
    let mut sums = [simd.splat(T::zero()); SUMS];
    let whole = count - count % SUMS;
    for n in (0..whole).step_by(SUMS) {
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum = simd.mul_add(a[(n + k) * by], b[(n + k) * step], *sum);
        }
    }
    for n in whole..count {
        sums[0] = simd.mul_add(a[n * by], b[n * step], sums[0]);
    }
    sums[1..].iter().fold(sums[0], |all, &sum| simd.add(all, sum))
}
