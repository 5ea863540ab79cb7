use candle_core::Var;
use serde::{Deserialize, Serialize};

/// How labels are mapped for training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Linearly so that the training labels span 0 to 1 (BRP-NAS, accuracy).
    MinMax,
    /// Divided by their mean absolute value: keeps relative errors (latency).
    Mean,
    /// As they are.
    None,
}

/// A fitted linear map of labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    shift: f64,
    factor: f64,
}

impl Scale {
    /// Fits to labels; constant ones are only shifted.
    ///
    /// ```
    /// use predictors::{Scale, Scaling};
    /// let scale = Scale::fit(Scaling::MinMax, &[10.0, 20.0, 30.0]);
    /// assert_eq!((scale.to_unit(20.0), scale.from_unit(1.0)), (0.5, 30.0));
    /// ```
    pub fn fit(scaling: Scaling, labels: &[f64]) -> Self {
        let low = labels.iter().copied().fold(f64::INFINITY, f64::min);
        let high = labels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = labels.iter().map(|v| v.abs()).sum::<f64>() / labels.len().max(1) as f64;
        let (shift, factor) = match scaling {
            Scaling::MinMax => (low, high - low),
            Scaling::Mean => (0.0, mean),
            Scaling::None => (0.0, 1.0),
        };
        let usable = factor.is_finite() && factor > 0.0;
        Self { shift: if shift.is_finite() { shift } else { 0.0 }, factor: if usable { factor } else { 1.0 } }
    }

    /// From the label's unit.
    pub fn to_unit(&self, label: f64) -> f64 {
        (label - self.shift) / self.factor
    }

    /// To the label's unit.
    pub fn from_unit(&self, value: f64) -> f64 {
        value * self.factor + self.shift
    }

    /// How a number of `other`, which stands for a label there, stands for it here.
    pub(crate) fn carry(&self, other: &Self) -> Carry {
        Carry { factor: other.factor / self.factor, shift: (other.shift - self.shift) / self.factor }
    }
}

/// From numbers on one scale to those on another: `factor` times as large, and `shift` more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Carry {
    factor: f64,
    shift: f64,
}

impl Carry {
    pub(crate) const NONE: Self = Self { factor: 1.0, shift: 0.0 };

    /// Makes a linear layer give the other numbers.
    pub(crate) fn apply(&self, weight: &Var, bias: &Var) -> candle_core::Result<()> {
        weight.set(&weight.affine(self.factor, 0.0)?)?;
        bias.set(&bias.affine(self.factor, self.shift)?)
    }
}
