use super::plan::{Padded, blocks};
use crate::element::Element;
use crate::simd::{BLOCK, Kernel, Lanes};

/// Copies the rows of planes between their zeros, which stay as they are.
pub(crate) fn pad<T: Copy>(image: &[T], layout: &Padded, padded: &mut [T]) {
    let rows = image.chunks_exact(layout.columns).zip(padded.chunks_exact_mut(layout.pitch));
    for (from, to) in rows {
        to[layout.before..layout.before + layout.columns].copy_from_slice(from);
    }
}

/// Copies an image of planes into a blocked buffer `[channels / 16][plane][16]`; pixels that no element falls on
/// stay as they are.
pub(crate) struct ToBlocked<'a, T> {
    pub(crate) image: &'a [T],
    pub(crate) channels: usize,
    /// The pixel of every element of a plane.
    pub(crate) pixels: &'a [usize],
    /// Pixels of a plane of the buffer.
    pub(crate) plane: usize,
    pub(crate) blocked: &'a mut [[T; BLOCK]],
}

impl<T: Element> Kernel<T> for ToBlocked<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { image, channels, pixels, plane, blocked } = self;
        let size = pixels.len();
        for block in 0..blocks(channels) {
            let blocked = &mut blocked[block * plane..(block + 1) * plane];
            let held = (channels - block * BLOCK).min(BLOCK);
            for (tile, pixels) in pixels.chunks(BLOCK).enumerate() {
                let mut rows = [[T::zero(); BLOCK]; BLOCK];
                for (c, row) in rows[..held].iter_mut().enumerate() {
                    let at = (block * BLOCK + c) * size + tile * BLOCK;
                    match image[at..at + pixels.len()].first_chunk() {
                        Some(whole) => *row = *whole,
                        None => row[..pixels.len()].copy_from_slice(&image[at..at + pixels.len()]),
                    }
                }
                let columns = simd.transpose(rows);
                for (&pixel, column) in pixels.iter().zip(&columns) {
                    blocked[pixel] = *column;
                }
            }
        }
    }
}

/// Copies a blocked buffer back into an image of planes.
pub(crate) struct FromBlocked<'a, T> {
    pub(crate) blocked: &'a [[T; BLOCK]],
    pub(crate) channels: usize,
    /// The pixel of every element of a plane.
    pub(crate) pixels: &'a [usize],
    /// Pixels of a plane of the buffer.
    pub(crate) plane: usize,
    pub(crate) image: &'a mut [T],
}

impl<T: Element> Kernel<T> for FromBlocked<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { blocked, channels, pixels, plane, image } = self;
        let size = pixels.len();
        for block in 0..blocks(channels) {
            let blocked = &blocked[block * plane..(block + 1) * plane];
            let held = (channels - block * BLOCK).min(BLOCK);
            for (tile, pixels) in pixels.chunks(BLOCK).enumerate() {
                let mut columns = [[T::zero(); BLOCK]; BLOCK];
                for (&pixel, column) in pixels.iter().zip(&mut columns) {
                    *column = blocked[pixel];
                }
                let rows = simd.transpose(columns);
                for (c, row) in rows[..held].iter().enumerate() {
                    let at = (block * BLOCK + c) * size + tile * BLOCK;
                    match image[at..at + pixels.len()].first_chunk_mut() {
                        Some(whole) => *whole = *row,
                        None => image[at..at + pixels.len()].copy_from_slice(&row[..pixels.len()]),
                    }
                }
            }
        }
    }
}
