use crate::PredictError;
use crate::body::check_labels;
use crate::descriptors::{Standard, rows};
use gcn::GcnError;
use nalgebra::{Cholesky, DMatrix, DVector};
use nas_core::{Fit, FitFrom, Labelled, Predict, Rank, Seed, order_by_score, stats};

/// Ridge regression on descriptors of an architecture (Hoerl and Kennard, 1970), for instance
/// [`ArchGraph::descriptors`](arch_graph::ArchGraph::descriptors): few weights, so that little data goes far.
///
/// Minimises the mean squared error plus `penalty` times the squared weights of descriptors scaled to mean 0 and
/// deviation 1 over the training data; one that is constant there gets no weight. O(rows d m + m^3) for `d`
/// descriptors and `m` the fewer of them and the rows; nothing is random.
///
/// ```
/// use nas_core::{Fit, Labelled, Predict, Seed};
/// use predictors::Ridge;
/// let data = Labelled::new(vec![0.0, 1.0, 2.0, 3.0], vec![1.0, 2.0, 5.0, 10.0])?; // 1 + x^2
/// let ridge = Ridge { describe: |x: &f64| vec![*x, x * x], penalty: 1e-9 };
/// let model = ridge.fit(&data, &Labelled::empty(), Seed(0))?;
/// assert!((model.predict(&[5.0])?[0] - 26.0).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Ridge<D> {
    /// The descriptors of an architecture: finite, and as many for each.
    pub describe: D,
    /// How strongly weights are held back; positive.
    pub penalty: f64,
}

/// A fitted [`Ridge`].
#[derive(Debug, Clone)]
pub struct FittedRidge<D> {
    describe: D,
    offset: f64,
    weights: Vec<f64>,
}

impl<A, D: Fn(&A) -> Vec<f64> + Clone> Fit<A> for Ridge<D> {
    type Model = FittedRidge<D>;
    type Error = PredictError;

    fn fit(&self, train: &Labelled<A>, _: &Labelled<A>, _: Seed) -> Result<Self::Model, PredictError> {
        if !(self.penalty > 0.0 && self.penalty.is_finite()) {
            let (name, expected) = ("penalty", "it is a positive number");
            return Err(GcnError::Setting { name, value: self.penalty, expected }.into());
        }
        check_labels(train.values(), 2)?;
        let mut rows = rows(&self.describe, train.archs(), None)?;
        let (count, mean) = (rows.len() as f64, stats::mean(train.values()));
        let standard = Standard::fit(&rows);
        rows.iter_mut().for_each(|row| standard.apply(row));
        let scales = standard.scales;
        let (n, d) = (rows.len(), scales.len());
        let x = DMatrix::from_row_iterator(n, d, rows.into_iter().flatten());
        let y = DVector::from_iterator(n, train.values().iter().map(|value| (value - mean) / count));
        // of the two forms that give the same weights, the one with the smaller system
        let solved = if d <= n {
            solve(x.tr_mul(&x) / count, self.penalty, &x.tr_mul(&y))
        } else {
            x.tr_mul(&solve(&x * x.transpose() / count, self.penalty, &y))
        };
        let weights: Vec<f64> = solved.iter().zip(&scales).map(|(w, (_, factor))| w * factor).collect();
        let shift: f64 = weights.iter().zip(&scales).map(|(w, (mean, _))| w * mean).sum();
        Ok(FittedRidge { describe: self.describe.clone(), offset: mean - shift, weights })
    }
}

/// Solves a system of a positive semidefinite matrix plus `penalty` on its diagonal.
fn solve(mut matrix: DMatrix<f64>, penalty: f64, right: &DVector<f64>) -> DVector<f64> {
    for i in 0..matrix.nrows() {
        matrix[(i, i)] += penalty;
    }
    // where rounding leaves less than the penalty there should be, it is put back
    Cholesky::new_with_substitute(matrix, penalty)
        .expect("a positive penalty can take the place of any pivot")
        .solve(right)
}

/// The solution is a closed form, so it does not depend on the start.
impl<A, D: Fn(&A) -> Vec<f64> + Clone> FitFrom<A> for Ridge<D> {
    fn fit_from(
        &self,
        _: &Self::Model,
        train: &Labelled<A>,
        held: &Labelled<A>,
        seed: Seed,
    ) -> Result<Self::Model, PredictError> {
        self.fit(train, held, seed)
    }
}

impl<A, D: Fn(&A) -> Vec<f64>> Predict<A> for FittedRidge<D> {
    type Error = PredictError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, PredictError> {
        let value =
            |row: &Vec<f64>| self.offset + row.iter().zip(&self.weights).map(|(x, w)| x * w).sum::<f64>();
        Ok(rows(&self.describe, archs, Some(self.weights.len()))?.iter().map(value).collect())
    }
}

/// Larger predictions first: for accuracy.
impl<A, D: Fn(&A) -> Vec<f64>> Rank<A> for FittedRidge<D> {
    type Error = PredictError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, PredictError> {
        Ok(order_by_score(&self.predict(archs)?))
    }
}
