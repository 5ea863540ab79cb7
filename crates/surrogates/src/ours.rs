use crate::{
    Boosting, BoostingSettings, FittedBoosting, FittedGaussian, GaussianProcess, SurrogateError, Target,
};
use nas_core::stats::{kendall_tau_b, mean};
use nas_core::{Fit, Labelled, Predict, Rank, Seed, order_by_score};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// Parts of the training data, each held out once.
const FOLDS: usize = 5;

/// The weight of the process beside the trees.
const PROCESS: f64 = 0.5;

/// How much better than the rest the process must be to be taken alone, over the root of the rows: with few of them
/// it often looks better than it is.
const MARGIN: f64 = 0.4;

/// Boosted trees, a Gaussian process or both, whichever orders best what was held out of the training data; the process alone
/// only where it does so by a margin.
///
/// ```
/// use nas_core::{Fit, Labelled, Rank, Seed};
/// use surrogates::{Method, Ours};
/// let archs: Vec<f64> = (0..40).map(f64::from).collect();
/// let labels = archs.iter().map(|x| (x / 5.0).sin()).collect();
/// let ours = Ours { features: |x: &f64| vec![*x] };
/// let model = ours.fit(&Labelled::new(archs, labels)?, &Labelled::empty(), Seed(0))?;
/// // a smooth curve
/// assert_eq!(model.choice().method, Method::Gaussian);
/// assert_eq!(model.rank(&[23.5, 7.5])?, [1, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Ours<F> {
    /// The features of an architecture: finite, and as many for each.
    pub features: F,
}

/// Which surrogate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// [`Boosting`] in its default setting.
    Boosting,
    /// [`GaussianProcess`] fitted to ranks.
    Gaussian,
    /// The sum of the standardised scores of the two, the process at half weight.
    Both,
}

/// What was chosen, and why: Kendall's tau-b of what was held out in five parts. None where it is not defined, as for
/// three rows; both are taken where none is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What was chosen.
    pub method: Method,
    /// Of the trees.
    pub boosting: Option<f64>,
    /// Of the Gaussian process.
    pub gaussian: Option<f64>,
    /// Of the two together.
    pub both: Option<f64>,
}

/// Fitted [`Ours`].
#[derive(Debug, Clone)]
pub struct FittedOurs<F> {
    choice: Choice,
    boosting: FittedBoosting<F>,
    gaussian: FittedGaussian<F>,
    /// 1 / deviation of what each said of what was held out.
    factors: [f64; 2],
}

impl<F> FittedOurs<F> {
    /// What was chosen, and why.
    pub fn choice(&self) -> Choice {
        self.choice
    }

    /// The Gaussian process, which also knows how sure it is.
    pub fn gaussian(&self) -> &FittedGaussian<F> {
        &self.gaussian
    }

    /// How good each architecture is: larger is better, no unit.
    ///
    /// # Errors
    /// Features that are not finite or of another number.
    pub fn scores<A>(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError>
    where
        F: Fn(&A) -> Vec<f64>,
    {
        match self.choice.method {
            Method::Boosting => self.boosting.scores(archs),
            Method::Gaussian => self.gaussian.scores(archs),
            Method::Both => {
                Ok(sum(self.factors, self.boosting.scores(archs)?, &self.gaussian.scores(archs)?))
            }
        }
    }
}

fn sum(factors: [f64; 2], mut first: Vec<f64>, second: &[f64]) -> Vec<f64> {
    first.iter_mut().zip(second).for_each(|(x, y)| *x = factors[0] * *x + factors[1] * y);
    first
}

/// 1 / deviation.
fn factor(values: &[f64]) -> f64 {
    let middle = mean(values);
    let squares: Vec<f64> = values.iter().map(|v| (v - middle) * (v - middle)).collect();
    let deviation = mean(&squares).sqrt();
    if deviation > 0.0 { 1.0 / deviation } else { 1.0 }
}

impl<A: Clone, F: Fn(&A) -> Vec<f64> + Clone> Fit<A> for Ours<F> {
    type Model = FittedOurs<F>;
    type Error = SurrogateError;

    /// The time of six fits of either; `validation` is not looked at.
    fn fit(
        &self,
        train: &Labelled<A>,
        none: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedOurs<F>, SurrogateError> {
        let features = self.features.clone();
        let trees = Boosting { features: features.clone(), settings: BoostingSettings::default() };
        let process = GaussianProcess { features, target: Target::Rank };
        let (boosting, gaussian) = (trees.fit(train, none, seed)?, process.fit(train, none, seed)?);

        let n = train.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut seed.stream("folds"));
        let (mut by_trees, mut by_process) = (vec![f64::NAN; n], vec![f64::NAN; n]);
        for part in 0..FOLDS.min(n) {
            let fold: Vec<usize> = order.iter().skip(part).step_by(FOLDS).copied().collect();
            let rest: Vec<usize> = (0..n).filter(|i| !fold.contains(i)).collect();
            let (rest, held) = (train.select(&rest), train.select(&fold));
            // what is left may have equal labels; then nothing can be said of this part
            let (Ok(trees), Ok(process)) = (trees.fit(&rest, none, seed), process.fit(&rest, none, seed))
            else {
                continue;
            };
            let found = trees.scores(held.archs())?.into_iter().zip(process.scores(held.archs())?);
            fold.iter().zip(found).for_each(|(&i, said)| (by_trees[i], by_process[i]) = said);
        }
        let judged = |values: &[f64]| kendall_tau_b(values, train.values()).ok();
        let factors = [factor(&by_trees), PROCESS * factor(&by_process)];
        let both = sum(factors, by_trees.clone(), &by_process);
        let (trees, process, both) = (judged(&by_trees), judged(&by_process), judged(&both));
        let mut method = if trees > both { (Method::Boosting, trees) } else { (Method::Both, both) };
        if process > method.1.map(|tau| tau + MARGIN / (n as f64).sqrt()) {
            method = (Method::Gaussian, process);
        }
        let choice = Choice { method: method.0, boosting: trees, gaussian: process, both };
        // nothing is known of the scores where a part could not be fitted without another
        let factors = if factors.iter().all(|f| f.is_finite()) { factors } else { [1.0; 2] };
        Ok(FittedOurs { choice, boosting, gaussian, factors })
    }
}

/// In the unit of the label; of both, the mean by their weights.
impl<A, F: Fn(&A) -> Vec<f64>> Predict<A> for FittedOurs<F> {
    type Error = SurrogateError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError> {
        match self.choice.method {
            Method::Boosting => self.boosting.predict(archs),
            Method::Gaussian => self.gaussian.predict(archs),
            Method::Both => Ok(sum(
                [1.0 / (1.0 + PROCESS), PROCESS / (1.0 + PROCESS)],
                self.boosting.predict(archs)?,
                &self.gaussian.predict(archs)?,
            )),
        }
    }
}

/// Larger [`scores`](FittedOurs::scores) first: for accuracy.
impl<A, F: Fn(&A) -> Vec<f64>> Rank<A> for FittedOurs<F> {
    type Error = SurrogateError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, SurrogateError> {
        Ok(order_by_score(&self.scores(archs)?))
    }
}
