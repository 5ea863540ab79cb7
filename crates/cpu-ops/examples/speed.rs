//! Times one operator a line read from standard input, in milliseconds of processor time: the partner of
//! `fixtures/cpu-ops/speed/compare.py`, which asks PyTorch for the same in turn.
//!
//! A line is `conv forward|both BATCH CHANNELS_IN CHANNELS_OUT SIZE KERNEL STRIDE`, or `depthwise forward|both BATCH
//! CHANNELS SIZE KERNEL STRIDE`, or `pool`, `norm`, `relu` with `forward|both BATCH CHANNELS SIZE`, or `adamw|sgd
//! ELEMENTS`. `error BATCH CHANNELS_IN CHANNELS_OUT SIZE KERNEL STRIDE` gives the largest error in f32 relative to the
//! largest value in f64 instead, of the convolution, its gradient by the input and that by the weight. With the word
//! `wall` the time is the wall's, for more than one thread. The argument `avx2` or `portable` holds it to that.

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, Var};
use cpu_ops::{
    AdamW, AdamWSettings, Conv2d, InstructionSet, Padding, Pool2d, Sgd, SgdSettings, avg_pool2d, batch_norm,
    conv2d, conv2d_input_gradient, conv2d_weight_gradient, relu,
};
use rustix::time::{ClockId, clock_gettime};
use std::io::{BufRead, Write, stdin, stdout};
use std::time::Instant;

/// Keeps freed memory: without it half of the time of an operator of some megabytes is page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

fn numbers(shape: &[usize]) -> Result<Var> {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5);
    Var::from_tensor(&Tensor::from_iter(values, &Device::Cpu)?.reshape(shape)?)
}

/// A loss whose gradient is given, as in PyTorch's `y.backward(gradient)`.
struct Seeded(Tensor);

impl CustomOp1 for Seeded {
    fn name(&self) -> &'static str {
        "seeded"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}

/// The forward, and the backward from a gradient of the result where `both`.
fn forward_and(
    both: bool,
    f: impl Fn() -> Result<Tensor> + 'static,
) -> Result<Box<dyn FnMut() -> Result<()>>> {
    let seed = numbers(f()?.dims())?.as_detached_tensor();
    Ok(Box::new(move || {
        let y = f()?;
        if both {
            y.apply_op1(Seeded(seed.clone()))?.backward()?;
        }
        Ok(())
    }))
}

/// The operator that a line names, ready to run; its result is dropped as a caller's would be.
fn operator(line: &str) -> Result<Box<dyn FnMut() -> Result<()>>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let sizes: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let both = words.contains(&"both");
    let input = |shape: &[usize]| {
        let var = numbers(shape)?;
        Ok::<_, candle_core::Error>(if both { var.as_tensor().clone() } else { var.as_detached_tensor() })
    };
    Ok(match (words.first().copied().unwrap_or_default(), &sizes[..]) {
        ("conv", &[n, c, o, size, kernel, stride]) => {
            let (x, w) = (input(&[n, c, size, size])?, input(&[o, c, kernel, kernel])?);
            let settings = Conv2d::new(stride, kernel / 2);
            forward_and(both, move || conv2d(&x, &w, None, &settings))?
        }
        ("depthwise", &[n, c, size, kernel, stride]) => {
            let (x, w) = (input(&[n, c, size, size])?, input(&[c, 1, kernel, kernel])?);
            let settings = Conv2d { groups: c, ..Conv2d::new(stride, kernel / 2) };
            forward_and(both, move || conv2d(&x, &w, None, &settings))?
        }
        ("pool", &[n, c, size]) => {
            let x = input(&[n, c, size, size])?;
            forward_and(both, move || avg_pool2d(&x, &Pool2d::new(3, 1, 1), Padding::Excluded))?
        }
        ("norm", &[n, c, size]) => {
            let (x, weight, bias) = (input(&[n, c, size, size])?, input(&[c])?, input(&[c])?);
            forward_and(both, move || Ok(batch_norm(&x, &weight, &bias, 1e-5)?.0))?
        }
        ("relu", &[n, c, size]) => {
            let x = input(&[n, c, size, size])?;
            forward_and(both, move || relu(&x))?
        }
        ("sgd", &[n]) => {
            let var = Var::zeros(n, DType::F32, &Device::Cpu)?;
            let grads = var.as_tensor().affine(0.5, 1.0)?.sum_all()?.backward()?;
            let mut optimiser =
                Sgd::new([var], SgdSettings { momentum: 0.9, nesterov: true, weight_decay: 5e-4 })?;
            Box::new(move || optimiser.step(&grads, 1e-3))
        }
        ("adamw", &[n]) => {
            let var = Var::zeros(n, DType::F32, &Device::Cpu)?;
            let grads = var.as_tensor().affine(0.5, 1.0)?.sum_all()?.backward()?;
            let mut optimiser = AdamW::new([var], AdamWSettings::with_decay(5e-4))?;
            Box::new(move || optimiser.step(&grads, 1e-3))
        }
        _ => candle_core::bail!("cannot read {line:?}: see the head of this file"),
    })
}

/// The errors of a convolution and its two gradients.
fn errors(line: &str) -> Result<String> {
    let sizes: Vec<usize> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[n, c, o, size, kernel, stride] = &sizes[..] else { candle_core::bail!("cannot read {line:?}") };
    let settings = Conv2d::new(stride, kernel / 2);
    let (x, w) = (numbers(&[n, c, size, size])?, numbers(&[o, c, kernel, kernel])?);
    let run = |dtype| {
        let (x, w) = (x.to_dtype(dtype)?, w.to_dtype(dtype)?);
        let y = conv2d(&x, &w, None, &settings)?;
        let seed = numbers(y.dims())?.to_dtype(dtype)?;
        let dx = conv2d_input_gradient(&seed, &w, (size, size), &settings)?;
        Ok::<_, candle_core::Error>([y, dx, conv2d_weight_gradient(&x, &seed, (kernel, kernel), &settings)?])
    };
    let mut said = Vec::new();
    for (single, double) in run(DType::F32)?.iter().zip(run(DType::F64)?) {
        let largest = double.abs()?.max_all()?.to_scalar::<f64>()?;
        let error = (single.to_dtype(DType::F64)? - double)?.abs()?.max_all()?.to_scalar::<f64>()?;
        said.push(format!("{:.2e}", error / largest));
    }
    Ok(said.join(" "))
}

fn serve() -> Result<()> {
    for line in stdin().lock().lines() {
        let line = line?;
        if line.starts_with("error") {
            writeln!(stdout(), "{}", errors(&line)?)?;
            stdout().flush()?;
            continue;
        }
        let mut run = operator(&line)?;
        (0..3).try_for_each(|_| run())?;
        let mut times = Vec::new();
        for _ in 0..5 {
            let (start, wall) = (cpu_ms(), Instant::now());
            run()?;
            times.push(if line.contains("wall") {
                wall.elapsed().as_secs_f64() * 1e3
            } else {
                cpu_ms() - start
            });
        }
        times.sort_by(f64::total_cmp);
        writeln!(stdout(), "{}", times[times.len() / 2])?;
        stdout().flush()?;
    }
    Ok(())
}

fn main() -> Result<()> {
    // within the pool, as a training loop would be: a call from outside waits for the pool to wake up
    let serve = || rayon::scope(|_| serve());
    match std::env::args().nth(1).as_deref() {
        Some("avx2") => rayon::scope(|_| InstructionSet::Avx2.run(serve)),
        Some("portable") => rayon::scope(|_| InstructionSet::Portable.run(serve)),
        _ => serve(),
    }
}
