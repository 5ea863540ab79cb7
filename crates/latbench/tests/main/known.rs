//! What is measured of workloads whose latency is known.

use latbench::fake::{FakeClock, Steady};
use latbench::{Clock, Interleaved, Latency, LatencyError, Published, Reference, Workload, WorkloadError};
use proptest::prelude::*;
use std::cell::Cell;
use std::time::Duration;

fn one(
    clock: &FakeClock,
    reference: &mut dyn Workload,
    usual: Option<f64>,
    workload: &mut dyn Workload,
) -> Result<Latency, LatencyError> {
    let mut reference = Reference { workload: reference, usual };
    Interleaved::default().measure(clock, &mut reference, &mut [workload]).unwrap().remove(0)
}

#[test]
fn a_machine_that_gets_slower_and_slower_is_seen_through() {
    let clock = FakeClock::default();
    // twice as slow after 4 seconds, as a machine that heats up
    let slowness = |at: Duration| 1.0 + at.as_secs_f64() / 4.0;
    let mut reference = Steady::slowed(&clock, 0.004, slowness);
    let mut workload = Steady::slowed(&clock, 0.01, slowness);
    let found = one(&clock, &mut reference, Some(0.004), &mut workload).unwrap();
    assert!((found.median_s / 0.01 - 1.0).abs() < 0.01, "{found:?}");
    assert!(found.uncorrected_s > 0.0101 && found.slowness > 1.01, "{found:?}");
    assert!(found.low_s <= found.median_s && found.median_s <= found.high_s);
}

#[test]
fn two_measurings_on_machines_of_other_speed_agree_where_the_reference_is_known() {
    let at_speed = |speed: f64, usual| {
        let clock = FakeClock::default();
        let mut reference = Steady::new(&clock, 0.004 * speed);
        let mut workload = Steady::new(&clock, 0.002 * speed);
        one(&clock, &mut reference, usual, &mut workload).unwrap().median_s
    };
    assert!((at_speed(1.0, Some(0.004)) - at_speed(1.7, Some(0.004))).abs() < 1e-9);
    assert!((at_speed(1.7, None) - 1.7 * at_speed(1.0, None)).abs() < 1e-9);
}

/// Memory is made in the first run, which says nothing of how many runs a timing needs.
#[test]
fn a_slow_first_run_does_not_make_timings_short() {
    struct Cold<'a>(&'a FakeClock, u64);
    impl Workload for Cold<'_> {
        fn run(&mut self) -> Result<(), WorkloadError> {
            self.1 += 1;
            self.0.work(Duration::from_micros(if self.1 == 1 { 5_000 } else { 60 }));
            Ok(())
        }
    }
    let clock = FakeClock::default();
    let (mut reference, mut workload) = (Steady::new(&clock, 0.004), Cold(&clock, 0));
    let found = one(&clock, &mut reference, None, &mut workload).unwrap();
    // 500 microseconds a timing are nine runs or more
    assert!(found.runs >= 9 * found.rounds as u64, "{found:?}");
}

/// Half a second a run: 300 readings of it would take five times the limit, 25 take less than half.
#[test]
fn a_slow_reference_leaves_time_for_what_is_measured() {
    let clock = FakeClock::default();
    let (mut reference, mut workload) = (Steady::new(&clock, 0.5), Steady::new(&clock, 0.3));
    let found = one(&clock, &mut reference, None, &mut workload).unwrap();
    assert!((found.median_s - 0.3).abs() < 1e-9, "{found:?}");
}

#[test]
fn timings_during_which_the_core_was_lost_do_not_count() {
    struct Disturbed<'a>(&'a FakeClock, u32);
    impl Workload for Disturbed<'_> {
        fn run(&mut self) -> Result<(), WorkloadError> {
            self.0.work(Duration::from_millis(1));
            self.1 += 1;
            // a third of all runs: more than a median of five could stand in every round
            if self.1.is_multiple_of(3) {
                self.0.lose(Duration::from_millis(20));
            }
            Ok(())
        }
    }
    let clock = FakeClock::default();
    let mut reference = Steady::new(&clock, 0.004);
    let found = one(&clock, &mut reference, None, &mut Disturbed(&clock, 0)).unwrap();
    assert!((found.median_s - 0.001).abs() < 1e-9, "{found:?}");
}

