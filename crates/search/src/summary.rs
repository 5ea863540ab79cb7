use nas_core::{Evaluation, Trial};
use serde::{Deserialize, Serialize};

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Index of the trial with the largest value among those that meet the limit; the first of equals.
    pub best: Option<usize>,
    /// Trials whose evaluation failed.
    pub failed: usize,
    /// Trials that were evaluated but are slower than the limit, although the predictor let them pass; not those of which
    /// no latency is known.
    pub false_positives: usize,
}

/// The best trial by value among those whose measured latency is at most `limit` (all, where there is none).
///
/// A trial without a measured latency does not meet a limit. O(n).
pub fn summarise<A>(trials: &[Trial<A>], limit: Option<f64>) -> Summary {
    let mut summary = Summary { best: None, failed: 0, false_positives: 0 };
    let mut best = f64::NEG_INFINITY;
    for (i, trial) in trials.iter().enumerate() {
        let Ok(evaluation) = &trial.result else {
            summary.failed += 1;
            continue;
        };
        let meets = meets(evaluation, limit);
        let slower = |limit| evaluation.latency_ms.is_some_and(|ms| ms > limit);
        summary.false_positives += usize::from(limit.is_some_and(slower));
        if meets && (evaluation.value > best || summary.best.is_none()) {
            best = evaluation.value;
            summary.best = Some(i);
        }
    }
    summary
}

fn meets(evaluation: &Evaluation, limit: Option<f64>) -> bool {
    limit.is_none_or(|limit| evaluation.latency_ms.is_some_and(|ms| ms <= limit))
}

/// The largest value after each trial among those that meet the limit; none before the first that does. O(n).
///
/// ```
/// use nas_core::{Evaluation, Trial};
/// let trial = |value, ms| Trial {
///     number: 0,
///     iteration: 0,
///     arch: (),
///     result: Ok(Evaluation { value, latency_ms: Some(ms), cost_s: None }),
/// };
/// let trials = [trial(3.0, 9.0), trial(1.0, 2.0), trial(2.0, 2.0), trial(1.5, 1.0)];
/// assert_eq!(search::best_so_far(&trials, Some(5.0)), [None, Some(1.0), Some(2.0), Some(2.0)]);
/// ```
pub fn best_so_far<A>(trials: &[Trial<A>], limit: Option<f64>) -> Vec<Option<f64>> {
    let mut best = None;
    let after = |trial: &Trial<A>| {
        if let Ok(evaluation) = &trial.result
            && meets(evaluation, limit)
        {
            best = Some(best.map_or(evaluation.value, |best: f64| best.max(evaluation.value)));
        }
        best
    };
    trials.iter().map(after).collect()
}
