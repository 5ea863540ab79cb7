use crate::{ALL, key, new};
use nas_core::Seed;
use std::time::Duration;
use store::{Counts, Filter, Key, Measured, State, Store, StoreError};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_result_reads_back_bit_for_bit_after_opening_again() {
    let (dir, store) = new();
    let key = Key { seed: Seed(u64::MAX), arch: "|a\0b~'\"é|".into(), ..key("") };
    let result = Measured {
        value: 0.1 + 0.2,
        payload: Some(" {\"curve\": [0.1, 1e-300, 0.30000000000000004]}".into()),
        cost_s: Some(f64::MIN_POSITIVE),
    };
    assert!(store.finish(&key, &result, 5).unwrap());
    drop(store);
    let store = Store::open(dir.path().join("runs.sqlite")).unwrap();
    assert_eq!(store.results(&ALL).unwrap(), [(key.clone(), result.clone())]);
    let row = store.get(&key, 9).unwrap().unwrap();
    assert_eq!((row.state, row.tries, row.at_ms), (State::Done(result), 0, 5));
    store.check().unwrap();
}

#[test]
fn a_result_is_seen_by_others_as_soon_as_it_is_recorded() {
    let (dir, store) = new();
    let other = Store::open(dir.path().join("runs.sqlite")).unwrap();
    store.finish(&key("a"), &Measured::of(1.0), 0).unwrap();
    assert_eq!(other.results(&ALL).unwrap().len(), 1);
}

#[test]
fn the_first_outcome_stays() {
    let (_dir, store) = new();
    store.submit(&[key("a"), key("b")], 0).unwrap();
    let held = store.claim("me", &ALL, 2, 0, MINUTE).unwrap();
    assert!(store.finish(&held[0].key, &Measured::of(1.0), 1).unwrap());
    assert!(!store.finish(&held[0].key, &Measured::of(2.0), 2).unwrap());
    assert!(!store.fail(&held[0], "late", 3).unwrap());
    assert!(store.diverge(&held[1], "NaN in epoch 3", 1).unwrap());
    assert!(!store.diverge(&held[1], "again", 2).unwrap());
    assert!(!store.finish(&held[1].key, &Measured::of(3.0), 2).unwrap());
    assert_eq!(store.results(&ALL).unwrap(), [(key("a"), Measured::of(1.0))]);
    let b = store.get(&key("b"), 9).unwrap().unwrap();
    assert_eq!((b.state, b.at_ms), (State::Diverged { reason: "NaN in epoch 3".into() }, 1));
    assert_eq!(store.submit(&[key("a"), key("b")], 9).unwrap(), 0);
    assert_eq!(store.claim("me", &ALL, 9, 1_000_000, MINUTE).unwrap(), []);
}

#[test]
fn a_worker_that_lost_its_lease_is_told_but_its_result_counts() {
    let (_dir, store) = new();
    store.submit(&[key("a")], 0).unwrap();
    let mut slow = store.claim("slow", &ALL, 1, 0, MINUTE).unwrap().remove(0);
    assert_eq!(store.claim("next", &ALL, 1, 59_999, MINUTE).unwrap(), []);
    // even of the same name
    let next = store.claim("slow", &ALL, 1, 60_000, MINUTE).unwrap().remove(0);
    assert_eq!((slow.tries, next.tries), (1, 2));
    let lost = |error: StoreError| {
        let text = error.to_string();
        assert!(text.starts_with("slow no longer holds acc of a (letters"), "{text}");
        assert!(text.contains("(slow does): drop this work, and renew earlier or lease longer"), "{text}");
    };
    lost(store.renew(&mut slow, 60_001, MINUTE).unwrap_err());
    lost(store.save(&slow, b"old").unwrap_err());
    lost(store.fail(&slow, "stopped", 60_001).unwrap_err());
    store.save(&next, b"new").unwrap();
    assert!(store.finish(&slow.key, &Measured::of(1.0), 60_002).unwrap());
    assert!(!store.finish(&next.key, &Measured::of(2.0), 60_003).unwrap());
    assert_eq!(store.checkpoint(&key("a")).unwrap(), None);
    assert!(matches!(store.save(&next, b"newer"), Err(StoreError::LeaseLost { holder: None, .. })));
}

#[test]
fn a_checkpoint_is_replaced_taken_over_and_goes_with_the_outcome() {
    let (_dir, store) = new();
    store.submit(&[key("a")], 0).unwrap();
    let first = store.claim("1", &ALL, 1, 0, MINUTE).unwrap().remove(0);
    assert_eq!(store.checkpoint(&key("a")).unwrap(), None);
    store.save(&first, &[1; 100_000]).unwrap();
    store.save(&first, &[2; 200_000]).unwrap();
    let second = store.claim("2", &ALL, 1, 60_000, MINUTE).unwrap().remove(0);
    assert_eq!(store.checkpoint(&second.key).unwrap(), Some(vec![2; 200_000]));
    store.save(&second, &[]).unwrap();
    assert_eq!(store.checkpoint(&second.key).unwrap(), Some(vec![]));
    assert!(store.fail(&second, "no memory", 60_001).unwrap());
    assert_eq!(store.checkpoint(&key("a")).unwrap(), None);
}

