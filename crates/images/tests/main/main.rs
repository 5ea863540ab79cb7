//! Formats there and back, every error by its words, mutated bytes, and batches against the plain formula.

#![allow(clippy::unwrap_used, reason = "helpers of tests are no tests to clippy")]

mod batches;
mod formats;
mod parts;
mod published;
mod real;

use images::Images;
use proptest::prelude::*;

/// Any small set.
fn sets(
    channels: std::ops::RangeInclusive<usize>,
    sides: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Images> {
    (channels, sides.clone(), sides, 1..40_usize, 1..=256_usize).prop_flat_map(|(c, h, w, n, classes)| {
        let pixels = prop::collection::vec(any::<u8>(), n * c * h * w);
        let labels = prop::collection::vec(0..classes as u16, n);
        (pixels, labels).prop_map(move |(pixels, labels)| {
            let labels = labels.into_iter().map(|label| label as u8).collect();
            Images::new([c, h, w], classes, pixels, labels).unwrap()
        })
    })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
