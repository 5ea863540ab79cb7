use super::plan::{self, Plan, blocks};
use crate::element::Element;
use crate::simd::{BLOCK, InstructionSet, Kernel, Lanes};
use pulp::bytemuck;
use std::ops::Range;

/// A plan with its weights, packed for the kernel: `[pairs of target blocks][source blocks][kernel rows][runs]
/// [source channels][taps][target channels of the pair]`.
#[derive(Debug, Clone)]
pub(crate) struct Correlation<T> {
    pub(crate) plan: Plan,
    set: InstructionSet,
    source_channels: usize,
    target_channels: usize,
    weights: Vec<T>,
}

/// Target blocks that the kernel computes at once: two where the registers allow.
pub(super) fn width<T: Element>(set: InstructionSet) -> usize {
    if set == InstructionSet::Avx512 && size_of::<T>() == 4 { 2 } else { 1 }
}

/// Target channels that are computed together, in whole blocks.
fn target_groups<T: Element>(set: InstructionSet, channels: usize) -> impl Iterator<Item = Range<usize>> {
    let size = width::<T>(set) * BLOCK;
    let end = blocks(channels) * BLOCK;
    (0..end).step_by(size).map(move |start| start..(start + size).min(end))
}

fn source_blocks(channels: usize) -> impl Iterator<Item = Range<usize>> {
    (0..channels).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(channels))
}

/// Calls `f(first target channel of a block, source channel)` in the order in which the weights of one tap are
/// packed, block by block.
pub(crate) fn pack_order<T: Element>(
    set: InstructionSet,
    (sources, targets): (usize, usize),
    mut f: impl FnMut(usize, usize),
) {
    for targets in target_groups::<T>(set, targets) {
        for source in source_blocks(sources).flatten() {
            targets.clone().step_by(BLOCK).for_each(|block| f(block, source));
        }
    }
}

impl<T: Element> Correlation<T> {
    /// `weight(target channel, source channel, kernel row, kernel column)`.
    pub(crate) fn new(
        plan: Plan,
        set: InstructionSet,
        (source_channels, target_channels): (usize, usize),
        weight: impl Fn(usize, usize, usize, usize) -> T,
    ) -> Self {
        let mut of = Self { plan, set, source_channels, target_channels, weights: Vec::new() };
        of.pack(weight);
        of
    }

