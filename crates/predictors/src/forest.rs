use crate::PredictError;
use crate::body::check_labels;
use crate::descriptors::rows;
use nas_core::{Fit, Labelled, Predict, Rank, Seed, order_by_score};
use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

/// A random forest on descriptors of an architecture (Breiman, Random forests, Machine Learning 45, 2001), for instance
/// on the one-hots of its operations: a baseline that the Neural Predictor was compared with.
///
/// Each tree is grown by least squares on as many rows as there are, drawn with replacement, and looks at a share of the
/// descriptors, drawn anew, at every split; the forest is their mean. The trees are smartcore's.
///
/// ```
/// use nas_core::{Fit, Labelled, Predict, Seed};
/// use predictors::{Forest, ForestSettings};
/// let archs: Vec<f64> = (0..60).map(f64::from).collect();
/// let labels = archs.iter().map(|x| (x - 20.0).abs()).collect();
/// let forest = Forest { describe: |x: &f64| vec![*x], settings: ForestSettings::default() };
/// let model = forest.fit(&Labelled::new(archs, labels)?, &Labelled::empty(), Seed(0))?;
/// assert!((model.predict(&[30.0])?[0] - 10.0).abs() < 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Forest<D> {
    /// The descriptors of an architecture: finite, and as many for each.
    pub describe: D,
    /// How trees are grown.
    pub settings: ForestSettings,
}

/// How the trees of a [`Forest`] are grown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForestSettings {
    /// Number of trees.
    pub trees: usize,
    /// Share of the descriptors that a split looks at, at least one.
    pub columns: f64,
    /// The fewest rows of a leaf.
    pub min_rows: usize,
}

/// Breiman's for regression, a third of the descriptors and leaves of five rows, with 200 trees.
impl Default for ForestSettings {
    fn default() -> Self {
        Self { trees: 200, columns: 1.0 / 3.0, min_rows: 5 }
    }
}

impl ForestSettings {
    fn check(&self) -> Result<(), PredictError> {
        let Self { trees, columns, min_rows } = *self;
        let fail = |name, value, expected| Err(gcn::GcnError::Setting { name, value, expected }.into());
        for (name, value) in [("trees", trees), ("min_rows", min_rows)] {
            if value == 0 {
                return fail(name, 0.0, "it is at least 1");
            }
        }
        if !(columns > 0.0 && columns <= 1.0) {
            return fail("columns", columns, "it is above 0 and at most 1");
        }
        Ok(())
    }
}

/// A fitted [`Forest`].
#[derive(Debug)]
pub struct FittedForest<D> {
    describe: D,
    width: usize,
    trees: RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>,
}

fn failed(error: impl std::fmt::Display) -> PredictError {
    PredictError::Forest(error.to_string())
}

impl<A, D: Fn(&A) -> Vec<f64> + Clone> Fit<A> for Forest<D> {
    type Model = FittedForest<D>;
    type Error = PredictError;

    /// Time O(trees * depth * rows * descriptors); `validation` is not looked at.
    fn fit(&self, train: &Labelled<A>, _: &Labelled<A>, seed: Seed) -> Result<Self::Model, PredictError> {
        self.settings.check()?;
        check_labels(train.values(), 2)?;
        let rows = rows(&self.describe, train.archs(), None)?;
        let width = rows[0].len();
        let ForestSettings { trees, columns, min_rows } = self.settings;
        let seen = ((columns * width as f64).ceil() as usize).clamp(1, width.max(1));
        let parameters = RandomForestRegressorParameters::default()
            .with_n_trees(trees)
            .with_m(seen)
            .with_min_samples_leaf(min_rows)
            .with_seed(seed.derive("forest").0);
        let matrix = DenseMatrix::from_2d_vec(&rows).map_err(failed)?;
        let trees = RandomForestRegressor::fit(&matrix, &train.values().to_vec(), parameters);
        Ok(FittedForest { describe: self.describe.clone(), width, trees: trees.map_err(failed)? })
    }
}

impl<A, D: Fn(&A) -> Vec<f64>> Predict<A> for FittedForest<D> {
    type Error = PredictError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, PredictError> {
        if archs.is_empty() {
            return Ok(Vec::new());
        }
        let rows = rows(&self.describe, archs, Some(self.width))?;
        self.trees.predict(&DenseMatrix::from_2d_vec(&rows).map_err(failed)?).map_err(failed)
    }
}

/// Larger predictions first: for accuracy.
impl<A, D: Fn(&A) -> Vec<f64>> Rank<A> for FittedForest<D> {
    type Error = PredictError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, PredictError> {
        Ok(order_by_score(&self.predict(archs)?))
    }
}
