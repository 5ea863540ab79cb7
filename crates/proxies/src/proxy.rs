use crate::error::Result;
use crate::seen::{Need, Seen};
use serde::Serialize;

/// What a proxy gives a network. A larger one promises a better network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The score: infinite where it is beyond f64, NaN where it is not defined, as for a cell of nothing.
    pub value: f64,
    /// Its natural logarithm where proxies grow exponentially with depth; finite also where the value is not.
    pub log: Option<f64>,
    /// What every layer contributes, where the score is a sum over layers.
    pub layers: Vec<(String, f64)>,
}

impl Score {
    /// A value that is no sum over layers.
    pub fn of(value: f64) -> Self {
        Self { value, log: None, layers: Vec::new() }
    }

    /// The sum over layers.
    pub fn sum(layers: Vec<(String, f64)>) -> Self {
        Self { value: layers.iter().map(|(_, value)| value).sum(), log: None, layers }
    }

    /// What is to be said of a value that is not finite.
    pub fn flaw(&self) -> Option<&'static str> {
        match self.value {
            v if v.is_nan() => Some("not defined for this network"),
            f64::INFINITY => Some("beyond the largest 64-bit number"),
            f64::NEG_INFINITY => Some("minus infinity"),
            _ => None,
        }
    }

    /// What networks are ordered by: the logarithm where there is one, else the value.
    pub fn order(&self) -> f64 {
        self.log.unwrap_or(self.value)
    }
}

/// A training-free score: a function of what was seen of a network.
pub trait Proxy: Sync {
    /// The name in records and on the command line.
    fn name(&self) -> &'static str;

    /// What must be observed.
    fn needs(&self) -> &'static [Need];

    /// The score.
    ///
    /// # Errors
    /// [`ProxyError::NotObserved`](crate::ProxyError::NotObserved) where a need was not met.
    fn score(&self, seen: &Seen) -> Result<Score>;
}
