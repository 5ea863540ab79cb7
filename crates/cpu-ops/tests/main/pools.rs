//! Poolings and ReLU against their definition.

use crate::{difference, gradient_error, list, numbers, single, with_every_set};
use candle_core::{Device, Tensor, Var};
use cpu_ops::{Padding, Pool2d, avg_pool2d, max_pool2d, relu, relu_gradient};
use proptest::prelude::*;

pub(crate) fn any_window() -> impl Strategy<Value = ((usize, usize, usize, usize), Pool2d)> {
    let pair = |from: usize, to: usize| (from..=to, from..=to);
    ((1_usize..=2, 1_usize..=3), pair(1, 9), pair(1, 5), pair(1, 4), pair(0, 2)).prop_filter_map(
        "the window fits",
        |((n, c), (h, w), kernel, stride, padding)| {
            let padding = (padding.0.min(kernel.0 / 2), padding.1.min(kernel.1 / 2));
            (kernel.0 <= h + 2 * padding.0 && kernel.1 <= w + 2 * padding.1)
                .then_some(((n, c, h, w), Pool2d { kernel, stride, padding }))
        },
    )
}

/// The elements inside the image of the window of every output, in order.
fn windows((n, c, h, w): (usize, usize, usize, usize), window: &Pool2d) -> Vec<Vec<usize>> {
    let length = |size, kernel, stride, padding| (size + 2 * padding - kernel) / stride + 1;
    let rows = length(h, window.kernel.0, window.stride.0, window.padding.0);
    let columns = length(w, window.kernel.1, window.stride.1, window.padding.1);
    let mut all = Vec::new();
    for plane in 0..n * c {
        for (row, column) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
            let mut here = Vec::new();
            for (kr, kc) in (0..window.kernel.0).flat_map(|r| (0..window.kernel.1).map(move |c| (r, c))) {
                let (r, c) = (row * window.stride.0 + kr, column * window.stride.1 + kc);
                if (window.padding.0..window.padding.0 + h).contains(&r)
                    && (window.padding.1..window.padding.1 + w).contains(&c)
                {
                    here.push((plane * h + r - window.padding.0) * w + c - window.padding.1);
                }
            }
            all.push(here);
        }
    }
    all
}

fn check((n, c, h, w): (usize, usize, usize, usize), window: &Pool2d) {
    let x = numbers(&[n, c, h, w], 1);
    let (xs, windows) = (list(&x), windows((n, c, h, w), window));
    let sum = |at: &[usize]| at.iter().map(|&i| xs[i]).sum::<f64>();
    let counted: Vec<f64> =
        windows.iter().map(|at| sum(at) / (window.kernel.0 * window.kernel.1) as f64).collect();
    let excluded: Vec<f64> = windows.iter().map(|at| sum(at) / at.len().max(1) as f64).collect();
    let largest: Vec<f64> =
        windows.iter().map(|at| at.iter().map(|&i| xs[i]).fold(f64::NEG_INFINITY, f64::max)).collect();
    with_every_set(|set| {
        for x in [&x, &single(&x)] {
            let bound: f64 = if x.dtype() == candle_core::DType::F64 { 1e-13 } else { 1e-6 };
            for (padding, expected) in [(Padding::Counted, &counted), (Padding::Excluded, &excluded)] {
                let found = avg_pool2d(x, window, padding).unwrap();
                assert!(difference(&found, expected) < bound, "{set:?} {padding:?}");
            }
            assert!(difference(&max_pool2d(x, window).unwrap(), &largest) < bound);
        }
    });
}

/// All averages are small beside what they average, where single precision leaves 1.4e-6 of them.
#[test]
fn averages_that_cancel() {
    check((1, 1, 7, 7), &Pool2d { kernel: (4, 2), stride: (3, 3), padding: (0, 0) });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn pools_are_their_definition((shape, window) in any_window()) {
        check(shape, &window);
    }

    #[test]
    fn gradients_of_pools_are_finite_differences(((n, c, h, w), window) in any_window()) {
        let x = Var::from_tensor(&numbers(&[n, c, h, w], 1)).unwrap();
        for padding in [Padding::Counted, Padding::Excluded] {
            let average = || avg_pool2d(&x, &window, padding).unwrap();
            let weight = numbers(average().dims(), 2);
            prop_assert!(gradient_error(std::slice::from_ref(&x), &weight, average) < 1e-6);
        }
        let largest = || max_pool2d(&x, &window).unwrap();
        let weight = numbers(largest().dims(), 3);
        prop_assert!(gradient_error(std::slice::from_ref(&x), &weight, largest) < 1e-6);
    }

    #[test]
    fn relu_is_its_definition(values in prop::collection::vec(-1_i8..=1, 1..200)) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let x = Tensor::new(&values[..], &Device::Cpu).unwrap();
        let seed = numbers(&[values.len()], 1);
        let seeds = list(&seed);
        with_every_set(|_| {
            for (x, seed) in [(x.clone(), seed.clone()), (single(&x), single(&seed))] {
                let expected: Vec<f64> = values.iter().map(|v| v.max(0.0)).collect();
                assert_eq!(difference(&relu(&x).unwrap(), &expected), 0.0);
                // the derivative at 0 is 0
                let expected: Vec<f64> =
                    values.iter().zip(&seeds).map(|(&v, &s)| if v > 0.0 { s } else { 0.0 }).collect();
                assert!(difference(&relu_gradient(&x, &seed).unwrap(), &expected) < 1e-7);
            }
        });
    }
}

#[test]
fn a_nan_is_the_largest() {
    let x = Tensor::new(&[[[[1.0, f64::NAN], [3.0, 2.0]]]], &Device::Cpu).unwrap();
    assert!(list(&max_pool2d(&x, &Pool2d::new(2, 2, 0)).unwrap())[0].is_nan());
}
