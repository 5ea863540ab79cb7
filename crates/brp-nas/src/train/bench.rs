//! What a network is trained on and how: images, skeleton and recipe, from the flags.

use super::work::Job;
use crate::failure::{Failure, OrFail};
use crate::registry::Space;
use crate::scored::{Around, Sizes};
use anyhow::{Context, anyhow};
use cellnet::{CellStyle, Recipe, Reduced, Steps};
use images::{Clutter, Images, Part, read_part};
use nas_core::Seed;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// Flags of a training.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Flags {
    /// Training images: a file of CIFAR, ImageNet16 (of which ImageNet16-120 is taken) or IDX, or the folder of such a
    /// data set, which has the test images too [default: the Fashion-MNIST images that come with the program].
    #[arg(long)]
    pub(crate) images: Option<PathBuf>,
    /// Test images, of the same kind [default: those of the folder].
    #[arg(long)]
    pub(crate) test_images: Option<PathBuf>,
    /// Train on so many of the images, every class alike [default: all].
    #[arg(long)]
    pub(crate) train_images: Option<usize>,
    /// Test on so many of the test images, every class alike [default: all].
    #[arg(long)]
    pub(crate) test_part: Option<usize>,
    /// Hold back so many of the training images for validation [default: a fifth].
    #[arg(long)]
    pub(crate) validation: Option<usize>,
    /// Validate on so many of the images that --train-images leaves as well, every class alike [default: none].
    #[arg(long)]
    pub(crate) validation_more: Option<usize>,
    /// Side to which images are reduced; a multiple of 4 [default: 16 for the images that come with the program, else
    /// their own].
    #[arg(long)]
    pub(crate) image: Option<usize>,
    /// Turn grey images into coloured pictures with another object behind, moved and noisy, on which few steps tell
    /// networks apart: so many of each training image; which images are used does not depend on the seed then
    /// [default: 0, none].
    #[arg(long)]
    pub(crate) clutter: Option<usize>,
    /// With --clutter, so many pictures of each validation and test image [default: 4].
    #[arg(long)]
    pub(crate) clutter_others: Option<usize>,
    /// Channels of the first stage, or of the stem of a chain [default: 8; 16 for nas-bench-101].
    #[arg(long)]
    pub(crate) channels: Option<u64>,
    /// Cells a stage, for darts in all; chains have none [default: 1; 5 for darts].
    #[arg(long)]
    pub(crate) cells: Option<u64>,
    /// Epochs [default: 5].
    #[arg(long)]
    pub(crate) epochs: Option<usize>,
    /// Images a step [default: 64].
    #[arg(long)]
    pub(crate) batch: Option<usize>,
    /// The learning rate of the first epoch [default: 0.05].
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// When the learning rate falls: from `epoch` to epoch, or from `batch` to batch, which suits few epochs
    /// [default: epoch].
    #[arg(long, value_parser = steps)]
    pub(crate) steps: Option<Steps>,
    /// Epochs, or parts of one, in which the rate rises before it falls; with --steps batch [default: 0].
    #[arg(long)]
    pub(crate) warm_up_epochs: Option<f64>,
    /// Pixels by which images are shifted at random [default: an eighth of their side].
    #[arg(long)]
    pub(crate) crop: Option<usize>,
    /// Whether images are flipped at random [default: true].
    #[arg(long)]
    pub(crate) flip: Option<bool>,
    /// Share of the target that is spread over all classes [default: 0].
    #[arg(long)]
    pub(crate) label_smoothing: Option<f64>,
    /// Evaluate so many times on the way, at equal distances, the end included [default: 1].
    #[arg(long)]
    pub(crate) curve: Option<usize>,
    /// The run store: what is in it is not trained again [default: store.sqlite in the run folder].
    #[arg(long)]
    pub(crate) store: Option<PathBuf>,
}

impl Flags {
    /// The name of a flag that is given, where one is.
    pub(crate) fn first_given(&self) -> Option<String> {
        let all = serde_json::to_value(self).ok()?;
        let (name, _) = all.as_object()?.iter().find(|(_, value)| !value.is_null())?;
        Some(format!("--{name}"))
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            images: self.images.or(other.images),
            test_images: self.test_images.or(other.test_images),
            train_images: self.train_images.or(other.train_images),
            test_part: self.test_part.or(other.test_part),
            validation: self.validation.or(other.validation),
            validation_more: self.validation_more.or(other.validation_more),
            image: self.image.or(other.image),
            clutter: self.clutter.or(other.clutter),
            clutter_others: self.clutter_others.or(other.clutter_others),
            channels: self.channels.or(other.channels),
            cells: self.cells.or(other.cells),
            epochs: self.epochs.or(other.epochs),
            batch: self.batch.or(other.batch),
            rate: self.rate.or(other.rate),
            steps: self.steps.or(other.steps),
            warm_up_epochs: self.warm_up_epochs.or(other.warm_up_epochs),
            crop: self.crop.or(other.crop),
            flip: self.flip.or(other.flip),
            label_smoothing: self.label_smoothing.or(other.label_smoothing),
            curve: self.curve.or(other.curve),
            store: self.store.or(other.store),
        }
    }
}

