//! Convolution and its two gradients against their definition.

use crate::{difference, gradient_error, numbers, single, with_every_set};
use candle_core::{Tensor, Var};
use cpu_ops::{Conv2d, conv1d, conv2d, conv2d_input_gradient, conv2d_weight_gradient};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) batch: usize,
    /// Channels of one group, in and out.
    pub(crate) channels: (usize, usize),
    pub(crate) size: (usize, usize),
    pub(crate) kernel: (usize, usize),
    pub(crate) settings: Conv2d,
}

impl Case {
    pub(crate) fn input(&self) -> [usize; 4] {
        [self.batch, self.channels.0 * self.settings.groups, self.size.0, self.size.1]
    }

    pub(crate) fn weight(&self) -> [usize; 4] {
        [self.channels.1 * self.settings.groups, self.channels.0, self.kernel.0, self.kernel.1]
    }

    pub(crate) fn output(&self) -> [usize; 4] {
        let Conv2d { stride, padding, dilation, groups } = self.settings;
        let length = |size, kernel, stride, padding, dilation| {
            (size + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1
        };
        let rows = length(self.size.0, self.kernel.0, stride.0, padding.0, dilation.0);
        let columns = length(self.size.1, self.kernel.1, stride.1, padding.1, dilation.1);
        [self.batch, self.channels.1 * groups, rows, columns]
    }

    /// Calls `f` with the places in output, input and weight of every product of the definition.
    fn products(&self, mut f: impl FnMut(usize, usize, usize)) {
        let Conv2d { stride, padding, dilation, .. } = self.settings;
        let ([batch, out, rows, columns], (inputs, outputs)) = (self.output(), self.channels);
        let [_, channels, height, width] = self.input();
        for (n, o, r, c) in (0..batch).flat_map(|n| {
            (0..out).flat_map(move |o| (0..rows).flat_map(move |r| (0..columns).map(move |c| (n, o, r, c))))
        }) {
            for (i, kr, kc) in (0..inputs).flat_map(|i| {
                (0..self.kernel.0).flat_map(move |kr| (0..self.kernel.1).map(move |kc| (i, kr, kc)))
            }) {
                let (h, w) = (r * stride.0 + kr * dilation.0, c * stride.1 + kc * dilation.1);
                if (padding.0..padding.0 + height).contains(&h) && (padding.1..padding.1 + width).contains(&w)
                {
                    let channel = o / outputs * inputs + i;
                    f(
                        ((n * out + o) * rows + r) * columns + c,
                        ((n * channels + channel) * height + h - padding.0) * width + w - padding.1,
                        ((o * inputs + i) * self.kernel.0 + kr) * self.kernel.1 + kc,
                    );
                }
            }
        }
    }
}

pub(crate) fn any_case(largest: usize, channels: usize) -> impl Strategy<Value = Case> {
    let pair = |from: usize, to: usize| (from..=to, from..=to);
    let sizes =
        (1_usize..=3, pair(1, channels), pair(1, largest), pair(1, 5), pair(1, 4), pair(0, 4), pair(1, 3));
    (sizes, 1_usize..=3).prop_filter_map(
        "the kernel fits",
        |((batch, channels, size, kernel, stride, padding, dilation), groups)| {
            let fits = |size, kernel, padding, dilation| (kernel - 1) * dilation < size + 2 * padding;
            let settings = Conv2d { stride, padding, dilation, groups };
            (fits(size.0, kernel.0, padding.0, dilation.0) && fits(size.1, kernel.1, padding.1, dilation.1))
                .then_some(Case { batch, channels, size, kernel, settings })
        },
    )
}

fn check(case: &Case) {
    let (x, w, dy) = (numbers(&case.input(), 1), numbers(&case.weight(), 2), numbers(&case.output(), 3));
    let bias = numbers(&[case.weight()[0]], 4);
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let (xs, ws, dys, biases) = (flat(&x), flat(&w), flat(&dy), flat(&bias));
    let plane = case.output()[2] * case.output()[3];
    let mut expected = [vec![0.0; dys.len()], vec![0.0; xs.len()], vec![0.0; ws.len()]];
    case.products(|o, i, k| {
        expected[0][o] += xs[i] * ws[k];
        expected[1][i] += dys[o] * ws[k];
        expected[2][k] += dys[o] * xs[i];
    });
    let with_bias: Vec<f64> =
        expected[0].iter().enumerate().map(|(o, y)| y + biases[o / plane % biases.len()]).collect();
    with_every_set(|set| {
        let run = |x: &Tensor, w: &Tensor, dy: &Tensor, bias: &Tensor| {
            [
                conv2d(x, w, None, &case.settings).unwrap(),
                conv2d_input_gradient(dy, w, case.size, &case.settings).unwrap(),
                conv2d_weight_gradient(x, dy, case.kernel, &case.settings).unwrap(),
                conv2d(x, w, Some(bias), &case.settings).unwrap(),
            ]
        };
        let expected = [&expected[0], &expected[1], &expected[2], &with_bias];
        for (found, expected) in run(&x, &w, &dy, &bias).iter().zip(expected) {
            let error = difference(found, expected);
            assert!(error < 1e-13, "{case:?} {set:?} f64: {error}");
        }
        let found = run(&single(&x), &single(&w), &single(&dy), &single(&bias));
        for (found, expected) in found.iter().zip(expected) {
            let error = difference(found, expected);
            assert!(error < 2e-5, "{case:?} {set:?} f32: {error}");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn convolution_and_its_gradients_are_their_definition(case in any_case(9, 6)) {
        check(&case);
    }

    #[test]
    fn many_channels_are_many_blocks(case in any_case(5, 40)) {
        check(&case);
    }

    #[test]
    fn a_channel_alone_is_a_lane(case in any_case(20, 1), channels in 2_usize..40) {
        check(&Case { settings: Conv2d { groups: channels, ..case.settings }, ..case });
    }

    #[test]
    fn every_gradient_can_be_differentiated(case in any_case(4, 2)) {
        let var = |shape: &[usize], stream| Var::from_tensor(&numbers(shape, stream)).unwrap();
        let (x, w, dy) = (var(&case.input(), 1), var(&case.weight(), 2), var(&case.output(), 3));
        let (input, weight) = (numbers(&case.input(), 4), numbers(&case.weight(), 5));
        let forward = || conv2d(&x, &w, None, &case.settings).unwrap();
        prop_assert!(gradient_error(&[x.clone(), w.clone()], &numbers(&case.output(), 6), forward) < 1e-6);
        let by_input = || conv2d_input_gradient(&dy, &w, case.size, &case.settings).unwrap();
        prop_assert!(gradient_error(&[dy.clone(), w.clone()], &input, by_input) < 1e-6);
        let by_weight = || conv2d_weight_gradient(&x, &dy, case.kernel, &case.settings).unwrap();
        prop_assert!(gradient_error(&[x.clone(), dy.clone()], &weight, by_weight) < 1e-6);
    }
}

/// The sizes that the networks run, whole vectors and pairs of blocks among them, and what is just beside them.
#[test]
fn the_sizes_of_real_networks() {
    let plain = |channels, size, kernel, stride, padding| Case {
        batch: 9,
        channels,
        size: (size, size),
        kernel: (kernel, kernel),
        settings: Conv2d::new(stride, padding),
    };
    for case in [
        plain((16, 16), 32, 3, 1, 1),
        plain((32, 32), 16, 3, 1, 1),
        plain((64, 64), 8, 3, 1, 1),
        plain((32, 48), 17, 3, 1, 1),
        plain((3, 16), 33, 3, 1, 1),
        plain((16, 32), 16, 3, 2, 1),
        plain((16, 32), 15, 1, 1, 0),
        plain((16, 32), 8, 1, 2, 0),
        plain((16, 16), 12, 5, 1, 2),
    ] {
        check(&case);
    }
}

#[test]
fn a_view_is_taken_in_its_logical_order() {
    let (x, w) = (numbers(&[2, 6, 5, 3], 1), numbers(&[3, 4, 3, 3], 2));
    let view =
        x.transpose(1, 3).unwrap().narrow(2, 0, 5).unwrap().narrow(3, 1, 4).unwrap().transpose(1, 3).unwrap();
    let settings = Conv2d::new(1, 1);
    let found = conv2d(&view, &w, None, &settings).unwrap();
    let expected = conv2d(&view.contiguous().unwrap(), &w, None, &settings).unwrap();
    assert_eq!(difference(&found, &expected.flatten_all().unwrap().to_vec1().unwrap()), 0.0);
}

#[test]
fn an_empty_batch_stays_empty() {
    let (x, w) = (
        Tensor::zeros((0, 3, 5, 5), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap(),
        single(&numbers(&[4, 3, 3, 3], 1)),
    );
    let y = conv2d(&x, &w, None, &Conv2d::new(1, 1)).unwrap();
    assert_eq!(y.dims(), [0, 4, 5, 5]);
    let dw = conv2d_weight_gradient(&x, &y, (3, 3), &Conv2d::new(1, 1)).unwrap();
    assert!(dw.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|&v| v == 0.0));
}

#[test]
fn one_dimension_is_a_row() {
    let (x, w) = (numbers(&[2, 4, 11], 1), numbers(&[6, 2, 3], 2));
    let found = conv1d(&x, &w, None, 2, 1, 2, 2).unwrap();
    let settings = Conv2d { stride: (1, 2), padding: (0, 1), dilation: (1, 2), groups: 2 };
    let expected = conv2d(&x.unsqueeze(2).unwrap(), &w.unsqueeze(2).unwrap(), None, &settings).unwrap();
    assert_eq!(found.dims(), [2, 6, 5]);
    assert_eq!(difference(&found, &expected.flatten_all().unwrap().to_vec1().unwrap()), 0.0);
}
