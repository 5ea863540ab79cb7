use nas_core::stats::average_ranks;

/// A score of all architectures of a pool as a feature without unit and tails: the logit of the share of the pool
/// below. Those without a score, none or not a number, come first: where a score fails, the network is mostly bad.
///
/// None where no two scores differ, because nothing can be learned from them. O(n log n).
///
/// ```
/// let scores = [Some(1e9), None, Some(2.0), Some(f64::NAN)];
/// let logits = surrogates::by_rank(&scores).unwrap();
/// assert!(logits[0] > logits[2] && logits[2] > logits[1]);
/// assert_eq!(logits[1], logits[3]);
/// assert_eq!(surrogates::by_rank(&[None, Some(f64::NAN)]), None);
/// assert_eq!(surrogates::by_rank(&[Some(2.0), None, Some(2.0)]), None);
/// ```
pub fn by_rank(scores: &[Option<f64>]) -> Option<Vec<f64>> {
    let known = |score: &Option<f64>| score.filter(|score| !score.is_nan());
    let mut there = scores.iter().filter_map(known);
    let first = there.next()?;
    if there.all(|other| other == first) {
        return None;
    }
    // below every number
    let numbers: Vec<f64> = scores.iter().map(|score| known(score).unwrap_or(f64::NEG_INFINITY)).collect();
    let all = scores.len() as f64;
    let logit = |rank: f64| (rank / (all + 1.0 - rank)).ln();
    Some(average_ranks(&numbers).into_iter().map(logit).collect())
}
