//! The search by beliefs: conformance, what it finds, what it does with its settings and with bad input.

use crate::toy::{Word, Words};
use nas_core::conformance::searcher;
use nas_core::{Belief, Believe, Evaluation, Fit, Labelled, SearchSpace, Searcher, Seed, Stream, Trial};
use rand::RngExt;
use search::{Acquisition, Believing, BelievingSettings, Growth, Run, SearchError, WarmUp, run};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

const WORDS: Words = Words { length: 5, letters: 4, listed: true };

/// A model of words: the mean value of the known words by shared letters, less sure where few are shared.
#[derive(Debug, Clone)]
struct Alike;

#[derive(Debug)]
struct FittedAlike(Labelled<Word>);

impl Fit<Word> for Alike {
    type Model = FittedAlike;
    type Error = Infallible;
    fn fit(&self, train: &Labelled<Word>, _: &Labelled<Word>, _: Seed) -> Result<FittedAlike, Infallible> {
        Ok(FittedAlike(train.clone()))
    }
}

fn same(a: &Word, b: &Word) -> f64 {
    a.to_string().chars().zip(b.to_string().chars()).filter(|(a, b)| a == b).count() as f64
}

impl Believe<Word> for FittedAlike {
    type Error = Infallible;
    fn believe(&self, words: &[Word]) -> Result<Vec<Belief>, Infallible> {
        let belief = |word: &Word| {
            let weights: Vec<f64> =
                self.0.archs().iter().map(|known| (2.0 * same(word, known)).exp()).collect();
            let all: f64 = weights.iter().sum();
            let mean = weights.iter().zip(self.0.values()).map(|(w, v)| w * v).sum::<f64>() / all;
            let nearest = self.0.archs().iter().map(|known| same(word, known)).fold(0.0, f64::max);
            Belief { mean, deviation: 4.0 * (5.0 - nearest), noise: 1.0 }
        };
        Ok(words.iter().map(belief).collect())
    }
    fn scaled(&self, label: f64) -> f64 {
        label
    }
    fn draw(&self, words: &[Word], seed: Seed) -> Result<Vec<f64>, Infallible> {
        let mut rng = seed.stream("draw");
        let beliefs = self.believe(words)?;
        Ok(beliefs.iter().map(|b| b.mean + b.deviation * rng.random_range(-1.7..1.7)).collect())
    }
}

fn all() -> Vec<Word> {
    WORDS.enumerate().expect("listed").collect()
}

fn warm_up() -> WarmUp<Word> {
    WarmUp::new(all(), &|word: &Word| Words::value(word, 4)).unwrap()
}

const SETTINGS: BelievingSettings = BelievingSettings {
    first: 8,
    batch: 3,
    acquisition: Acquisition::ExpectedImprovement,
    explore: 0.2,
    pool: 20,
};
const DRAWN: BelievingSettings = BelievingSettings { acquisition: Acquisition::Thompson, ..SETTINGS };

#[test]
fn it_conforms_by_both_acquisitions_with_and_without_a_warm_up() {
    let value = |word: &Word| (!word.to_string().starts_with("ab")).then(|| Words::value(word, 4));
    for settings in [SETTINGS, DRAWN] {
        for warm in [false, true] {
            let make = || {
                let search = Believing::new(all(), settings, Alike, Seed(3))?;
                Ok::<_, SearchError>(if warm { search.warm_up(&warm_up()) } else { search })
            };
            assert_eq!(searcher(make, value, 60).unwrap().len(), 60);
        }
    }
    // a part of the words, and what is near the best of it
    let edit = |word: &Word, rng: &mut Stream| WORDS.mutate(word, rng);
    let make =
        || Believing::new(all()[..200].to_vec(), SETTINGS, Alike, Seed(3))?.growing(Growth::new(5, &edit)?);
    let found = searcher(make, value, 60).unwrap();
    assert!(found.iter().any(|word| !all()[..200].contains(word)), "{found:?}");
    // all of a small list, and no more
    let make = || Believing::new(all()[..17].to_vec(), DRAWN, Alike, Seed(3));
    assert_eq!(searcher(make, value, 60).unwrap().len(), 17);
}