#[test]
fn what_failed_is_asked_for_again_only_when_told() {
    let (_dir, store) = new();
    store.submit(&[key("a"), key("b"), key("c")], 0).unwrap();
    let held = store.claim("me", &ALL, 3, 0, MINUTE).unwrap();
    store.fail(&held[0], "no memory", 1).unwrap();
    store.fail(&held[1], "no memory", 1).unwrap();
    store.diverge(&held[2], "NaN", 1).unwrap();
    assert_eq!(store.retry(&Filter::from(&key("a"))).unwrap(), 1);
    let again = store.claim("me", &ALL, 9, 2, MINUTE).unwrap();
    assert_eq!((again.len(), &again[0].key, again[0].tries), (1, &key("a"), 2));
    assert_eq!(store.retry(&ALL).unwrap(), 1);
    assert!(store.finish(&key("a"), &Measured::of(1.0), 3).unwrap());
    let expected = Counts { done: 1, running: 0, failed: 0, diverged: 1, missing: 1 };
    assert_eq!(store.counts(&ALL, 4).unwrap(), expected);
}

#[test]
fn release_gives_back_what_one_owner_holds() {
    let (_dir, store) = new();
    store.submit(&(0..4).map(key).collect::<Vec<_>>(), 0).unwrap();
    let mut mine = store.claim("me", &ALL, 2, 0, MINUTE).unwrap();
    store.claim("you", &ALL, 1, 0, MINUTE).unwrap();
    store.save(&mine[0], b"half").unwrap();
    assert_eq!(store.release("me").unwrap(), 2);
    assert!(matches!(store.renew(&mut mine[0], 1, MINUTE), Err(StoreError::LeaseLost { holder: None, .. })));
    let counts = store.counts(&ALL, 1).unwrap();
    assert_eq!((counts.running, counts.missing), (1, 3));
    assert_eq!(store.claim("me", &ALL, 1, 1, MINUTE).unwrap()[0].key, key(0));
    assert_eq!(store.checkpoint(&key(0)).unwrap().unwrap(), b"half");
}

#[test]
fn filters_and_the_order_of_listings() {
    let (_dir, store) = new();
    let mut keys = Vec::new();
    for (i, seed) in [3, u64::MAX, 0, 1 << 63].into_iter().enumerate() {
        for metric in ["b", "a", "é", "B"] {
            keys.push(Key { seed: Seed(seed), metric: metric.into(), ..key(i) });
        }
    }
    for (i, key) in keys.iter().enumerate() {
        store.finish(key, &Measured::of(i as f64), 0).unwrap();
    }
    let listed: Vec<Key> = store.rows(&ALL, 0).unwrap().into_iter().map(|row| row.key).collect();
    let mut sorted = keys.clone();
    sorted.sort();
    assert_eq!(listed, sorted);
    let of_a = store.results(&Filter { metric: Some("a".into()), ..ALL }).unwrap();
    assert_eq!(of_a.iter().map(|(_, result)| result.value).collect::<Vec<_>>(), [1.0, 5.0, 9.0, 13.0]);
    for key in &keys {
        assert_eq!(store.counts(&Filter::from(key), 0).unwrap().done, 1);
    }
    let none = Filter { seed: Some(Seed(4)), ..ALL };
    assert_eq!(store.counts(&none, 0).unwrap(), Counts::default());
}

#[test]
fn a_row_exports_flat() {
    let (_dir, store) = new();
    store.finish(&key("a"), &Measured::of(2.5), 7).unwrap();
    let row = store.rows(&ALL, 8).unwrap().remove(0);
    let json = serde_json::to_value(&row).unwrap();
    let expected = serde_json::json!({
        "space": "letters", "arch": "a", "metric": "acc", "device": "", "fidelity": "epochs=2", "seed": 0,
        "code_version": "1", "state": "done", "value": 2.5, "payload": null, "cost_s": null, "tries": 0,
        "at_ms": 7,
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_value::<store::Row>(json).unwrap(), row);
}

#[test]
fn what_cannot_be_recorded_is_refused_whole() {
    let (_dir, store) = new();
    let (a, b) = (key("a"), key("b"));
    let bad = [
        (Measured::of(f64::NAN), "is NaN, expected a finite number: record it as diverged"),
        (Measured::of(f64::INFINITY), "is inf, expected"),
        (Measured { cost_s: Some(f64::NEG_INFINITY), ..Measured::of(1.0) }, "is -inf, expected"),
        (Measured { payload: Some("{\"a\": 1".into()), ..Measured::of(1.0) }, "the payload of acc of b"),
    ];
    for (bad, expected) in bad {
        let error = store.finish_all(&[(&a, &Measured::of(1.0)), (&b, &bad)], 0).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(store.counts(&ALL, 0).unwrap(), Counts::default());
    let good = Measured::of(1.0);
    assert_eq!(store.finish_all(&[(&a, &good), (&b, &good), (&a, &good)], 0).unwrap(), 2);
}

#[test]
fn times_at_the_ends_of_the_range() {
    let (_dir, store) = new();
    store.submit(&[key("a")], u64::MAX).unwrap();
    let held = store.claim("me", &ALL, usize::MAX, u64::MAX - 1, Duration::MAX).unwrap();
    assert_eq!(held.len(), 1);
    store.submit(&[key("b")], 0).unwrap();
    let held = store.claim("me", &ALL, 9, 0, Duration::MAX).unwrap();
    assert_eq!(held.last().map(|lease| lease.until_ms), Some(i64::MAX as u64));
    assert_eq!(store.claim("me", &ALL, 0, 0, MINUTE).unwrap(), []);
}

#[test]
fn one_may_wait_for_ever() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = Store::open_or_create(dir.path().join("runs.sqlite")).unwrap();
    store.wait_at_most(Duration::MAX).unwrap();
}
