use crate::error::{ProxyError, Result};
use nas_core::stats::average_ranks;

fn check(scores: &[Vec<f64>]) -> Result<usize> {
    let lengths: Vec<usize> = scores.iter().map(Vec::len).collect();
    match lengths.first() {
        Some(&length) if length > 0 && lengths.iter().all(|&other| other == length) => Ok(length),
        _ => Err(ProxyError::Lengths { lengths }),
    }
}

/// Ranks from 1 for the worst, equal scores at their mean rank; what is NaN is worse than everything.
fn ranks(scores: &[f64]) -> Vec<f64> {
    let numbers: Vec<f64> = scores.iter().copied().filter(|score| !score.is_nan()).collect();
    let undefined = (scores.len() - numbers.len()) as f64;
    let mut ranks = average_ranks(&numbers).into_iter();
    let rank = |score: &f64| match score.is_nan() {
        true => (undefined + 1.0) / 2.0,
        false => undefined + ranks.next().unwrap_or_default(),
    };
    scores.iter().map(rank).collect()
}

/// The sum over proxies of an architecture's rank among all, 1 for the worst. O(n log n) a proxy.
///
/// # Errors
/// No scores, or another number of one proxy than of the others.
///
/// ```
/// let sums = proxies::rank_sum(&[vec![0.1, 0.5, f64::NAN], vec![7.0, 9.0, 8.0]])?;
/// assert_eq!(sums, [3.0, 6.0, 3.0]);
/// # Ok::<(), proxies::ProxyError>(())
/// ```
pub fn rank_sum(scores: &[Vec<f64>]) -> Result<Vec<f64>> {
    combine(scores, |rank, _| rank)
}

/// The sum over proxies of the logarithm of an architecture's rank over their number: one bad score weighs more than
/// one good (Lee and Ham, AZ-NAS, CVPR 2024, equation 9). O(n log n) a proxy.
///
/// # Errors
/// As [`rank_sum`].
pub fn log_rank_sum(scores: &[Vec<f64>]) -> Result<Vec<f64>> {
    combine(scores, |rank, count| (rank / count).ln())
}

fn combine(scores: &[Vec<f64>], f: impl Fn(f64, f64) -> f64) -> Result<Vec<f64>> {
    let length = check(scores)?;
    let mut sums = vec![0.0; length];
    for scores in scores {
        let parts = ranks(scores).into_iter().map(|rank| f(rank, length as f64));
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
    }
    Ok(sums)
}

/// Which of two architectures most proxies prefer: 1 the first, -1 the second, 0 as many each way.
fn majority(scores: &[Vec<f64>], a: usize, b: usize) -> i32 {
    let preference = |scores: &Vec<f64>| match scores[a].partial_cmp(&scores[b]) {
        Some(order) => order as i32,
        // NaN loses against a number
        None => i32::from(scores[b].is_nan()) - i32::from(scores[a].is_nan()),
    };
    scores.iter().map(preference).sum::<i32>().signum()
}

/// The vote of Zero-Cost NAS (section 3.3: synflow, jacob_cov and snip) as a ranking: how many other architectures the
/// majority of proxies prefers an architecture to, less how many it prefers to it (Copeland's rule). A majority over
/// pairs alone is no order, because preferences can go in circles. O(n^2) a proxy.
///
/// # Errors
/// As [`rank_sum`].
///
/// ```
/// let wins = proxies::vote(&[vec![1.0, 2.0, 3.0], vec![1.0, 3.0, 2.0], vec![2.0, 1.0, 3.0]])?;
/// assert_eq!(wins, [-2.0, 0.0, 2.0]);
/// # Ok::<(), proxies::ProxyError>(())
/// ```
pub fn vote(scores: &[Vec<f64>]) -> Result<Vec<f64>> {
    let length = check(scores)?;
    let mut wins = vec![0_i64; length];
    for a in 0..length {
        for b in 0..a {
            let preferred = i64::from(majority(scores, a, b));
            wins[a] += preferred;
            wins[b] -= preferred;
        }
    }
    Ok(wins.into_iter().map(|wins| wins as f64).collect())
}

/// The share of pairs of architectures with different accuracies that the majority of proxies orders as the accuracies
/// do; a pair without a majority counts half. The published .82 of the vote on NAS-Bench-201 is this, not a rank
/// correlation. O(n^2) a proxy.
///
/// # Errors
/// As [`rank_sum`], and no pair to order.
///
/// ```
/// let scores = [vec![1.0, 2.0, 3.0], vec![1.0, 3.0, 2.0], vec![2.0, 1.0, 3.0]];
/// assert_eq!(proxies::ordered_pairs(&scores, &[0.1, 0.2, 0.3])?, 1.0);
/// # Ok::<(), proxies::ProxyError>(())
/// ```
pub fn ordered_pairs(scores: &[Vec<f64>], truth: &[f64]) -> Result<f64> {
    let length = check(scores)?;
    if truth.len() != length {
        return Err(ProxyError::Lengths { lengths: vec![length, truth.len()] });
    }
    let (mut right, mut pairs) = (0.0, 0.0);
    for a in 0..length {
        for b in 0..a {
            let better = match truth[a].partial_cmp(&truth[b]) {
                Some(order) if order as i32 != 0 => order as i32,
                _ => continue,
            };
            pairs += 1.0;
            right += 0.5 + 0.5 * f64::from(majority(scores, a, b) * better);
        }
    }
    if pairs == 0.0 { Err(ProxyError::NoPairs { architectures: length }) } else { Ok(right / pairs) }
}
