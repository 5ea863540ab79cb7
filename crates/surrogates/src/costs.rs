use crate::{Block, FittedGaussian, GaussianProcess, GaussianSettings, Robust, SurrogateError};
use nas_core::stats::within;
use nas_core::{Fit, Labelled, Predict, Seed};
use serde::{Deserialize, Serialize};

/// A Gaussian process for latencies, energies and other positive costs whose relative error matters; how rows that
/// do not fit are taken is chosen by what the others say of each.
///
/// Measured costs have a few wild values and drifts that no feature explains. A process that believes them bends
/// towards them; one that doubts them too much loses what is true of few.
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

/// How much better a factor must do than none: a percent of rows within about a tenth, the standard error on 900.
const WORTH: f64 = 1.0;

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

    /// The process that predicts, before the factor of [`choice`](Self::choice).
    pub fn process(&self) -> &FittedGaussian<F> {
        &self.process
    }
}

impl<A, F: Fn(&A) -> Vec<f64> + Clone> Fit<A> for Costs<F> {
    type Model = FittedCosts<F>;
    type Error = SurrogateError;

    /// Time of a fit of the process and ten more solutions, O(rows^3) each; `validation` is not looked at.
    ///
    /// # Errors
    /// As those of the process, and [`SurrogateError::NotPositive`] for a label that is no cost.
    fn fit(
        &self,
        train: &Labelled<A>,
        _: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedCosts<F>, SurrogateError> {
        let (features, blocks) = (self.features.clone(), self.blocks.clone());
        let process = GaussianProcess { features, blocks, settings: GaussianSettings::cost() };
        let fitted = process.fit_all(train, &[Robust::No, Robust::Absolute, Robust::Cauchy], seed)?;
        let mut said: Vec<Vec<f64>> = fitted.iter().map(FittedGaussian::left_out_labels).collect();
        let mean =
            |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| (a + b) / 2.0).collect() };
        let means = [mean(&said[0], &said[1]), mean(&said[1], &said[2])];
        said.extend(means);
        let ways = [Doubt::None, Doubt::Absolute, Doubt::Cauchy, Doubt::Half, Doubt::Strong];
        let judge = |(doubt, said): (Doubt, &Vec<f64>)| Judged::aimed(doubt, said, train.values());
        let judged: Vec<Judged> = ways.into_iter().zip(&said).map(judge).collect();
        let better = |best: usize, i: usize| if judged[i].good() > judged[best].good() { i } else { best };
        let best = (1..judged.len()).fold(0, better);
        let mixed = [(0, 1), (1, 2)].map(|(a, b): (usize, usize)| fitted[a].clone().with_mean_of(&fitted[b]));
        let process = fitted.into_iter().chain(mixed).nth(best);
        let process = process.ok_or(SurrogateError::Covariance { rows: train.len() })?;
        let factor = judged[best].factor;
        let mut ratios: Vec<f64> = train
            .values()
            .iter()
            .zip(&said[best])
            .map(|(label, said)| label / (said * factor).max(f64::MIN_POSITIVE))
            .collect();
        ratios.sort_by(f64::total_cmp);
        Ok(FittedCosts { process, judged, best, ratios })
    }
}

/// In the unit of the label.
impl<A, F: Fn(&A) -> Vec<f64>> Predict<A> for FittedCosts<F> {
    type Error = SurrogateError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError> {
        let factor = self.judged[self.best].factor;
        Ok(self.process.predict(archs)?.into_iter().map(|label| label * factor).collect())
    }
}
