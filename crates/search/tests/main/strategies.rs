//! One suite for every strategy, each with and without its parts; what the parts do.

use crate::toy::{Word, Words};
use crate::{FittedNearest, Nearest};
use nas_core::conformance::{decisions, searcher, space};
use nas_core::{
    Evaluation, Fit, FitFrom, Labelled, Rank, Scorer, SearchSpace, Searcher, Seed, Stream, Trial,
    order_by_score, stats,
};
use search::{
    BrpNas, Domain, Evolution, EvolutionSettings, Goal, Growth, InOrder, Moves, Random, Reinforce,
    ReinforceSettings, Run, SearchError, Selection, WarmUp, run, side_by_side,
};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Display;

const WORDS: Words = Words { length: 6, letters: 4, listed: true };
/// The same, but it cannot be listed.
const OPEN: Words = Words { listed: false, ..WORDS };
const POOL: EvolutionSettings =
    EvolutionSettings { pool: 20, tournament: 5, explore: 0.25, goal: Goal::Value };

/// A score that is right about most letters, and fails for some words.
#[derive(Debug)]
struct Proxy;

impl Scorer<Word> for Proxy {
    fn scores(&self, words: &[Word]) -> Vec<Result<f64, String>> {
        let score = |word: &Word| match word.to_string() {
            text if text.ends_with("bb") => Err("it does not like bb".into()),
            text if text.ends_with("cc") => Ok(f64::NAN),
            text => Ok(text.chars().filter(|&c| c == 'd').count() as f64),
        };
        words.iter().map(score).collect()
    }
}

/// A predictor of words: the mean value of the known words that share most letters.
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

impl FitFrom<Word> for Alike {
    fn fit_from(
        &self,
        _: &FittedAlike,
        train: &Labelled<Word>,
        held: &Labelled<Word>,
        seed: Seed,
    ) -> Result<FittedAlike, Infallible> {
        self.fit(train, held, seed)
    }
}

impl Rank<Word> for FittedAlike {
    type Error = Infallible;
    fn rank(&self, words: &[Word]) -> Result<Vec<usize>, Infallible> {
        let same = |a: &Word, b: &Word| {
            a.to_string().chars().zip(b.to_string().chars()).filter(|(a, b)| a == b).count()
        };
        let score = |word: &Word| {
            let weight = |known: &Word| (same(word, known) as f64).exp();
            let sum: f64 = self.0.iter().map(|(known, value)| weight(known) * value).sum();
            sum / self.0.archs().iter().map(weight).sum::<f64>()
        };
        Ok(order_by_score(&words.iter().map(score).collect::<Vec<_>>()))
    }
}

fn warm(words: &Words, count: usize) -> WarmUp<Word> {
    let some = Domain::of(words).sample(count, &mut Seed(5).stream("warm-up")).unwrap();
    WarmUp::new(some, &Proxy).unwrap()
}

fn moves(count: usize) -> Moves<'static, Word> {
    Moves::new(count, &Proxy).unwrap()
}

fn edit(word: &Word, rng: &mut Stream) -> Word {
    WORDS.mutate(word, rng)
}

fn value(word: &Word) -> Option<f64> {
    (!word.to_string().starts_with("ab")).then(|| Words::value(word, 4))
}

