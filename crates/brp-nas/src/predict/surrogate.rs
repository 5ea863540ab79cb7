//! Predictors without tensors: baselines, boosted trees, Gaussian processes.

use super::found::Found;
use super::{Label, Method, Plan};
use crate::failure::{Failure, OrFail};
use crate::features::{CellFeatures, cost_blocks, costs};
use crate::host::Stopwatch;
use crate::registry::multiply_adds;
use anyhow::anyhow;
use nas_core::{Believe, Fit, Labelled, Predict, Seed, Split};
use predictors::Ridge;
use spaces::nas_bench_201::{Cell, Operation};
use surrogates::{
    Block, Boosting, BoostingSettings, Costs, GaussianProcess, GaussianSettings, Ours, SurrogateError,
};

/// How many deviations hold 50, 80 and 95 % of a normal distribution.
const HOLD: [f64; 3] = [0.674_490, 1.281_552, 1.959_964];

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
    let mine = |error: SurrogateError| match error {
        SurrogateError::Covariance { .. } => Failure::Failed(error.into()),
        other => Failure::Input(other.into()),
    };
    match plan.method {
        Method::Boosting => {
            let settings = if cost { BoostingSettings::cost() } else { BoostingSettings::default() };
            let model = Boosting { features: see, settings }.fit(train, &none, seed).map_err(mine)?;
            scored(watch, cost, || model.scores(archs), || model.predict(archs)).map_err(mine)
        }
        Method::Gp => {
            let settings = if cost { GaussianSettings::cost() } else { GaussianSettings::rank() };
            let model = GaussianProcess { features: see, blocks, settings };
            let model = model.fit(train, &none, seed).map_err(mine)?;
            let found = scored(watch, cost, || model.scores(archs), || model.predict(archs)).map_err(mine)?;
            let believed = if cost { None } else { Some(held(&model, &split.test).map_err(mine)?) };
            Ok(Found { believed, ..found })
        }
        _ if cost => {
            let model = Costs { features: see, blocks }.fit(train, &none, seed).map_err(mine)?;
            let (doubt, _) = model.choice();
            let found = Found::of(watch, || model.predict(archs)).map_err(mine)?;
            Ok(Found { chosen: Some(format!("doubt {doubt:?}").to_lowercase()), ..found })
        }
        _ => {
            let model = Ours { features: see, blocks }.fit(train, &none, seed).map_err(mine)?;
            let found = scored(watch, cost, || model.scores(archs), || model.predict(archs)).map_err(mine)?;
            let believed = Some(held(&model, &split.test).map_err(mine)?);
            Ok(Found {
                believed,
                chosen: Some(format!("{:?}", model.choice().method).to_lowercase()),
                ..found
            })
        }
    }
}

/// A multiple of the multiply-adds.
pub(super) fn multiple(split: &Split<Cell>, watch: &Stopwatch) -> Result<Found, Failure> {
    let share = proportional(&split.train)?;
    Found::of(watch, || Ok(split.test.archs().iter().map(|cell| share * multiply_adds(cell)).collect()))
}

/// A sum over the edges.
pub(super) fn layers(split: &Split<Cell>, seed: Seed, watch: &Stopwatch) -> Result<Found, Failure> {
    let ridge = Ridge { describe: one_hot, penalty: 1e-3 };
    let model = ridge.fit(&split.train, &Labelled::empty(), seed).or_failed()?;
    Found::of(watch, || model.predict(split.test.archs())).or_failed()
}

/// Values, and for accuracies what orders, of which the seconds are.
fn scored(
    watch: &Stopwatch,
    cost: bool,
    scores: impl Fn() -> Result<Vec<f64>, SurrogateError>,
    values: impl Fn() -> Result<Vec<f64>, SurrogateError>,
) -> Result<Found, SurrogateError> {
    if cost {
        return Found::of(watch, values);
    }
    Ok(Found { values: Some(values()?), ..Found::of_scores(watch, scores)? })
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
