use super::correlate::pack_order;
use super::plan::blocks;
use super::product::{AddProducts, Multiply};
use super::shape::{Axis, ConvShape};
use crate::element::Element;
use crate::simd::{BLOCK, InstructionSet, Kernel, Lanes};
use pulp::bytemuck;

/// Products of a tile: 4 by 4.
const POINTS: usize = 16;

/// Tiles that are taken at a time, at most: what they are transformed to stays in the cache.
const STRIP: usize = 32;

/// Pixels from one point's to the next: one more than there are, for points a power of two apart would push each
/// other out of the cache.
fn apart(pixels: usize) -> usize {
    pixels + 1
}

/// How an image is cut for the convolution of 3 by 3 with unit steps by 2 by 2 outputs at a time (Lavin and Gray,
/// Fast Algorithms for Convolutional Neural Networks, CVPR 2016, F(2x2, 3x3)): 16 products an output tile instead of
/// 36. Its transforms only add and halve, and its rounding error is no larger than that of the direct sum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiles {
    /// Rows and columns of tiles.
    count: (usize, usize),
    /// Rows and columns of the result.
    output: (usize, usize),
    /// Zeros before the first row and column of the input.
    padding: (usize, usize),
    input: (usize, usize),
}

impl Tiles {
    /// For a convolution where it pays: 3 by 3, unit steps, at least half a block of channels, single precision.
    pub(crate) fn fit<T: Element>(shape: &ConvShape, transposed: bool) -> Option<Self> {
        let plain =
            |axis: &Axis| axis.kernel == 3 && axis.stride == 1 && axis.dilation == 1 && axis.padding <= 2;
        let pays = shape.in_channels.min(shape.out_channels) >= BLOCK / 2 && size_of::<T>() == 4;
        if !(pays && plain(&shape.rows) && plain(&shape.columns)) {
            return None;
        }
        let ends = |axis: &Axis| {
            if transposed {
                (axis.output, axis.input, 2 - axis.padding)
            } else {
                (axis.input, axis.output, axis.padding)
            }
        };
        let ((height, rows, top), (width, columns, left)) = (ends(&shape.rows), ends(&shape.columns));
        Some(Self {
            count: (rows.div_ceil(2), columns.div_ceil(2)),
            output: (rows, columns),
            padding: (top, left),
            input: (height, width),
        })
    }

    fn pitch(&self) -> usize {
        (2 * self.count.1 + 2).max(self.padding.1 + self.input.1)
    }

    /// Pixels of a plane of the padded input.
    pub(crate) fn source_plane(&self) -> usize {
        (2 * self.count.0 + 2).max(self.padding.0 + self.input.0) * self.pitch()
    }

    /// The pixel of every element of a plane of the input.
    pub(crate) fn source_pixels(&self) -> Vec<usize> {
        let pixel = |r, c| (r + self.padding.0) * self.pitch() + self.padding.1 + c;
        (0..self.input.0).flat_map(|r| (0..self.input.1).map(move |c| pixel(r, c))).collect()
    }

    fn output_pitch(&self) -> usize {
        2 * self.count.1
    }

    /// Pixels of a plane of the result, in whole tiles.
    pub(crate) fn target_plane(&self) -> usize {
        4 * self.count.0 * self.count.1
    }

    /// The pixel of every element of a plane of the result.
    pub(crate) fn target_pixels(&self) -> Vec<usize> {
        let pixel = |r, c| r * self.output_pitch() + c;
        (0..self.output.0).flat_map(|r| (0..self.output.1).map(move |c| pixel(r, c))).collect()
    }

    /// Whether the result is whole tiles, so that its plane is the tiles'.
    pub(crate) fn is_whole(&self) -> bool {
        self.output.0.is_multiple_of(2) && self.output.1.is_multiple_of(2)
    }

    /// Tiles that are taken at a time.
    fn strip(&self) -> usize {
        STRIP.min(self.count.0 * self.count.1)
    }

    /// The tiles by strips: of each tile its first input pixel and its first result pixel.
    fn strips(&self) -> Vec<Vec<(usize, usize)>> {
        let tile = |r: usize, c: usize| (2 * r * self.pitch() + 2 * c, 2 * r * self.output_pitch() + 2 * c);
        let tiles: Vec<_> =
            (0..self.count.0).flat_map(|r| (0..self.count.1).map(move |c| tile(r, c))).collect();
        tiles.chunks(self.strip()).map(<[_]>::to_vec).collect()
    }
}

