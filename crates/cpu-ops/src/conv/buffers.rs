use super::correlate::{Correlation, Source};
use super::depthwise::Depthwise;
use super::layout::{FromBlocked, ToBlocked, pad};
use super::plan::{Plan, blocks};
use super::pointwise::{Pointwise, PointwiseGradient};
use super::shape::ConvShape;
use super::weight_gradient::WeightGradient;
use super::winograd::{Tiles, Winograd, WinogradWeightGradient};
use crate::element::Element;
use crate::parallel;
use crate::simd::{BLOCK, InstructionSet};

/// The convolution of contiguous buffers `(N, C, H, W)` and `(O, C / groups, KH, KW)`.
pub(crate) fn convolve<T: Element>(shape: &ConvShape, x: &[T], w: &[T], bias: Option<&[T]>) -> Vec<T> {
    either(shape, false, x, w, bias)
}

/// The gradient of the convolution by its input.
pub(crate) fn input_gradient<T: Element>(shape: &ConvShape, dy: &[T], w: &[T]) -> Vec<T> {
    either(shape, true, dy, w, None)
}

/// The convolution, or its gradient by the input where `transposed`, by the kernel that fits.
fn either<T: Element>(
    shape: &ConvShape,
    transposed: bool,
    source: &[T],
    w: &[T],
    bias: Option<&[T]>,
) -> Vec<T> {
    let shape = shape.flattened();
    let [_, per_group, kh, kw] = shape.weight_dims();
    let weight = |group: usize| {
        move |target: usize, source: usize, r: usize, c: usize| {
            let (o, i) = if transposed { (source, target) } else { (target, source) };
            w[(((group * shape.out_channels + o) * per_group + i) * kh + r) * kw + c]
        }
    };
    let ((input, output), (inputs, outputs)) = (shape.image_lens(), (shape.in_channels, shape.out_channels));
    let (channels, lens) =
        if transposed { ((outputs, inputs), (output, input)) } else { ((inputs, outputs), (input, output)) };
    if Depthwise::fits(&shape) {
        return depthwise(&shape, transposed, source, w, bias);
    }
    if shape.is_pointwise() {
        return pointwise(&shape, channels, weight, source, bias, lens);
    }
    match Tiles::fit::<T>(&shape, transposed) {
        Some(tiles) => by_tiles(&shape, tiles, channels, (w, transposed), source, bias, lens),
        None => {
            let plan = if transposed { Plan::input_gradient(&shape) } else { Plan::forward(&shape) };
            correlate(&shape, &plan, channels, weight, source, bias, lens)
        }
    }
}

fn correlate<T: Element, W: Fn(usize, usize, usize, usize) -> T>(
    shape: &ConvShape,
    plan: &Plan,
    (sources, targets): (usize, usize),
    weight: impl Fn(usize) -> W,
    source: &[T],
    bias: Option<&[T]>,
    (source_len, target_len): (usize, usize),
) -> Vec<T> {
    let set = InstructionSet::current();
    let correlations: Vec<Correlation<T>> = (0..shape.groups)
        .map(|group| Correlation::new(plan.clone(), set, (sources, targets), weight(group)))
        .collect();
    let pixels = plan.target_pixels();
    let plane = plan.target_plane();
    let mut out = vec![T::zero(); shape.batch * shape.groups * target_len];
    parallel::chunks(shape.batch, &mut out, shape.groups * target_len, |range, out| {
        let mut padded =
            vec![T::zero(); if plan.source.is_plain() { 0 } else { sources * plan.source.plane() }];
        let mut written = vec![[T::zero(); BLOCK]; blocks(targets) * plane];
        let parts = out.chunks_exact_mut(target_len).zip(range.start * shape.groups..);
        for (out, part) in parts {
            let group = part % shape.groups;
            let image = &source[part * source_len..][..source_len];
            if !plan.source.is_plain() {
                pad(image, &plan.source, &mut padded);
            }
            let image = if plan.source.is_plain() { image } else { &padded };
            if let Some(bias) = bias {
                start(&mut written, &bias[group * targets..][..targets], plane);
            }
            correlations[group].run(Source::Planes(image), &mut written, bias.is_some());
            T::run(
                set,
                FromBlocked { blocked: &written, channels: targets, pixels: &pixels, plane, image: out },
            );
        }
    });
    out
}

