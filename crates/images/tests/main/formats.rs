use crate::{config, sets};
use flate2::{Compression, write::GzEncoder};
use images::{Cifar, ImageError, Images, from_cifar, from_idx, read, read_cifar, read_idx};
use nas_core::Seed;
use proptest::prelude::*;
use rand::RngExt;
use std::error::Error as _;
use std::fs;
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx(sizes: &[usize], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|&size| file.extend((size as u32).to_be_bytes()));
    file.extend(bytes);
    file
}

/// A set as a pair of IDX files.
fn as_idx(set: &Images) -> [Vec<u8>; 2] {
    let [_, height, width] = set.shape();
    [idx(&[set.len(), height, width], set.pixels()), idx(&[set.len()], set.labels())]
}

/// Records with these labels before each image.
fn as_cifar(labels: &[Vec<u8>], pixels: &[u8]) -> Vec<u8> {
    labels.iter().zip(pixels.chunks(3_072)).flat_map(|(label, image)| [label, image].concat()).collect()
}

fn text<T: std::fmt::Debug>(result: Result<T, ImageError>) -> String {
    result.expect_err("an error").to_string()
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn idx_reads_back(set in sets(1..=1, 1..=9)) {
        let [images, labels] = as_idx(&set);
        prop_assert_eq!(&from_idx(&images, &labels, set.classes()).unwrap(), &set);
        let dir = TempDir::new().unwrap();
        let (plain, packed) = (dir.path().join("images"), dir.path().join("labels.gz"));
        fs::write(&plain, &images).unwrap();
        fs::write(&packed, gzip(&labels)).unwrap();
        prop_assert_eq!(read_idx(&plain, &packed, set.classes()).unwrap(), set);
    }

    #[test]
    fn cifar_reads_back(records in 1..4_usize, fine in 0..100_u8, seed in any::<u64>()) {
        let mut pixels = vec![0; records * 3_072];
        let mut rng = Seed(seed).stream("pixels");
        pixels.iter_mut().for_each(|pixel| *pixel = rng.random());
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("batch.bin.gz");
        for kind in [Cifar::Ten, Cifar::Hundred, Cifar::HundredCoarse] {
            let label = |row: usize| match kind {
                Cifar::Ten => vec![(fine + row as u8) % 10],
                _ => vec![fine % 20, fine],
            };
            let labels: Vec<Vec<u8>> = (0..records).map(label).collect();
            let expected = labels.iter().map(|label| label[usize::from(kind == Cifar::Hundred)]).collect();
            let expected = Images::new([3, 32, 32], kind.classes(), pixels.clone(), expected).unwrap();
            let bytes = as_cifar(&labels, &pixels);
            prop_assert_eq!(&from_cifar(&bytes, kind).unwrap(), &expected);
            fs::write(&file, gzip(&bytes)).unwrap();
            if kind != Cifar::HundredCoarse {
                prop_assert_eq!(&read(&file).unwrap(), &expected);
            }
            let twice = read_cifar(&[&file, &file], kind).unwrap();
            prop_assert_eq!(twice, Images::join(&[expected.clone(), expected]).unwrap());
        }
    }

    /// Whatever is done to the bytes: a set or an error, never a panic.
    #[test]
    fn mutated_bytes_never_panic(seed in any::<u64>(), edits in 1..20_usize) {
        let set = Images::new([1, 3, 2], 10, (0..24).collect(), vec![0, 9, 3, 1]).unwrap();
        let mut rng = Seed(seed).stream("mutate");
        let mut mutate = |bytes: &mut Vec<u8>| {
            for _ in 0..edits {
                let at = rng.random_range(0..=bytes.len() as u64) as usize;
                match rng.random_range(0..4_u32) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, rng.random()),
                    2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = [0, 0xff][at % 2]),
                    _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.random()),
                }
            }
        };
        let [mut images, mut labels] = as_idx(&set);
        mutate(&mut images);
        let _ = from_idx(&images, &labels, 10);
        mutate(&mut labels);
        let _ = from_idx(&images, &labels, 256);
        let mut cifar = as_cifar(&[vec![3], vec![9]], &[7; 6_144]);
        mutate(&mut cifar);
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("train-images-idx3-ubyte");
        for kind in [Cifar::Ten, Cifar::Hundred, Cifar::HundredCoarse] {
            let _ = from_cifar(&cifar, kind);
        }
        let mut packed = gzip(&images);
        mutate(&mut packed);
        for bytes in [&images, &cifar, &packed] {
            fs::write(&file, bytes).unwrap();
            let _ = read(&file);
        }
    }
}

