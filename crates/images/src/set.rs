use crate::ImageError;

/// The most bytes of pixels of a set, and of a file after unpacking: 4 GiB, or what an allocation may have.
pub(crate) const LIMIT: u64 = if usize::BITS > 32 { 1 << 32 } else { 1 << 31 };

/// The longest side of an image.
const SIDE: usize = 1 << 16;

/// Labelled images of one size: at least one, every label below the number of classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    channels: usize,
    height: usize,
    width: usize,
    classes: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    /// Images from pixels in the order image, channel, row, column (`NCHW`), and one label each.
    ///
    /// # Errors
    /// No images, pixels or classes; lengths that do not fit; a label beyond the classes, of which there are
    /// at most 256; more than 4 GiB, or a side above 65,536 pixels.
    ///
    /// ```
    /// let set = images::Images::new([1, 2, 2], 3, vec![0, 50, 100, 255], vec![2])?;
    /// assert_eq!(set.image(0), Some(&[0, 50, 100, 255][..]));
    /// # Ok::<(), images::ImageError>(())
    /// ```
    pub fn new(
        [channels, height, width]: [usize; 3],
        classes: usize,
        pixels: Vec<u8>,
        labels: Vec<u8>,
    ) -> Result<Self, ImageError> {
        let (images, shape) = (labels.len(), format!("{channels}x{height}x{width}"));
        if [images, channels, height, width, classes].contains(&0) || classes > 256 {
            return Err(ImageError::Empty { images, shape, classes });
        }
        if height.max(width) > SIDE {
            return Err(ImageError::TooLarge { what: format!("images of {shape}"), limit: SIDE });
        }
        let expected = product(&[images, channels, height, width])?;
        if pixels.len() != expected {
            return Err(ImageError::Pixels { images, shape, expected, found: pixels.len() });
        }
        match labels.iter().position(|&label| usize::from(label) >= classes) {
            Some(image) => Err(ImageError::Label { image, label: labels[image], classes }),
            None => Ok(Self { channels, height, width, classes, pixels, labels }),
        }
    }

    /// How many images there are, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Channels, height and width of an image.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// How many classes there are; some may have no image.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All pixels, in the order image, channel, row, column.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The label of every image.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The pixels of one image, in the order channel, row, column.
    pub fn image(&self, row: usize) -> Option<&[u8]> {
        self.pixels.chunks_exact(self.channels * self.height * self.width).nth(row)
    }

    /// How many images each class has.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        self.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts
    }

    /// These images, in this order; one may be there more than once.
    ///
    /// # Errors
    /// No row, or one beyond the last.
    pub fn select(&self, rows: &[usize]) -> Result<Self, ImageError> {
        let bytes: usize = self.shape().iter().product();
        let mut pixels = reserve(product(&[rows.len(), bytes])?)?;
        let mut labels = Vec::with_capacity(rows.len());
        for &row in rows {
            let there = self.len();
            labels.push(*self.labels.get(row).ok_or(ImageError::NoSuchImage { row, there })?);
            pixels.extend_from_slice(&self.pixels[row * bytes..(row + 1) * bytes]);
        }
        Self::new(self.shape(), self.classes, pixels, labels)
    }

    /// All images of several sets, one behind the other: the files of CIFAR-10, for instance.
    ///
    /// # Errors
    /// No set, or sets of different shapes or numbers of classes.
    pub fn join(sets: &[Self]) -> Result<Self, ImageError> {
        let Some(first) = sets.first() else {
            return Err(ImageError::Empty { images: 0, shape: "0x0x0".into(), classes: 0 });
        };
        let about = |set: &Self| {
            let [channels, height, width] = set.shape();
            format!("{channels}x{height}x{width} in {} classes", set.classes)
        };
        let other = sets.iter().position(|s| (s.shape(), s.classes) != (first.shape(), first.classes));
        if let Some(set) = other {
            return Err(ImageError::Mixed { set, expected: about(first), found: about(&sets[set]) });
        }
        let bytes: Vec<usize> = sets.iter().map(|set| set.pixels.len()).collect();
        let total = bytes.iter().try_fold(0_usize, |sum, &n| sum.checked_add(n));
        let mut pixels = reserve(product(&[total.unwrap_or(usize::MAX)])?)?;
        sets.iter().for_each(|set| pixels.extend_from_slice(&set.pixels));
        let labels = sets.iter().flat_map(|set| &set.labels).copied().collect();
        Self::new(first.shape(), first.classes, pixels, labels)
    }

    /// Grey images with three equal channels; images of three channels as they are.
    ///
    /// # Errors
    /// Images of another number of channels, or more memory than there is.
    pub fn to_rgb(&self) -> Result<Self, ImageError> {
        if self.channels == 3 {
            return Ok(self.clone());
        }
        if self.channels != 1 {
            return Err(ImageError::Channels { found: self.channels, expected: "1 or 3".into() });
        }
        let mut pixels = reserve(product(&[self.pixels.len(), 3])?)?;
        for image in self.pixels.chunks_exact(self.height * self.width) {
            (0..3).for_each(|_| pixels.extend_from_slice(image));
        }
        Self::new([3, self.height, self.width], self.classes, pixels, self.labels.clone())
    }
}

/// The product, where it is within [`LIMIT`].
pub(crate) fn product(numbers: &[usize]) -> Result<usize, ImageError> {
    let limit = usize::try_from(LIMIT).unwrap_or(usize::MAX);
    let product = numbers.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    product.filter(|&bytes| bytes <= limit).ok_or_else(|| {
        let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
        ImageError::TooLarge { what: format!("{} bytes", numbers.join(" x ")), limit }
    })
}

/// An empty vector with room for so many, if there is memory for it.
pub(crate) fn reserve<T>(items: usize) -> Result<Vec<T>, ImageError> {
    let mut made = Vec::new();
    let bytes = items.saturating_mul(size_of::<T>());
    made.try_reserve_exact(items).map_err(|source| ImageError::Memory { bytes, source })?;
    Ok(made)
}
