//! `brp-nas score`.

mod report;
mod work;

use crate::choice::Choice;
use crate::columns::{self, Told};
use crate::compare::compare;
use crate::elsewhere::Visit;
use crate::failure::{Failure, OrFail};
use crate::named_scores::{Proxies, as_features};
use crate::options::{Common, check_used, read_config};
use crate::output;
use crate::predictable::Predictable;
use crate::record::Record;
use crate::registry::{Space, on_space};
use crate::scored::{Around, Sizes};
use crate::units;
use anyhow::{Context, anyhow};
use candle_core::{DType, Device, Tensor};
use cellnet::CellStyle;
use clap::ValueEnum;
use nas_core::Seed;
use proxies::{Batch, Proxy};
use rand_distr::{Distribution, StandardNormal};
use report::{Known, Report};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tables::{TableRef, hex};
use work::{Job, Kept};

/// Flags of `score`; each is also a key of the `--config` file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Args {
    /// The search space [default: nas-bench-201].
    #[arg(long)]
    space: Option<Space>,
    #[command(flatten)]
    #[serde(flatten)]
    choice: Choice,
    /// Proxies, separated by commas, or `all` [default: all].
    #[arg(long, value_delimiter = ',')]
    proxies: Option<Vec<String>>,
    /// What they are scored on: a file of CIFAR, ImageNet16 (of which ImageNet16-120 is taken) or IDX, the training
    /// images of a folder of such a data set, or `random` [default: the Fashion-MNIST images that come with the program].
    #[arg(long)]
    images: Option<Source>,
    /// Side to which images are reduced; a multiple of 4 [default: their own; 32 for random ones].
    #[arg(long)]
    image: Option<usize>,
    /// Images in the batch [default: 64].
    #[arg(long)]
    batch: Option<usize>,
    /// Channels of the first stage, or of the stem of a chain [default: as published; 16 for nas-bench-201].
    #[arg(long)]
    channels: Option<u64>,
    /// Cells a stage, for darts in all; chains have none [default: as published; 5 for nas-bench-201].
    #[arg(long)]
    cells: Option<u64>,
    /// Classes of the network [default: those of the images].
    #[arg(long)]
    classes: Option<usize>,
    /// How convolutions of the cells are made, for nas-bench-201 [default: scored].
    #[arg(long)]
    style: Option<Style>,
    /// The type of all numbers [default: f32].
    #[arg(long)]
    dtype: Option<Precision>,
    /// Weights by PyTorch's names, as safetensors [default: drawn from the seed].
    #[arg(long)]
    weights: Option<PathBuf>,
    /// The batch as it is, as safetensors with `input` and `labels`; instead of --images.
    #[arg(long)]
    inputs: Option<PathBuf>,
    /// What the scores are compared with, FILE:COLUMN: an accuracy.
    #[arg(long)]
    table: Option<TableRef>,
    /// Nothing is computed: scores that come with the program, or FILE:COLUMN, several separated by commas, are compared
    /// with --table over all that it has. A name alone is the column of the file before it, where that has one.
    #[arg(long, value_parser = as_features)]
    scores: Option<Proxies>,
    /// The run store: what is in it is not scored again [default: store.sqlite in the run folder].
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
            proxies: self.proxies.or(other.proxies),
            images: self.images.or(other.images),
            image: self.image.or(other.image),
            batch: self.batch.or(other.batch),
            channels: self.channels.or(other.channels),
            cells: self.cells.or(other.cells),
            classes: self.classes.or(other.classes),
            style: self.style.or(other.style),
            dtype: self.dtype.or(other.dtype),
            weights: self.weights.or(other.weights),
            inputs: self.inputs.or(other.inputs),
            table: self.table.or(other.table),
            scores: self.scores.or(other.scores),
            store: self.store.or(other.store),
            config: self.config,
            common: self.common.or(other.common),
        }
    }
}

