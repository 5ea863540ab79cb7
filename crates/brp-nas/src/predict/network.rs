//! Networks on graphs: those of BRP-NAS, and the Neural Predictor in one stage and in two with what it was compared
//! with.

use super::found::{Agreement, Found, Raw, by_place, defined};
use super::{Ground, Label, Method};
use crate::failure::{Failure, OrFail};
use crate::host::Stopwatch;
use crate::predictable::Predictable;
use gcn::Pads;
use nas_core::{Fit, Labelled, Predict, Rank, Seed, Split, stats};
use predictors::{
    BinaryRelation, FittedRegressor, GcnRegressor, GraphRanker, NeuralPredictor, NeuralPredictorSettings,
    Output, PredictError, RankerSettings, RegressorSettings, RelationSettings, Trunk, TwoStage,
    TwoStageSettings,
};

/// The network that others start from.
pub(super) type Start<S> = FittedRegressor<<S as Predictable>::Encoding>;

/// Whose fault it is.
pub(super) fn mine(error: PredictError) -> Failure {
    match error {
        PredictError::Gcn(_) => Failure::Failed(error.into()),
        other => Failure::Input(other.into()),
    }
}

/// For so many rows.
fn settings(method: Method, label: Label, rows: usize) -> RegressorSettings {
    match (method, label) {
        (Method::GcnPublished, Label::Latency) => RegressorSettings::published_latency(),
        (_, Label::Latency) => RegressorSettings::fast_latency(rows),
        (_, Label::Accuracy) => RegressorSettings::published_accuracy(rows),
    }
}

/// The network to transfer from, of the shape that the target has: gently trained where the setting is ours,
/// because a network that fits its own label to the end transfers worse.
pub(super) fn start<S: Predictable>(
    ground: &Ground<'_, S>,
    method: Method,
    label: Label,
    split: &Split<S::Arch>,
    seed: Seed,
) -> Result<Start<S>, Failure> {
    let mut source = match method {
        Method::GcnPublished => settings(method, label, split.train.len()),
        _ => RegressorSettings::pre_training(),
    };
    source.hidden = match method {
        Method::Relation => RelationSettings::searching().hidden,
        _ => settings(method, ground.plan.label, ground.plan.train).hidden,
    };
    let encode = ground.space.encoding(ground.plan.encoding).or_failed()?;
    let source = GcnRegressor { encode, settings: source };
    source.fit(&split.train, &split.validation, seed.derive("source")).map_err(mine)
}

pub(super) fn regressor<S: Predictable>(
    ground: &Ground<'_, S>,
    method: Method,
    split: &Split<S::Arch>,
    from: Option<&Start<S>>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let (train, validation) = (&split.train, &split.validation);
    let encode = ground.space.encoding(ground.plan.encoding).or_failed()?;
    let settings = settings(method, ground.plan.label, ground.plan.train);
    let settings = GcnRegressor { encode, settings };
    let model = match from {
        Some(start) => settings.transfer(start.gcn(), train, validation, seed),
        None => settings.fit(train, validation, seed),
    }
    .map_err(mine)?;
    let found = Found::of(watch, || model.predict(split.test.archs())).or_failed()?;
    Ok(Found { epochs: Some(model.history().epochs.len()), ..found })
}

pub(super) fn relation<S: Predictable>(
    ground: &Ground<'_, S>,
    split: &Split<S::Arch>,
    from: Option<&Start<S>>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let encode = ground.space.encoding(ground.plan.encoding).or_failed()?;
    let settings = BinaryRelation { encode, settings: RelationSettings::searching() };
    let model = match from {
        Some(start) => settings.transfer(start.gcn(), &split.train, seed),
        None => settings.fit(&split.train, &split.validation, seed),
    }
    .map_err(mine)?;
    let archs = split.test.archs();
    let found = Found::of_scores(watch, || model.rank(archs).map(|order| by_place(&order))).or_failed()?;
    let raw = model.raw_comparator(archs).map_err(mine)?;
    let some = model.raw_comparator(&archs[..archs.len().min(TRIPLES_OF)]).map_err(mine)?;
    let sorted = by_place(&raw.rank());
    let raw = Raw {
        contradictions_pct: 100.0 * raw.contradictions(),
        cycles_pct: 100.0 * some.cycles(),
        kendall: defined(stats::kendall_tau_b(&sorted, split.test.values())).or_failed()?,
    };
    Ok(Found { epochs: Some(model.history().epochs.len()), raw: Some(raw), ..found })
}

