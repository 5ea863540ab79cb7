//! The products of transformed tiles: small matrix products, tiles by channels.

use super::correlate::{unroll, width};
use crate::element::Element;
use crate::simd::{BLOCK, InstructionSet, Kernel, Lanes};
use pulp::bytemuck;

/// Tiles `[blocks][row][16]` times weights, packed in [`super::correlate::pack_order`]: written to `target`, as many
/// tiles as there are.
pub(super) struct Multiply<'a, T> {
    pub(super) set: InstructionSet,
    pub(super) channels: (usize, usize),
    pub(super) weights: &'a [T],
    pub(super) row: usize,
    pub(super) tiles: usize,
    pub(super) source: &'a [[T; BLOCK]],
    pub(super) target: &'a mut [[T; BLOCK]],
}

impl<T: Element> Kernel<T> for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { set, channels: (sources, targets), mut weights, row, tiles, source, target } = self;
        for (group, target) in target.chunks_mut(width::<T>(set) * row).enumerate() {
            let width = target.len() / row;
            let (here, rest) = weights.split_at(sources * width * BLOCK);
            weights = rest;
            let of = Group { source, row, tiles, channels: sources, weights: here };
            let held = targets - group * self::width::<T>(set) * BLOCK;
            let lanes = width * BLOCK / S::LANES;
            match (lanes, S::REGISTER_COUNT) {
                // the other half of the block is empty
                (2, _) if width == 1 && held <= S::LANES => of.pieces::<S, 2, 1, 8>(simd, target),
                (1, _) => of.pieces::<S, 1, 1, 8>(simd, target),
                (2, 32..) => of.pieces::<S, 2, 2, 8>(simd, target),
                (2, _) => of.pieces::<S, 2, 2, 6>(simd, target),
                (4, 32..) if held <= BLOCK / 2 => of.pieces::<S, 4, 2, 8>(simd, target),
                (4, 32..) => of.pieces::<S, 4, 4, 6>(simd, target),
                (4, _) => of.pieces::<S, 4, 4, 2>(simd, target),
                _ => of.pieces::<S, 8, 8, 1>(simd, target),
            }
        }
    }
}

/// All tiles into the target blocks that are computed at once.
struct Group<'a, T> {
    source: &'a [[T; BLOCK]],
    row: usize,
    tiles: usize,
    channels: usize,
    weights: &'a [T],
}

impl<T: Element> Group<'_, T> {
    /// `P` tiles at a time, and what is left by fewer; of `Q` vectors of weights the first `R` count.
    #[inline(always)]
    fn pieces<S: Lanes<T>, const Q: usize, const R: usize, const P: usize>(
        &self,
        simd: S,
        target: &mut [[T; BLOCK]],
    ) {
        let mut at = 0;
        while at < self.tiles {
            let left = self.tiles - at;
            // eight by twice four: pieces of two wait for each other's sums
            if P >= 8 && left >= 8 {
                self.piece::<S, Q, R, 8>(simd, at, target);
                at += 8;
            } else if P >= 6 && left >= 6 && left != 8 {
                self.piece::<S, Q, R, 6>(simd, at, target);
                at += 6;
            } else if P >= 4 && left >= 4 {
                self.piece::<S, Q, R, 4>(simd, at, target);
                at += 4;
            } else if P >= 2 && left >= 2 {
                self.piece::<S, Q, R, 2>(simd, at, target);
                at += 2;
            } else {
                self.piece::<S, Q, R, 1>(simd, at, target);
                at += 1;
            }
        }
    }

    #[inline(always)]
    fn piece<S: Lanes<T>, const Q: usize, const R: usize, const P: usize>(
        &self,
        simd: S,
        at: usize,
        target: &mut [[T; BLOCK]],
    ) {
        let weights = bytemuck::cast_slice::<T, S::V>(self.weights).as_chunks::<Q>().0;
        let mut sums = [[simd.splat(T::zero()); R]; P];
        let whole = self.channels / BLOCK;
        let (of_whole, of_rest) = weights.split_at(whole * BLOCK);
        let mut sources = self.source.chunks_exact(self.row);
        for (weights, source) in of_whole.as_chunks::<BLOCK>().0.iter().zip(&mut sources) {
            let pixels: &[[T; BLOCK]; P] = source[at..].first_chunk().expect("inside");
            // without a loop the sums stay where they are
            unroll!(c < BLOCK, {
                multiply::<T, S, Q, R, P>(simd, &mut sums, pixels, c, &weights[c]);
            });
        }
        if let (Some(source), false) = (sources.next(), of_rest.is_empty()) {
            let pixels: &[[T; BLOCK]; P] = source[at..].first_chunk().expect("inside");
            let mut rest = [[simd.splat(T::zero()); R]; P];
            for (c, weights) in of_rest.iter().enumerate() {
                multiply::<T, S, Q, R, P>(simd, &mut rest, pixels, c, weights);
            }
            for (sums, rest) in sums.iter_mut().zip(&rest) {
                for r in 0..R {
                    sums[r] = simd.add(sums[r], rest[r]);
                }
            }
        }
        let lanes = BLOCK / S::LANES;
        for r in 0..R {
            let pixels: &mut [[T; BLOCK]; P] =
                target[r / lanes * self.row + at..].first_chunk_mut().expect("inside");
            for (sums, pixel) in sums.iter().zip(pixels) {
                bytemuck::cast_slice_mut::<T, S::V>(pixel)[r % lanes] = sums[r];
            }
        }
    }
}

