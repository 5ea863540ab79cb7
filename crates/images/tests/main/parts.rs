use crate::{config, sets};
use images::{Clutter, ImageError, Images};
use nas_core::Seed;
use proptest::prelude::*;

fn text<T: std::fmt::Debug>(result: Result<T, ImageError>) -> String {
    result.expect_err("an error").to_string()
}

proptest! {
    #![proptest_config(config(128))]

    /// Two parts hold every image once; no class gives two more than another that still has some.
    #[test]
    fn a_split_is_balanced_and_loses_nothing(set in sets(1..=2, 1..=3), share in 0.0..1.0_f64, seed in any::<u64>()) {
        let images = ((set.len() as f64 * share) as usize).max(1);
        let part = set.take(images, Seed(seed)).unwrap();
        prop_assert_eq!(part.len(), images);
        prop_assert_eq!(&set.take(images, Seed(seed)).unwrap(), &part);
        let (all, taken) = (set.class_counts(), part.class_counts());
        let most = taken.iter().max().unwrap();
        for (all, taken) in all.iter().zip(&taken) {
            prop_assert!(taken == all || taken + 1 >= *most);
        }
        if images == set.len() {
            prop_assert_eq!(&part, &set);
            prop_assert!(set.split(images, Seed(seed)).is_err());
            return Ok(());
        }
        let (first, rest) = set.split(images, Seed(seed)).unwrap();
        prop_assert_eq!(&first, &part);
        let sorted = |sets: &[&Images]| {
            let mut rows: Vec<(u8, Vec<u8>)> = sets.iter().flat_map(|set| {
                (0..set.len()).map(|row| (set.labels()[row], set.image(row).unwrap().to_vec()))
            }).collect();
            rows.sort();
            rows
        };
        prop_assert_eq!(sorted(&[&first, &rest]), sorted(&[&set]));
    }

    /// Against the plain definition in floating point; a plane of one value stays; the same size is the same.
    #[test]
    fn resize_averages_areas(set in sets(1..=3, 1..=9), down in 0.0..1.0_f64, right in 0.0..1.0_f64) {
        let [channels, height, width] = set.shape();
        let small = |side: usize, share: f64| 1 + (share * side as f64) as usize;
        let (to_height, to_width) = (small(height, down).min(height), small(width, right).min(width));
        let made = set.resize(to_height, to_width).unwrap();
        prop_assert_eq!(made.shape(), [channels, to_height, to_width]);
        prop_assert_eq!(made.labels(), set.labels());
        let covered = |old: usize, new: usize, from: usize, to: usize| {
            let scale = from as f64 / to as f64;
            ((old + 1) as f64).min((new + 1) as f64 * scale) - (old as f64).max(new as f64 * scale)
        };
        for (old, new) in set.pixels().chunks(height * width).zip(made.pixels().chunks(to_height * to_width)) {
            for (at, &pixel) in new.iter().enumerate() {
                let (mut sum, mut area) = (0.0, 0.0);
                for (from, &value) in old.iter().enumerate() {
                    let share = covered(from / width, at / to_width, height, to_height).max(0.0)
                        * covered(from % width, at % to_width, width, to_width).max(0.0);
                    sum += share * f64::from(value);
                    area += share;
                }
                prop_assert!((f64::from(pixel) - sum / area).abs() <= 0.5 + 1e-9);
            }
        }
        prop_assert_eq!(set.resize(height, width).unwrap(), set);
    }
}

#[test]
fn resize_rounds_half_up() {
    let set = Images::new([1, 2, 4], 1, vec![0, 1, 255, 255, 0, 1, 255, 254], vec![0]).unwrap();
    assert_eq!(set.resize(1, 2).unwrap().pixels(), [1, 255]);
    assert_eq!(set.resize(2, 3).unwrap().pixels(), [0, 128, 255, 0, 128, 254]);
}

#[test]
fn what_is_no_set() {
    let new = |shape, classes, pixels: usize, labels: &[u8]| {
        text(Images::new(shape, classes, vec![0; pixels], labels.into()))
    };
    assert!(new([1, 2, 2], 3, 0, &[]).starts_with("0 images of 1x2x2 in 3 classes"));
    assert!(new([1, 0, 2], 3, 0, &[0]).starts_with("1 images of 1x0x2"));
    assert!(new([1, 2, 2], 257, 4, &[0]).contains("at most 256 classes"));
    assert!(new([1, 2, 2], 3, 5, &[0]).starts_with("5 bytes of pixels, expected 4 for 1 images of 1x2x2"));
    assert!(new([1, 2, 2], 3, 8, &[0, 3]).starts_with("image 1 has label 3, expected one below 3"));
    assert!(
        new([1, 1, 70_000], 3, 70_000, &[0]).starts_with("images of 1x1x70000: more than the limit of 65536")
    );
    assert!(new([usize::MAX, 2, 2], 3, 8, &[0]).contains("bytes: more than the limit"));
}

