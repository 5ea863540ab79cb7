//! Descriptors of architectures, checked and scaled.

use crate::PredictError;
use nas_core::stats;

/// The descriptors of each architecture, checked: finite, and as many for each.
pub(crate) fn rows<A>(
    describe: impl Fn(&A) -> Vec<f64>,
    archs: &[A],
    expected: Option<usize>,
) -> Result<Vec<Vec<f64>>, PredictError> {
    let rows: Vec<Vec<f64>> = archs.iter().map(describe).collect();
    let expected = expected.or_else(|| rows.first().map(Vec::len)).unwrap_or(0);
    for (index, row) in rows.iter().enumerate() {
        let fail = |why| Err(PredictError::Descriptors { index, why });
        if row.len() != expected {
            return fail(format!("there are {}, not {expected} as of the others", row.len()));
        }
        if let Some(at) = row.iter().position(|value| !value.is_finite()) {
            return fail(format!("number {at} is {}; it must be finite", row[at]));
        }
    }
    Ok(rows)
}

/// What takes each descriptor to mean 0 and deviation 1; one that is constant, to 0.
#[derive(Debug, Clone)]
pub(crate) struct Standard {
    /// Mean and 1 / deviation of each.
    pub(crate) scales: Vec<(f64, f64)>,
}

impl Standard {
    pub(crate) fn fit(rows: &[Vec<f64>]) -> Self {
        let (count, width) = (rows.len() as f64, rows.first().map_or(0, Vec::len));
        let scales = (0..width)
            .map(|j| {
                let column: Vec<f64> = rows.iter().map(|row| row[j]).collect();
                let mean = stats::mean(&column);
                let variance = column.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
                let constant = column.iter().all(|x| *x == column[0]) || variance == 0.0;
                (mean, if constant { 0.0 } else { 1.0 / variance.sqrt() })
            })
            .collect();
        Self { scales }
    }

    pub(crate) fn apply(&self, row: &mut [f64]) {
        row.iter_mut().zip(&self.scales).for_each(|(x, (mean, factor))| *x = (*x - mean) * factor);
    }
}
