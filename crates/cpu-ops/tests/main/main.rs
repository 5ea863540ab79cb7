//! Each operator against its definition, PyTorch's values, finite differences, bad input.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod basics;
mod blocked;
mod conv;
mod elementwise;
mod errors;
mod golden;
mod norms;
mod pools;
mod threads;

use candle_core::{DType, Device, Tensor, Var};
use cpu_ops::InstructionSet;
use proptest::prelude::*;

fn values(count: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-2.0_f64..2.0, count)
}

fn tensor(data: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(data, shape, &Device::Cpu).unwrap()
}

fn list(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest relative difference between the gradients of `sum(f(vars) * weight)` and central differences.
fn gradient_error(vars: &[Var], weight: &Tensor, f: impl Fn() -> Tensor) -> f64 {
    let loss = || f().mul(weight).unwrap().sum_all().unwrap();
    let grads = loss().backward().unwrap();
    let mut worst = 0.0_f64;
    for var in vars {
        let (grad, start) = (list(grads.get(var.as_tensor()).unwrap()), list(var.as_tensor()));
        for at in 0..start.len() {
            let shifted = |by: f64| {
                let mut moved = start.clone();
                moved[at] += by;
                var.set(&tensor(&moved, var.dims())).unwrap();
                loss().to_scalar::<f64>().unwrap()
            };
            let numeric = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
            shifted(0.0);
            worst = worst.max((numeric - grad[at]).abs() / (1.0 + grad[at].abs()));
        }
    }
    worst
}

/// Numbers without a pattern, between -0.5 and 0.5; `stream` tells one tensor's from another's.
fn numbers(shape: &[usize], stream: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| ((i + 1) * (7919 + 2 * stream) % 10007) as f64 / 10007.0 - 0.5);
    Tensor::from_iter(values, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

fn single(tensor: &Tensor) -> Tensor {
    tensor.to_dtype(DType::F32).unwrap()
}

/// The largest difference, relative to the largest expected value, or to 1 where that is smaller: a sum of such numbers
/// that cancels keeps the error of what was summed.
fn difference(found: &Tensor, expected: &[f64]) -> f64 {
    let found = list(found);
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
    found.iter().zip(expected).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f64::max)
}

/// `f` with every instruction set that the processor has.
fn with_every_set(mut f: impl FnMut(InstructionSet)) {
    InstructionSet::available().into_iter().for_each(|set| set.run(|| f(set)));
}