/// Where images come from.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub(crate) enum Source {
    /// Normal noise with labels that take turns.
    Random,
    /// A file, or the folder of a data set.
    File(PathBuf),
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        if text == "random" { Self::Random } else { Self::File(text.into()) }
    }
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.to_owned().into())
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        match source {
            Source::Random => "random".into(),
            Source::File(file) => file.display().to_string(),
        }
    }
}

/// How convolutions of the cells are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Style {
    /// With biases and batch norms without weights, as Zero-Cost NAS scored them.
    Scored,
    /// Without biases, with batch norms that have weights, as NAS-Bench-201 trained them.
    Trained,
}

/// A type of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Precision {
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

/// All that decides what a score comes to, beside architecture, proxy and seed: the key of the store.
#[derive(Debug, Clone, Serialize)]
struct Fidelity {
    channels: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cells: Option<u64>,
    classes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<Style>,
    dtype: Precision,
    batch: Vec<usize>,
    /// Digest of images and labels.
    batch_sha256: String,
    /// Digest of the weights, where they are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights_sha256: Option<String>,
}

/// What the record says of a run: the setting, and the flags as they were given.
#[derive(Debug, Serialize)]
struct Recorded<'a> {
    fidelity: &'a Fidelity,
    flags: &'a Args,
}

impl Args {
    /// With what the configuration file says.
    pub(crate) fn whole(self) -> Result<Self, Failure> {
        let config = read_config(self.config.as_deref())?;
        Ok(self.or(config))
    }

    pub(crate) fn store(&self) -> Option<&Path> {
        self.store.as_deref()
    }

    /// Refuses flags of the command line about how scores are made, where they are looked up.
    fn check_nothing_computed(&self) -> Result<(), Failure> {
        let computed = [
            ("--images", self.images.is_some()),
            ("--image", self.image.is_some()),
            ("--batch", self.batch.is_some()),
            ("--channels", self.channels.is_some()),
            ("--cells", self.cells.is_some()),
            ("--classes", self.classes.is_some()),
            ("--style", self.style.is_some()),
            ("--dtype", self.dtype.is_some()),
            ("--weights", self.weights.is_some()),
            ("--inputs", self.inputs.is_some()),
            ("--store", self.store.is_some()),
        ];
        check_used(
            &computed.map(|(flag, given)| (flag, given, false, "scores that are computed, without --scores")),
        )
    }
}

/// The architectures that are named, as text.
pub(crate) fn items(args: &Args) -> Result<Vec<String>, Failure> {
    args.choice.texts(args.space.unwrap_or_default(), Seed(args.common.seed()))
}

/// Shows the scoring of these architectures.
pub(crate) fn on<V: Visit>(args: &Args, items: &[String], visit: V) -> Result<V::Out, Failure> {
    if args.scores.is_some() {
        return Err(anyhow!("--scores are there already: nothing of it can be handed over")).or_input();
    }
    let proxies = chosen(args.proxies.as_deref())?;
    let scoring = Scoring::new(args.space.unwrap_or_default(), args)?;
    let job = scoring.job(items, &proxies);
    if !items.is_empty() {
        job.check()?;
    }
    visit.visit(&job)
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let given = args.clone();
    let args = args.whole()?;
    let name = args.space.unwrap_or_default();
    if let Some(scores) = &args.scores {
        given.check_nothing_computed()?;
        return on_space!(name, space => of_tables(name, space, &args, scores));
    }
    if args.inputs.is_some() {
        let whose = "images that are read or drawn, without --inputs";
        check_used(&[
            ("--batch", given.batch.is_some(), false, whose),
            ("--image", given.image.is_some(), false, whose),
        ])?;
    }
    computed(name, &args)
}

