use std::time::{Duration, Instant};

/// What time is told by, so that everything can be tested by a clock that is not real: see [`fake`](crate::fake).
pub trait Clock {
    /// Time since some fixed moment. It never goes back.
    fn now(&self) -> Duration;

    /// Processor time of this thread since some fixed moment, where it is known. Where less of it has passed than of
    /// [`now`](Clock::now), something else had the core.
    fn processor(&self) -> Option<Duration> {
        None
    }

    /// Lets so much time pass.
    fn pause(&self, time: Duration);
}

/// The clock of the system: `Instant`, and the processor time of the thread on Unix.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    #[cfg(unix)]
    fn processor(&self) -> Option<Duration> {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
