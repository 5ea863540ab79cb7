use serde::{Deserialize, Serialize};

/// What a search may spend: whichever part is spent first ends it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Trials, failed ones among them.
    pub trials: usize,
    /// Seconds that evaluations say they cost, in sum. The trial that passes it is the last. One that failed says nothing,
    /// and counts for nothing.
    pub cost_s: Option<f64>,
    /// Seconds by the clock of [`Run`](crate::Run). What is being evaluated then is still taken.
    pub wall_s: Option<f64>,
}

impl Budget {
    /// So many trials, and nothing else is counted.
    pub fn trials(trials: usize) -> Self {
        Self { trials, cost_s: None, wall_s: None }
    }
}

impl From<usize> for Budget {
    fn from(trials: usize) -> Self {
        Self::trials(trials)
    }
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// All trials were spent.
    Trials,
    /// The cost was spent.
    Cost,
    /// The time was up.
    Wall,
    /// The strategy had nothing left to ask for.
    Exhausted,
}
