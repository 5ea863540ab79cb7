//! Encodings, classes and texts of the whole of NAS-Bench-201; enumeration and hashes of NAS-Bench-101; DARTS without
//! repetition.

use arch_graph::Encode;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nas_core::{SearchSpace, Seed};
use spaces::nas_bench_101::{Models, Spec};
use spaces::nas_bench_201::{Cell, FullEncoding, PrunedEncoding};
use spaces::{Darts, NasBench101, NasBench201};

fn nas_bench_201(c: &mut Criterion) {
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

fn nas_bench_101(c: &mut Criterion) {
    let last = |specs: &[Spec]| specs.iter().map(|spec| spec.module_hash()).max();
    let small: Vec<Spec> = Models::up_to(5).collect();
    let mut rng = Seed(0).stream("bench");
    let of_seven =
        std::iter::repeat_with(|| NasBench101.sample(&mut rng)).filter(|spec| spec.vertices() == 7);
    let large: Vec<Spec> = of_seven.take(2_000).collect();
    let mut group = c.benchmark_group("nas_bench_101");
    group.sample_size(20);
    group.bench_function(BenchmarkId::new("enumerate_and_hash", small.len()), |b| {
        b.iter(|| Models::up_to(5).map(Spec::module_hash).max());
    });
    group.bench_function(BenchmarkId::new("hash", large.len()), |b| b.iter(|| last(&large)));
    group.finish();
}

fn darts(c: &mut Criterion) {
    let mut group = c.benchmark_group("darts");
    group.sample_size(20);
    group.bench_function(BenchmarkId::new("distinct", 100_000), |b| {
        b.iter(|| {
            let mut rng = Seed(0).stream("bench");
            Darts.distinct(&mut rng).take(100_000).map(|genotype| Darts.index(&genotype)).max()
        });
    });
    group.finish();
}

criterion_group!(benches, nas_bench_201, nas_bench_101, darts);
criterion_main!(benches);
