use crate::set::{product, reserve};
use crate::{ImageError, Images};

/// Of one new pixel along one axis: the old pixels and by how much each counts.
type Part = Vec<(usize, u64)>;

impl Images {
    /// The same images, smaller: each new pixel is the mean of the area that it covers, old pixels at its
    /// edges counted by the share that is covered (Pillow's `BOX`, OpenCV's `INTER_AREA`), rounded half up.
    ///
    /// # Errors
    /// A side of 0, or one that is larger than now.
    ///
    /// ```
    /// let set = images::Images::new([1, 2, 2], 1, vec![0, 10, 20, 31], vec![0])?;
    /// assert_eq!(set.resize(1, 1)?.pixels(), [15]);
    /// # Ok::<(), images::ImageError>(())
    /// ```
    pub fn resize(&self, height: usize, width: usize) -> Result<Self, ImageError> {
        let [channels, from_height, from_width] = self.shape();
        if height == 0 || width == 0 || height > from_height || width > from_width {
            let (from, to) = (format!("{from_height}x{from_width}"), format!("{height}x{width}"));
            return Err(ImageError::Size { from, to });
        }
        let (rows, columns) = (parts(from_height, height), parts(from_width, width));
        // the sum of all counts of a new pixel; below 2^32, and times 255 below 2^40
        let whole = (from_height * from_width) as u64;
        let mut pixels = reserve(product(&[self.len(), channels, height, width])?)?;
        let mut lines = vec![0; from_height * width];
        for plane in self.pixels().chunks_exact(from_height * from_width) {
            for (line, old) in lines.chunks_exact_mut(width).zip(plane.chunks_exact(from_width)) {
                for (sum, part) in line.iter_mut().zip(&columns) {
                    *sum = part.iter().map(|&(at, count)| u64::from(old[at]) * count).sum();
                }
            }
            for part in &rows {
                for column in 0..width {
                    let sum: u64 = part.iter().map(|&(at, count)| lines[at * width + column] * count).sum();
                    pixels.push(u8::try_from((sum + whole / 2) / whole).unwrap_or(u8::MAX));
                }
            }
        }
        Self::new([channels, height, width], self.classes(), pixels, self.labels().to_vec())
    }
}

/// On a scale where an old pixel is `to` long and a new one `from`, so that all are whole numbers.
fn parts(from: usize, to: usize) -> Vec<Part> {
    let overlap = |old: usize, new: usize| {
        let (start, end) = ((old * to).max(new * from), ((old + 1) * to).min((new + 1) * from));
        (old, end.saturating_sub(start) as u64)
    };
    let part = |new: usize| {
        let (first, last) = (new * from / to, ((new + 1) * from).div_ceil(to));
        (first..last.min(from)).map(|old| overlap(old, new)).collect()
    };
    (0..to).map(part).collect()
}
