//! An engine of many workers with a clock of its own.

use cluster::{Desk, Engine, EngineError, Phase, Submitted};
use nas_core::{Evaluation, Seed, Stream};
use rand::RngExt;
use search::Evaluated;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::convert::Infallible;
use std::rc::Rc;

/// How rough it is; chances from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    /// A task takes from 1 ms up to this.
    pub(crate) longest_ms: u64,
    /// A task is taken and never seen again.
    pub(crate) forgets: f64,
    /// A worker dies before the result.
    pub(crate) dies: f64,
    /// A task that was done is done again.
    pub(crate) repeats: f64,
    /// The result is seen up to a second after the task is gone.
    pub(crate) late: f64,
    /// The engine does not answer.
    pub(crate) refuses: f64,
}

impl Settings {
    /// Nothing goes wrong.
    pub(crate) fn smooth(seed: u64, workers: usize) -> Self {
        let (forgets, dies, repeats, late, refuses) = (0.0, 0.0, 0.0, 0.0, 0.0);
        Self { seed, workers, longest_ms: 1_000, forgets, dies, repeats, late, refuses }
    }
}

/// What a task comes to, wherever it is done.
pub(crate) fn value(task: u64) -> Evaluated {
    if task % 17 == 16 {
        Err(format!("{task} diverged"))
    } else {
        Ok(Evaluation::of((task * 7919 % 1000) as f64))
    }
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    rng: Stream,
    now_ms: u64,
    queue: VecDeque<u64>,
    /// When it ends, and whether with a result.
    running: BinaryHeap<Reverse<(u64, u64, bool)>>,
    at_work: BTreeMap<u64, usize>,
    /// When the result is seen.
    results: BTreeMap<u64, u64>,
    handed_over: usize,
    most_running: usize,
}

/// A handle on it.
#[derive(Debug, Clone)]
pub(crate) struct Simulated(Rc<RefCell<Inner>>);

impl Simulated {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            settings,
            rng: Seed(settings.seed).stream("cluster"),
            now_ms: 0,
            queue: VecDeque::new(),
            running: BinaryHeap::new(),
            at_work: BTreeMap::new(),
            results: BTreeMap::new(),
            handed_over: 0,
            most_running: 0,
        })))
    }

    pub(crate) fn result(&self, task: u64) -> Option<Evaluated> {
        let inner = self.0.borrow();
        inner.results.get(&task).filter(|seen| **seen <= inner.now_ms).map(|_| value(task))
    }

    pub(crate) fn handed_over(&self) -> usize {
        self.0.borrow().handed_over
    }

    pub(crate) fn most_running(&self) -> usize {
        self.0.borrow().most_running
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.0.borrow_mut().advance(ms);
    }
}

impl Inner {
    fn advance(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        loop {
            while self.running.len() < self.settings.workers
                && let Some(task) = self.queue.pop_front()
            {
                let ends = self.now_ms + self.rng.random_range(1..=self.settings.longest_ms);
                let lives = !self.rng.random_bool(self.settings.dies);
                self.running.push(Reverse((ends, task, lives)));
                *self.at_work.entry(task).or_default() += 1;
            }
            self.most_running = self.most_running.max(self.running.len());
            let Some(Reverse((ends, task, lives))) =
                self.running.peek().copied().filter(|next| next.0.0 <= end)
            else {
                break;
            };
            self.running.pop();
            self.now_ms = ends;
            let left = self.at_work.remove(&task).unwrap_or(1) - 1;
            if left > 0 {
                self.at_work.insert(task, left);
            }
            if lives {
                let late = if self.rng.random_bool(self.settings.late) {
                    self.rng.random_range(0..1_000)
                } else {
                    0
                };
                self.results.entry(task).or_insert(ends + late);
                if self.rng.random_bool(self.settings.repeats) {
                    self.queue.push_back(task);
                }
            }
        }
        self.now_ms = end;
    }

    fn refuses(&mut self) -> Option<EngineError> {
        let refuses = self.settings.refuses;
        let busy = || EngineError::Busy { command: "squeue".into(), said: "Socket timed out".into() };
        self.rng.random_bool(refuses).then(busy)
    }
}

impl Engine for Simulated {
    fn submit(&mut self, tasks: &[u64]) -> Submitted {
        let mut inner = self.0.borrow_mut();
        let mut submitted = Submitted::default();
        for &task in tasks {
            submitted.refused = inner.refuses();
            if submitted.refused.is_some() {
                break;
            }
            inner.handed_over += 1;
            submitted.taken.push(task);
            let forgets = inner.settings.forgets;
            if !inner.rng.random_bool(forgets) {
                inner.queue.push_back(task);
            }
        }
        submitted
    }

    fn tasks(&mut self) -> Result<BTreeMap<u64, Phase>, EngineError> {
        let mut inner = self.0.borrow_mut();
        if let Some(error) = inner.refuses() {
            return Err(error);
        }
        let running: BTreeSet<u64> = inner.at_work.keys().copied().collect();
        let waiting = inner.queue.iter().map(|task| (*task, Phase::Waiting));
        Ok(waiting.chain(running.into_iter().map(|task| (task, Phase::Running))).collect())
    }
}

/// Every architecture is its own task.
impl Desk<u64> for Simulated {
    type Error = Infallible;

    fn task(&mut self, arch: &u64) -> Result<u64, Infallible> {
        Ok(*arch)
    }

    fn result(&mut self, task: u64) -> Option<Evaluated> {
        Simulated::result(self, task)
    }
}
