//! Bad input is an error that names shapes and arguments, never a panic.

use crate::{numbers, single};
use candle_core::{DType, Device, Tensor};
use cpu_ops::{
    Conv2d, Padding, Pool2d, avg_pool2d, batch_norm, conv1d, conv2d, conv2d_input_gradient,
    conv2d_weight_gradient, cross_entropy, max_pool2d, relu, unfold_rows,
};

#[test]
fn every_error_says_what_does_not_fit() {
    let t = |shape: &[usize]| numbers(shape, 1);
    let plain = Conv2d::default();
    let conv = |x: &[usize], w: &[usize], settings: Conv2d| conv2d(&t(x), &t(w), None, &settings);
    let wide = usize::MAX / 2;
    let cases = [
        (conv(&[1, 2, 5], &[3, 2, 3, 3], plain), "[1, 2, 5]"),
        (conv(&[1, 2, 5, 5], &[3, 4, 3, 3], plain), "[3, 4, 3, 3]"),
        (conv(&[1, 2, 5, 5], &[3, 2, 7, 3], plain), "kernel 7"),
        (conv(&[1, 2, 5, 5], &[3, 2, 3, 3], Conv2d { groups: 0, ..plain }), "0 groups"),
        (conv(&[1, 4, 5, 5], &[3, 2, 3, 3], Conv2d { groups: 2, ..plain }), "2 groups"),
        (conv(&[1, 2, 5, 5], &[3, 2, 3, 3], Conv2d { stride: (0, 1), ..plain }), "stride 0"),
        (conv(&[1, 2, 5, 5], &[3, 2, 3, 3], Conv2d { dilation: (1, 0), ..plain }), "dilation 0"),
        (conv(&[1, 2, 5, 5], &[3, 2, 3, 3], Conv2d { padding: (wide, 0), ..plain }), "large"),
        (conv(&[1, 2, 5, 5], &[3, 2, 3, 3], Conv2d { padding: (1 << 40, 1 << 40), ..plain }), "memory"),
        (conv(&[1, 2, 5, 5], &[3, 2, 3, 3], Conv2d { dilation: (wide, 1), ..plain }), "spans"),
        (conv2d(&t(&[1, 2, 5, 5]), &single(&t(&[3, 2, 3, 3])), None, &plain), "F32"),
        (conv2d(&t(&[1, 2, 5, 5]), &t(&[3, 2, 3, 3]), Some(&t(&[2])), &plain), "bias"),
        (conv1d(&t(&[1, 2, 5, 5]), &t(&[3, 2, 3]), None, 1, 0, 1, 1), "(N, C, L)"),
        (conv2d_input_gradient(&t(&[1, 3, 4, 3]), &t(&[3, 2, 3, 3]), (5, 5), &plain), "[1, 3, 3, 3]"),
        (conv2d_input_gradient(&t(&[1, 3, 3]), &t(&[3, 2, 3, 3]), (5, 5), &plain), "[1, 3, 3]"),
        (
            conv2d_input_gradient(
                &t(&[1, 3, 3, 3]),
                &t(&[3, 2, 3, 3]),
                (5, 5),
                &Conv2d { groups: usize::MAX, ..plain },
            ),
            "large",
        ),
        (conv2d_weight_gradient(&t(&[1, 2, 5, 5]), &t(&[2, 3, 3, 3]), (3, 3), &plain), "[1, 3, 3, 3]"),
        (conv2d_weight_gradient(&t(&[1, 2, 5, 5]), &t(&[1, 3, 3, 3]), (9, 3), &plain), "kernel 9"),
        (
            conv2d_weight_gradient(
                &t(&[1, 2, 5, 5]),
                &t(&[1, 3, 3, 3]),
                (3, 3),
                &Conv2d { groups: 0, ..plain },
            ),
            "0 groups",
        ),
        (avg_pool2d(&t(&[1, 1, 4, 4]), &Pool2d::new(3, 1, 2), Padding::Counted), "half"),
        (avg_pool2d(&t(&[1, 1, 4, 4]), &Pool2d::new(5, 1, 0), Padding::Counted), "kernel 5"),
        (max_pool2d(&t(&[1, 1, 4, 4]), &Pool2d::new(2, 0, 0)), "stride 0"),
        (max_pool2d(&t(&[1, 4, 4]), &Pool2d::new(2, 2, 0)), "[1, 4, 4]"),
        (batch_norm(&t(&[2, 3]), &t(&[2]), &t(&[3]), 1e-5).map(|(y, _)| y), "weight"),
        (batch_norm(&t(&[3]), &t(&[3]), &t(&[3]), 1e-5).map(|(y, _)| y), "(N, C, ...)"),
        (unfold_rows(&t(&[2, 3]), 3), "[2, 3]"),
        (unfold_rows(&t(&[2, 3, 1]), 2), "odd kernel"),
        (relu(&Tensor::zeros(3, DType::U8, &Device::Cpu).unwrap()), "U8"),
        (cross_entropy(&t(&[2, 3]), &[0], 0.0), "1 targets"),
        (cross_entropy(&t(&[2, 3]), &[0, 3], 0.0), "class 3"),
        (cross_entropy(&t(&[2, 3]), &[0, 1], 1.5), "1.5"),
    ];
    for (found, says) in cases {
        let error = found.expect_err(says).to_string();
        assert!(error.contains(says), "{error:?} should contain {says:?}");
    }
}
