use crate::shares::{best, held_out};
use crate::{
    Block, Boosting, BoostingSettings, FittedBoosting, FittedGaussian, GaussianProcess, GaussianSettings,
    Member, SurrogateError, Target,
};
use nas_core::stats::{deviation, kendall_tau_b, mean, quantile};
use nas_core::{Belief, Believe, Fit, Labelled, Predict, Rank, Seed, order_by_score};
use serde::{Deserialize, Serialize};

/// The usual share of the process in the score; the trees have the rest.
const USUAL: f64 = 0.3;

/// How much better (Kendall's tau) another share must order what is held out: see [`best`]. Chosen on NAS-Bench-201,
/// NAS-Bench-101, DARTS, NAS-Bench-Macro and NAS-Bench-NLP, eight splits each (seed 900), from .3, 1, 3 and the usual
/// share alone.
const DOUBT: f64 = 1.0;

/// How many deviations about the mean of a normal distribution hold four fifths of it.
const FOUR_FIFTHS: f64 = 1.2816;

/// Boosted trees and a Gaussian process: the sum of their standardised scores, in the shares that order best what was
/// held out of the training data. The fewer rows there are, the closer the shares stay to usual ones.
///
/// Where there are several blocks of features, say of the graph and of zero-cost scores, half of the trees see the
/// first alone: with many samples the others lead astray what they help with few.
///
/// ```
/// use nas_core::{Fit, Labelled, Rank, Seed};
/// use surrogates::Ours;
/// let archs: Vec<f64> = (0..40).map(f64::from).collect();
/// let labels = archs.iter().map(|x| (x / 5.0).sin()).collect();
/// let ours = Ours { features: |x: &f64| vec![*x], blocks: vec![] };
/// let model = ours.fit(&Labelled::new(archs, labels)?, &Labelled::empty(), Seed(0))?;
/// // a smooth curve
/// assert!(model.choice().process > 0.5);
/// assert_eq!(model.rank(&[23.5, 7.5])?, [1, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ours<F> {
    /// The features of an architecture: finite, and as many for each.
    pub features: F,
    /// What they are, in their order; none at all are one block of [`Kind::Numbers`](crate::Kind).
    pub blocks: Vec<Block>,
}

/// What was chosen, and why: Kendall's tau-b of what was held out in five parts. None where it is not defined, as for
/// three rows; the usual shares are taken then.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The share of the [`GaussianProcess`], which is fitted to ranks: 0 where there are trees alone, 1 where there are
    /// none.
    pub process: f64,
    /// Of [`Boosting`].
    pub boosting: Option<f64>,
    /// Of the Gaussian process.
    pub gaussian: Option<f64>,
    /// Of the two in these shares.
    pub together: Option<f64>,
}

/// Fitted [`Ours`].
#[derive(Debug, Clone)]
pub struct FittedOurs<F> {
    choice: Choice,
    boosting: FittedBoosting<F>,
    gaussian: FittedGaussian<F>,
    /// The share of each over the deviation of what it said of what was held out.
    factors: [f64; 2],
    /// From the score to the scale of the process.
    line: Line,
    /// How much less sure what was held out shows it than the process thinks.
    doubt: f64,
}

/// `base + slope * x`.
#[derive(Debug, Clone, Copy)]
struct Line {
    base: f64,
    slope: f64,
}

impl Line {
    fn at(&self, x: f64) -> f64 {
        self.base + self.slope * x
    }

    /// By least squares, never falling: what scores higher is believed better. Flat where nothing is known.
    fn through(x: &[f64], y: &[f64]) -> Self {
        let (x_mean, y_mean) = (mean(x), mean(y));
        let square: f64 = x.iter().map(|x| (x - x_mean) * (x - x_mean)).sum();
        let product: f64 = x.iter().zip(y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
        let slope = if square > 0.0 { (product / square).max(0.0) } else { 0.0 };
        Self { base: y_mean - slope * x_mean, slope }
    }
}

impl<F> FittedOurs<F> {
    /// What was chosen, and why.
    pub fn choice(&self) -> Choice {
        self.choice
    }

    /// The Gaussian process.
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
        let rows = self.gaussian.rows(archs)?;
        Ok(sum(self.factors, self.boosting.sums(&rows), &self.gaussian.means(&rows)))
    }
}

/// Of the trees and of the process, by its share.
fn shares(process: f64) -> [f64; 2] {
    [1.0 - process, process]
}

fn sum(factors: [f64; 2], mut first: Vec<f64>, second: &[f64]) -> Vec<f64> {
    first.iter_mut().zip(second).for_each(|(x, y)| *x = factors[0] * *x + factors[1] * y);
    first
}

/// 1 / deviation of what is known, as a part may not be fitted without another; 1 where nothing is.
fn factor(values: &[f64]) -> f64 {
    let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let deviation = deviation(&known);
    if deviation > 0.0 { 1.0 / deviation } else { 1.0 }
}

