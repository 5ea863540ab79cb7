use crate::set::{product, reserve};
use crate::{ImageError, Images};
use nas_core::{Seed, Stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// How images of grey objects on black become coloured pictures in which the object is hard to tell: see
/// [`Images::cluttered`]. Brightness goes from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Clutter {
    /// Pictures that each image is in the foreground of.
    pub copies: usize,
    /// Side of the pictures.
    pub side: usize,
    /// Pixels by which the object is moved from the middle along each axis, at most.
    pub shift: usize,
    /// How bright the object behind it is.
    pub behind: f32,
    /// Pixels by which that one is moved, at most.
    pub shift_behind: usize,
    /// Standard deviation of the noise on every pixel of every channel, uniform.
    pub noise: f32,
}

impl Clutter {
    /// What makes reduced trainings on 28x28 Fashion-MNIST order networks as full ones on natural images do: 32x32
    /// pictures, objects moved by up to 3 pixels, others behind them at 50 %, and noise of 8 %.
    ///
    /// Without it, nearly all networks are as good as each other on such images, whatever they are worth elsewhere.
    pub fn standard(copies: usize) -> Self {
        Self { copies, side: 32, shift: 3, behind: 0.5, shift_behind: 10, noise: 0.08 }
    }
}

impl Images {
    /// Coloured pictures of these grey images: the object in a colour of its own, moved, before another object of the
    /// set in another colour, on a ground in a third, with noise. `copies` pictures of the first image come first;
    /// labels are those of the object in front. The same seed gives the same bytes.
    ///
    /// # Errors
    /// Images that are not grey, a side below theirs, settings out of range, or more than there is room for.
    ///
    /// ```
    /// use images::Clutter;
    /// use nas_core::Seed;
    /// let (training, _) = images::fashion_mnist()?;
    /// let pictures = training.cluttered(Clutter::standard(3), Seed(0))?;
    /// assert_eq!((pictures.len(), pictures.shape()), (6_000, [3, 32, 32]));
    /// assert_eq!(pictures.labels()[..6], [0, 0, 0, 1, 1, 1]);
    /// # Ok::<(), images::ImageError>(())
    /// ```
    pub fn cluttered(&self, clutter: Clutter, seed: Seed) -> Result<Self, ImageError> {
        let [channels, height, width] = self.shape();
        let Clutter { copies, side, .. } = clutter;
        if channels != 1 {
            return Err(ImageError::Channels { found: channels, expected: "1".into() });
        }
        for (setting, value) in [("behind", clutter.behind), ("noise", clutter.noise)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(ImageError::Setting { setting, value: value.into(), expected: "0 or more" });
            }
        }
        for (setting, pixels) in [("shift", clutter.shift), ("shift_behind", clutter.shift_behind)] {
            if pixels > side {
                let expected = "at most the side of the pictures";
                return Err(ImageError::Setting { setting, value: pixels as f64, expected });
            }
        }
        if side < height.max(width) {
            return Err(ImageError::Picture { from: format!("{height}x{width}"), side });
        }
        let mut pixels = reserve(product(&[self.len(), copies, 3, side, side])?)?;
        let mut labels = Vec::with_capacity(self.len() * copies);
        for (row, &label) in self.labels().iter().enumerate() {
            for copy in 0..copies {
                let mut rng = seed.nth("picture", (row * copies + copy) as u64).stream("clutter");
                self.picture(row, clutter, &mut rng, &mut pixels);
                labels.push(label);
            }
        }
        Self::new([3, side, side], self.classes(), pixels, labels)
    }

    fn picture(&self, row: usize, clutter: Clutter, rng: &mut Stream, pixels: &mut Vec<u8>) {
        let front = self.moved(row, false, clutter.side, clutter.shift, rng);
        let (other, flip) = (rng.random_range(0..self.len()), rng.random_bool(0.5));
        let behind = self.moved(other, flip, clutter.side, clutter.shift_behind, rng);
        let mut colour = |low: f32, high: f32| -> [f32; 3] {
            std::array::from_fn(|_| low + (high - low) * rng.random::<f32>())
        };
        let (of_front, of_behind, of_ground) = (colour(0.4, 1.0), colour(0.0, 1.0), colour(0.0, 0.4));
        // a uniform number within 1 of 0 has a deviation of 1 / sqrt(3)
        let reach = clutter.noise * 3.0_f32.sqrt();
        for channel in 0..3 {
            for (front, behind) in front.iter().zip(&behind) {
                let ground = of_ground[channel] + clutter.behind * of_behind[channel] * behind;
                let shown = ground * (1.0 - front) + of_front[channel] * front;
                let noisy = shown + reach * (2.0 * rng.random::<f32>() - 1.0);
                pixels.push((noisy.clamp(0.0, 1.0) * 255.0).round() as u8);
            }
        }
    }

    /// The brightness of a picture with the image moved from its middle; what falls over the edge is gone.
    fn moved(&self, row: usize, flip: bool, side: usize, shift: usize, rng: &mut Stream) -> Vec<f32> {
        let [_, height, width] = self.shape();
        let place = |length: usize, rng: &mut Stream| {
            ((side - length) / 2 + rng.random_range(0..=2 * shift)) as isize - shift as isize
        };
        let (top, left) = (place(height, rng), place(width, rng));
        let mut picture = vec![0.0; side * side];
        for (at, &pixel) in self.image(row).unwrap_or_default().iter().enumerate() {
            let (y, x) = (at / width, at % width);
            let x = if flip { width - 1 - x } else { x };
            let (y, x) = (y as isize + top, x as isize + left);
            let inside = |place: isize| usize::try_from(place).ok().filter(|place| *place < side);
            if let (Some(y), Some(x)) = (inside(y), inside(x)) {
                picture[y * side + x] = f32::from(pixel) / 255.0;
            }
        }
        picture
    }
}
