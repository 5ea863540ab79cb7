//! The predictors of a search: of accuracies, of what they start from, and of latencies.

use super::args::Source;
use super::data::Data;
use super::mine;
use super::settings::Settings;
use crate::failure::{Failure, OrFail};
use crate::features::Features;
use crate::registry::{CellEncoding, EncodingName, Setting, descriptors, multiply_adds};
use anyhow::Context;
use arch_graph::Bare;
use gcn::{EarlyStopping, Gcn, Training};
use nas_core::{Fit, FitFrom, Labelled, Predict, Seed, stats};
use predictors::{
    BinaryRelation, Committee, FittedRegressor, GcnRegressor, NeuralPredictor, NeuralPredictorSettings,
    PredictError, RegressorSettings, RelationSettings, Ridge, Transferred, TwoStage, TwoStageSettings,
};
use search::{Limited, SearchError, Selection, WarmUp, within_limit};
use spaces::NasBench201;
use spaces::nas_bench_201::Cell;
use surrogates::Costs;
use tables::Column;

/// Share of the last ranking, from its top, that the network fills alone. It knows the top, where half of its
/// samples are from, and so it also chooses the samples; a line through descriptors knows the rest better.
const LEAD: f64 = 1.0 / 32.0;

/// Rows that a latency predictor learns from, where there are as many and nobody says otherwise.
const LATENCY_ROWS: usize = 900;

/// How strongly the weights of that line are held back.
const PENALTY: f64 = 0.1;

/// What a predictor is fitted with in a round, and what on the scores of a warm-up.
pub(super) struct Fits<'a, F> {
    pub(super) round: Box<dyn Fn(usize) -> F + 'a>,
    pub(super) warm: F,
}

/// Settings that the rows and their labels decide, for a predictor that begins anew in every round: the width of a
/// Neural Predictor goes by the number of rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anew<F>(pub(super) F);

impl<S: Fit<Cell>, F: Fn(&Labelled<Cell>) -> S> Fit<Cell> for Anew<F> {
    type Model = S::Model;
    type Error = S::Error;

    fn fit(
        &self,
        train: &Labelled<Cell>,
        validation: &Labelled<Cell>,
        seed: Seed,
    ) -> Result<S::Model, S::Error> {
        self.0(train).fit(train, validation, seed)
    }
}

impl<S: Fit<Cell>, F: Fn(&Labelled<Cell>) -> S> FitFrom<Cell> for Anew<F> {
    fn fit_from(
        &self,
        _: &S::Model,
        train: &Labelled<Cell>,
        validation: &Labelled<Cell>,
        seed: Seed,
    ) -> Result<S::Model, S::Error> {
        self.fit(train, validation, seed)
    }
}

/// The same in every round.
pub(super) fn always<F: Copy + 'static>(settings: F) -> Fits<'static, F> {
    Fits { round: Box::new(move |_| settings), warm: settings }
}

/// Without a global node, as the Neural Predictor averages over nodes.
fn bare() -> Bare<CellEncoding> {
    Bare(CellEncoding::new(EncodingName::Pruned))
}

pub(super) fn neural(known: &Labelled<Cell>) -> NeuralPredictor<Bare<CellEncoding>> {
    NeuralPredictor { encode: bare(), settings: NeuralPredictorSettings::for_labels(known.values()) }
}

pub(super) fn two_stages(known: &Labelled<Cell>) -> TwoStage<Bare<CellEncoding>> {
    TwoStage { encode: bare(), settings: TwoStageSettings::for_labels(known.values()) }
}

/// The binary relation network, and where it starts from.
pub(super) type Relation<'a> = Transferred<'a, BinaryRelation<CellEncoding>>;

/// A graph network that predicts accuracies, and where it starts from.
pub(super) type Regressor<'a> = Transferred<'a, GcnRegressor<CellEncoding>>;

/// Zero-Cost NAS pre-trains on scores for 50 epochs in batches of 256, stopped after 5 without progress.
fn warming(training: Training) -> Training {
    let stop = Some(EarlyStopping { patience: 5, after: 0, restore_best: true });
    Training { epochs: 50, batch: 256, stop, ..training }
}

