use crate::evaluate::{Here, Threads};
use crate::open::Open;
use crate::{Budget, Evaluate, SearchError, Stopped};
use nas_core::{Objective, Observe, Searcher, Trial};
use std::fmt::Display;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;

/// The one loop with `budget` trials, one at a time, and nothing else set: see [`Run`].
///
/// # Errors
/// As [`Run::search`].
///
/// ```
/// use nas_core::Evaluation;
/// use search::{InOrder, run};
///
/// let square = |x: &i32| Ok::<_, std::io::Error>(Evaluation::of(-f64::from((x - 3) * (x - 3))));
/// let trials = run(&mut InOrder::new(0..100), &square, 10, &mut [])?;
/// assert_eq!(trials.len(), 10);
/// # Ok::<(), search::SearchError>(())
/// ```
pub fn run<A, S, O>(
    searcher: &mut S,
    objective: &O,
    budget: usize,
    observers: &mut [&mut dyn Observe<A>],
) -> Result<Vec<Trial<A>>, SearchError>
where
    A: Clone + Display + PartialEq + Send,
    S: Searcher<A>,
    O: Objective<A> + Sync,
{
    Ok(Run::new(budget).search(searcher, objective, observers)?.trials)
}

/// The one loop: asks, evaluates, shows every trial to the observers, tells; until the budget is spent or the
/// strategy is done. It counts, so no strategy can overspend.
///
/// An evaluation that fails, panics or gives a number that is not finite is tried again as often as asked, then
/// it is a trial that failed: it counts, the strategy is told, the search goes on.
///
/// The order of trials is the strategy's, and no result depends on the number of threads, nor on what comes first of
/// what is evaluated [elsewhere](Run::search_by), unless that is [asked for](Run::as_they_come).
///
/// ```
/// use nas_core::Evaluation;
/// use search::{Budget, InOrder, Run, Stopped};
///
/// // an evaluation that says what it cost
/// let costly = |x: &u32| Ok::<_, std::io::Error>(Evaluation { cost_s: Some(2.0), ..Evaluation::of(f64::from(*x)) });
/// let budget = Budget { cost_s: Some(9.0), ..Budget::trials(100) };
/// let cut = Run::new(budget).search(&mut InOrder::new(0..100), &costly, &mut [])?;
/// assert_eq!((cut.trials.len(), cut.stopped), (5, Stopped::Cost));
///
/// // the same search goes on from what was recorded, without evaluating it again
/// let whole = Run::new(8).go_on_from(cut.trials).search(&mut InOrder::new(0..100), &costly, &mut [])?;
/// assert_eq!(whole.trials.len(), 8);
/// # Ok::<(), search::SearchError>(())
/// ```
pub struct Run<'a, A> {
    budget: Budget,
    threads: usize,
    retries: usize,
    in_flight: usize,
    as_they_come: bool,
    recorded: Vec<Trial<A>>,
    clock: Option<&'a dyn Fn() -> f64>,
    untold: bool,
}

impl<A: std::fmt::Debug> std::fmt::Debug for Run<'_, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { budget, threads, retries, in_flight, as_they_come, recorded, clock, untold } = self;
        f.debug_struct("Run")
            .field("budget", budget)
            .field("threads", threads)
            .field("retries", retries)
            .field("in_flight", in_flight)
            .field("as_they_come", as_they_come)
            .field("recorded", recorded)
            .field("clock", &clock.is_some())
            .field("untold", untold)
            .finish()
    }
}

/// What a search did.
#[derive(Debug, Clone, PartialEq)]
pub struct Searched<A> {
    /// All trials, recorded ones first.
    pub trials: Vec<Trial<A>>,
    /// Why there are no more.
    pub stopped: Stopped,
}

impl<'a, A> Run<'a, A> {
    /// With this budget, on one thread, without another try, from the beginning.
    pub fn new(budget: impl Into<Budget>) -> Self {
        let (recorded, clock, untold) = (Vec::new(), None, false);
        let (threads, retries, in_flight, as_they_come) = (1, 0, 1, false);
        Self { budget: budget.into(), threads, retries, in_flight, as_they_come, recorded, clock, untold }
    }

    /// How many evaluations of a batch run at once.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// How many evaluations may be open when the strategy is asked for more, where it
    /// [can be](Searcher::asks_ahead): so that none waits for the slowest of a batch. It is told of a batch as soon as
    /// that is done and all before it are, so this number decides what is asked for, and nothing else does.
    #[must_use]
    pub fn in_flight(self, in_flight: usize) -> Self {
        Self { in_flight, ..self }
    }

    /// Takes evaluations as they come instead of in the order in which they were begun: nothing waits for a slow one,
    /// and the record depends on what was slow. It can still be gone on from.
    #[must_use]
    pub fn as_they_come(self) -> Self {
        Self { as_they_come: true, ..self }
    }

    /// How often an evaluation that failed is tried again before it is a failed trial.
    #[must_use]
    pub fn retries(self, retries: usize) -> Self {
        Self { retries, ..self }
    }

    /// Goes on from the trials of a run that was stopped, with the same settings and a fresh strategy. The
    /// strategy is asked as before, and told what was recorded instead of evaluating it; so what comes is what an
    /// uninterrupted run gives.
    #[must_use]
    pub fn go_on_from(self, recorded: Vec<Trial<A>>) -> Self {
        Self { recorded, ..self }
    }

