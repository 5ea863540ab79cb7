use nas_core::Belief;
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// How a candidate is chosen from what is believed of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acquisition {
    /// The largest [`expected_improvement`] over the best that was trained.
    #[default]
    ExpectedImprovement,
    /// The largest of values drawn together from what is believed (Thompson, 1933), among those that may be best.
    Thompson,
}

/// By how much a label is expected to exceed `best`, counting 0 where it does not (Jones, Schonlau and Welch, 1998,
/// equation 15), with the noise of its training: what a search ends with is its best label, so a lucky one counts. Of
/// the true mean alone it would be drawn to what is unsure where the noise is larger than all that is left to learn.
///
/// ```
/// use nas_core::Belief;
/// let unsure = Belief { mean: 1.0, deviation: 1.2, noise: 1.6 };
/// let sure = Belief { deviation: 0.0, noise: 0.0, ..unsure };
/// assert_eq!(search::expected_improvement(&sure, 0.5), 0.5);
/// assert_eq!(search::expected_improvement(&sure, 2.0), 0.0);
/// // at the mean it is the deviation of a label over the root of two pi
/// assert!((search::expected_improvement(&unsure, 1.0) - 0.797_884_6).abs() < 1e-6);
/// ```
pub fn expected_improvement(belief: &Belief, best: f64) -> f64 {
    let (over, deviation) = (belief.mean - best, belief.of_label());
    if deviation <= 0.0 {
        return over.max(0.0);
    }
    let z = over / deviation;
    let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
    (over * below(z) + deviation * density).max(0.0)
}

/// The share of a normal distribution below `z`.
fn below(z: f64) -> f64 {
    libm::erfc(-z * FRAC_1_SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mean_of_what_exceeds() {
        for (mean, deviation, best) in [(0.0, 1.0, 0.5), (2.0, 0.3, 1.0), (-1.0, 2.0, 1.5), (0.0, 1.0, 6.0)] {
            let steps = 40_000;
            let at = |i: i32| -10.0 + 20.0 * (f64::from(i) + 0.5) / f64::from(steps);
            let sum: f64 = (0..steps)
                .map(at)
                .map(|z| (mean + deviation * z - best).max(0.0) * (-z * z / 2.0).exp() / (2.0 * PI).sqrt())
                .sum();
            let belief = Belief { mean, deviation: 0.6 * deviation, noise: 0.8 * deviation };
            let expected = sum * 20.0 / f64::from(steps);
            assert!((expected_improvement(&belief, best) - expected).abs() < 1e-8);
        }
        assert!(below(f64::NEG_INFINITY) == 0.0 && below(f64::INFINITY) == 1.0);
    }
}
