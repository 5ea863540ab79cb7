//! Evaluations that are done elsewhere and come in any order.

use crate::toy::{Word, Words};
use nas_core::{Searcher, Seed, Stream};
use proptest::prelude::*;
use rand::RngExt;
use search::{
    Budget, Domain, Evaluate, Evaluated, Evolution, EvolutionSettings, InOrder, Random, Reinforce,
    ReinforceSettings, Run, SearchError, Searched, Stopped,
};
use std::convert::Infallible;

const WORDS: Words = Words { length: 5, letters: 4, listed: true };

/// Gives results in any order, now and then twice, and counts what is open at most.
struct Anywhere {
    rng: Stream,
    open: Vec<(usize, Word)>,
    given: Vec<usize>,
    most: usize,
    /// How often a result comes once more.
    again: f64,
    stopped: bool,
}

impl Anywhere {
    fn new(seed: u64) -> Self {
        let (open, given) = (Vec::new(), Vec::new());
        Self { rng: Seed(seed).stream("arrivals"), open, given, most: 0, again: 0.1, stopped: false }
    }
}

fn outcome(word: &Word) -> Evaluated {
    if word.to_string().contains("ab") {
        return Err(format!("{word} diverged"));
    }
    WORDS.evaluate()(word).map_err(|error| error.to_string())
}

impl Evaluate<Word> for Anywhere {
    type Error = Infallible;

    fn start(&mut self, number: usize, word: &Word) -> Result<(), Infallible> {
        assert!(!self.stopped, "an evaluation begins after the end");
        assert!(!self.given.contains(&number) && self.open.iter().all(|(open, _)| *open != number));
        self.open.push((number, word.clone()));
        self.most = self.most.max(self.open.len());
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(usize, Evaluated)>, Infallible> {
        if self.open.is_empty() {
            return Ok(None);
        }
        let place = self.rng.random_range(0..self.open.len());
        let (number, word) = self.open[place].clone();
        if !self.rng.random_bool(self.again) {
            self.open.swap_remove(place);
            self.given.push(number);
        }
        Ok(Some((number, outcome(&word))))
    }

    fn stop(&mut self) {
        self.stopped = true;
    }
}

fn random(seed: u64) -> Random<'static, Words> {
    Random::new(Domain::of(&WORDS), Seed(seed))
}

fn evolution(seed: u64) -> Evolution<'static, Words> {
    let settings = EvolutionSettings { pool: 10, tournament: 3, ..EvolutionSettings::published() };
    Evolution::new(Domain::of(&WORDS), settings, Seed(seed)).unwrap()
}

fn policy(seed: u64) -> Reinforce<'static, Words> {
    Reinforce::new(Domain::of(&WORDS), ReinforceSettings::standard(), Seed(seed)).unwrap()
}

fn by<S: Searcher<Word>>(run: Run<'_, Word>, mut searcher: S, at: &mut Anywhere) -> Searched<Word> {
    run.search_by(&mut searcher, at, &mut []).unwrap()
}

/// One strategy, made anew each time, in any order of arrival.
fn conforms<S: Searcher<Word>>(make: impl Fn() -> S, arrivals: [u64; 2], cut: usize) {
    let run = |width| Run::new(60).in_flight(width);
    let mut at = Anywhere::new(arrivals[0]);
    let whole = by(run(7), make(), &mut at);
    assert_eq!(whole.trials.len(), 60);
    assert!(at.stopped);
    let mut words: Vec<String> = whole.trials.iter().map(|trial| trial.arch.to_string()).collect();
    words.sort();
    words.dedup();
    assert_eq!(words.len(), 60, "something is asked for twice");
    for (number, trial) in whole.trials.iter().enumerate() {
        assert_eq!((trial.number, &trial.result), (number, &outcome(&trial.arch)));
    }
    // the order of arrival changes nothing, nor do threads that do it here, nor a record that is gone on from
    assert_eq!(by(run(7), make(), &mut Anywhere::new(arrivals[1])), whole);
    let here = |word: &Word| outcome(word).map_err(std::io::Error::other);
    assert_eq!(run(7).threads(3).search(&mut make(), &here, &mut []).unwrap(), whole);
    let part = whole.trials[..cut].to_vec();
    assert_eq!(by(run(7).go_on_from(part), make(), &mut Anywhere::new(arrivals[1])), whole);
    // one in flight is the plain loop
    let plain = Run::new(60).search(&mut make(), &here, &mut []).unwrap();
    assert_eq!(by(run(1), make(), &mut Anywhere::new(arrivals[0])), plain);
    // as they come: another record, that can be gone on from too
    let come = by(run(7).as_they_come(), make(), &mut Anywhere::new(arrivals[0]));
    assert_eq!(come.trials.len(), 60);
    let again = run(7).as_they_come().go_on_from(come.trials.clone());
    assert_eq!(by(again, make(), &mut Anywhere::new(arrivals[1])), come);
    let part = come.trials[..cut].to_vec();
    let rest = by(run(7).as_they_come().go_on_from(part), make(), &mut Anywhere::new(arrivals[1]));
    assert_eq!(rest.trials[..cut], come.trials[..cut]);
    assert_eq!(rest.trials.len(), 60);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_order_of_arrival_changes_a_record(seed: u64, arrivals: [u64; 2], cut in 0_usize..60) {
        conforms(|| random(seed), arrivals, cut);
        conforms(|| evolution(seed), arrivals, cut);
        conforms(|| evolution(seed).batch(3), arrivals, cut);
        conforms(|| policy(seed), arrivals, cut);
    }
}

