//! Norms, channel operators, cross entropy, tap.

use crate::{difference, gradient_error, list, numbers, single, with_every_set};
use candle_core::{DType, Device, Tensor, Var};
use cpu_ops::{
    Tap, batch_norm, batch_norm_inference, channel_affine, channel_dot, channel_sum, cross_entropy,
    layer_norm, log_softmax,
};
use proptest::prelude::*;

fn var(shape: &[usize], stream: usize) -> Var {
    Var::from_tensor(&numbers(shape, stream)).unwrap()
}

/// Mean and biased variance of a channel of `(n, c, size)`.
fn moments(x: &[f64], (n, c, size): (usize, usize, usize), channel: usize) -> (f64, f64) {
    let all: Vec<f64> =
        (0..n).flat_map(|i| x[(i * c + channel) * size..(i * c + channel + 1) * size].to_vec()).collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    (mean, all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batch_norm_is_its_definition((n, c, size) in (1_usize..5, 1_usize..6, 1_usize..150), shift in -100.0..100.0) {
        let x = numbers(&[n, c, size], 1).affine(1.0, shift).unwrap();
        let (weight, bias) = (numbers(&[c], 2), numbers(&[c], 3));
        let (xs, weights, biases) = (list(&x), list(&weight), list(&bias));
        let measured: Vec<(f64, f64)> = (0..c).map(|channel| moments(&xs, (n, c, size), channel)).collect();
        let expected: Vec<f64> = xs.iter().enumerate().map(|(i, x)| {
            let channel = i / size % c;
            let (mean, variance) = measured[channel];
            (x - mean) / (variance + 1e-3).sqrt() * weights[channel] + biases[channel]
        }).collect();
        with_every_set(|_| {
            let (y, found) = batch_norm(&x, &weight, &bias, 1e-3).unwrap();
            assert!(difference(&y, &expected) < 1e-9);
            for (channel, (mean, variance)) in measured.iter().enumerate() {
                assert!((found.mean[channel] - mean).abs() < 1e-11 * (1.0 + mean.abs()));
                assert!((found.variance[channel] - variance).abs() < 1e-11);
            }
            assert_eq!(found.count, n * size);
            let (y, found) = batch_norm(&single(&x), &single(&weight), &single(&bias), 1e-3).unwrap();
            // a mean of 100 leaves 1e-5 of the digits of a spread of 0.3
            assert!(difference(&y, &expected) < 2e-3, "{}", difference(&y, &expected));
            assert!((found.variance[0] - measured[0].1).abs() < 1e-4);
        });
    }

    #[test]
    fn gradients_of_norms_are_finite_differences((n, c, size) in (1_usize..4, 1_usize..4, 1_usize..5)) {
        let (x, weight, bias) = (var(&[n, c, size], 1), var(&[c], 2), var(&[c], 3));
        let seed = numbers(&[n, c, size], 4);
        let all = [x.clone(), weight.clone(), bias.clone()];
        let train = || batch_norm(&x, &weight, &bias, 0.1).unwrap().0;
        prop_assert!(gradient_error(&all, &seed, train) < 1e-6);
        let (mean, variance) = (var(&[c], 5), Var::from_tensor(&(numbers(&[c], 6) + 1.0).unwrap()).unwrap());
        let statistics = (mean.as_tensor(), variance.as_tensor());
        let evaluate = || batch_norm_inference(&x, &weight, &bias, statistics, 0.1).unwrap();
        let all = [x.clone(), weight.clone(), bias.clone(), mean.clone(), variance.clone()];
        prop_assert!(gradient_error(&all, &seed, evaluate) < 1e-6);
        let (gain, shift) = (var(&[size], 7), var(&[size], 8));
        let rows = || layer_norm(&x, &gain, &shift, 0.1).unwrap();
        prop_assert!(gradient_error(&[x.clone(), gain.clone(), shift.clone()], &seed, rows) < 1e-6);
    }

    #[test]
    fn channel_operators_are_their_definition((n, c, size) in (1_usize..4, 1_usize..4, 1_usize..70)) {
        let (x, y) = (var(&[n, c, size], 1), var(&[n, c, size], 2));
        let (scale, shift) = (var(&[c], 3), var(&[c], 4));
        let dot = list(&x.mul(&y).unwrap().sum((0, 2)).unwrap());
        let sum = list(&x.sum((0, 2)).unwrap());
        let wide = |t: &Var| t.reshape((1, c, 1)).unwrap();
        let affine = x.broadcast_mul(&wide(&scale)).unwrap().broadcast_add(&wide(&shift)).unwrap();
        with_every_set(|_| {
            assert!(difference(&channel_dot(&x, &y).unwrap(), &dot) < 1e-11);
            assert!(difference(&channel_sum(&x).unwrap(), &sum) < 1e-11);
            assert!(difference(&channel_affine(&x, &scale, &shift).unwrap(), &list(&affine)) < 1e-13);
        });
        if size < 5 {
            let seed = numbers(&[c], 5);
            prop_assert!(gradient_error(&[x.clone(), y.clone()], &seed, || channel_dot(&x, &y).unwrap()) < 1e-6);
            prop_assert!(gradient_error(std::slice::from_ref(&x), &seed, || channel_sum(&x).unwrap()) < 1e-6);
            let seed = numbers(&[n, c, size], 6);
            let affine = || channel_affine(&x, &scale, &shift).unwrap();
            prop_assert!(gradient_error(&[x.clone(), scale.clone(), shift.clone()], &seed, affine) < 1e-6);
        }
    }

    #[test]
    fn log_softmax_is_its_definition((rows, classes) in (1_usize..4, 1_usize..7), scale in 0.1..50.0) {
        let x = Var::from_tensor(&numbers(&[rows, classes], 1).affine(scale, 0.0).unwrap()).unwrap();
        let xs = list(&x);
        let expected: Vec<f64> = xs.chunks(classes).flat_map(|row| {
            let sum: f64 = row.iter().map(|v| v.exp()).sum();
            row.iter().map(move |v| v - sum.ln()).collect::<Vec<_>>()
        }).collect();
        prop_assert!(list(&log_softmax(&x).unwrap()).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-11));
        let seed = numbers(&[rows, classes], 2);
        prop_assert!(gradient_error(std::slice::from_ref(&x), &seed, || log_softmax(&x).unwrap()) < 1e-5);
        let targets: Vec<u32> = (0..rows).map(|row| (row * 5 % classes) as u32).collect();
        let smooth: f64 = targets.iter().enumerate().map(|(row, &class)| {
            let row = &expected[row * classes..(row + 1) * classes];
            -0.9 * row[class as usize] - 0.1 * row.iter().sum::<f64>() / classes as f64
        }).sum::<f64>() / rows as f64;
        let loss = cross_entropy(&x, &targets, 0.1).unwrap();
        prop_assert!((loss.to_scalar::<f64>().unwrap() - smooth).abs() < 1e-11);
    }
}

