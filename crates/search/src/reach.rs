use crate::SearchError;
use nas_core::Seed;
use nas_core::stats::{Interval, quantile};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// What is better at every place of a curve so far: the curve that the papers draw.
///
/// ```
/// assert_eq!(search::running_best([1.0, 3.0, 2.0]), [1.0, 3.0, 3.0]);
/// ```
pub fn running_best(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut best = f64::NEG_INFINITY;
    let larger = |value: f64| {
        best = best.max(value);
        best
    };
    values.into_iter().map(larger).collect()
}

/// After how many evaluations the mean of some curves first reaches `target`; none where it does not. A curve
/// that has ended keeps its last value.
///
/// ```
/// let curves = [vec![1.0, 2.0, 4.0], vec![1.0, 3.0]];
/// assert_eq!(search::reached(&curves, 2.5), Some(2));
/// assert_eq!(search::reached(&curves, 4.0), None);
/// ```
pub fn reached<C: AsRef<[f64]>>(curves: &[C], target: f64) -> Option<usize> {
    mean_curve(curves, None).iter().position(|mean| *mean >= target).map(|place| place + 1)
}

/// The mean of curves, or of those that `rows` names; a curve that has ended keeps its last value.
fn mean_curve<C: AsRef<[f64]>>(curves: &[C], rows: Option<&[usize]>) -> Vec<f64> {
    let all: Vec<usize> = (0..curves.len()).collect();
    let curves: Vec<&[f64]> = rows.unwrap_or(&all).iter().map(|&row| curves[row].as_ref()).collect();
    if curves.iter().any(|curve| curve.is_empty()) {
        return Vec::new();
    }
    let length = curves.iter().map(|curve| curve.len()).max().unwrap_or(0);
    let at = |curve: &[f64], place: usize| curve.get(place).or(curve.last()).copied().unwrap_or_default();
    let mean = |place| curves.iter().map(|curve| at(curve, place)).sum::<f64>() / curves.len() as f64;
    (0..length).map(mean).collect()
}

/// How many evaluations one way of searching saves over another (Zero-Cost NAS, table 6).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The value that both reach: the smaller of their last means.
    pub target: f64,
    /// After how many evaluations the mean without reaches it.
    pub without: usize,
    /// After how many the mean with reaches it.
    pub with: usize,
    /// The difference; negative where it costs evaluations.
    pub evaluations: f64,
    /// What of it is chance: of 95 % of bootstrap samples of the runs.
    pub interval: Interval,
}

/// How many evaluations `with` saves over `without` to reach the same mean, with a percentile bootstrap interval
/// over the runs. Curves are of the best so far, one a run. O(resamples runs length).
///
/// # Errors
/// No runs, or an empty curve.
pub fn saved<C: AsRef<[f64]>>(
    without: &[C],
    with: &[C],
    resamples: usize,
    seed: Seed,
) -> Result<Saved, SearchError> {
    let compare = |rows: Option<(&[usize], &[usize])>| {
        let base = mean_curve(without, rows.map(|(rows, _)| rows));
        let other = mean_curve(with, rows.map(|(_, rows)| rows));
        let target = base.last()?.min(*other.last()?);
        let at = |curve: &[f64]| curve.iter().position(|mean| *mean >= target).map(|place| place + 1);
        Some((target, at(&base)?, at(&other)?))
    };
    let none = || SearchError::TooFew { wanted: 1, purpose: "as a curve of each run", there: 0 };
    let (target, before, after) = compare(None).ok_or_else(none)?;
    let difference = |before: usize, after: usize| before as f64 - after as f64;
    let mut rng = seed.stream("saved");
    let mut draw = |count: usize| -> Vec<usize> { (0..count).map(|_| rng.random_range(0..count)).collect() };
    let mut drawn = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        let rows = (draw(without.len()), draw(with.len()));
        drawn.extend(compare(Some((&rows.0, &rows.1))).map(|(_, before, after)| difference(before, after)));
    }
    let interval = Interval { low: quantile(&drawn, 0.025), high: quantile(&drawn, 0.975) };
    Ok(Saved { target, without: before, with: after, evaluations: difference(before, after), interval })
}
