//! The columns of a block of features as the process sees them.

use crate::rows::Rows;
use crate::{Block, Kind};
use nas_core::stats::{deviation, mean};
use std::ops::Range;

/// A block on the training rows: columns that differ there, scaled there to mean 0 and deviation 1 (choices stay as
/// they are).
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    /// Feature, mean and 1 / deviation.
    columns: Vec<(usize, f64, f64)>,
    /// The training rows, one after another.
    rows: Vec<f64>,
}

impl Part {
    /// The parts of the blocks, which stand one after another; without those in which nothing differs.
    pub(crate) fn all(blocks: &[Block], table: &Rows) -> Vec<Self> {
        let mut start = 0;
        let mut ranges = Vec::with_capacity(blocks.len());
        for block in blocks {
            ranges.push((block.kind, start..start + block.width));
            start += block.width;
        }
        ranges.into_iter().filter_map(|(kind, range)| Self::new(kind, range, table)).collect()
    }

    fn new(kind: Kind, range: Range<usize>, table: &Rows) -> Option<Self> {
        let varied = table.varied().into_iter().filter(|feature| range.contains(feature));
        let scale = |feature: usize| {
            if kind == Kind::Choices {
                return (feature, 0.0, 1.0);
            }
            let column: Vec<f64> = table.column(feature).collect();
            let (middle, deviation) = (mean(&column), deviation(&column));
            (feature, middle, if deviation > 0.0 { 1.0 / deviation } else { 0.0 })
        };
        let columns: Vec<(usize, f64, f64)> = varied.map(scale).collect();
        let mut part = Self { kind, columns, rows: Vec::new() };
        part.rows = table.iter().flat_map(|row| part.scaled(row)).collect();
        (!part.columns.is_empty()).then_some(part)
    }

    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// How many weights its distance has.
    pub(crate) fn weights(&self) -> usize {
        if self.kind == Kind::Numbers { 1 } else { self.width() }
    }

    /// The columns of a row of features.
    pub(crate) fn scaled(&self, row: &[f64]) -> Vec<f64> {
        self.columns.iter().map(|(feature, mean, factor)| (row[*feature] - mean) * factor).collect()
    }

    /// All training rows, one after another.
    pub(crate) fn rows(&self) -> &[f64] {
        &self.rows
    }

    /// A training row.
    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.width()..][..self.width()]
    }

    /// What two rows have in common: their product, or the share of equal choices.
    pub(crate) fn product(&self, a: &[f64], b: &[f64]) -> f64 {
        let sum = match self.kind {
            Kind::Choices => a.iter().zip(b).filter(|(x, y)| x == y).count() as f64,
            Kind::Numbers | Kind::Counts => sum(a, b, |x, y| x * y),
        };
        sum / self.width() as f64
    }

    /// The difference of two rows that weight `j` belongs to.
    pub(crate) fn difference(&self, j: usize, a: &[f64], b: &[f64]) -> f64 {
        match self.kind {
            Kind::Numbers => sum(a, b, |x, y| (x - y) * (x - y)) / self.width() as f64,
            Kind::Counts => (a[j] - b[j]) * (a[j] - b[j]),
            Kind::Choices => f64::from(u8::from(a[j] != b[j])),
        }
    }

    /// How near rows are whose weighted differences sum to `s`.
    pub(crate) fn near(&self, s: f64) -> f64 {
        if self.kind != Kind::Numbers {
            return (-s).exp();
        }
        let r = (5.0 * s).sqrt();
        (1.0 + r + r * r / 3.0) * (-r).exp()
    }

    /// The derivative of [`near`](Self::near) at `s`, where it is `near`.
    pub(crate) fn slope(&self, s: f64, near: f64) -> f64 {
        if self.kind != Kind::Numbers {
            return -near;
        }
        let r = (5.0 * s).sqrt();
        -5.0 / 6.0 * (1.0 + r) * (-r).exp()
    }
}

/// Over all places. Eight sums, so that the compiler can keep them in vectors.
pub(crate) fn sum(a: &[f64], b: &[f64], of: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    let (a_parts, b_parts) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(x, y)| of(*x, *y)).sum();
    for (x, y) in a_parts.zip(b_parts) {
        for lane in 0..8 {
            sums[lane] += of(x[lane], y[lane]);
        }
    }
    sums.iter().sum::<f64>() + rest
}
