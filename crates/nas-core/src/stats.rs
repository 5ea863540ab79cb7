//! Rank statistics and error measures, each defined as in SciPy or the papers.
//!
//! Values are `f64` in any unit. What compares two columns refuses lengths that differ and values that are not finite;
//! what sums up one column (ranks, mean, deviations, quantiles) takes every value as it is.

use crate::{Seed, order_by_score};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};
use thiserror::Error;

/// Why a statistic has no value.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum StatsError {
    /// The two columns differ in length.
    #[error("{left} values against {right}: one for one is needed")]
    Lengths {
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
    },
    /// Not enough values.
    #[error("{found} values, at least {needed} are needed")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A value is NaN or infinite.
    #[error("value {index} is {value}; only finite values can be compared")]
    NotFinite {
        /// Position.
        index: usize,
        /// The value.
        value: f64,
    },
    /// All values of a column are equal, so that no order exists to agree with.
    #[error("all {0} values of a column are equal: a correlation is not defined")]
    Constant(usize),
    /// A share or level outside its range.
    #[error("{name} is {value}, but lies between 0 and 1")]
    Share {
        /// Name of the parameter.
        name: &'static str,
        /// Its value.
        value: f64,
    },
}

fn check(x: &[f64], y: &[f64], needed: usize) -> Result<(), StatsError> {
    if x.len() != y.len() {
        return Err(StatsError::Lengths { left: x.len(), right: y.len() });
    }
    if x.len() < needed {
        return Err(StatsError::TooFew { found: x.len(), needed });
    }
    for column in [x, y] {
        if let Some(index) = column.iter().position(|v| !v.is_finite()) {
            return Err(StatsError::NotFinite { index, value: column[index] });
        }
    }
    Ok(())
}

fn check_varied(x: &[f64], y: &[f64]) -> Result<(), StatsError> {
    check(x, y, 2)?;
    let constant = |c: &[f64]| c.iter().all(|&v| v == c[0]);
    if constant(x) || constant(y) { Err(StatsError::Constant(x.len())) } else { Ok(()) }
}

/// Kendall's tau-b (Kendall 1945, with ties; SciPy's `kendalltau`), by Knight's algorithm in O(n log n).
///
/// # Errors
/// Unequal lengths, fewer than two values, a value that is not finite, a constant column.
///
/// ```
/// # use nas_core::stats::kendall_tau_b;
/// assert_eq!(kendall_tau_b(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0])?, 1.0 / 3.0);
/// # Ok::<(), nas_core::stats::StatsError>(())
/// ```
pub fn kendall_tau_b(x: &[f64], y: &[f64]) -> Result<f64, StatsError> {
    check_varied(x, y)?;
    // `+ 0.0` makes the two zeros one value, as IEEE equality and SciPy have it
    let mut pairs: Vec<(f64, f64)> = x.iter().zip(y).map(|(a, b)| (a + 0.0, b + 0.0)).collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let tied_x = tied(&pairs, |pair| pair.0);
    let tied_both = tied(&pairs, |pair| pair);
    let mut ys: Vec<f64> = pairs.into_iter().map(|(_, y)| y).collect();
    let swaps = sort_counting(&mut ys, &mut vec![0.0; x.len()]);
    let tied_y = tied(&ys, |y| y);
    let all = x.len() as f64 * (x.len() - 1) as f64 / 2.0;
    let difference = all - tied_x - tied_y + tied_both - 2.0 * swaps;
    Ok((difference / ((all - tied_x) * (all - tied_y)).sqrt()).clamp(-1.0, 1.0))
}

/// Pairs of neighbours in order that are equal.
fn tied<T: Copy, K: PartialEq>(sorted: &[T], key: impl Fn(T) -> K) -> f64 {
    let groups = sorted.chunk_by(|&a, &b| key(a) == key(b));
    groups.map(|group| group.len() as f64 * (group.len() - 1) as f64 / 2.0).sum()
}

