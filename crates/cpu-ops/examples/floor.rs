//! Fails where a hot kernel has fallen to scalar speed, as happens when the compiler stops to inline or to keep sums
//! in registers. What counts is the best of several runs, and the floor is far below the usual and above
//! what scalar code reaches, so that a busy machine does not trip it.
//!
//! `cargo run --release -p cpu-ops --example floor`
#![allow(clippy::print_stdout, reason = "it talks to the one who runs it")]

use candle_core::{DType, Device, Result, Tensor, bail};
use cpu_ops::{Conv2d, InstructionSet, conv2d, conv2d_input_gradient, conv2d_weight_gradient};
use std::time::Instant;

/// Multiplications and additions a second, in thousands of millions, that no kernel may fall below for each lane of
/// its vectors.
const FLOOR: f64 = 0.5;

fn lanes(set: InstructionSet, dtype: DType) -> f64 {
    let bytes = match set {
        InstructionSet::Avx512 => 64,
        InstructionSet::Avx2 => 32,
        _ => 16,
    };
    (bytes / dtype.size_in_bytes()) as f64
}

fn numbers(shape: [usize; 4], dtype: DType) -> Result<Tensor> {
    let values = (0..shape.iter().product()).map(|i: usize| (i * 7919 % 1009) as f32 / 1009.0 - 0.5);
    Tensor::from_iter(values, &Device::Cpu)?.reshape(&shape[..])?.to_dtype(dtype)
}

/// The most of eight runs of `f`, which does so many multiplications and additions.
fn rate(operations: usize, f: impl Fn() -> Result<Tensor>) -> Result<f64> {
    let mut best = 0.0_f64;
    for _ in 0..8 {
        let start = Instant::now();
        f()?;
        best = best.max(operations as f64 / start.elapsed().as_secs_f64() / 1e9);
    }
    Ok(best)
}

fn main() -> Result<()> {
    let mut fallen = Vec::new();
    // channels, size, kernel, stride: by tiles, by one tap, direct at a stride, direct of a wide kernel
    for (channels, size, kernel, stride) in [(32, 16, 3, 1), (32, 16, 1, 1), (32, 16, 3, 2), (32, 16, 5, 1)] {
        for dtype in [DType::F32, DType::F64] {
            let settings = Conv2d::new(stride, kernel / 2);
            let x = numbers([16, channels, size, size], dtype)?;
            let w = numbers([channels, channels, kernel, kernel], dtype)?;
            let y = conv2d(&x, &w, None, &settings)?;
            let operations = 2 * y.elem_count() * channels * kernel * kernel;
            for set in InstructionSet::available() {
                let rates = set.run(|| {
                    Ok::<_, candle_core::Error>([
                        ("forward", rate(operations, || conv2d(&x, &w, None, &settings))?),
                        (
                            "by input",
                            rate(operations, || conv2d_input_gradient(&y, &w, (size, size), &settings))?,
                        ),
                        (
                            "by weight",
                            rate(operations, || conv2d_weight_gradient(&x, &y, (kernel, kernel), &settings))?,
                        ),
                    ])
                })?;
                for (what, rate) in rates {
                    let name = format!("{set:?} {dtype:?} {kernel}x{kernel} stride {stride} {what}");
                    println!("{name:40} {rate:7.1} GFLOP/s");
                    if rate < FLOOR * lanes(set, dtype) {
                        fallen.push(name);
                    }
                }
            }
        }
    }
    if !fallen.is_empty() {
        bail!("below {FLOOR} GFLOP/s a lane, as scalar code is: {}", fallen.join(", "));
    }
    Ok(())
}
