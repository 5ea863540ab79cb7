//! Boosted trees and Gaussian processes on features.

use super::found::Found;
use super::{Ground, Label, Method};
use crate::failure::Failure;
use crate::host::Stopwatch;
use crate::predictable::Predictable;
use nas_core::{Believe, Fit, Labelled, Predict, Seed, Split};
use surrogates::{
    Boosting, BoostingSettings, Costs, GaussianProcess, GaussianSettings, Ours, SurrogateError,
};

/// How many deviations hold 50, 80 and 95 % of a normal distribution.
const HOLD: [f64; 3] = [0.674_490, 1.281_552, 1.959_964];

pub(super) fn fit<S: Predictable>(
    ground: &Ground<'_, S>,
    method: Method,
    split: &Split<S::Arch>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let (train, archs, none) = (&split.train, split.test.archs(), Labelled::empty());
    let cost = ground.plan.label == Label::Latency;
    let features = ground.features()?;
    let see = |arch: &S::Arch| features.of(arch);
    let blocks = features.blocks();
    let mine = |error: SurrogateError| match error {
        SurrogateError::Covariance { .. } => Failure::Failed(error.into()),
        other => Failure::Input(other.into()),
    };
    match method {
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
            let doubt = format!("doubt {doubt:?}").to_lowercase();
            Ok(Found { chosen: Some(format!("{doubt}, {}", shared(model.share()))), ..found })
        }
        _ => {
            let model = Ours { features: see, blocks }.fit(train, &none, seed).map_err(mine)?;
            let found = scored(watch, cost, || model.scores(archs), || model.predict(archs)).map_err(mine)?;
            let believed = Some(held(&model, &split.test).map_err(mine)?);
            Ok(Found { believed, chosen: Some(shared(model.choice().process)), ..found })
        }
    }
}

/// Of trees and process, in words.
fn shared(process: f64) -> String {
    format!("{:.1} boosting + {process:.1} gp", 1.0 - process)
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
    // before the values, whose time is nobody's
    let found = Found::of_scores(watch, scores)?;
    Ok(Found { values: Some(values()?), ..found })
}

/// Percent of labels within each interval of their belief.
fn held<A, M: Believe<A>>(model: &M, test: &Labelled<A>) -> Result<[f64; 3], M::Error> {
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
