//! A clock and workloads that are not real: to test what measures by what is known.

use crate::clock::Clock;
use crate::error::WorkloadError;
use crate::workload::Workload;
use std::cell::Cell;
use std::time::Duration;

/// A clock that shows what it was told, so that a second costs none.
#[derive(Debug, Default)]
pub struct FakeClock {
    now: Cell<Duration>,
    processor: Cell<Duration>,
}

impl FakeClock {
    /// Lets wall time pass in which the thread worked.
    pub fn work(&self, time: Duration) {
        self.now.set(self.now.get() + time);
        self.processor.set(self.processor.get() + time);
    }

    /// Lets wall time pass in which something else had the core.
    pub fn lose(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }

    /// Sets what it shows, earlier or later.
    pub fn set(&self, now: Duration) {
        self.now.set(now);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn processor(&self) -> Option<Duration> {
        Some(self.processor.get())
    }

    fn pause(&self, time: Duration) {
        self.lose(time);
    }
}

/// A workload that takes the same time whenever it runs, or one that depends on the clock.
#[derive(Debug)]
pub struct Steady<'a, F = fn(Duration) -> f64> {
    clock: &'a FakeClock,
    seconds: f64,
    slowness: F,
}

impl<'a> Steady<'a> {
    /// Takes so many seconds.
    pub fn new(clock: &'a FakeClock, seconds: f64) -> Self {
        Self { clock, seconds, slowness: |_| 1.0 }
    }
}

impl<'a, F: Fn(Duration) -> f64> Steady<'a, F> {
    /// Takes so many seconds times what `slowness` says of the moment at which it begins.
    pub fn slowed(clock: &'a FakeClock, seconds: f64, slowness: F) -> Self {
        Self { clock, seconds, slowness }
    }
}

impl<F: Fn(Duration) -> f64> Workload for Steady<'_, F> {
    fn run(&mut self) -> Result<(), WorkloadError> {
        self.clock.work(Duration::from_secs_f64(self.seconds * (self.slowness)(self.clock.now())));
        Ok(())
    }
}
