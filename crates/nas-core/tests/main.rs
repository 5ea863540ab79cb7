//! Golden values from SciPy, properties against the definitions, and errors.

use nas_core::stats::{self, StatsError};
use nas_core::{LabelError, Labelled, Predict, Seed, conformance, order_by_score};
use proptest::prelude::*;
use rand::RngExt;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("an array").iter().map(|v| v.as_f64().expect("a number")).collect()
}

fn close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
        "{what}: {found} against {expected}"
    );
}

#[test]
fn equal_to_scipy() {
    let golden: Value =
        serde_json::from_str(include_str!("../../../fixtures/nas-core/stats/stats.json")).expect("json");
    let cases = golden["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 9);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
        close(stats::kendall_tau_b(&x, &y).unwrap(), case["kendall"].as_f64().unwrap(), name);
        close(stats::spearman(&x, &y).unwrap(), case["spearman"].as_f64().unwrap(), name);
        close(stats::pearson(&x, &y).unwrap(), case["pearson"].as_f64().unwrap(), name);
        assert_eq!(stats::average_ranks(&x), numbers(&case["ranks_x"]), "{name}");
        for (q, expected) in [0.0, 0.1, 0.5, 0.9, 1.0].into_iter().zip(numbers(&case["quantile_x"])) {
            close(stats::quantile(&x, q) / expected.abs().max(1.0), expected / expected.abs().max(1.0), name);
        }
    }
}

/// Tau-b by its definition, pair by pair.
fn tau_by_definition(x: &[f64], y: &[f64]) -> f64 {
    let (mut concordant, mut tied_x, mut tied_y, mut pairs) = (0.0, 0.0, 0.0, 0.0);
    for i in 0..x.len() {
        for j in 0..i {
            let (a, b) = (x[i] - x[j], y[i] - y[j]);
            pairs += 1.0;
            tied_x += f64::from(a == 0.0);
            tied_y += f64::from(b == 0.0);
            concordant += f64::from(a * b > 0.0) - f64::from(a * b < 0.0);
        }
    }
    concordant / ((pairs - tied_x) * (pairs - tied_y)).sqrt()
}

/// All orders of so many rows.
fn orders(rows: usize) -> Vec<Vec<usize>> {
    if rows == 0 {
        return vec![Vec::new()];
    }
    let with = |order: Vec<usize>| {
        (0..rows).map(move |place| {
            let mut order = order.clone();
            order.insert(place, rows - 1);
            order
        })
    };
    orders(rows - 1).into_iter().flat_map(with).collect()
}

/// The best `k` where of equal values the one that comes first in `order` is taken.
fn best(values: &[f64], k: usize, order: &[usize]) -> Vec<usize> {
    let mut rows = order.to_vec();
    rows.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    rows.truncate(k);
    rows
}

