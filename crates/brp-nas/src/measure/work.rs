//! Networks in groups that take turns with one reference.

use super::machine::load;
use super::runtime::{Build, Ready, Subject};
use super::watch::{Watch, Watched};
use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::registry::Space;
use crate::units::{Work, ended};
use anyhow::{Context, anyhow};
use latbench::{Interleaved, Latency, LatencyError, Published, Reference, SystemClock, Workload, pin_to};
use nas_core::Seed;
use nas_core::stats::{interquartile_mean, median_deviation};
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{Filter, Key, Lease, Measured, State, Store};

/// Everything that is to be measured, in one setting.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) space: Space,
    pub(super) device: String,
    pub(super) fidelity: String,
    pub(super) groups: Vec<Vec<Subject>>,
    pub(super) reference: Subject,
    /// What the reference takes in seconds when the machine is quiet, where that is known from elsewhere.
    pub(super) given: Option<f64>,
    pub(super) ready: Ready,
    pub(super) build: Build,
    pub(super) protocol: Protocol,
    pub(super) threads: usize,
    pub(super) core: Option<usize>,
    /// Those of the machine that this program may use, of which a thread that measures has but its own.
    pub(super) processors: usize,
    pub(super) seed: Seed,
}

/// How latency is measured, with all numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Protocol {
    Interleaved(Interleaved),
    Published(Published),
}

impl Protocol {
    /// What all runs of a network together may take.
    fn limit(&self) -> Duration {
        match self {
            Self::Interleaved(protocol) => protocol.limit,
            Self::Published(protocol) => protocol.limit,
        }
    }
}

/// What is known of a network's latency.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) arch: String,
    /// By the protocol.
    pub(super) latency_ms: Option<f64>,
    /// The interval that holds the median with 95 %.
    pub(super) low_ms: Option<f64>,
    pub(super) high_ms: Option<f64>,
    /// Median of the distances from the median.
    pub(super) mad_ms: Option<f64>,
    /// The inter-quartile mean, not corrected by the reference: what LatBench would say.
    pub(super) uncorrected_ms: Option<f64>,
    /// How much slower than usual the reference was beside it.
    pub(super) slowness: Option<f64>,
    pub(super) rounds: usize,
    pub(super) discarded: usize,
    pub(super) runs: u64,
    /// Runnable threads, mean of the last minute, when it was done.
    pub(super) load: Option<f64>,
    /// Seconds since 1970.
    pub(super) at_s: u64,
    /// Why there is no latency.
    pub(super) reason: Option<String>,
}

impl Row {
    pub(super) fn empty(arch: String) -> Self {
        Self {
            arch,
            latency_ms: None,
            low_ms: None,
            high_ms: None,
            mad_ms: None,
            uncorrected_ms: None,
            slowness: None,
            rounds: 0,
            discarded: 0,
            runs: 0,
            load: None,
            at_s: now_ms() / 1000,
            reason: None,
        }
    }

    fn of(arch: String, latency: &Latency) -> Self {
        let ms = |seconds: f64| Some(seconds * 1e3);
        Self {
            latency_ms: ms(latency.median_s),
            low_ms: ms(latency.low_s),
            high_ms: ms(latency.high_s),
            mad_ms: ms(latency.mad_s),
            uncorrected_ms: ms(latency.uncorrected_s),
            slowness: Some(latency.slowness),
            rounds: latency.rounds,
            discarded: latency.discarded,
            runs: latency.runs,
            load: load(),
            ..Self::empty(arch)
        }
    }

    /// On the scale of a reference that takes so many times as long.
    fn scale(&mut self, by: f64) {
        let times = [&mut self.latency_ms, &mut self.low_ms, &mut self.high_ms, &mut self.mad_ms];
        times.into_iter().flatten().for_each(|time| *time *= by);
        self.slowness.iter_mut().for_each(|slowness| *slowness /= by);
    }

