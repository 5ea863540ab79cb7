use crate::PredictError;
use crate::body::check_labels;
use nas_core::{Fit, Labelled, Predict, Seed};

/// The baseline of the papers: a straight line through a cost of the architecture, such as its multiply-adds.
#[derive(Debug, Clone, Copy)]
pub struct CostLine<C> {
    /// The cost of an architecture, in any unit.
    pub cost: C,
}

/// A fitted [`CostLine`].
#[derive(Debug, Clone, Copy)]
pub struct FittedCostLine<C> {
    cost: C,
    offset: f64,
    slope: f64,
}

impl<A, C: Fn(&A) -> f64 + Clone> Fit<A> for CostLine<C> {
    type Model = FittedCostLine<C>;
    type Error = PredictError;

    /// Least squares in closed form; nothing is random.
    fn fit(&self, train: &Labelled<A>, _: &Labelled<A>, _: Seed) -> Result<Self::Model, PredictError> {
        check_labels(train.values(), 2)?;
        let costs: Vec<f64> = train.archs().iter().map(&self.cost).collect();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (mean_cost, mean_value) = (mean(&costs), mean(train.values()));
        let (mut covariance, mut variance) = (0.0, 0.0);
        for (cost, value) in costs.iter().zip(train.values()) {
            covariance += (cost - mean_cost) * (value - mean_value);
            variance += (cost - mean_cost) * (cost - mean_cost);
        }
        // of equal costs rounding may leave a variance
        let differ = costs.iter().any(|cost| *cost != costs[0]);
        let slope = if differ && variance > 0.0 { covariance / variance } else { 0.0 };
        Ok(FittedCostLine { cost: self.cost.clone(), offset: mean_value - slope * mean_cost, slope })
    }
}

impl<A, C: Fn(&A) -> f64> Predict<A> for FittedCostLine<C> {
    type Error = PredictError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, PredictError> {
        Ok(archs.iter().map(|arch| self.offset + self.slope * (self.cost)(arch)).collect())
    }
}
