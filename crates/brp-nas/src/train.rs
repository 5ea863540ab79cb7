//! `brp-nas train`.

mod work;

use crate::choice::Choice;
use crate::failure::{Failure, OrFail};
use crate::options::{Common, read_config};
use crate::output::{self, Show, grid, number};
use crate::record::Record;
use crate::registry::Space;
use crate::units;
use anyhow::{Context, anyhow};
use cellnet::Recipe;
use images::Images;
use nas_core::Seed;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use spaces::nas_bench_201::Skeleton;
use std::path::{Path, PathBuf};
use work::{Job, Trained};

/// Flags of `train`; each is also a key of the `--config` file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Args {
    /// The search space [default: nas-bench-201].
    #[arg(long)]
    space: Option<Space>,
    #[command(flatten)]
    #[serde(flatten)]
    choice: Choice,
    /// Training images: a CIFAR or IDX file [default: the Fashion-MNIST images that come with the program].
    #[arg(long)]
    images: Option<PathBuf>,
    /// Test images, of the same kind.
    #[arg(long)]
    test_images: Option<PathBuf>,
    /// Train on so many of the images, every class alike [default: all].
    #[arg(long)]
    train_images: Option<usize>,
    /// Hold back so many of the training images for validation [default: a fifth].
    #[arg(long)]
    validation: Option<usize>,
    /// Side to which images are reduced; a multiple of 4 [default: 16 for the images that come with the program, else
    /// their own].
    #[arg(long)]
    image: Option<usize>,
    /// Channels of the first stage [default: 8].
    #[arg(long)]
    channels: Option<u64>,
    /// Cells a stage [default: 1].
    #[arg(long)]
    cells: Option<u64>,
    /// Epochs [default: 5].
    #[arg(long)]
    epochs: Option<usize>,
    /// Images a step [default: 64].
    #[arg(long)]
    batch: Option<usize>,
    /// The learning rate of the first epoch [default: 0.05].
    #[arg(long)]
    rate: Option<f64>,
    /// Pixels by which images are shifted at random [default: an eighth of their side].
    #[arg(long)]
    crop: Option<usize>,
    /// Whether images are flipped at random [default: true].
    #[arg(long)]
    flip: Option<bool>,
    /// Share of the target that is spread over all classes [default: 0].
    #[arg(long)]
    label_smoothing: Option<f64>,
    /// The run store: what is in it is not trained again [default: store.sqlite in the run folder].
    #[arg(long)]
    store: Option<PathBuf>,
    /// TOML file with the same options; flags win.
    #[arg(long)]
    #[serde(skip)]
    config: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    common: Common,
}

impl Args {
    fn or(self, other: Self) -> Self {
        Self {
            space: self.space.or(other.space),
            choice: self.choice.or(other.choice),
            images: self.images.or(other.images),
            test_images: self.test_images.or(other.test_images),
            train_images: self.train_images.or(other.train_images),
            validation: self.validation.or(other.validation),
            image: self.image.or(other.image),
            channels: self.channels.or(other.channels),
            cells: self.cells.or(other.cells),
            epochs: self.epochs.or(other.epochs),
            batch: self.batch.or(other.batch),
            rate: self.rate.or(other.rate),
            crop: self.crop.or(other.crop),
            flip: self.flip.or(other.flip),
            label_smoothing: self.label_smoothing.or(other.label_smoothing),
            store: self.store.or(other.store),
            config: self.config,
            common: self.common.or(other.common),
        }
    }
}

/// All that decides what a training comes to, beside the architecture and the seed: the key of the store.
#[derive(Debug, Clone, Serialize)]
struct Fidelity {
    channels: u64,
    cells: u64,
    classes: usize,
    /// Channels and side of the images.
    image: [usize; 2],
    train: usize,
    validation: usize,
    test: usize,
    /// Digest of all pixels and labels.
    images_sha256: String,
    #[serde(flatten)]
    recipe: Recipe,
}

/// What the record says of a run: the setting, and the flags as they were given.
#[derive(Debug, Serialize)]
struct Recorded<'a> {
    fidelity: &'a Fidelity,
    flags: &'a Args,
}

/// The result.
#[derive(Debug, Serialize)]
struct Report {
    space: Space,
    seed: u64,
    trained: Vec<Trained>,
    /// How many of them were already in the store.
    found: usize,
    wall_s: f64,
}