#[test]
fn more_budget_goes_on_from_a_batch_that_was_cut() {
    let objective = WORDS.evaluate();
    for (settings, seed) in [SETTINGS, DRAWN].into_iter().flat_map(|s| (0..10).map(move |seed| (s, seed))) {
        let make =
            || Believing::new(all(), BelievingSettings { explore: 0.5, ..settings }, Alike, Seed(seed));
        let whole = Run::new(30).search(&mut make().unwrap(), &objective, &mut []).unwrap();
        for budget in [9, 10, 12, 13] {
            let cut = Run::new(budget).search(&mut make().unwrap(), &objective, &mut []).unwrap();
            let rest = Run::new(30).go_on_from(cut.trials);
            assert_eq!(rest.search(&mut make().unwrap(), &objective, &mut []).unwrap(), whole);
        }
    }
}

#[test]
fn it_finds_more_than_a_random_order_and_starts_from_the_pool() {
    let objective = WORDS.evaluate();
    for settings in [SETTINGS, DRAWN] {
        let mut found = 0;
        for seed in 0..10 {
            let mut search = Believing::new(all(), settings, Alike, Seed(seed)).unwrap();
            let trials = run(&mut search, &objective, 50, &mut []).unwrap();
            found += usize::from(trials.iter().any(|t| t.result.as_ref().is_ok_and(|e| e.value > 80.0)));
        }
        // 9 of 768 words are so good: a random order finds one in 45 % of runs
        assert!(found >= 8, "{found} by {:?}", settings.acquisition);
    }
    let mut search = Believing::new(all(), SETTINGS, Alike, Seed(0)).unwrap().warm_up(&warm_up());
    let trials = run(&mut search, &objective, 8, &mut []).unwrap();
    let pool: Vec<Word> = warm_up().archs().take(20).cloned().collect();
    assert!(trials.iter().all(|trial| pool.contains(&trial.arch)));
}

#[test]
fn a_limit_weighs_what_is_expected_by_the_chance_to_meet_it() {
    let objective = WORDS.evaluate();
    let latency = |word: &Word| objective(word).unwrap().latency_ms.unwrap();
    // the good ones are only just predicted beyond the limit
    let chance = |word: &Word| match latency(word) {
        ms if ms <= 5.0 => 0.9,
        ms if ms <= 9.0 => 0.4,
        ms if ms <= 10.0 => 0.2,
        _ => 0.0,
    };
    for settings in [SETTINGS, DRAWN] {
        let settings = BelievingSettings { explore: 0.0, ..settings };
        let mut search = Believing::new(all(), settings, Alike, Seed(1)).unwrap();
        search = search.limit(9.0, all().iter().map(chance).collect()).unwrap();
        let trials = run(&mut search, &objective, 50, &mut []).unwrap();
        assert!(trials[..8].iter().all(|trial| chance(&trial.arch) > 0.5));
        assert!(trials.iter().all(|trial| chance(&trial.arch) > 0.0));
        let doubtful = trials.iter().filter(|trial| chance(&trial.arch) < 0.5).count();
        match settings.acquisition {
            Acquisition::ExpectedImprovement => {
                let best = *search::best_so_far(&trials, Some(9.0)).last().unwrap();
                assert!(doubtful > 0 && best.unwrap() > 30.0, "{doubtful}, {best:?}");
            }
            Acquisition::Thompson => assert_eq!(doubtful, 0),
        }
    }
    let limited = |ms, chances: Vec<f64>| {
        Believing::new(all(), SETTINGS, Alike, Seed(1)).unwrap().limit(ms, chances).err().unwrap().to_string()
    };
    let count = all().len();
    assert!(limited(9.0, vec![1.0]).contains(&format!("one for each of {count} candidates")));
    assert!(limited(9.0, vec![1.5; count]).contains("between 0 and 1"));
    assert!(limited(0.0, vec![1.0; count]).contains("positive"));
}

