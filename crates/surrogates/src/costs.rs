use crate::shares::{self, folds, held_out};
use crate::{
    Block, Boosting, BoostingSettings, FittedBoosting, FittedGaussian, GaussianProcess, GaussianSettings,
    Robust, SurrogateError,
};
use nas_core::stats::{mean, quantile, within};
use nas_core::{Fit, Labelled, Predict, Seed};
use serde::{Deserialize, Serialize};

/// A Gaussian process for latencies, energies and other positive costs whose relative error matters, and boosted trees
/// beside it where they help; how rows that do not fit are taken, and the share of the trees, are chosen by what the
/// others say of each row.
///
/// Measured costs have a few wild values and drifts that no feature explains. A process that believes them bends
/// towards them; one that doubts them too much loses what is true of few. Costs that jump, as where a device has
/// another kernel from some width on, are what trees are for.
///
/// ```
/// use nas_core::{Fit, Labelled, Predict, Seed};
/// use surrogates::{Block, Costs};
/// // how many layers of two kinds; one in ten was measured while the machine did something else
/// let archs: Vec<[f64; 2]> = (0..80).map(|i| [f64::from(i % 8), f64::from(i / 8)]).collect();
/// let latency = |a: &[f64; 2]| 2.0 + a[0] + 3.0 * a[1];
/// let wild = |i: usize| if i % 10 == 3 { 1.5 } else { 1.0 };
/// let labels = archs.iter().enumerate().map(|(i, a)| latency(a) * wild(i)).collect();
/// let costs = Costs { features: |a: &[f64; 2]| a.to_vec(), blocks: vec![Block::counts(2)] };
/// let model = costs.fit(&Labelled::new(archs, labels)?, &Labelled::empty(), Seed(0))?;
/// assert!((model.predict(&[[3.0, 4.0]])?[0] / 17.0 - 1.0).abs() < 0.05);
/// assert!(model.off_pct() < 5.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Costs<F> {
    /// The features of an architecture: finite, and as many for each.
    pub features: F,
    /// What they are, in their order.
    pub blocks: Vec<Block>,
}

/// How rows that do not fit are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// As all others.
    None,
    /// Their noise grows with the residual.
    Absolute,
    /// It grows with its square.
    Cauchy,
    /// The mean of the first two.
    Half,
    /// The mean of absolute and Cauchy.
    Strong,
}

/// How a way of doubting did on each row by what the others say of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The way.
    pub doubt: Doubt,
    /// Percent of rows predicted within a twentieth of their label.
    pub within_5pct: f64,
    /// Percent within a tenth.
    pub within_10pct: f64,
    /// The mean of the percents within 8, 9, 10, 11 and 12 %, which sways less than that of one bound.
    pub within_about_10pct: f64,
    /// What predictions are multiplied by: not 1 where most labels lie to one side of them, as on a device that is now
    /// and then slower.
    pub factor: f64,
}

/// The bounds about a tenth.
const ABOUT: [f64; 5] = [0.08, 0.09, 0.1, 0.11, 0.12];

/// Steps of the logarithm of a factor to each side of 1, and the largest of it.
const STEPS: usize = 60;
const LARGEST: f64 = 0.15;

/// Steps to each side over which shares are averaged before the best factor is chosen.
const SMOOTH: usize = 5;

/// How much better a factor must do than none: a percent of rows within about a tenth, the standard error on 900. Of 20 to
/// 100 rows many have one by chance; asking for the standard error there too predicted no better on three devices.
const WORTH: f64 = 1.0;

/// Beyond which a relative error does not count as any larger.
const WORST: f64 = 0.2;

/// How much smaller, as a part of it, the error must be for a share of trees: see [`shares::best`].
const DOUBT: f64 = 1.0;

/// What all ways say, of what the first three do.
fn all_ways(mut said: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let middle = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a + b) / 2.0).collect();
    said.extend([middle(&said[0], &said[1]), middle(&said[1], &said[2])]);
    said
}

/// A sum knows no bound, and may say that something costs nothing or less. No less than a tenth of the least that was
/// measured, so that what is cheapest stays so.
pub(crate) fn above_nothing(said: f64, least: f64) -> f64 {
    // not `max`, which drops a NaN
    if said < 0.1 * least { 0.1 * least } else { said }
}

pub(crate) fn smallest(labels: &[f64]) -> f64 {
    labels.iter().copied().fold(f64::INFINITY, f64::min)
}

fn times(factor: f64, mut values: Vec<f64>) -> Vec<f64> {
    values.iter_mut().for_each(|value| *value *= factor);
    values
}