/// Training, validation and test images.
struct Sets {
    train: Images,
    validation: Option<Images>,
    test: Images,
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let args = {
        let config = read_config(args.config.as_deref())?;
        args.or(config)
    };
    let seed = Seed(args.common.seed());
    let started = std::time::Instant::now();
    let space = args.space.unwrap_or_default();
    let threads = args.common.cores()?;
    let cells = args.choice.cells(space.cells().or_input()?, seed)?;
    let sets = sets(&args, seed)?;
    let [channels, side, _] = sets.train.shape();
    let classes = sets.train.classes();
    let recipe = Recipe {
        batch: args.batch.unwrap_or(64),
        rate: args.rate.unwrap_or(0.05),
        crop: args.crop.unwrap_or(side / 8),
        flip: args.flip.unwrap_or(true),
        label_smoothing: args.label_smoothing.unwrap_or(0.0),
        ..Recipe::nas_bench_201(args.epochs.unwrap_or(5))
    };
    let skeleton = Skeleton {
        channels: args.channels.unwrap_or(8),
        cells: args.cells.unwrap_or(1),
        classes: classes as u64,
        image: side as u64,
    };
    let fidelity = Fidelity {
        channels: skeleton.channels,
        cells: skeleton.cells,
        classes,
        image: [channels, side],
        train: sets.train.len(),
        validation: sets.validation.as_ref().map_or(0, Images::len),
        test: sets.test.len(),
        images_sha256: digest(&sets),
        recipe,
    };
    // what is wrong with a setting is said before anything is written
    let network = |cell| cellnet::nas_bench_201(cell, &skeleton, channels, cellnet::CellStyle::trained());
    let first = network(&cells[0]).or_input()?;
    cellnet::Trainer::new(first, recipe, sets.train.statistics(), seed).or_input()?;

    let recorded = Recorded { fidelity: &fidelity, flags: &args };
    let record = Record::start("train", args.common.out.as_deref(), seed.0, &recorded, &[])?;
    let file = args.store.clone().unwrap_or_else(|| record.folder().join("store.sqlite"));
    let job = Job {
        space: space.name().into(),
        fidelity: serde_json::to_string(&fidelity).or_failed()?,
        cells: &cells,
        skeleton,
        recipe,
        train: &sets.train,
        validation: sets.validation.as_ref(),
        test: &sets.test,
        seed,
    };
    let (trained, found) = units::complete(&job, &file, threads)?;
    let report = Report { space, seed: seed.0, trained, found, wall_s: started.elapsed().as_secs_f64() };
    record.write("result.json", &report)?;
    output::print(&report, args.common.format())
}

fn sets(args: &Args, seed: Seed) -> Result<Sets, Failure> {
    let read = |file: &Path| images::read(file).or_input();
    let (mut train, mut test, side) = match (&args.images, &args.test_images) {
        (None, None) => {
            let (train, test) = images::fashion_mnist().or_failed()?;
            (train, test, Some(args.image.unwrap_or(16)))
        }
        (Some(train), Some(test)) => (read(train)?, read(test)?, args.image),
        _ => return Err(anyhow!("--images and --test-images belong together: name both or none")).or_input(),
    };
    if let Some(count) = args.train_images {
        train = train.take(count, seed.derive("images")).context("--train-images").or_input()?;
    }
    if let Some(side) = side {
        train = train.resize(side, side).context("--image").or_input()?;
        test = test.resize(side, side).context("--image").or_input()?;
    }
    if train.shape() != test.shape() || train.classes() != test.classes() {
        let (a, b) = (train.shape(), test.shape());
        return Err(anyhow!("training images are {a:?}, test images {b:?} (channels, height, width)"))
            .or_input();
    }
    if train.shape()[1] != train.shape()[2] {
        return Err(anyhow!("images are {:?}; square ones are needed: use --image", train.shape()))
            .or_input();
    }
    let held = args.validation.unwrap_or(train.len() / 5);
    if held == 0 {
        return Ok(Sets { train, validation: None, test });
    }
    let (validation, train) =
        train.split(held, seed.derive("validation")).context("--validation").or_input()?;
    Ok(Sets { train, validation: Some(validation), test })
}

fn digest(sets: &Sets) -> String {
    let mut hash = Sha256::new();
    for images in [Some(&sets.train), sets.validation.as_ref(), Some(&sets.test)].into_iter().flatten() {
        hash.update(images.pixels());
        hash.update(images.labels());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Show for Report {
    fn table(&self) -> String {
        let rows = self.trained.iter().map(|row| {
            let seconds = number(row.seconds, 1);
            let said = row.reason.clone().unwrap_or_default();
            vec![
                row.arch.clone(),
                number(row.valid, 2),
                number(row.test, 2),
                row.epochs.to_string(),
                seconds,
                said,
            ]
        });
        let Self { trained, found, wall_s, .. } = self;
        format!(
            "{}{} trained, {found} of them found in the store, {wall_s:.1} s\n",
            grid(&["architecture", "valid %", "test %", "epochs", "seconds", ""], rows),
            trained.len()
        )
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["arch", "valid", "test", "epochs", "seconds", "reason"].map(String::from).to_vec();
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let row = |row: &Trained| {
            let (valid, test, seconds) = (text(row.valid), text(row.test), text(row.seconds));
            let reason = row.reason.clone().unwrap_or_default();
            vec![row.arch.clone(), valid, test, row.epochs.to_string(), seconds, reason]
        };
        (header, self.trained.iter().map(row).collect())
    }
}
