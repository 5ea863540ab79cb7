use crate::clock::Clock;
use crate::error::LatencyError;
use crate::timing::Timed;
use crate::workload::Workload;
use nas_core::stats::interquartile_mean;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The protocol that LatBench's numbers were measured with (Dudziak et al., NeurIPS 2020; eagle, `run_model.py` and
/// `tools/calc_stats.py`): rounds of timed runs with a pause between rounds, the latency being the mean of the
/// inter-quartile part of the rounds' inter-quartile means. No warm-up, no reference, nothing that notices a busy
/// machine: for numbers that compare with published ones. [`Interleaved`](crate::Interleaved) is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Rounds; published 100.
    pub rounds: usize,
    /// Timed runs of a round; published 10.
    pub runs: usize,
    /// Between rounds; published 10 ms.
    pub pause: Duration,
    /// What all runs together may take.
    pub limit: Duration,
}

impl Default for Published {
    /// 100 rounds of 10 runs, 10 ms apart, within ten minutes.
    fn default() -> Self {
        Self { rounds: 100, runs: 10, pause: Duration::from_millis(10), limit: Duration::from_secs(600) }
    }
}

impl Published {
    /// The latency in seconds, and every run's, a list a round.
    ///
    /// ```
    /// use latbench::{Published, fake::{FakeClock, Steady}};
    /// let clock = FakeClock::default();
    /// let mut workload = Steady::new(&clock, 0.002);
    /// let (latency, rounds) = Published::default().measure(&clock, &mut workload)?;
    /// assert!((latency - 0.002).abs() < 1e-9);
    /// assert_eq!((rounds.len(), rounds[0].len()), (100, 10));
    /// # Ok::<(), latbench::LatencyError>(())
    /// ```
    ///
    /// # Errors
    /// No rounds or runs, a workload that fails or takes longer than the limit, a clock that stands or goes back.
    pub fn measure(
        &self,
        clock: &impl Clock,
        workload: &mut (impl Workload + ?Sized),
    ) -> Result<(f64, Vec<Vec<f64>>), LatencyError> {
        for (setting, count) in [("rounds", self.rounds), ("runs", self.runs)] {
            if count == 0 {
                return Err(LatencyError::Setting { setting, found: "0".into(), expected: "at least 1" });
            }
        }
        let mut timed = Timed::new(workload, self.limit);
        let mut rounds = Vec::new();
        for round in 0..self.rounds {
            if round > 0 {
                clock.pause(self.pause);
            }
            let one = (0..self.runs).map(|_| Ok(timed.time(clock)?.seconds));
            rounds.push(one.collect::<Result<Vec<f64>, LatencyError>>()?);
        }
        let means: Vec<f64> = rounds.iter().map(|round| interquartile_mean(round)).collect();
        let latency = interquartile_mean(&means);
        if latency > 0.0 {
            Ok((latency, rounds))
        } else {
            Err(LatencyError::ClockStands { at: clock.now(), runs: timed.done })
        }
    }
}