    /// Takes other weights.
    pub(crate) fn pack(&mut self, weight: impl Fn(usize, usize, usize, usize) -> T) {
        let Self { plan, set, source_channels, target_channels, weights } = self;
        let (source_channels, target_channels) = (*source_channels, *target_channels);
        let slots = plan.slots.len();
        weights.clear();
        weights.reserve(blocks(target_channels) * BLOCK * source_channels * plan.kernel_rows * slots);
        let runs = || plan.phases.iter().flat_map(|phase| &phase.runs);
        for targets in target_groups::<T>(*set, target_channels) {
            for sources in source_blocks(source_channels) {
                for row in 0..plan.kernel_rows {
                    for run in runs() {
                        for source in sources.clone() {
                            for &column in &plan.slots[run.slot..run.slot + run.taps] {
                                weights.extend(targets.clone().map(|target| {
                                    if target < target_channels {
                                        weight(target, source, row, column)
                                    } else {
                                        T::zero()
                                    }
                                }));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Writes the correlation of a source, its rows padded as the plan says, to a blocked target, or adds it.
    pub(crate) fn run(&self, source: Source<'_, T>, target: &mut [[T; BLOCK]], accumulate: bool) {
        let held = match source {
            Source::Planes(data) => data.len() == self.source_channels * self.plan.source.plane(),
            Source::Blocks(data) => data.len() == blocks(self.source_channels) * self.plan.source.plane(),
        };
        assert!(held, "a source of another size");
        assert_eq!(target.len(), blocks(self.target_channels) * self.plan.target_plane(), "target");
        T::run(self.set, Run { of: self, source, target, accumulate });
    }
}

/// An image whose pixels are broadcast.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a, T> {
    /// `[channels][rows][pitch]`.
    Planes(&'a [T]),
    /// `[channels / 16][rows][pitch][16]`.
    Blocks(&'a [[T; BLOCK]]),
}

struct Run<'a, T> {
    of: &'a Correlation<T>,
    source: Source<'a, T>,
    target: &'a mut [[T; BLOCK]],
    accumulate: bool,
}

impl<T: Element> Kernel<T> for Run<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { of, source, target, accumulate } = self;
        let plan = &of.plan;
        let (source_plane, plane) = (plan.source.plane(), plan.target_plane());
        // elements between pixels, and between channels of a block
        let (data, pixel, channel) = match source {
            Source::Planes(data) => (data, 1, source_plane),
            Source::Blocks(data) => (data.as_flattened(), BLOCK, 1),
        };
        let mut weights = &of.weights[..];
        for target in target.chunks_mut(width::<T>(of.set) * plane) {
            let width = target.len() / plane;
            for (block, source) in data.chunks(source_plane * BLOCK).enumerate() {
                let channels = (of.source_channels - block * BLOCK).min(BLOCK);
                let taken = plan.kernel_rows * plan.slots.len() * channels * width * BLOCK;
                let (of_block, rest) = weights.split_at(taken);
                weights = rest;
                let accumulate = accumulate || block > 0;
                let job = Job { plan, source, pixel, channel, channels, weights: of_block, accumulate };
                // the steps between source pixels that occur, as constants, and any other
                match plan.stride * pixel {
                    1 => job.vectors::<S, 1>(simd, target),
                    2 => job.vectors::<S, 2>(simd, target),
                    16 if pixel == BLOCK => job.vectors::<S, 16>(simd, target),
                    32 if pixel == BLOCK => job.vectors::<S, 32>(simd, target),
                    _ => job.vectors::<S, 0>(simd, target),
                }
            }
        }
    }
}

/// One source block into one target block or pair of them.
struct Job<'a, T> {
    plan: &'a Plan,
    source: &'a [T],
    pixel: usize,
    channel: usize,
    channels: usize,
    weights: &'a [T],
    /// Whether to add to what is in the target.
    accumulate: bool,
}

impl<T: Element> Job<'_, T> {
    /// By how many vectors of target channels, and pixels of them, fill the registers.
    #[inline(always)]
    fn vectors<S: Lanes<T>, const STEP: usize>(&self, simd: S, target: &mut [[T; BLOCK]]) {
        let width = target.len() / self.plan.target_plane();
        match (width * BLOCK / S::LANES, S::REGISTER_COUNT) {
            (1, _) => self.planes::<S, STEP, 1, 16>(simd, target),
            (2, 32..) => self.planes::<S, STEP, 2, 8>(simd, target),
            (2, _) => self.planes::<S, STEP, 2, 4>(simd, target),
            (4, 32..) => self.planes::<S, STEP, 4, 4>(simd, target),
            (4, _) => self.planes::<S, STEP, 4, 2>(simd, target),
            _ => self.planes::<S, STEP, 8, 1>(simd, target),
        }
    }

    /// All rows, by pieces of `P` pixels and what is left by smaller ones; `Q` vectors of target channels.
    #[inline(always)]
    fn planes<S: Lanes<T>, const STEP: usize, const Q: usize, const P: usize>(
        &self,
        simd: S,
        target: &mut [[T; BLOCK]],
    ) {
        for (row, sources) in self.plan.rows.iter().enumerate() {
            for phase in &self.plan.phases {
                let at = row * self.plan.target_columns + phase.start;
                let mut j = 0;
                while j < phase.len {
                    let left = phase.len - j;
                    let mut piece = Piece { job: self, sources, runs: &phase.runs, j, target, at: at + j };
                    if P >= 16 && left >= 16 {
                        piece.add::<S, STEP, Q, 16, 18>(simd);
                        j += 16;
                    } else if P >= 8 && left >= 8 {
                        piece.add::<S, STEP, Q, 8, 10>(simd);
                        j += 8;
                    } else if P >= 4 && left >= 4 {
                        piece.add::<S, STEP, Q, 4, 6>(simd);
                        j += 4;
                    } else if P >= 2 && left >= 2 {
                        piece.add::<S, STEP, Q, 2, 4>(simd);
                        j += 2;
                    } else {
                        piece.add::<S, STEP, Q, 1, 3>(simd);
                        j += 1;
                    }
                }
            }
        }
    }
}

/// Neighbouring target pixels, from `at`; the `j`-th of their phase.
struct Piece<'a, 'b, T> {
    job: &'a Job<'a, T>,
    sources: &'a [(usize, usize)],
    runs: &'a [plan::Run],
    j: usize,
    target: &'b mut [[T; BLOCK]],
    at: usize,
}

impl<T: Element> Piece<'_, '_, T> {
    /// `P` pixels; `P3` is `P + 2`.
    #[inline(always)]
    fn add<S: Lanes<T>, const STEP: usize, const Q: usize, const P: usize, const P3: usize>(
        &mut self,
        simd: S,
    ) {
        let Job { plan, source, pixel, channel, channels, weights, accumulate } = *self.job;
        let plane = plan.target_plane();
        let lanes = BLOCK / S::LANES;
        let mut sums = [[simd.splat(T::zero()); Q]; P];
        let slots = plan.slots.len();
        let step = if STEP == 0 { plan.stride * pixel } else { STEP };
        for &(kernel_row, source_row) in self.sources {
            for run in self.runs {
                let size = channels * Q * S::LANES;
                let weights = &weights[(kernel_row * slots + run.slot) * size..][..run.taps * size];
                let (weights, _) = bytemuck::cast_slice::<T, S::V>(weights).as_chunks::<Q>();
                let from = (source_row * plan.source.pitch + run.offset + self.j * plan.stride) * pixel;
                let source = Pixels { data: &source[from..], step, channel };
                if (STEP == 1 || STEP == 16) && run.taps == 3 {
                    multiply::<T, S, STEP, Q, P, 3, P3>(simd, &mut sums, source, weights.as_chunks().0);
                } else {
                    multiply::<T, S, STEP, Q, P, 1, P>(simd, &mut sums, source, weights.as_chunks().0);
                }
            }
        }
        for q in 0..Q {
            let pixels: &mut [[T; BLOCK]; P] =
                self.target[q / lanes * plane + self.at..].first_chunk_mut().expect("inside");
            for (sums, pixel) in sums.iter().zip(pixels) {
                let here: &mut S::V = &mut bytemuck::cast_slice_mut(pixel)[q % lanes];
                // the sum over a block of channels is added as one: less is rounded away than term by term
                *here = if accumulate { simd.add(*here, sums[q]) } else { sums[q] };
            }
        }
    }
}

/// Source pixels: the `n`-th of channel `c` at `c channel + n step`.
struct Pixels<'a, T> {
    data: &'a [T],
    step: usize,
    channel: usize,
}

/// The body once for every index below a constant of at most 18: sums stay in registers only where the loop is gone,
/// and the compiler does not unroll one this long by itself.
macro_rules! unroll {
    ($n:ident < $count:ident, $body:block) => {
        unroll!($n $count $body 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17)
    };
    ($n:ident $count:ident $body:block $($index:literal)*) => {
        $(if $index < $count {
            let $n: usize = $index;
            $body
        })*
    };
}
pub(super) use unroll;

/// `sums[p] += sum over channels and taps of pixels[p + tap] weights[channel][tap]`: each pixel is broadcast once
/// a channel and feeds all taps. `N` is `P + TAPS - 1`; a `STEP` of 0 is one known at run time only.
#[inline(always)]
fn multiply<
    T: Element,
    S: Lanes<T>,
    const STEP: usize,
    const Q: usize,
    const P: usize,
    const TAPS: usize,
    const N: usize,
>(
    simd: S,
    sums: &mut [[S::V; Q]; P],
    pixels: Pixels<'_, T>,
    weights: &[[[S::V; Q]; TAPS]],
) {
    let step = if STEP == 0 { pixels.step } else { STEP };
    for (channel, weights) in weights.iter().enumerate() {
        let here = &pixels.data[channel * pixels.channel..][..(N - 1) * step + 1];
        unroll!(n < N, {
            let pixel = simd.splat(here[n * step]);
            for tap in 0..TAPS {
                if n >= tap && n - tap < P {
                    for q in 0..Q {
                        sums[n - tap][q] = simd.mul_add(pixel, weights[tap][q], sums[n - tap][q]);
                    }
                }
            }
        });
    }
}
