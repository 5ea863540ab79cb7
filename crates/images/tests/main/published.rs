//! Data sets as they are published: pickled batches, and folders of files.

use crate::config;
use images::{ImageError, Images, Part, from_pickle, read, read_cifar, read_part};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/images/pickled").join(name)
}

fn text<T: std::fmt::Debug>(result: Result<T, ImageError>) -> String {
    result.expect_err("an error").to_string()
}

#[test]
fn pickled_batches_of_cifar_are_the_binary_files() {
    for (ten, name) in [("10", "data_batch_1"), ("10", "test_batch"), ("100", "train"), ("100", "test")] {
        let [pickled, binary] =
            if ten == "10" { ["batches-py", "batches-bin"] } else { ["python", "binary"] };
        let pickled = read(fixture(&format!("cifar-{ten}-{pickled}/{name}"))).unwrap();
        let binary = read(fixture(&format!("cifar-{ten}-{binary}/{name}.bin"))).unwrap();
        assert_eq!((pickled.len(), pickled.shape()), (2, [3, 32, 32]));
        assert_eq!(pickled, binary, "{ten}, {name}");
    }
}

#[test]
fn a_folder_has_the_parts_of_its_data_set() {
    for part in [Part::Training, Part::Test] {
        for [pickled, binary] in
            [["cifar-10-batches-py", "cifar-10-batches-bin"], ["cifar-100-python", "cifar-100-binary"]]
        {
            let set = read_part(fixture(pickled), part).unwrap();
            assert_eq!(set, read_part(fixture(binary), part).unwrap(), "{pickled}");
            assert_eq!(set.classes(), if pickled.contains("100") { 100 } else { 10 });
        }
    }
    let batches =
        [1, 2, 3, 4, 5].map(|batch| fixture(&format!("cifar-10-batches-bin/data_batch_{batch}.bin")));
    let both = read_cifar(&batches, images::Cifar::Ten).unwrap();
    assert_eq!(read_part(fixture("cifar-10-batches-py"), Part::Training).unwrap(), both);
    // a file is a file, whatever part is asked for
    assert_eq!(read_part(&batches[0], Part::Test).unwrap(), read(&batches[0]).unwrap());
}

/// Of labels from 1 to 1,000 those up to 120, counted from 0; the tenth file after the second.
#[test]
fn imagenet16_is_that_of_nas_bench_201() {
    for (part, name) in [(Part::Training, "training"), (Part::Test, "test")] {
        let expected = fs::read(fixture(&format!("expected/ImageNet16-120.{name}"))).unwrap();
        let images = expected.chunks_exact(769);
        let labels = images.clone().map(|image| image[0]).collect();
        let pixels = images.flat_map(|image| image[1..].to_vec()).collect();
        let expected = Images::new([3, 16, 16], 120, pixels, labels).unwrap();
        assert_eq!(read_part(fixture("ImageNet16"), part).unwrap(), expected, "{name}");
    }
    let training = read_part(fixture("ImageNet16"), Part::Training).unwrap();
    assert_eq!(training.labels(), [119, 0, 6, 62, 63, 64, 65, 66, 67, 68, 69]);
}

#[test]
fn idx_files_of_a_folder_by_either_spelling() {
    let ours = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/images/fashion_mnist");
    let (training, test) = images::fashion_mnist().unwrap();
    for spelling in ["-idx", ".idx"] {
        let folder = TempDir::new().unwrap();
        for (part, published) in [("train", "train"), ("test", "t10k")] {
            for kind in ["images-idx3", "labels-idx1"] {
                let name = kind.replace("-idx", spelling);
                let from = ours.join(format!("{part}-{kind}-ubyte.gz"));
                fs::copy(from, folder.path().join(format!("{published}-{name}-ubyte.gz"))).unwrap();
            }
        }
        assert_eq!(read_part(folder.path(), Part::Training).unwrap(), training);
        assert_eq!(read_part(folder.path(), Part::Test).unwrap(), test);
        // folders of that name are none of its files
        fs::create_dir(folder.path().join("train")).unwrap();
        assert_eq!(read_part(folder.path(), Part::Training).unwrap(), training);
    }
}

#[test]
fn what_is_both_plain_and_packed_is_read_once() {
    let folder = TempDir::new().unwrap();
    let bytes = fs::read(fixture("cifar-10-batches-bin/test_batch.bin")).unwrap();
    for name in ["test_batch", "test_batch.bin", "batches.meta.txt", "test_batch.bin.part"] {
        fs::write(folder.path().join(name), &bytes).unwrap();
    }
    assert_eq!(read_part(folder.path(), Part::Test).unwrap().len(), 2);
}

