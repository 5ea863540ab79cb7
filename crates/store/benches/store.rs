//! Durable transactions: a unit claimed and finished alone, and sixty-four at once.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nas_core::Seed;
use std::time::Duration;
use store::{Filter, Key, Measured, Store};

const UNITS: u32 = 15_625;

fn key(arch: u32) -> Key {
    Key {
        space: "nas-bench-201".into(),
        arch: format!("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|none~1|{arch}~2|"),
        metric: "synflow".into(),
        device: String::new(),
        fidelity: "cifar10 batch=64".into(),
        seed: Seed(0),
        code_version: "1".into(),
    }
}

fn claim_and_finish(c: &mut Criterion) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut group = c.benchmark_group("claim and finish, in a store of 15625");
    group.sample_size(10);
    for most in [1, 64] {
        let store = Store::open_or_create(folder.path().join(format!("{most}.sqlite"))).expect("a store");
        store.submit(&(0..UNITS).map(key).collect::<Vec<_>>(), 0).expect("submitted");
        let result = Measured::of(1.0);
        let mut more = UNITS;
        group.bench_with_input(BenchmarkId::from_parameter(most), &most, |b, &most| {
            b.iter(|| {
                let held = store
                    .claim("me", &Filter::default(), most, 0, Duration::from_secs(60))
                    .expect("an answer");
                if held.len() < most {
                    store.submit(&(more..more + UNITS).map(key).collect::<Vec<_>>(), 0).expect("submitted");
                    more += UNITS;
                }
                let results: Vec<(&Key, &Measured)> =
                    held.iter().map(|lease| (&lease.key, &result)).collect();
                store.finish_all(&results, 1).expect("recorded")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, claim_and_finish);
criterion_main!(benches);
