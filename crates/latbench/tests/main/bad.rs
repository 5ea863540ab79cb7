//! What cannot be measured is said to be so.

use latbench::fake::{FakeClock, Steady};
use latbench::{Interleaved, LatencyError, Published, Reference, Workload, WorkloadError, cores, pin_to};
use std::time::Duration;

fn fails_alone(workload: &mut dyn Workload, clock: &FakeClock) -> LatencyError {
    let (mut known, mut good) = (Steady::new(clock, 0.004), Steady::new(clock, 0.001));
    let mut reference = Reference { workload: &mut known, usual: None };
    let mut found =
        Interleaved::default().measure(clock, &mut reference, &mut [workload, &mut good]).unwrap();
    assert!(found.pop().unwrap().is_ok(), "a bad workload spoilt a good one");
    found.pop().unwrap().unwrap_err()
}

#[test]
fn a_workload_that_fails_says_in_which_run() {
    let clock = FakeClock::default();
    let mut left = 12;
    let mut workload = || -> Result<(), WorkloadError> {
        clock.work(Duration::from_millis(2));
        left -= 1;
        if left == 0 { Err("out of memory".into()) } else { Ok(()) }
    };
    assert_eq!(fails_alone(&mut workload, &clock).to_string(), "run 12 failed: out of memory");
    let mut never = || Err("no such file".into());
    let error = Published::default().measure(&clock, &mut never).unwrap_err();
    assert_eq!(error.to_string(), "run 1 failed: no such file");
}

#[test]
fn a_workload_that_takes_forever_ends_at_its_limit() {
    let clock = FakeClock::default();
    let error = fails_alone(&mut Steady::new(&clock, 40.0), &clock);
    assert!(error.to_string().starts_with("1 runs took 40.0s, the limit is 30.0s"), "{error}");
    let error = fails_alone(&mut Steady::new(&clock, 4.0), &clock);
    assert!(matches!(error, LatencyError::TimeLimit { runs: 8, .. }), "{error}");
    let mut published = Published { limit: Duration::from_secs(5), ..Published::default() };
    assert!(published.measure(&clock, &mut Steady::new(&clock, 1.0)).is_err());
    published.limit = Duration::from_secs(2_000);
    assert!(published.measure(&clock, &mut Steady::new(&clock, 1.0)).is_ok());
}

#[test]
fn a_clock_that_stands_or_goes_back() {
    let clock = FakeClock::default();
    let mut no_time = || Ok(());
    assert!(matches!(fails_alone(&mut no_time, &clock), LatencyError::ClockStands { .. }));
    let error = Published::default().measure(&clock, &mut no_time).unwrap_err();
    assert!(error.to_string().starts_with("the clock stands still"), "{error}");
    clock.set(Duration::from_secs(100));
    let mut back = || {
        clock.set(Duration::from_secs(3));
        Ok(())
    };
    let error = Published::default().measure(&clock, &mut back).unwrap_err();
    assert_eq!(error.to_string(), "the clock went back from 100s to 3s");
}

#[test]
fn settings_out_of_range() {
    let clock = FakeClock::default();
    let refused = |protocol: Interleaved| {
        let mut workload = Steady::new(&clock, 0.004);
        let mut reference = Reference { workload: &mut workload, usual: None };
        protocol.measure(&clock, &mut reference, &mut []).unwrap_err().to_string()
    };
    let ours = Interleaved::default();
    assert_eq!(refused(Interleaved { least_rounds: 5, ..ours }), "least_rounds is 5, expected at least 7");
    assert_eq!(
        refused(Interleaved { most_rounds: 8, ..ours }),
        "most_rounds is 8, expected at least least_rounds"
    );
    assert_eq!(refused(Interleaved { timings: 0, ..ours }), "timings is 0, expected at least 1");
    assert_eq!(
        refused(Interleaved { precision: f64::NAN, ..ours }),
        "precision is NaN, expected a share above 0"
    );
    assert_eq!(
        refused(Interleaved { level: 1.0, ..ours }),
        "level is 1, expected a probability between 0 and 1"
    );
    for usual in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let (mut workload, mut other) = (Steady::new(&clock, 0.004), Steady::new(&clock, 0.004));
        let mut reference = Reference { workload: &mut workload, usual: Some(usual) };
        let error = ours.measure(&clock, &mut reference, &mut [&mut other]).unwrap_err();
        assert_eq!(error.to_string(), format!("usual is {usual}, expected seconds above 0"));
    }
    let none = Published { runs: 0, ..Published::default() }.measure(&clock, &mut Steady::new(&clock, 1.0));
    assert_eq!(none.unwrap_err().to_string(), "runs is 0, expected at least 1");
}

#[test]
fn cores_that_are_there_and_not() {
    if let Some(&core) = cores().first() {
        std::thread::spawn(move || pin_to(core).unwrap()).join().unwrap();
        let error = pin_to(1_023).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot keep this thread on core 1023: this thread may run on ["),
            "{error}"
        );
    }
}
