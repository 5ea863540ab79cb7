//! One reading of the clock around some runs.

use crate::clock::Clock;
use crate::error::LatencyError;
use crate::workload::Workload;
use std::time::Duration;

/// How often the runs of a timing are doubled before a clock is held to stand still.
const DOUBLINGS: u32 = 24;

/// Below this share of processor time something else had the core meanwhile.
const UNDISTURBED: f64 = 0.98;

/// A workload and what has been done with it.
pub(crate) struct Timed<'a, W: ?Sized> {
    workload: &'a mut W,
    /// Runs of one timing.
    pub(crate) runs: u64,
    pub(crate) done: u64,
    pub(crate) took: Duration,
    limit: Duration,
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Seconds a run.
    pub(crate) seconds: f64,
    /// Whether something else had the core meanwhile.
    pub(crate) disturbed: bool,
}

impl<'a, W: Workload + ?Sized> Timed<'a, W> {
    pub(crate) fn new(workload: &'a mut W, limit: Duration) -> Self {
        Self { workload, runs: 1, done: 0, took: Duration::ZERO, limit }
    }

    /// Times so many runs together.
    pub(crate) fn time(&mut self, clock: &impl Clock) -> Result<Timing, LatencyError> {
        let (processor, from) = (clock.processor(), clock.now());
        for _ in 0..self.runs {
            self.done += 1;
            self.workload.run().map_err(|source| LatencyError::Workload { run: self.done, source })?;
        }
        let to = clock.now();
        let wall = to.checked_sub(from).ok_or(LatencyError::ClockBack { from, to })?;
        let disturbed = match (processor, clock.processor()) {
            (Some(from), Some(to)) => {
                to.saturating_sub(from).as_secs_f64() < UNDISTURBED * wall.as_secs_f64()
            }
            _ => false,
        };
        self.took += wall;
        if self.took > self.limit {
            return Err(LatencyError::TimeLimit { runs: self.done, took: self.took, limit: self.limit });
        }
        Ok(Timing { seconds: wall.as_secs_f64() / self.runs as f64, disturbed })
    }

    /// Takes as many runs a timing as are needed for it to last this long.
    pub(crate) fn last_at_least(&mut self, clock: &impl Clock, least: Duration) -> Result<(), LatencyError> {
        for _ in 0..DOUBLINGS {
            let timing = self.time(clock)?;
            if timing.seconds * self.runs as f64 >= least.as_secs_f64() && timing.seconds > 0.0 {
                return Ok(());
            }
            self.runs *= 2;
        }
        Err(LatencyError::ClockStands { at: clock.now(), runs: self.done })
    }
}