#[test]
fn a_file_and_its_labels_are_found_by_one_name() {
    let set = Images::new([1, 3, 2], 10, (0..24).collect(), vec![0, 9, 3, 1]).unwrap();
    let [images, labels] = as_idx(&set);
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("t10k-images-idx3-ubyte.gz");
    fs::write(&file, gzip(&images)).unwrap();
    let error = text(read(&file));
    assert!(error.contains("t10k-labels-idx1-ubyte.gz: cannot open (No such file"), "{error}");
    fs::write(dir.path().join("t10k-labels-idx1-ubyte.gz"), labels).unwrap();
    assert_eq!(read(&file).unwrap(), set);
    let other = dir.path().join("pictures.gz");
    fs::rename(&file, &other).unwrap();
    let error = text(read(&other));
    assert!(error.ends_with("name it like train-images-idx3-ubyte, or name both files"), "{error}");
}

#[test]
fn every_error_of_idx_by_its_words() {
    let images = idx(&[2, 2, 2], &[1; 8]);
    let labels = idx(&[2], &[0, 3]);
    let say = |images: &[u8], labels: &[u8]| text(from_idx(images, labels, 4));
    let cases = [
        (&[][..], &labels[..], "cut off at byte 0: expected 16 bytes for the head of grey images"),
        (&images[..10], &labels, "cut off at byte 10: expected 16 bytes for the head of grey images"),
        (&images[..23], &labels, "cut off at byte 23: expected 24 bytes for grey images (2x2x2)"),
        (&images, &labels[..9], "cut off at byte 9: expected 10 bytes for labels (2)"),
        (
            &labels,
            &images,
            "begins with 0x00000801, expected 0x00000803 (grey images): are images and labels",
        ),
        (&images, &images, "begins with 0x00000803, expected 0x00000801 (labels)"),
    ];
    for (images, labels, expected) in cases {
        let found = say(images, labels);
        assert!(found.starts_with(expected), "{found}");
    }
    let long = [images.clone(), vec![0]].concat();
    assert!(say(&long, &labels).starts_with("25 bytes, expected 24 for grey images (2x2x2)"));
    assert!(say(&images, &idx(&[3], &[0; 3])).starts_with("3 labels for 2 images"));
    assert!(say(&images, &idx(&[2], &[0, 4])).starts_with("image 1 has label 4, expected one below 4"));
    let huge = idx(&[0xffff_ffff, 0xffff_ffff, 0xffff_ffff], &[]);
    assert!(
        say(&huge, &labels).starts_with("4294967295 x 4294967295 x 4294967295 bytes: more than the limit")
    );
    let floats = [0, 0, 0x0d, 3, 0, 0, 0, 1];
    assert!(say(&floats, &labels).starts_with("begins with 0x00000d03"));
    let none = say(&idx(&[0, 2, 2], &[]), &idx(&[0], &[]));
    assert!(none.starts_with("0 images of 1x2x2 in 4 classes: expected at least one of each"), "{none}");
}

#[test]
fn every_error_of_cifar_by_its_words() {
    let good = as_cifar(&[vec![1], vec![9]], &[7; 6_144]);
    let say = |bytes: &[u8], kind| text(from_cifar(bytes, kind));
    assert!(say(&[], Cifar::Ten).starts_with("cut off at byte 0: expected 3073 bytes for record 0 of 3073"));
    let cut = say(&good[..4_000], Cifar::Ten);
    assert!(cut.starts_with("cut off at byte 4000: expected 6146 bytes for record 1 of 3073 bytes"), "{cut}");
    let label = say(&as_cifar(&[vec![1], vec![10]], &[7; 6_144]), Cifar::Ten);
    assert!(label.starts_with("image 1 has label 10, expected one below 10"), "{label}");
    let coarse = say(&as_cifar(&[vec![20, 1]], &[7; 3_072]), Cifar::Hundred);
    assert!(coarse.starts_with("image 0 has label 20, expected one below 20"), "{coarse}");
    let fine = say(&as_cifar(&[vec![1, 100]], &[7; 3_072]), Cifar::HundredCoarse);
    assert!(fine.starts_with("image 0 has label 100, expected one below 100"), "{fine}");
}

#[test]
fn files_that_cannot_be_read() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("batch.bin");
    let say = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        text(read(&file)).replace(&file.display().to_string(), "FILE")
    };
    assert!(say(&[]).starts_with("FILE: of no known kind (0 bytes): expected CIFAR-10 or CIFAR-100"));
    assert!(say(&[1; 5_000]).starts_with("FILE: of no known kind (5000 bytes)"));
    assert!(say(&[99; 3_073]).starts_with("FILE: image 0 has label 99, expected one below 10"));
    let packed = gzip(&as_cifar(&[vec![1], vec![9]], &(0..6_144).map(|i| (i * i) as u8).collect::<Vec<_>>()));
    let cut = say(&packed[..packed.len() / 2]);
    assert!(cut.starts_with("FILE: cannot be read beyond byte "), "{cut}");
    let error = read(Path::new("no/such/file")).unwrap_err();
    assert!(error.to_string().starts_with("no/such/file: cannot open ("), "{error}");
    assert!(error.source().is_none(), "it is said already");
    assert!(text(read(dir.path())).contains("cannot be read beyond byte 0 ("));
    let none: [&Path; 0] = [];
    assert!(text(read_cifar(&none, Cifar::Ten)).starts_with("0 images"));
}