/// Scores that are worked out.
fn computed(space: Space, args: &Args) -> Result<(), Failure> {
    let seed = Seed(args.common.seed());
    let started = std::time::Instant::now();
    let threads = args.common.cores()?;
    let proxies = chosen(args.proxies.as_deref())?;
    let archs = items(args)?;
    let truth = Told::of(space, &archs, args.table.as_ref())?;
    let scoring = Scoring::new(space, args)?;
    let job = scoring.job(&archs, &proxies);
    // what is wrong with a setting is said before anything is written
    job.check()?;
    let recorded = Recorded { fidelity: &scoring.fidelity, flags: args };
    let record = Record::start("score", args.common.out.as_deref(), seed.0, &recorded, &truth.provenance)?;
    eprintln!("{} to score; the record is in {}", archs.len(), record.folder().display());
    let file = args.store.clone().unwrap_or_else(|| record.folder().join("store.sqlite"));
    let (rows, found) = record.or_undo(units::complete(&job, &file, threads))?;
    let compared = truth.values.as_ref().map(|truth| {
        let known: Vec<(usize, f64)> =
            truth.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?))).collect();
        let values: Vec<f64> = known.iter().map(|(_, value)| *value).collect();
        let column = |at: usize| known.iter().map(|(row, _)| rows[*row].scores[at].order()).collect();
        let scores: Vec<(&str, Vec<f64>)> =
            proxies.iter().enumerate().map(|(at, proxy)| (proxy.name(), column(at))).collect();
        compare(&scores, &values, seed)
    });
    let report = Report::new(space, seed.0, &proxies, rows, found, compared, started.elapsed().as_secs_f64());
    record.write("result.json", &report)?;
    output::print(&report, args.common.format())?;
    match report.nothing() {
        Some(reason) => Err(anyhow!("no architecture has a score, the first for: {reason}")).or_failed(),
        None => Ok(()),
    }
}

/// Scores that are there already, against a column.
fn of_tables<S: Predictable>(name: Space, space: &S, args: &Args, scores: &Proxies) -> Result<(), Failure> {
    let seed = Seed(args.common.seed());
    let table =
        args.table.as_ref().context("--scores are compared with a column: name it with --table FILE:COLUMN");
    let table = table.or_input()?;
    if args.proxies.is_some() || args.choice != Choice::default() {
        let advice = "leave out --proxies and what names architectures: all of the table are looked at";
        return Err(anyhow!("--scores are there already, and not computed: {advice}")).or_input();
    }
    scores.check(space).or_input()?;
    let truth = columns::read_rows(space, table)?;
    let (archs, values) = (truth.labelled().archs(), truth.labelled().values());
    let columns = scores.tables().map(|table| columns::read_for(space, table, archs));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let names = scores.names();
    let held = scores.looked_up(space, &columns, archs).into_iter();
    let held = held.map(|column| column.into_iter().map(|score| score.unwrap_or(f64::NAN)).collect());
    let named: Vec<(&str, Vec<f64>)> = names.iter().map(String::as_str).zip(held).collect();
    let inputs: Vec<serde_json::Value> = columns
        .iter()
        .chain([&truth])
        .map(|column| serde_json::to_value(column.provenance()))
        .collect::<Result<_, _>>()
        .or_failed()?;
    let record = Record::start("score", args.common.out.as_deref(), seed.0, args, &inputs)?;
    let found = Known {
        space: name,
        seed: seed.0,
        column: table.column.clone(),
        compared: compare(&named, values, seed),
    };
    record.write("result.json", &found)?;
    output::print(&found, args.common.format())
}

/// Everything that scores are made in, but for architectures and proxies.
#[derive(Debug)]
pub(crate) struct Scoring {
    space: Space,
    fidelity: Fidelity,
    around: Around,
    dtype: DType,
    weights: Option<Vec<u8>>,
    batch: Batch,
    seed: Seed,
}

