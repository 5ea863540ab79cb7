use nas_core::stats::{average_ranks, deviation, mean, quantile};
use serde::{Deserialize, Serialize};

/// What a surrogate is fitted to instead of the label itself. All keep the order of labels, but for `Top`, which takes
/// low ones for equal; and none but `Log` changes where all labels are multiplied by a positive number or shifted.
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
    /// Its natural logarithm, of positive costs whose relative error matters.
    Log,
    /// [`LogRegret`](Self::LogRegret) of labels that are at least the lower quartile of training, a smaller one counting
    /// as that: what a search needs to know.
    Top,
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
    Log,
    /// Labels and their ranks, both rising.
    Rank(Vec<(f64, f64)>),
    LogRegret {
        /// Best label plus spread.
        end: f64,
        spread: f64,
        /// Smaller labels count as this one.
        least: f64,
    },
}

impl Curve {
    /// Beyond the labels of training ranks go on along a line, and the logarithm ends at the spread above the best.
    fn apply(&self, label: f64) -> f64 {
        match self {
            Self::Value => label,
            Self::Log => label.max(f64::MIN_POSITIVE).ln(),
            Self::Rank(known) => line(known, label, |pair| *pair),
            Self::LogRegret { end, spread, least } => -((end - label.max(*least)) / spread).max(1e-9).ln(),
        }
    }
}

/// A curve through points with rising abscissas; beyond its ends it has the slope from end to end.
fn line(points: &[(f64, f64)], at: f64, of: impl Fn(&(f64, f64)) -> (f64, f64)) -> f64 {
    let (Some(first), Some(last)) = (points.first().map(&of), points.last().map(&of)) else { return at };
    if at.is_nan() {
        return at;
    }
    let slope = (last.1 - first.1) / (last.0 - first.0);
    if at <= first.0 {
        return first.1 + slope * (at - first.0);
    }
    if at >= last.0 {
        return last.1 + slope * (at - last.0);
    }
    let above = points.partition_point(|point| of(point).0 <= at).min(points.len() - 1);
    let (low, high) = (of(&points[above - 1]), of(&points[above]));
    low.1 + (high.1 - low.1) * (at - low.0) / (high.0 - low.0)
}

impl Scale {
    /// The scale and what becomes of each label. Labels are finite and not all equal.
    pub(crate) fn new(target: Target, labels: &[f64]) -> (Self, Vec<f64>) {
        let (curve, mut values) = match target {
            Target::Value => (Curve::Value, labels.to_vec()),
            Target::Log => (Curve::Log, labels.iter().map(|label| Curve::Log.apply(*label)).collect()),
            Target::Rank => {
                let ranks = average_ranks(labels);
                let mut known: Vec<(f64, f64)> = labels.iter().copied().zip(ranks.iter().copied()).collect();
                known.sort_by(|a, b| a.0.total_cmp(&b.0));
                known.dedup_by(|a, b| a.1 == b.1);
                (Curve::Rank(known), ranks)
            }
            Target::LogRegret | Target::Top => {
                let best = labels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let worst = labels.iter().copied().fold(f64::INFINITY, f64::min);
                let spread = quantile(labels, 0.75) - quantile(labels, 0.25);
                let spread = if spread > 0.0 { spread } else { best - worst };
                let end = best + spread;
                let quarter = quantile(labels, 0.25);
                // where most labels are the best, the others still are worse
                let cuts = target == Target::Top && quarter < best;
                let least = if cuts { quarter } else { f64::NEG_INFINITY };
                let curve = Curve::LogRegret { end, spread, least };
                let values = labels.iter().map(|label| curve.apply(*label)).collect();
                (curve, values)
            }
        };
        let (middle, deviation) = (mean(&values), deviation(&values));
        let deviation = if deviation > 0.0 { deviation } else { 1.0 };
        values.iter_mut().for_each(|v| *v = (*v - middle) / deviation);
        (Self { curve, mean: middle, deviation }, values)
    }

    /// The target of a label.
    pub(crate) fn apply(&self, label: f64) -> f64 {
        (self.curve.apply(label) - self.mean) / self.deviation
    }

    /// The label whose target is `value`. Beyond the labels of training ranks go on along a line.
    pub(crate) fn undo(&self, value: f64) -> f64 {
        let value = value * self.deviation + self.mean;
        match &self.curve {
            Curve::Value => value,
            Curve::Log => value.exp(),
            Curve::LogRegret { end, spread, .. } => end - spread * (-value).exp(),
            Curve::Rank(known) => line(known, value, |(label, rank)| (*rank, *label)),
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
        for target in [Target::Value, Target::Rank, Target::LogRegret, Target::Log] {
            let (scale, values) = Scale::new(target, &labels);
            assert!(mean(&values).abs() < 1e-12);
            for (i, &label) in labels.iter().enumerate() {
                assert!((scale.undo(values[i]) - label).abs() < 1e-9, "{target:?}");
                assert!((scale.apply(label) - values[i]).abs() < 1e-9, "{target:?}");
                for (j, &against) in labels.iter().enumerate() {
                    assert_eq!(label < against, values[i] < values[j], "{target:?}");
                }
            }
            let (_, again) = Scale::new(target, &other);
            let same = values.iter().zip(again).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(same || target == Target::Log, "{target:?}");
            assert!(scale.undo(9.0) > scale.undo(8.0) && scale.undo(-9.0) < scale.undo(-8.0));
        }
        // below the lower quartile, 56.69, all are one
        let (scale, values) = Scale::new(Target::Top, &labels);
        assert_eq!((values[1], scale.apply(56.0)), (values[5], values[5]));
        assert!(values[5] < values[3] && values[3] < values[0] && values[0] < values[2]);
        let (scale, values) = Scale::new(Target::Top, &[90.0, 90.0, 90.0, 90.0, 70.0]);
        assert!(values[4] < values[0] && scale.apply(70.0) < scale.apply(90.0));
        assert!((scale.undo(values[4]) - 70.0).abs() < 1e-9);
    }
}
