//! What every implementor of a trait must hold, as functions to call from a test.
//!
//! Each returns the first thing that does not hold, in words, with the case that shows it.

use crate::{Labelled, Predict, Rank, SearchSpace, Seed};
use std::collections::BTreeSet;

/// Checks a space on `cases` random architectures: print and parse are inverse, a mutation is one of the
/// neighbours, neighbourhood is symmetric and without repetition, the same seed gives the same samples,
/// and enumeration (where the space has one of at most 100,000) gives `len` distinct architectures.
///
/// # Errors
/// The first violation.
pub fn space<S: SearchSpace>(space: &S, cases: usize, seed: Seed) -> Result<(), String> {
    let (mut once, mut again) = (seed.stream("conformance"), seed.stream("conformance"));
    let mut edits = seed.stream("edits");
    for _ in 0..cases {
        let arch = space.sample(&mut once);
        if arch != space.sample(&mut again) {
            return Err(format!("the same seed gave {arch} and another architecture"));
        }
        let text = arch.to_string();
        match space.parse(&text) {
            Ok(back) if back == arch => {}
            Ok(back) => return Err(format!("{text} parses as {back}")),
            Err(error) => return Err(format!("{text} is printed but not parsed: {error}")),
        }
        let neighbours = space.neighbours(&arch);
        if neighbours.iter().collect::<BTreeSet<_>>().len() != neighbours.len() {
            return Err(format!("{arch} has the same neighbour twice"));
        }
        if neighbours.contains(&arch) {
            return Err(format!("{arch} is its own neighbour"));
        }
        let child = space.mutate(&arch, &mut edits);
        if !neighbours.contains(&child) {
            return Err(format!("{arch} mutates to {child}, which is not a neighbour"));
        }
        if !space.neighbours(&child).contains(&arch) {
            return Err(format!("{child} is a neighbour of {arch}, but not the other way round"));
        }
    }
    let small = space.len().filter(|&n| n <= 100_000);
    if let (Some(len), Some(all)) = (small, space.enumerate()) {
        let distinct: BTreeSet<_> = all.collect();
        if distinct.len() as u64 != len {
            return Err(format!("len is {len}, but enumeration gives {} architectures", distinct.len()));
        }
    }
    Ok(())
}

/// Checks that value `i` depends on `archs[i]` alone (bit for bit, in another order and company), that there
/// is one finite value an architecture, and that no architectures give no values.
///
/// # Errors
/// The first violation.
pub fn predictor<A: Clone, P: Predict<A>>(model: &P, archs: &[A]) -> Result<(), String> {
    let say = |error: P::Error| format!("predict failed: {error}");
    let values = model.predict(archs).map_err(say)?;
    if values.len() != archs.len() {
        return Err(format!("{} architectures gave {} values", archs.len(), values.len()));
    }
    if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
        return Err(format!("value {bad} is {}", values[bad]));
    }
    let backwards: Vec<A> = archs.iter().rev().cloned().collect();
    let mut again = model.predict(&backwards).map_err(say)?;
    again.reverse();
    let half = model.predict(&archs[..archs.len() / 2]).map_err(say)?;
    for (i, &value) in values.iter().enumerate() {
        if again[i] != value || half.get(i).is_some_and(|&v| v != value) {
            return Err(format!("value {i} depends on the architectures beside it"));
        }
    }
    match model.predict(&[]) {
        Ok(none) if none.is_empty() => Ok(()),
        Ok(some) => Err(format!("no architectures gave {} values", some.len())),
        Err(error) => Err(format!("no architectures gave an error: {error}")),
    }
}

/// Checks that a ranking is a permutation, and that it orders the architectures of `better` (best value
/// first) with at least `agreement` of all pairs right: a fitted model must have learned something.
///
/// # Errors
/// The first violation.
pub fn ranker<A, R: Rank<A>>(model: &R, truth: &Labelled<A>, agreement: f64) -> Result<(), String> {
    let order = model.rank(truth.archs()).map_err(|error| format!("rank failed: {error}"))?;
    let distinct: BTreeSet<_> = order.iter().copied().filter(|&i| i < truth.len()).collect();
    if order.len() != truth.len() || distinct.len() != truth.len() {
        return Err(format!("the ranking of {} architectures is not a permutation", truth.len()));
    }
    let (mut right, mut pairs) = (0_usize, 0_usize);
    for (i, &better) in order.iter().enumerate() {
        for &worse in &order[i + 1..] {
            let (b, w) = (truth.values()[better], truth.values()[worse]);
            right += usize::from(b > w);
            pairs += usize::from(b != w);
        }
    }
    if (right as f64) < agreement * pairs as f64 {
        return Err(format!("only {right} of {pairs} pairs are ordered right"));
    }
    Ok(())
}