proptest! {
    #[test]
    fn of_equal_values_any_may_be_among_the_best(
        pairs in prop::collection::vec((0_u8..3, 0_u8..4), 1..5), k in 1_usize..5,
    ) {
        prop_assume!(k <= pairs.len());
        let (said, truth): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(a, b)| (f64::from(a), f64::from(b))).unzip();
        let orders = orders(pairs.len());
        let (mut overlap, mut regret) = (0.0, 0.0);
        for order in &orders {
            let found = best(&said, k, order);
            let shared = |other: &Vec<usize>| {
                best(&truth, k, other).iter().filter(|row| found.contains(row)).count() as f64 / k as f64
            };
            overlap += orders.iter().map(shared).sum::<f64>() / orders.len() as f64;
            let largest = |rows: &mut dyn Iterator<Item = f64>| rows.fold(f64::NEG_INFINITY, f64::max);
            regret += largest(&mut truth.iter().copied()) - largest(&mut found.iter().map(|&row| truth[row]));
        }
        let count = orders.len() as f64;
        prop_assert!((stats::top_k_overlap(&said, &truth, k).unwrap() - overlap / count).abs() < 1e-12);
        prop_assert!((stats::regret(&said, &truth, k).unwrap() - regret / count).abs() < 1e-12);
    }

    #[test]
    fn no_correlation_is_beyond_one(
        values in prop::collection::vec(-1.0_f64..1.0, 2..60), exponents in (-280_i32..280, -280_i32..280),
    ) {
        prop_assume!(values.iter().any(|v| *v != values[0]));
        let scaled = |exponent| values.iter().map(|v| v * 10_f64.powi(exponent)).collect::<Vec<_>>();
        let found = stats::pearson(&scaled(exponents.0), &scaled(exponents.1)).unwrap();
        prop_assert!((1.0 - 1e-12..=1.0).contains(&found), "{found}");
        prop_assert!(stats::spearman(&values, &values).unwrap() <= 1.0);
    }

    #[test]
    fn kendall_is_its_definition(pairs in prop::collection::vec((0_u8..12, 0_u8..12), 2..60)) {
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(a, b)| (f64::from(a), f64::from(b))).unzip();
        match stats::kendall_tau_b(&x, &y) {
            Ok(tau) => prop_assert!((tau - tau_by_definition(&x, &y)).abs() < 1e-12),
            Err(error) => prop_assert_eq!(error, StatsError::Constant(x.len())),
        }
    }

    #[test]
    fn correlations_do_not_see_monotone_maps(values in prop::collection::vec(-5.0_f64..5.0, 3..40)) {
        prop_assume!(values.iter().any(|v| *v != values[0]));
        let mapped: Vec<f64> = values.iter().map(|v| v.exp()).collect();
        prop_assert!((stats::kendall_tau_b(&values, &mapped).unwrap() - 1.0).abs() < 1e-12);
        prop_assert!((stats::spearman(&values, &mapped).unwrap() - 1.0).abs() < 1e-12);
        prop_assert_eq!(stats::regret(&values, &mapped, 1).unwrap(), 0.0);
        prop_assert_eq!(stats::top_k_overlap(&values, &mapped, 2).unwrap(), 1.0);
    }

    #[test]
    fn a_split_is_a_partition(rows in 0_usize..50, train in 0_usize..30, validation in 0_usize..30, seed: u64) {
        let data = Labelled::new((0..rows).collect(), (0..rows).map(|i| i as f64).collect()).unwrap();
        match data.split(train, validation, Seed(seed)) {
            Ok(split) => {
                prop_assert_eq!((split.train.len(), split.validation.len()), (train, validation));
                let mut all: Vec<usize> = [&split.train, &split.validation, &split.test]
                    .iter().flat_map(|part| part.archs().to_vec()).collect();
                all.sort_unstable();
                prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
                prop_assert!(split.test.iter().all(|(a, v)| *a as f64 == v));
            }
            Err(error) => {
                prop_assert!(train + validation > rows);
                prop_assert_eq!(error, LabelError::TooFew { train, validation, rows });
            }
        }
    }
}

/// Gives values for what it has not seen alone, as one might who keeps a cache.
struct Forgetful(std::cell::RefCell<Vec<u32>>);

impl Predict<u32> for Forgetful {
    type Error = std::convert::Infallible;
    fn predict(&self, archs: &[u32]) -> Result<Vec<f64>, Self::Error> {
        let mut seen = self.0.borrow_mut();
        let new: Vec<u32> = archs.iter().filter(|arch| !seen.contains(arch)).copied().collect();
        seen.extend(&new);
        Ok(new.into_iter().map(f64::from).collect())
    }
}

#[test]
fn a_predictor_that_gives_less_the_second_time_is_told() {
    let said = conformance::predictor(&Forgetful(Vec::new().into()), &[3, 1, 4]).unwrap_err();
    assert_eq!(said, "asked again, 3 architectures gave 0 values");
}

#[test]
fn bad_columns_are_refused() {
    let nan = stats::spearman(&[1.0, f64::NAN], &[1.0, 2.0]).unwrap_err();
    assert!(nan.to_string().starts_with("value 1 is NaN"));
    assert_eq!(stats::mse(&[1.0], &[]).unwrap_err(), StatsError::Lengths { left: 1, right: 0 });
    assert_eq!(stats::kendall_tau_b(&[1.0; 3], &[1.0, 2.0, 3.0]).unwrap_err(), StatsError::Constant(3));
    assert_eq!(
        stats::top_k_overlap(&[1.0], &[1.0], 2).unwrap_err(),
        StatsError::TooFew { found: 1, needed: 2 }
    );
    assert!(stats::regret(&[1.0], &[1.0], 0).is_err());
    let level = stats::bootstrap(3, 10, 1.0, Seed(0), |_| Some(1.0)).unwrap_err();
    assert_eq!(level, StatsError::Share { name: "level", value: 1.0 });
    let error = Labelled::new(vec![(), ()], vec![0.0, f64::INFINITY]).unwrap_err();
    assert_eq!(error.to_string(), "value 1 is inf: labels must be finite; leave such rows out");
}

