use nas_core::stats::{average_ranks, mean, quantile};
use serde::{Deserialize, Serialize};

/// What a surrogate is fitted to instead of the label itself. All keep the order of labels, and none changes where
/// all labels are multiplied by a positive number or shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The label.
    Value,
    /// Its rank among the labels of training; equal ones share their mean.
    Rank,
    /// `-ln((best - label) / spread + 1)`, with the largest label of training and the distance of its quartiles: more room
    /// for the differences at the top.
    LogRegret,
}

/// A [`Target`] on the labels of training, scaled there to mean 0 and deviation 1; it can be undone.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    curve: Curve,
    mean: f64,
    deviation: f64,
}

#[derive(Debug, Clone)]
enum Curve {
    Value,
    /// Labels and their ranks, both rising.
    Rank(Vec<(f64, f64)>),
    LogRegret {
        /// Best label plus spread.
        end: f64,
        spread: f64,
    },
}

impl Scale {
    /// The scale and what becomes of each label. Labels are finite and not all equal.
    pub(crate) fn new(target: Target, labels: &[f64]) -> (Self, Vec<f64>) {
        let (curve, mut values) = match target {
            Target::Value => (Curve::Value, labels.to_vec()),
            Target::Rank => {
                let ranks = average_ranks(labels);
                let mut known: Vec<(f64, f64)> = labels.iter().copied().zip(ranks.iter().copied()).collect();
                known.sort_by(|a, b| a.0.total_cmp(&b.0));
                known.dedup_by(|a, b| a.1 == b.1);
                (Curve::Rank(known), ranks)
            }
            Target::LogRegret => {
                let best = labels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let worst = labels.iter().copied().fold(f64::INFINITY, f64::min);
                let spread = quantile(labels, 0.75) - quantile(labels, 0.25);
                let spread = if spread > 0.0 { spread } else { best - worst };
                let end = best + spread;
                let values = labels.iter().map(|label| -((end - label) / spread).ln());
                (Curve::LogRegret { end, spread }, values.collect())
            }
        };
        let middle = mean(&values);
        let squares: Vec<f64> = values.iter().map(|v| (v - middle) * (v - middle)).collect();
        let deviation = mean(&squares).sqrt();
        let deviation = if deviation > 0.0 { deviation } else { 1.0 };
        values.iter_mut().for_each(|v| *v = (*v - middle) / deviation);
        (Self { curve, mean: middle, deviation }, values)
    }

    /// The label whose target is `value`. Beyond the labels of training ranks go on along a line.
    pub(crate) fn undo(&self, value: f64) -> f64 {
        let value = value * self.deviation + self.mean;
        match &self.curve {
            Curve::Value => value,
            Curve::LogRegret { end, spread } => end - spread * (-value).exp(),
            Curve::Rank(known) => {
                let (Some(first), Some(last)) = (known.first(), known.last()) else { return value };
                let slope = (last.0 - first.0) / (last.1 - first.1);
                if value <= first.1 {
                    return first.0 + slope * (value - first.1);
                }
                if value >= last.1 {
                    return last.0 + slope * (value - last.1);
                }
                let above = known.partition_point(|(_, rank)| *rank <= value).min(known.len() - 1);
                let (low, high) = (known[above - 1], known[above]);
                low.0 + (high.0 - low.0) * (value - low.1) / (high.1 - low.1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_keep_the_order_ignore_units_and_can_be_undone() {
        let labels = [71.0, 10.0, 73.5, 70.0, 70.0, 52.25];
        let other: Vec<f64> = labels.iter().map(|x| 4.0 * x - 1.0).collect();
        for target in [Target::Value, Target::Rank, Target::LogRegret] {
            let (scale, values) = Scale::new(target, &labels);
            assert!(mean(&values).abs() < 1e-12);
            for (i, &label) in labels.iter().enumerate() {
                assert!((scale.undo(values[i]) - label).abs() < 1e-9, "{target:?}");
                for (j, &against) in labels.iter().enumerate() {
                    assert_eq!(label < against, values[i] < values[j], "{target:?}");
                }
            }
            let (_, again) = Scale::new(target, &other);
            assert!(values.iter().zip(again).all(|(a, b)| (a - b).abs() < 1e-9), "{target:?}");
            assert!(scale.undo(9.0) > scale.undo(8.0) && scale.undo(-9.0) < scale.undo(-8.0));
        }
    }
}
