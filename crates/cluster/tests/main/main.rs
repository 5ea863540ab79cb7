//! A simulated cluster that loses, repeats and delays, and programs that answer as Slurm's do.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod ranges;
mod simulated;
mod slurm;

use cluster::{Dispatch, Elsewhere, Patience};
use nas_core::Seed;
use proptest::prelude::*;
use search::{InOrder, Random, Run};
use simulated::{Settings, Simulated, value};
use std::collections::BTreeMap;

fn rough() -> impl Strategy<Value = Settings> {
    let chances = (0.0..0.3, 0.0..0.3, 0.0..0.3, 0.0..0.3);
    (any::<u64>(), 1_usize..60, 1_u64..20_000, chances).prop_map(|(seed, workers, longest_ms, chances)| {
        let (forgets, dies, repeats, late) = chances;
        Settings { seed, workers, longest_ms, forgets, dies, repeats, late, refuses: 0.2 }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_task_is_lost_or_counted_twice(settings in rough(), tasks in 1_u64..300, first in 0_u64..5_000) {
        let engine = Simulated::new(settings);
        let mut dispatch = Dispatch::new(Patience { looks: 3, tries: 1_000 });
        (first..first + tasks).for_each(|task| dispatch.open(task));
        let mut found = BTreeMap::new();
        for looks in 0.. {
            if dispatch.is_empty() {
                break;
            }
            prop_assert!(looks < 100_000, "it does not come to an end");
            let look = dispatch.look(&mut engine.clone(), |task| engine.result(task)).unwrap();
            prop_assert!(look.lost.is_empty());
            for (task, result) in look.done {
                prop_assert_eq!(found.insert(task, result), None);
            }
            engine.advance(500);
        }
        prop_assert!(found.into_iter().eq((first..first + tasks).map(|task| (task, value(task)))));
    }

    #[test]
    fn a_search_on_a_rough_cluster_is_the_search_of_here(settings in rough(), width in 1_usize..40, cut in 0_usize..80) {
        let run = || Run::new(80).in_flight(width);
        let here = |arch: &u64| value(*arch).map_err(std::io::Error::other);
        let order = || InOrder::new(0_u64..200);
        let plain = run().search(&mut order(), &here, &mut []).unwrap();
        let engine = Simulated::new(settings);
        let patience = Patience { looks: 3, tries: 1_000 };
        // killed in the middle, it finds what is still in the queue
        let mut first = Elsewhere::new(engine.clone(), engine.clone(), patience, |_| engine.advance(500));
        let cut = Run::new(cut).in_flight(width).search_by(&mut order(), &mut first, &mut []).unwrap();
        let mut again = Elsewhere::new(engine.clone(), engine.clone(), patience, |_| engine.advance(500));
        let whole = run().go_on_from(cut.trials).search_by(&mut order(), &mut again, &mut []).unwrap();
        prop_assert_eq!(whole, plain);
    }
}

#[test]
fn a_task_that_never_gives_anything_is_lost_after_as_many_tries() {
    let engine = Simulated::new(Settings { dies: 1.0, ..Settings::smooth(1, 4) });
    let mut dispatch = Dispatch::new(Patience { looks: 2, tries: 3 });
    (0..10).for_each(|task| dispatch.open(task));
    let mut lost = Vec::new();
    while !dispatch.is_empty() {
        let look = dispatch.look(&mut engine.clone(), |task| engine.result(task)).unwrap();
        lost.extend(look.lost);
        engine.advance(1_000);
    }
    lost.sort_unstable();
    assert_eq!(lost, (0..10).collect::<Vec<_>>());
    assert_eq!(engine.handed_over(), 30);
    // in a search they are trials that failed
    let engine = Simulated::new(Settings { dies: 1.0, ..Settings::smooth(1, 4) });
    let patience = Patience { looks: 2, tries: 3 };
    let mut elsewhere = Elsewhere::new(engine.clone(), engine.clone(), patience, |_| engine.advance(1_000));
    let all = Run::new(5).search_by(&mut InOrder::new(0_u64..9), &mut elsewhere, &mut []).unwrap();
    assert!(all.trials.iter().all(|trial| trial.result.as_ref().unwrap_err().contains("has no result")));
}

/// Two open architectures may be one task, which has one result for both.
#[test]
fn who_waits_for_the_same_task_gets_the_same_result() {
    let engine = Simulated::new(Settings::smooth(1, 4));
    let mut elsewhere =
        Elsewhere::new(engine.clone(), engine.clone(), Patience::default(), |_| engine.advance(500));
    let run = Run::new(4).in_flight(4);
    let found = run.search_by(&mut InOrder::new([7_u64, 7, 8, 7]), &mut elsewhere, &mut []).unwrap();
    assert!(found.trials.iter().all(|trial| trial.result == value(trial.arch)));
    assert_eq!((found.trials.len(), engine.handed_over()), (4, 2));
}

#[test]
fn ten_thousand_workers_are_kept_busy() {
    let settings =
        Settings { forgets: 0.02, dies: 0.02, repeats: 0.02, late: 0.05, ..Settings::smooth(7, 10_000) };
    let engine = Simulated::new(Settings { longest_ms: 20_000, ..settings });
    let patience = Patience { looks: 3, tries: 100 };
    let mut elsewhere = Elsewhere::new(engine.clone(), engine.clone(), patience, |_| engine.advance(1_000));
    let space = search::Domain::<Numbers>::of(&Numbers);
    let mut random = Random::new(space, Seed(1));
    let run = Run::new(30_000).in_flight(10_000);
    let found = run.search_by(&mut random, &mut elsewhere, &mut []).unwrap();
    assert_eq!(found.trials.len(), 30_000);
    assert!(found.trials.iter().all(|trial| trial.result == value(trial.arch)));
    assert!(engine.most_running() > 9_000, "{} workers at most", engine.most_running());
}

/// Numbers as architectures.
#[derive(Debug)]
struct Numbers;

impl nas_core::SearchSpace for Numbers {
    type Arch = u64;

    fn name(&self) -> &str {
        "numbers"
    }

    fn len(&self) -> Option<u64> {
        None
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = u64>>> {
        None
    }

    fn sample(&self, rng: &mut nas_core::Stream) -> u64 {
        use rand::RngExt;
        rng.random_range(0..1_000_000_000)
    }

    fn mutate(&self, arch: &u64, rng: &mut nas_core::Stream) -> u64 {
        use rand::RngExt;
        arch ^ (1 << rng.random_range(0..29))
    }

    fn neighbours(&self, arch: &u64) -> Vec<u64> {
        (0..29).map(|bit| arch ^ (1 << bit)).collect()
    }

    fn parse(&self, text: &str) -> Result<u64, nas_core::ParseArchError> {
        text.parse().map_err(|_| nas_core::ParseArchError::at("numbers", text, 0, "a number"))
    }
}