    /// Seconds since the start, for a budget of wall time: this crate reads no clock.
    #[must_use]
    pub fn clock(self, clock: &'a dyn Fn() -> f64) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Leaves the strategy untold of the batch that spends the budget: the trials are the same, and what it would
    /// make of them, such as a last fit of a predictor, is saved where nobody asks for it.
    #[must_use]
    pub fn leave_last_untold(self) -> Self {
        Self { untold: true, ..self }
    }

    fn check(&self) -> Result<(), SearchError> {
        let Budget { cost_s, wall_s, .. } = self.budget;
        for (name, value) in [("cost budget", cost_s), ("wall budget", wall_s)] {
            if let Some(value) = value.filter(|value| !(*value > 0.0 && value.is_finite())) {
                let expected = "it is a positive number of seconds".into();
                return Err(SearchError::Setting { name, value, expected });
            }
        }
        match (wall_s, self.clock) {
            (Some(value), None) => {
                let expected = "a budget of wall time needs a clock".into();
                Err(SearchError::Setting { name: "wall budget", value, expected })
            }
            _ => Ok(()),
        }
    }

    /// Runs the search.
    ///
    /// # Errors
    /// A strategy that fails, an observer that cannot record, a budget that is no number of seconds, one of cost
    /// where an evaluation does not say what it cost, and [`SearchError::OtherRecord`] where what was recorded is
    /// not what the strategy asks for.
    pub fn search<S, O>(
        self,
        searcher: &mut S,
        objective: &O,
        observers: &mut [&mut dyn Observe<A>],
    ) -> Result<Searched<A>, SearchError>
    where
        A: Clone + Display + PartialEq + Send,
        S: Searcher<A>,
        O: Objective<A> + Sync,
    {
        let (threads, retries) = (self.threads, self.retries);
        if threads <= 1 {
            return self.search_by(searcher, &mut Here::new(objective, retries), observers);
        }
        let (sender, receiver) = channel();
        let (queue, stopped) = (Mutex::new(receiver), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let workers = (threads, retries);
            let mut threads = Threads::new(scope, objective, workers, sender, &queue, &stopped);
            self.search_by(searcher, &mut threads, observers)
        })
    }

    /// Runs the search with evaluations that are done elsewhere. The number of threads and the retries are those of
    /// whoever does them.
    ///
    /// # Errors
    /// As [`Run::search`], and an evaluator that can do no more.
    pub fn search_by<S, E>(
        self,
        searcher: &mut S,
        evaluator: &mut E,
        observers: &mut [&mut dyn Observe<A>],
    ) -> Result<Searched<A>, SearchError>
    where
        A: Clone + Display + PartialEq,
        S: Searcher<A>,
        E: Evaluate<A>,
    {
        self.check()?;
        let Self { budget, in_flight, as_they_come, recorded, clock, untold, .. } = self;
        let late = || budget.wall_s.zip(clock).is_some_and(|(wall_s, clock)| clock() >= wall_s);
        let mut open = Open::new(as_they_come);
        let mut recorded = recorded.into_iter().peekable();
        let mut done = Done { trials: Vec::new(), cost_s: 0.0, budget };
        let mut stopped = (budget.trials == 0).then_some(Stopped::Trials);
        while stopped.is_none() {
            let number = done.trials.len();
            while open.len() == 0 || (open.len() < in_flight && searcher.asks_ahead()) {
                // a strategy that is asked when nothing is open may ask for all there is room for
                let left = budget.trials - open.asked();
                let room = if open.len() == 0 { left } else { left.min(in_flight - open.len()) };
                if !open.ask(searcher, room)? {
                    break;
                }
            }
            if open.len() == 0 {
                stopped = Some(Stopped::Exhausted);
                continue;
            }
            let (place, trial) = match open.of_record(&mut recorded, number)? {
                Some((flight, trial)) => {
                    observers.iter_mut().try_for_each(|observer| observer.on_recorded(&trial))?;
                    flight.trial(number, trial.result)
                }
                None => {
                    let Some((flight, result)) = open.evaluated(evaluator, &late)? else {
                        let open = open.len();
                        stopped = late().then_some(Stopped::Wall);
                        stopped.ok_or(SearchError::NothingComes { open })?;
                        continue;
                    };
                    let (place, trial) = flight.trial(number, result);
                    observers.iter_mut().try_for_each(|observer| observer.on_trial(&trial))?;
                    (place, trial)
                }
            };
            stopped = done.take(trial.clone())?;
            let batch = open.complete(place, trial).filter(|_| stopped.is_none() || !untold);
            batch.map_or(Ok(()), |batch| searcher.tell(&batch)).map_err(SearchError::strategy)?;
        }
        evaluator.stop();
        if !untold {
            open.cut_off().try_for_each(|batch| searcher.tell(&batch)).map_err(SearchError::strategy)?;
        }
        match recorded.next() {
            Some(trial) => Err(SearchError::RecordGoesOn { trials: done.trials.len(), next: trial.number }),
            None => Ok(Searched { trials: done.trials, stopped: stopped.unwrap_or(Stopped::Exhausted) }),
        }
    }
}

/// What was done so far, against what may be done.
struct Done<A> {
    trials: Vec<Trial<A>>,
    cost_s: f64,
    budget: Budget,
}

impl<A: Display> Done<A> {
    /// Counts a trial; why it was the last, if it was.
    fn take(&mut self, trial: Trial<A>) -> Result<Option<Stopped>, SearchError> {
        if let (Some(_), Ok(evaluation)) = (self.budget.cost_s, &trial.result) {
            let arch = || trial.arch.to_string();
            self.cost_s += evaluation.cost_s.ok_or_else(|| SearchError::NoCost { arch: arch() })?;
        }
        self.trials.push(trial);
        Ok(if self.trials.len() >= self.budget.trials {
            Some(Stopped::Trials)
        } else {
            self.budget.cost_s.filter(|limit| self.cost_s >= *limit).map(|_| Stopped::Cost)
        })
    }
}
