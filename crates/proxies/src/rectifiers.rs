use candle_core::{CpuStorage, Storage, Tensor, bail};
use nalgebra::DMatrix;

/// Collects what rectifiers are given, as bits: whether it is above 0.
#[derive(Debug, Default)]
pub(crate) struct Rectifiers {
    /// Images.
    rows: usize,
    /// Rectifiers so far.
    pub(crate) units: usize,
    /// By two images, at how many rectifiers they differ.
    differ: Option<Vec<u32>>,
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

    /// Adds the rectifiers of a layer, `(N, ...)`.
    pub(crate) fn add(&mut self, x: &Tensor) -> candle_core::Result<()> {
        let x = x.contiguous()?;
        let (storage, layout) = x.storage_and_layout();
        let from = layout.start_offset();
        let len = x.elem_count();
        match &*storage {
            Storage::Cpu(CpuStorage::F32(values)) => self.bits(&values[from..from + len], |v| v > 0.0),
            Storage::Cpu(CpuStorage::F64(values)) => self.bits(&values[from..from + len], |v| v > 0.0),
            _ => {
                bail!("rectifiers of {:?} on {:?}; f32 or f64 on the CPU is expected", x.dtype(), x.device())
            }
        }
        Ok(())
    }

    fn bits<T: Copy>(&mut self, values: &[T], on: impl Fn(T) -> bool) {
        let rows = self.rows.max(1);
        let units = values.len() / rows;
        self.units += units;
        if let Some(differ) = &mut self.differ {
            let words = units.div_ceil(64);
            let mut packed = vec![0_u64; rows * words];
            for (row, packed) in values.chunks_exact(units.max(1)).zip(packed.chunks_exact_mut(words.max(1)))
            {
                for (word, piece) in packed.iter_mut().zip(row.chunks(64)) {
                    *word = piece.iter().rev().fold(0, |word, &v| word << 1 | u64::from(on(v)));
                }
            }
            let row = |at: usize| &packed[at * words..][..words];
            for a in 0..rows {
                for b in 0..a {
                    differ[a * rows + b] +=
                        row(a).iter().zip(row(b)).map(|(x, y)| (x ^ y).count_ones()).sum::<u32>();
                }
            }
        }
        if let Some(patterns) = &mut self.patterns {
            let (words, start) = (rows.div_ceil(64), patterns.len());
            patterns.resize(start + units * words, 0);
            let columns = &mut patterns[start..];
            for (row, values) in values.chunks_exact(units.max(1)).enumerate() {
                let (word, bit) = (row / 64, row % 64);
                for (unit, &v) in values.iter().enumerate() {
                    columns[unit * words + word] |= u64::from(on(v)) << bit;
                }
            }
        }
    }

    /// By two images, at how many rectifiers they agree.
    pub(crate) fn agreement(&self) -> Option<DMatrix<f64>> {
        let differ = self.differ.as_ref()?;
        let (rows, units) = (self.rows, self.units as f64);
        Some(DMatrix::from_fn(rows, rows, |a, b| units - f64::from(differ[a.max(b) * rows + a.min(b)])))
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