#[test]
fn rounds_in_which_the_reference_moved_do_not_count() {
    let clock = FakeClock::default();
    // slow in every other twentieth of a second, fast between
    let slowness =
        |at: Duration| if ((20.0 * at.as_secs_f64()) as u64).is_multiple_of(2) { 1.0 } else { 1.6 };
    let mut reference = Steady::slowed(&clock, 0.004, slowness);
    let mut workload = Steady::slowed(&clock, 0.01, slowness);
    let found = one(&clock, &mut reference, Some(0.004), &mut workload).unwrap();
    assert!(found.discarded > 0, "{found:?}");
    assert!((found.median_s - 0.01).abs() < 1e-6, "{found:?}");
}

#[test]
fn a_machine_too_noisy_gives_no_number() {
    let clock = FakeClock::default();
    let mut reference = Steady::new(&clock, 0.004);
    let turn = Cell::new(0_u64);
    // no two readings alike
    let mut workload = Steady::slowed(&clock, 0.01, |_| {
        turn.set(turn.get() + 1);
        1.0 + (turn.get() / 5).wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64 / u64::MAX as f64
    });
    let error = one(&clock, &mut reference, Some(0.004), &mut workload).unwrap_err();
    assert!(error.to_string().starts_with("this machine is too noisy: after 300 rounds"), "{error}");
    assert!(matches!(error, LatencyError::TooNoisy { percent: Some(percent), .. } if percent > 2.0));
}

#[test]
fn short_workloads_are_run_several_times_a_timing() {
    let clock = FakeClock::default();
    let mut reference = Steady::new(&clock, 0.004);
    let found = one(&clock, &mut reference, None, &mut Steady::new(&clock, 2e-6)).unwrap();
    assert!((found.median_s - 2e-6).abs() < 1e-12, "{found:?}");
    assert!(found.runs > 5_000);
}

#[test]
fn the_published_average_drops_the_outer_quarters() {
    let clock = FakeClock::default();
    let run = Cell::new(0_u32);
    // one run of ten and one round of ten is far off
    let mut workload = Steady::slowed(&clock, 0.001, |_| {
        let number = run.replace(run.get() + 1);
        if number % 10 == 3 || number / 10 % 10 == 7 { 50.0 } else { 1.0 }
    });
    let (latency, rounds) = Published::default().measure(&clock, &mut workload).unwrap();
    assert!((latency - 0.001).abs() < 1e-12);
    assert!(rounds.concat().iter().any(|&run| run > 0.04));
    // 1,000 runs, 28 in 100 of them slow, and 99 pauses of 10 ms
    assert!((clock.now().as_secs_f64() - (810.0 * 0.001 + 190.0 * 0.05 + 0.99)).abs() < 1e-6);
}

proptest! {
    /// Whatever the machine does slowly, and however fast it is: the ratio to the reference is found.
    #[test]
    fn slow_drift_never_changes_the_answer(
        seconds in 1e-4..0.02_f64,
        reference in 1e-3..0.02_f64,
        speed in 0.2..5.0_f64,
        depth in 0.0..0.3_f64,
        period in 60.0..600.0_f64,
    ) {
        let clock = FakeClock::default();
        let slowness = |at: Duration| speed * (1.0 + depth * (at.as_secs_f64() * std::f64::consts::TAU / period).sin());
        let mut known = Steady::slowed(&clock, reference, slowness);
        let mut workload = Steady::slowed(&clock, seconds, slowness);
        let found = one(&clock, &mut known, Some(reference), &mut workload).unwrap();
        prop_assert!((found.median_s / seconds - 1.0).abs() < 0.01, "{found:?}");
    }
}
