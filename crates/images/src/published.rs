use crate::{ImageError, Images, read};
use std::path::{Path, PathBuf};

/// A part of a data set as it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To learn from.
    Training,
    /// To test on; of ImageNet16 its validation images, as its test images have no labels.
    Test,
}

/// What the files of a data set are called, without what says how they are packed.
struct Published {
    name: &'static str,
    training: &'static str,
    /// How many training files there are, with their numbers behind the name; 0 where it is one without a number.
    numbered: usize,
    test: &'static str,
}

const PUBLISHED: [Published; 5] = [
    Published { name: "CIFAR-10", training: "data_batch_", numbered: 5, test: "test_batch" },
    Published { name: "CIFAR-100", training: "train", numbered: 0, test: "test" },
    Published { name: "ImageNet16", training: "train_data_batch_", numbered: 10, test: "val_data" },
    Published {
        name: "MNIST and its kin",
        training: "train-images-idx3-ubyte",
        numbered: 0,
        test: "t10k-images-idx3-ubyte",
    },
    Published {
        name: "MNIST and its kin",
        training: "train-images.idx3-ubyte",
        numbered: 0,
        test: "t10k-images.idx3-ubyte",
    },
];

impl Published {
    fn files(&self, part: Part) -> Vec<String> {
        match part {
            Part::Training if self.numbered > 0 => {
                (1..=self.numbered).map(|number| format!("{}{number}", self.training)).collect()
            }
            Part::Training => vec![self.training.into()],
            Part::Test => vec![self.test.into()],
        }
    }

    /// The files of a part, for people.
    fn named(&self, part: Part) -> String {
        match self.files(part).as_slice() {
            [first, .., last] => format!("{first} to {last} ({})", self.name),
            files => format!("{} ({})", files.concat(), self.name),
        }
    }
}

/// Reads a file, as [`read`] does, or from a folder all files of a part, by the names under which CIFAR-10, CIFAR-100,
/// ImageNet16 and MNIST with its kin (Fashion-MNIST) are published, also with `.bin` or `.gz` behind.
///
/// # Errors
/// A folder with the files of none or of several of them, or with only some; and what [`read`] finds.
pub fn read_part(path: impl AsRef<Path>, part: Part) -> Result<Images, ImageError> {
    let path = path.as_ref();
    if !path.is_dir() {
        return read(path);
    }
    let files = files(path, part).map_err(|error| error.of(path))?;
    let sets: Vec<Images> = files.iter().map(read).collect::<Result<_, _>>()?;
    Images::join(&sets).map_err(|error| error.of(path))
}

fn files(folder: &Path, part: Part) -> Result<Vec<PathBuf>, ImageError> {
    let there = |name: &String| {
        let packed = ["", ".bin", ".gz", ".bin.gz"].map(|end| folder.join(format!("{name}{end}")));
        packed.into_iter().find(|path| path.is_file())
    };
    let fail = |expected: String, found: String| ImageError::Folder { expected, found };
    let begun = |set: &&Published| set.files(part).iter().any(|name| there(name).is_some());
    let sets: Vec<&Published> = PUBLISHED.iter().filter(begun).collect();
    match sets.as_slice() {
        [] => {
            let all: Vec<String> = PUBLISHED.iter().map(|set| set.named(part)).collect();
            let all = format!("the files of one of {}, also with .bin or .gz behind", all.join(", "));
            Err(fail(all, "none of them".into()))
        }
        [set] => {
            let path = |name: &String| there(name).ok_or_else(|| fail(set.named(part), format!("no {name}")));
            set.files(part).iter().map(path).collect()
        }
        several => {
            let several: Vec<String> = several.iter().map(|set| set.named(part)).collect();
            Err(fail("the files of one data set".into(), several.join(" and ")))
        }
    }
}
