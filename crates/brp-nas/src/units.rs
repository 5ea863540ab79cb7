//! Units of work from a run store, several at once: what `train` and `score` share.

use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::progress::Progress;
use anyhow::Context;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use store::{Filter, Key, Lease, Row, Store, StoreError};

/// How long to wait before looking again at what somebody else is doing.
const PAUSE: Duration = Duration::from_millis(200);

/// Work that consists of items, each of one or more units of a store.
pub(crate) trait Work: Sync {
    /// What an item came to.
    type Row;

    /// What is done to an item, as progress says it.
    const DONE: &'static str;

    /// How long a unit stays with a worker that gives no sign of life, before somebody else takes it up.
    const HOLD: Duration;

    /// Whether one item is done after the other, with all threads for each.
    const ALONE: bool = false;

    /// How many an item counts for.
    fn size(&self, _item: usize) -> usize {
        1
    }

    /// The units of every item; each item has at least one.
    fn keys(&self) -> Vec<Vec<Key>>;

    /// Units that are found out once for all items, where there are any.
    fn shared(&self) -> Vec<Key> {
        Vec::new()
    }

    /// A unit as it is where others have said first what is found out once: `found` is what this process found out, and
    /// `agreed` what counts.
    fn agree(&self, unit: Row, _found: &[Row], _agreed: &[Row]) -> Result<Row, Failure> {
        Ok(unit)
    }

    /// What an item came to, once every unit of it has an outcome.
    fn row(&self, item: usize, store: &Store) -> Result<Option<Self::Row>, Failure>;

    /// Does the units of an item that are leased; whether all of them have an outcome now, and were not stopped or
    /// taken over by somebody else.
    fn act(
        &self,
        item: usize,
        leases: Vec<Lease>,
        store: &Store,
        pool: &ThreadPool,
        stop: &AtomicBool,
    ) -> Result<bool, Failure>;
}

/// Does what the store does not have yet, several items at once on a thread each, and gives the rows in the order of
/// the items with how many were there already.
pub(crate) fn complete<W: Work>(
    work: &W,
    file: &Path,
    threads: usize,
) -> Result<(Vec<W::Row>, usize), Failure> {
    let keys = work.keys();
    let store = Store::open_or_create(file).or_input()?;
    store.submit(&keys.concat(), now_ms()).or_failed()?;
    let (mut found, mut open) = (0, Vec::new());
    for item in 0..keys.len() {
        if work.row(item, &store)?.is_some() {
            found += work.size(item);
        } else {
            open.push(item);
        }
    }
    let sizes: Vec<usize> = (0..keys.len()).map(|item| work.size(item)).collect();
    let all: usize = sizes.iter().sum();
    let row = |item| work.row(item, &store)?.context("an item without an outcome").or_failed();
    if found == all {
        return Ok(((0..keys.len()).map(row).collect::<Result<_, _>>()?, found));
    }
    let workers = if W::ALONE { 1 } else { threads.min(all - found).max(1) };
    let each = (threads / workers).max(1);
    let stop = AtomicBool::new(false);
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for number in 0..workers {
            let (sender, keys, open, stop) = (sender.clone(), &keys, open.clone(), &stop);
            let owner = format!("{}-{number}", std::process::id());
            scope.spawn(move || {
                let ended = worker(work, file, (keys, open), &owner, each, stop, &sender);
                if ended.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                if stop.load(Ordering::Relaxed) {
                    // whoever does it right need not wait for the leases to run out
                    let _ = Store::open(file).and_then(|store| store.release(&owner));
                }
                if let Err(failure) = ended {
                    let _ = sender.send(Event::Failed(failure));
                }
            });
        }
        drop(sender);
        // a search asks for one item at a time, and has a bar of its own
        let mut progress = (all > 1).then(|| Progress::new(W::DONE, all));
        let mut done = found;
        for event in receiver {
            match event {
                Event::Done(item) => done += sizes[item],
                Event::Failed(failure) => return Err(failure),
            }
            progress.iter_mut().for_each(|progress| progress.step(done));
        }
        Ok(())
    })?;
    Ok(((0..keys.len()).map(row).collect::<Result<_, _>>()?, found))
}