/// The same as [`correlate`], where every channel sees itself alone.
fn depthwise<T: Element>(
    shape: &ConvShape,
    transposed: bool,
    source: &[T],
    weight: &[T],
    bias: Option<&[T]>,
) -> Vec<T> {
    let (set, channels, conv) = (InstructionSet::current(), shape.groups, Depthwise::new(shape, transposed));
    let mut weights = vec![[T::zero(); BLOCK]; blocks(channels) * conv.taps()];
    conv.pack(weight, &mut weights);
    let (plane, target_plane) = (conv.source_plane(), conv.target_plane());
    let [from, to] = [plane, target_plane].map(|plane| (0..plane).collect::<Vec<usize>>());
    let mut out = vec![T::zero(); shape.batch * channels * target_plane];
    parallel::chunks(shape.batch, &mut out, channels * target_plane, |range, out| {
        let mut read = vec![[T::zero(); BLOCK]; blocks(channels) * plane];
        let mut written = vec![[T::zero(); BLOCK]; blocks(channels) * target_plane];
        for (out, image) in out.chunks_exact_mut(channels * target_plane).zip(range) {
            let image = &source[image * channels * plane..][..channels * plane];
            T::run(set, ToBlocked { image, channels, pixels: &from, plane, blocked: &mut read });
            if let Some(bias) = bias {
                start(&mut written, bias, target_plane);
            }
            conv.run(set, &weights, &read, &mut written, bias.is_some());
            let (blocked, plane) = (&written[..], target_plane);
            T::run(set, FromBlocked { blocked, channels, pixels: &to, plane, image: out });
        }
    });
    out
}

/// The bias of every channel, in all its pixels.
fn start<T: Element>(blocked: &mut [[T; BLOCK]], bias: &[T], plane: usize) {
    for (pixels, bias) in blocked.chunks_exact_mut(plane).zip(bias.chunks(BLOCK)) {
        let mut first = [T::zero(); BLOCK];
        first[..bias.len()].copy_from_slice(bias);
        pixels.fill(first);
    }
}

/// The same as [`correlate`], where every result sees the source in its own place only.
fn pointwise<T: Element, W: Fn(usize, usize, usize, usize) -> T>(
    shape: &ConvShape,
    channels: (usize, usize),
    weight: impl Fn(usize) -> W,
    source: &[T],
    bias: Option<&[T]>,
    (source_len, target_len): (usize, usize),
) -> Vec<T> {
    let set = InstructionSet::current();
    let of = |group: usize| {
        let weight = weight(group);
        Pointwise::new(set, channels, |target, source| weight(target, source, 0, 0))
    };
    let groups: Vec<Pointwise<T>> = (0..shape.groups).map(of).collect();
    let mut out = vec![T::zero(); shape.batch * shape.groups * target_len];
    parallel::chunks(shape.batch, &mut out, shape.groups * target_len, |range, out| {
        for (out, part) in out.chunks_exact_mut(target_len).zip(range.start * shape.groups..) {
            let group = part % shape.groups;
            let bias = bias.map(|bias| &bias[group * channels.1..][..channels.1]);
            groups[group].run(&source[part * source_len..][..source_len], out, bias);
        }
    });
    out
}