/// Sure of everything but the noise of a label: the earlier the letters, the better, the first most of all.
#[derive(Debug)]
struct Sure;

impl Fit<Word> for Sure {
    type Model = Self;
    type Error = Infallible;
    fn fit(&self, _: &Labelled<Word>, _: &Labelled<Word>, _: Seed) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl Believe<Word> for Sure {
    type Error = Infallible;
    fn believe(&self, words: &[Word]) -> Result<Vec<Belief>, Infallible> {
        let mean = |word: &Word| {
            word.to_string().bytes().rev().fold(0.0, |sum, letter| sum / 10.0 - f64::from(letter))
        };
        let belief = |word| Belief { mean: mean(word) / 1e3, deviation: 0.01, noise: 1.0 };
        Ok(words.iter().map(belief).collect())
    }
    fn scaled(&self, label: f64) -> f64 {
        label / 100.0
    }
    fn draw(&self, words: &[Word], _: Seed) -> Result<Vec<f64>, Infallible> {
        Ok(self.believe(words)?.iter().map(|belief| belief.mean).collect())
    }
}

/// Keeps the seeds of its draws.
#[derive(Debug, Clone, Default)]
struct Noted(Arc<Mutex<Vec<Seed>>>);

impl Fit<Word> for Noted {
    type Model = Self;
    type Error = Infallible;
    fn fit(&self, _: &Labelled<Word>, _: &Labelled<Word>, _: Seed) -> Result<Self, Infallible> {
        Ok(self.clone())
    }
}

impl Believe<Word> for Noted {
    type Error = Infallible;
    fn believe(&self, words: &[Word]) -> Result<Vec<Belief>, Infallible> {
        Sure.believe(words)
    }
    fn scaled(&self, label: f64) -> f64 {
        label
    }
    fn draw(&self, words: &[Word], seed: Seed) -> Result<Vec<f64>, Infallible> {
        self.0.lock().unwrap().push(seed);
        Sure.draw(words, seed)
    }
}

/// Thompson sampling is one draw of a function a choice: the same draw again would choose what is next best by it.
#[test]
fn no_two_choices_are_by_the_same_draw_also_of_batches_asked_ahead() {
    let noted = Noted::default();
    let settings = BelievingSettings { explore: 0.0, ..DRAWN };
    let mut search = Believing::new(all(), settings, noted.clone(), Seed(0)).unwrap();
    let evaluate = WORDS.evaluate();
    for iteration in 0..3 {
        let asked = search.ask(60).unwrap();
        search.ask(60).unwrap();
        search.ask(60).unwrap();
        let trial = |(number, arch): (usize, Word)| {
            let result = evaluate(&arch).map_err(|error| error.to_string());
            Trial { number, iteration, arch, result }
        };
        let trials: Vec<Trial<Word>> = asked.into_iter().enumerate().map(trial).collect();
        search.tell(&trials).unwrap();
    }
    let seeds = noted.0.lock().unwrap();
    assert_eq!(seeds.len(), 2 * 3 * settings.batch);
    assert_eq!(seeds.iter().collect::<BTreeSet<_>>().len(), seeds.len());
}

fn network(word: &Word) -> String {
    word.to_string()[..3].into()
}

fn of_networks(settings: BelievingSettings) -> Believing<'static, Word, Sure> {
    Believing::new(all(), settings, Sure, Seed(5)).unwrap().networks(network)
}

