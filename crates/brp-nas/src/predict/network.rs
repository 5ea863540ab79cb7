//! The Neural Predictor, in one stage and in two, and what it was compared with.

use super::found::{Agreement, Found, by_place};
use super::{Method, Plan};
use crate::failure::{Failure, OrFail};
use crate::host::Stopwatch;
use crate::registry::CellEncoding;
use arch_graph::Bare;
use gcn::Pads;
use nas_core::{Fit, Labelled, Predict, Rank, Seed, Split};
use predictors::{NeuralPredictor, NeuralPredictorSettings, PredictError, Trunk, TwoStage, TwoStageSettings};
use spaces::nas_bench_201::Cell;

/// Whose fault it is.
fn mine(error: PredictError) -> Failure {
    match error {
        PredictError::Gcn(_) => Failure::Failed(error.into()),
        other => Failure::Input(other.into()),
    }
}

pub(super) fn one_stage(
    plan: &Plan,
    split: &Split<Cell>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let known = split.train.values();
    let trunk = |trunk| NeuralPredictorSettings { trunk, ..NeuralPredictorSettings::for_labels(known) };
    let settings = match plan.method {
        Method::NeuralPredictorClean => NeuralPredictorSettings::clean(known.len()),
        Method::Mlp => trunk(Trunk::Mlp),
        Method::Cnn => trunk(Trunk::Cnn),
        _ => trunk(Trunk::Gcn(Pads::Kept)),
    };
    let predictor = NeuralPredictor { encode: Bare(CellEncoding(plan.encoding)), settings };
    let model = predictor.fit(&split.train, &Labelled::empty(), seed).map_err(mine)?;
    let chosen = model.took_fractions().then(|| "labels of 0 to 1 as fractions of 100 %".to_string());
    Ok(Found { epochs: Some(model.history().epochs.len()), chosen, ..judged(&model, split, watch)? })
}

pub(super) fn two_stages(
    plan: &Plan,
    split: &Split<Cell>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let settings = TwoStageSettings::for_labels(split.train.values());
    let stages = TwoStage { encode: Bare(CellEncoding(plan.encoding)), settings };
    let model = stages.fit(&split.train, &Labelled::empty(), seed).map_err(mine)?;
    let found = judged(&model, split, watch)?;
    let passed = model.accepts(split.test.archs()).map_err(mine)?;
    let pick = |values: &[f64]| {
        let both = values.iter().zip(&passed);
        both.filter(|(_, passed)| **passed).map(|(value, _)| *value).collect::<Vec<f64>>()
    };
    let values = found.values.as_deref().unwrap_or_default();
    let accepted = Agreement::of(&pick(values), &pick(split.test.values())).or_failed()?;
    let chosen = Some(format!("a threshold of {:.3}", model.threshold()));
    Ok(Found { accepted: Some(accepted), chosen, ..found })
}

/// What a model says of all rows. What orders is its ranking, because a bounded output has ties at its end.
fn judged<M>(model: &M, split: &Split<Cell>, watch: &Stopwatch) -> Result<Found, Failure>
where
    M: Predict<Cell, Error = PredictError> + Rank<Cell, Error = PredictError>,
{
    let archs = split.test.archs();
    let found = Found::of_scores(watch, || Ok(by_place(&model.rank(archs)?))).map_err(mine)?;
    let on = |rows: &Labelled<Cell>| -> Result<Agreement, Failure> {
        Agreement::of(&model.predict(rows.archs()).map_err(mine)?, rows.values()).or_failed()
    };
    Ok(Found {
        values: Some(model.predict(archs).map_err(mine)?),
        training: Some(on(&split.train)?),
        validation: Some(on(&split.validation)?),
        ..found
    })
}