    /// As LatBench says it: without an interval.
    fn of_rounds(arch: String, latency_s: f64, rounds: &[Vec<f64>]) -> Self {
        let means: Vec<f64> = rounds.iter().map(|round| interquartile_mean(round) * 1e3).collect();
        Self {
            latency_ms: Some(latency_s * 1e3),
            mad_ms: Some(median_deviation(&means)),
            uncorrected_ms: Some(latency_s * 1e3),
            rounds: rounds.len(),
            runs: rounds.iter().map(|round| round.len() as u64).sum(),
            load: load(),
            ..Self::empty(arch)
        }
    }
}

impl Work for Job {
    type Row = Vec<Row>;

    const DONE: &'static str = "measured";
    const HOLD: Duration = Duration::from_secs(60);
    const ALONE: bool = true;

    fn size(&self, item: usize) -> usize {
        self.groups[item].len()
    }

    fn keys(&self) -> Vec<Vec<Key>> {
        let group = |subjects: &Vec<Subject>| subjects.iter().map(|subject| self.key(subject)).collect();
        self.groups.iter().map(group).collect()
    }

    fn shared(&self) -> Vec<Key> {
        vec![self.key_of_usual()]
    }

    /// Latencies are on the scale of the reference that counts.
    fn agree(
        &self,
        unit: store::Row,
        found: &[store::Row],
        agreed: &[store::Row],
    ) -> Result<store::Row, Failure> {
        let usual = |rows: &[store::Row]| match rows.iter().find(|row| row.key == self.key_of_usual()) {
            Some(store::Row { state: State::Done(measured), .. }) => Some(measured.value),
            _ => None,
        };
        let by = usual(agreed).zip(usual(found)).map_or(1.0, |(agreed, found)| agreed / found);
        match (unit.state.clone(), row_of(&unit.key, &unit.state)) {
            (State::Done(measured), Some(mut row)) if by != 1.0 => {
                row.scale(by);
                let payload = Some(serde_json::to_string(&row).or_failed()?);
                let value = row.latency_ms.unwrap_or(measured.value);
                Ok(store::Row { state: State::Done(Measured { value, payload, ..measured }), ..unit })
            }
            _ => Ok(unit),
        }
    }

    fn row(&self, item: usize, store: &Store) -> Result<Option<Vec<Row>>, Failure> {
        let row = |subject: &Subject| -> Result<Option<Row>, Failure> {
            let key = self.key(subject);
            Ok(store.get(&key, now_ms()).or_failed()?.and_then(|row| row_of(&key, &row.state)))
        };
        self.groups[item].iter().map(row).collect()
    }

    fn act(
        &self,
        item: usize,
        leases: Vec<Lease>,
        store: &Store,
        pool: &ThreadPool,
        _stop: &AtomicBool,
    ) -> Result<bool, Failure> {
        let subjects = self.groups[item].iter();
        let subjects: Vec<&Subject> =
            subjects.filter(|subject| leases.iter().any(|lease| lease.key == self.key(subject))).collect();
        let (watch, done) = (Watch::default(), AtomicBool::new(false));
        let file = store.file().to_path_buf();
        let usual = self.usual(store)?;
        let (mut rows, now_usual) = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                // a run that returns late is a network over its limit; this is for one that does not return
                let patience = self.protocol.limit().saturating_mul(2).saturating_add(Duration::from_secs(1));
                let stuck = watch.until(patience, || done.load(Ordering::Relaxed));
                stuck.map(|number| self.give_up(subjects.get(number).copied(), &leases, &file))
            });
            let rows = pool.install(|| self.measure(&subjects, usual, &watch));
            done.store(true, Ordering::Relaxed);
            let _ = watcher.join();
            rows
        })?;
        if let Some(usual) = now_usual {
            // the first to be recorded is the scale of all
            let key = self.key_of_usual();
            store.finish(&key, &Measured::of(usual * 1e3), now_ms()).or_failed()?;
            let scale = self.usual(store)?.map_or(1.0, |kept| kept / usual);
            rows.iter_mut().for_each(|row| row.scale(scale));
        }
        let mut all = true;
        for (subject, row) in subjects.iter().zip(rows) {
            let key = self.key(subject);
            let Some(lease) = leases.iter().find(|lease| lease.key == key) else { continue };
            all &= match (row.latency_ms, &row.reason) {
                (Some(value), None) => {
                    let payload = Some(serde_json::to_string(&row).or_failed()?);
                    ended(store.finish(&key, &Measured { value, payload, cost_s: None }, now_ms()))?
                }
                (_, reason) => {
                    let reason = reason.as_deref().unwrap_or("no latency");
                    ended(store.fail(lease, reason, now_ms()))?
                }
            };
        }
        Ok(all)
    }
}

