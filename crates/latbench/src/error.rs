use std::time::Duration;

/// Whatever a workload fails with.
pub type WorkloadError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no latency.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LatencyError {
    /// The workload failed.
    #[error("run {run} failed: {source}")]
    Workload {
        /// Which run, from 1.
        run: u64,
        /// Why.
        source: WorkloadError,
    },
    /// The time that a workload may take is over.
    #[error(
        "{runs} runs took {took:.1?}, the limit is {limit:.1?}: give it a longer limit, or measure a smaller network"
    )]
    TimeLimit {
        /// How many were done.
        runs: u64,
        /// What they took together.
        took: Duration,
        /// What they may take.
        limit: Duration,
    },
    /// Work was done and no time passed.
    #[error("the clock stands still: it shows {at:?} before and after {runs} runs")]
    ClockStands {
        /// What it shows.
        at: Duration,
        /// How many runs it has not seen.
        runs: u64,
    },
    /// The clock went back.
    #[error("the clock went back from {from:?} to {to:?}")]
    ClockBack {
        /// What it showed.
        from: Duration,
        /// What it showed then.
        to: Duration,
    },
    /// The machine does not let anything be measured this exactly.
    #[error(
        "this machine is too noisy: after {rounds} rounds, {discarded} of them discarded, the median is known to \
         {} and not to {wanted_percent} %; stop other work on it, or ask for less", known(*percent)
    )]
    TooNoisy {
        /// How many rounds were measured.
        rounds: usize,
        /// How many of them count for nothing.
        discarded: usize,
        /// Half of the interval of the median, in percent of it; none where too few rounds are left.
        percent: Option<f64>,
        /// What was asked for.
        wanted_percent: f64,
    },
    /// A setting that makes no sense.
    #[error("{setting} is {found}, expected {expected}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The thread cannot be kept on a core.
    #[error("cannot keep this thread on core {core}: {reason}")]
    Pin {
        /// The core.
        core: usize,
        /// Why not.
        reason: String,
    },
    /// A network or file that a runtime does not take.
    #[error("{runtime} does not take {what}: {reason}")]
    Runtime {
        /// The runtime.
        runtime: &'static str,
        /// What it was given.
        what: String,
        /// Why not.
        reason: String,
    },
}

fn known(percent: Option<f64>) -> String {
    percent.map_or_else(|| "no bound at all".into(), |percent| format!("{percent:.1} %"))
}
