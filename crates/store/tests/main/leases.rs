use crate::{ALL, key, new};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Counts, Lease, Measured, State, StoreError};

#[derive(Debug, Clone)]
enum Step {
    Submit(u8),
    Claim { owner: u8, most: usize, lease: u64 },
    Renew { which: usize, lease: u64 },
    Save { which: usize, byte: u8 },
    Finish { which: usize },
    Record { unit: u8 },
    Fail { which: usize, diverged: bool },
    Release(u8),
    Retry,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..8_u8).prop_map(Step::Submit),
        4 => (0..3_u8, 0..3_usize, 0..30_u64)
            .prop_map(|(owner, most, lease)| Step::Claim { owner, most, lease }),
        2 => (any::<usize>(), 0..30_u64).prop_map(|(which, lease)| Step::Renew { which, lease }),
        2 => (any::<usize>(), any::<u8>()).prop_map(|(which, byte)| Step::Save { which, byte }),
        2 => any::<usize>().prop_map(|which| Step::Finish { which }),
        1 => (0..8_u8).prop_map(|unit| Step::Record { unit }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(which, diverged)| Step::Fail { which, diverged }),
        1 => (0..3_u8).prop_map(Step::Release),
        1 => Just(Step::Retry),
        3 => (0..20_u64).prop_map(Step::Pass),
    ]
}

/// What a unit is, in the simplest words.
#[derive(Debug, Clone, Default)]
struct Unit {
    place: usize,
    holder: Option<(String, u64)>,
    tries: u32,
    checkpoint: Option<Vec<u8>>,
    outcome: Option<State>,
}

impl Unit {
    fn held_by(&self, lease: &Lease) -> bool {
        self.outcome.is_none() && self.holder.is_some() && self.tries == lease.tries
    }

    fn end(&mut self, outcome: State) {
        (self.holder, self.checkpoint, self.outcome) = (None, None, Some(outcome));
    }