/// The same as [`correlate`], by tiles; `transposed` is the gradient by the input, which is a convolution with the
/// kernel turned round.
fn by_tiles<T: Element>(
    shape: &ConvShape,
    tiles: Tiles,
    (sources, targets): (usize, usize),
    (weight, transposed): (&[T], bool),
    source: &[T],
    bias: Option<&[T]>,
    (source_len, target_len): (usize, usize),
) -> Vec<T> {
    let set = InstructionSet::current();
    let kernels = weight.as_chunks::<9>().0;
    let of = |group: usize| {
        let kernels = &kernels[group * targets * sources..][..targets * sources];
        Winograd::new(tiles, set, (sources, targets), transposed, |target, source| {
            &kernels[if transposed { source * targets + target } else { target * sources + source }]
        })
    };
    let groups: Vec<Winograd<T>> = (0..shape.groups).map(of).collect();
    let (from, to) = (tiles.source_pixels(), tiles.target_pixels());
    let (plane, target_plane) = (tiles.source_plane(), tiles.target_plane());
    let mut out = vec![T::zero(); shape.batch * shape.groups * target_len];
    parallel::chunks(shape.batch, &mut out, shape.groups * target_len, |range, out| {
        let mut read = vec![[T::zero(); BLOCK]; blocks(sources) * plane];
        let mut written = vec![[T::zero(); BLOCK]; blocks(targets) * target_plane];
        let mut strip = groups[0].strip();
        for (out, part) in out.chunks_exact_mut(target_len).zip(range.start * shape.groups..) {
            let group = part % shape.groups;
            let image = &source[part * source_len..][..source_len];
            T::run(set, ToBlocked { image, channels: sources, pixels: &from, plane, blocked: &mut read });
            let bias = bias.map(|bias| &bias[group * targets..][..targets]);
            groups[group].run(&read, &mut written, (bias, false), &mut strip);
            let (blocked, plane) = (&written[..], target_plane);
            T::run(set, FromBlocked { blocked, channels: targets, pixels: &to, plane, image: out });
        }
    });
    out
}

/// The gradient of the convolution by its weight: sums by fixed parts of the batch, merged in their order.
pub(crate) fn weight_gradient<T: Element>(shape: &ConvShape, x: &[T], dy: &[T]) -> Vec<T> {
    let shape = shape.flattened();
    let [_, per_group, kh, kw] = shape.weight_dims();
    let mut out = vec![T::zero(); shape.weight_dims().iter().product()];
    if Depthwise::fits(&shape) {
        depthwise_weight_gradient(&shape, x, dy, &mut out);
        return out;
    }
    for group in 0..shape.groups {
        let put = |o, i, r, c, sum| {
            out[(((group * shape.out_channels + o) * per_group + i) * kh + r) * kw + c] = sum
        };
        if shape.is_pointwise() {
            pointwise_weight_gradient(&shape, group, x, dy, put);
            continue;
        }
        match Tiles::fit::<T>(&shape, false) {
            Some(tiles) => weight_gradient_by_tiles(&shape, tiles, group, x, dy, put),
            None => direct_weight_gradient(&shape, group, x, dy, put),
        }
    }
    out
}

/// Of one group of one image, the elements in `x` and in `dy`.
fn images<'a, T>(
    shape: &ConvShape,
    group: usize,
    image: usize,
    x: &'a [T],
    dy: &'a [T],
) -> (&'a [T], &'a [T]) {
    let (source_len, target_len) = shape.image_lens();
    let at = image * shape.groups + group;
    (&x[at * source_len..][..source_len], &dy[at * target_len..][..target_len])
}

/// The parts of a sum added up in their order.
fn merged<T: Element>(parts: Vec<Vec<T>>) -> Option<Vec<T>> {
    parts.into_iter().reduce(|mut sums, part| {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        sums
    })
}

fn direct_weight_gradient<T: Element>(
    shape: &ConvShape,
    group: usize,
    x: &[T],
    dy: &[T],
    put: impl FnMut(usize, usize, usize, usize, T),
) {
    let set = InstructionSet::current();
    let gradient = WeightGradient::new(shape, set);
    let (pixels, plane, channels) = (gradient.target_pixels(), gradient.target_plane(), shape.out_channels);
    let as_is: Vec<usize> = (0..shape.rows.input * shape.columns.input).collect();
    let parts = parallel::parts(shape.batch, |range| {
        let mut blocked = vec![[T::zero(); BLOCK]; blocks(channels) * plane];
        // few channels do not fill a block
        let in_blocks = shape.in_channels >= BLOCK / 2;
        let mut source =
            vec![[T::zero(); BLOCK]; if in_blocks { blocks(shape.in_channels) * as_is.len() } else { 0 }];
        let mut sums = gradient.sums::<T>();
        for image in range {
            let (x, dy) = images(shape, group, image, x, dy);
            T::run(set, ToBlocked { image: dy, channels, pixels: &pixels, plane, blocked: &mut blocked });
            if in_blocks {
                let (channels, pixels, plane) = (shape.in_channels, &as_is[..], as_is.len());
                T::run(set, ToBlocked { image: x, channels, pixels, plane, blocked: &mut source });
                gradient.add(Source::Blocks(&source), &blocked, &mut sums);
            } else {
                gradient.add(Source::Planes(x), &blocked, &mut sums);
            }
        }
        sums
    });
    if let Some(sums) = merged(parts) {
        gradient.unpack(&sums, put);
    }
}

