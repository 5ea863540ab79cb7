use crate::SearchError;
use nas_core::{Scorer, order_by_score};

/// Candidates that were scored before anything is trained, to start from the best of them (Zero-Cost NAS,
/// section 5.1).
///
/// Every strategy takes one: random search asks in its order, evolution takes its first pool from it, a policy
/// imitates its best, a predictor is trained on it.
///
/// ```
/// use search::WarmUp;
/// let score = |x: &i32| if *x < 0 { f64::NAN } else { f64::from(*x % 10) };
/// let warm_up = WarmUp::new(vec![5, 19, -3, 7], &score)?;
/// assert_eq!(warm_up.archs().collect::<Vec<_>>(), [&19, &7, &5]);
/// assert_eq!((warm_up.asked, warm_up.unscored), (4, 1));
/// assert!(WarmUp::new(vec![-1, -2], &score).is_err());
/// # Ok::<(), search::SearchError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WarmUp<A> {
    /// Those that have a score, the largest first; equal ones as they were given.
    pub scored: Vec<(A, f64)>,
    /// How many were to be scored.
    pub asked: usize,
    /// How many of them have no score: the scorer failed, or gave NaN.
    pub unscored: usize,
}

impl<A> WarmUp<A> {
    /// Scores all candidates. O(n log n) beside the scorer.
    ///
    /// # Errors
    /// [`SearchError::NothingScored`] where no candidate has a score, and none at all.
    pub fn new<P: Scorer<A> + ?Sized>(candidates: Vec<A>, scorer: &P) -> Result<Self, SearchError> {
        let (asked, mut reason) = (candidates.len(), None);
        let scores: Vec<f64> = usable(scorer.scores(&candidates), asked, &mut reason);
        let order = order_by_score(&scores);
        let mut slots: Vec<Option<A>> = candidates.into_iter().map(Some).collect();
        let with_score = order.into_iter().filter(|&i| !scores[i].is_nan());
        let scored: Vec<(A, f64)> = with_score.filter_map(|i| Some((slots[i].take()?, scores[i]))).collect();
        if scored.is_empty() {
            let reason = reason.unwrap_or_else(|| "there are none".into());
            return Err(SearchError::NothingScored { asked, reason });
        }
        Ok(Self { unscored: asked - scored.len(), scored, asked })
    }

    /// The architectures, best first.
    pub fn archs(&self) -> impl Iterator<Item = &A> {
        self.scored.iter().map(|(arch, _)| arch)
    }
}

/// One number a candidate, NaN where there is no score; the first reason is kept.
pub(crate) fn usable(
    scores: Vec<Result<f64, String>>,
    asked: usize,
    reason: &mut Option<String>,
) -> Vec<f64> {
    let mut numbers: Vec<f64> = scores
        .into_iter()
        .take(asked)
        .map(|score| match score {
            Ok(score) if !score.is_nan() => score,
            Ok(_) => {
                reason.get_or_insert_with(|| "the score is NaN".into());
                f64::NAN
            }
            Err(why) => {
                reason.get_or_insert(why);
                f64::NAN
            }
        })
        .collect();
    // a scorer that gives fewer scores than it was asked for
    numbers.resize(asked, f64::NAN);
    numbers
}