    fn state(&self, now: u64) -> State {
        match (&self.outcome, &self.holder) {
            (Some(outcome), _) => outcome.clone(),
            (None, Some((owner, until))) if *until > now => {
                State::Running { owner: owner.clone(), until_ms: *until }
            }
            _ => State::Missing,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// After any steps of several owners, every unit stands as in the model, and every answer was the model's.
    #[test]
    fn leases_are_as_in_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let (_dir, store) = new();
        let mut model: BTreeMap<String, Unit> = BTreeMap::new();
        // every lease that was ever given, so that old ones are tried too
        let mut leases: Vec<Lease> = Vec::new();
        let mut now = 0;
        for (at, step) in steps.into_iter().enumerate() {
            let place = model.len();
            match step {
                Step::Submit(unit) => {
                    let new = !model.contains_key(&unit.to_string());
                    prop_assert_eq!(store.submit(&[key(unit)], now).unwrap(), usize::from(new));
                    model.entry(unit.to_string()).or_insert(Unit { place, ..Unit::default() });
                }
                Step::Claim { owner, most, lease } => {
                    let owner = owner.to_string();
                    let mut free: Vec<(&String, &mut Unit)> =
                        model.iter_mut().filter(|(_, unit)| unit.state(now) == State::Missing).collect();
                    free.sort_by_key(|(_, unit)| unit.place);
                    let got = store.claim(&owner, &ALL, most, now, Duration::from_millis(lease)).unwrap();
                    prop_assert_eq!(got.len(), free.len().min(most));
                    for (lease_got, (arch, unit)) in got.iter().zip(free) {
                        unit.tries += 1;
                        unit.holder = Some((owner.clone(), now + lease));
                        prop_assert_eq!((&lease_got.key, lease_got.tries), (&key(arch), unit.tries));
                    }
                    leases.extend(got);
                }
                Step::Release(owner) => {
                    let owner = owner.to_string();
                    let mut given = 0;
                    for unit in model.values_mut() {
                        if unit.holder.as_ref().is_some_and(|(holder, _)| *holder == owner) {
                            unit.holder = None;
                            given += 1;
                        }
                    }
                    prop_assert_eq!(store.release(&owner).unwrap(), given);
                }
                Step::Record { unit } => {
                    let name = unit.to_string();
                    let unit = model.entry(name.clone()).or_insert(Unit { place, ..Unit::default() });
                    let result = Measured::of(at as f64);
                    prop_assert_eq!(store.finish(&key(name), &result, now).unwrap(), unit.outcome.is_none());
                    if unit.outcome.is_none() {
                        unit.end(State::Done(result));
                    }
                }
                Step::Retry => {
                    let failed = model.values_mut().filter(|u| matches!(u.outcome, Some(State::Failed { .. })));
                    let retried = failed.map(|unit| unit.outcome = None).count();
                    prop_assert_eq!(store.retry(&ALL).unwrap(), retried);
                }
                Step::Pass(ms) => now += ms,
                Step::Renew { which, .. } | Step::Save { which, .. } | Step::Finish { which }
                | Step::Fail { which, .. } => {
                    if leases.is_empty() {
                        continue;
                    }
                    let which = which % leases.len();
                    let held = &mut leases[which];
                    let unit = model.get_mut(&held.key.arch).expect("in the model");
                    let holds = unit.held_by(held);
                    let lost = |error: StoreError| matches!(error, StoreError::LeaseLost { .. });
                    match step {
                        Step::Renew { lease, .. } => {
                            match store.renew(held, now, Duration::from_millis(lease)) {
                                Ok(()) => {
                                    prop_assert!(holds);
                                    unit.holder.as_mut().expect("held").1 = now + lease;
                                }
                                Err(error) => prop_assert!(!holds && lost(error)),
                            }
                        }
                        Step::Save { byte, .. } => match store.save(held, &[byte]) {
                            Ok(()) => {
                                prop_assert!(holds);
                                unit.checkpoint = Some(vec![byte]);
                            }
                            Err(error) => prop_assert!(!holds && lost(error)),
                        },
                        Step::Finish { .. } => {
                            let result = Measured::of(at as f64);
                            let first = store.finish(&held.key, &result, now).unwrap();
                            prop_assert_eq!(first, unit.outcome.is_none());
                            if first {
                                unit.end(State::Done(result));
                            }
                        }
                        Step::Fail { diverged, .. } => {
                            let reason = at.to_string();
                            let end = if diverged {
                                store.diverge(held, &reason, now)
                            } else {
                                store.fail(held, &reason, now)
                            };
                            match end {
                                Ok(true) => {
                                    prop_assert!(holds);
                                    unit.end(match diverged {
                                        true => State::Diverged { reason },
                                        false => State::Failed { reason },
                                    });
                                }
                                Ok(false) => prop_assert!(unit.outcome.is_some()),
                                Err(error) => prop_assert!(!holds && unit.outcome.is_none() && lost(error)),
                            }
                        }
                        _ => unreachable!("of the four above"),
                    }
                }
            }
        }
        let rows = store.rows(&ALL, now).unwrap();
        prop_assert_eq!(rows.len(), model.len());
        let mut counts = Counts::default();
        for (row, (arch, unit)) in rows.iter().zip(&model) {
            prop_assert_eq!((&row.key.arch, &row.state, row.tries), (arch, &unit.state(now), unit.tries));
            prop_assert_eq!(store.checkpoint(&row.key).unwrap(), unit.checkpoint.clone());
            match row.state {
                State::Missing => counts.missing += 1,
                State::Running { .. } => counts.running += 1,
                State::Done(_) => counts.done += 1,
                State::Failed { .. } => counts.failed += 1,
                _ => counts.diverged += 1,
            }
        }
        prop_assert_eq!(store.counts(&ALL, now).unwrap(), counts);
        store.check().unwrap();
    }
}
