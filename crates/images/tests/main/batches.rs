use crate::{config, sets};
use images::{Augment, Images, Normalise};
use nas_core::Seed;
use proptest::prelude::*;
use rand::RngExt;

fn text<T: std::fmt::Debug>(result: Result<T, images::ImageError>) -> String {
    result.expect_err("an error").to_string()
}

fn some(channels: usize) -> Normalise {
    Normalise {
        mean: (0..channels).map(|c| 0.25 + c as f32 * 0.1).collect(),
        deviation: (0..channels).map(|c| 0.2 + c as f32 * 0.05).collect(),
    }
}

proptest! {
    #![proptest_config(config(96))]

    /// Without pixels that are moved, the formula; with them, the window that the same stream draws.
    #[test]
    fn a_batch_is_the_plain_formula(
        set in sets(1..=3, 1..=6),
        rows in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        pad in 0..=6_usize,
        flip in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let [channels, height, width] = set.shape();
        let pad = pad.min(height).min(width);
        let rows: Vec<usize> = rows.iter().map(|row| row.index(set.len())).collect();
        let by = some(channels);
        let number = |pixel: u8, c: usize| (f32::from(pixel) / 255.0 - by.mean[c]) / by.deviation[c];

        let plain = set.batch(&rows, &by).unwrap();
        let made = set.augmented_batch(&rows, &by, Augment { pad, flip }, &mut Seed(seed).stream("a")).unwrap();
        let (mut expected, mut moved) = (Vec::new(), Vec::new());
        let mut rng = Seed(seed).stream("a");
        for &row in &rows {
            let most = 2 * pad as u32;
            let down = i64::from(rng.random_range(0..=most)) - pad as i64;
            let right = i64::from(rng.random_range(0..=most)) - pad as i64;
            let flipped = rng.random::<bool>() && flip;
            for c in 0..channels {
                let at = |y: i64, x: i64| {
                    let inside = (0..height as i64).contains(&y) && (0..width as i64).contains(&x);
                    let place = (c as i64 * height as i64 + y) * width as i64 + x;
                    number(if inside { set.image(row).unwrap()[place as usize] } else { 0 }, c)
                };
                for y in 0..height as i64 {
                    for x in 0..width as i64 {
                        expected.push(at(y, x));
                        let x = if flipped { width as i64 - 1 - x } else { x };
                        moved.push(at(y + down, x + right));
                    }
                }
            }
        }
        prop_assert_eq!(plain, expected);
        prop_assert_eq!(made, moved);
    }

    #[test]
    fn statistics_are_those_of_all_pixels(set in sets(1..=3, 1..=6)) {
        let [channels, height, width] = set.shape();
        let by = set.statistics();
        for c in 0..channels {
            let planes = set.pixels().chunks(height * width).skip(c).step_by(channels);
            let values: Vec<f64> = planes.flatten().map(|&pixel| f64::from(pixel) / 255.0).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let spread = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64;
            prop_assert!((f64::from(by.mean[c]) - mean).abs() < 1e-6);
            prop_assert!((f64::from(by.deviation[c]) - spread.sqrt()).abs() < 1e-6);
        }
    }
}

#[test]
fn flips_and_crops_are_evenly_drawn() {
    let set = Images::new([1, 3, 3], 1, (1..=9).map(|i| i * 20).collect(), vec![0]).unwrap();
    let by = Normalise { mean: vec![0.0], deviation: vec![1.0 / 255.0] };
    let mut seen = std::collections::BTreeMap::new();
    let rows = [0; 1_800];
    let batch =
        set.augmented_batch(&rows, &by, Augment { pad: 1, flip: true }, &mut Seed(0).stream("a")).unwrap();
    for image in batch.chunks(9) {
        let image: Vec<u32> = image.iter().map(|v| v.round() as u32).collect();
        *seen.entry(image).or_insert(0) += 1;
    }
    // 3 x 3 windows, each as it is and flipped: 100 of each are expected
    assert_eq!(seen.len(), 18);
    assert!(seen.values().all(|&n| (60..140).contains(&n)), "{seen:?}");
}

#[test]
fn what_cannot_be_a_batch() {
    let set = Images::new([2, 2, 3], 1, vec![7; 12], vec![0]).unwrap();
    assert_eq!(text(set.batch(&[0, 1], &some(2))), "image 1 asked for, there are 1");
    assert_eq!(
        text(set.batch(&[usize::MAX / 8], &some(2))),
        format!("image {} asked for, there are 1", usize::MAX / 8)
    );
    assert_eq!(text(set.batch(&[0], &some(3))), "3 channels, expected 2");
    let flat = text(set.batch(&[0], &set.statistics()));
    assert!(flat.starts_with("channel 0 has mean 0.02745098 and deviation 0: expected"), "{flat}");
    for deviation in [f32::NAN, -1.0, f32::MIN_POSITIVE / 64.0] {
        let by = Normalise { mean: vec![0.5; 2], deviation: vec![1.0, deviation] };
        assert!(text(set.batch(&[0], &by)).starts_with("channel 1 has mean 0.5"));
    }
    let wide = set.augmented_batch(&[0], &some(2), Augment::CIFAR, &mut Seed(0).stream("a"));
    assert_eq!(text(wide), "padding of 4, expected at most the 2 pixels of the shorter side");
}
