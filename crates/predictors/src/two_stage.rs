use crate::PredictError;
use crate::body::check_labels;
use crate::neural_predictor::{
    FittedNeuralPredictor, NeuralPredictor, NeuralPredictorSettings, sigmoid, trained,
};
use crate::scale::Carry;
use crate::trunk::{Network, Trunk, inputs};
use arch_graph::Encode;
use nas_core::stats::{mean, quantile};
use nas_core::{Fit, FitFrom, Labelled, Predict, Rank, Seed, order_by_score};
use serde::{Deserialize, Serialize};

/// What tells good architectures from bad ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threshold {
    /// A label above which an architecture is good, in the label's unit.
    Label(f64),
    /// The label that such a share of the training labels do not exceed; the largest below the best where that is the best,
    /// so that something is good.
    Quantile(f64),
}

/// Settings of the two-stage predictor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TwoStageSettings {
    /// What the classifier tells apart.
    pub threshold: Threshold,
    /// Of the classifier, which is trained on the cross entropy; its output is not looked at.
    pub classifier: NeuralPredictorSettings,
    /// Of the regressor.
    pub regressor: NeuralPredictorSettings,
}

/// The published threshold.
const PERCENT: f64 = 91.0;

impl TwoStageSettings {
    /// As published: 91 % accuracy, and twice the rate for the classifier.
    pub fn published(rows: usize) -> Self {
        let regressor = NeuralPredictorSettings::published(rows);
        let mut classifier = regressor;
        classifier.training.rate *= 2.0;
        Self { threshold: Threshold::Label(PERCENT), classifier, regressor }
    }

    /// [`published`](Self::published) for rows with these labels: with their median for threshold where 91 % leaves less
    /// than a tenth of them on a side, and the output of [`NeuralPredictorSettings::for_labels`].
    pub fn for_labels(labels: &[f64]) -> Self {
        let regressor = NeuralPredictorSettings::for_labels(labels);
        let published = Self::published(labels.len());
        let fractions = labels.iter().all(|label| (0.0..=1.0).contains(label));
        let threshold = if fractions { PERCENT / 100.0 } else { PERCENT };
        let above = labels.iter().filter(|&&label| label > threshold).count();
        let divides = 10 * above.min(labels.len() - above) >= labels.len();
        Self {
            threshold: if divides { Threshold::Label(threshold) } else { Threshold::Quantile(0.5) },
            classifier: NeuralPredictorSettings { training: published.classifier.training, ..regressor },
            regressor,
        }
    }
}

/// A classifier that sorts out bad architectures, and a regressor that is trained and asked on what passes (Wen et al.,
/// ECCV 2020, section 3.3).
///
/// The regressor is trained on the training rows that the classifier accepts, as the authors'; where it accepts fewer
/// than two different labels, on the rows above the threshold; and where these are no more, on all.
#[derive(Debug, Clone)]
pub struct TwoStage<E> {
    /// The encoding.
    pub encode: E,
    /// The settings.
    pub settings: TwoStageSettings,
}

/// A fitted [`TwoStage`].
#[derive(Debug)]
pub struct FittedTwoStage<E> {
    encode: E,
    trunk: Trunk,
    classifier: Network,
    regressor: FittedNeuralPredictor<E>,
    threshold: f64,
    /// The mean of the training labels that are not above it.
    low: f64,
}

