//! Cholesky's root and its inverse by halves, so that nearly all of the work is products of matrices.

use nalgebra::DMatrix;

/// Rows that are done one by one.
const SMALL: usize = 48;

/// A lower triangle `L` with `L L'` the matrix, as its inverse and its diagonal.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    /// `L^-1`, zero above its diagonal.
    pub(crate) inverse: DMatrix<f64>,
    /// The sum of the logarithms of the diagonal of `L`: half that of the determinant.
    pub(crate) log_determinant: f64,
}

impl Root {
    /// None where the symmetric matrix is not positive definite in floating point. Only its lower half is looked
    /// at. O(n^3).
    pub(crate) fn new(matrix: &DMatrix<f64>) -> Option<Self> {
        let inverse = halves(matrix)?;
        let log_determinant = -inverse.diagonal().iter().map(|x| x.ln()).sum::<f64>();
        log_determinant.is_finite().then_some(Self { inverse, log_determinant })
    }
}

fn halves(matrix: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let n = matrix.nrows();
    if n <= SMALL {
        return small(matrix);
    }
    let (half, rest) = (n / 2, n - n / 2);
    let first = halves(&matrix.view((0, 0), (half, half)).into_owned())?;
    let below = matrix.view((half, 0), (rest, half)) * first.transpose();
    let left = matrix.view((half, half), (rest, rest)) - &below * below.transpose();
    let second = halves(&left)?;
    let corner = &second * (below * &first);
    let mut inverse = DMatrix::zeros(n, n);
    inverse.view_mut((0, 0), (half, half)).copy_from(&first);
    inverse.view_mut((half, half), (rest, rest)).copy_from(&second);
    inverse.view_mut((half, 0), (rest, half)).copy_from(&-corner);
    Some(inverse)
}

fn small(matrix: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let n = matrix.nrows();
    let root = matrix.clone().cholesky()?.l();
    let mut inverse = DMatrix::identity(n, n);
    root.solve_lower_triangular_mut(&mut inverse).then_some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nas_core::Seed;
    use rand::RngExt;

    #[test]
    fn halves_are_the_inverse_of_the_root() {
        let mut rng = Seed(0).stream("root");
        for n in [1, 5, 48, 49, 150, 203] {
            let half = DMatrix::from_fn(n, n + 3, |_, _| rng.random_range(-1.0..1.0));
            let matrix = &half * half.transpose();
            let root = Root::new(&matrix).unwrap();
            let one = &root.inverse * &matrix * root.inverse.transpose();
            assert!((one - DMatrix::identity(n, n)).amax() < 1e-8, "{n}");
            let expected = matrix.cholesky().unwrap().l().diagonal().iter().map(|x| x.ln()).sum::<f64>();
            assert!((root.log_determinant - expected).abs() < 1e-8);
        }
        assert!(Root::new(&DMatrix::from_element(60, 60, 1.0)).is_none());
        assert!(Root::new(&DMatrix::from_element(3, 3, f64::NAN)).is_none());
    }
}
