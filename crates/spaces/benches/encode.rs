//! Encodings, classes and texts of the whole of NAS-Bench-201.

use arch_graph::Encode;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nas_core::SearchSpace;
use spaces::NasBench201;
use spaces::nas_bench_201::{Cell, FullEncoding, PrunedEncoding};

fn whole_space(c: &mut Criterion) {
    let cells: Vec<Cell> = NasBench201.enumerate().into_iter().flatten().collect();
    let texts: Vec<String> = cells.iter().map(ToString::to_string).collect();
    let n = cells.len();
    let mut group = c.benchmark_group("nas_bench_201");
    group.sample_size(20);
    group.bench_function(BenchmarkId::new("pruned", n), |b| {
        b.iter(|| cells.iter().filter(|cell| PrunedEncoding.encode(cell).is_ok()).count());
    });
    group.bench_function(BenchmarkId::new("full", n), |b| {
        b.iter(|| cells.iter().filter(|cell| FullEncoding.encode(cell).is_ok()).count());
    });
    group.bench_function(BenchmarkId::new("parse", n), |b| {
        b.iter(|| texts.iter().filter(|text| NasBench201.parse(text).is_ok()).count());
    });
    group.bench_function(BenchmarkId::new("classes", n), |b| b.iter(|| NasBench201.classes()));
    group.finish();
}

criterion_group!(benches, whole_space);
criterion_main!(benches);