/// The weighted geometric mean, the share being that of the process; of the trees alone where the process, which knows
/// no bound, says that something costs nothing or less.
fn together(trees: &[f64], process: &[f64], share: f64) -> Vec<f64> {
    let mean = |(&trees, &process): (&f64, &f64)| match process {
        ..=0.0 => trees,
        _ => ((1.0 - share) * trees.ln() + share * process.ln()).exp(),
    };
    trees.iter().zip(process).map(mean).collect()
}

/// The mean relative error, of wild rows at most [`WORST`]: so the mean over all bounds up to that of how many rows are
/// not within them.
fn error(said: &[f64], truth: &[f64]) -> f64 {
    let errors = said.iter().zip(truth).map(|(said, truth)| (said / truth - 1.0).abs());
    // not `min`, which drops a NaN
    let errors: Vec<f64> = errors.map(|error| if error > WORST { WORST } else { error }).collect();
    mean(&errors)
}

impl Judged {
    /// A tenth is what a limit is checked by; a twentieth tells ways apart that are equal there.
    fn good(&self) -> f64 {
        self.within_about_10pct + 0.1 * self.within_5pct
    }

    /// By what the others say of each row, times a factor.
    fn of(doubt: Doubt, said: &[f64], truth: &[f64], factor: f64) -> Self {
        let moved: Vec<f64> = said.iter().map(|said| said * factor).collect();
        let share = |part: f64| within(&moved, truth, part).unwrap_or(0.0);
        Self {
            doubt,
            within_5pct: share(0.05),
            within_10pct: share(0.1),
            within_about_10pct: ABOUT.iter().map(|&bound| share(bound)).sum::<f64>() / ABOUT.len() as f64,
            factor,
        }
    }

    /// With the factor by which most rows come near their label, where one is worth it.
    fn aimed(doubt: Doubt, said: &[f64], truth: &[f64]) -> Self {
        let of = |step: usize| {
            let factor = (LARGEST * (step as f64 / STEPS as f64 - 1.0)).exp();
            Self::of(doubt, said, truth, factor)
        };
        let all: Vec<Self> = (0..=2 * STEPS).map(of).collect();
        let mean = |window: &[Self]| window.iter().map(Self::good).sum::<f64>() / window.len() as f64;
        let smooth: Vec<f64> = all.windows(2 * SMOOTH + 1).map(mean).collect();
        let none = STEPS - SMOOTH;
        let best = (0..smooth.len()).fold(none, |best, i| if smooth[i] > smooth[best] { i } else { best });
        let worth = smooth[best] - smooth[none] >= WORTH;
        if worth { all[best + SMOOTH] } else { Self::of(doubt, said, truth, 1.0) }
    }
}

/// Fitted [`Costs`].
#[derive(Debug, Clone)]
pub struct FittedCosts<F> {
    process: FittedGaussian<F>,
    /// Where they have a share.
    trees: Option<FittedBoosting<F>>,
    share: f64,
    /// The smallest label.
    least: f64,
    judged: Vec<Judged>,
    best: usize,
    /// Labels over what the others say of them, rising.
    ratios: Vec<f64>,
}

impl<F> FittedCosts<F> {
    /// The way that was chosen, and all that it was chosen from.
    pub fn choice(&self) -> (Doubt, &[Judged]) {
        (self.judged[self.best].doubt, &self.judged)
    }

    /// The share of the process; the trees have the rest.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// How likely a label of what is predicted so much is at most `limit`: the share of training rows whose label, over
    /// what the others say of it, is at most `limit / prediction`.
    ///
    /// ```
    /// # use nas_core::{Fit, Labelled, Predict, Seed};
    /// # use surrogates::{Block, Costs};
    /// # let archs: Vec<[f64; 2]> = (0..80).map(|i| [f64::from(i % 8), f64::from(i / 8)]).collect();
    /// # let labels = archs.iter().enumerate().map(|(i, a)| (2.0 + a[0]) * (1.0 + (i % 7) as f64 / 60.0)).collect();
    /// # let costs = Costs { features: |a: &[f64; 2]| a.to_vec(), blocks: vec![Block::counts(2)] };
    /// let model = costs.fit(&Labelled::new(archs, labels)?, &Labelled::empty(), Seed(0))?;
    /// let chances = [5.0, 10.0, 20.0].map(|limit| model.chance(10.0, limit));
    /// assert!(chances[0] < 0.05 && (0.2..0.8).contains(&chances[1]) && chances[2] > 0.95);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chance(&self, prediction: f64, limit: f64) -> f64 {
        let meets = self.ratios.partition_point(|ratio| ratio * prediction <= limit);
        meets as f64 / self.ratios.len().max(1) as f64
    }

    /// How far training labels are from what the others say of them, in percent, in the median.
    pub fn off_pct(&self) -> f64 {
        let off: Vec<f64> = self.ratios.iter().map(|ratio| 100.0 * (ratio - 1.0).abs()).collect();
        quantile(&off, 0.5)
    }
}

