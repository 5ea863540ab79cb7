use crate::clock::Clock;
use crate::error::LatencyError;
use crate::timing::Timed;
use crate::workload::Workload;
use nas_core::stats::{interquartile_mean, median_deviation, median_interval, quantile};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The protocol of this crate: workloads take turns with a fixed reference, and what the machine does to the reference
/// is taken from what it does to them.
///
/// A workload is warmed up until three timings in a row agree. Then it takes part in rounds: the reference, every
/// workload, the reference again. A workload's reading of a round is the median of its undisturbed timings (those
/// during which the thread had its core), divided by how much slower than usual the reference was around it. Rounds in
/// which the reference itself moved count for nothing. The latency is the median of the readings, with an interval by
/// their ranks; rounds go on until the interval is as narrow as was asked for. If it never gets there, the answer is
/// [`LatencyError::TooNoisy`] and no number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interleaved {
    /// Fewest rounds, at least 7, below which no interval of 95 % exists that may be looked at after every round.
    pub least_rounds: usize,
    /// Most rounds.
    pub most_rounds: usize,
    /// Timings of a workload in a round.
    pub timings: usize,
    /// What a timing lasts at least; short workloads are run several times for it.
    pub timing: Duration,
    /// Half of the interval of the median, as a share of it, that is narrow enough.
    pub precision: f64,
    /// How sure the interval is.
    pub level: f64,
    /// By what share the reference may differ before and after a round.
    pub drift: f64,
    /// By what share three timings may differ for a workload to be warm.
    pub warm: f64,
    /// How long to wait for that.
    pub warm_up: Duration,
    /// What all runs of a workload together may take.
    pub limit: Duration,
    /// Whether timings during which another thread had the core are left out. Not for workloads of several threads,
    /// whose own one waits for the others.
    pub undisturbed: bool,
}

impl Default for Interleaved {
    /// The median to 2 % with 95 % certainty, from 25 to 300 rounds of one timing, half a minute at most: on a shared
    /// machine many short rounds tell more than few long ones, because its speed changes from tenth to tenth of a second.
    fn default() -> Self {
        Self {
            least_rounds: 25,
            most_rounds: 300,
            timings: 1,
            timing: Duration::from_micros(500),
            precision: 0.02,
            level: 0.95,
            drift: 0.1,
            warm: 0.05,
            warm_up: Duration::from_millis(500),
            limit: Duration::from_secs(30),
            undisturbed: true,
        }
    }
}

/// What the machine's speed is known by.
pub struct Reference<'a> {
    /// A network in the middle of those that are measured, always the same.
    pub workload: &'a mut dyn Workload,
    /// What it takes when the machine is quiet, in seconds; latencies are those of a machine that is this fast. Without
    /// it, the lower quartile of its readings in this measuring is taken, so that numbers of two measurings compare less
    /// well.
    pub usual: Option<f64>,
}

/// A latency with what is known about it; seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Median of the readings, corrected by the reference.
    pub median_s: f64,
    /// Where the median's interval begins.
    pub low_s: f64,
    /// Where it ends.
    pub high_s: f64,
    /// Median of the readings' distances from the median.
    pub mad_s: f64,
    /// Inter-quartile mean of the readings as they were read, which is how LatBench averages.
    pub uncorrected_s: f64,
    /// How much slower than usual the reference was, by median; 1 where it was as usual.
    pub slowness: f64,
    /// Rounds that count.
    pub rounds: usize,
    /// Rounds that do not, because the reference moved or no timing was undisturbed.
    pub discarded: usize,
    /// Runs in all, those of the warm-up included.
    pub runs: u64,
}

struct Candidate<'a> {
    timed: Timed<'a, dyn Workload + 'a>,
    corrected: Vec<f64>,
    read: Vec<f64>,
    slowness: Vec<f64>,
    discarded: usize,
    end: Option<Result<Latency, LatencyError>>,
}