/// Sixteen kernels side by side, one a target channel.
type Side<T> = [T; BLOCK];

/// `G w G'` of sixteen kernels of 3 by 3, by element.
struct TransformWeights<'a, T> {
    kernels: &'a [Side<T>; 9],
}

impl<T: Element> Kernel<T> for TransformWeights<'_, T> {
    type Output = [Side<T>; POINTS];

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) -> Self::Output {
        let half = T::from_f64(0.5);
        let w = self.kernels;
        let mut down = [[T::zero(); BLOCK]; 12];
        for c in 0..3 {
            for lane in 0..BLOCK {
                let [top, middle, bottom] = [w[c][lane], w[3 + c][lane], w[6 + c][lane]];
                down[c][lane] = top;
                down[3 + c][lane] = (top + middle + bottom) * half;
                down[6 + c][lane] = (top - middle + bottom) * half;
                down[9 + c][lane] = bottom;
            }
        }
        let mut out = [[T::zero(); BLOCK]; POINTS];
        for r in 0..4 {
            for lane in 0..BLOCK {
                let [left, middle, right] = [down[3 * r][lane], down[3 * r + 1][lane], down[3 * r + 2][lane]];
                out[4 * r][lane] = left;
                out[4 * r + 1][lane] = (left + middle + right) * half;
                out[4 * r + 2][lane] = (left - middle + right) * half;
                out[4 * r + 3][lane] = right;
            }
        }
        out
    }
}

/// `G' u G` of sixteen: the gradients of kernels from those of their transforms.
struct TransformBack<'a, T> {
    points: &'a [Side<T>; POINTS],
}

impl<T: Element> Kernel<T> for TransformBack<'_, T> {
    type Output = [Side<T>; 9];

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) -> Self::Output {
        let half = T::from_f64(0.5);
        let u = self.points;
        let mut down = [[T::zero(); BLOCK]; 12];
        for c in 0..4 {
            for lane in 0..BLOCK {
                let [a, b, d, e] = [u[c][lane], u[4 + c][lane], u[8 + c][lane], u[12 + c][lane]];
                down[c][lane] = a + (b + d) * half;
                down[4 + c][lane] = (b - d) * half;
                down[8 + c][lane] = (b + d) * half + e;
            }
        }
        let mut out = [[T::zero(); BLOCK]; 9];
        for r in 0..3 {
            for lane in 0..BLOCK {
                let [a, b, d, e] =
                    [down[4 * r][lane], down[4 * r + 1][lane], down[4 * r + 2][lane], down[4 * r + 3][lane]];
                out[3 * r][lane] = a + (b + d) * half;
                out[3 * r + 1][lane] = (b - d) * half;
                out[3 * r + 2][lane] = (b + d) * half + e;
            }
        }
        out
    }
}

/// A convolution, or its gradient by the input, by tiles.
#[derive(Debug, Clone)]
pub(crate) struct Winograd<T> {
    pub(crate) tiles: Tiles,
    strips: Vec<Vec<(usize, usize)>>,
    set: InstructionSet,
    channels: (usize, usize),
    /// Packed for one product a point.
    weights: Vec<T>,
}

/// What a strip is transformed to, kept from one to the next.
#[derive(Debug)]
pub(crate) struct Strip<T> {
    source: Vec<[T; BLOCK]>,
    target: Vec<[T; BLOCK]>,
}

