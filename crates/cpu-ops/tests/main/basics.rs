//! Matrix products, rows side by side, layer norm with ReLU, AdamW.

use crate::{gradient_error, list, tensor, values};
use candle_core::{DType, Device, Tensor, Var};
use cpu_ops::{
    AdamW, AdamWSettings, Kept, conv1d, layer_norm_relu, layer_norm_relu_gradient, linear, matmul, relu,
    relu_gradient, unfold_rows,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn matmul_is_its_definition(
        (m, k, n, a, b) in (1_usize..20, 1_usize..20, 1_usize..20)
            .prop_flat_map(|(m, k, n)| (Just(m), Just(k), Just(n), values(m * k), values(k * n))),
        ta: bool,
        tb: bool,
    ) {
        let given = |data: &[f64], rows, columns, transposed: bool| {
            let plain = tensor(data, &[rows, columns]);
            if transposed { plain.t().unwrap().contiguous().unwrap() } else { plain }
        };
        let (x, y) = (given(&a, m, k, ta), given(&b, k, n, tb));
        let found = list(&matmul(&x, &y, (ta, tb)).unwrap());
        let single = matmul(&x.to_dtype(DType::F32).unwrap(), &y.to_dtype(DType::F32).unwrap(), (ta, tb));
        let single = list(&single.unwrap());
        for i in 0..m {
            for j in 0..n {
                let expected: f64 = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
                prop_assert!((found[i * n + j] - expected).abs() < 1e-12);
                prop_assert!((single[i * n + j] - expected).abs() < 1e-4);
            }
        }
        // a view that is not contiguous is gathered
        let view = tensor(&a, &[m, k]).t().unwrap();
        for (f, g) in list(&matmul(&view, &y, (true, tb)).unwrap()).iter().zip(&found) {
            prop_assert!((f - g).abs() < 1e-12);
        }
    }

    #[test]
    fn gradients_are_finite_differences(
        (r, k, d, x, w, b, weight) in (1_usize..5, 1_usize..5, 2_usize..20).prop_flat_map(|(r, k, d)| {
            (Just(r), Just(k), Just(d), values(r * k), values(k * d), values(d), values(r * d))
        }),
        ta: bool,
        tb: bool,
    ) {
        let var = |data: &[f64], shape: &[usize]| Var::from_tensor(&tensor(data, shape)).unwrap();
        let weight = tensor(&weight, &[r, d]);
        let (x, w, b) = (var(&x, &[r, k]), var(&w, &[k, d]), var(&b, &[d]));
        let turned = |t: &Var, turn: bool| if turn { t.t().unwrap() } else { t.as_tensor().clone() };
        let product = || matmul(&turned(&x, ta), &turned(&w, tb), (ta, tb)).unwrap();
        prop_assert!(gradient_error(&[x.clone(), w.clone()], &weight, product) < 1e-6);
        let affine = || linear(&x, &w, &b).unwrap();
        prop_assert!(gradient_error(&[x.clone(), w.clone(), b.clone()], &weight, affine) < 1e-6);
    }

    #[test]
    fn a_product_of_rows_side_by_side_is_a_convolution(
        (batch, rows, channels, out, half, x, w) in (1_usize..4, 1_usize..6, 1_usize..4, 1_usize..4, 0_usize..3)
            .prop_flat_map(|(b, r, c, o, half)| {
                (Just(b), Just(r), Just(c), Just(o), Just(half), values(b * r * c), values((2 * half + 1) * c * o))
            }),
    ) {
        let kernel = 2 * half + 1;
        let x = Var::from_tensor(&tensor(&x, &[batch, rows, channels])).unwrap();
        let w = tensor(&w, &[kernel * channels, out]);
        let wide = unfold_rows(&x, kernel).unwrap().flatten_to(1).unwrap();
        let found = matmul(&wide, &w, (false, false)).unwrap();
        // (batch, channels, rows) by (out, channels, kernel)
        let weight = w.reshape((kernel, channels, out)).unwrap().permute((2, 1, 0)).unwrap();
        let turned = x.transpose(1, 2).unwrap().contiguous().unwrap();
        let expected = conv1d(&turned, &weight.contiguous().unwrap(), None, 1, half, 1, 1).unwrap();
        let expected = expected.transpose(1, 2).unwrap();
        for (f, e) in list(&found).iter().zip(list(&expected)) {
            prop_assert!((f - e).abs() < 1e-12);
        }
        let weight = tensor(&vec![1.0; batch * rows * kernel * channels], &[batch, rows, kernel * channels]);
        let squares = || unfold_rows(&x, kernel).unwrap().sqr().unwrap();
        prop_assert!(gradient_error(std::slice::from_ref(&x), &weight, squares) < 1e-6);
    }

    #[test]
    fn layer_norm_relu_is_its_definition_and_so_is_its_gradient(
        (r, d, x, gain, shift, weight, flags) in (1_usize..5, 2_usize..40).prop_flat_map(|(r, d)| {
            let flags = prop::collection::vec(0_u8..2, r * d);
            (Just(r), Just(d), values(r * d), values(d), values(d), values(r * d), flags)
        }),
    ) {
        let var = |data: &[f64], shape: &[usize]| Var::from_tensor(&tensor(data, shape)).unwrap();
        let (x, gain, shift) = (var(&x, &[r, d]), var(&gain, &[d]), var(&shift, &[d]));
        let kept = Some(Kept { flags: flags.clone().into(), scale: 1.25 });
        let run = || layer_norm_relu(&x, &gain, &shift, 1e-5, kept.clone()).unwrap();
        let (found, rows, gains, shifts) = (list(&run()), list(&x), list(&gain), list(&shift));
        let mut kink = f64::INFINITY;
        for (i, row) in rows.chunks(d).enumerate() {
            let mean = row.iter().sum::<f64>() / d as f64;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / d as f64;
            for j in 0..d {
                let z = (row[j] - mean) / (variance + 1e-5).sqrt() * gains[j] + shifts[j];
                kink = kink.min(z.abs());
                let expected = z.max(0.0) * 1.25 * f64::from(flags[i * d + j]);
                prop_assert!((found[i * d + j] - expected).abs() < 1e-9);
            }
        }
        // a ReLU that switches within the difference's step has no derivative there
        if kink > 1e-3 {
            let error = gradient_error(&[x.clone(), gain.clone(), shift.clone()], &tensor(&weight, &[r, d]), run);
            prop_assert!(error < 1e-5, "{}", error);
        }
    }
}