fn depthwise_weight_gradient<T: Element>(shape: &ConvShape, x: &[T], dy: &[T], out: &mut [T]) {
    let (set, channels, conv) = (InstructionSet::current(), shape.groups, Depthwise::new(shape, false));
    let (plane, target_plane) = (conv.source_plane(), conv.target_plane());
    let [from, to] = [plane, target_plane].map(|plane| (0..plane).collect::<Vec<usize>>());
    let parts = parallel::parts(shape.batch, |range| {
        let mut source = vec![[T::zero(); BLOCK]; blocks(channels) * plane];
        let mut target = vec![[T::zero(); BLOCK]; blocks(channels) * target_plane];
        let mut sums = vec![T::zero(); blocks(channels) * conv.taps() * BLOCK];
        for image in range {
            let x = &x[image * channels * plane..][..channels * plane];
            let dy = &dy[image * channels * target_plane..][..channels * target_plane];
            T::run(set, ToBlocked { image: x, channels, pixels: &from, plane, blocked: &mut source });
            let plane = target_plane;
            T::run(set, ToBlocked { image: dy, channels, pixels: &to, plane, blocked: &mut target });
            conv.add_weight_gradient(set, &source, &target, sums.as_chunks_mut().0);
        }
        sums
    });
    if let Some(sums) = merged(parts) {
        conv.unpack(sums.as_chunks().0, out);
    }
}

fn pointwise_weight_gradient<T: Element>(
    shape: &ConvShape,
    group: usize,
    x: &[T],
    dy: &[T],
    mut put: impl FnMut(usize, usize, usize, usize, T),
) {
    let set = InstructionSet::current();
    let (sources, targets) = (shape.in_channels, shape.out_channels);
    let (source_len, target_len) = shape.image_lens();
    let strides = (shape.groups * source_len, shape.groups * target_len);
    let parts = parallel::parts(shape.batch, |range| {
        let mut sums = vec![T::zero(); targets * sources];
        let x = &x[range.start * strides.0 + group * source_len..];
        let dy = &dy[range.start * strides.1 + group * target_len..];
        let (images, channels, size) = (range.len(), (sources, targets), shape.columns.input);
        T::run(set, PointwiseGradient { x, dy, strides, images, channels, size, sums: &mut sums });
        sums
    });
    for (at, sum) in merged(parts).into_iter().flatten().enumerate() {
        put(at / sources, at % sources, 0, 0, sum);
    }
}

fn weight_gradient_by_tiles<T: Element>(
    shape: &ConvShape,
    tiles: Tiles,
    group: usize,
    x: &[T],
    dy: &[T],
    put: impl FnMut(usize, usize, usize, usize, T),
) {
    let set = InstructionSet::current();
    let (sources, targets) = (shape.in_channels, shape.out_channels);
    let gradient = WinogradWeightGradient::new(tiles, set, (sources, targets));
    let (from, to) = (tiles.source_pixels(), tiles.target_pixels());
    let (plane, target_plane) = (tiles.source_plane(), tiles.target_plane());
    let parts = parallel::parts(shape.batch, |range| {
        let mut source = vec![[T::zero(); BLOCK]; blocks(sources) * plane];
        let mut target = vec![[T::zero(); BLOCK]; blocks(targets) * target_plane];
        let (mut sums, mut strip) = (gradient.sums::<T>(), gradient.strip());
        for image in range {
            let (x, dy) = images(shape, group, image, x, dy);
            T::run(
                set,
                ToBlocked { image: x, channels: sources, pixels: &from, plane, blocked: &mut source },
            );
            let plane = target_plane;
            T::run(set, ToBlocked { image: dy, channels: targets, pixels: &to, plane, blocked: &mut target });
            gradient.add(&source, &target, &mut sums, &mut strip);
        }
        sums
    });
    if let Some(sums) = merged(parts) {
        gradient.unpack(&sums, put);
    }
}
