use nalgebra::{DMatrix, SymmetricEigen};

/// Pearson correlations between the rows of a matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Correlation(DMatrix<f64>);

impl Correlation {
    /// Of `rows` rows of equal length. A row without any variance correlates with nothing: NaN. O(rows^2 length).
    pub fn of(values: &[f64], rows: usize) -> Self {
        let length = values.len() / rows.max(1);
        let mut centred: Vec<f64> = values.to_vec();
        for row in centred.chunks_exact_mut(length.max(1)) {
            // rounding must not give a constant row a variance
            let constant = row.iter().all(|value| *value == row[0]);
            let mean = if constant { row[0] } else { row.iter().sum::<f64>() / length as f64 };
            row.iter_mut().for_each(|value| *value -= mean);
        }
        let row = |at: usize| &centred[at * length..][..length];
        let dot = |a: usize, b: usize| row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum::<f64>();
        let norms: Vec<f64> = (0..rows).map(|at| dot(at, at).sqrt()).collect();
        let mut matrix = DMatrix::zeros(rows, rows);
        for a in 0..rows {
            for b in 0..=a {
                let value = dot(a, b) / (norms[a] * norms[b]);
                // clamp would turn NaN into nothing
                let value = if value.is_nan() { value } else { value.clamp(-1.0, 1.0) };
                (matrix[(a, b)], matrix[(b, a)]) = (value, value);
            }
        }
        Self(matrix)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.nrows()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.0.nrows() == 0
    }

    /// The correlation of two rows.
    pub fn get(&self, a: usize, b: usize) -> f64 {
        self.0[(a, b)]
    }

    /// Its eigenvalues; none where a correlation is NaN.
    pub fn eigenvalues(&self) -> Option<Vec<f64>> {
        eigenvalues(self.0.clone())
    }
}

/// The eigenvalues of a symmetric matrix; none where an element is not finite, with which the iteration would not end.
pub(crate) fn eigenvalues(matrix: DMatrix<f64>) -> Option<Vec<f64>> {
    let finite = matrix.iter().all(|value| value.is_finite());
    finite.then(|| SymmetricEigen::new(matrix).eigenvalues.as_slice().to_vec())
}

/// The natural logarithm of the absolute determinant: minus infinity where it is 0. O(n^3).
pub(crate) fn log_determinant(matrix: DMatrix<f64>) -> f64 {
    let upper = matrix.lu().u();
    upper.diagonal().iter().map(|value| value.abs().ln()).sum()
}

/// The largest singular value; none where an element is not finite.
pub(crate) fn largest_singular_value(matrix: DMatrix<f64>) -> Option<f64> {
    let finite = matrix.iter().all(|value| value.is_finite());
    // the smaller of the two products has the squares as its eigenvalues
    let square = if matrix.nrows() < matrix.ncols() {
        &matrix * matrix.transpose()
    } else {
        matrix.transpose() * &matrix
    };
    let values = finite.then(|| eigenvalues(square)).flatten()?;
    Some(values.into_iter().fold(0.0_f64, f64::max).sqrt())
}

#[cfg(test)]
mod tests {
    use super::Correlation;

    #[test]
    fn a_row_without_variance_correlates_with_nothing() {
        let rows = [[0.1, 0.1, 0.1], [0.3, 0.3, 0.3], [1.0, 2.0, 4.0]].concat();
        let correlation = Correlation::of(&rows, 3);
        assert!(correlation.get(0, 1).is_nan() && correlation.get(0, 2).is_nan());
        assert!((correlation.get(2, 2) - 1.0).abs() < 1e-12);
    }
}
