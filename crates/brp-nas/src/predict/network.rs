//! The Neural Predictor, in one stage and in two, and what it was compared with.

use super::surrogate::Found;
use super::{Method, Plan};
use crate::failure::Failure;
use crate::host::Stopwatch;
use crate::registry::CellEncoding;
use arch_graph::Bare;
use gcn::Pads;
use nas_core::stats::{self, StatsError};
use nas_core::{Fit, Labelled, Predict, Rank, Seed, Split};
use predictors::{
    NeuralPredictor, NeuralPredictorSettings, Output, PredictError, Threshold, Trunk, TwoStage,
    TwoStageSettings,
};
use serde::Serialize;
use spaces::nas_bench_201::Cell;

/// How predictions agree with labels, as the paper counts it; none where a number is not defined.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Agreement {
    /// How many rows.
    pub(super) rows: f64,
    pub(super) mse: Option<f64>,
    pub(super) r2: Option<f64>,
    pub(super) kendall: Option<f64>,
}

impl Agreement {
    fn of(values: &[f64], labels: &[f64]) -> Self {
        let defined = |result: Result<f64, StatsError>| result.ok().filter(|value| value.is_finite());
        Self {
            rows: values.len() as f64,
            mse: defined(stats::mse(values, labels)),
            r2: defined(stats::r2(values, labels)),
            kendall: defined(stats::kendall_tau_b(values, labels)),
        }
    }

    /// The mean of several.
    pub(super) fn mean(all: &[Self]) -> Self {
        let mean = |of: &dyn Fn(&Self) -> Option<f64>| {
            let values: Option<Vec<f64>> = all.iter().map(of).collect();
            values.filter(|values| !values.is_empty()).map(|values| stats::mean(&values))
        };
        Self {
            rows: mean(&|one| Some(one.rows)).unwrap_or(0.0),
            mse: mean(&|one| one.mse),
            r2: mean(&|one| one.r2),
            kendall: mean(&|one| one.kendall),
        }
    }
}

/// The published setting, with an output that the labels lie within.
pub(crate) fn settings(rows: usize, labels: &[f64]) -> NeuralPredictorSettings {
    let published = NeuralPredictorSettings::published(rows);
    let percent = labels.iter().all(|label| (0.0..=100.0).contains(label));
    NeuralPredictorSettings { output: if percent { published.output } else { Output::Linear }, ..published }
}

/// As published 91 %, where labels lie on both sides of it; or else the median.
pub(crate) fn two_stages(rows: usize, labels: &[f64]) -> TwoStageSettings {
    let published = TwoStageSettings::published(rows);
    let (first, second) = (settings(rows, labels), settings(rows, labels));
    let fractions = labels.iter().all(|label| (0.0..=1.0).contains(label));
    let threshold = match published.threshold {
        Threshold::Label(label) if fractions => label / 100.0,
        Threshold::Label(label) => label,
        Threshold::Quantile(_) => f64::NAN,
    };
    let above = labels.iter().filter(|&&label| label > threshold).count();
    let both = above > 0 && above < labels.len();
    TwoStageSettings {
        threshold: if both { Threshold::Label(threshold) } else { Threshold::Quantile(0.5) },
        classifier: NeuralPredictorSettings { training: published.classifier.training, ..first },
        regressor: second,
    }
}

pub(super) fn fit(plan: &Plan, split: &Split<Cell>, seed: Seed, watch: &Stopwatch) -> Result<Found, Failure> {
    let encode = Bare(CellEncoding(plan.encoding));
    let (train, none) = (&split.train, Labelled::empty());
    let mine = |error: PredictError| match error {
        PredictError::Gcn(_) => Failure::Failed(error.into()),
        other => Failure::Input(other.into()),
    };
    if plan.method == Method::TwoStage {
        let stages = TwoStage { encode, settings: two_stages(train.len(), train.values()) };
        let model = stages.fit(train, &none, seed).map_err(mine)?;
        let found = judged(&model, split, watch).map_err(mine)?;
        let passed = model.accepts(split.test.archs()).map_err(mine)?;
        let rows: Vec<usize> = (0..passed.len()).filter(|&i| passed[i]).collect();
        let pick = |values: &[f64]| rows.iter().map(|&i| values[i]).collect::<Vec<f64>>();
        let accepted = Agreement::of(&pick(&found.values), &pick(split.test.values()));
        let chosen = Some(format!("a threshold of {:.3}", model.threshold()));
        return Ok(Found { accepted: Some(accepted), chosen, ..found });
    }
    let trunk = match plan.method {
        Method::Mlp => Trunk::Mlp,
        Method::Cnn => Trunk::Cnn,
        _ => Trunk::Gcn(Pads::Kept),
    };
    let settings = match plan.method {
        Method::NeuralPredictorClean => NeuralPredictorSettings::clean(train.len()),
        _ => NeuralPredictorSettings { trunk, ..settings(train.len(), train.values()) },
    };
    let model = NeuralPredictor { encode, settings }.fit(train, &none, seed).map_err(mine)?;
    let found = judged(&model, split, watch).map_err(mine)?;
    let chosen = model.took_fractions().then(|| "labels of 0 to 1 as fractions of 100 %".to_string());
    Ok(Found { chosen, ..found })
}

/// What a model says of all rows; what orders is its ranking, because a bounded output has ties at its end.
fn judged<M>(model: &M, split: &Split<Cell>, watch: &Stopwatch) -> Result<Found, PredictError>
where
    M: Predict<Cell, Error = PredictError> + Rank<Cell, Error = PredictError>,
{
    let fit_s = watch.cpu_s();
    let values = model.predict(split.test.archs())?;
    let score_s = watch.cpu_s() - fit_s;
    let mut scores = vec![0.0; values.len()];
    let order = model.rank(split.test.archs())?;
    order.into_iter().enumerate().for_each(|(place, i)| scores[i] = -(place as f64));
    let on = |rows: &Labelled<Cell>| -> Result<Agreement, PredictError> {
        Ok(Agreement::of(&model.predict(rows.archs())?, rows.values()))
    };
    let (training, validation) = (Some(on(&split.train)?), Some(on(&split.validation)?));
    Ok(Found { values, scores: Some(scores), training, validation, fit_s, score_s, ..Found::default() })
}