/// Logits far from zero neither overflow nor vanish, in f32.
#[test]
fn log_softmax_holds_far_out() {
    let x = Tensor::new(&[[1e4_f32, 1e4 - 1.0], [-1e4, -1e4]], &Device::Cpu).unwrap();
    let found = list(&log_softmax(&x).unwrap());
    assert!(found.iter().all(|v| v.is_finite()));
    assert!((found[2] + 2_f64.ln()).abs() < 1e-2, "{found:?}");
}

#[test]
fn a_tap_sees_both_ways_and_changes_nothing() {
    let x = var(&[2, 3], 1);
    let (middle, tap) = (x.sqr().unwrap(), Tap::default());
    let loss = |t: &Tensor| (t * 3.0).unwrap().sum_all().unwrap();
    let watched = loss(&tap.on(&middle).unwrap());
    assert!(tap.gradient().is_none());
    let (with, without) = (watched.backward().unwrap(), loss(&middle).backward().unwrap());
    assert_eq!(list(&tap.activation().unwrap()), list(&middle));
    assert_eq!(list(&tap.gradient().unwrap()), [3.0; 6]);
    assert_eq!(list(with.get(x.as_tensor()).unwrap()), list(without.get(x.as_tensor()).unwrap()));
    let whole = Tensor::zeros(2, DType::U32, &Device::Cpu).unwrap();
    assert!(tap.on(&whole).is_err());
}
