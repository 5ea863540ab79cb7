//! Dominance, fronts and hypervolume against their definitions; evaluations saved.

use nas_core::{Evaluation, Seed, Trial};
use proptest::prelude::*;
use search::{Point, SearchError, front, hypervolume, reached, running_best, saved, trials_front};

fn points() -> impl Strategy<Value = Vec<Point>> {
    // few values, so that there are many ties
    let point =
        (0_u8..6, 0_u8..6).prop_map(|(value, ms)| Point { value: value.into(), latency_ms: ms.into() });
    prop::collection::vec(point, 0..25)
}

proptest! {
    #[test]
    fn a_front_is_what_nothing_dominates(points in points()) {
        let mut found = front(&points);
        let in_order = found.windows(2).all(|pair| {
            let (a, b) = (points[pair[0]], points[pair[1]]);
            a == b && pair[0] < pair[1] || a.latency_ms < b.latency_ms && a.value < b.value
        });
        prop_assert!(in_order);
        found.sort_unstable();
        let best = (0..points.len()).filter(|&i| !points.iter().any(|other| other.dominates(&points[i])));
        prop_assert_eq!(found, best.collect::<Vec<_>>());
    }

    #[test]
    fn dominance_is_a_strict_order(points in points()) {
        for a in &points {
            prop_assert!(!a.dominates(a));
            for b in &points {
                prop_assert!(!(a.dominates(b) && b.dominates(a)));
                let weak = a.value >= b.value && a.latency_ms <= b.latency_ms;
                prop_assert_eq!(a.dominates(b), weak && a != b);
                for c in &points {
                    prop_assert!(!(a.dominates(b) && b.dominates(c)) || a.dominates(c));
                }
            }
        }
    }

    #[test]
    fn a_hypervolume_is_the_dominated_area(points in points(), value in 0_u8..4, ms in 2_u8..7) {
        let reference = Point { value: value.into(), latency_ms: ms.into() };
        // unit squares between the reference and the best corner
        let squares = (value..8).flat_map(|v| (0..ms).map(move |l| (f64::from(v) + 0.5, f64::from(l) + 0.5)));
        let covered = squares.filter(|&(v, l)| points.iter().any(|p| p.value > v && p.latency_ms < l)).count();
        prop_assert_eq!(hypervolume(&points, reference), covered as f64);
        let mut more = points.clone();
        more.push(Point { value: 3.0, latency_ms: 3.0 });
        prop_assert!(hypervolume(&more, reference) >= hypervolume(&points, reference));
    }

    #[test]
    fn saved_evaluations_are_those_between_two_means(
        without in prop::collection::vec(prop::collection::vec(0_u8..9, 12), 1..6),
        with in prop::collection::vec(prop::collection::vec(0_u8..9, 12), 1..6),
        seed: u64,
    ) {
        let curves = |runs: &Vec<Vec<u8>>| -> Vec<Vec<f64>> {
            runs.iter().map(|run| running_best(run.iter().map(|&v| v.into()))).collect()
        };
        let (without, with) = (curves(&without), curves(&with));
        let found = saved(&without, &with, 50, Seed(seed)).unwrap();
        prop_assert_eq!(Some(found.without), reached(&without, found.target));
        prop_assert_eq!(Some(found.with), reached(&with, found.target));
        prop_assert_eq!(found.evaluations, found.without as f64 - found.with as f64);
        prop_assert!(found.interval.low <= found.interval.high);
        let same = saved(&without, &without, 50, Seed(seed)).unwrap();
        prop_assert_eq!(same.evaluations, 0.0);
        prop_assert!(same.interval.low <= 0.0 && 0.0 <= same.interval.high);
        prop_assert_eq!(found, saved(&without, &with, 50, Seed(seed)).unwrap());
    }
}

#[test]
fn a_front_of_trials_needs_latencies() {
    let trial = |number, result| Trial { number, iteration: 0, arch: number, result };
    let with = |value, ms| Ok(Evaluation { latency_ms: Some(ms), ..Evaluation::of(value) });
    let trials = [
        trial(0, Err("failed".into())),
        trial(1, Ok(Evaluation::of(99.0))),
        trial(2, with(50.0, 2.0)),
        trial(3, with(40.0, 3.0)),
        trial(4, with(60.0, 4.0)),
    ];
    assert_eq!(trials_front(&trials).unwrap(), [2, 4]);
    let error = trials_front(&trials[..2]).unwrap_err();
    assert!(matches!(error, SearchError::EmptyFront { trials: 2, failed: 1, without: 1 }), "{error}");
    assert!(trials_front::<u32>(&[]).unwrap_err().to_string().contains("the front is empty"));
    let nan = [Point { value: f64::NAN, latency_ms: 1.0 }, Point { value: 1.0, latency_ms: f64::NAN }];
    assert!(front(&nan).is_empty() && hypervolume(&nan, Point { value: 0.0, latency_ms: 9.0 }) == 0.0);
    assert!(saved::<Vec<f64>>(&[], &[], 10, Seed(0)).is_err());
    assert!(saved(&[vec![1.0]], &[vec![]], 10, Seed(0)).is_err());
}