pub(super) fn relation(setting: Setting, rounds: usize, start: Option<&Gcn>) -> Fits<'_, Relation<'_>> {
    let encode = CellEncoding::new(EncodingName::Pruned);
    let relation = match setting {
        Setting::Ours => RelationSettings::searching(),
        Setting::Published => RelationSettings::published(),
    };
    let of = move |settings| Transferred { settings: BinaryRelation { encode, settings }, start };
    let warm = warming(relation.training);
    let warm = match setting {
        // more steps than two an epoch
        Setting::Ours => Training { batch: relation.training.batch, ..warm },
        Setting::Published => warm,
    };
    Fits {
        round: Box::new(move |round| of(relation.round(round, rounds))),
        warm: of(RelationSettings { training: warm, ..relation }),
    }
}

/// A ridge regression on descriptors of the cell.
pub(super) fn line() -> Result<Ridge<impl Fn(&Cell) -> Vec<f64> + Clone>, Failure> {
    Ok(Ridge { describe: descriptors().or_failed()?, penalty: PENALTY })
}

/// That network, and in the last ranking another predictor beside it.
pub(super) fn committee<'a, G: Clone + 'a>(
    rounds: usize,
    start: Option<&'a Gcn>,
    second: G,
) -> Fits<'a, Committee<Relation<'a>, G>> {
    let Fits { round, warm } = relation(Setting::Ours, rounds, start);
    let warm = Committee { first: warm, second: second.clone(), lead: 1.0 };
    let round = move |number| Committee {
        first: round(number),
        second: second.clone(),
        lead: if number + 1 < rounds { 1.0 } else { LEAD },
    };
    Fits { round: Box::new(round), warm }
}

pub(super) fn regressor(selection: Selection, start: Option<&Gcn>) -> Fits<'_, Regressor<'_>> {
    let encode = CellEncoding::new(EncodingName::Pruned);
    let accuracy = RegressorSettings::published_accuracy(selection.samples);
    let of = move |training| Transferred {
        settings: GcnRegressor { encode, settings: RegressorSettings { training, ..accuracy } },
        start,
    };
    let epochs = move |round: usize| accuracy.training.epochs * (round + 1) / selection.iterations;
    Fits {
        round: Box::new(move |round| of(Training { epochs: epochs(round), ..accuracy.training })),
        warm: of(Training { batch: accuracy.training.batch, ..warming(accuracy.training) }),
    }
}

/// Fits to the scores of a warm-up, by their places: scores have no unit, and some have a long tail.
pub(super) fn warmed<F: FitFrom<Cell, Error = PredictError>>(
    fit: &F,
    warm_up: &WarmUp<Cell>,
    seed: Seed,
) -> Result<F::Model, Failure> {
    let (cells, scores): (Vec<Cell>, Vec<f64>) = warm_up.scored.iter().copied().unzip();
    let count = cells.len() as f64;
    let places = stats::average_ranks(&scores).into_iter().map(|rank| rank / count).collect();
    let known = Labelled::new(cells, places).or_failed()?;
    match fit.fit(&known, &Labelled::empty(), seed) {
        Err(error @ (PredictError::TooFew { .. } | PredictError::Constant { .. })) => {
            Err(error).context("the predictor cannot learn from the scores of the warm-up").or_input()
        }
        other => other.or_failed(),
    }
}

/// The network that the predictor starts from.
pub(super) fn pre_trained(
    settings: &Settings,
    data: &Data,
    encode: CellEncoding,
    seed: Seed,
) -> Result<Option<FittedRegressor<CellEncoding>>, Failure> {
    let space = &data.space;
    let known = match (&settings.transfer_from, &data.source) {
        (Source::None, _) => return Ok(None),
        (Source::Table(_), Some(column)) => column.labelled().clone(),
        _ => Labelled::new(space.to_vec(), space.iter().map(multiply_adds).collect()).or_failed()?,
    };
    let rows = settings.transfer_train.min(known.len());
    let split = known.split(rows, 0, seed).or_input()?;
    let source = GcnRegressor { encode, settings: RegressorSettings::pre_training() };
    match Fit::fit(&source, &split.train, &Labelled::empty(), seed) {
        // nothing to learn from a table of one row or of equal costs
        Err(PredictError::TooFew { .. } | PredictError::Constant { .. }) => Ok(None),
        other => other.map(Some).or_failed(),
    }
}

