use crate::Key;
use serde::{Deserialize, Serialize};

/// A result.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// The number itself, finite, in the unit of the metric.
    pub value: f64,
    /// Whatever else is worth keeping, as JSON text: a curve, the single runs, the host. Kept byte by byte.
    pub payload: Option<String>,
    /// What it cost, in seconds, as the caller counts them.
    pub cost_s: Option<f64>,
}

impl Measured {
    /// A value alone.
    pub fn of(value: f64) -> Self {
        Self { value, ..Self::default() }
    }
}

/// How a unit stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Nobody works on it: never begun, given back, or its lease ran out.
    Missing,
    /// Somebody holds it.
    Running {
        /// Who.
        owner: String,
        /// When the lease runs out, in milliseconds of the caller's clock.
        until_ms: u64,
    },
    /// There is a result.
    Done(Measured),
    /// It could not be done; [`Store::retry`](crate::Store::retry) asks for it again.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was done, and what came is not a number: a training whose loss went away. The same seed would do
    /// the same, so it is not asked for again.
    Diverged {
        /// Where and how.
        reason: String,
    },
}

/// One unit as the store has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which unit.
    #[serde(flatten)]
    pub key: Key,
    /// How it stands.
    #[serde(flatten)]
    pub state: State,
    /// How often it was handed out.
    pub tries: u32,
    /// When it was submitted or, once there is an outcome, when that was written; in milliseconds of the
    /// caller's clock.
    pub at_ms: u64,
}

/// How many units stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// With a result.
    pub done: u64,
    /// Held by somebody.
    pub running: u64,
    /// Failed.
    pub failed: u64,
    /// Diverged.
    pub diverged: u64,
    /// Submitted, without an outcome, and held by nobody.
    pub missing: u64,
}