impl<T: Element> Winograd<T> {
    /// `weight(target channel, source channel)` is a kernel, row by row; `turned` turns it by half a circle.
    pub(crate) fn new<'a>(
        tiles: Tiles,
        set: InstructionSet,
        channels: (usize, usize),
        turned: bool,
        weight: impl Fn(usize, usize) -> &'a [T; 9],
    ) -> Self {
        let weights = vec![T::zero(); POINTS * blocks(channels.1) * BLOCK * channels.0];
        let mut of = Self { tiles, strips: tiles.strips(), set, channels, weights };
        of.pack(turned, weight);
        of
    }

    /// Takes other weights, as [`Winograd::new`] does.
    pub(crate) fn pack<'a>(&mut self, turned: bool, weight: impl Fn(usize, usize) -> &'a [T; 9]) {
        let Self { set, channels, weights, .. } = self;
        let size = weights.len() / POINTS;
        let mut at = 0;
        pack_order::<T>(*set, *channels, |block, source| {
            let mut kernels = [[T::zero(); BLOCK]; 9];
            for lane in 0..BLOCK.min(channels.1 - block) {
                for (value, kernels) in weight(block + lane, source).iter().zip(&mut kernels) {
                    kernels[lane] = *value;
                }
            }
            if turned {
                kernels.reverse();
            }
            let values = T::run(*set, TransformWeights { kernels: &kernels });
            for (weights, values) in weights.chunks_exact_mut(size).zip(&values) {
                weights[at..at + BLOCK].copy_from_slice(values);
            }
            at += BLOCK;
        });
    }

    pub(crate) fn strip(&self) -> Strip<T> {
        let zeros =
            |channels| vec![[T::zero(); BLOCK]; POINTS * apart(blocks(channels) * self.tiles.strip())];
        Strip { source: zeros(self.channels.0), target: zeros(self.channels.1) }
    }

    /// Writes the result of a blocked, padded source to a blocked target, or adds it; `bias` added where given.
    pub(crate) fn run(
        &self,
        source: &[[T; BLOCK]],
        target: &mut [[T; BLOCK]],
        (bias, accumulate): (Option<&[T]>, bool),
        strip: &mut Strip<T>,
    ) {
        let (sources, targets) = (blocks(self.channels.0), blocks(self.channels.1));
        let row = self.tiles.strip();
        for tiles in &self.strips {
            let read = ReadTiles {
                source,
                plane: self.tiles.source_plane(),
                pitch: self.tiles.pitch(),
                tiles,
                row,
                out: &mut strip.source,
                channels: self.channels.0,
            };
            T::run(self.set, read);
            let parts = strip
                .source
                .chunks_exact(apart(sources * row))
                .zip(strip.target.chunks_exact_mut(apart(targets * row)));
            let of_points = self.weights.chunks_exact(self.weights.len() / POINTS);
            for (weights, (source, target)) in of_points.zip(parts) {
                let (set, channels, tiles) = (self.set, self.channels, tiles.len());
                let (source, target) = (&source[..sources * row], &mut target[..targets * row]);
                T::run(set, Multiply { set, channels, weights, row, tiles, source, target });
            }
            let write = WriteTiles {
                strip: &strip.target,
                row,
                blocks: targets,
                tiles,
                bias,
                accumulate,
                plane: self.tiles.target_plane(),
                pitch: self.tiles.output_pitch(),
                target,
            };
            T::run(self.set, write);
        }
    }
}

/// The gradient of a convolution by its weight, by tiles.
#[derive(Debug, Clone)]
pub(crate) struct WinogradWeightGradient {
    pub(crate) tiles: Tiles,
    strips: Vec<Vec<(usize, usize)>>,
    set: InstructionSet,
    channels: (usize, usize),
}

impl WinogradWeightGradient {
    pub(crate) fn new(tiles: Tiles, set: InstructionSet, channels: (usize, usize)) -> Self {
        Self { tiles, strips: tiles.strips(), set, channels }
    }

    pub(crate) fn strip<T: Element>(&self) -> Strip<T> {
        let zeros =
            |channels| vec![[T::zero(); BLOCK]; POINTS * apart(blocks(channels) * self.tiles.strip())];
        Strip { source: zeros(self.channels.0), target: zeros(self.channels.1) }
    }

    pub(crate) fn sums_len(&self) -> usize {
        POINTS * blocks(self.channels.0) * blocks(self.channels.1) * BLOCK * BLOCK
    }

    pub(crate) fn sums<T: Element>(&self) -> Vec<T> {
        vec![T::zero(); self.sums_len()]
    }

