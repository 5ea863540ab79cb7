use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::progress::Progress;
use anyhow::{Context, anyhow};
use cellnet::{CellStyle, NetworkError, Recipe, Trainer, nas_bench_201};
use images::Images;
use nas_core::Seed;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};
use spaces::nas_bench_201::{Cell, Skeleton};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use store::{Filter, Key, Lease, Measured, State, Store, StoreError};

/// How long a training may take to its first epoch before somebody else takes it up.
const FIRST: Duration = Duration::from_secs(120);

/// How long it may take from one epoch to the next, at least; else four times as long as the last took.
const NEXT: Duration = Duration::from_secs(5);

/// How long to wait before looking again at what somebody else is training.
const PAUSE: Duration = Duration::from_millis(200);

/// Everything that is to be trained, in one setting.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) space: String,
    pub(super) fidelity: String,
    pub(super) cells: &'a [Cell],
    pub(super) skeleton: Skeleton,
    pub(super) recipe: Recipe,
    pub(super) train: &'a Images,
    pub(super) validation: Option<&'a Images>,
    pub(super) test: &'a Images,
    pub(super) seed: Seed,
}

/// What a training came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Trained {
    pub(super) arch: String,
    /// Percent of the validation images.
    pub(super) valid: Option<f64>,
    /// Percent of the test images.
    pub(super) test: Option<f64>,
    pub(super) epochs: usize,
    pub(super) seconds: Option<f64>,
    /// Why there is no result.
    pub(super) reason: Option<String>,
}

impl Job<'_> {
    fn key(&self, cell: &Cell) -> Key {
        Key {
            space: self.space.clone(),
            arch: cell.to_string(),
            metric: "accuracy".into(),
            device: "any".into(),
            fidelity: self.fidelity.clone(),
            seed: self.seed,
            code_version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// The same weights wherever and whenever it is trained: they come from the seed and the architecture.
    fn trainer(&self, cell: &Cell) -> Result<Trainer, NetworkError> {
        let [channels, ..] = self.train.shape();
        let network = nas_bench_201(cell, &self.skeleton, channels, CellStyle::trained())?;
        Trainer::new(network, self.recipe, self.train.statistics(), self.seed.derive(&cell.to_string()))
    }
}

/// Trains what the store does not have yet, several architectures at once on a thread each, and gives the results in
/// the order of the job with how many were there already.
pub(super) fn train_all(
    job: &Job<'_>,
    file: &Path,
    threads: usize,
) -> Result<(Vec<Trained>, usize), Failure> {
    let keys: Vec<Key> = job.cells.iter().map(|cell| job.key(cell)).collect();
    let store = Store::open_or_create(file).or_input()?;
    store.submit(&keys, now_ms()).or_failed()?;
    let outcome = |key: &Key| -> Result<Option<Trained>, Failure> {
        Ok(store.get(key, now_ms()).or_failed()?.and_then(|row| trained(key, &row.state)))
    };
    let mut found = 0;
    for key in &keys {
        found += usize::from(outcome(key)?.is_some());
    }
    let workers = threads.min(keys.len() - found).max(1);
    let each = (threads / workers).max(1);
    let stop = AtomicBool::new(false);
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for number in 0..workers {
            let (sender, keys, stop) = (sender.clone(), &keys, &stop);
            let owner = format!("{}-{number}", std::process::id());
            scope.spawn(move || {
                if let Err(failure) = worker(job, file, keys, &owner, each, stop, &sender) {
                    stop.store(true, Ordering::Relaxed);
                    let _ = sender.send(Event::Failed(failure));
                }
            });
        }
        drop(sender);
        let mut progress = Progress::new("trained", keys.len());
        let mut done = found;
        for event in receiver {
            match event {
                Event::OneMore => done += 1,
                Event::Failed(failure) => return Err(failure),
            }
            progress.step(done);
        }
        Ok(())
    })?;
    let rows = keys.iter().map(|key| outcome(key)?.context("a training without an outcome").or_failed());
    Ok((rows.collect::<Result<_, _>>()?, found))
}

/// What a worker says.
#[derive(Debug)]
enum Event {
    /// One more has an outcome.
    OneMore,
    /// It cannot go on.
    Failed(Failure),
}

