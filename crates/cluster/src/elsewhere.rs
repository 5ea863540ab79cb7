use crate::{Dispatch, Engine, EngineError, Look, Patience};
use search::{Evaluate, Evaluated};
use std::collections::{BTreeMap, VecDeque};
use thiserror::Error;

/// Where architectures become tasks, and results are found.
pub trait Desk<A> {
    /// Why it cannot.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The task of an architecture: always the same, also after a kill.
    ///
    /// # Errors
    /// Where it cannot be written down for whoever does it.
    fn task(&mut self, arch: &A) -> Result<u64, Self::Error>;

    /// What came of a task, once something did.
    fn result(&mut self, task: u64) -> Option<Evaluated>;
}

/// An engine as the evaluator of a search. It asks and waits; between two looks it calls whatever was given for that,
/// because it has no clock to wait by.
pub struct Elsewhere<E, D, W> {
    engine: E,
    desk: D,
    wait: W,
    dispatch: Dispatch,
    /// The numbers of all that wait for a task.
    numbers: BTreeMap<u64, Vec<usize>>,
    ready: VecDeque<(usize, Evaluated)>,
}

impl<E, D, W> std::fmt::Debug for Elsewhere<E, D, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elsewhere").field("dispatch", &self.dispatch).finish_non_exhaustive()
    }
}

/// Why nothing can be evaluated elsewhere.
#[derive(Debug, Error)]
#[error(transparent)]
pub enum ElsewhereError<D: std::error::Error + 'static> {
    /// The engine.
    Engine(#[from] EngineError),
    /// The desk.
    Desk(D),
}

impl<E, D, W: FnMut(&Look<Evaluated>)> Elsewhere<E, D, W> {
    /// `wait` is called between two looks with what the last one found: it sleeps, and may say something.
    pub fn new(engine: E, desk: D, patience: Patience, wait: W) -> Self {
        let (numbers, ready) = (BTreeMap::new(), VecDeque::new());
        Self { engine, desk, wait, dispatch: Dispatch::new(patience), numbers, ready }
    }
}

impl<A, E: Engine, D: Desk<A>, W: FnMut(&Look<Evaluated>)> Evaluate<A> for Elsewhere<E, D, W> {
    type Error = ElsewhereError<D::Error>;

    fn start(&mut self, number: usize, arch: &A) -> Result<(), Self::Error> {
        let task = self.desk.task(arch).map_err(ElsewhereError::Desk)?;
        self.numbers.entry(task).or_default().push(number);
        self.dispatch.open(task);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(usize, Evaluated)>, Self::Error> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            if self.dispatch.is_empty() {
                return Ok(None);
            }
            let desk = &mut self.desk;
            let look = self.dispatch.look(&mut self.engine, |task| desk.result(task))?;
            // also where something came, so that no stream of results becomes a stream of questions
            if !self.dispatch.is_empty() {
                (self.wait)(&look);
            }
            let lost =
                |task: u64| Err(format!("task {task} was handed over again and again and has no result"));
            let all = look.done.into_iter().chain(look.lost.into_iter().map(|task| (task, lost(task))));
            for (task, outcome) in all {
                let numbers = self.numbers.remove(&task).unwrap_or_default();
                self.ready.extend(numbers.into_iter().map(|number| (number, outcome.clone())));
            }
        }
    }

    fn stop(&mut self) {
        self.dispatch.stop();
        self.numbers.retain(|task, _| self.dispatch.is_open(*task));
    }
}