    /// Adds one image's part, from its padded input and the gradient of its result in whole tiles.
    pub(crate) fn add<T: Element>(
        &self,
        source: &[[T; BLOCK]],
        target: &[[T; BLOCK]],
        sums: &mut [T],
        strip: &mut Strip<T>,
    ) {
        let (sources, targets) = (blocks(self.channels.0), blocks(self.channels.1));
        let row = self.tiles.strip();
        for tiles in &self.strips {
            let read = ReadTiles {
                source,
                plane: self.tiles.source_plane(),
                pitch: self.tiles.pitch(),
                tiles,
                row,
                out: &mut strip.source,
                channels: self.channels.0,
            };
            T::run(self.set, read);
            let spread = SpreadTiles {
                target,
                plane: self.tiles.target_plane(),
                pitch: self.tiles.output_pitch(),
                tiles,
                row,
                out: &mut strip.target,
                channels: self.channels.1,
            };
            T::run(self.set, spread);
            let parts = strip
                .source
                .chunks_exact(apart(sources * row))
                .zip(strip.target.chunks_exact(apart(targets * row)));
            let size = sums.len() / POINTS;
            for ((source, target), sums) in parts.zip(sums.chunks_exact_mut(size)) {
                let (channels, tiles) = (self.channels, tiles.len());
                let (source, target) = (&source[..sources * row], &target[..targets * row]);
                T::run(self.set, AddProducts { channels, row, tiles, source, target, sums });
            }
        }
    }

    /// Hands every weight's sum to `put(target channel, source channel, kernel row, kernel column, sum)`.
    pub(crate) fn unpack<T: Element>(&self, sums: &[T], mut put: impl FnMut(usize, usize, usize, usize, T)) {
        let size = sums.len() / POINTS;
        let sources = blocks(self.channels.0) * BLOCK;
        for block in (0..self.channels.1).step_by(BLOCK) {
            for source in 0..self.channels.0 {
                let at = (block / BLOCK * sources + source) * BLOCK;
                let mut points = [[T::zero(); BLOCK]; POINTS];
                for (values, sums) in points.iter_mut().zip(sums.chunks_exact(size)) {
                    values.copy_from_slice(&sums[at..at + BLOCK]);
                }
                let kernels = T::run(self.set, TransformBack { points: &points });
                for lane in 0..BLOCK.min(self.channels.1 - block) {
                    for (at, kernels) in kernels.iter().enumerate() {
                        put(block + lane, source, at / 3, at % 3, kernels[lane]);
                    }
                }
            }
        }
    }
}

/// `B' d B` of every tile: `out[point][block][tile]`, `row` pixels a block.
struct ReadTiles<'a, T> {
    source: &'a [[T; BLOCK]],
    plane: usize,
    pitch: usize,
    tiles: &'a [(usize, usize)],
    row: usize,
    out: &'a mut [[T; BLOCK]],
    channels: usize,
}

impl<T: Element> Kernel<T> for ReadTiles<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { source, plane, pitch, tiles, row, out, channels } = self;
        let blocks = blocks(channels);
        for (block, source) in source.chunks_exact(plane).enumerate() {
            // vectors without a channel are read by nobody
            let vectors = (channels - block * BLOCK).min(BLOCK).div_ceil(S::LANES);
            for (tile, &(first, _)) in tiles.iter().enumerate() {
                for lane in 0..vectors {
                    let mut d = [[simd.splat(T::zero()); 4]; 4];
                    for (r, d) in d.iter_mut().enumerate() {
                        let pixels: &[[T; BLOCK]; 4] =
                            source[first + r * pitch..].first_chunk().expect("inside");
                        for (d, pixel) in d.iter_mut().zip(pixels) {
                            *d = bytemuck::cast_slice::<T, S::V>(pixel)[lane];
                        }
                    }
                    let [top, upper, lower, bottom] = &mut d;
                    for (((a, b), c), d) in top.iter_mut().zip(upper).zip(lower).zip(bottom) {
                        [*a, *b, *c, *d] = four(simd, [*a, *b, *c, *d]);
                    }
                    for (r, d) in d.into_iter().enumerate() {
                        for (c, v) in four(simd, d).into_iter().enumerate() {
                            let pixel = &mut out[(4 * r + c) * apart(blocks * row) + block * row + tile];
                            bytemuck::cast_slice_mut::<T, S::V>(pixel)[lane] = v;
                        }
                    }
                }
            }
        }
    }
}

