use crate::error::Result;
use cpu_ops::BLOCK;
use cpu_ops::blocked::{Real, from_blocked};

/// What a watched layer gave for a batch.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a, T> {
    pub(super) kept: &'a [[T; BLOCK]],
    pub(super) pitch: usize,
    pub(super) start: usize,
    pub(super) shape: [usize; 3],
    pub(super) images: usize,
}

impl<'a, T: Real> Seen<'a, T> {
    /// How many images there are.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// An image in blocks: `[channels / 16][height * width][16]`, the last block filled up with zeros.
    pub fn blocked(&self, image: usize) -> Option<&'a [[T; BLOCK]]> {
        let [channels, height, width] = self.shape;
        let len = channels.div_ceil(BLOCK) * height * width;
        if image >= self.images {
            return None;
        }
        self.kept.get(image * self.pitch + self.start..)?.get(..len)
    }

    /// All images as `(N, C, H, W)`. O(elements).
    ///
    /// # Errors
    /// None that a valid network could cause.
    pub fn planes(&self) -> Result<Vec<T>> {
        let [channels, height, width] = self.shape;
        let size = channels * height * width;
        let mut out = vec![T::zero(); self.images * size];
        for (image, out) in out.chunks_exact_mut(size).enumerate() {
            if let Some(blocked) = self.blocked(image) {
                from_blocked(blocked, channels, out)?;
            }
        }
        Ok(out)
    }
}
