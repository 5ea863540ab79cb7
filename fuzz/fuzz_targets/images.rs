//! Any bytes as images: of CIFAR, pickled, or of IDX with labels behind them.
#![no_main]
use images::{Cifar, Images, from_cifar, from_idx, from_pickle};

fn check(images: &Images) {
    let pixels: usize = images.shape().iter().product();
    assert_eq!(images.pixels().len(), images.len() * pixels);
    assert!(images.labels().iter().all(|label| usize::from(*label) < images.classes()));
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for kind in [Cifar::Ten, Cifar::Hundred, Cifar::HundredCoarse] {
        let _ = from_cifar(bytes, kind).inspect(check);
    }
    let _ = from_pickle(bytes).inspect(check);
    // the first byte says where the labels begin
    if let [at, rest @ ..] = bytes {
        let (images, labels) = rest.split_at(usize::from(*at).min(rest.len()));
        let _ = from_idx(images, labels, 10).inspect(check);
    }
});