impl Scoring {
    fn new(space: Space, args: &Args) -> Result<Self, Failure> {
        let Sizes { published: (channels, cells), styled, .. } = space.sizes(args.cells).or_input()?;
        let seed = Seed(args.common.seed());
        let precision = args.dtype.unwrap_or(Precision::F32);
        let dtype = match precision {
            Precision::F32 => DType::F32,
            Precision::F64 => DType::F64,
        };
        let (batch, classes) = batch(args, seed, dtype)?;
        let [_, colours, side, _] = batch.images().dims4().map(<[usize; 4]>::from).or_failed()?;
        let style = args.style.unwrap_or(Style::Scored);
        if args.style.is_some() && !styled {
            return Err(anyhow!("--style says nothing of {}: leave it out", space.name())).or_input();
        }
        let weights = match &args.weights {
            Some(file) => {
                let read = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
                Some(read.or_input()?)
            }
            None => None,
        };
        let around = Around {
            channels: args.channels.unwrap_or(channels),
            cells: args.cells.or(cells),
            classes: classes as u64,
            image: side as u64,
            colours,
            style: match style {
                Style::Scored => CellStyle::scored(),
                Style::Trained => CellStyle::trained(),
            },
        };
        let fidelity = Fidelity {
            channels: around.channels,
            cells: around.cells,
            classes: around.classes,
            style: styled.then_some(style),
            dtype: precision,
            batch: batch.images().dims().to_vec(),
            batch_sha256: digest(&batch)?,
            weights_sha256: weights.as_ref().map(|bytes| hex(Sha256::digest(bytes).as_slice())),
        };
        Ok(Self { space, fidelity, around, dtype, weights, batch, seed })
    }

    /// The defaults of `score` on these images.
    pub(crate) fn on(space: Space, images: Option<Source>, seed: u64) -> Result<Self, Failure> {
        let common = Common { seed: Some(seed), ..Common::default() };
        Self::new(space, &Args { images, common, ..Args::default() })
    }

    /// All that decides what a score comes to, beside architecture, proxy and seed.
    pub(crate) fn text(&self) -> String {
        // a struct of numbers and names always has a text
        serde_json::to_string(&self.fidelity).unwrap_or_default()
    }

