//! The loop, the selection, the limit; a predictor of integers stands in for a graph network.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod believing;
mod elsewhere;
mod fronts;
mod strategies;
mod the_loop;
mod toy;

use nas_core::{
    Evaluation, Fit, FitFrom, Labelled, Objective, Observe, Predict, Rank, Searcher, Seed, Trial,
};
use nas_core::{order_by_score, stats};
use proptest::prelude::*;
use search::{BrpNas, InOrder, Run, SearchError, Selection, run, summarise, within_limit};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// Predicts what the nearest known integer has; counts its fits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nearest;

#[derive(Debug)]
pub(crate) struct FittedNearest {
    pub(crate) known: Labelled<u32>,
    pub(crate) fits: usize,
}

impl Fit<u32> for Nearest {
    type Model = FittedNearest;
    type Error = Infallible;

    fn fit(&self, train: &Labelled<u32>, _: &Labelled<u32>, _: Seed) -> Result<FittedNearest, Infallible> {
        Ok(FittedNearest { known: train.clone(), fits: 1 })
    }
}

impl FitFrom<u32> for Nearest {
    fn fit_from(
        &self,
        start: &FittedNearest,
        train: &Labelled<u32>,
        _: &Labelled<u32>,
        _: Seed,
    ) -> Result<FittedNearest, Infallible> {
        Ok(FittedNearest { known: train.clone(), fits: start.fits + 1 })
    }
}

impl Predict<u32> for FittedNearest {
    type Error = Infallible;

    fn predict(&self, archs: &[u32]) -> Result<Vec<f64>, Infallible> {
        let nearest = |arch: &u32| {
            self.known.iter().min_by_key(|(known, _)| known.abs_diff(*arch)).map_or(0.0, |(_, value)| value)
        };
        Ok(archs.iter().map(nearest).collect())
    }
}

impl Rank<u32> for FittedNearest {
    type Error = Infallible;

    fn rank(&self, archs: &[u32]) -> Result<Vec<usize>, Infallible> {
        Ok(order_by_score(&self.predict(archs)?))
    }
}

/// The value of an integer is minus its distance to `peak`; multiples of `fails` cannot be evaluated.
struct Peak {
    peak: u32,
    fails: Option<u32>,
}

impl Objective<u32> for Peak {
    type Error = std::io::Error;

    fn evaluate(&self, arch: &u32) -> Result<Evaluation, Self::Error> {
        if self.fails.is_some_and(|f| arch.is_multiple_of(f)) {
            return Err(std::io::Error::other("diverged"));
        }
        let value = -f64::from(arch.abs_diff(self.peak));
        Ok(Evaluation { latency_ms: Some(f64::from(*arch)), ..Evaluation::of(value) })
    }
}

fn search(
    candidates: u32,
    selection: Selection,
    budget: usize,
    seed: Seed,
) -> (Vec<Trial<u32>>, Option<usize>) {
    let objective = Peak { peak: candidates * 3 / 4, fails: None };
    let mut searcher = BrpNas::new((0..candidates).collect(), selection, |_| Nearest, seed).unwrap();
    let trials = run(&mut searcher, &objective, budget, &mut []).unwrap();
    (trials, searcher.model().map(|model| model.fits))
}

