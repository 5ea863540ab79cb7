use crate::set::{product, reserve};
use crate::{ImageError, Images};
use nas_core::Stream;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// By what pixels are shifted and divided, one number a channel, where 0 is black and 1 is white.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalise {
    /// What is subtracted.
    pub mean: Vec<f32>,
    /// What is divided by afterwards.
    pub deviation: Vec<f32>,
}

/// What is done to training images at random: a crop of their own size from the image with a black frame,
/// and a flip left to right (He et al. 2016, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Augment {
    /// Width of the frame on every side; 0 for no crop.
    pub pad: usize,
    /// Whether half of the images are flipped.
    pub flip: bool,
}

impl Augment {
    /// Frames of 4 pixels and flips, as for CIFAR in He et al. 2016 and NAS-Bench-201.
    pub const CIFAR: Self = Self { pad: 4, flip: true };
}

impl Images {
    /// Mean and standard deviation (of all pixels, not of a sample) of every channel.
    pub fn statistics(&self) -> Normalise {
        let [channels, height, width] = self.shape();
        // whole numbers: exact in any order; below 2^32 pixels, their squares below 2^48
        let (mut sums, mut squares) = (vec![0_u64; channels], vec![0_u64; channels]);
        for (plane, pixels) in self.pixels().chunks_exact(height * width).enumerate() {
            for &pixel in pixels {
                sums[plane % channels] += u64::from(pixel);
                squares[plane % channels] += u64::from(pixel) * u64::from(pixel);
            }
        }
        let pixels = (self.len() * height * width) as u64;
        let white = pixels as f64 * 255.0;
        // the variance times the square of the number of pixels, exact too, so that one value alone has 0
        let spread = |(&sum, &square): (&u64, &u64)| {
            u128::from(pixels) * u128::from(square) - u128::from(sum) * u128::from(sum)
        };
        Normalise {
            mean: sums.iter().map(|&sum| (sum as f64 / white) as f32).collect(),
            deviation: sums
                .iter()
                .zip(&squares)
                .map(|s| ((spread(s) as f64).sqrt() / white) as f32)
                .collect(),
        }
    }

    /// These images as numbers, in the order image, channel, row, column: `(pixel / 255 - mean) / deviation`,
    /// each step rounded to f32 as PyTorch does it.
    ///
    /// # Errors
    /// An image that is not there, or numbers to normalise by that do not fit the channels, are not finite
    /// or divide by 0: a channel of one value has nothing to learn from.
    pub fn batch(&self, rows: &[usize], by: &Normalise) -> Result<Vec<f32>, ImageError> {
        self.numbers(rows, by, 0, || (0, 0, false))
    }

    /// [`Images::batch`], each image cropped and flipped at random before it is normalised: a black frame
    /// is what black is. Three numbers of `rng` an image, in the order of `rows`.
    ///
    /// # Errors
    /// As there, and a frame that is wider than the image.
    ///
    /// ```
    /// let (set, _) = images::fashion_mnist()?;
    /// let mut rng = nas_core::Seed(0).stream("augment");
    /// let batch = set.augmented_batch(&[0, 1], &set.statistics(), images::Augment::CIFAR, &mut rng)?;
    /// assert_eq!(batch.len(), 2 * 28 * 28);
    /// # Ok::<(), images::ImageError>(())
    /// ```
    pub fn augmented_batch(
        &self,
        rows: &[usize],
        by: &Normalise,
        augment: Augment,
        rng: &mut Stream,
    ) -> Result<Vec<f32>, ImageError> {
        let [_, height, width] = self.shape();
        let (pad, limit) = (augment.pad, height.min(width));
        if pad > limit {
            return Err(ImageError::Pad { pad, limit });
        }
        // the same numbers on 32 and 64 bits; a side is far below 2^31
        let most = u32::try_from(2 * pad).unwrap_or(u32::MAX);
        self.numbers(rows, by, pad, || {
            let (down, right) = (rng.random_range(0..=most), rng.random_range(0..=most));
            let flip = rng.random::<bool>() && augment.flip;
            (down as usize, right as usize, flip)
        })
    }

    /// Images seen through a window at `(down, right, flipped)` of the image with its frame.
    fn numbers(
        &self,
        rows: &[usize],
        by: &Normalise,
        pad: usize,
        mut window: impl FnMut() -> (usize, usize, bool),
    ) -> Result<Vec<f32>, ImageError> {
        let tables = self.tables(by)?;
        let [_, height, width] = self.shape();
        let bytes: usize = self.shape().iter().product();
        let mut numbers = reserve(product(&[rows.len(), bytes])?)?;
        for &row in rows {
            let image = self.image(row).ok_or(ImageError::NoSuchImage { row, there: self.len() })?;
            let (down, right, flip) = window();
            for (plane, table) in image.chunks_exact(height * width).zip(&tables) {
                for line in (0..height).map(|line| (line + down).wrapping_sub(pad)) {
                    let Some(old) = plane.chunks_exact(width).nth(line) else {
                        numbers.extend(std::iter::repeat_n(table[0], width));
                        continue;
                    };
                    // black on the left, a piece of the line, black on the right
                    let (left, first) = (pad.saturating_sub(right), right.saturating_sub(pad));
                    let piece = &old[first..width - left];
                    let start = numbers.len();
                    numbers.extend(std::iter::repeat_n(table[0], left));
                    numbers.extend(piece.iter().map(|&pixel| table[usize::from(pixel)]));
                    numbers.resize(start + width, table[0]);
                    if flip {
                        numbers[start..].reverse();
                    }
                }
            }
        }
        Ok(numbers)
    }

    /// What each of the 256 values becomes, channel by channel.
    fn tables(&self, by: &Normalise) -> Result<Vec<[f32; 256]>, ImageError> {
        let [channels, ..] = self.shape();
        for found in [by.mean.len(), by.deviation.len()] {
            if found != channels {
                return Err(ImageError::Channels { found, expected: channels.to_string() });
            }
        }
        let table = |(channel, (&mean, &deviation)): (usize, (&f32, &f32))| {
            let table: [f32; 256] = std::array::from_fn(|pixel| (pixel as f32 / 255.0 - mean) / deviation);
            match deviation > 0.0 && table.iter().all(|number| number.is_finite()) {
                true => Ok(table),
                false => Err(ImageError::Normalise { channel, mean, deviation }),
            }
        };
        by.mean.iter().zip(&by.deviation).enumerate().map(table).collect()
    }
}