/// Triples are looked at of so many of the rest: all of two hundred are a million.
const TRIPLES_OF: usize = 200;

pub(super) fn ranker<S: Predictable>(
    ground: &Ground<'_, S>,
    split: &Split<S::Arch>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let features = ground.features()?;
    let encode = ground.space.encoding(ground.plan.encoding).or_failed()?;
    let describe = |arch: &S::Arch| features.of(arch);
    let ranker = GraphRanker { encode, describe, settings: RankerSettings::default() };
    let model = ranker.fit(&split.train, &Labelled::empty(), seed).map_err(mine)?;
    let found = Found::of_scores(watch, || model.score(split.test.archs())).or_failed()?;
    Ok(Found { epochs: Some(model.history().epochs.len()), ..found })
}

pub(super) fn one_stage<S: Predictable>(
    ground: &Ground<'_, S>,
    method: Method,
    split: &Split<S::Arch>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let known = split.train.values();
    let mut published = NeuralPredictorSettings::for_labels(known);
    published.output = output(ground, published.output);
    let trunk = |trunk| NeuralPredictorSettings { trunk, ..published };
    let settings = match method {
        Method::NeuralPredictorClean => NeuralPredictorSettings::clean(known.len()),
        Method::Mlp => trunk(Trunk::Mlp),
        Method::Cnn => trunk(Trunk::Cnn),
        _ => trunk(Trunk::Gcn(Pads::Kept)),
    };
    let encode = ground.space.bare(ground.plan.encoding).or_failed()?;
    let model = NeuralPredictor { encode, settings }.fit(&split.train, &Labelled::empty(), seed);
    let model = model.map_err(mine)?;
    let chosen = model.took_fractions().then(|| "labels of 0 to 1 as fractions of 100 %".to_string());
    Ok(Found { epochs: Some(model.history().epochs.len()), chosen, ..judged(&model, split, watch)? })
}

pub(super) fn two_stages<S: Predictable>(
    ground: &Ground<'_, S>,
    split: &Split<S::Arch>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let mut settings = TwoStageSettings::for_labels(split.train.values());
    settings.regressor.output = output(ground, settings.regressor.output);
    let stages = TwoStage { encode: ground.space.bare(ground.plan.encoding).or_failed()?, settings };
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

/// A latency is no percentage, though it may look like one.
fn output<S: Predictable>(ground: &Ground<'_, S>, otherwise: Output) -> Output {
    if ground.plan.label == Label::Latency { Output::Linear } else { otherwise }
}

/// What a model says of all rows. What orders is its ranking, because a bounded output has ties at its end.
fn judged<A, M>(model: &M, split: &Split<A>, watch: &Stopwatch) -> Result<Found, Failure>
where
    M: Predict<A, Error = PredictError> + Rank<A, Error = PredictError>,
{
    let archs = split.test.archs();
    let found = Found::of_scores(watch, || Ok(by_place(&model.rank(archs)?))).map_err(mine)?;
    let on = |rows: &Labelled<A>| -> Result<Agreement, Failure> {
        Agreement::of(&model.predict(rows.archs()).map_err(mine)?, rows.values()).or_failed()
    };
    Ok(Found {
        values: Some(model.predict(archs).map_err(mine)?),
        training: Some(on(&split.train)?),
        validation: Some(on(&split.validation)?),
        ..found
    })
}