fn trained(key: &Key, state: &State) -> Option<Trained> {
    let none = |reason: &str| Trained {
        arch: key.arch.clone(),
        valid: None,
        test: None,
        epochs: 0,
        seconds: None,
        reason: Some(reason.to_owned()),
    };
    match state {
        State::Done(Measured { payload: Some(payload), .. }) => Some(
            serde_json::from_str(payload)
                .unwrap_or_else(|error| none(&format!("an unknown payload: {error}"))),
        ),
        State::Done(Measured { value, cost_s, .. }) => {
            Some(Trained { test: Some(*value), seconds: *cost_s, reason: None, ..none("") })
        }
        State::Failed { reason } | State::Diverged { reason } => Some(none(reason)),
        _ => None,
    }
}

/// Takes one unit after another until all of them have an outcome, its own or somebody else's.
fn worker(
    job: &Job<'_>,
    file: &Path,
    keys: &[Key],
    owner: &str,
    threads: usize,
    stop: &AtomicBool,
    events: &Sender<Event>,
) -> Result<(), Failure> {
    let store = Store::open(file).or_failed()?;
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().or_failed()?;
    let mut open: Vec<usize> = (0..keys.len()).collect();
    while !open.is_empty() && !stop.load(Ordering::Relaxed) {
        let mut waiting = Vec::new();
        for at in open {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let key = &keys[at];
            let leases = store.claim(owner, &Filter::from(key), 1, now_ms(), FIRST).or_failed()?;
            match leases.into_iter().next() {
                Some(lease) => {
                    if one(job, &store, &job.cells[at], lease, (&pool, stop))? {
                        // nobody listens any more where another worker has failed
                        let _ = events.send(Event::OneMore);
                    } else {
                        waiting.push(at);
                    }
                }
                None => {
                    let row = store.get(key, now_ms()).or_failed()?;
                    if row.is_none_or(|row| trained(key, &row.state).is_none()) {
                        waiting.push(at);
                    }
                }
            }
        }
        open = waiting;
        if !open.is_empty() {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// One training, epoch by epoch, each kept in the store before the next; whether it came to an end, and was not
/// stopped or taken over by somebody else.
fn one(
    job: &Job<'_>,
    store: &Store,
    cell: &Cell,
    mut lease: Lease,
    (pool, stop): (&ThreadPool, &AtomicBool),
) -> Result<bool, Failure> {
    let mut trainer = job.trainer(cell).or_failed()?;
    let mut before = 0.0;
    if let Some(saved) = store.checkpoint(&lease.key).or_failed()? {
        let (seconds, weights) =
            saved.split_first_chunk::<8>().context("a checkpoint that is cut off").or_failed()?;
        before = f64::from_le_bytes(*seconds);
        trainer.resume(weights).or_failed()?;
    }
    let start = Instant::now();
    let seconds = || before + start.elapsed().as_secs_f64();
    while !trainer.is_finished() {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let epoch_start = Instant::now();
        match pool.install(|| trainer.epoch(job.train)) {
            Ok(_) => {}
            Err(error @ NetworkError::Diverged { .. }) => {
                return ended(store.diverge(&lease, &error.to_string(), now_ms()));
            }
            Err(error) => {
                ended(store.fail(&lease, &error.to_string(), now_ms()))?;
                return Err(anyhow!(error).context(lease.key.arch.clone())).or_failed();
            }
        }
        let checkpoint = [&seconds().to_le_bytes()[..], &trainer.checkpoint().or_failed()?].concat();
        let hold = NEXT.max(epoch_start.elapsed() * 4);
        match store.renew(&mut lease, now_ms(), hold).and_then(|()| store.save(&lease, &checkpoint)) {
            Ok(()) => {}
            // somebody else goes on with it
            Err(StoreError::LeaseLost { .. }) => return Ok(false),
            Err(error) => return Err(error).or_failed(),
        }
    }
    let evaluate = |images| pool.install(|| trainer.evaluate(images)).or_failed();
    let valid = job.validation.map(evaluate).transpose()?;
    let test = evaluate(job.test)?;
    let result = Trained {
        arch: lease.key.arch.clone(),
        valid: valid.map(|valid| valid.percent),
        test: Some(test.percent),
        epochs: trainer.done(),
        seconds: Some(seconds()),
        reason: None,
    };
    let measured = Measured {
        value: result.valid.unwrap_or(test.percent),
        payload: Some(serde_json::to_string(&result).or_failed()?),
        cost_s: result.seconds,
    };
    ended(store.finish(&lease.key, &measured, now_ms()))
}

/// Whether there is an outcome: that another was there first is as good, but not that somebody else is at it.
fn ended(kept: Result<bool, StoreError>) -> Result<bool, Failure> {
    match kept {
        Ok(_) => Ok(true),
        Err(StoreError::LeaseLost { .. }) => Ok(false),
        Err(error) => Err(error).or_failed(),
    }
}