#[test]
fn error_bounds_are_relative_to_what_they_say() {
    let (predicted, truth) = ([110.0, 90.0, 50.0], [100.0, 100.0, 100.0]);
    assert!((stats::within(&predicted, &truth, 0.1).unwrap() - 200.0 / 3.0).abs() < 1e-12);
    assert!((stats::within_of_prediction(&predicted, &truth, 0.1).unwrap() - 100.0 / 3.0).abs() < 1e-12);
    assert!((stats::mape(&predicted, &truth).unwrap() - 70.0 / 3.0).abs() < 1e-12);
    assert_eq!(stats::r2(&[1.0, 2.0], &[1.0, 2.0]).unwrap(), 1.0);
}

#[test]
fn the_bootstrap_covers_the_mean_about_as_often_as_it_says() {
    let mut rng = Seed(5).stream("coverage");
    let mut covered = 0;
    for repeat in 0..200 {
        let sample: Vec<f64> = (0..40).map(|_| (0..12).map(|_| rng.random::<f64>()).sum()).collect();
        let interval = stats::bootstrap(40, 300, 0.9, Seed(repeat), |rows| {
            Some(rows.iter().map(|&i| sample[i]).sum::<f64>() / 40.0)
        })
        .unwrap();
        covered += usize::from(interval.low <= 6.0 && 6.0 <= interval.high);
    }
    assert!((165..=195).contains(&covered), "{covered} of 200 intervals at 90 % cover the mean");
}

#[test]
fn streams_are_independent_and_fixed() {
    // these values are part of every record: they must never change
    let draw = |seed: Seed, purpose: &str| seed.stream(purpose).random::<u64>();
    assert_eq!(draw(Seed(0), "weights"), draw(Seed(0), "weights"));
    let all: std::collections::BTreeSet<u64> = (0..50)
        .flat_map(|s| ["weights", "dropout", "split"].map(|p| draw(Seed(s), p)))
        .chain((0..50).map(|n| Seed(0).nth("repeat", n).0))
        .collect();
    assert_eq!(all.len(), 200);
    assert_eq!(Seed(42).derive("weights"), Seed(PINNED));
}

const PINNED: u64 = 8_751_801_826_460_546_052;

#[test]
fn equal_scores_keep_their_order() {
    assert_eq!(order_by_score(&[1.0, 1.0, f64::NEG_INFINITY, f64::NAN, 2.0]), [4, 0, 1, 2, 3]);
}

#[test]
fn half_widths_are_those_of_the_tables_of_student() {
    for (count, t) in [(2, 12.7062), (3, 4.30265), (4, 3.18245), (5, 2.77645), (10, 2.26216), (31, 2.04227)] {
        // half of them 1 up, half of them 1 down, and one in the middle where the number is odd
        let values: Vec<f64> = (0..count)
            .map(|i| if i == 2 * (count / 2) { 0.0 } else { f64::from(i % 2) * 2.0 - 1.0 })
            .collect();
        let squares: f64 = values.iter().map(|x| x * x).sum();
        let expected = t * (squares / f64::from(count - 1) / f64::from(count)).sqrt();
        let found = stats::half_width(&values, 0.95).unwrap();
        assert!((found / expected - 1.0).abs() < 1e-5, "{count}: {found} against {expected}");
    }
    let wide: Vec<f64> = (0..101).map(f64::from).collect();
    let t = stats::half_width(&wide, 0.95).unwrap() / stats::deviation(&wide) * 10.0;
    assert!((t - 1.98397).abs() < 1e-5, "{t}");
    assert_eq!(stats::half_width(&[3.0, 3.0], 0.95), Some(0.0));
    assert_eq!((stats::half_width(&[], 0.95), stats::half_width(&[1.0, 2.0], 1.0)), (None, None));
}

/// So many equal pairs that products of their numbers leave 64 bits.
#[test]
fn many_ties_overflow_nothing() {
    let column = |shift: usize| -> Vec<f64> { (0..6_000).map(|i| ((i + shift) / 2_000) as f64).collect() };
    let (x, y) = (column(0), column(500));
    close(stats::kendall_tau_b(&x, &y).unwrap(), tau_by_definition(&x, &y), "ties");
}
