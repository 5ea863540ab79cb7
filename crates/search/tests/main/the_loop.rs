//! Budgets, failures, threads, and going on from a record.

use crate::toy::{Word, Words};
use nas_core::{Evaluation, Observe, Searcher, Seed, Trial};
use proptest::prelude::*;
use search::{
    Budget, Domain, Evolution, EvolutionSettings, InOrder, Reinforce, ReinforceSettings, Run, SearchError,
    Searched, Stopped, side_by_side,
};
use std::cell::Cell;
use std::io;
use std::sync::Mutex;

const WORDS: Words = Words { length: 5, letters: 4, listed: true };

fn evolution(seed: u64) -> Evolution<'static, Words> {
    let settings = EvolutionSettings { pool: 10, tournament: 3, ..EvolutionSettings::published() };
    Evolution::new(Domain::of(&WORDS), settings, Seed(seed)).unwrap().batch(3)
}

fn policy(seed: u64) -> Reinforce<'static, Words> {
    Reinforce::new(Domain::of(&WORDS), ReinforceSettings::standard(), Seed(seed)).unwrap()
}

/// Some words cannot be evaluated.
fn objective(word: &Word) -> Result<Evaluation, io::Error> {
    if word.to_string().contains("ab") {
        return Err(io::Error::other(format!("{word} diverged")));
    }
    WORDS.evaluate()(word)
}

fn search(run: Run<'_, Word>, searcher: &mut impl Searcher<Word>) -> Result<Searched<Word>, SearchError> {
    run.search(searcher, &objective, &mut [])
}

proptest! {
    #[test]
    fn what_was_stopped_goes_on_as_if_it_had_not_been(seed: u64, first in 0_usize..60, threads in 1_usize..4) {
        let whole = search(Run::new(60), &mut evolution(seed)).unwrap();
        let cut = whole.trials[..first].to_vec();
        let again = search(Run::new(60).threads(threads).go_on_from(cut), &mut evolution(seed)).unwrap();
        prop_assert_eq!(&again, &whole);
        let whole = search(Run::new(60), &mut policy(seed)).unwrap();
        let cut = whole.trials[..first].to_vec();
        prop_assert_eq!(search(Run::new(60).go_on_from(cut), &mut policy(seed)).unwrap(), whole);
    }
}

#[test]
fn recorded_trials_are_not_evaluated_again_and_observers_know_them() {
    struct Heard(Vec<usize>, Vec<usize>);
    impl Observe<Word> for Heard {
        fn on_trial(&mut self, trial: &Trial<Word>) -> io::Result<()> {
            self.0.push(trial.number);
            Ok(())
        }
        fn on_recorded(&mut self, trial: &Trial<Word>) -> io::Result<()> {
            self.1.push(trial.number);
            Ok(())
        }
    }
    let whole = search(Run::new(30), &mut evolution(1)).unwrap();
    let known: Vec<Word> = whole.trials[..17].iter().map(|trial| trial.arch.clone()).collect();
    let strict = |word: &Word| {
        assert!(!known.contains(word), "{word} is evaluated again");
        objective(word)
    };
    let mut heard = Heard(Vec::new(), Vec::new());
    let run = Run::new(30).go_on_from(whole.trials[..17].to_vec());
    assert_eq!(run.search(&mut evolution(1), &strict, &mut [&mut heard]).unwrap(), whole);
    assert_eq!((heard.0, heard.1), ((17..30).collect(), (0..17).collect()));
}

#[test]
fn a_record_of_other_settings_is_refused() {
    let whole = search(Run::new(30), &mut evolution(1)).unwrap().trials;
    let says = |result: Result<Searched<Word>, SearchError>, text: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(text) && error.contains("record"), "{error}");
    };
    says(search(Run::new(30).go_on_from(whole.clone()), &mut evolution(2)), "trial 0 of the record");
    says(search(Run::new(30).go_on_from(whole.clone()), &mut policy(1)), "of other settings");
    says(
        search(Run::new(20).go_on_from(whole.clone()), &mut evolution(1)),
        "the record goes on with trial 20",
    );
    let mut gap = whole.clone();
    gap.remove(4);
    says(search(Run::new(30).go_on_from(gap), &mut evolution(1)), "trial 4");
    let mut moved = whole;
    moved[15].iteration += 1;
    says(search(Run::new(30).go_on_from(moved), &mut evolution(1)), "trial 15");
}