/// Sorts by merging, and counts the pairs that stood the other way round.
fn sort_counting(values: &mut [f64], room: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    if half == 0 {
        return 0.0;
    }
    let (left, right) = values.split_at_mut(half);
    let mut swaps = sort_counting(left, room) + sort_counting(right, room);
    let (mut i, mut j) = (0, 0);
    for place in &mut room[..left.len() + right.len()] {
        if j == right.len() || i < left.len() && left[i] <= right[j] {
            (*place, i) = (left[i], i + 1);
        } else {
            (*place, j) = (right[j], j + 1);
            swaps += (left.len() - i) as f64;
        }
    }
    values.copy_from_slice(&room[..values.len()]);
    swaps
}

/// Ranks from 1, ties sharing their mean (SciPy's `rankdata`). O(n log n).
///
/// ```
/// assert_eq!(nas_core::stats::average_ranks(&[10.0, 20.0, 10.0]), [1.5, 3.0, 1.5]);
/// ```
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = start as f64 + (group.len() + 1) as f64 / 2.0;
        group.iter().for_each(|&i| ranks[i] = mean);
        start += group.len();
    }
    ranks
}

/// Pearson's correlation of two columns (SciPy's `pearsonr`), in -1..=1.
///
/// # Errors
/// As [`kendall_tau_b`].
///
/// ```
/// # use nas_core::stats::pearson;
/// assert_eq!(pearson(&[0.0, 1e300, 2e300], &[0.0, 1e-300, 2e-300])?, 1.0);
/// # Ok::<(), nas_core::stats::StatsError>(())
/// ```
pub fn pearson(x: &[f64], y: &[f64]) -> Result<f64, StatsError> {
    check_varied(x, y)?;
    let (x, y) = (near_one(x), near_one(y));
    let (mx, my) = (mean(&x), mean(&y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (&a, &b) in x.iter().zip(&y) {
        xy += (a - mx) * (b - my);
        xx += (a - mx) * (a - mx);
        yy += (b - my) * (b - my);
    }
    Ok((xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// Times a power of two, so that no square leaves f64 and no digit is lost.
fn near_one(values: &[f64]) -> Vec<f64> {
    let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let factor = 2_f64.powi(-(largest.log2().floor() as i32).clamp(-1000, 1000));
    values.iter().map(|value| value * factor).collect()
}

/// Spearman's rho: Pearson's correlation of the average ranks (SciPy's `spearmanr`). O(n log n).
///
/// # Errors
/// As [`kendall_tau_b`].
pub fn spearman(x: &[f64], y: &[f64]) -> Result<f64, StatsError> {
    check_varied(x, y)?;
    pearson(&average_ranks(x), &average_ranks(y))
}

/// Share of the true best `k` that is among the predicted best `k`, in 0..=1. Of equal values at either cut any may be
/// taken: the mean over all ways to do so, which does not depend on the order of the rows.
///
/// # Errors
/// Unequal lengths, `k` of zero or beyond the values, a value that is not finite.
///
/// ```
/// # use nas_core::stats::top_k_overlap;
/// assert_eq!(top_k_overlap(&[3.0, 2.0, 1.0, 0.0], &[5.0, 1.0, 4.0, 0.0], 2)?, 0.5);
/// // who says the same of all knows nothing
/// assert_eq!(top_k_overlap(&[0.0; 4], &[4.0, 3.0, 2.0, 1.0], 1)?, 0.25);
/// # Ok::<(), nas_core::stats::StatsError>(())
/// ```
pub fn top_k_overlap(predicted: &[f64], truth: &[f64], k: usize) -> Result<f64, StatsError> {
    check_best(predicted, truth, k)?;
    let (found, best) = (Best::of(predicted, k), Best::of(truth, k));
    let both = predicted.iter().zip(truth).map(|(said, value)| found.chance(*said) * best.chance(*value));
    Ok(both.sum::<f64>() / k as f64)
}

/// Simple regret: the best true value minus the best true value among the predicted best `k`. Of equal predictions at the
/// cut any may be taken: the mean over all ways to do so.
///
/// # Errors
/// As [`top_k_overlap`].
///
/// ```
/// # use nas_core::stats::regret;
/// assert_eq!(regret(&[3.0, 2.0, 1.0], &[5.0, 6.0, 7.0], 2)?, 1.0);
/// assert_eq!(regret(&[0.0; 3], &[5.0, 6.0, 7.0], 1)?, 1.0);
/// # Ok::<(), nas_core::stats::StatsError>(())
/// ```
pub fn regret(predicted: &[f64], truth: &[f64], k: usize) -> Result<f64, StatsError> {
    check_best(predicted, truth, k)?;
    let found = Best::of(predicted, k);
    let of = |is: &dyn Fn(f64) -> bool| -> Vec<f64> {
        let values = predicted.iter().zip(truth).filter(|(said, _)| is(**said));
        values.map(|(_, value)| *value).collect()
    };
    let largest = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sure = largest(&of(&|said| said > found.cut));
    let mut equal = of(&|said| said == found.cut);
    equal.sort_by(|a, b| b.total_cmp(a));
    // the chance that each, from the largest down, is the largest of those that are drawn
    let best = largest(truth);
    let (mut expected, mut chance) = (0.0, found.taken as f64 / found.equal as f64);
    for (at, value) in equal.iter().enumerate().take(found.equal - found.taken + 1) {
        expected += chance * (best - value.max(sure));
        let smaller = found.equal - at - 1;
        chance *= (smaller + 1 - found.taken) as f64 / smaller.max(1) as f64;
    }
    Ok(expected)
}

fn check_best(predicted: &[f64], truth: &[f64], k: usize) -> Result<(), StatsError> {
    check(predicted, truth, k.max(1))?;
    if k == 0 { Err(StatsError::TooFew { found: 0, needed: 1 }) } else { Ok(()) }
}

/// The best `k` of some values: all above a cut, and so many of those that equal it.
struct Best {
    cut: f64,
    equal: usize,
    taken: usize,
}

impl Best {
    fn of(values: &[f64], k: usize) -> Self {
        let cut = order_by_score(values).get(k - 1).map_or(f64::NEG_INFINITY, |&at| values[at]);
        let above = values.iter().filter(|value| **value > cut).count();
        Self { cut, equal: values.iter().filter(|value| **value == cut).count(), taken: k - above }
    }

    /// Of a value to be among them.
    fn chance(&self, value: f64) -> f64 {
        match value {
            value if value > self.cut => 1.0,
            value if value == self.cut => self.taken as f64 / self.equal as f64,
            _ => 0.0,
        }
    }
}

/// Percentage of values predicted within `bound` (0.1 is 10 %) of the truth.
///
/// The error is relative to the truth; eagle counts it relative to the prediction
/// ([`within_of_prediction`]).
///
/// # Errors
/// Unequal lengths, no values, a value that is not finite.
pub fn within(predicted: &[f64], truth: &[f64], bound: f64) -> Result<f64, StatsError> {
    check(predicted, truth, 1)?;
    let hits = predicted.iter().zip(truth).filter(|(p, t)| (*p - *t).abs() <= bound * t.abs()).count();
    Ok(100.0 * hits as f64 / truth.len() as f64)
}

/// [`within`] as eagle counts it: the error relative to the prediction.
///
/// # Errors
/// As [`within`].
pub fn within_of_prediction(predicted: &[f64], truth: &[f64], bound: f64) -> Result<f64, StatsError> {
    within(truth, predicted, bound)
}

/// Mean absolute error in percent of the truth; rows whose truth is 0 are left out.
///
/// # Errors
/// As [`within`], and where every truth is 0.
pub fn mape(predicted: &[f64], truth: &[f64]) -> Result<f64, StatsError> {
    check(predicted, truth, 1)?;
    let rows: Vec<f64> = predicted
        .iter()
        .zip(truth)
        .filter(|(_, t)| **t != 0.0)
        .map(|(p, t)| 100.0 * ((p - t) / t).abs())
        .collect();
    if rows.is_empty() { Err(StatsError::TooFew { found: 0, needed: 1 }) } else { Ok(mean(&rows)) }
}

/// Mean squared error, in the square of the unit.
///
/// # Errors
/// As [`within`].
pub fn mse(predicted: &[f64], truth: &[f64]) -> Result<f64, StatsError> {
    check(predicted, truth, 1)?;
    Ok(predicted.iter().zip(truth).map(|(p, t)| (p - t) * (p - t)).sum::<f64>() / truth.len() as f64)
}

/// Coefficient of determination: 1 minus the squared error over the squared spread of the truth.
///
/// # Errors
/// As [`kendall_tau_b`] (of the truth alone).
pub fn r2(predicted: &[f64], truth: &[f64]) -> Result<f64, StatsError> {
    check_varied(truth, truth)?;
    let middle = vec![mean(truth); truth.len()];
    Ok(1.0 - mse(predicted, truth)? / mse(&middle, truth)?)
}

/// Arithmetic mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The standard deviation of all of a population, with `n` below the root; 0 of nothing.
///
/// ```
/// assert_eq!(nas_core::stats::deviation(&[1.0, 3.0]), 1.0);
/// ```
pub fn deviation(values: &[f64]) -> f64 {
    let middle = mean(values);
    let squares: Vec<f64> = values.iter().map(|v| (v - middle) * (v - middle)).collect();
    mean(&squares).sqrt()
}

/// The deviation of what the values are a sample of, with n - 1 below; 0 of fewer than two.
///
/// ```
/// assert_eq!(nas_core::stats::sample_deviation(&[1.0, 3.0]), 2.0_f64.sqrt());
/// ```
pub fn sample_deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    if count < 2.0 { 0.0 } else { deviation(values) * (count / (count - 1.0)).sqrt() }
}

/// Half of the interval that covers the mean of a normal distribution at `level`, from a sample of it, by Student's t;
/// none of fewer than two values, or for a level outside 0..1.
///
/// ```
/// # use nas_core::stats::half_width;
/// // t of 4 degrees of freedom is 2.776, the deviation of the mean 1 / sqrt(2)
/// let half = half_width(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
/// assert!((half - 2.776 / 2.0_f64.sqrt()).abs() < 1e-3);
/// assert_eq!(half_width(&[1.0], 0.95), None);
/// ```
pub fn half_width(values: &[f64], level: f64) -> Option<f64> {
    if values.len() < 2 || !(0.0 < level && level < 1.0) {
        return None;
    }
    let freedom = values.len() - 1;
    Some(student_t(freedom, level) * deviation(values) / (freedom as f64).sqrt())
}

/// The t that a variable of so many degrees of freedom, at least one, does not exceed in size with this probability: by
/// bisection of the finite sums of Abramowitz and Stegun (26.7.3 and 26.7.4).
fn student_t(freedom: usize, probability: f64) -> f64 {
    let inside = |angle: f64| {
        let (sine, cosine) = angle.sin_cos();
        let odd = freedom % 2 == 1;
        let (mut term, mut sum) = if odd { (cosine, 0.0) } else { (1.0, 0.0) };
        for power in (if odd { 1 } else { 0 }..freedom.saturating_sub(1)).step_by(2) {
            sum += term;
            term *= cosine * cosine * (power + 1) as f64 / (power + 2) as f64;
        }
        if odd { (angle + sine * sum) * FRAC_2_PI } else { sine * sum }
    };
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if inside(middle) < probability { low = middle } else { high = middle }
    }
    (freedom as f64).sqrt() * low.tan()
}

/// The `q`-quantile by linear interpolation (NumPy's default); NaN of nothing.
///
/// ```
/// assert_eq!(nas_core::stats::quantile(&[4.0, 1.0, 2.0, 3.0], 0.5), 2.5);
/// ```
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = q.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

/// The mean of the values from the first to the third quartile, both included and interpolated as in [`quantile`]: the
/// average of LatBench (eagle, `tools/calc_stats.py`). Of two different values, between which the quartiles lie, the
/// mean of both, where eagle has NaN; NaN of nothing.
///
/// ```
/// assert_eq!(nas_core::stats::interquartile_mean(&[1.0, 2.0, 3.0, 4.0, 100.0]), 3.0);
/// assert_eq!(nas_core::stats::interquartile_mean(&[1.0, 2.0]), 1.5);
/// ```
pub fn interquartile_mean(values: &[f64]) -> f64 {
    let (low, high) = (quantile(values, 0.25), quantile(values, 0.75));
    let inner: Vec<f64> = values.iter().copied().filter(|value| (low..=high).contains(value)).collect();
    let some = if inner.is_empty() { values } else { &inner };
    if some.is_empty() { f64::NAN } else { mean(some) }
}

/// The median of the distances from the median; NaN of nothing.
///
/// ```
/// assert_eq!(nas_core::stats::median_deviation(&[1.0, 2.0, 3.0, 5.0, 90.0]), 2.0);
/// ```
pub fn median_deviation(values: &[f64]) -> f64 {
    let middle = quantile(values, 0.5);
    quantile(&values.iter().map(|value| (value - middle).abs()).collect::<Vec<_>>(), 0.5)
}

/// The narrowest interval between two values of equal rank from both ends that holds the median of what they are drawn
/// from with at least this probability, whatever their distribution (David and Nagaraja, Order Statistics, 2003,
/// section 7.1). None where there are too few values for it.
///
/// ```
/// # use nas_core::stats::median_interval;
/// let ten: Vec<f64> = (1..=10).map(f64::from).collect();
/// let interval = median_interval(&ten, 0.95).ok_or("too few")?;
/// assert_eq!((interval.low, interval.high), (2.0, 9.0));
/// assert!(median_interval(&ten[..5], 0.95).is_none());
/// # Ok::<(), &str>(())
/// ```
pub fn median_interval(values: &[f64], level: f64) -> Option<Interval> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    // how many of n fair coins fall on one side; logarithms, because 2^-n has no place in a number for large n
    let (mut log_share, mut below) = (-(n as f64) * std::f64::consts::LN_2, 0.0);
    let mut found = None;
    for from_end in 0..n / 2 {
        below += log_share.exp();
        if 1.0 - 2.0 * below < level {
            break;
        }
        found = Some(Interval { low: sorted[from_end], high: sorted[n - 1 - from_end] });
        log_share += ((n - from_end) as f64 / (from_end + 1) as f64).ln();
    }
    found
}

/// An interval that covers a statistic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Percentile bootstrap (Efron 1979): `statistic` of `resamples` draws with replacement of the rows
/// `0..rows`; a draw on which it has no value is left out.
///
/// # Errors
/// No rows, a level outside 0..1, or no draw with a value.
///
/// ```
/// # use nas_core::{Seed, stats::{bootstrap, mean}};
/// let accuracies = [71.0, 73.0, 72.0, 72.5];
/// let interval = bootstrap(4, 1000, 0.95, Seed(0), |rows| {
///     Some(mean(&rows.iter().map(|&i| accuracies[i]).collect::<Vec<_>>()))
/// })?;
/// assert!(interval.low < 72.1 && 72.1 < interval.high);
/// # Ok::<(), nas_core::stats::StatsError>(())
/// ```
pub fn bootstrap(
    rows: usize,
    resamples: usize,
    level: f64,
    seed: Seed,
    mut statistic: impl FnMut(&[usize]) -> Option<f64>,
) -> Result<Interval, StatsError> {
    if rows == 0 {
        return Err(StatsError::TooFew { found: 0, needed: 1 });
    }
    if !(0.0 < level && level < 1.0) {
        return Err(StatsError::Share { name: "level", value: level });
    }
    let mut rng = seed.stream("bootstrap");
    let mut draw = vec![0; rows];
    let mut values = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        draw.iter_mut().for_each(|i| *i = rng.random_range(0..rows));
        values.extend(statistic(&draw));
    }
    if values.is_empty() {
        return Err(StatsError::TooFew { found: 0, needed: 1 });
    }
    Ok(Interval { low: quantile(&values, (1.0 - level) / 2.0), high: quantile(&values, (1.0 + level) / 2.0) })
}
