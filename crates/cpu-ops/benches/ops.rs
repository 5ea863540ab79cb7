//! The operators at the sizes of a BRP-NAS network.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use cpu_ops::{AdamW, AdamWSettings, layer_norm_relu, linear};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn numbers(shape: &[usize]) -> Result<Tensor> {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5);
    Tensor::from_iter(values, &Device::Cpu)?.reshape(shape)
}

fn operators(c: &mut Criterion) -> Result<()> {
    let (w, b) = (numbers(&[600, 600])?, numbers(&[600])?);
    for rows in [144, 576, 14_550] {
        let x = numbers(&[rows, 600])?;
        let mut group = c.benchmark_group("rows");
        let id = |name| BenchmarkId::new(name, format!("{rows}x600"));
        group.bench_function(id("linear-600"), |bench| bench.iter(|| linear(&x, &w, &b)));
        group.bench_function(id("candle-matmul-600"), |bench| bench.iter(|| x.matmul(&w)));
        group.bench_function(id("layer-norm-relu"), |bench| {
            bench.iter(|| layer_norm_relu(&x, &b, &b, 1e-5, None));
        });
        group.finish();
    }
    Ok(())
}

fn optimiser(c: &mut Criterion) -> Result<()> {
    let var = Var::zeros((3, 600, 600), DType::F32, &Device::Cpu)?;
    let grads: GradStore = var.as_tensor().affine(0.5, 1.0)?.sum_all()?.backward()?;
    let mut optimiser = AdamW::new([var], AdamWSettings::with_decay(5e-4))?;
    c.bench_function("adamw/1080000", |bench| bench.iter(|| optimiser.step(&grads, 1e-3)));
    Ok(())
}

fn all(c: &mut Criterion) {
    operators(c).and_then(|()| optimiser(c)).expect("the operators run");
}

criterion_group!(benches, all);
criterion_main!(benches);
