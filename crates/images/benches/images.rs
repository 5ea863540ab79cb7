//! What a training spends on its data: unpacking, a smaller size, a batch.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use images::{Augment, fashion_mnist};
use nas_core::Seed;

fn data(c: &mut Criterion) {
    c.bench_function("fashion_mnist", |b| b.iter(fashion_mnist));
    let (training, _) = fashion_mnist().expect("it is inside");
    for side in [14, 20] {
        c.bench_with_input(BenchmarkId::new("resize 2000 from 28", side), &side, |b, &side| {
            b.iter(|| training.resize(side, side));
        });
    }
    let rgb = training.to_rgb().expect("grey");
    let by = rgb.statistics();
    for images in [64, 256] {
        let rows: Vec<usize> = (0..images).collect();
        c.bench_with_input(BenchmarkId::new("batch 3x28x28", images), &rows, |b, rows| {
            b.iter(|| rgb.batch(rows, &by));
        });
        c.bench_with_input(BenchmarkId::new("augmented batch 3x28x28", images), &rows, |b, rows| {
            let mut rng = Seed(0).stream("bench");
            b.iter(|| rgb.augmented_batch(rows, &by, Augment::CIFAR, &mut rng));
        });
    }
}

criterion_group!(benches, data);
criterion_main!(benches);
