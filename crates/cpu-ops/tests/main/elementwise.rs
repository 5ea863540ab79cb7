//! What goes over blocked images, against the operators on tensors or plain loops.

use crate::pools::any_window;
use crate::{list, numbers, with_every_set};
use candle_core::{DType, Tensor, Var};
use cpu_ops::blocked::{
    ImagePool, Term, combine, copy_channels, from_blocked, image_mean, image_mean_gradient, mask, moments,
    products, to_blocked,
};
use cpu_ops::{BLOCK, Padding, avg_pool2d, max_pool2d};
use proptest::prelude::*;

fn blocked(channels: usize, plane: usize, stream: usize) -> Vec<[f64; BLOCK]> {
    let image = list(&numbers(&[channels, plane], stream).to_dtype(DType::F64).unwrap());
    let mut out = vec![[0.0; BLOCK]; channels.div_ceil(BLOCK) * plane];
    to_blocked(&image, channels, &mut out).unwrap();
    out
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} instead of {expected}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn sums_of_scaled_images(
        channels in 1_usize..40, plane in 1_usize..30, terms in 0_usize..7, relu: bool, accumulate: bool,
    ) {
        let images: Vec<_> = (0..terms).map(|t| blocked(channels, plane, t)).collect();
        let scales: Vec<_> = (0..terms).map(|t| blocked(channels, 1, 50 + t)).collect();
        let (shift, start) = (blocked(channels, 1, 100), blocked(channels, plane, 101));
        with_every_set(|_| {
            let held: Vec<_> = images
                .iter()
                .zip(&scales)
                .enumerate()
                .map(|(t, (image, scale))| Term { image, scale: (t % 2 == 0).then_some(&scale[..]) })
                .collect();
            let mut out = start.clone();
            combine(&held, Some(&shift), plane, (relu, accumulate), &mut out).unwrap();
            for (at, (pixel, start)) in out.iter().zip(&start).enumerate() {
                for lane in 0..BLOCK {
                    let first = if accumulate { start[lane] } else { 0.0 } + shift[at / plane][lane];
                    let sum = (0..terms).fold(first, |sum, t| {
                        let scale = if t % 2 == 0 { scales[t][at / plane][lane] } else { 1.0 };
                        sum + scale * images[t][at][lane]
                    });
                    near(pixel[lane], if relu { sum.max(0.0) } else { sum });
                }
            }
        });
    }

    #[test]
    fn sums_over_pixels_and_masks(channels in 1_usize..40, plane in 1_usize..30) {
        let (grad, image, from) = (blocked(channels, plane, 1), blocked(channels, plane, 2), blocked(channels, 1, 3));
        let lanes = from.len() * BLOCK;
        with_every_set(|_| {
            let (mut sums, mut measured) = (vec![[0.0; 2]; lanes], vec![[0.0; 2]; lanes]);
            products(&grad, &image, &from, plane, &mut sums).unwrap();
            moments(&image, plane, &mut measured).unwrap();
            let mut masked = grad.clone();
            mask(&image, &mut masked).unwrap();
            for channel in 0..channels {
                let (block, lane) = (channel / BLOCK, channel % BLOCK);
                let pixels = block * plane..(block + 1) * plane;
                let x = |at: usize| image[at][lane];
                near(sums[channel][0], pixels.clone().map(|at| grad[at][lane]).sum());
                near(sums[channel][1], pixels.clone().map(|at| grad[at][lane] * (x(at) - from[block][lane])).sum());
                let mean = pixels.clone().map(x).sum::<f64>() / plane as f64;
                near(measured[channel][0], mean);
                near(measured[channel][1], pixels.clone().map(|at| (x(at) - mean).powi(2)).sum());
                for at in pixels {
                    assert_eq!(masked[at][lane], if x(at) > 0.0 { grad[at][lane] } else { 0.0 });
                }
            }
        });
    }

    #[test]
    fn pooling_is_the_operator(
        ((_, _, h, w), window) in any_window(), channels in 1_usize..20, counted: bool, accumulate: bool,
    ) {
        let size = (h, w);
        let padding = if counted { Padding::Counted } else { Padding::Excluded };
        let x = Var::from_tensor(&numbers(&[1, channels, size.0, size.1], 1).to_dtype(DType::F64).unwrap()).unwrap();
        let average = (avg_pool2d(&x, &window, padding).unwrap(), ImagePool::average(size, window, padding).unwrap());
        let largest = (max_pool2d(&x, &window).unwrap(), ImagePool::largest(size, window).unwrap());
        for (y, pool) in [average, largest] {
            let u = numbers(y.dims(), 2).to_dtype(DType::F64).unwrap();
            let grads = (&y * &u).unwrap().sum_all().unwrap().backward().unwrap();
            let expected = grads.get(x.as_tensor()).unwrap();
            let (input, output) = (size.0 * size.1, y.dims()[2] * y.dims()[3]);
            let in_blocks = |t: &Tensor, plane: usize| {
                let mut out = vec![[0.0; BLOCK]; channels.div_ceil(BLOCK) * plane];
                to_blocked(&list(t), channels, &mut out).unwrap();
                out
            };
            let (image, grad) = (in_blocks(x.as_tensor(), input), in_blocks(&u, output));
            let mut there = vec![[0.0; BLOCK]; grad.len()];
            pool.run(&image, &mut there).unwrap();
            let mut back = vec![[if accumulate { 1.0 } else { 7.0 }; BLOCK]; image.len()];
            pool.gradient(&image, &grad, &mut back, accumulate).unwrap();
            let (mut found, mut found_back) = (vec![0.0; channels * output], vec![0.0; channels * input]);
            from_blocked(&there, channels, &mut found).unwrap();
            from_blocked(&back, channels, &mut found_back).unwrap();
            found.iter().zip(list(&y)).for_each(|(a, b)| near(*a, b));
            let start = if accumulate { 1.0 } else { 0.0 };
            found_back.iter().zip(list(expected)).for_each(|(a, b)| near(*a, b + start));
        }
    }

    #[test]
    fn channels_are_copied(from in 0_usize..20, to in 0_usize..20, channels in 1_usize..30, plane in 1_usize..5) {
        let source = blocked(from + channels, plane, 1);
        let start = blocked(to + channels + 3, plane, 2);
        let mut target = start.clone();
        copy_channels((&source, from), (&mut target, to), channels, plane, true).unwrap();
        for channel in 0..to + channels + 3 {
            for pixel in 0..plane {
                let at = |channel: usize| (channel / BLOCK * plane + pixel, channel % BLOCK);
                let ((block, lane), mut expected) = (at(channel), 0.0);
                if (to..to + channels).contains(&channel) {
                    let (block, lane) = at(channel - to + from);
                    expected = source[block][lane];
                }
                near(target[block][lane], start[block][lane] + expected);
            }
        }
    }
}