/// What a worker says.
#[derive(Debug)]
enum Event {
    /// This item has an outcome.
    Done(usize),
    /// It cannot go on.
    Failed(Failure),
}

/// Takes one open item after another until all of them have an outcome, its own or somebody else's.
fn worker<W: Work>(
    work: &W,
    file: &Path,
    (keys, mut open): (&[Vec<Key>], Vec<usize>),
    owner: &str,
    threads: usize,
    stop: &AtomicBool,
    events: &Sender<Event>,
) -> Result<(), Failure> {
    let store = Store::open(file).or_failed()?;
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().or_failed()?;
    while !open.is_empty() && !stop.load(Ordering::Relaxed) {
        let mut waiting = Vec::new();
        for item in open {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let mut leases = Vec::new();
            for key in &keys[item] {
                leases.extend(store.claim(owner, &Filter::from(key), 1, now_ms(), W::HOLD).or_failed()?);
            }
            if leases.is_empty() {
                if work.row(item, &store)?.is_none() {
                    waiting.push(item);
                }
            } else {
                let held = leases.clone();
                let ended = holding(file, held, W::HOLD, || work.act(item, leases, &store, &pool, stop))?;
                if ended && work.row(item, &store)?.is_some() {
                    // nobody listens any more where another worker has failed
                    let _ = events.send(Event::Done(item));
                } else {
                    waiting.push(item);
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

/// Does something, and keeps the leases meanwhile, however long it takes.
fn holding<T>(file: &Path, mut leases: Vec<Lease>, hold: Duration, act: impl FnOnce() -> T) -> T {
    let (running, over) = channel::<()>();
    std::thread::scope(move |scope| {
        scope.spawn(move || {
            let mut store = None;
            while over.recv_timeout(hold / 4) == Err(RecvTimeoutError::Timeout) {
                if store.is_none() {
                    store = Store::open(file).ok();
                }
                // what is lost, or has an outcome, is for whoever acts to find out
                let _ = store.as_ref().map(|store| store.renew_all(&mut leases, now_ms(), hold));
            }
        });
        // dropped at the end, whatever the end is
        let _running = running;
        act()
    })
}

/// Whether there is an outcome: that another was there first is as good, but not that somebody else is at it.
pub(crate) fn ended(kept: Result<bool, StoreError>) -> Result<bool, Failure> {
    match kept {
        Ok(_) => Ok(true),
        Err(StoreError::LeaseLost { .. }) => Ok(false),
        Err(error) => Err(error).or_failed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nas_core::Seed;
    use store::State;

    #[test]
    fn what_takes_long_stays_with_whoever_does_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.sqlite");
        let store = Store::open_or_create(&file).unwrap();
        let text = || String::from("any");
        let key = Key {
            space: text(),
            arch: text(),
            metric: text(),
            device: text(),
            fidelity: text(),
            seed: Seed(0),
            code_version: text(),
        };
        store.submit(std::slice::from_ref(&key), now_ms()).unwrap();
        let hold = Duration::from_millis(400);
        let leases = store.claim("first", &Filter::from(&key), 1, now_ms(), hold).unwrap();
        let first_end = leases[0].until_ms;
        let until = || match store.get(&key, first_end).unwrap().unwrap().state {
            State::Running { until_ms, .. } => until_ms,
            _ => 0,
        };
        let claim = |now| store.claim("second", &Filter::from(&key), 1, now, hold).unwrap();
        holding(&file, leases, hold, || {
            let looks = (0..1_000).take_while(|_| {
                std::thread::sleep(Duration::from_millis(10));
                until() <= first_end
            });
            assert!(looks.count() < 1_000, "nobody renewed the lease");
            assert!(claim(first_end).is_empty(), "somebody else took what is being done");
        });
        assert_eq!(claim(until()).len(), 1, "nobody takes up what is not done any more");
    }
}
