use super::correlate::Source;
use super::plan::{Plan, Run, blocks};
use super::shape::ConvShape;
use crate::element::Element;
use crate::simd::{BLOCK, InstructionSet, Kernel, Lanes};
use pulp::bytemuck;

/// Zeros on both sides of a row of output gradients: the reach of a run of three taps.
const MARGIN: usize = 2;

/// The gradient of a convolution by its weight, image by image: sums in registers over an image, added to the
/// memory once, which is both fast and accurate. The input is taken as it is, without padding.
#[derive(Debug, Clone)]
pub(crate) struct WeightGradient {
    plan: Plan,
    set: InstructionSet,
    input: (usize, usize),
    output: (usize, usize),
    /// Of every kernel row: the pairs of output row and input row that it joins.
    pairs: Vec<Vec<(usize, usize)>>,
    runs: Vec<Reach>,
    source_channels: usize,
    target_channels: usize,
}

/// A run, and the steps along a row at which it meets input and not padding.
#[derive(Debug, Clone)]
struct Reach {
    run: Run,
    steps: std::ops::Range<usize>,
    /// Column of the input at the first step.
    column: usize,
}

impl WeightGradient {
    pub(crate) fn new(shape: &ConvShape, set: InstructionSet) -> Self {
        let plan = Plan::forward(shape);
        let columns = &shape.columns;
        let pairs = |kernel_row| {
            let of = |o: usize| Some((o, shape.rows.source(o, kernel_row)?));
            (0..shape.rows.output).filter_map(of).collect()
        };
        let reach = |run: &Run| {
            let column = |step: usize| (run.offset + step * columns.stride).checked_sub(columns.padding);
            let inside = |&step: &usize| column(step).is_some_and(|c| c < columns.input);
            let all = 0..columns.output + run.taps - 1;
            let start = all.clone().find(inside).unwrap_or(0);
            let end = all.rev().find(inside).map_or(start, |last| last + 1);
            Reach { run: *run, steps: start..end, column: column(start).unwrap_or(0) }
        };
        Self {
            input: (shape.rows.input, columns.input),
            output: (shape.rows.output, columns.output),
            pairs: (0..plan.kernel_rows).map(pairs).collect(),
            runs: plan.phases[0].runs.iter().map(reach).collect(),
            source_channels: shape.in_channels,
            target_channels: shape.out_channels,
            set,
            plan,
        }
    }

    /// Pixels of a blocked plane of output gradients: every row between its zeros.
    pub(crate) fn target_plane(&self) -> usize {
        self.output.0 * self.pitch()
    }

    fn pitch(&self) -> usize {
        self.output.1 + 2 * MARGIN
    }

    /// The pixel of every element of a plane of output gradients.
    pub(crate) fn target_pixels(&self) -> Vec<usize> {
        let row = |r| (0..self.output.1).map(move |c| r * self.pitch() + MARGIN + c);
        (0..self.output.0).flat_map(row).collect()
    }

    pub(crate) fn sums_len(&self) -> usize {
        let taps = self.plan.kernel_rows * self.plan.slots.len();
        blocks(self.target_channels) * blocks(self.source_channels) * BLOCK * BLOCK * taps
    }

    /// Zeros for [`WeightGradient::add`] to add to.
    pub(crate) fn sums<T: Element>(&self) -> Vec<T> {
        vec![T::zero(); self.sums_len()]
    }

    /// Adds one image's part; the gradients of the output lie in blocks as [`WeightGradient::target_pixels`] says.
    pub(crate) fn add<T: Element>(&self, source: Source<'_, T>, target: &[[T; BLOCK]], sums: &mut [T]) {
        let plane = self.input.0 * self.input.1;
        let held = match source {
            Source::Planes(data) => data.len() == self.source_channels * plane,
            Source::Blocks(data) => data.len() == blocks(self.source_channels) * plane,
        };
        assert!(held, "a source of another size");
        assert_eq!(target.len(), blocks(self.target_channels) * self.target_plane(), "target");
        T::run(self.set, Add { of: self, source, target, sums });
    }

