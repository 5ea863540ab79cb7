//! Times one operator a line read from standard input, in milliseconds of processor time: the partner of
//! `fixtures/cpu-ops/speed/compare.py`, which asks PyTorch for the same in turn.
//!
//! A line is `conv forward|both BATCH CHANNELS_IN CHANNELS_OUT SIZE KERNEL STRIDE`, or `pool`, `norm`, `relu` with
//! `forward|both BATCH CHANNELS SIZE`, or `adamw|sgd ELEMENTS`. The argument `avx2` or `portable` holds it to that.

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, Var};
use cpu_ops::{
    AdamW, AdamWSettings, Conv2d, InstructionSet, Padding, Pool2d, Sgd, SgdSettings, avg_pool2d, batch_norm,
    conv2d, relu,
};
use rustix::time::{ClockId, clock_gettime};
use std::io::{BufRead, Write, stdin, stdout};

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

fn serve() -> Result<()> {
    for line in stdin().lock().lines() {
        let line = line?;
        let mut run = operator(&line)?;
        (0..3).try_for_each(|_| run())?;
        let mut times = Vec::new();
        for _ in 0..5 {
            let start = cpu_ms();
            run()?;
            times.push(cpu_ms() - start);
        }
        times.sort_by(f64::total_cmp);
        writeln!(stdout(), "{}", times[times.len() / 2])?;
        stdout().flush()?;
    }
    Ok(())
}

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("avx2") => InstructionSet::Avx2.run(serve),
        Some("portable") => InstructionSet::Portable.run(serve),
        _ => serve(),
    }
}