#[test]
fn as_many_fly_as_may() {
    let mut at = Anywhere { again: 0.0, ..Anywhere::new(0) };
    by(Run::new(60).in_flight(7), random(0), &mut at);
    assert_eq!(at.most, 7);
    // a strategy of batches waits for the batch
    let mut at = Anywhere { again: 0.0, ..Anywhere::new(0) };
    by(Run::new(60), random(0).batch(5), &mut at);
    assert_eq!(at.most, 5);
    // founders all at once, then as many as may
    let mut at = Anywhere { again: 0.0, ..Anywhere::new(0) };
    by(Run::new(60).in_flight(4), evolution(0), &mut at);
    assert_eq!(at.most, 10);
}

#[test]
fn an_evaluator_that_loses_something_ends_the_search_with_an_error() {
    struct Forgetful;
    impl Evaluate<u32> for Forgetful {
        type Error = std::fmt::Error;
        fn start(&mut self, number: usize, _: &u32) -> Result<(), Self::Error> {
            if number == 3 { Err(std::fmt::Error) } else { Ok(()) }
        }
        fn next(&mut self) -> Result<Option<(usize, Evaluated)>, Self::Error> {
            Ok(None)
        }
        fn stop(&mut self) {}
    }
    let run = |budget, width| {
        let mut order = InOrder::new(0..9);
        Run::new(budget).in_flight(width).search_by(&mut order, &mut Forgetful, &mut []).unwrap_err()
    };
    assert!(matches!(run(9, 1), SearchError::NothingComes { open: 1 }));
    assert!(matches!(run(9, 5), SearchError::Evaluator(_)));
}

#[test]
fn what_has_begun_when_time_is_over_still_counts() {
    let ticks = std::cell::Cell::new(0.0);
    let clock = || {
        ticks.set(ticks.get() + 1.0);
        ticks.get()
    };
    struct Queue(std::collections::VecDeque<(usize, u32)>);
    impl Evaluate<u32> for Queue {
        type Error = Infallible;
        fn start(&mut self, number: usize, arch: &u32) -> Result<(), Infallible> {
            self.0.push_back((number, *arch));
            Ok(())
        }
        fn next(&mut self) -> Result<Option<(usize, Evaluated)>, Infallible> {
            let next = self.0.pop_front();
            Ok(next.map(|(number, arch)| (number, Ok(nas_core::Evaluation::of(f64::from(arch))))))
        }
        /// Two have begun, whatever is behind them has not.
        fn stop(&mut self) {
            self.0.truncate(2);
        }
    }
    let budget = Budget { wall_s: Some(9.0), ..Budget::trials(1000) };
    let mut queue = Queue(Default::default());
    let run = Run::new(budget).in_flight(8).clock(&clock);
    let cut = run.search_by(&mut InOrder::new(0..1000), &mut queue, &mut []).unwrap();
    assert_eq!(cut.stopped, Stopped::Wall);
    assert!((2..10).contains(&cut.trials.len()), "{}", cut.trials.len());
    assert!(cut.trials.iter().enumerate().all(|(number, trial)| trial.arch as usize == number));
}

#[test]
fn what_is_not_finite_is_a_failure_whoever_says_it() {
    struct Says(Option<(usize, nas_core::Evaluation)>);
    impl Evaluate<u32> for Says {
        type Error = Infallible;
        fn start(&mut self, number: usize, arch: &u32) -> Result<(), Infallible> {
            let value = if *arch == 0 { f64::NAN } else { 1.0 };
            let cost_s = Some(if *arch == 1 { f64::INFINITY } else { 2.0 });
            self.0 = Some((number, nas_core::Evaluation { cost_s, ..nas_core::Evaluation::of(value) }));
            Ok(())
        }
        fn next(&mut self) -> Result<Option<(usize, Evaluated)>, Infallible> {
            Ok(self.0.take().map(|(number, said)| (number, Ok(said))))
        }
        fn stop(&mut self) {}
    }
    let budget = Budget { cost_s: Some(4.0), ..Budget::trials(9) };
    let found = Run::new(budget).search_by(&mut InOrder::new(0..9), &mut Says(None), &mut []).unwrap();
    assert_eq!((found.trials.len(), found.stopped), (4, Stopped::Cost));
    let failures: Vec<_> = found.trials.iter().filter_map(|trial| trial.result.as_ref().err()).collect();
    assert_eq!(failures.len(), 2);
    assert!(failures[0].contains("the value is NaN") && failures[1].contains("the cost is inf"));
    assert_eq!(search::summarise(&found.trials, None).best, Some(2));
}