/// What of a fidelity decides how fast the reference is: all but the protocol, which stands last.
fn scale_of(fidelity: &str) -> String {
    match fidelity.split_once(r#","protocol":"#) {
        Some((rest, _)) => format!("{rest}}}"),
        None => fidelity.into(),
    }
}

impl Job {
    fn key(&self, subject: &Subject) -> Key {
        let fidelity = match subject {
            Subject::Arch(_) => self.fidelity.clone(),
            Subject::File { sha256, .. } => format!("{} {sha256}", self.fidelity),
        };
        Key { metric: "latency_ms".into(), arch: subject.text(), fidelity, ..self.key_of_reference() }
    }

    fn key_of_reference(&self) -> Key {
        Key {
            space: self.space.name().into(),
            arch: self.reference.text(),
            metric: "reference_ms".into(),
            device: self.device.clone(),
            fidelity: self.fidelity.clone(),
            seed: self.seed,
            code_version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// What the reference takes when the machine is quiet; whatever the seed and the numbers of the protocol, it is the
    /// scale of all.
    fn key_of_usual(&self) -> Key {
        Key { seed: Seed(0), fidelity: scale_of(&self.fidelity), ..self.key_of_reference() }
    }

    /// What the reference takes in seconds when the machine is quiet, once it was measured or given.
    ///
    /// # Errors
    /// A store in which latencies are on another scale than the given one.
    pub(super) fn usual(&self, store: &Store) -> Result<Option<f64>, Failure> {
        if let Protocol::Published(_) = self.protocol {
            return Ok(None);
        }
        let key = self.key_of_usual();
        let mut all = store.results(&Filter { fidelity: None, ..Filter::from(&key) }).or_failed()?;
        all.retain(|(kept, _)| scale_of(&kept.fidelity) == key.fidelity);
        let of = |fidelity: &str| all.iter().find(|(key, _)| key.fidelity == fidelity);
        // stores of before have one for each protocol, its own first, which latencies that are there are on
        let kept = of(&self.fidelity).or_else(|| of(&key.fidelity)).or(all.first());
        let Some(kept) = kept.map(|(_, measured)| measured.value / 1e3) else { return Ok(self.given) };
        match self.given.filter(|given| (given / kept - 1.0).abs() > 1e-9) {
            Some(given) => Err(anyhow!(
                "--reference-ms is {}, but the latencies of this store are on the scale of {} ms: leave it out, or \
                 name another --store",
                given * 1e3,
                kept * 1e3
            ))
            .or_input(),
            None => Ok(Some(kept)),
        }
    }

    /// On the thread that measures; also what the reference takes when the machine is quiet, which is measured where it
    /// is not known.
    fn measure(
        &self,
        subjects: &[&Subject],
        usual: Option<f64>,
        watch: &Watch,
    ) -> Result<(Vec<Row>, Option<f64>), Failure> {
        if let Some(core) = self.core {
            pin_to(core).or_input()?;
        }
        let clock = SystemClock::start();
        let mut ready: Vec<Result<Watched<'_>, LatencyError>> = subjects
            .iter()
            .enumerate()
            .map(|(number, subject)| {
                let workload =
                    self.ready.workload(subject, (self.space, &self.build), self.threads, self.seed)?;
                Ok(Watched { workload, number, watch })
            })
            .collect();
        let failed = |subject: &Subject, error: &LatencyError| Row {
            reason: Some(error.to_string()),
            ..Row::empty(subject.text())
        };
        let protocol = match self.protocol {
            Protocol::Interleaved(protocol) => protocol,
            Protocol::Published(protocol) => {
                let one = |(subject, workload): (&&Subject, &mut Result<Watched<'_>, LatencyError>)| {
                    let measured = match workload {
                        Ok(workload) => protocol.measure(&clock, workload),
                        Err(error) => return failed(subject, error),
                    };
                    match measured {
                        Ok((latency, rounds)) => Row::of_rounds(subject.text(), latency, &rounds),
                        Err(error) => failed(subject, &error),
                    }
                };
                return Ok((subjects.iter().zip(&mut ready).map(one).collect(), None));
            }
        };
        let mut reference = Watched {
            workload: self
                .ready
                .workload(&self.reference, (self.space, &self.build), self.threads, Seed(0))
                .or_failed()?,
            number: usize::MAX,
            watch,
        };
        let usual = match usual {
            Some(usual) => usual,
            None => {
                note_busy(self.threads, self.processors);
                protocol.quiet(&clock, &mut reference).context("the reference").or_failed()?
            }
        };
        let mut reference = Reference { workload: &mut reference, usual: Some(usual) };
        let mut workloads: Vec<&mut dyn Workload> = Vec::new();
        workloads.extend(ready.iter_mut().flatten().map(|workload| workload as &mut dyn Workload));
        let found = protocol.measure(&clock, &mut reference, &mut workloads).context("the reference");
        let mut found = found.or_failed()?.into_iter();
        let row = |(subject, ready): (&&Subject, &Result<Watched<'_>, LatencyError>)| match ready {
            Err(error) => failed(subject, error),
            Ok(_) => match found.next() {
                Some(Ok(latency)) => Row::of(subject.text(), &latency),
                Some(Err(error)) => failed(subject, &error),
                None => Row::empty(subject.text()),
            },
        };
        Ok((subjects.iter().zip(&ready).map(row).collect(), Some(usual)))
    }

    /// A run that does not return can only be left: what it was is recorded, and the program ends.
    fn give_up(&self, subject: Option<&Subject>, leases: &[Lease], store: &std::path::Path) -> ! {
        let limit = self.protocol.limit();
        let reason = format!("one run took longer than {limit:?} and was left");
        let which = subject.map_or_else(|| format!("the reference {}", self.reference.text()), Subject::text);
        if let (Some(subject), Ok(store)) = (subject, Store::open(store)) {
            let key = self.key(subject);
            for lease in leases {
                if lease.key == key {
                    let _ = store.fail(lease, &reason, now_ms());
                }
            }
            let _ = leases.first().map(|lease| store.release(&lease.owner));
        }
        let error = anyhow!("{which}: {reason}; the same command with --store goes on with the others");
        eprintln!("error: {error:#}");
        std::process::exit(1)
    }
}

fn row_of(key: &Key, state: &State) -> Option<Row> {
    match state {
        State::Done(Measured { payload: Some(payload), .. })
            if let Ok(row) = serde_json::from_str(payload) =>
        {
            Some(row)
        }
        State::Done(Measured { value, .. }) => {
            Some(Row { latency_ms: Some(*value), ..Row::empty(key.arch.clone()) })
        }
        State::Failed { reason } | State::Diverged { reason } => {
            Some(Row { reason: Some(reason.clone()), ..Row::empty(key.arch.clone()) })
        }
        _ => None,
    }
}

/// Says that the scale of all latencies is found on a busy machine.
fn note_busy(threads: usize, processors: usize) {
    if let Some(load) = load().filter(|load| load + threads as f64 > processors as f64 + 0.5) {
        eprintln!(
            "the machine is busy while its reference is measured (load {load:.1} on {processors} processors): latencies \
             of this store hold beside each other; for absolute ones begin a store when it is quiet, or give --reference-ms"
        );
    }
}