fn steps(text: &str) -> Result<Steps, String> {
    match text {
        "epoch" => Ok(Steps::Epoch),
        "batch" => Ok(Steps::Batch),
        _ => Err("expected `epoch` or `batch`".into()),
    }
}

/// All that decides what a training comes to, beside the architecture and the seed: the key of the store.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fidelity {
    channels: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cells: Option<u64>,
    classes: usize,
    /// Channels and side of the images.
    image: [usize; 2],
    train: usize,
    validation: usize,
    test: usize,
    /// Digest of all pixels and labels.
    images_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    curve: Option<usize>,
    #[serde(flatten)]
    recipe: Recipe,
}

/// Training, validation and test images.
struct Sets {
    train: Images,
    validation: Option<Images>,
    test: Images,
}

/// A training that any architecture of a space can be put through.
pub(crate) struct Bench {
    space: Space,
    sets: Sets,
    around: Around,
    fidelity: Fidelity,
    seed: Seed,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("fidelity", &self.fidelity).field("seed", &self.seed).finish()
    }
}

impl Bench {
    /// Reads the images.
    pub(crate) fn new(space: Space, args: &Flags, seed: Seed) -> Result<Self, Failure> {
        Self::reduced(space, args, None, seed)
    }

    /// The same from a reduced setting, which flags win over.
    pub(crate) fn reduced(
        space: Space,
        args: &Flags,
        setting: Option<Reduced>,
        seed: Seed,
    ) -> Result<Self, Failure> {
        let Sizes { reduced: (channels, cells), .. } = space.sizes(args.cells).or_input()?;
        let sets = sets(args, setting, seed)?;
        let [colours, side, _] = sets.train.shape();
        let classes = sets.train.classes();
        let start = setting.map_or_else(
            || Recipe { batch: 64, rate: 0.05, crop: side / 8, ..Recipe::nas_bench_201(5) },
            Reduced::recipe,
        );
        let recipe = Recipe {
            epochs: args.epochs.unwrap_or(start.epochs),
            batch: args.batch.unwrap_or(start.batch),
            rate: args.rate.unwrap_or(start.rate),
            steps: args.steps.unwrap_or(start.steps),
            warm_up: args.warm_up_epochs.unwrap_or(start.warm_up),
            crop: args.crop.unwrap_or(start.crop),
            flip: args.flip.unwrap_or(start.flip),
            label_smoothing: args.label_smoothing.unwrap_or(start.label_smoothing),
            // where the length is asked for, nothing is read before its end
            stop: start.stop.filter(|_| args.epochs.is_none()),
            ..start
        };
        let around = Around {
            channels: args.channels.unwrap_or(setting.map_or(channels, Reduced::channels)),
            cells: args.cells.or(if setting.is_some() { cells.map(|_| 5) } else { cells }),
            classes: classes as u64,
            image: side as u64,
            colours,
            style: CellStyle::trained(),
        };
        let fidelity = Fidelity {
            channels: around.channels,
            cells: around.cells,
            classes,
            image: [colours, side],
            train: sets.train.len(),
            validation: sets.validation.as_ref().map_or(0, Images::len),
            test: sets.test.len(),
            images_sha256: digest(&sets),
            curve: args.curve.filter(|times| *times > 1),
            recipe,
        };
        Ok(Self { space, sets, around, fidelity, seed })
    }

    /// What is wrong with a setting is said before anything is written.
    pub(crate) fn check(&self, arch: &str) -> Result<(), Failure> {
        let network = self.space.network(arch, &self.around).or_input()?;
        let statistics = self.sets.train.statistics();
        cellnet::Trainer::new(network, self.fidelity.recipe, statistics, self.seed).or_input()?;
        Ok(())
    }

    pub(crate) fn fidelity(&self) -> &Fidelity {
        &self.fidelity
    }

    /// Whether there are images to choose by.
    pub(crate) fn validates(&self) -> bool {
        self.sets.validation.is_some()
    }

