//! Rank statistics at the size of a whole search space.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nas_core::{Seed, stats};
use rand::RngExt;

fn correlations(c: &mut Criterion) {
    let mut group = c.benchmark_group("correlation");
    for n in [100, 15_625] {
        let mut rng = Seed(0).stream("bench");
        let x: Vec<f64> = (0..n).map(|_| rng.random()).collect();
        let y: Vec<f64> = x.iter().map(|v| v + rng.random::<f64>()).collect();
        group.bench_with_input(BenchmarkId::new("kendall", n), &n, |b, _| {
            b.iter(|| stats::kendall_tau_b(&x, &y));
        });
        group
            .bench_with_input(BenchmarkId::new("spearman", n), &n, |b, _| b.iter(|| stats::spearman(&x, &y)));
    }
    group.finish();
}

criterion_group!(benches, correlations);
criterion_main!(benches);