impl<A: Clone, F: Fn(&A) -> Vec<f64> + Clone> Fit<A> for Costs<F> {
    type Model = FittedCosts<F>;
    type Error = SurrogateError;

    /// Time of a fit of the process, ten more solutions, O(rows^3) each, and six fits of trees; `validation` is not
    /// looked at.
    ///
    /// # Errors
    /// As those of the process, and [`SurrogateError::NotPositive`] for a label that is no cost.
    fn fit(
        &self,
        train: &Labelled<A>,
        none: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedCosts<F>, SurrogateError> {
        let (features, blocks) = (self.features.clone(), self.blocks.clone());
        let process = GaussianProcess { features, blocks, settings: GaussianSettings::cost() };
        let fitted = process.fit_all(train, &[Robust::No, Robust::Absolute, Robust::Cauchy], seed)?;
        let said = all_ways(fitted.iter().map(FittedGaussian::left_out_labels).collect());
        let ways = [Doubt::None, Doubt::Absolute, Doubt::Cauchy, Doubt::Half, Doubt::Strong];
        let judge = |(doubt, said): (Doubt, &Vec<f64>)| Judged::aimed(doubt, said, train.values());
        let judged: Vec<Judged> = ways.into_iter().zip(&said).map(judge).collect();
        let better = |best: usize, i: usize| if judged[i].good() > judged[best].good() { i } else { best };
        let best = (1..judged.len()).fold(0, better);
        let factor = judged[best].factor;
        let trees = Boosting { features: self.features.clone(), settings: BoostingSettings::cost() };
        let [by_trees] = held_out(train, seed, |rest, held| {
            Ok::<_, SurrogateError>([trees.fit(rest, none, seed)?.predict(held)?])
        });
        // trees cannot leave one row out in time, so the process is not judged by that either
        let parts = folds(train.len(), seed);
        let by_process = fitted.iter().map(|process| process.left_out_together(&parts)).collect();
        let by_process = all_ways(by_process).swap_remove(best);
        let by = |share: f64| times(factor, together(&by_trees, &by_process, share));
        let whole = error(&by(1.0), train.values());
        let share = shares::best(1.0, DOUBT, train.len(), |share| -error(&by(share), train.values()) / whole);
        let trees = if share < 1.0 { Some(trees.fit(train, none, seed)?) } else { None };

        let least = smallest(train.values());
        let alone = || said[best].iter().map(|&said| above_nothing(said, least)).collect();
        let chosen = if share < 1.0 { by(share) } else { times(factor, alone()) };
        let ratio = |(label, said): (&f64, f64)| label / said.max(f64::MIN_POSITIVE);
        let mut ratios: Vec<f64> = train.values().iter().zip(chosen).map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let mixed = [(0, 1), (1, 2)].map(|(a, b): (usize, usize)| fitted[a].clone().with_mean_of(&fitted[b]));
        let process = fitted.into_iter().chain(mixed).nth(best);
        let process = process.ok_or(SurrogateError::Covariance { rows: train.len() })?;
        Ok(FittedCosts { process, trees, share, least, judged, best, ratios })
    }
}

/// In the unit of the label.
impl<A, F: Fn(&A) -> Vec<f64>> Predict<A> for FittedCosts<F> {
    type Error = SurrogateError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError> {
        let factor = self.judged[self.best].factor;
        let rows = self.process.rows(archs)?;
        let process = self.process.labels(&rows);
        let said = match &self.trees {
            Some(trees) => together(&trees.labels(&rows), &process, self.share),
            None => process.into_iter().map(|said| above_nothing(said, self.least)).collect(),
        };
        Ok(times(factor, said))
    }
}

#[cfg(test)]
mod tests {
    use super::together;

    #[test]
    fn a_process_below_nothing_is_not_asked() {
        let said = together(&[4.0, 4.0, 4.0, f64::NAN], &[9.0, -1.0, 0.0, 9.0], 0.5);
        assert!((said[0] - 6.0).abs() < 1e-12);
        assert_eq!(said[1..3], [4.0, 4.0]);
        assert!(said[3].is_nan(), "what is not known of one is not known of both");
    }
}
