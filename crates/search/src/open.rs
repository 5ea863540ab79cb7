use crate::evaluate::finite;
use crate::{Evaluate, Evaluated, SearchError};
use nas_core::{Searcher, Trial};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::iter::Peekable;

/// An architecture that was asked for and has no trial yet.
pub(crate) struct Flight<A> {
    /// Among all that was asked for, from 0.
    number: usize,
    /// Which ask it came from.
    iteration: usize,
    arch: A,
    begun: bool,
    came: Option<Evaluated>,
}

impl<A> Flight<A> {
    pub(crate) fn trial(self, number: usize, result: Evaluated) -> (usize, Trial<A>) {
        (self.number, Trial { number, iteration: self.iteration, arch: self.arch, result })
    }
}

/// What is not open any more, and its trial or what it came to.
pub(crate) type Landed<A, T> = Option<(Flight<A>, T)>;

/// The trials of one ask: how many are still to come, and those that came, with their place in it.
struct Batch<A> {
    left: usize,
    trials: Vec<(usize, Trial<A>)>,
}

impl<A> Batch<A> {
    fn in_order(mut self) -> Vec<Trial<A>> {
        self.trials.sort_by_key(|(place, _)| *place);
        self.trials.into_iter().map(|(_, trial)| trial).collect()
    }
}

/// What is open between a strategy and an evaluator.
pub(crate) struct Open<A> {
    flights: VecDeque<Flight<A>>,
    /// By the number of the ask.
    batches: BTreeMap<usize, Batch<A>>,
    asked: usize,
    asks: usize,
    as_they_come: bool,
}

impl<A: Clone + Display + PartialEq> Open<A> {
    pub(crate) fn new(as_they_come: bool) -> Self {
        Self { flights: VecDeque::new(), batches: BTreeMap::new(), asked: 0, asks: 0, as_they_come }
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }

    /// How many were asked for in all.
    pub(crate) fn asked(&self) -> usize {
        self.asked
    }

    /// Asks for at most `room` more; whether there are any.
    pub(crate) fn ask<S: Searcher<A>>(&mut self, searcher: &mut S, room: usize) -> Result<bool, SearchError> {
        if room == 0 {
            return Ok(false);
        }
        let mut batch = searcher.ask(room).map_err(SearchError::strategy)?;
        batch.truncate(room);
        if batch.is_empty() {
            return Ok(false);
        }
        self.batches.insert(self.asks, Batch { left: batch.len(), trials: Vec::new() });
        for arch in batch {
            let (number, iteration) = (self.asked, self.asks);
            self.flights.push_back(Flight { number, iteration, arch, begun: false, came: None });
            self.asked += 1;
        }
        self.asks += 1;
        Ok(true)
    }

    /// The flight of the next recorded trial, which becomes trial `number`.
    pub(crate) fn of_record(
        &mut self,
        recorded: &mut Peekable<impl Iterator<Item = Trial<A>>>,
        number: usize,
    ) -> Result<Landed<A, Trial<A>>, SearchError> {
        let Some(trial) = recorded.next() else { return Ok(None) };
        let same = |flight: &Flight<A>| flight.iteration == trial.iteration && flight.arch == trial.arch;
        let candidates = if self.as_they_come { self.flights.len() } else { 1 };
        let place = self.flights.iter().take(candidates).position(same).filter(|_| trial.number == number);
        if let Some(flight) = place.and_then(|place| self.flights.remove(place)) {
            return Ok(Some((flight, trial)));
        }
        let asked = self.flights.front().map(|flight| in_iteration(&flight.arch, flight.iteration));
        let recorded = in_iteration(&trial.arch, trial.iteration);
        Err(SearchError::OtherRecord { number, recorded, asked: asked.unwrap_or_else(|| "nothing".into()) })
    }

    /// Begins what has not begun, and waits for the next that is due; none where nothing comes any more.
    pub(crate) fn evaluated<E: Evaluate<A>>(
        &mut self,
        evaluator: &mut E,
        late: &dyn Fn() -> bool,
    ) -> Result<Landed<A, Evaluated>, SearchError> {
        loop {
            // what has begun when it is late still counts
            if late() {
                evaluator.stop();
            } else {
                for flight in self.flights.iter_mut().filter(|flight| !flight.begun) {
                    evaluator.start(flight.number, &flight.arch).map_err(SearchError::evaluator)?;
                    flight.begun = true;
                }
            }
            let due = if self.as_they_come { self.flights.len() } else { 1 };
            let place = self.flights.iter().take(due).position(|flight| flight.came.is_some());
            if let Some(mut flight) = place.and_then(|place| self.flights.remove(place))
                && let Some(came) = flight.came.take()
            {
                return Ok(Some((flight, came)));
            }
            let Some((number, came)) = evaluator.next().map_err(SearchError::evaluator)? else {
                return Ok(None);
            };
            // one that comes twice counts once
            let flight = self.flights.iter_mut().find(|flight| flight.number == number);
            if let Some(flight) = flight.filter(|flight| flight.came.is_none()) {
                flight.came = Some(came.and_then(finite));
            }
        }
    }

    /// Takes a trial to those of its batch; all of them in the order of the batch, once they are there.
    pub(crate) fn complete(&mut self, place: usize, trial: Trial<A>) -> Option<Vec<Trial<A>>> {
        let iteration = trial.iteration;
        let batch = self.batches.get_mut(&iteration)?;
        batch.trials.push((place, trial));
        batch.left -= 1;
        if batch.left > 0 {
            return None;
        }
        self.batches.remove(&iteration).map(Batch::in_order)
    }

    /// What came of batches that were cut off.
    pub(crate) fn cut_off(self) -> impl Iterator<Item = Vec<Trial<A>>> {
        let begun = self.batches.into_values().filter(|batch| !batch.trials.is_empty());
        begun.map(Batch::in_order)
    }
}

fn in_iteration(arch: &impl Display, iteration: usize) -> String {
    format!("{arch} in iteration {iteration}")
}
