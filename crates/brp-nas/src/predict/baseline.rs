//! What is simple enough to compare with: multiply-adds, sums over places, a random forest.

use super::Method;
use super::found::Found;
use super::network::mine;
use crate::columns;
use crate::failure::{Failure, OrFail};
use crate::host::Stopwatch;
use crate::predictable::{Lookup, Predictable};
use anyhow::anyhow;
use nas_core::{Fit, Labelled, Predict, Seed, Split, stats};
use predictors::{CostLine, Forest, ForestSettings, PredictError, Ridge};
use rand::seq::SliceRandom;
use tables::TableRef;

/// Parts of the training data, each held out once.
const FOLDS: usize = 5;

/// The penalties of a linear model that are tried, from the weakest.
const PENALTIES: [f64; 6] = [1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0];

pub(super) fn fit<S: Predictable>(
    space: &S,
    method: Method,
    split: &Split<S::Arch>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let (train, archs, none) = (&split.train, split.test.archs(), Labelled::empty());
    let describe = |arch: &S::Arch| space.one_hot(arch);
    // every space has one
    let cost = |arch: &S::Arch| space.multiply_adds(arch).unwrap_or(0.0);
    match method {
        Method::Flops => {
            let model = CostLine { cost }.fit(train, &none, seed).map_err(mine)?;
            Found::of(watch, || model.predict(archs)).or_failed()
        }
        Method::FlopsProportional => {
            let share = proportional(cost, train);
            Found::of(watch, || Ok(archs.iter().map(|arch| share * cost(arch)).collect()))
        }
        Method::Layers => sum(describe, split, seed, watch),
        // an architecture that is not drawn has a row of another length, which is refused
        Method::LayersByOperation => {
            sum(|arch| space.operations(arch).unwrap_or_default(), split, seed, watch)
        }
        Method::LayersLive => sum(|arch| space.one_hot_live(arch), split, seed, watch),
        Method::Forest => {
            let forest = Forest { describe, settings: ForestSettings::default() };
            let model = forest.fit(train, &none, seed).map_err(mine)?;
            Found::of(watch, || model.predict(archs)).or_failed()
        }
        _ => {
            let penalty = penalty(describe, train, seed).map_err(mine)?;
            let model = Ridge { describe, penalty }.fit(train, &none, seed).map_err(mine)?;
            let found = Found::of(watch, || model.predict(archs)).or_failed()?;
            Ok(Found { chosen: Some(format!("a penalty of {penalty}")), ..found })
        }
    }
}

/// A sum of what is described, held back by next to nothing.
fn sum<A>(
    describe: impl Fn(&A) -> Vec<f64> + Clone,
    split: &Split<A>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let ridge = Ridge { describe, penalty: PENALTIES[0] };
    let model = ridge.fit(&split.train, &Labelled::empty(), seed).map_err(mine)?;
    Found::of(watch, || model.predict(split.test.archs())).or_failed()
}

/// What operations cost.
pub(super) struct LatencyTable<A> {
    base: f64,
    /// What each adds.
    parts: Vec<f64>,
    counts: fn(&A) -> Vec<f64>,
}

/// From the rows of single operations.
pub(super) fn lookup<S: Predictable>(space: &S, table: &TableRef) -> Result<LatencyTable<S::Arch>, Failure> {
    // of classes too, whose first need not be the one with a single operation
    let column = columns::read_column(space, table)?;
    let none = || anyhow!("--method lookup: no single operations are known of {}", space.name());
    let Lookup { base, parts, counts } = space.lookup().ok_or_else(none).or_input()?;
    let of = |arch: &S::Arch| {
        let missing =
            || anyhow!("--method lookup needs the latency of {arch}, which the table has not: measure it");
        column.get(arch).ok_or_else(missing).or_input()
    };
    let base = of(&base)?;
    let parts = parts.iter().map(|part| Ok(of(part)? - base)).collect::<Result<_, Failure>>()?;
    Ok(LatencyTable { base, parts, counts })
}

pub(super) fn look_up<A>(
    table: Option<&LatencyTable<A>>,
    split: &Split<A>,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let LatencyTable { base, parts, counts } =
        table.ok_or_else(|| anyhow!("the table of operations was not made")).or_failed()?;
    let sum = |arch: &A| base + counts(arch).iter().zip(parts).map(|(count, ms)| count * ms).sum::<f64>();
    Found::of(watch, || Ok(split.test.archs().iter().map(sum).collect()))
}

/// The penalty whose linear model errs least on what was held out of the training data; the strongest where nothing
/// can be held out.
fn penalty<A: Clone>(
    describe: impl Fn(&A) -> Vec<f64> + Copy,
    train: &Labelled<A>,
    seed: Seed,
) -> Result<f64, PredictError> {
    let mut order: Vec<usize> = (0..train.len()).collect();
    order.shuffle(&mut seed.stream("folds"));
    let mut errors = [0.0; PENALTIES.len()];
    let mut judged = false;
    for part in 0..FOLDS {
        let held: Vec<usize> = order.iter().skip(part).step_by(FOLDS).copied().collect();
        let rest: Vec<usize> = (0..train.len()).filter(|row| !held.contains(row)).collect();
        let (held, rest) = (train.select(&held), train.select(&rest));
        for (error, penalty) in errors.iter_mut().zip(PENALTIES) {
            // what is left may have equal labels; then nothing can be said of this part
            let Ok(model) = (Ridge { describe, penalty }).fit(&rest, &Labelled::empty(), seed) else {
                continue;
            };
            let said = model.predict(held.archs())?;
            if let Ok(mse) = stats::mse(&said, held.values()) {
                *error += mse * held.len() as f64;
                judged = true;
            }
        }
    }
    let best = errors.iter().zip(PENALTIES).min_by(|a, b| a.0.total_cmp(b.0)).filter(|_| judged);
    Ok(best.map_or(PENALTIES[PENALTIES.len() - 1], |(_, penalty)| penalty))
}

/// The multiple that is best relative to the labels; labels of 0, which none is near, say nothing. A multiple of 1 keeps at
/// least the order where no label says anything.
fn proportional<A>(cost: impl Fn(&A) -> f64, train: &Labelled<A>) -> f64 {
    let shares = train.iter().map(|(arch, label)| cost(arch) / label);
    let shares: Vec<f64> = shares.filter(|share| share.is_finite()).collect();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    let share = shares.iter().sum::<f64>() / squares;
    if share.is_finite() { share } else { 1.0 }
}