proptest! {
    #[test]
    fn the_budget_is_spent_on_distinct_architectures(
        candidates in 1_u32..300,
        samples in 1_usize..120,
        iterations in 1_usize..8,
        alpha in 0.0_f64..=1.0,
        budget in 1_usize..150,
        seed: u64,
    ) {
        let selection = Selection { samples, iterations, alpha };
        let new = BrpNas::new((0..candidates).collect::<Vec<_>>(), selection, |_| Nearest, Seed(seed));
        if samples > candidates as usize || iterations > samples {
            let refused = matches!(new, Err(SearchError::Setting { .. }));
            prop_assert!(refused);
            return Ok(());
        }
        let (trials, _) = search(candidates, selection, budget, Seed(seed));
        prop_assert_eq!(trials.len(), budget.min(candidates as usize));
        let distinct: BTreeSet<u32> = trials.iter().map(|t| t.arch).collect();
        prop_assert_eq!(distinct.len(), trials.len());
        prop_assert!(trials.iter().enumerate().all(|(i, t)| t.number == i));
        let (again, _) = search(candidates, selection, budget, Seed(seed));
        prop_assert_eq!(trials, again);
    }

    #[test]
    fn the_best_is_the_best_that_meets_the_limit(
        rows in prop::collection::vec((0_u8..5, prop::option::of(0_u8..6), any::<bool>()), 0..30),
        limit in prop::option::of(0_u8..6),
    ) {
        let trial = |(number, &(value, latency, works)): (usize, &(u8, Option<u8>, bool))| Trial {
            number,
            iteration: 0,
            arch: (),
            result: if works {
                let latency_ms = latency.map(f64::from);
                Ok(Evaluation { latency_ms, ..Evaluation::of(f64::from(value)) })
            } else {
                Err("failed".into())
            },
        };
        let trials: Vec<Trial<()>> = rows.iter().enumerate().map(trial).collect();
        let summary = summarise(&trials, limit.map(f64::from));
        let meets = |row: &(u8, Option<u8>, bool)| row.2 && limit.is_none_or(|l| row.1.is_some_and(|ms| ms <= l));
        let best = rows.iter().filter(|row| meets(row)).map(|row| row.0).max();
        let first = rows.iter().position(|row| meets(row) && Some(row.0) == best);
        prop_assert_eq!(summary.best, first);
        prop_assert_eq!(summary.failed, rows.iter().filter(|row| !row.2).count());
        let slower = |row: &&(u8, Option<u8>, bool)| row.2 && limit.is_some_and(|l| row.1.is_some_and(|ms| ms > l));
        prop_assert_eq!(summary.false_positives, rows.iter().filter(slower).count());
    }
}

#[test]
fn rounds_follow_the_published_schedule() {
    let (trials, fits) = search(1000, Selection::published(), 130, Seed(0));
    let per_round: Vec<usize> = (0..6).map(|i| trials.iter().filter(|t| t.iteration == i).count()).collect();
    assert_eq!(per_round, [20, 20, 20, 20, 20, 30]);
    // one fit a round, each from the one before; none in the second phase
    assert_eq!(fits, Some(5));
    // it learns: what the last rounds train is far better than what the first did
    let mean = |round: usize| {
        let of = trials.iter().filter(|t| t.iteration == round);
        stats::mean(&of.map(|t| t.result.as_ref().unwrap().value).collect::<Vec<_>>())
    };
    assert!(mean(4) > 0.3 * mean(0) && mean(5) > 0.3 * mean(0), "{} {} {}", mean(0), mean(4), mean(5));
}

#[test]
fn alpha_is_the_share_taken_from_the_top() {
    for (alpha, top) in [(0.0, 0), (0.5, 10), (1.0, 20)] {
        let selection = Selection { samples: 40, iterations: 2, alpha };
        let objective = Peak { peak: 750, fails: None };
        let mut searcher = BrpNas::new((0..1000).collect(), selection, |_| Nearest, Seed(1)).unwrap();
        let first = searcher.ask(100).unwrap();
        let trial = |(number, &arch): (usize, &u32)| Trial {
            number,
            iteration: 0,
            arch,
            result: objective.evaluate(&arch).map_err(|e| e.to_string()),
        };
        searcher.tell(&first.iter().enumerate().map(trial).collect::<Vec<_>>()).unwrap();
        let order = searcher.model().unwrap().rank(&(0..1000).collect::<Vec<_>>()).unwrap();
        let unseen: Vec<u32> = order.iter().map(|&i| i as u32).filter(|i| !first.contains(i)).collect();
        let second = searcher.ask(100).unwrap();
        assert_eq!(second[..top], unseen[..top]);
        // the others come from the better half of the ranking
        let half: BTreeSet<u32> = order[..500].iter().map(|&i| i as u32).collect();
        assert!(second[top..].iter().all(|arch| half.contains(arch)));
        assert!(alpha == 1.0 || second[top..] != unseen[top..20]);
    }
}