#[test]
fn what_cannot_be_asked_of_a_set() {
    let grey = Images::new([1, 2, 2], 3, (0..8).collect(), vec![0, 2]).unwrap();
    let two = Images::new([2, 2, 2], 3, (0..8).collect(), vec![1]).unwrap();
    assert!(text(grey.take(0, Seed(0))).starts_with("0 images asked for, there are 2"));
    assert!(text(grey.take(3, Seed(0))).starts_with("3 images asked for, there are 2"));
    assert_eq!(text(grey.select(&[0, 2])), "image 2 asked for, there are 2");
    assert!(text(grey.select(&[])).starts_with("0 images"));
    assert!(text(grey.resize(3, 2)).starts_with("cannot make 3x2 of 2x2"));
    assert!(text(grey.resize(0, 2)).starts_with("cannot make 0x2 of 2x2"));
    assert_eq!(text(two.to_rgb()), "2 channels, expected 1 or 3");
    let mixed = text(Images::join(&[grey.clone(), two]));
    assert!(
        mixed.starts_with("set 1 has images of 2x2x2 in 3 classes, the first of 1x2x2 in 3 classes"),
        "{mixed}"
    );
    let rgb = grey.to_rgb().unwrap();
    assert_eq!(rgb.pixels(), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7]);
    assert_eq!(rgb.to_rgb().unwrap(), rgb);
    assert_eq!(grey.class_counts(), [1, 0, 1]);
    assert_eq!(grey.select(&[1, 1, 0]).unwrap().labels(), [2, 2, 0]);
}

#[test]
fn clutter_is_seeded_keeps_labels_and_shows_the_object() {
    let bright = |row: usize| if row == 0 { 255 } else { 0 };
    let pixels = (0..2).flat_map(|row| vec![bright(row); 16]).collect();
    let set = Images::new([1, 4, 4], 3, pixels, vec![2, 1]).unwrap();
    let clutter = Clutter { copies: 5, side: 6, shift: 1, behind: 0.0, shift_behind: 2, noise: 0.0 };
    let pictures = set.cluttered(clutter, Seed(3)).unwrap();
    assert_eq!((pictures.shape(), pictures.len(), pictures.classes()), ([3, 6, 6], 10, 3));
    assert_eq!(pictures.labels(), [2, 2, 2, 2, 2, 1, 1, 1, 1, 1]);
    assert_eq!(set.cluttered(clutter, Seed(3)).unwrap(), pictures);
    assert_ne!(set.cluttered(clutter, Seed(4)).unwrap(), pictures);
    for picture in 0..10 {
        for plane in pictures.image(picture).unwrap().chunks(36) {
            let mut colours = plane.to_vec();
            colours.sort_unstable();
            colours.dedup();
            // a whole object of one colour on a ground of another; a black object leaves the ground alone
            let objects = plane.iter().filter(|pixel| **pixel != colours[0]).count();
            assert!(objects == if picture < 5 { 16 } else { 0 }, "{plane:?}");
            assert!(colours[0] <= 102, "{plane:?}");
        }
    }
    let noisy = set.cluttered(Clutter { noise: 0.2, behind: 0.9, ..clutter }, Seed(3)).unwrap();
    assert_ne!(noisy, pictures);
    assert!(matches!(pictures.cluttered(clutter, Seed(0)), Err(ImageError::Channels { found: 3, .. })));
    for wrong in [
        Clutter { noise: f32::NAN, ..clutter },
        Clutter { behind: -1.0, ..clutter },
        Clutter { shift: usize::MAX, ..clutter },
    ] {
        assert!(matches!(set.cluttered(wrong, Seed(0)), Err(ImageError::Setting { .. })), "{wrong:?}");
    }
    let small = Clutter { side: 3, ..clutter };
    assert!(matches!(set.cluttered(small, Seed(0)), Err(ImageError::Picture { side: 3, .. })));
    assert!(matches!(
        set.cluttered(Clutter { copies: 0, ..clutter }, Seed(0)),
        Err(ImageError::Empty { .. })
    ));
    let vast = Clutter { copies: usize::MAX, ..clutter };
    assert!(matches!(set.cluttered(vast, Seed(0)), Err(ImageError::TooLarge { .. })));
}