impl Interleaved {
    /// The latency of each workload, all in the same rounds. A workload that fails is an error of its own and does not
    /// disturb the others; what the reference fails with is everybody's.
    ///
    /// ```
    /// use latbench::{Interleaved, Reference, fake::{FakeClock, Steady}};
    /// let clock = FakeClock::default();
    /// let (mut middle, mut fast, mut slow) =
    ///     (Steady::new(&clock, 0.003), Steady::new(&clock, 0.001), Steady::new(&clock, 0.009));
    /// let mut reference = Reference { workload: &mut middle, usual: None };
    /// let found = Interleaved::default().measure(&clock, &mut reference, &mut [&mut fast, &mut slow])?;
    /// assert!((found[0].as_ref().map_or(0.0, |fast| fast.median_s) - 0.001).abs() < 1e-9);
    /// assert!((found[1].as_ref().map_or(0.0, |slow| slow.median_s) - 0.009).abs() < 1e-9);
    /// # Ok::<(), latbench::LatencyError>(())
    /// ```
    ///
    /// # Errors
    /// Settings out of range; a reference that fails, is too slow, or cannot be timed.
    pub fn measure<'w>(
        &self,
        clock: &impl Clock,
        reference: &mut Reference<'_>,
        workloads: &mut [&mut (dyn Workload + 'w)],
    ) -> Result<Vec<Result<Latency, LatencyError>>, LatencyError> {
        self.check()?;
        // it runs before all others and beside each of them
        let limit = self.limit.saturating_mul(u32::try_from(workloads.len() + 1).unwrap_or(u32::MAX));
        let mut known = Timed::new(&mut *reference.workload, limit);
        self.warm(&mut known, clock)?;
        let mut candidates: Vec<Candidate<'_>> = workloads
            .iter_mut()
            .map(|workload| Candidate::new(Timed::new(&mut **workload, self.limit)))
            .collect();
        for candidate in &mut candidates {
            candidate.end = self.warm(&mut candidate.timed, clock).err().map(Err);
        }
        let usual = match reference.usual {
            Some(usual) if usual > 0.0 && usual.is_finite() => usual,
            Some(usual) => {
                let expected = "seconds above 0";
                return Err(LatencyError::Setting { setting: "usual", found: usual.to_string(), expected });
            }
            None => self.usual(&mut known, clock)?,
        };
        let mut before = self.reading(&mut known, clock)?;
        for round in 1..=self.most_rounds {
            let open: Vec<usize> = (0..candidates.len()).filter(|&at| candidates[at].end.is_none()).collect();
            if open.is_empty() {
                break;
            }
            let mut readings = Vec::with_capacity(open.len());
            for &at in &open {
                match self.reading(&mut candidates[at].timed, clock) {
                    Ok(reading) => readings.push(reading),
                    Err(error) => {
                        readings.push(None);
                        candidates[at].end = Some(Err(error));
                    }
                }
            }
            let after = match self.reading(&mut known, clock) {
                // what is known by then stays
                Err(LatencyError::TimeLimit { runs, took, limit }) => {
                    let over = || LatencyError::TimeLimit { runs, took, limit };
                    open.iter().for_each(|&at| _ = candidates[at].end.get_or_insert_with(|| Err(over())));
                    break;
                }
                after => after?,
            };
            let steady =
                before.zip(after).filter(|(before, after)| (after / before).ln().abs() <= self.drift);
            for (place, (&at, reading)) in open.iter().zip(readings).enumerate() {
                let candidate = &mut candidates[at];
                match reading.zip(steady) {
                    Some((reading, (before, after))) => {
                        let share = (place as f64 + 0.5) / open.len() as f64;
                        let slowness = (before + (after - before) * share) / usual;
                        candidate.read.push(reading);
                        candidate.slowness.push(slowness);
                        candidate.corrected.push(reading / slowness);
                    }
                    None => candidate.discarded += 1,
                }
                if candidate.end.is_none() {
                    candidate.end = self.end(candidate, round);
                }
            }
            before = after;
        }
        let ends = candidates.into_iter().map(|candidate| {
            candidate.end.unwrap_or_else(|| Err(self.too_noisy(&candidate.corrected, candidate.discarded)))
        });
        Ok(ends.collect())
    }

    /// What a workload takes when the machine is quiet, in seconds: the lower quartile of as many readings as a workload
    /// has rounds at most, or as half of its time is enough for. For [`Reference::usual`], which is measured once and kept.
    ///
    /// # Errors
    /// As [`measure`](Interleaved::measure).
    pub fn quiet(&self, clock: &impl Clock, workload: &mut dyn Workload) -> Result<f64, LatencyError> {
        self.check()?;
        let mut timed = Timed::new(workload, self.limit);
        self.warm(&mut timed, clock)?;
        self.usual(&mut timed, clock)
    }

    fn usual(
        &self,
        timed: &mut Timed<'_, dyn Workload + '_>,
        clock: &impl Clock,
    ) -> Result<f64, LatencyError> {
        let mut readings = Vec::new();
        for _ in 0..self.most_rounds {
            // half of the time is for what comes of it
            if readings.len() >= self.least_rounds && timed.took > self.limit / 2 {
                break;
            }
            readings.extend(self.reading(timed, clock)?);
        }
        match readings.len() {
            0 => Err(self.too_noisy(&readings, self.most_rounds)),
            _ => Ok(quantile(&readings, 0.25)),
        }
    }

    /// Runs until three timings in a row agree, or the time for it is over: what is not steady then shows in the rounds.
    fn warm(&self, timed: &mut Timed<'_, dyn Workload + '_>, clock: &impl Clock) -> Result<(), LatencyError> {
        timed.last_at_least(clock, self.timing)?;
        let mut last = Vec::new();
        let begun = timed.took;
        while timed.took - begun < self.warm_up {
            last.push(timed.time(clock)?.seconds);
            if let [.., a, b, c] = last[..] {
                let (low, high) = (a.min(b).min(c), a.max(b).max(c));
                if high <= low * (1.0 + self.warm) {
                    break;
                }
            }
        }
        // the first run, which allocates, says little of how many a timing needs
        match last.last() {
            Some(seconds) if seconds * (timed.runs as f64) < self.timing.as_secs_f64() => {
                timed.last_at_least(clock, self.timing)
            }
            _ => Ok(()),
        }
    }

    /// The median of a round's undisturbed timings; none where there are none.
    fn reading(
        &self,
        timed: &mut Timed<'_, dyn Workload + '_>,
        clock: &impl Clock,
    ) -> Result<Option<f64>, LatencyError> {
        let mut seconds = Vec::new();
        for _ in 0..self.timings {
            let timing = timed.time(clock)?;
            if !(self.undisturbed && timing.disturbed) {
                seconds.push(timing.seconds);
            }
        }
        let median = quantile(&seconds, 0.5);
        if median == 0.0 {
            return Err(LatencyError::ClockStands { at: clock.now(), runs: timed.done });
        }
        Ok(Some(median).filter(|_| !seconds.is_empty()))
    }

    /// The latency, once it is known well enough.
    fn end(&self, candidate: &Candidate<'_>, round: usize) -> Option<Result<Latency, LatencyError>> {
        let interval = median_interval(&candidate.corrected, self.sure())?;
        let median = quantile(&candidate.corrected, 0.5);
        let known = (interval.high - interval.low) / 2.0 <= self.precision * median;
        (round >= self.least_rounds && known).then(|| {
            Ok(Latency {
                median_s: median,
                low_s: interval.low,
                high_s: interval.high,
                mad_s: median_deviation(&candidate.corrected),
                uncorrected_s: interquartile_mean(&candidate.read),
                slowness: quantile(&candidate.slowness, 0.5),
                rounds: candidate.corrected.len(),
                discarded: candidate.discarded,
                runs: candidate.timed.done,
            })
        })
    }

    /// The level of an interval that is looked at after every round: who stops when it happens to be narrow enough is less
    /// sure than its level says. With three fifths of the doubt it covers the median as often as promised (.95 to .97 of
    /// 1,500 measurings by noise of 4 to 15 %, where the level itself covers .92 to .95).
    fn sure(&self) -> f64 {
        1.0 - 0.6 * (1.0 - self.level)
    }

    fn too_noisy(&self, corrected: &[f64], discarded: usize) -> LatencyError {
        let percent = median_interval(corrected, self.sure())
            .map(|interval| 50.0 * (interval.high - interval.low) / quantile(corrected, 0.5));
        let rounds = corrected.len() + discarded;
        LatencyError::TooNoisy { rounds, discarded, percent, wanted_percent: 100.0 * self.precision }
    }

    fn check(&self) -> Result<(), LatencyError> {
        let wrong =
            |setting, found: String, expected| Err(LatencyError::Setting { setting, found, expected });
        if self.least_rounds < 7 {
            return wrong("least_rounds", self.least_rounds.to_string(), "at least 7");
        }
        if self.most_rounds < self.least_rounds {
            return wrong("most_rounds", self.most_rounds.to_string(), "at least least_rounds");
        }
        if self.timings == 0 {
            return wrong("timings", "0".into(), "at least 1");
        }
        let shares = [("precision", self.precision), ("drift", self.drift), ("warm", self.warm)];
        if let Some((setting, found)) =
            shares.into_iter().find(|(_, share)| !(*share > 0.0 && share.is_finite()))
        {
            return wrong(setting, found.to_string(), "a share above 0");
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return wrong("level", self.level.to_string(), "a probability between 0 and 1");
        }
        Ok(())
    }
}

impl<'a> Candidate<'a> {
    fn new(timed: Timed<'a, dyn Workload + 'a>) -> Self {
        Self { timed, corrected: Vec::new(), read: Vec::new(), slowness: Vec::new(), discarded: 0, end: None }
    }
}

impl std::fmt::Debug for Reference<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reference").field("usual", &self.usual).finish_non_exhaustive()
    }
}
