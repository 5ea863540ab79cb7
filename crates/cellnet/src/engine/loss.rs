use crate::error::{NetworkError, Result};
use cpu_ops::blocked::Real;

/// The mean cross entropy of logits `(N, classes)` with the classes `targets`, smoothed as in
/// [`cpu_ops::cross_entropy`], and its gradient by the logits. O(logits).
///
/// ```
/// let (loss, grad) = cellnet::cross_entropy(&[0f64, 0.0], 2, &[1], 0.0)?;
/// assert!((loss - 2f64.ln()).abs() < 1e-12);
/// assert_eq!(grad, [0.5, -0.5]);
/// # Ok::<(), cellnet::NetworkError>(())
/// ```
///
/// # Errors
/// Another number of targets than rows, a class that is not there, no rows, smoothing outside 0 to 1.
pub fn cross_entropy<T: Real>(
    logits: &[T],
    classes: usize,
    targets: &[u32],
    smoothing: f64,
) -> Result<(f64, Vec<T>)> {
    let wrong = |setting, found: String, expected| NetworkError::Setting { setting, found, expected };
    if targets.is_empty() || classes == 0 || targets.len().checked_mul(classes) != Some(logits.len()) {
        return Err(wrong(
            "targets",
            targets.len().to_string(),
            "one for every row of logits, and one at least",
        ));
    }
    if let Some(&class) = targets.iter().find(|&&class| class as usize >= classes) {
        return Err(wrong("targets", class.to_string(), "classes of the network"));
    }
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(wrong("label-smoothing", smoothing.to_string(), "0 to 1"));
    }
    let (rows, spread) = (targets.len() as f64, smoothing / classes as f64);
    let (mut loss, mut grad) = (0.0, Vec::with_capacity(logits.len()));
    for (row, &class) in logits.chunks_exact(classes).zip(targets) {
        let largest = row.iter().fold(f64::NEG_INFINITY, |a, b| a.max(b.to_f64()));
        let sum: f64 = row.iter().map(|x| (x.to_f64() - largest).exp()).sum();
        let shift = largest + sum.ln();
        for (k, x) in row.iter().enumerate() {
            let target = spread + if k == class as usize { 1.0 - smoothing } else { 0.0 };
            let log = x.to_f64() - shift;
            loss -= target * log / rows;
            grad.push(T::from_f64((log.exp() - target) / rows));
        }
    }
    Ok((loss, grad))
}

/// How the gradient of [`cross_entropy`] moves when the logits move by `along`: with the probabilities p of a row,
/// `p (along - sum(p along)) / N`. Neither targets nor smoothing matter. O(logits).
///
/// ```
/// let turned = cellnet::cross_entropy_along(&[0f64, 0.0], &[1.0, 0.0], 2);
/// assert_eq!(turned, [0.25, -0.25]);
/// ```
pub fn cross_entropy_along<T: Real>(logits: &[T], along: &[T], classes: usize) -> Vec<T> {
    let classes = classes.max(1);
    let rows = (logits.len() / classes) as f64;
    let mut turned = Vec::with_capacity(logits.len());
    for (row, along) in logits.chunks_exact(classes).zip(along.chunks_exact(classes)) {
        let largest = row.iter().fold(f64::NEG_INFINITY, |a, b| a.max(b.to_f64()));
        let powers: Vec<f64> = row.iter().map(|x| (x.to_f64() - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let mean: f64 = powers.iter().zip(along).map(|(p, x)| p / sum * x.to_f64()).sum();
        let moved = powers.iter().zip(along).map(|(p, x)| p / sum * (x.to_f64() - mean) / rows);
        turned.extend(moved.map(T::from_f64));
    }
    turned
}