#[test]
fn no_network_is_trained_again_while_others_may_be_as_good() {
    let every: BTreeSet<String> = all().iter().map(network).collect();
    let settings = BelievingSettings { explore: 0.0, first: 4, ..SETTINGS };
    let objective = |word: &Word| match word.to_string().ends_with("aa") {
        true => Err(std::io::Error::other("no")),
        false => Ok(Evaluation::of(Words::value(word, 4))),
    };
    // of as many trainings as there are networks
    let different = |mut search: Believing<'_, Word, Sure>| {
        let trials = run(&mut search, &objective, every.len(), &mut []).unwrap();
        assert!(trials.iter().any(|trial| trial.result.is_err()));
        trials.iter().map(|trial| network(&trial.arch)).collect::<BTreeSet<_>>().len()
    };
    let of_first = {
        let trials = run(&mut of_networks(settings), &objective, 4, &mut []).unwrap();
        4 - trials.iter().map(|trial| network(&trial.arch)).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(different(of_networks(settings)), every.len() - of_first);
    // where nobody says so they are different ones
    assert!(different(Believing::new(all(), settings, Sure, Seed(5)).unwrap()) < every.len() / 2);
}

#[test]
fn a_batch_has_a_network_once_by_both_acquisitions_as_long_as_there_are_others() {
    for settings in [SETTINGS, DRAWN] {
        let settings = BelievingSettings { explore: 0.0, batch: 6, ..settings };
        let trials = run(&mut of_networks(settings), &WORDS.evaluate(), 50, &mut []).unwrap();
        for batch in trials[8..].chunks(6) {
            let networks: BTreeSet<String> = batch.iter().map(|trial| network(&trial.arch)).collect();
            assert_eq!(networks.len(), batch.len(), "{:?}", settings.acquisition);
        }
        // one network after all: batches are whole, and all is trained
        let settings = BelievingSettings { first: 2, ..settings };
        let words = all()[..40].to_vec();
        let search = Believing::new(words, settings, Sure, Seed(5)).unwrap().networks(|_| 0);
        assert_eq!(run(&mut { search }, &WORDS.evaluate(), 60, &mut []).unwrap().len(), 40);
    }
    let make = || Ok::<_, SearchError>(Believing::new(all(), SETTINGS, Alike, Seed(3))?.networks(network));
    assert_eq!(searcher(make, |word: &Word| Some(Words::value(word, 4)), 60).unwrap().len(), 60);
}

#[test]
fn a_network_that_missed_the_limit_is_still_hoped_for() {
    let settings = BelievingSettings { explore: 0.0, batch: 1, first: 2, ..SETTINGS };
    // the last letter decides on the latency; the limit is one that some of each network meet
    let slow = |word: &Word| word.to_string().ends_with('a');
    let objective = |word: &Word| {
        let latency_ms = Some(if slow(word) { 9.0 } else { 1.0 });
        Ok::<_, std::io::Error>(Evaluation { latency_ms, ..Evaluation::of(Words::value(word, 4)) })
    };
    let search = of_networks(settings).limit(5.0, vec![0.9; all().len()]).unwrap();
    let trials = run(&mut { search }, &objective, 60, &mut []).unwrap();
    let mut asked: BTreeSet<String> = trials[..2].iter().map(|trial| network(&trial.arch)).collect();
    let (mut within, mut hoped) = (BTreeSet::new(), 0);
    for trial in &trials[2..] {
        // no network again that has a label within the limit, but one that has none
        let network = network(&trial.arch);
        assert!(!within.contains(&network), "{}", trial.arch);
        hoped += usize::from(!asked.insert(network.clone()));
        if !slow(&trial.arch) {
            within.insert(network);
        }
    }
    assert!(hoped > 0);
}