    /// Hands every weight's sum to `put(target channel, source channel, kernel row, kernel column, sum)`.
    pub(crate) fn unpack<T: Element>(&self, sums: &[T], mut put: impl FnMut(usize, usize, usize, usize, T)) {
        let lanes = T::run(self.set, CountLanes);
        let mut sums = sums.chunks_exact(lanes);
        for vector in 0..blocks(self.target_channels) * BLOCK / lanes {
            for block in 0..blocks(self.source_channels) {
                for kernel_row in 0..self.plan.kernel_rows {
                    for Reach { run, .. } in &self.runs {
                        for source in block * BLOCK..(block + 1) * BLOCK {
                            for slot in run.slot..run.slot + run.taps {
                                for (lane, &sum) in sums.next().unwrap_or_default().iter().enumerate() {
                                    let target = vector * lanes + lane;
                                    if target < self.target_channels && source < self.source_channels {
                                        put(target, source, kernel_row, self.plan.slots[slot], sum);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

struct Add<'a, T> {
    of: &'a WeightGradient,
    source: Source<'a, T>,
    target: &'a [[T; BLOCK]],
    sums: &'a mut [T],
}

impl<T: Element> Kernel<T> for Add<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { of, source, target, sums } = self;
        let lanes = BLOCK / S::LANES;
        let plane = of.input.0 * of.input.1;
        let (data, channel, blocked) = match source {
            Source::Planes(data) => (data, plane, false),
            Source::Blocks(data) => (data.as_flattened(), 1, true),
        };
        let mut sums = bytemuck::cast_slice_mut::<T, S::V>(sums);
        for vector in 0..blocks(of.target_channels) * lanes {
            let target = &target[vector / lanes * of.target_plane()..][..of.target_plane()];
            for (block, source) in data.chunks(plane * BLOCK).enumerate() {
                let channels = (of.source_channels - block * BLOCK).min(BLOCK);
                for pairs in &of.pairs {
                    for reach in &of.runs {
                        let (here, rest) = sums.split_at_mut(BLOCK * reach.run.taps);
                        sums = rest;
                        let lane = vector % lanes;
                        let job = Job { of, source, channel, channels, target, lane, pairs, reach };
                        // what of the block's channels fills the registers
                        match (blocked, reach.run.taps, S::REGISTER_COUNT) {
                            (true, 3, 32..) => job.add::<S, 3, 8, true>(simd, here),
                            (true, 3, _) => job.add::<S, 3, 4, true>(simd, here),
                            (true, _, 32..) => job.add::<S, 1, 16, true>(simd, here),
                            (true, _, _) => job.add::<S, 1, 8, true>(simd, here),
                            (false, 3, 32..) => job.add::<S, 3, 8, false>(simd, here),
                            (false, 3, _) => job.add::<S, 3, 4, false>(simd, here),
                            (false, _, _) => job.add::<S, 1, 8, false>(simd, here),
                        }
                    }
                }
            }
        }
    }
}

/// One run of one kernel row, for one vector of target channels and one block of source channels.
struct Job<'a, T> {
    of: &'a WeightGradient,
    source: &'a [T],
    /// Elements between channels, where they lie in planes.
    channel: usize,
    channels: usize,
    target: &'a [[T; BLOCK]],
    lane: usize,
    pairs: &'a [(usize, usize)],
    reach: &'a Reach,
}

impl<T: Element> Job<'_, T> {
    /// `C` source channels at a time: every pixel's are broadcast once and feed all taps.
    #[inline(always)]
    fn add<S: Lanes<T>, const TAPS: usize, const C: usize, const BLOCKED: bool>(
        &self,
        simd: S,
        sums: &mut [S::V],
    ) {
        let Self { of, source, channel, channels, target, lane, pairs, reach } = *self;
        let (steps, stride) = (reach.steps.clone(), of.plan.stride);
        let (count, reached) = (steps.len(), (steps.len().max(1) - 1) * stride + 1);
        for (part, sums) in sums.as_chunks_mut::<TAPS>().0.as_chunks_mut::<C>().0.iter_mut().enumerate() {
            if count == 0 || part * C >= channels {
                continue;
            }
            let mut here = [[simd.splat(T::zero()); TAPS]; C];
            for &(to, from) in pairs {
                let from = from * of.input.1 + reach.column;
                // a window over the gradients that this step's pixel reaches, the newest first
                let row = &target[to * of.pitch() + MARGIN + 1 - TAPS + steps.start..][..count + TAPS - 1];
                let mut window = [simd.splat(T::zero()); TAPS];
                for tap in 1..TAPS {
                    window[tap - 1] = bytemuck::cast_slice::<T, S::V>(&row[TAPS - 1 - tap])[lane];
                }
                let (mut planes, mut pixels): ([&[T]; C], &[[T; BLOCK]]) = ([&[]; C], &[]);
                if BLOCKED {
                    pixels = &source.as_chunks::<BLOCK>().0[from..][..reached];
                } else {
                    for (c, plane) in planes.iter_mut().enumerate() {
                        // a channel that is not there is read as the last that is; its sum is not used
                        *plane = &source[(part * C + c).min(channels - 1) * channel + from..][..reached];
                    }
                }
                for (i, next) in row[TAPS - 1..].iter().enumerate() {
                    for tap in (1..TAPS).rev() {
                        window[tap] = window[tap - 1];
                    }
                    window[0] = bytemuck::cast_slice::<T, S::V>(next)[lane];
                    let at = i * stride;
                    let block: &[T; C] =
                        if BLOCKED { &pixels[at].as_chunks::<C>().0[part] } else { &[T::zero(); C] };
                    for c in 0..C {
                        let value = simd.splat(if BLOCKED { block[c] } else { planes[c][at] });
                        for tap in 0..TAPS {
                            here[c][tap] = simd.mul_add(value, window[tap], here[c][tap]);
                        }
                    }
                }
            }
            for (sums, here) in sums.iter_mut().zip(&here) {
                for (sum, here) in sums.iter_mut().zip(here) {
                    *sum = simd.add(*sum, *here);
                }
            }
        }
    }
}

struct CountLanes;

impl<T: Element> Kernel<T> for CountLanes {
    type Output = usize;

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) -> usize {
        S::LANES
    }
}