#[test]
fn more_budget_goes_on_from_a_round_that_was_cut() {
    let objective = Peak { peak: 750, fails: None };
    let selection = Selection { samples: 60, iterations: 3, alpha: 0.5 };
    let make = || BrpNas::new((0..1000).collect(), selection, |_| Nearest, Seed(1)).unwrap();
    let whole = Run::new(80).search(&mut make(), &objective, &mut []).unwrap();
    for budget in [15, 25, 30, 59, 65] {
        let cut = Run::new(budget).search(&mut make(), &objective, &mut []).unwrap();
        assert_eq!(cut.trials.len(), budget);
        assert_eq!(
            Run::new(80).go_on_from(cut.trials).search(&mut make(), &objective, &mut []).unwrap(),
            whole
        );
    }
}

#[test]
fn failures_are_trials_and_not_the_end() {
    let objective = Peak { peak: 300, fails: Some(3) };
    let selection = Selection { samples: 50, iterations: 5, alpha: 0.5 };
    let mut searcher = BrpNas::new((0..400).collect(), selection, |_| Nearest, Seed(0)).unwrap();
    let trials = run(&mut searcher, &objective, 80, &mut []).unwrap();
    let failed = trials.iter().filter(|t| t.result.is_err()).count();
    assert_eq!(trials.len(), 80);
    assert!(failed > 5 && trials.iter().all(|t| t.result.is_err() == t.arch.is_multiple_of(3)));
    assert_eq!(summarise(&trials, None).failed, failed);
    // even where nothing ever works
    let hopeless = Peak { peak: 300, fails: Some(1) };
    let mut searcher = BrpNas::new((0..400).collect(), selection, |_| Nearest, Seed(0)).unwrap();
    assert_eq!(run(&mut searcher, &hopeless, 80, &mut []).unwrap().len(), 80);
}

#[test]
fn observers_hear_of_every_trial_first_and_can_stop_the_search() {
    struct Count<'a>(&'a RefCell<Vec<u32>>, usize);
    impl Observe<u32> for Count<'_> {
        fn on_trial(&mut self, trial: &Trial<u32>) -> std::io::Result<()> {
            self.0.borrow_mut().push(trial.arch);
            if self.0.borrow().len() == self.1 { Err(std::io::Error::other("disk full")) } else { Ok(()) }
        }
    }
    let (heard, objective) = (RefCell::new(Vec::new()), Peak { peak: 0, fails: None });
    let mut count = Count(&heard, 99);
    let trials = run(&mut InOrder::new(5..50), &objective, 7, &mut [&mut count]).unwrap();
    assert_eq!(trials.iter().map(|t| t.arch).collect::<Vec<_>>(), (5..12).collect::<Vec<_>>());
    assert_eq!(*heard.borrow(), (5..12).collect::<Vec<_>>());
    heard.borrow_mut().clear();
    let mut count = Count(&heard, 3);
    let error = run(&mut InOrder::new(5..50), &objective, 7, &mut [&mut count]).unwrap_err();
    assert_eq!(error.to_string(), "a trial could not be recorded: disk full");
}

#[test]
fn a_limit_keeps_what_is_predicted_to_meet_it() {
    let model = FittedNearest {
        known: Labelled::new((0..100).collect(), (0..100).map(f64::from).collect()).unwrap(),
        fits: 1,
    };
    let limited = within_limit((0..100).collect(), &model, 10.0).unwrap();
    assert_eq!((limited.archs, limited.of), ((0..=10).collect::<Vec<u32>>(), 100));
    let nothing = within_limit((50..100).collect(), &model, 10.0).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "none of 50 architectures meets a latency of 10 ms, or is predicted to: the lowest is 50.0000 ms"
    );
    for limit in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(within_limit(vec![1], &model, limit), Err(SearchError::Setting { .. })));
    }
}

#[test]
fn settings_out_of_range_say_so() {
    let says = |selection, text: &str| {
        let error = BrpNas::new((0..50_u32).collect(), selection, |_| Nearest, Seed(0)).err().unwrap();
        assert!(error.to_string().contains(text), "{error}");
    };
    let published = Selection { samples: 40, ..Selection::published() };
    says(Selection { samples: 51, ..published }, "samples is 51; there are only 50 architectures");
    says(Selection { alpha: 1.5, ..published }, "alpha is 1.5; it is a share between 0 and 1");
    says(Selection { alpha: f64::NAN, ..published }, "alpha is NaN");
    says(Selection { iterations: 0, ..published }, "iterations is 0");
    says(Selection { iterations: 41, ..published }, "iterations is 41");
}