#[test]
fn a_row_does_not_see_its_company() {
    for (most, k, n) in [
        (200, 600, 70),
        (20_000, 144, 144),
        (20_000, 72, 72),
        (20_000, 128, 1),
        (20_000, 128, 2),
        (300, 9, 1),
    ] {
        let data: Vec<f32> = (0..most * k).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect();
        let a = Tensor::from_vec(data, (most, k), &Device::Cpu).unwrap();
        let w = a.narrow(0, 0, n).unwrap().t().unwrap().contiguous().unwrap();
        let bias = Tensor::arange(0_f32, n as f32, &Device::Cpu).unwrap();
        let full = linear(&a, &w, &bias).unwrap();
        for rows in [1, 2, 3, 7, 16, 17, 64, 199, most / 16 + 1] {
            let part = linear(&a.narrow(0, 0, rows).unwrap(), &w, &bias).unwrap();
            let differ = list(&part).iter().zip(list(&full)).filter(|(part, full)| *part != full).count();
            assert_eq!(differ, 0, "{rows} rows of {most} by {k}, {n} columns");
        }
    }
}

#[test]
fn matmul_can_be_differentiated_twice() {
    // sum((a b)^2) has the gradient 2 (a b) b' in a: differentiate its sum again, by hand and by the operators
    let var = |data: &[f64]| Var::from_tensor(&tensor(data, &[2, 2])).unwrap();
    let (a, b) = (var(&[1.0, 2.0, 3.0, 4.0]), var(&[0.5, -1.0, 2.0, 1.5]));
    let product = matmul(&a, &b, (false, false)).unwrap();
    let gradient = matmul(&product.affine(2.0, 0.0).unwrap(), &b, (false, true)).unwrap();
    let second = gradient.sum_all().unwrap().backward().unwrap();
    let ones = Tensor::ones((2, 2), DType::F64, &Device::Cpu).unwrap();
    let square = matmul(&b, &b, (false, true)).unwrap();
    let expected = matmul(&ones, &square, (false, false)).unwrap().affine(2.0, 0.0).unwrap();
    let difference: f64 = list(second.get(a.as_tensor()).unwrap())
        .iter()
        .zip(list(&expected))
        .map(|(x, y)| (x - y).abs())
        .sum();
    assert!(difference < 1e-12);
}

#[test]
fn relu_has_no_gradient_at_zero() {
    let x = Var::zeros((1, 4), DType::F64, &Device::Cpu).unwrap();
    let (gain, shift) = (
        Tensor::ones(4, DType::F64, &Device::Cpu).unwrap(),
        Tensor::zeros(4, DType::F64, &Device::Cpu).unwrap(),
    );
    let out = layer_norm_relu(&x, &gain, &shift, 1e-5, None).unwrap().sum_all().unwrap();
    assert_eq!(list(out.backward().unwrap().get(x.as_tensor()).unwrap()), [0.0; 4]);
}