fn holds<A: Clone + Display + Ord, S: Searcher<A>>(
    name: &str,
    make: impl Fn() -> Result<S, S::Error>,
    value: impl Fn(&A) -> Option<f64>,
    budget: usize,
) -> Vec<A> {
    searcher(make, value, budget).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_toy_conforms() {
    for words in [WORDS, OPEN] {
        space(&words, 50, Seed(0)).unwrap();
        decisions(&words, 50, Seed(0)).unwrap();
    }
}

#[test]
fn every_strategy_conforms_with_and_without_its_parts() {
    for words in [&WORDS, &OPEN] {
        for parts in 0..8_u8 {
            let (warm_up, moved, batch) = (parts & 1 > 0, parts & 2 > 0, if parts & 4 > 0 { 3 } else { 1 });
            let name = format!("{words:?}, warm-up {warm_up}, moves {moved}, batch {batch}");
            let domain = || Domain::of(words);
            let found = holds(
                &format!("random, {name}"),
                || {
                    let mut random = Random::new(domain(), Seed(1)).batch(batch);
                    random = if warm_up { random.warm_up(&warm(words, 50)) } else { random };
                    Ok(if moved { random.moves(moves(7)) } else { random })
                },
                value,
                100,
            );
            assert_eq!(found.len(), 100);
            let found = holds(
                &format!("evolution, {name}"),
                || {
                    let mut evolution = Evolution::new(domain(), POOL, Seed(1))?.batch(batch);
                    evolution = if warm_up { evolution.warm_up(&warm(words, 50)) } else { evolution };
                    Ok(if moved { evolution.moves(moves(100)) } else { evolution })
                },
                value,
                100,
            );
            assert_eq!(found.len(), 100);
            let found = holds(
                &format!("reinforce, {name}"),
                || {
                    let mut policy =
                        Reinforce::new(domain(), ReinforceSettings::standard(), Seed(1))?.batch(batch);
                    policy = if warm_up { policy.warm_up(&warm(words, 50)) } else { policy };
                    Ok(if moved { policy.moves(moves(7)) } else { policy })
                },
                value,
                100,
            );
            assert_eq!(found.len(), 100);
            let all = Domain::of(&WORDS).sample(300, &mut Seed(2).stream("some")).unwrap();
            let grows = !words.listed;
            let found = holds(
                &format!("brp, {name}, grows {grows}"),
                || {
                    let selection = Selection { samples: 40, iterations: 4, alpha: 0.5 };
                    let mut brp = BrpNas::new(all.clone(), selection, |_| Alike, Seed(1))?;
                    if warm_up {
                        let (archs, scores) = warm(&WORDS, 50).scored.into_iter().unzip();
                        brp = brp.start_from(FittedAlike(Labelled::new(archs, scores).unwrap()))?;
                    }
                    brp = if grows { brp.growing(Growth::new(3, &edit)?) } else { brp };
                    Ok(if moved { brp.moves(moves(7)) } else { brp })
                },
                value,
                60,
            );
            assert_eq!(found.len(), 60);
        }
    }
    holds("in order", || Ok(InOrder::new(0..50_u32)), |x| Some(f64::from(*x)), 60);
    let nearest = || {
        let selection = Selection { samples: 10, iterations: 2, alpha: 0.5 };
        BrpNas::new((0..40_u32).collect(), selection, |_| Nearest, Seed(0))
    };
    holds("nearest", nearest, |x| Some(f64::from(*x)), 60);
}

#[test]
fn the_suite_finds_what_is_wrong() {
    let says = |found: Result<Vec<u32>, String>, text: &str| {
        let error = found.unwrap_err();
        assert!(error.contains(text), "{error}");
    };
    let value = |x: &u32| Some(f64::from(*x));
    says(searcher(|| Ok(InOrder::new(vec![1, 2, 1])), value, 9), "1 is asked for twice");
    /// Asks for two at once, and gives up where nothing is good.
    struct Bad(u32, bool);
    impl Searcher<u32> for Bad {
        type Error = Infallible;
        fn ask(&mut self, _: usize) -> Result<Vec<u32>, Infallible> {
            self.0 += 2;
            Ok(if self.1 { Vec::new() } else { vec![self.0, self.0 + 1] })
        }
        fn tell(&mut self, trials: &[Trial<u32>]) -> Result<(), Infallible> {
            self.1 = trials.iter().all(|trial| trial.result.is_err());
            Ok(())
        }
    }
    says(searcher(|| Ok(Bad(0, false)), value, 9), "it asks for 2 where there is room for 1");
    says(
        searcher(|| Ok(Bad(0, false)), value, 8),
        "where everything fails, it asks for 2 architectures and not 8",
    );
    let runs = std::cell::Cell::new(0);
    let other = || {
        runs.set(runs.get() + 1);
        Ok(InOrder::new(runs.get()..50))
    };
    says(searcher(other, value, 8), "lead to other questions the second time");
}

#[test]
fn a_space_is_used_up_and_no_more() {
    let small = Words { length: 3, letters: 3, listed: true };
    let all = small.len().unwrap() as usize;
    let open = Words { listed: false, ..small };
    for words in [&small, &open] {
        let domain = || Domain::of(words);
        assert_eq!(holds("random", || Ok(Random::new(domain(), Seed(0))), value, 100).len(), all);
        let settings = EvolutionSettings { pool: 5, tournament: 2, ..POOL };
        assert_eq!(holds("evolution", || Evolution::new(domain(), settings, Seed(0)), value, 100).len(), all);
        let policy = || Reinforce::new(domain(), ReinforceSettings::standard(), Seed(0));
        assert_eq!(holds("reinforce", policy, value, 100).len(), all);
        // of a list, or under a condition, what is left is a part
        let even = |word: &Word| word.to_string().ends_with('a');
        let part = holds("a part", || Ok(Random::new(domain().only(&even), Seed(0))), value, 100);
        assert!(part.iter().all(even) && part.len() == all / 3);
        let list: Vec<Word> = part[..4].to_vec();
        let listed = || {
            Evolution::new(
                Domain::listed(words, list.clone()),
                EvolutionSettings { pool: 3, tournament: 2, ..POOL },
                Seed(0),
            )
        };
        let found: BTreeSet<Word> = holds("a list", listed, value, 100).into_iter().collect();
        assert_eq!(found, list.iter().cloned().collect());
    }
}

/// The mean over seeds of the best value among the first `budget` trials.
fn mean_best<S: Searcher<Word>>(budget: usize, make: impl Fn(Seed) -> S + Sync) -> f64 {
    let best = |repeat: usize| {
        let trials = run(&mut make(Seed(repeat as u64)), &WORDS.evaluate(), budget, &mut []).unwrap();
        let values = trials.iter().map(|trial| trial.result.as_ref().unwrap().value);
        values.fold(f64::NEG_INFINITY, f64::max)
    };
    stats::mean(&side_by_side(20, 2, best))
}

#[test]
fn strategies_learn_and_parts_help() {
    let domain = || Domain::of(&WORDS);
    let settings = ReinforceSettings::standard();
    let random = mean_best(60, |seed| Random::new(domain(), seed));
    let evolution = mean_best(60, |seed| Evolution::new(domain(), POOL, seed).unwrap());
    let policy = mean_best(60, |seed| Reinforce::new(domain(), settings, seed).unwrap());
    assert!(evolution > random + 5.0, "{evolution} {random}");
    assert!(policy > random + 2.0, "{policy} {random}");
    // twenty trials: hardly a pool, so that it is the parts that make the difference
    let random = mean_best(20, |seed| Random::new(domain(), seed));
    let better = [
        mean_best(20, |seed| Random::new(domain(), seed).warm_up(&warm(&WORDS, 300))),
        mean_best(20, |seed| Random::new(domain(), seed).moves(moves(10))),
        mean_best(20, |seed| Evolution::new(domain(), POOL, seed).unwrap().warm_up(&warm(&WORDS, 300))),
        mean_best(20, |seed| Reinforce::new(domain(), settings, seed).unwrap().warm_up(&warm(&WORDS, 300))),
        mean_best(20, |seed| Reinforce::new(domain(), settings, seed).unwrap().moves(moves(10))),
    ];
    assert!(better.iter().all(|&with| with > random + 5.0), "{better:?} {random}");
    let plain = mean_best(40, |seed| Evolution::new(domain(), POOL, seed).unwrap());
    let moved = mean_best(40, |seed| Evolution::new(domain(), POOL, seed).unwrap().moves(moves(100)));
    assert!(moved > plain + 3.0, "{moved} {plain}");
}

#[test]
fn a_predictor_that_sees_a_part_of_a_space_finds_more_where_it_grows() {
    let selection = Selection { samples: 40, iterations: 4, alpha: 0.5 };
    let best = |grow: Option<usize>| {
        mean_best(60, |seed| {
            let some = Domain::of(&WORDS).sample(100, &mut seed.stream("some")).unwrap();
            let brp = BrpNas::new(some, selection, |_| Alike, seed).unwrap();
            grow.into_iter().fold(brp, |brp, count| brp.growing(Growth::new(count, &edit).unwrap()))
        })
    };
    let (drawn, grown) = (best(None), best(Some(5)));
    assert!(grown > drawn + 10.0, "{grown} {drawn}");
    // under a limit what meets it joins
    let slow = |word: &Word| word.to_string().starts_with('d');
    let chance = |word: &Word| (!slow(word)).then_some(1.0);
    let some: Vec<Word> = Domain::of(&WORDS).sample(150, &mut Seed(0).stream("some")).unwrap();
    let some: Vec<Word> = some.into_iter().filter(|word| !slow(word)).take(60).collect();
    let mut brp = BrpNas::new(some.clone(), selection, |_| Alike, Seed(0))
        .unwrap()
        .growing(Growth::new(5, &edit).unwrap().within(&chance));
    let trials = run(&mut brp, &WORDS.evaluate(), 60, &mut []).unwrap();
    assert!(trials.iter().all(|trial| !slow(&trial.arch)));
    assert!(trials.iter().filter(|trial| !some.contains(&trial.arch)).count() > 10);
}

#[test]
fn a_warm_up_is_the_order_of_random_search_and_the_pool_of_evolution() {
    let warm_up = warm(&WORDS, 200);
    let best: Vec<Word> = warm_up.archs().take(20).cloned().collect();
    let mut random = Random::new(Domain::of(&WORDS), Seed(0)).warm_up(&warm_up);
    let trials = run(&mut random, &WORDS.evaluate(), 20, &mut []).unwrap();
    assert!(trials.iter().map(|trial| &trial.arch).eq(&best));
    let mut evolution = Evolution::new(Domain::of(&WORDS), POOL, Seed(0)).unwrap().warm_up(&warm_up);
    assert_eq!(evolution.ask(100).unwrap(), best);
    // scores that are missing are counted, and fewer than the pool are filled up
    assert!(warm_up.unscored > 0 && warm_up.asked == 200);
    let few = WarmUp::new(best[..3].to_vec(), &Proxy).unwrap();
    let mut evolution = Evolution::new(Domain::of(&WORDS), POOL, Seed(0)).unwrap().warm_up(&few);
    let pool = evolution.ask(100).unwrap();
    assert!(pool[..3] == best[..3] && pool.len() == 20);
    // the best of all are not in the domain, and those behind them are
    let others = |word: &Word| !best.contains(word);
    let domain = Domain::of(&WORDS).only(&others);
    let mut evolution = Evolution::new(domain, POOL, Seed(0)).unwrap().warm_up(&warm_up);
    let behind: Vec<Word> = warm_up.archs().skip(20).take(20).cloned().collect();
    assert_eq!(evolution.ask(100).unwrap(), behind);
}

#[test]
fn evolution_ages_and_takes_the_best_neighbour() {
    let trial = |number, arch: &Word, result| Trial { number, iteration: 0, arch: arch.clone(), result };
    let settings = EvolutionSettings { pool: 2, tournament: 2, explore: 0.0, goal: Goal::Value };
    let mut evolution = Evolution::new(Domain::of(&WORDS), settings, Seed(0)).unwrap().moves(moves(100));
    let pool = evolution.ask(10).unwrap();
    let say = |value| Ok(Evaluation::of(value));
    evolution.tell(&[trial(0, &pool[0], say(9.0)), trial(1, &pool[1], say(1.0))]).unwrap();
    // the child is the best scored neighbour of the better one, which then dies of age
    let best_near = |parent: &Word, seen: &[Word]| {
        let mut near = WORDS.neighbours(parent);
        near.retain(|word| !seen.contains(word));
        let scores = Proxy.scores(&near).into_iter().map(|s| s.unwrap_or(f64::NAN)).collect::<Vec<_>>();
        near[order_by_score(&scores)[0]].clone()
    };
    let child = evolution.ask(1).unwrap();
    assert_eq!(child, [best_near(&pool[0], &pool)]);
    evolution.tell(&[trial(2, &child[0], say(2.0))]).unwrap();
    let next = evolution.ask(1).unwrap();
    assert_eq!(next, [best_near(&child[0], &[&pool[..], &child].concat())]);
    // what fails or is too slow does not live
    let slow = Evaluation { latency_ms: Some(9.0), ..Evaluation::of(50.0) };
    let mut limited =
        Evolution::new(Domain::of(&WORDS), settings, Seed(0)).unwrap().limit_ms(Some(5.0)).moves(moves(100));
    limited.ask(10).unwrap();
    let fast = Evaluation { latency_ms: Some(4.0), ..Evaluation::of(0.0) };
    limited.tell(&[trial(0, &pool[0], Ok(slow)), trial(1, &pool[1], Ok(fast))]).unwrap();
    assert_eq!(limited.ask(1).unwrap(), [best_near(&pool[1], &pool)]);
}

#[test]
fn a_goal_of_two_objectives_finds_more_of_the_front() {
    let found = |goal| {
        let of = |repeat: usize| {
            let settings = EvolutionSettings { goal, ..POOL };
            let mut evolution = Evolution::new(Domain::of(&WORDS), settings, Seed(repeat as u64)).unwrap();
            let trials = run(&mut evolution, &WORDS.evaluate(), 150, &mut []).unwrap();
            let points: Vec<_> = trials.iter().filter_map(search::Point::of).collect();
            // what is fast, where a search by value alone has no reason to look
            search::hypervolume(&points, search::Point { value: 0.0, latency_ms: 10.0 })
        };
        stats::mean(&side_by_side(20, 2, of))
    };
    let (front, value) = (found(Goal::Front), found(Goal::Value));
    assert!(front > value, "{front} {value}");
}

#[test]
fn a_fitted_predictor_ranks_from_the_first_round_on() {
    let known = Labelled::new((0..100).collect(), (0..100).map(f64::from).collect()).unwrap();
    let selection = Selection { samples: 20, iterations: 2, alpha: 0.5 };
    let brp = BrpNas::new((0..100_u32).collect(), selection, |_| Nearest, Seed(0)).unwrap();
    let mut warm = brp.start_from(FittedNearest { known, fits: 1 }).unwrap();
    let first = warm.ask(100).unwrap();
    assert_eq!(first[..5], [99, 98, 97, 96, 95]);
    // with moves, the others are the best of so many
    let score = |x: &u32| f64::from(*x);
    let brp = BrpNas::new((0..100_u32).collect(), selection, |_| Nearest, Seed(0)).unwrap();
    let mut moved = brp.moves(Moves::new(10, &score).unwrap());
    let chosen = moved.ask(100).unwrap();
    assert!(
        chosen.len() == 10 && stats::mean(&chosen.iter().map(score).collect::<Vec<_>>()) > 80.0,
        "{chosen:?}"
    );
}

#[test]
fn bad_settings_and_scorers_say_so() {
    let says = |error: SearchError, text: &str| assert!(error.to_string().contains(text), "{error}");
    let evolution = |settings| Evolution::new(Domain::of(&WORDS), settings, Seed(0)).err().unwrap();
    says(evolution(EvolutionSettings { pool: 0, ..POOL }), "pool is 0");
    says(
        evolution(EvolutionSettings { tournament: 21, ..POOL }),
        "tournament is 21; it lies between 1 and the pool (20)",
    );
    says(evolution(EvolutionSettings { explore: f64::NAN, ..POOL }), "explore is NaN");
    says(
        evolution(EvolutionSettings { pool: 10_000, ..POOL }),
        "10000 architectures are wanted for the pool, but there are only 3072",
    );
    let mut small = Evolution::new(Domain::of(&WORDS), POOL, Seed(0)).unwrap();
    says(
        Run::new(12).search(&mut small, &WORDS.evaluate(), &mut []).unwrap_err(),
        "pool is 20; the budget (12) has to cover it",
    );
    let reinforce = |settings| Reinforce::new(Domain::of(&WORDS), settings, Seed(0)).err().unwrap();
    let standard = ReinforceSettings::standard();
    says(reinforce(ReinforceSettings { rate: 0.0, ..standard }), "rate is 0");
    says(reinforce(ReinforceSettings { momentum: 1.0, ..standard }), "momentum is 1");
    says(reinforce(ReinforceSettings { imitated: 0, ..standard }), "imitated is 0");
    says(Moves::<Word>::new(0, &Proxy).err().unwrap(), "moves is 0");
    says(Growth::new(0, &edit).err().unwrap(), "grow is 0");
    let too_many = Domain::of(&WORDS).sample(4_000, &mut Seed(0).stream("x")).unwrap_err();
    says(too_many, "4000 architectures are wanted to choose from, but there are only 3072");
    let nan = |_: &u32| f64::NAN;
    says(
        WarmUp::new(vec![1, 2], &nan).unwrap_err(),
        "none of 2 architectures could be scored; the first: the score is NaN",
    );
    says(WarmUp::new(Vec::<u32>::new(), &nan).unwrap_err(), "none of 0 architectures");
    struct Short;
    impl Scorer<u32> for Short {
        fn scores(&self, _: &[u32]) -> Vec<Result<f64, String>> {
            vec![Err("no memory".into())]
        }
    }
    says(WarmUp::new(vec![1, 2], &Short).unwrap_err(), "the first: no memory");
    // moves that cannot be scored are moves all the same
    let mut random = Random::new(Domain::of(&WORDS), Seed(0));
    struct Never;
    impl Scorer<Word> for Never {
        fn scores(&self, _: &[Word]) -> Vec<Result<f64, String>> {
            Vec::new()
        }
    }
    random = random.moves(Moves::new(5, &Never).unwrap());
    assert_eq!(run(&mut random, &WORDS.evaluate(), 30, &mut []).unwrap().len(), 30);
}