impl<E> TwoStage<E> {
    fn run<A: Clone>(
        &self,
        start: Option<&FittedTwoStage<E>>,
        train: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedTwoStage<E>, PredictError>
    where
        E: Encode<A> + Clone,
    {
        let labels = train.values();
        check_labels(labels, 2)?;
        let TwoStageSettings { threshold, classifier, regressor } = self.settings;
        let threshold = match threshold {
            Threshold::Label(label) => label,
            Threshold::Quantile(share) => {
                let best = labels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let below = || labels.iter().copied().filter(|&label| label < best).reduce(f64::max);
                let at = quantile(labels, share.clamp(0.0, 1.0));
                if at < best { at } else { below().unwrap_or(at) }
            }
        };
        let above = labels.iter().filter(|&&label| label > threshold).count();
        if above == 0 || above == labels.len() {
            return Err(PredictError::OneSided { rows: labels.len(), above, threshold });
        }
        let judge = |raw: &[f64], items: &[usize]| {
            let good = items.iter().map(|&i| f64::from(u8::from(labels[i] > threshold)));
            cross_entropy(raw, good)
        };
        let from = (start.map(|start| (&start.classifier, Carry::NONE)), seed.derive("classifier"));
        let (network, _) = trained(&self.encode, &classifier, train.archs(), from, judge)?;
        let trunk = classifier.trunk;
        let raw = network.outputs(&inputs(&self.encode, trunk, train.archs())?)?;
        let mut passed: Vec<usize> = (0..labels.len()).filter(|&i| raw[i] > 0.0).collect();
        let constant = |rows: &[usize]| rows.iter().all(|&i| labels[i] == labels[rows[0]]);
        if passed.is_empty() || constant(&passed) {
            passed = (0..labels.len()).filter(|&i| labels[i] > threshold).collect();
        }
        if constant(&passed) {
            passed = (0..labels.len()).collect();
        }
        let low: Vec<f64> = labels.iter().copied().filter(|&label| label <= threshold).collect();
        let second = NeuralPredictor { encode: self.encode.clone(), settings: regressor };
        let start = start.map(|start| &start.regressor);
        let told = |error| match error {
            // its place among all rows, not among those that passed
            PredictError::Range { index, value, expected } => {
                PredictError::Range { index: passed[index], value, expected }
            }
            other => other,
        };
        let regressor = second.run(start, &train.select(&passed), seed.derive("regressor")).map_err(told)?;
        let encode = self.encode.clone();
        Ok(FittedTwoStage { encode, trunk, classifier: network, regressor, threshold, low: mean(&low) })
    }
}

impl<A: Clone, E: Encode<A> + Clone> Fit<A> for TwoStage<E> {
    type Model = FittedTwoStage<E>;
    type Error = PredictError;

    /// `validation` is not looked at, as published.
    fn fit(&self, train: &Labelled<A>, _: &Labelled<A>, seed: Seed) -> Result<Self::Model, PredictError> {
        self.run(None, train, seed)
    }
}

impl<A: Clone, E: Encode<A> + Clone> FitFrom<A> for TwoStage<E> {
    fn fit_from(
        &self,
        start: &Self::Model,
        train: &Labelled<A>,
        _: &Labelled<A>,
        seed: Seed,
    ) -> Result<Self::Model, PredictError> {
        self.run(Some(start), train, seed)
    }
}

/// The mean binary cross entropy of logits, and its slope by each.
fn cross_entropy(raw: &[f64], good: impl Iterator<Item = f64>) -> (f64, Vec<f64>) {
    let rows = raw.len().max(1) as f64;
    let mut loss = 0.0;
    let slope = |(&raw, good): (&f64, f64)| {
        // log(1 + e^x) - y x, without overflow
        loss += (raw.max(0.0) + (-raw.abs()).exp().ln_1p() - good * raw) / rows;
        (sigmoid(raw) - good) / rows
    };
    let slopes = raw.iter().zip(good).map(slope).collect();
    (loss, slopes)
}

impl<E> FittedTwoStage<E> {
    /// The threshold, in the unit of the label.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The second stage.
    pub fn regressor(&self) -> &FittedNeuralPredictor<E> {
        &self.regressor
    }

    fn logits<A>(&self, archs: &[A]) -> Result<Vec<f64>, PredictError>
    where
        E: Encode<A>,
    {
        Ok(self.classifier.outputs(&inputs(&self.encode, self.trunk, archs)?)?)
    }

    /// Which architectures the classifier takes for good.
    ///
    /// # Errors
    /// Architectures that cannot be encoded.
    pub fn accepts<A>(&self, archs: &[A]) -> Result<Vec<bool>, PredictError>
    where
        E: Encode<A>,
    {
        Ok(self.logits(archs)?.into_iter().map(|logit| logit > 0.0).collect())
    }
}

/// What the regressor says of those that are accepted, and the mean of the bad training labels of the others.
impl<A, E: Encode<A>> Predict<A> for FittedTwoStage<E> {
    type Error = PredictError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, PredictError> {
        let values = self.regressor.predict(archs)?;
        let passed = self.accepts(archs)?;
        Ok(values
            .into_iter()
            .zip(passed)
            .map(|(value, passed)| if passed { value } else { self.low })
            .collect())
    }
}

/// Those that are accepted by the regressor, then the others by the classifier.
impl<A, E: Encode<A>> Rank<A> for FittedTwoStage<E> {
    type Error = PredictError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, PredictError> {
        let logits = self.logits(archs)?;
        let mut scores = vec![0.0; archs.len()];
        let order = self.regressor.rank(archs)?;
        order.into_iter().enumerate().for_each(|(place, i)| scores[i] = -(place as f64));
        let most = logits.iter().copied().fold(0.0_f64, |most, logit| most.max(logit.abs()));
        for (score, logit) in scores.iter_mut().zip(logits) {
            if logit <= 0.0 {
                *score = logit - most - archs.len() as f64 - 1.0;
            }
        }
        Ok(order_by_score(&scores))
    }
}