#[test]
fn wrong_arguments_are_errors() {
    let (a, b) = (tensor(&[0.0; 6], &[2, 3]), tensor(&[0.0; 2], &[2]));
    let says = |result: candle_core::Result<Tensor>, text: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    says(matmul(&a, &a, (false, false)), "[2, 3] by [2, 3] with transposed (false, false) does not fit");
    says(matmul(&a, &b, (false, false)), "does not fit");
    says(matmul(&a, &a.to_dtype(DType::F32).unwrap(), (false, true)), "must all be f32 or all f64");
    says(linear(&a, &a.t().unwrap(), &tensor(&[0.0; 3], &[3])), "bias is [3], expected (2)");
    says(layer_norm_relu(&a, &b, &b, 1e-5, None), "expected (R, D), (D), (D)");
    let kept = Some(Kept { flags: vec![1; 5].into(), scale: 1.0 });
    let three = tensor(&[1.0; 3], &[3]);
    says(layer_norm_relu(&a, &three, &three, 1e-5, kept), "5 dropout flags");
    let whole = Var::from_tensor(&Tensor::zeros(2, DType::I64, &Device::Cpu).unwrap()).unwrap();
    assert!(AdamW::new([whole], AdamWSettings::with_decay(0.0)).is_err());
}

#[test]
fn empty_batches_are_fine() {
    let none = Tensor::zeros((0, 3), DType::F32, &Device::Cpu).unwrap();
    let w = Tensor::zeros((3, 2), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(matmul(&none, &w, (false, false)).unwrap().dims(), [0, 2]);
}

/// As in PyTorch, whose optimisers count the steps of each parameter.
#[test]
fn what_has_its_first_gradient_late_takes_a_first_step() {
    let start = || Var::from_tensor(&tensor(&[1.0, -2.0], &[2])).unwrap();
    let (early, late) = (start(), start());
    let mut both = AdamW::new([early.clone(), late.clone()], AdamWSettings::with_decay(0.1)).unwrap();
    let mut grads = early.as_tensor().sqr().unwrap().sum_all().unwrap().backward().unwrap();
    (0..10).for_each(|_| both.step(&grads, 0.1).unwrap());
    assert_eq!(late.to_vec1::<f64>().unwrap(), [1.0, -2.0]);
    let grad = tensor(&[0.5, 3.0], &[2]);
    grads.insert(late.as_tensor(), grad.clone());
    both.step(&grads, 0.1).unwrap();
    let fresh = start();
    let mut alone = AdamW::new([fresh.clone()], AdamWSettings::with_decay(0.1)).unwrap();
    grads.insert(fresh.as_tensor(), grad);
    alone.step(&grads, 0.1).unwrap();
    assert_eq!(late.to_vec1::<f64>().unwrap(), fresh.to_vec1::<f64>().unwrap());
}

#[test]
fn a_nan_stays_one() {
    let x = tensor(&[f64::NAN, -1.0, 0.0, 2.0], &[4]);
    let same = |found: Tensor, expected: [f64; 4]| {
        let found = found.to_vec1::<f64>().unwrap();
        assert!(found.iter().zip(expected).all(|(a, b)| *a == b || a.is_nan() && b.is_nan()), "{found:?}");
    };
    same(relu(&x).unwrap(), [f64::NAN, 0.0, 0.0, 2.0]);
    same(relu_gradient(&x, &tensor(&[5.0; 4], &[4])).unwrap(), [5.0, 0.0, 0.0, 5.0]);
    let ones = tensor(&[1.0; 4], &[4]);
    let normed = layer_norm_relu(&x.reshape((1, 4)).unwrap(), &ones, &ones, 1e-5, None).unwrap();
    same(normed.flatten_all().unwrap(), [f64::NAN; 4]);
    let row = |values: &[f64]| tensor(values, &[1, 4]);
    let given = [row(&[1.0, 2.0, 3.0, 4.0]), row(&[f64::NAN, 0.0, 1.0, 2.0]), row(&[5.0; 4])];
    let [_, _, dbias] = layer_norm_relu_gradient(&given[0], &ones, &given[1], &given[2], 1e-5, 1.0).unwrap();
    same(dbias, [5.0, 0.0, 5.0, 5.0]);
}

#[test]
fn a_product_beyond_counting_is_refused() {
    let a = Tensor::zeros((1 << 33, 0), DType::F32, &Device::Cpu).unwrap();
    let b = Tensor::zeros((0, 1 << 31), DType::F32, &Device::Cpu).unwrap();
    assert!(matmul(&a, &b, (false, false)).is_err());
}