#[test]
fn a_last_batch_that_is_not_told_changes_no_trial() {
    struct Counted<S>(S, usize);
    impl<S: Searcher<Word>> Searcher<Word> for Counted<S> {
        type Error = S::Error;
        fn ask(&mut self, room: usize) -> Result<Vec<Word>, S::Error> {
            self.0.ask(room)
        }
        fn tell(&mut self, trials: &[Trial<Word>]) -> Result<(), S::Error> {
            self.1 += trials.len();
            self.0.tell(trials)
        }
    }
    let mut told = Counted(evolution(1), 0);
    let whole = search(Run::new(31), &mut told).unwrap();
    let mut untold = Counted(evolution(1), 0);
    assert_eq!(search(Run::new(31).leave_last_untold(), &mut untold).unwrap(), whole);
    assert_eq!((told.1, untold.1), (31, 28));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let whole = search(Run::new(50), &mut evolution(3)).unwrap();
    for threads in [2, 7, 100] {
        assert_eq!(search(Run::new(50).threads(threads), &mut evolution(3)).unwrap(), whole);
    }
    // nor where a budget of cost ends it in the middle of a batch
    let budget = Budget { cost_s: Some(15.0), ..Budget::trials(50) };
    let short = search(Run::new(budget), &mut evolution(3)).unwrap();
    assert_eq!((short.stopped, short.trials.len() < 25), (Stopped::Cost, true));
    for threads in [2, 7] {
        assert_eq!(search(Run::new(budget).threads(threads), &mut evolution(3)).unwrap(), short);
    }
    assert_eq!(side_by_side(9, 4, |i| i * i), side_by_side(9, 1, |i| i * i));
}

#[test]
fn failures_are_retried_then_recorded() {
    let tries = Mutex::new(std::collections::BTreeMap::new());
    // the first try of every word fails, some always do
    let flaky = |word: &Word| {
        let mut tries = tries.lock().unwrap();
        let tried = tries.entry(word.to_string()).or_insert(0);
        *tried += 1;
        if *tried == 1 { Err(io::Error::other("busy")) } else { objective(word) }
    };
    let whole = search(Run::new(30), &mut evolution(4)).unwrap();
    let run = Run::new(30).retries(1).search(&mut evolution(4), &flaky, &mut []).unwrap();
    assert_eq!(run, whole);
    let failed = whole.trials.iter().filter(|trial| trial.result.is_err()).count();
    assert!(failed > 0 && failed < 30);
    // a panic and numbers that are none are failures, on any number of threads
    let bad = |word: &Word| {
        match word.to_string().as_bytes()[0] {
            b'a' => panic!("out of memory for {word}"),
            b'b' => return Ok(Evaluation::of(f64::NAN)),
            b'c' => return Ok(Evaluation { latency_ms: Some(f64::INFINITY), ..Evaluation::of(1.0) }),
            _ => {}
        }
        objective(word)
    };
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let runs =
        [1, 3].map(|threads| Run::new(40).threads(threads).search(&mut evolution(4), &bad, &mut []).unwrap());
    std::panic::set_hook(say);
    assert_eq!(runs[0], runs[1]);
    let said: Vec<&String> = runs[0].trials.iter().filter_map(|trial| trial.result.as_ref().err()).collect();
    for part in ["the evaluation panicked: out of memory for a", "the value is NaN", "the latency is inf"] {
        assert!(said.iter().any(|text| text.contains(part)), "{part}: {said:?}");
    }
}

#[test]
fn time_and_cost_end_a_search() {
    let ticks = Cell::new(0.0);
    let clock = || {
        ticks.set(ticks.get() + 1.0);
        ticks.get()
    };
    let budget = Budget { wall_s: Some(12.0), ..Budget::trials(100) };
    let cut = search(Run::new(budget).clock(&clock), &mut evolution(5)).unwrap();
    assert_eq!(cut.stopped, Stopped::Wall);
    assert!((5..13).contains(&cut.trials.len()), "{}", cut.trials.len());
    // more time, and it goes on where it was
    let rest = search(Run::new(100).go_on_from(cut.trials), &mut evolution(5)).unwrap();
    assert_eq!(rest, search(Run::new(100), &mut evolution(5)).unwrap());
    ticks.set(1000.0);
    assert_eq!(search(Run::new(budget).clock(&clock), &mut evolution(5)).unwrap().trials.len(), 0);

    let says = |result: Result<Searched<Word>, SearchError>, text: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    says(search(Run::new(budget), &mut evolution(5)), "needs a clock");
    for bad in [0.0, -1.0, f64::NAN] {
        let budget = Budget { cost_s: Some(bad), ..Budget::trials(9) };
        says(search(Run::new(budget), &mut evolution(5)), "cost budget");
    }
    let free = |_: &u32| Ok::<_, io::Error>(Evaluation::of(1.0));
    let budget = Budget { cost_s: Some(5.0), ..Budget::trials(9) };
    let error = Run::new(budget).search(&mut InOrder::new(0..50), &free, &mut []).unwrap_err();
    assert!(error.to_string().contains("the evaluation of 0 does not say what it cost"), "{error}");
    assert!(Run::new(0).search(&mut InOrder::new(0..50), &free, &mut []).unwrap().trials.is_empty());
    let all = Run::new(90).search(&mut InOrder::new(0..50), &free, &mut []).unwrap();
    assert_eq!((all.trials.len(), all.stopped), (50, Stopped::Exhausted));
}
