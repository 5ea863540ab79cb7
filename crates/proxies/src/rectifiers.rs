use nalgebra::DMatrix;

/// Collects what rectifiers are given, as bits: whether it is above 0.
#[derive(Debug, Default)]
pub(crate) struct Rectifiers {
    /// Images.
    rows: usize,
    /// Rectifiers so far.
    units: usize,
    /// By two images, at how many rectifiers they differ.
    differ: Option<Vec<u64>>,
    /// The bits of every rectifier over the batch, in as many words as that takes.
    patterns: Option<Vec<u64>>,
}

impl Rectifiers {
    /// For batches of `rows` images.
    pub(crate) fn new(rows: usize, agreement: bool, patterns: bool) -> Self {
        Self {
            rows,
            units: 0,
            differ: agreement.then(|| vec![0; rows * rows]),
            patterns: patterns.then(Vec::new),
        }
    }

    /// Adds the rectifiers of a layer, the same ones as often as they are read: of every image what they are given.
    pub(crate) fn add<T: Copy + Default + PartialOrd>(&mut self, images: &[&[T]], times: usize) {
        let on = |value: T| value > T::default();
        let rows = self.rows.max(1);
        let units = images.first().map_or(0, |image| image.len());
        self.units += units * times;
        if let Some(differ) = &mut self.differ {
            let words = units.div_ceil(64);
            let mut packed = vec![0_u64; rows * words];
            for (row, packed) in images.iter().zip(packed.chunks_exact_mut(words.max(1))) {
                for (word, piece) in packed.iter_mut().zip(row.chunks(64)) {
                    *word = piece.iter().rev().fold(0, |word, &v| word << 1 | u64::from(on(v)));
                }
            }
            let row = |at: usize| &packed[at * words..][..words];
            for a in 0..rows {
                for b in 0..a {
                    let bits = row(a).iter().zip(row(b)).map(|(x, y)| u64::from((x ^ y).count_ones()));
                    differ[a * rows + b] += bits.sum::<u64>() * times as u64;
                }
            }
        }
        if let Some(patterns) = &mut self.patterns {
            let (words, start) = (rows.div_ceil(64), patterns.len());
            patterns.resize(start + units * words, 0);
            let columns = &mut patterns[start..];
            for (row, values) in images.iter().enumerate() {
                let (word, bit) = (row / 64, row % 64);
                for (unit, &v) in values.iter().enumerate() {
                    columns[unit * words + word] |= u64::from(on(v)) << bit;
                }
            }
        }
    }

    /// Images of the batch.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// How many rectifiers there were.
    pub(crate) fn units(&self) -> usize {
        self.units
    }

    /// By two images, at how many rectifiers they agree.
    pub(crate) fn agreement(&self) -> Option<DMatrix<f64>> {
        let differ = self.differ.as_ref()?;
        let (rows, units) = (self.rows, self.units as f64);
        Some(DMatrix::from_fn(rows, rows, |a, b| units - differ[a.max(b) * rows + a.min(b)] as f64))
    }

    /// How many different patterns there are.
    pub(crate) fn patterns(mut self) -> Option<usize> {
        let words = self.rows.div_ceil(64);
        let patterns = self.patterns.as_mut()?;
        if words == 1 {
            patterns.sort_unstable();
            patterns.dedup();
            return Some(patterns.len());
        }
        let mut columns: Vec<&[u64]> = patterns.chunks_exact(words).collect();
        columns.sort_unstable();
        columns.dedup();
        Some(columns.len())
    }
}