#[test]
fn folders_that_cannot_be_read() {
    let folder = TempDir::new().unwrap();
    let say = |part| text(read_part(folder.path(), part)).replace(folder.path().to_str().unwrap(), "FOLDER");
    let none = say(Part::Training);
    assert!(
        none.starts_with("FOLDER: expected the files of one of data_batch_1 to data_batch_5 (CIFAR-10), ")
    );
    assert!(none.ends_with("found none of them: name the files themselves, or another folder"), "{none}");
    let copy =
        |name: &str| fs::copy(fixture(name), folder.path().join(name.split_once('/').unwrap().1)).unwrap();
    copy("cifar-100-python/test");
    assert!(
        say(Part::Training).ends_with("found none of them: name the files themselves, or another folder")
    );
    copy("cifar-10-batches-py/test_batch");
    let several = say(Part::Test);
    assert!(
        several
            .starts_with("FOLDER: expected the files of one data set, found test_batch (CIFAR-10) and test"),
        "{several}"
    );
    for batch in [1, 2, 3, 5] {
        copy(&format!("cifar-10-batches-py/data_batch_{batch}"));
    }
    let missing = say(Part::Training);
    assert!(
        missing
            .starts_with("FOLDER: expected data_batch_1 to data_batch_5 (CIFAR-10), found no data_batch_4: "),
        "{missing}"
    );
    fs::write(folder.path().join("data_batch_4"), b"\x80\x02").unwrap();
    let damaged = say(Part::Training);
    assert!(damaged.starts_with("FOLDER/data_batch_4: no pickled batch of CIFAR"), "{damaged}");
    let gone = text(read_part(folder.path().join("nowhere"), Part::Test));
    assert!(gone.contains("nowhere: cannot open ("), "{gone}");
}

/// A batch as Python 3 pickles it, its array's bytes as they are.
fn batch(shape: [u16; 2], bytes: &[u8], key: &str, labels: &[u8]) -> Vec<u8> {
    let name = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let mut out = b"\x80\x03}(".to_vec();
    out.extend(name("data"));
    out.extend(b"cnumpy.core.numeric\n_frombuffer\n(B");
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
    out.extend(b"cnumpy\ndtype\n(");
    out.extend(name("u1"));
    out.extend(b"K\0K\x01tR(K\x03");
    out.extend(name("|"));
    out.extend(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb");
    for size in shape {
        out.push(b'M');
        out.extend(size.to_le_bytes());
    }
    out.push(0x86);
    out.extend(name("C"));
    out.extend(b"tR");
    out.extend(name(key));
    out.extend(b"](");
    labels.iter().for_each(|label| out.extend([b'K', *label]));
    out.extend(b"eu.");
    out
}

#[test]
fn every_error_of_pickles_by_its_words() {
    let (cifar, small) = ([7; 6_144], [7; 1_536]);
    let good = batch([2, 3_072], &cifar, "labels", &[3, 9]);
    assert_eq!(from_pickle(&good).unwrap().labels(), [3, 9]);
    let say = |bytes: &[u8]| text(from_pickle(bytes));
    let start = "no pickled batch of CIFAR or of ImageNet at 16x16: ";
    for (bytes, expected) in [
        (
            batch([2, 3_072], &cifar, "labels", &[3, 10]),
            "key 'labels', [1]: expected a label from 0 to 9, found 10",
        ),
        (
            batch([2, 3_072], &cifar, "fine_labels", &[3, 100]),
            "key 'fine_labels', [1]: expected a label from 0 to 99",
        ),
        (
            batch([2, 768], &small, "labels", &[0, 1]),
            "key 'labels', [0]: expected a label from 1 to 1000, found 0",
        ),
        (batch([2, 768], &small, "fine", &[0, 1]), "expected a key 'labels', found a dict of 2"),
        (
            batch([3, 512], &small, "labels", &[0, 1]),
            "key 'data': expected rows of 3,072 bytes (CIFAR) or 768",
        ),
        (b"\x80\x03]q\0.".to_vec(), "expected a dict, found a list of 0"),
        (b"\x80\x03}X\x04\0\0\0dataK\x01s.".to_vec(), "key 'data': expected an array of uint8, found 1"),
        (good[..5_000].to_vec(), "byte "),
        (b"\x80\x02cposix\nsystem\n.".to_vec(), "byte 2: expected plain data"),
    ] {
        let found = say(&bytes);
        assert!(found.starts_with(&format!("{start}{expected}")), "{found}");
    }
    assert!(say(&batch([2, 3_072], &cifar, "labels", &[3])).starts_with("1 labels for 2 images"));
    // another part of ImageNet
    let none = say(&batch([2, 768], &small, "labels", &[121, 200]));
    assert!(none.starts_with("0 images of 3x16x16 in 120 classes"), "{none}");
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn damaged_pickles_are_read_or_refused(at in 0..3_500_usize, to in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = fs::read(fixture("ImageNet16/train_data_batch_1")).unwrap();
        bytes[at] = to;
        if cut {
            bytes.truncate(at);
        }
        let _ = from_pickle(&bytes);
    }
}
