use images::{Augment, fashion_mnist, read};
use nas_core::Seed;
use std::path::Path;

#[test]
fn the_part_of_fashion_mnist_is_as_its_readme_says() {
    let (training, test) = fashion_mnist().unwrap();
    for (set, each) in [(&training, 200), (&test, 100)] {
        assert_eq!((set.shape(), set.classes()), ([1, 28, 28], 10));
        assert_eq!(set.class_counts(), [each; 10]);
        assert!(set.labels().iter().enumerate().all(|(row, &label)| usize::from(label) == row % 10));
    }
    // the whole set has .2860 and .3530
    let by = training.statistics();
    assert!((by.mean[0] - 0.286).abs() < 0.01 && (by.deviation[0] - 0.353).abs() < 0.01, "{by:?}");
    let rows: Vec<usize> = (0..64).collect();
    let batch = training.augmented_batch(&rows, &by, Augment::CIFAR, &mut Seed(0).stream("a")).unwrap();
    assert!(batch.iter().all(|number| number.is_finite()));
}

/// The nearest of the training images by squared distance says the class of more than two in three test images.
#[test]
fn the_images_fit_their_labels() {
    let (training, test) = fashion_mnist().unwrap();
    let (training, test) =
        (training.resize(7, 7).unwrap(), test.take(200, Seed(0)).unwrap().resize(7, 7).unwrap());
    let distance = |a: &[u8], b: &[u8]| -> u32 {
        a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b)) * u32::from(a.abs_diff(b))).sum()
    };
    let right = (0..test.len()).filter(|&row| {
        let image = test.image(row).unwrap();
        let near = training.pixels().chunks(49).map(|other| distance(image, other)).enumerate();
        let (nearest, _) = near.min_by_key(|&(_, distance)| distance).unwrap();
        training.labels()[nearest] == test.labels()[row]
    });
    let right = right.count();
    assert!(right > 134, "{right} of 200");
}

#[test]
fn the_files_of_cifar_10_of_a_neighbouring_folder() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let files =
        ["cifar10_train_first4000.bin.gz", "cifar10_test_first1000.bin.gz"].map(|file| data.join(file));
    if !files.iter().all(|file| file.exists()) {
        println!("skipped: no images of CIFAR-10 in a folder shared beside the workspace");
        return;
    }
    let [training, test] = files.map(|file| read(file).unwrap());
    assert_eq!((training.len(), test.len()), (4_000, 1_000));
    // a frog and a cat come first
    assert_eq!((training.labels()[0], test.labels()[0]), (6, 3));
    for set in [&training, &test] {
        assert_eq!((set.shape(), set.classes()), ([3, 32, 32], 10));
        let each = set.len() / 10;
        assert!(set.class_counts().iter().all(|&n| n.abs_diff(each) < each / 5), "{:?}", set.class_counts());
        let by = set.statistics();
        let whole = ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]);
        for c in 0..3 {
            assert!((by.mean[c] - whole.0[c]).abs() < 0.02 && (by.deviation[c] - whole.1[c]).abs() < 0.02);
        }
    }
    let (small, rest) = training.split(2_000, Seed(0)).unwrap();
    assert_eq!((small.class_counts(), rest.len()), (vec![200; 10], 2_000));
}
