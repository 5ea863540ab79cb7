use crate::{Labelled, Seed};
use std::error::Error;

/// Settings that can be fitted to labelled architectures.
///
/// What comes out is another type: an unfitted predictor cannot predict.
pub trait Fit<A> {
    /// The fitted model.
    type Model;
    /// Why fitting can fail.
    type Error: Error + Send + Sync + 'static;

    /// Fits to `train`. `validation` steers early stopping; where it is empty, the training loss does.
    /// The same seed gives the same model to the last bit, whatever the number of threads.
    ///
    /// # Errors
    /// Data that cannot be fitted: too few rows, a constant label, an architecture that cannot be encoded.
    fn fit(
        &self,
        train: &Labelled<A>,
        validation: &Labelled<A>,
        seed: Seed,
    ) -> Result<Self::Model, Self::Error>;
}

/// Settings that can go on from a fitted model: transfer from another label, or a later round of selection.
pub trait FitFrom<A>: Fit<A> {
    /// Fits to `train`, starting from the weights of `start`.
    ///
    /// # Errors
    /// As [`Fit::fit`], and where `start` has another shape than these settings.
    fn fit_from(
        &self,
        start: &Self::Model,
        train: &Labelled<A>,
        validation: &Labelled<A>,
        seed: Seed,
    ) -> Result<Self::Model, Self::Error>;
}

/// A fitted model that gives a value in the unit of its label.
pub trait Predict<A> {
    /// Why predicting can fail.
    type Error: Error + Send + Sync + 'static;

    /// One value an architecture; value `i` depends on `archs[i]` alone.
    ///
    /// # Errors
    /// An architecture that cannot be encoded.
    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, Self::Error>;
}

/// A fitted model that orders architectures: all that a search needs.
///
/// There is no blanket implementation over [`Predict`]: whether larger is better depends on the label, and
/// coherence would keep a generic model from having an order of its own. [`order_by_score`] makes one in a line.
pub trait Rank<A> {
    /// Why ranking can fail.
    type Error: Error + Send + Sync + 'static;

    /// Indices into `archs`, best first.
    ///
    /// # Errors
    /// An architecture that cannot be encoded.
    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, Self::Error>;
}

/// Indices by falling score, equal ones in their order, NaN last. O(n log n).
///
/// ```
/// assert_eq!(nas_core::order_by_score(&[0.1, 0.9, f64::NAN, 0.9]), [1, 3, 0, 2]);
/// assert_eq!(nas_core::order_by_score(&[-0.0, 0.0]), [0, 1]);
/// ```
pub fn order_by_score(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // `+ 0.0` makes the two zeros one value
    let key = |i: usize| if scores[i].is_nan() { f64::NEG_INFINITY } else { scores[i] + 0.0 };
    order.sort_by(|&a, &b| {
        key(b).total_cmp(&key(a)).then(scores[a].is_nan().cmp(&scores[b].is_nan())).then(a.cmp(&b))
    });
    order
}
