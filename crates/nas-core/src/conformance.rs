//! What every implementor of a trait must hold, as functions to call from a test.
//!
//! Each returns the first thing that does not hold, in words, with the case that shows it.

use crate::{Decisions, Evaluation, Labelled, Predict, Rank, SearchSpace, Searcher, Seed, Trial};
use std::collections::BTreeSet;
use std::fmt::Display;

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

/// Checks the decisions of a space on `cases` random architectures: an architecture has as many choices as there
/// are decisions, each in its range; they make it again; random choices make an architecture or nothing; a wrong
/// number of choices, or one out of range, makes none.
///
/// # Errors
/// The first violation.
pub fn decisions<S: Decisions>(space: &S, cases: usize, seed: Seed) -> Result<(), String> {
    let counts = space.decisions();
    if counts.contains(&0) {
        return Err("a decision has no choices".into());
    }
    let mut rng = seed.stream("decisions");
    for _ in 0..cases {
        let arch = space.sample(&mut rng);
        let choices = space.choices_of(&arch);
        if choices.len() != counts.len() || choices.iter().zip(&counts).any(|(choice, count)| choice >= count)
        {
            return Err(format!("{arch} has the choices {choices:?} where {counts:?} are possible"));
        }
        if space.arch_of(&choices).as_ref() != Some(&arch) {
            return Err(format!("the choices {choices:?} of {arch} do not make it"));
        }
        let mut wrong = choices.clone();
        wrong.push(0);
        if space.arch_of(&wrong).is_some() {
            return Err(format!("{wrong:?} is one choice too many, but makes an architecture"));
        }
        for (at, count) in counts.iter().enumerate() {
            wrong.clone_from(&choices);
            wrong[at] = *count;
            if space.arch_of(&wrong).is_some() {
                return Err(format!("choice {at} of {wrong:?} is out of range, but makes an architecture"));
            }
        }
    }
    Ok(())
}

/// Checks a strategy under a budget of `budget` trials: it asks for no more than there is room for and never for
/// an architecture twice; the same results lead to the same questions; failures and values that are
/// not numbers are no reason to stop.
///
/// `make` gives a fresh strategy of always the same settings and seed. `value` is what training an architecture
/// gives; none where that fails. Gives what was asked for.
///
/// # Errors
/// The first violation.
pub fn searcher<A, S>(
    make: impl Fn() -> Result<S, S::Error>,
    value: impl Fn(&A) -> Option<f64>,
    budget: usize,
) -> Result<Vec<A>, String>
where
    A: Clone + Display + Ord,
    S: Searcher<A>,
{
    let play = |value: &dyn Fn(&A) -> Option<f64>| -> Result<Vec<A>, String> {
        let mut strategy = make().map_err(|error| format!("it cannot be made: {error}"))?;
        let (mut asked, mut seen) = (Vec::new(), BTreeSet::new());
        for iteration in 0.. {
            let room = budget - asked.len();
            if room == 0 {
                break;
            }
            let batch = strategy.ask(room).map_err(|error| format!("ask failed: {error}"))?;
            if batch.len() > room {
                return Err(format!("it asks for {} where there is room for {room}", batch.len()));
            }
            if batch.is_empty() {
                break;
            }
            let mut trials = Vec::with_capacity(batch.len());
            for arch in batch {
                if !seen.insert(arch.clone()) {
                    return Err(format!("{arch} is asked for twice"));
                }
                let result = value(&arch).map(Evaluation::of).ok_or_else(|| "failed".to_string());
                trials.push(Trial { number: asked.len(), iteration, arch: arch.clone(), result });
                asked.push(arch);
            }
            strategy.tell(&trials).map_err(|error| format!("tell failed: {error}"))?;
        }
        Ok(asked)
    };
    let once = play(&value)?;
    if play(&value)? != once {
        return Err("the same results lead to other questions the second time".into());
    }
    for (what, value) in [
        ("everything fails", &(|_: &A| None) as &dyn Fn(&A) -> Option<f64>),
        ("everything is equal", &|_| Some(1.0)),
        ("every other value is not a number", &|arch| {
            value(arch).map(|v| if v > 0.0 { f64::NAN } else { v })
        }),
    ] {
        let asked = play(value).map_err(|error| format!("where {what}: {error}"))?;
        if asked.len() != once.len() {
            let (found, expected) = (asked.len(), once.len());
            return Err(format!("where {what}, it asks for {found} architectures and not {expected}"));
        }
    }
    Ok(once)
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
    for (found, expected) in [(again.len(), archs.len()), (half.len(), archs.len() / 2)] {
        if found != expected {
            return Err(format!("asked again, {expected} architectures gave {found} values"));
        }
    }
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