/// How the final ranking of the whole space agrees with the test accuracy, or the validation accuracy where
/// there is no test.
pub(super) fn agreement(
    data: &Data,
    ranking: Option<&[usize]>,
) -> Result<(Option<f64>, Option<f64>), Failure> {
    let (Some(ranking), Some(truth)) = (ranking, data.test.as_ref().or(data.accuracy.as_ref())) else {
        return Ok((None, None));
    };
    let (mut predicted, mut known) = (Vec::new(), Vec::new());
    for (place, &i) in ranking.iter().enumerate() {
        if let Some(value) = truth.get(&data.space[i]) {
            predicted.push(-(place as f64));
            known.push(value);
        }
    }
    let defined = |result: Result<f64, stats::StatsError>| match result {
        Err(stats::StatsError::Constant(_) | stats::StatsError::TooFew { .. }) => Ok(None),
        other => other.map(Some).or_failed(),
    };
    Ok((defined(stats::kendall_tau_b(&predicted, &known))?, defined(stats::spearman(&predicted, &known))?))
}

/// What may meet a limit.
pub(super) struct Within {
    pub(super) archs: Vec<Cell>,
    /// In ms.
    pub(super) predicted: Vec<f64>,
    /// That each does.
    pub(super) chances: Vec<f64>,
}

impl From<Limited<Cell>> for Within {
    fn from(Limited { archs, predicted, .. }: Limited<Cell>) -> Self {
        Self { chances: vec![1.0; archs.len()], archs, predicted }
    }
}

/// What is less likely to meet a limit is no candidate.
const UNLIKELY: f64 = 0.1;

/// Those that are predicted to meet a limit, by what rows of the latency table teach: a Gaussian process on what
/// decides costs, or in the published setting a graph network that a ninth as many rows stop. `doubtful` are those too
/// that might.
pub(super) fn within_predicted(
    candidates: Vec<Cell>,
    column: &Column<Cell>,
    limit: f64,
    settings: &Settings,
    doubtful: bool,
    seed: Seed,
) -> Result<Within, Failure> {
    let published = settings.setting == Setting::Published;
    let rows = column.labelled().len();
    let held = |train: usize| if published { train / 9 } else { 0 };
    // a ninth is held beside them
    let all = if published { rows * 9 / 10 } else { rows };
    let train = settings.latency_train.unwrap_or_else(|| LATENCY_ROWS.min(all));
    let split = column
        .labelled()
        .split(train, held(train), seed)
        .context("--latency-train asks for too many rows of the latency table")
        .or_input()?;
    let failed = "the latency predictor cannot be fitted";
    if published {
        let encode = CellEncoding::new(EncodingName::Full);
        let predictor = GcnRegressor { encode, settings: RegressorSettings::fast_latency(train) };
        let model =
            Fit::fit(&predictor, &split.train, &split.validation, seed).context(failed).or_failed()?;
        return within_limit(candidates, &model, limit).map(Within::from).map_err(mine);
    }
    let features = Features::of_costs(&NasBench201)?;
    let costs = Costs { features: |cell: &Cell| features.of(cell), blocks: features.blocks() };
    let model = costs.fit(&split.train, &Labelled::empty(), seed).context(failed).or_input()?;
    if !doubtful {
        return within_limit(candidates, &model, limit).map(Within::from).map_err(mine);
    }
    let (of, predicted) = (candidates.len(), model.predict(&candidates).or_failed()?);
    let lowest = predicted.iter().copied().fold(f64::INFINITY, f64::min);
    let mut within = Within { archs: Vec::new(), predicted: Vec::new(), chances: Vec::new() };
    for (cell, ms) in candidates.into_iter().zip(predicted) {
        let chance = model.chance(ms, limit);
        if chance >= UNLIKELY {
            within.archs.push(cell);
            within.predicted.push(ms);
            within.chances.push(chance);
        }
    }
    if within.archs.is_empty() {
        return Err(mine(SearchError::NothingMeets { limit, lowest, candidates: of }));
    }
    Ok(within)
}
