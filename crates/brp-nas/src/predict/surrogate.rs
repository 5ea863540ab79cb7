//! Predictors without tensors: baselines, boosted trees, Gaussian processes.

use super::network::Agreement;
use super::{Label, Plan};
use crate::failure::{Failure, OrFail};
use crate::host::Stopwatch;
use crate::registry::multiply_adds;
use crate::search::features::{CellFeatures, cost_blocks, costs};
use anyhow::anyhow;
use nas_core::{Believe, Fit, Labelled, Predict, Seed, Split};
use predictors::Ridge;
use spaces::nas_bench_201::{Cell, Operation};
use surrogates::{
    Block, Boosting, BoostingSettings, Costs, GaussianProcess, GaussianSettings, Ours, SurrogateError,
};

use super::Method;

/// How many deviations hold 50, 80 and 95 % of a normal distribution.
const HOLD: [f64; 3] = [0.674_490, 1.281_552, 1.959_964];

/// What a fit says of the rest.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the unit of the label.
    pub(super) values: Vec<f64>,
    /// What orders, where that is something else.
    pub(super) scores: Option<Vec<f64>>,
    pub(super) believed: Option<[f64; 3]>,
    pub(super) chosen: Option<String>,
    /// On the rows that it was fitted on, and those to stop by.
    pub(super) training: Option<Agreement>,
    pub(super) validation: Option<Agreement>,
    /// On what a first stage accepts.
    pub(super) accepted: Option<Agreement>,
    pub(super) fit_s: f64,
    /// Of the values, or of the scores where there are both; 0 where it was not measured.
    pub(super) score_s: f64,
}

pub(super) fn fit(
    plan: &Plan,
    split: &Split<Cell>,
    features: Option<&CellFeatures>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let (train, archs, none) = (&split.train, split.test.archs(), Labelled::empty());
    let cost = plan.label == Label::Latency;
    let see = |cell: &Cell| if cost { costs(cell) } else { features.map_or_else(Vec::new, |f| f.of(cell)) };
    let blocks: Vec<Block> =
        if cost { cost_blocks() } else { features.map_or_else(Vec::new, CellFeatures::blocks) };
    let plain = |values: Vec<f64>, fit_s: f64| Found { values, fit_s, ..Found::default() };
    let mine = |error: SurrogateError| match error {
        SurrogateError::Covariance { .. } => Failure::Failed(error.into()),
        other => Failure::Input(other.into()),
    };
    Ok(match plan.method {
        Method::FlopsProportional => {
            let share = proportional(train)?;
            plain(archs.iter().map(|cell| share * multiply_adds(cell)).collect(), watch.cpu_s())
        }
        Method::Layers => {
            let model = Ridge { describe: one_hot, penalty: 1e-3 }.fit(train, &none, seed).or_failed()?;
            let fit_s = watch.cpu_s();
            plain(model.predict(archs).or_failed()?, fit_s)
        }
        Method::Boosting => {
            let settings = if cost { BoostingSettings::cost() } else { BoostingSettings::default() };
            let model = Boosting { features: see, settings }.fit(train, &none, seed).map_err(mine)?;
            let fit_s = watch.cpu_s();
            scored(fit_s, watch, cost, || model.scores(archs), || model.predict(archs)).map_err(mine)?
        }
        Method::Gp => {
            let settings = if cost { GaussianSettings::cost() } else { GaussianSettings::rank() };
            let model = GaussianProcess { features: see, blocks, settings };
            let model = model.fit(train, &none, seed).map_err(mine)?;
            let fit_s = watch.cpu_s();
            let found =
                scored(fit_s, watch, cost, || model.scores(archs), || model.predict(archs)).map_err(mine)?;
            let believed = if cost { None } else { Some(held(&model, &split.test).map_err(mine)?) };
            Found { believed, ..found }
        }
        Method::Ours if cost => {
            let model = Costs { features: see, blocks }.fit(train, &none, seed).map_err(mine)?;
            let fit_s = watch.cpu_s();
            let values = model.predict(archs).map_err(mine)?;
            let (doubt, _) = model.choice();
            Found { chosen: Some(format!("doubt {doubt:?}").to_lowercase()), ..plain(values, fit_s) }
        }
        Method::Ours => {
            let model = Ours { features: see, blocks }.fit(train, &none, seed).map_err(mine)?;
            let fit_s = watch.cpu_s();
            let found =
                scored(fit_s, watch, cost, || model.scores(archs), || model.predict(archs)).map_err(mine)?;
            let believed = Some(held(&model, &split.test).map_err(mine)?);
            Found { believed, chosen: Some(format!("{:?}", model.choice().method).to_lowercase()), ..found }
        }
        _ => {
            return Err(anyhow!("this method is no surrogate")).or_failed();
        }
    })
}

/// Values, and for accuracies what orders, of which the seconds are.
fn scored(
    fit_s: f64,
    watch: &Stopwatch,
    cost: bool,
    scores: impl Fn() -> Result<Vec<f64>, SurrogateError>,
    values: impl Fn() -> Result<Vec<f64>, SurrogateError>,
) -> Result<Found, SurrogateError> {
    let scores = if cost { None } else { Some(scores()?) };
    let ordered = watch.cpu_s() - fit_s;
    let values = values()?;
    let score_s = if cost { watch.cpu_s() - fit_s } else { ordered };
    Ok(Found { values, scores, fit_s, score_s, ..Found::default() })
}

/// Percent of labels within each interval of their belief.
fn held<M: Believe<Cell>>(model: &M, test: &Labelled<Cell>) -> Result<[f64; 3], M::Error> {
    let beliefs = model.believe(test.archs())?;
    let off: Vec<f64> = beliefs
        .iter()
        .zip(test.values())
        .map(|(belief, label)| (model.scaled(*label) - belief.mean).abs() / belief.of_label())
        .collect();
    let share =
        |bound: f64| 100.0 * off.iter().filter(|off| **off <= bound).count() as f64 / off.len() as f64;
    Ok(HOLD.map(share))
}

/// The multiple that is best relative to the labels.
fn proportional(train: &Labelled<Cell>) -> Result<f64, Failure> {
    let shares: Vec<f64> = train.iter().map(|(cell, label)| multiply_adds(cell) / label).collect();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    let share = shares.iter().sum::<f64>() / squares;
    if share.is_finite() {
        Ok(share)
    } else {
        Err(anyhow!("no multiple of the multiply-adds fits labels of 0")).or_input()
    }
}

/// Operation by edge.
fn one_hot(cell: &Cell) -> Vec<f64> {
    let of = |own: Operation| Operation::ALL.into_iter().map(move |op| f64::from(u8::from(op == own)));
    cell.operations().into_iter().flat_map(of).collect()
}