    fn job<'a>(&'a self, archs: &'a [String], proxies: &'a [&'static dyn Proxy]) -> Job<'a> {
        Job {
            space: self.space,
            fidelity: self.text(),
            archs,
            proxies,
            around: &self.around,
            dtype: self.dtype,
            weights: self.weights.as_deref(),
            batch: &self.batch,
            seed: self.seed,
        }
    }

    /// What would be wrong with every architecture, this one among them.
    pub(crate) fn check(&self, arch: &str, proxies: &[&'static dyn Proxy]) -> Result<(), Failure> {
        self.job(&[arch.to_owned()], proxies).check()
    }

    /// What architectures are ordered by, a list an architecture, NaN where there is nothing; what the store has is
    /// not scored again.
    pub(crate) fn scores(
        &self,
        archs: &[String],
        proxies: &[&'static dyn Proxy],
        store: &Path,
        threads: usize,
    ) -> Result<Vec<Vec<f64>>, Failure> {
        if archs.is_empty() {
            return Ok(Vec::new());
        }
        let job = self.job(archs, proxies);
        job.check()?;
        let (rows, _) = units::complete(&job, store, threads)?;
        Ok(rows.into_iter().map(|row| row.scores.iter().map(Kept::order).collect()).collect())
    }
}

/// The proxies by name, each once.
fn chosen(names: Option<&[String]>) -> Result<Vec<&'static dyn Proxy>, Failure> {
    let all = || proxies::ALL.to_vec();
    let Some(names) = names else { return Ok(all()) };
    let mut chosen: Vec<&'static dyn Proxy> = Vec::new();
    for name in names {
        let more = if name == "all" { all() } else { vec![proxies::by_name(name.trim()).or_input()?] };
        for proxy in more {
            if !chosen.iter().any(|known| known.name() == proxy.name()) {
                chosen.push(proxy);
            }
        }
    }
    Ok(chosen)
}

/// The batch, and how many classes the network has.
fn batch(args: &Args, seed: Seed, dtype: DType) -> Result<(Batch, usize), Failure> {
    let count = args.batch.unwrap_or(64);
    if count == 0 {
        return Err(anyhow!("--batch is 0; at least one image is needed")).or_input();
    }
    let (images, labels, classes) = if let Some(file) = &args.inputs {
        if args.images.is_some() {
            return Err(anyhow!("--inputs and --images exclude each other")).or_input();
        }
        given(file)?
    } else if matches!(args.images, Some(Source::Random)) {
        let side = args.image.unwrap_or(32);
        let classes = args.classes.unwrap_or(10).max(1);
        let mut rng = seed.stream("random images");
        let pixels: Vec<f64> = StandardNormal.sample_iter(&mut rng).take(count * 3 * side * side).collect();
        let images = Tensor::from_vec(pixels, (count, 3, side, side), &Device::Cpu);
        let labels = (0..count).map(|image| (image % classes) as u32).collect();
        (images.or_failed()?, labels, classes)
    } else {
        real(args, count, seed)?
    };
    let classes = args.classes.unwrap_or(classes);
    let images = images.to_dtype(dtype).or_failed()?;
    let batch = Batch::new(images, labels).or_input()?;
    let [_, _, height, width] = batch.images().dims4().map(<[usize; 4]>::from).or_failed()?;
    if height != width {
        return Err(anyhow!("images are {height} x {width}; square ones are needed: use --image")).or_input();
    }
    Ok((batch, classes))
}

/// Images of a file or folder, of every class alike, normalised by all of its images.
fn real(args: &Args, count: usize, seed: Seed) -> Result<(Tensor, Vec<u32>, usize), Failure> {
    let mut images = match &args.images {
        Some(Source::File(path)) => images::read_part(path, images::Part::Training).or_input()?,
        _ => images::fashion_mnist().or_failed()?.0,
    };
    if let Some(side) = args.image {
        images = images.resize(side, side).context("--image").or_input()?;
    }
    let by = images.statistics();
    let part = images.take(count, seed.derive("batch")).context("--batch").or_input()?;
    let rows: Vec<usize> = (0..part.len()).collect();
    let [channels, height, width] = part.shape();
    let pixels = part.batch(&rows, &by).or_input()?;
    let tensor = Tensor::from_vec(pixels, (part.len(), channels, height, width), &Device::Cpu).or_failed()?;
    Ok((tensor, part.labels().iter().map(|&label| label.into()).collect(), images.classes()))
}

/// `input` and `labels` of a safetensors file.
fn given(file: &PathBuf) -> Result<(Tensor, Vec<u32>, usize), Failure> {
    let place = || file.display().to_string();
    let held = candle_core::safetensors::load(file, &Device::Cpu).with_context(place).or_input()?;
    let tensor = |name: &str| {
        held.get(name).cloned().ok_or_else(|| anyhow!("{}: expected a tensor `{name}`", place())).or_input()
    };
    let (images, labels) = (tensor("input")?, tensor("labels")?);
    let labels = labels.to_dtype(DType::I64).and_then(|labels| labels.to_vec1::<i64>());
    let labels = labels.with_context(|| format!("{}: `labels`", place())).or_input()?;
    let label = |&label: &i64| u32::try_from(label).map_err(|_| anyhow!("{}: a label {label}", place()));
    let labels = labels.iter().map(label).collect::<Result<Vec<u32>, _>>().or_input()?;
    let classes = labels.iter().max().map_or(1, |&most| most as usize + 1).max(10);
    Ok((images, labels, classes))
}

fn digest(batch: &Batch) -> Result<String, Failure> {
    let numbers =
        batch.images().to_dtype(DType::F64).and_then(|t| t.flatten_all()?.to_vec1::<f64>()).or_failed()?;
    let mut hash = Sha256::new();
    numbers.iter().for_each(|number| hash.update(number.to_le_bytes()));
    batch.labels().iter().for_each(|label| hash.update(label.to_le_bytes()));
    Ok(hex(hash.finalize().as_slice()))
}
