//! The loop's own cost an evaluation.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nas_core::{Evaluation, Objective};
use search::{InOrder, run};

struct Free;

impl Objective<u32> for Free {
    type Error = std::convert::Infallible;

    fn evaluate(&self, arch: &u32) -> Result<Evaluation, Self::Error> {
        Ok(Evaluation::of(f64::from(*arch)))
    }
}

fn overhead(c: &mut Criterion) {
    let mut group = c.benchmark_group("run");
    for budget in [100, 10_000] {
        group.bench_with_input(BenchmarkId::new("in-order", budget), &budget, |b, &budget| {
            b.iter(|| run(&mut InOrder::new(0..u32::MAX), &Free, budget, &mut []));
        });
    }
    group.finish();
}

criterion_group!(benches, overhead);
criterion_main!(benches);