/// `B'` times a column of four.
#[inline(always)]
fn four<T: Element, S: Lanes<T>>(simd: S, [a, b, c, d]: [S::V; 4]) -> [S::V; 4] {
    [simd.sub(a, c), simd.add(b, c), simd.sub(c, b), simd.sub(b, d)]
}

/// `A' m A` of every tile, and the bias.
struct WriteTiles<'a, T> {
    strip: &'a [[T; BLOCK]],
    row: usize,
    blocks: usize,
    tiles: &'a [(usize, usize)],
    bias: Option<&'a [T]>,
    accumulate: bool,
    plane: usize,
    pitch: usize,
    target: &'a mut [[T; BLOCK]],
}

impl<T: Element> Kernel<T> for WriteTiles<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { strip, row, blocks, tiles, bias, accumulate, plane, pitch, target } = self;
        for (block, target) in target.chunks_exact_mut(plane).enumerate() {
            let mut start = [T::zero(); BLOCK];
            if let Some(bias) = bias {
                let held = &bias[block * BLOCK..bias.len().min((block + 1) * BLOCK)];
                start[..held.len()].copy_from_slice(held);
            }
            for (tile, &(_, first)) in tiles.iter().enumerate() {
                for lane in 0..BLOCK / S::LANES {
                    let start = bytemuck::cast_slice::<T, S::V>(&start)[lane];
                    let mut down = [[start; 4]; 2];
                    for c in 0..4 {
                        let mut m = [start; 4];
                        for (r, m) in m.iter_mut().enumerate() {
                            let pixel = &strip[(4 * r + c) * apart(blocks * row) + block * row + tile];
                            *m = bytemuck::cast_slice::<T, S::V>(pixel)[lane];
                        }
                        [down[0][c], down[1][c]] = two(simd, m);
                    }
                    for (r, down) in down.into_iter().enumerate() {
                        for (c, v) in two(simd, down).into_iter().enumerate() {
                            let pixel = &mut target[first + r * pitch + c];
                            let pixel = &mut bytemuck::cast_slice_mut::<T, S::V>(pixel)[lane];
                            *pixel = simd.add(v, if accumulate { *pixel } else { start });
                        }
                    }
                }
            }
        }
    }
}

/// `A'` times a column of four.
#[inline(always)]
fn two<T: Element, S: Lanes<T>>(simd: S, [a, b, c, d]: [S::V; 4]) -> [S::V; 2] {
    [simd.add(simd.add(a, b), c), simd.sub(simd.sub(b, c), d)]
}

/// `A y A'` of every tile of gradients: `out[point][block][tile]`, `row` pixels a block.
struct SpreadTiles<'a, T> {
    target: &'a [[T; BLOCK]],
    plane: usize,
    pitch: usize,
    tiles: &'a [(usize, usize)],
    row: usize,
    out: &'a mut [[T; BLOCK]],
    channels: usize,
}

impl<T: Element> Kernel<T> for SpreadTiles<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { target, plane, pitch, tiles, row, out, channels } = self;
        let blocks = blocks(channels);
        for (block, target) in target.chunks_exact(plane).enumerate() {
            for (tile, &(_, first)) in tiles.iter().enumerate() {
                for lane in 0..BLOCK / S::LANES {
                    let mut down = [[simd.splat(T::zero()); 2]; 4];
                    for c in 0..2 {
                        let (top, bottom) = (&target[first + c], &target[first + pitch + c]);
                        let (top, bottom) =
                            (bytemuck::cast_slice(top)[lane], bytemuck::cast_slice(bottom)[lane]);
                        [down[0][c], down[1][c], down[2][c], down[3][c]] = spread(simd, [top, bottom]);
                    }
                    for (r, down) in down.into_iter().enumerate() {
                        for (c, v) in spread(simd, down).into_iter().enumerate() {
                            let pixel = &mut out[(4 * r + c) * apart(blocks * row) + block * row + tile];
                            bytemuck::cast_slice_mut::<T, S::V>(pixel)[lane] = v;
                        }
                    }
                }
            }
        }
    }
}

/// `A` times a column of two.
#[inline(always)]
fn spread<T: Element, S: Lanes<T>>(simd: S, [a, b]: [S::V; 2]) -> [S::V; 4] {
    [a, simd.add(a, b), simd.sub(a, b), simd.sub(simd.splat(T::zero()), b)]
}
