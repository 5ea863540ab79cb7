//! The operators at the sizes of a BRP-NAS network and of NAS-Bench-201's networks. What PyTorch takes for the same is
//! measured by `fixtures/cpu-ops/speed/compare.py`.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use cpu_ops::{
    AdamW, AdamWSettings, Conv2d, InstructionSet, Padding, Pool2d, Sgd, SgdSettings, avg_pool2d, batch_norm,
    conv2d, conv2d_input_gradient, conv2d_weight_gradient, layer_norm_relu, linear, max_pool2d, relu,
};
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

fn convolutions(c: &mut Criterion) -> Result<()> {
    for (channels, out, size, kernel, stride) in [
        (16, 16, 32, 3, 1),
        (32, 32, 16, 3, 1),
        (64, 64, 8, 3, 1),
        (16, 16, 32, 1, 1),
        (16, 32, 32, 3, 2),
        (3, 16, 32, 3, 1),
    ] {
        let settings = Conv2d::new(stride, kernel / 2);
        let (x, w) = (numbers(&[64, channels, size, size])?, numbers(&[out, channels, kernel, kernel])?);
        let y = conv2d(&x, &w, None, &settings)?;
        for set in InstructionSet::available() {
            let mut group = c.benchmark_group(format!("conv-{set:?}"));
            let id = |name| {
                BenchmarkId::new(name, format!("64x{channels}x{size}x{size}-{out}-k{kernel}-s{stride}"))
            };
            set.run(|| {
                group.bench_function(id("forward"), |b| b.iter(|| conv2d(&x, &w, None, &settings)));
                group.bench_function(id("by-input"), |b| {
                    b.iter(|| conv2d_input_gradient(&y, &w, (size, size), &settings));
                });
                group.bench_function(id("by-weight"), |b| {
                    b.iter(|| conv2d_weight_gradient(&x, &y, (kernel, kernel), &settings));
                });
            });
            group.finish();
        }
    }
    Ok(())
}

fn planes(c: &mut Criterion) -> Result<()> {
    for (channels, size) in [(16, 32), (32, 16), (64, 8)] {
        let x = Var::from_tensor(&numbers(&[64, channels, size, size])?)?;
        let (weight, bias) = (numbers(&[channels])?, numbers(&[channels])?);
        let window = Pool2d::new(3, 1, 1);
        let mut group = c.benchmark_group("planes");
        let id = |name| BenchmarkId::new(name, format!("64x{channels}x{size}x{size}"));
        group.bench_function(id("batch-norm"), |b| b.iter(|| batch_norm(&x, &weight, &bias, 1e-5)));
        group.bench_function(id("avg-pool"), |b| b.iter(|| avg_pool2d(&x, &window, Padding::Excluded)));
        group.bench_function(id("max-pool"), |b| b.iter(|| max_pool2d(&x, &window)));
        group.bench_function(id("relu"), |b| b.iter(|| relu(&x)));
        for (name, y) in [
            ("batch-norm-and-back", batch_norm(&x, &weight, &bias, 1e-5)?.0),
            ("avg-pool-and-back", avg_pool2d(&x, &window, Padding::Excluded)?),
            ("max-pool-and-back", max_pool2d(&x, &window)?),
            ("relu-and-back", relu(&x)?),
        ] {
            let loss = y.sum_all()?;
            group.bench_function(id(name), |b| b.iter(|| loss.backward()));
        }
        group.finish();
    }
    Ok(())
}

fn optimiser(c: &mut Criterion) -> Result<()> {
    let var = Var::zeros((3, 600, 600), DType::F32, &Device::Cpu)?;
    let grads: GradStore = var.as_tensor().affine(0.5, 1.0)?.sum_all()?.backward()?;
    let mut optimiser = AdamW::new([var.clone()], AdamWSettings::with_decay(5e-4))?;
    c.bench_function("adamw/1080000", |bench| bench.iter(|| optimiser.step(&grads, 1e-3)));
    let settings = SgdSettings { momentum: 0.9, nesterov: true, weight_decay: 5e-4 };
    let mut sgd = Sgd::new([var], settings)?;
    c.bench_function("sgd/1080000", |bench| bench.iter(|| sgd.step(&grads, 1e-3)));
    Ok(())
}

fn all(c: &mut Criterion) {
    operators(c)
        .and_then(|()| convolutions(c))
        .and_then(|()| planes(c))
        .and_then(|()| optimiser(c))
        .expect("the operators run");
}

criterion_group!(benches, all);
criterion_main!(benches);
