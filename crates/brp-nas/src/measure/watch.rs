//! Looks after workloads that do not return.

use latbench::{Workload, WorkloadError};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What runs at the moment: every change of the number is a sign of life.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pulse: AtomicU64,
    running: Mutex<Option<usize>>,
}

/// A workload that says when it runs.
pub(super) struct Watched<'a> {
    pub(super) workload: Box<dyn Workload + 'a>,
    pub(super) number: usize,
    pub(super) watch: &'a Watch,
}

impl Workload for Watched<'_> {
    fn run(&mut self) -> Result<(), WorkloadError> {
        // a lock that nobody else wants costs as much as a system's clock: nothing beside a network
        let mark = |running| {
            if let Ok(mut now) = self.watch.running.lock() {
                *now = running;
            }
            self.watch.pulse.fetch_add(1, Ordering::Relaxed);
        };
        mark(Some(self.number));
        let result = self.workload.run();
        mark(None);
        result
    }
}

impl Watch {
    /// Waits until `done`, or until one run has taken longer than the limit: its number.
    pub(super) fn until(&self, limit: Duration, done: impl Fn() -> bool) -> Option<usize> {
        const LOOK: Duration = Duration::from_millis(20);
        let (mut seen, mut since) = (self.pulse.load(Ordering::Relaxed), Instant::now());
        while !done() {
            std::thread::sleep(LOOK.min(limit / 4));
            let now = self.pulse.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            let running = self.running.lock().ok().and_then(|running| *running);
            if running.is_some() && since.elapsed() > limit {
                return running;
            }
        }
        None
    }
}
