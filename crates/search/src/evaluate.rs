use nas_core::{Evaluation, Objective};
use std::any::Any;
use std::collections::VecDeque;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

/// What an evaluation came to, or why it came to nothing.
pub type Evaluated = Result<Evaluation, String>;

/// Where evaluations are done: on threads, or by the engine of a cluster. They are begun in the order of the search,
/// and come back as they are done.
pub trait Evaluate<A> {
    /// Why none can be done any more, where one that failed is an outcome.
    type Error: Error + Send + Sync + 'static;

    /// Begins an evaluation, or puts it behind those that have begun. Its number is its own.
    ///
    /// # Errors
    /// Where no evaluation can be begun.
    fn start(&mut self, number: usize, arch: &A) -> Result<(), Self::Error>;

    /// Waits for whatever is done next: its number, and what it came to. None where nothing is left to wait for.
    ///
    /// # Errors
    /// Where nothing can come any more of what was begun.
    fn next(&mut self) -> Result<Option<(usize, Evaluated)>, Self::Error>;

    /// Begins nothing more. What has begun is still waited for.
    fn stop(&mut self);
}

/// One evaluation after the other, each when it is waited for.
pub(crate) struct Here<'o, A, O> {
    objective: &'o O,
    retries: usize,
    queue: VecDeque<(usize, A)>,
}

impl<'o, A, O> Here<'o, A, O> {
    pub(crate) fn new(objective: &'o O, retries: usize) -> Self {
        Self { objective, retries, queue: VecDeque::new() }
    }
}

impl<A: Clone, O: Objective<A>> Evaluate<A> for Here<'_, A, O> {
    type Error = std::convert::Infallible;

    fn start(&mut self, number: usize, arch: &A) -> Result<(), Self::Error> {
        self.queue.push_back((number, arch.clone()));
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(usize, Evaluated)>, Self::Error> {
        let next = self.queue.pop_front();
        Ok(next.map(|(number, arch)| (number, one(self.objective, &arch, self.retries))))
    }

    fn stop(&mut self) {
        self.queue.clear();
    }
}

/// What is to be evaluated, and its number.
pub(crate) type Job<A> = (usize, A);

/// Threads that take one evaluation after the other until this is dropped.
pub(crate) struct Threads<'s, A> {
    stopped: &'s AtomicBool,
    jobs: Sender<Job<A>>,
    results: Receiver<(usize, Option<Evaluated>)>,
    open: usize,
}

impl<'s, A: Clone + Send + 's> Threads<'s, A> {
    /// `jobs` and `stopped` outlive the threads.
    pub(crate) fn new<'e, O: Objective<A> + Sync>(
        scope: &'s Scope<'s, 'e>,
        objective: &'s O,
        (threads, retries): (usize, usize),
        jobs: Sender<Job<A>>,
        queue: &'s Mutex<Receiver<Job<A>>>,
        stopped: &'s AtomicBool,
    ) -> Self {
        let (done, results) = channel();
        for _ in 0..threads {
            let done = done.clone();
            scope.spawn(move || {
                let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok((number, arch)) = take() {
                    let begins = !stopped.load(Ordering::Relaxed);
                    let outcome = begins.then(|| one(objective, &arch, retries));
                    // nobody listens any more where the search has ended
                    if done.send((number, outcome)).is_err() {
                        break;
                    }
                }
            });
        }
        Self { stopped, jobs, results, open: 0 }
    }
}

impl<A: Clone> Evaluate<A> for Threads<'_, A> {
    type Error = std::sync::mpsc::SendError<()>;

    fn start(&mut self, number: usize, arch: &A) -> Result<(), Self::Error> {
        self.jobs.send((number, arch.clone())).map_err(|_| std::sync::mpsc::SendError(()))?;
        self.open += 1;
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(usize, Evaluated)>, Self::Error> {
        while self.open > 0 {
            let (number, outcome) = self.results.recv().map_err(|_| std::sync::mpsc::SendError(()))?;
            self.open -= 1;
            if let Some(outcome) = outcome {
                return Ok(Some((number, outcome)));
            }
        }
        Ok(None)
    }

    fn stop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl<A> Drop for Threads<'_, A> {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// One evaluation, tried again up to `retries` times. A panic and a value that is not finite are failures too.
fn one<A, O: Objective<A>>(objective: &O, arch: &A, retries: usize) -> Evaluated {
    let mut outcome = attempt(objective, arch);
    for _ in 0..retries {
        if outcome.is_ok() {
            break;
        }
        outcome = attempt(objective, arch);
    }
    outcome
}

fn attempt<A, O: Objective<A>>(objective: &O, arch: &A) -> Evaluated {
    match catch_unwind(AssertUnwindSafe(|| objective.evaluate(arch))) {
        Ok(result) => result.map_err(|error| error.to_string()).and_then(finite),
        Err(panic) => Err(format!("the evaluation panicked: {}", said(&*panic))),
    }
}

/// An evaluation whose numbers can be compared and summed, whoever made it.
pub(crate) fn finite(evaluation: Evaluation) -> Evaluated {
    let Evaluation { value, latency_ms, cost_s } = evaluation;
    let numbers = [("value", Some(value)), ("latency", latency_ms), ("cost", cost_s)];
    match numbers.into_iter().find(|(_, number)| number.is_some_and(|number| !number.is_finite())) {
        Some((name, number)) => {
            Err(format!("the {name} is {}; an evaluation gives finite numbers", number.unwrap_or_default()))
        }
        None => Ok(evaluation),
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it said nothing")
}