#[test]
fn under_a_limit_what_may_meet_it_joins() {
    let edit = |word: &Word, rng: &mut Stream| WORDS.mutate(word, rng);
    let slow = |word: &Word| word.to_string().starts_with('d');
    // of what does not meet it a part is doubtful, and the rest no candidate
    let doubtful = |word: &Word| slow(word) && word.to_string().ends_with('a');
    let chance = |word: &Word| if doubtful(word) { Some(0.3) } else { (!slow(word)).then_some(1.0) };
    let objective = |word: &Word| {
        let latency_ms = Some(if slow(word) { 9.0 } else { 1.0 });
        Ok::<_, std::io::Error>(Evaluation { latency_ms, ..Evaluation::of(Words::value(word, 4)) })
    };
    let some: Vec<Word> = all().into_iter().filter(|word| !slow(word)).step_by(6).take(60).collect();
    let growth = || Growth::new(10, &edit).unwrap().within(&chance);
    let mut joined = 0;
    for (settings, seed) in [SETTINGS, DRAWN].into_iter().flat_map(|s| (0..5).map(move |seed| (s, seed))) {
        let search = Believing::new(some.clone(), settings, Alike, Seed(seed)).unwrap();
        let search = search.limit(5.0, vec![1.0; some.len()]).unwrap();
        let trials = run(&mut search.growing(growth()).unwrap(), &objective, 60, &mut []).unwrap();
        for trial in &trials {
            assert!(!slow(&trial.arch) || doubtful(&trial.arch), "{}", trial.arch);
            joined += usize::from(!some.contains(&trial.arch));
        }
        assert_eq!(trials.len(), 60);
    }
    assert!(joined > 100, "{joined}");
    // where nothing may join, the search ends with what there is
    let none = |_: &Word| None;
    let search = Believing::new(some.clone(), SETTINGS, Alike, Seed(0)).unwrap();
    let mut search = search.growing(Growth::new(10, &edit).unwrap().within(&none)).unwrap();
    assert_eq!(run(&mut search, &objective, 100, &mut []).unwrap().len(), some.len());
}

#[test]
fn equal_values_and_failures_leave_it_drawing() {
    let equal = |_: &Word| Ok::<_, std::io::Error>(Evaluation::of(1.0));
    let mut search = Believing::new(all(), SETTINGS, Alike, Seed(0)).unwrap();
    assert_eq!(run(&mut search, &equal, 20, &mut []).unwrap().len(), 20);
    assert!(search.model().is_none());
    let fails = |_: &Word| Err::<Evaluation, _>(std::io::Error::other("no"));
    let mut search = Believing::new(all(), SETTINGS, Alike, Seed(0)).unwrap();
    assert_eq!(run(&mut search, &fails, 20, &mut []).unwrap().len(), 20);
}

#[test]
fn settings_out_of_range_are_named() {
    for (settings, name) in [
        (BelievingSettings { first: 0, ..SETTINGS }, "first"),
        (BelievingSettings { batch: 0, ..SETTINGS }, "batch"),
        (BelievingSettings { pool: 0, ..SETTINGS }, "pool"),
        (BelievingSettings { explore: 1.5, ..SETTINGS }, "explore"),
    ] {
        let error = Believing::new(all(), settings, Alike, Seed(0)).err().unwrap();
        assert!(matches!(error, SearchError::Setting { name: found, .. } if found == name));
    }
    // nobody knows of a child whether it meets a limit, unless the growth says it
    let edit = |word: &Word, rng: &mut Stream| WORDS.mutate(word, rng);
    let grown =
        |search: Believing<'static, Word, Alike>| search.growing(Growth::new(5, &edit).unwrap()).err();
    let limited = |search: Believing<'static, Word, Alike>| search.limit(9.0, vec![1.0; all().len()]);
    let new = || Believing::new(all(), SETTINGS, Alike, Seed(0)).unwrap();
    let refused = |error| matches!(error, Some(SearchError::Setting { name: "max-latency", .. }));
    assert!(refused(grown(limited(new()).unwrap())));
    let growing = new().growing(Growth::new(5, &edit).unwrap()).unwrap();
    assert!(refused(growing.limit(9.0, vec![1.0; all().len()]).err()));
    let chance = |_: &Word| Some(1.0);
    let knowing = Growth::new(5, &edit).unwrap().within(&chance);
    let limited = new().limit(9.0, vec![1.0; all().len()]).unwrap();
    assert!(limited.growing(knowing).is_ok());
    assert!(matches!(
        Believing::new(Vec::new(), SETTINGS, Alike, Seed(0)).err().unwrap(),
        SearchError::TooFew { .. }
    ));
}
