//! The kernels on buffers against the operators on tensors.

use crate::conv::{Case, any_case};
use crate::{difference, list, numbers, with_every_set};
use candle_core::{DType, Tensor, WithDType};
use cpu_ops::blocked::{ImageConv, ImageShape, ImageWeightGradient, Real, from_blocked, to_blocked};
use cpu_ops::{BLOCK, Conv2d, conv2d, conv2d_input_gradient, conv2d_weight_gradient};
use proptest::prelude::*;

/// Runs forward and both gradients image by image, once written and once added to ones.
fn check<T: Real + WithDType>(case: &Case, dtype: DType, bound: f64) {
    let tensor = |shape: &[usize], stream| numbers(shape, stream).to_dtype(dtype).unwrap();
    let (x, w, dy) = (tensor(&case.input(), 1), tensor(&case.weight(), 2), tensor(&case.output(), 3));
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<T>().unwrap();
    let channels = (case.input()[1], case.output()[1]);
    let shape = ImageShape { channels, size: case.size, kernel: case.kernel, settings: case.settings };
    let [_, _, rows, columns] = case.output();
    assert_eq!(shape.output().unwrap(), (rows, columns));
    let blocks = |channels: usize, plane: usize| vec![[T::one(); BLOCK]; channels.div_ceil(BLOCK) * plane];
    let planes = (case.size.0 * case.size.1, rows * columns);
    let forward = ImageConv::forward(&shape, &flat(&w)).unwrap();
    let backward = ImageConv::input_gradient(&shape, &flat(&w)).unwrap();
    let gradient = ImageWeightGradient::new::<T>(&shape).unwrap();
    let (mut sums, mut scratch) = (gradient.sums::<T>(), gradient.scratch::<T>());
    let (mut forward_scratch, mut backward_scratch) = (forward.scratch(), backward.scratch());
    let mut found = [Vec::new(), Vec::new()];
    for image in 0..case.batch {
        let (x, dy) = (flat(&x.get(image).unwrap()), flat(&dy.get(image).unwrap()));
        let (mut source, mut target) = (blocks(channels.0, planes.0), blocks(channels.1, planes.1));
        let (mut dx, mut dy_blocked) = (source.clone(), target.clone());
        to_blocked(&x, channels.0, &mut source).unwrap();
        to_blocked(&dy, channels.1, &mut dy_blocked).unwrap();
        for accumulate in [false, true] {
            forward.run(&source, &mut target, accumulate, &mut forward_scratch).unwrap();
            backward.run(&dy_blocked, &mut dx, accumulate, &mut backward_scratch).unwrap();
        }
        gradient.add(&source, &dy_blocked, &mut sums, &mut scratch).unwrap();
        let mut out = (vec![T::zero(); channels.1 * planes.1], vec![T::zero(); channels.0 * planes.0]);
        from_blocked(&target, channels.1, &mut out.0).unwrap();
        from_blocked(&dx, channels.0, &mut out.1).unwrap();
        found[0].extend(out.0);
        found[1].extend(out.1);
    }
    let twice = |t: Tensor| (t * 2.0).unwrap();
    let [y, dx] = found;
    let expected = [
        twice(conv2d(&x, &w, None, &case.settings).unwrap()),
        twice(conv2d_input_gradient(&dy, &w, case.size, &case.settings).unwrap()),
        conv2d_weight_gradient(&x, &dy, case.kernel, &case.settings).unwrap(),
    ];
    for (found, expected) in [y, dx, gradient.finish(&sums)].into_iter().zip(expected) {
        let found = Tensor::from_vec(found, expected.dims(), expected.device()).unwrap();
        assert!(difference(&found, &list(&expected)) < bound, "{case:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_image_at_a_time_is_the_operator(case in any_case(9, 20)) {
        let case = Case { settings: Conv2d { groups: 1, ..case.settings }, ..case };
        with_every_set(|_| {
            check::<f64>(&case, DType::F64, 1e-12);
            check::<f32>(&case, DType::F32, 1e-5);
        });
    }

    #[test]
    fn depthwise_images_are_the_operator(case in any_case(20, 1), channels in 2_usize..40) {
        let case = Case { settings: Conv2d { groups: channels, ..case.settings }, ..case };
        with_every_set(|_| {
            check::<f64>(&case, DType::F64, 1e-12);
            check::<f32>(&case, DType::F32, 1e-5);
        });
    }

    #[test]
    fn tiles_are_the_operator(size in 1_usize..13, channels in 16_usize..50, padding in 0_usize..3) {
        prop_assume!(size + 2 * padding >= 3);
        let settings = Conv2d::new(1, padding);
        let case = Case { batch: 2, channels: (channels, 66 - channels), size: (size, 13 - size.min(10)), kernel: (3, 3), settings };
        with_every_set(|_| check::<f32>(&case, DType::F32, 1e-5));
    }
}

#[test]
fn buffers_of_other_sizes_are_errors() {
    let shape = ImageShape { channels: (16, 16), size: (4, 4), kernel: (3, 3), settings: Conv2d::new(1, 1) };
    assert!(ImageConv::forward(&shape, &[0f32; 3]).is_err());
    assert!(
        ImageConv::forward(
            &ImageShape { settings: Conv2d { groups: 2, ..shape.settings }, ..shape },
            &[0f32; 3]
        )
        .is_err()
    );
    let depthwise = ImageShape { settings: Conv2d { groups: 16, ..shape.settings }, ..shape };
    assert!(ImageConv::forward(&depthwise, &[0f32; 16 * 16 * 9]).is_err());
    let gradient = ImageWeightGradient::new::<f32>(&depthwise).unwrap();
    let mut sums = gradient.sums::<f32>();
    assert!(
        gradient
            .add(&[[0f32; BLOCK]; 16], &[[0f32; BLOCK]; 16], &mut sums[1..], &mut gradient.scratch())
            .is_err()
    );
    let conv = ImageConv::forward(&shape, &[0f32; 16 * 16 * 9]).unwrap();
    let (mut short, mut whole) = ([[0f32; BLOCK]; 15], [[0f32; BLOCK]; 16]);
    assert!(conv.run(&short, &mut whole, false, &mut conv.scratch()).is_err());
    assert!(conv.run(&whole.clone(), &mut short, false, &mut conv.scratch()).is_err());
    let other = ImageShape { size: (8, 8), ..shape };
    let other = ImageConv::forward(&other, &[0f32; 16 * 16 * 9]).unwrap();
    assert!(conv.run(&whole.clone(), &mut whole, false, &mut other.scratch()).is_err());
    let gradient = ImageWeightGradient::new::<f32>(&shape).unwrap();
    let mut sums = gradient.sums::<f32>();
    assert!(gradient.add(&whole, &short, &mut sums, &mut gradient.scratch()).is_err());
    assert!(gradient.add(&whole, &whole, &mut sums[1..], &mut gradient.scratch()).is_err());
    assert!(to_blocked(&[0f32; 10], 3, &mut whole).is_err());
    assert!(from_blocked(&whole, 0, &mut [0f32; 10]).is_err());
}