#[test]
fn means_and_errors() {
    let image = [[1.0; BLOCK], [3.0; BLOCK]];
    let (mut mean, mut back) = ([[0.0; BLOCK]], [[1.0; BLOCK]; 2]);
    image_mean(&image, &mut mean).unwrap();
    assert_eq!(mean, [[2.0; BLOCK]]);
    image_mean_gradient(&mean, &mut back, true).unwrap();
    assert_eq!(back, [[2.0; BLOCK]; 2]);
    let terms = [Term { image: &image, scale: None }];
    assert!(combine(&terms, None, 3, (false, false), &mut back).is_err());
    assert!(combine(&terms, Some(&image), 2, (false, false), &mut back).is_err());
    assert!(combine(&terms, None, 1, (false, false), &mut mean).is_err());
    assert!(mask(&image, &mut mean).is_err());
    assert!(moments(&image, 2, &mut [[0.0; 2]; 5]).is_err());
    assert!(products(&image, &mean, &mean, 2, &mut [[0.0; 2]; BLOCK]).is_err());
    assert!(copy_channels((&image, 0), (&mut back, 0), 20, 2, false).is_err());
    assert!(image_mean(&image, &mut [[0.0; BLOCK]; 0]).is_err());
    let pool = ImagePool::largest((2, 1), cpu_ops::Pool2d::new(1, 1, 0)).unwrap();
    assert!(pool.run(&image, &mut mean).is_err());
}