impl<F: Clone> Ours<F> {
    fn trees(&self) -> Boosting<F> {
        let settings = match self.blocks.as_slice() {
            [first, _, ..] => {
                let of_first = Member { target: Target::LogRegret, first: Some(first.width) };
                BoostingSettings {
                    members: vec![Member::of_all(Target::LogRegret), of_first],
                    ..BoostingSettings::default()
                }
            }
            _ => BoostingSettings::default(),
        };
        Boosting { features: self.features.clone(), settings }
    }
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
        let (features, blocks) = (self.features.clone(), self.blocks.clone());
        let process = GaussianProcess { features, blocks, settings: GaussianSettings::rank() };
        let trees = self.trees();
        let (boosting, gaussian) = (trees.fit(train, none, seed)?, process.fit(train, none, seed)?);

        let n = train.len();
        let [by_trees, by_process] = held_out(train, seed, |rest, held| {
            let said =
                [trees.fit(rest, none, seed)?.scores(held)?, process.fit(rest, none, seed)?.scores(held)?];
            Ok::<_, SurrogateError>(said)
        });
        let judged = |values: &[f64]| kendall_tau_b(values, train.values()).ok();
        let scales = [factor(&by_trees), factor(&by_process)];
        let scaled = |process: f64| {
            let [trees, process] = shares(process);
            [trees * scales[0], process * scales[1]]
        };
        let by = |process: f64| sum(scaled(process), by_trees.clone(), &by_process);
        let process = best(USUAL, DOUBT, n, |process| judged(&by(process)).unwrap_or(f64::NAN));
        let (factors, chosen) = (scaled(process), by(process));
        let choice = Choice {
            process,
            boosting: judged(&by_trees),
            gaussian: judged(&by_process),
            together: judged(&chosen),
        };
        let held: Vec<usize> = (0..n).filter(|i| chosen[*i].is_finite()).collect();
        let pick = |values: &[f64]| held.iter().map(|i| values[*i]).collect::<Vec<f64>>();
        let (said, targets) = (pick(&chosen), pick(gaussian.targets()));
        let line = Line::through(&said, &targets);
        let left_out = gaussian.leave_one_out();
        let doubt = |(place, i): (usize, &usize)| {
            (targets[place] - line.at(said[place])).abs() / left_out[*i].of_label()
        };
        // the interval that should hold four fifths does
        let doubts: Vec<f64> = held.iter().enumerate().map(doubt).collect();
        let doubt = quantile(&doubts, 0.8) / FOUR_FIFTHS;
        let doubt = if doubt.is_finite() && doubt > 0.0 { doubt } else { 1.0 };
        Ok(FittedOurs { choice, boosting, gaussian, factors, line, doubt })
    }
}

/// On the scale of the process: the mean by what was chosen, the deviation by the process and what was held out.
impl<A, F: Fn(&A) -> Vec<f64>> Believe<A> for FittedOurs<F> {
    type Error = SurrogateError;

    fn believe(&self, archs: &[A]) -> Result<Vec<Belief>, SurrogateError> {
        let scores = self.scores(archs)?;
        let sure = |(belief, score): (Belief, f64)| Belief {
            mean: self.line.at(score),
            deviation: self.doubt * belief.deviation,
            noise: self.doubt * belief.noise,
        };
        Ok(self.gaussian.believe(archs)?.into_iter().zip(scores).map(sure).collect())
    }

    fn scaled(&self, label: f64) -> f64 {
        Believe::<A>::scaled(&self.gaussian, label)
    }

    fn draw(&self, archs: &[A], seed: Seed) -> Result<Vec<f64>, SurrogateError> {
        let drawn = self.gaussian.draw(archs, seed)?;
        let means = self.gaussian.scores(archs)?.into_iter().zip(self.scores(archs)?);
        let moved = drawn.into_iter().zip(means);
        Ok(moved.map(|(drawn, (mean, score))| self.line.at(score) + self.doubt * (drawn - mean)).collect())
    }
}

/// In the unit of the label: the mean of both by their shares.
impl<A, F: Fn(&A) -> Vec<f64>> Predict<A> for FittedOurs<F> {
    type Error = SurrogateError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError> {
        let rows = self.gaussian.rows(archs)?;
        let labels = (self.boosting.labels(&rows), self.gaussian.labels(&rows));
        Ok(sum(shares(self.choice.process), labels.0, &labels.1))
    }
}

/// Larger [`scores`](FittedOurs::scores) first: for accuracy.
impl<A, F: Fn(&A) -> Vec<f64>> Rank<A> for FittedOurs<F> {
    type Error = SurrogateError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, SurrogateError> {
        Ok(order_by_score(&self.scores(archs)?))
    }
}