#[inline(always)]
fn multiply<T: Element, S: Lanes<T>, const Q: usize, const R: usize, const P: usize>(
    simd: S,
    sums: &mut [[S::V; R]; P],
    pixels: &[[T; BLOCK]; P],
    c: usize,
    weights: &[S::V; Q],
) {
    for p in 0..P {
        let pixel = simd.splat(pixels[p][c]);
        for r in 0..R {
            sums[p][r] = simd.mul_add(pixel, weights[r], sums[p][r]);
        }
    }
}

/// Adds the sums over tiles of source times target: `sums[target block][source block][source channel][16]`.
pub(super) struct AddProducts<'a, T> {
    pub(super) channels: (usize, usize),
    pub(super) row: usize,
    pub(super) tiles: usize,
    pub(super) source: &'a [[T; BLOCK]],
    pub(super) target: &'a [[T; BLOCK]],
    pub(super) sums: &'a mut [T],
}

impl<T: Element> Kernel<T> for AddProducts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { channels: (sources, targets), row, tiles, source, target, sums } = self;
        let mut sums = sums.chunks_exact_mut(BLOCK * BLOCK);
        for (number, target) in target.chunks_exact(row).enumerate() {
            let half = targets - number * BLOCK <= S::LANES;
            for (block, source) in source.chunks_exact(row).enumerate() {
                let Some(sums) = sums.next() else { return };
                let (source, target) = (&source[..tiles], &target[..tiles]);
                let few = sources - block * BLOCK <= BLOCK / 2;
                match BLOCK / S::LANES {
                    1 if few => add::<T, S, 1, 1, 8, 0>(simd, source, target, sums),
                    1 => add::<T, S, 1, 1, 16, 0>(simd, source, target, sums),
                    2 if half => {
                        add::<T, S, 2, 1, 8, 0>(simd, source, target, sums);
                        if !few {
                            add::<T, S, 2, 1, 8, 8>(simd, source, target, sums);
                        }
                    }
                    2 if few => {
                        add::<T, S, 2, 2, 4, 0>(simd, source, target, sums);
                        add::<T, S, 2, 2, 4, 4>(simd, source, target, sums);
                    }
                    2 => {
                        add::<T, S, 2, 2, 6, 0>(simd, source, target, sums);
                        add::<T, S, 2, 2, 6, 6>(simd, source, target, sums);
                        add::<T, S, 2, 2, 4, 12>(simd, source, target, sums);
                    }
                    4 if S::REGISTER_COUNT >= 32 => {
                        add::<T, S, 4, 4, 6, 0>(simd, source, target, sums);
                        add::<T, S, 4, 4, 6, 6>(simd, source, target, sums);
                        add::<T, S, 4, 4, 4, 12>(simd, source, target, sums);
                    }
                    4 => quarters::<T, S, 4>(simd, source, target, sums),
                    _ => quarters::<T, S, 8>(simd, source, target, sums),
                }
            }
        }
    }
}

/// Where a pixel takes many vectors: two channels at a time.
#[inline(always)]
fn quarters<T: Element, S: Lanes<T>, const Q: usize>(
    simd: S,
    source: &[[T; BLOCK]],
    target: &[[T; BLOCK]],
    sums: &mut [T],
) {
    add::<T, S, Q, Q, 2, 0>(simd, source, target, sums);
    add::<T, S, Q, Q, 2, 2>(simd, source, target, sums);
    add::<T, S, Q, Q, 2, 4>(simd, source, target, sums);
    add::<T, S, Q, Q, 2, 6>(simd, source, target, sums);
    add::<T, S, Q, Q, 2, 8>(simd, source, target, sums);
    add::<T, S, Q, Q, 2, 10>(simd, source, target, sums);
    add::<T, S, Q, Q, 2, 12>(simd, source, target, sums);
    add::<T, S, Q, Q, 2, 14>(simd, source, target, sums);
}

/// `C` source channels from `FIRST`, with the first `R` of `Q` vectors of target channels.
#[inline(always)]
fn add<T: Element, S: Lanes<T>, const Q: usize, const R: usize, const C: usize, const FIRST: usize>(
    simd: S,
    source: &[[T; BLOCK]],
    target: &[[T; BLOCK]],
    sums: &mut [T],
) {
    let mut here = [[simd.splat(T::zero()); R]; C];
    let target = bytemuck::cast_slice::<T, S::V>(target.as_flattened()).as_chunks::<Q>().0;
    for (source, target) in source.iter().zip(target) {
        for c in 0..C {
            let pixel = simd.splat(source[FIRST + c]);
            for r in 0..R {
                here[c][r] = simd.mul_add(pixel, target[r], here[c][r]);
            }
        }
    }
    let sums = &mut bytemuck::cast_slice_mut::<T, S::V>(sums).as_chunks_mut::<Q>().0[FIRST..FIRST + C];
    for (sums, here) in sums.iter_mut().zip(&here) {
        for r in 0..R {
            sums[r] = simd.add(sums[r], here[r]);
        }
    }
}