    /// The training of these architectures.
    pub(crate) fn job<'a>(&'a self, archs: &'a [String]) -> Result<Job<'a>, Failure> {
        Ok(Job {
            space: self.space,
            fidelity: serde_json::to_string(&self.fidelity).or_failed()?,
            archs,
            around: &self.around,
            recipe: self.fidelity.recipe,
            curve: self.fidelity.curve.unwrap_or(1),
            train: &self.sets.train,
            validation: self.sets.validation.as_ref(),
            test: &self.sets.test,
            seed: self.seed,
        })
    }
}

fn sets(args: &Flags, setting: Option<Reduced>, seed: Seed) -> Result<Sets, Failure> {
    let side = args.image.or(setting.map(Reduced::image));
    let (mut train, mut test, side) = match (&args.images, &args.test_images) {
        (None, None) => {
            let (train, test) = images::fashion_mnist().or_failed()?;
            (train, test, Some(side.unwrap_or(16)))
        }
        (Some(images), test) if test.is_some() || !images.is_file() => {
            let test = test.as_ref().unwrap_or(images);
            (read_part(images, Part::Training).or_input()?, read_part(test, Part::Test).or_input()?, side)
        }
        _ => {
            return Err(anyhow!(
                "--images and --test-images belong together: name both, a folder that has both as --images, or none"
            ))
            .or_input();
        }
    };
    let clutter = args.clutter.filter(|copies| *copies > 0);
    if args.clutter_others.is_some() && clutter.is_none() {
        return Err(anyhow!("--clutter-others says how many pictures --clutter makes: name both or none"))
            .or_input();
    }
    // trainings of several seeds on pictures are compared, so these are the same
    let (seed, pictured) = (if clutter.is_some() { Seed(0) } else { seed }, Seed(0).derive("clutter"));
    let more;
    (train, more) = taken(train, args, seed)?;
    if let Some(count) = args.test_part {
        test = test.take(count, seed.derive("test images")).context("--test-part").or_input()?;
    }
    let mut validation = None;
    let held = args.validation.unwrap_or(train.len() / 5);
    if held > 0 {
        let seed = if clutter.is_some() { pictured.derive("held") } else { seed.derive("validation") };
        let (held, rest) = train.split(held, seed).context("--validation").or_input()?;
        (train, validation) = (rest, Some(held));
    }
    if let Some(more) = more {
        let both: Vec<Images> = validation.into_iter().chain([more]).collect();
        validation = Some(Images::join(&both).or_failed()?);
    }
    let others = args.clutter_others.unwrap_or(4);
    let shown = |images: Images, copies: usize, name: &str, flag: &'static str| -> Result<Images, Failure> {
        let images = match clutter {
            Some(_) => images.cluttered(Clutter::standard(copies), pictured.derive(name)),
            None => Ok(images),
        };
        let images = images.context(flag).or_input()?;
        match side {
            Some(side) => images.resize(side, side).context("--image").or_input(),
            None => Ok(images),
        }
    };
    let train = shown(train, clutter.unwrap_or(1), "train", "--clutter")?;
    let validation = validation.map(|held| shown(held, others, "validation", "--clutter-others"));
    let (validation, test) = (validation.transpose()?, shown(test, others, "test", "--clutter-others")?);
    if train.shape() != test.shape() || train.classes() != test.classes() {
        let (a, b) = (train.shape(), test.shape());
        return Err(anyhow!(
            "training images are {a:?} of {} classes, test images {b:?} of {} (channels, height, width)",
            train.classes(),
            test.classes()
        ))
        .or_input();
    }
    if train.shape()[1] != train.shape()[2] {
        return Err(anyhow!("images are {:?}; square ones are needed: use --image", train.shape()))
            .or_input();
    }
    Ok(Sets { train, validation, test })
}

/// The images of --train-images, and others of those that it leaves, to validate on as well.
fn taken(train: Images, args: &Flags, seed: Seed) -> Result<(Images, Option<Images>), Failure> {
    let seed = seed.derive("images");
    match (args.train_images, args.validation_more.filter(|count| *count > 0)) {
        (None, None) => Ok((train, None)),
        (Some(count), None) => Ok((train.take(count, seed).context("--train-images").or_input()?, None)),
        (None, Some(_)) => {
            Err(anyhow!("--validation-more takes from what --train-images leaves: name both")).or_input()
        }
        (Some(count), Some(more)) => {
            let (train, rest) = train.split(count, seed).context("--train-images").or_input()?;
            let more = rest.take(more, seed.derive("more")).context("--validation-more").or_input()?;
            Ok((train, Some(more)))
        }
    }
}

fn digest(sets: &Sets) -> String {
    let mut hash = Sha256::new();
    for images in [Some(&sets.train), sets.validation.as_ref(), Some(&sets.test)].into_iter().flatten() {
        hash.update(images.pixels());
        hash.update(images.labels());
    }
    tables::hex(hash.finalize().as_slice())
}
