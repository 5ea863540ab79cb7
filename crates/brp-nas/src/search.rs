//! `brp-nas search`.

mod report;

use crate::failure::{Failure, OrFail};
use crate::host::Stopwatch;
use crate::options::{Common, read_config};
use crate::output;
use crate::progress::Progress;
use crate::record::{Record, TrialLines};
use crate::registry::{CellEncoding, EncodingName, Setting, Space, descriptors, multiply_adds};
use anyhow::{Context, anyhow};
use clap::ValueEnum;
use gcn::Training;
use nas_core::{Evaluation, FitFrom, Labelled, Objective, Observe, Rank, Seed, Trial, stats};
use predictors::{
    BinaryRelation, Committee, FittedRegressor, GcnRegressor, PredictError, RegressorSettings,
    RelationSettings, Ridge, Transferred,
};
use rand::seq::SliceRandom;
use report::{Found, Report};
use search::{BrpNas, InOrder, SearchError, Selection, run, summarise, within_limit};
use serde::{Deserialize, Serialize};
use spaces::nas_bench_201::Cell;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use tables::{Column, TableRef};

/// A strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Algorithm {
    /// BRP-NAS: the binary relation predictor with iterative data selection, then training by rank.
    Brp,
    /// The same with a graph network that predicts the accuracy.
    Predictor,
    /// Random search, the baseline.
    Random,
}

/// What a predictor is pre-trained on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Source {
    /// Nothing.
    None,
    /// Multiply-adds.
    Flops,
    /// A column of a table.
    Table(TableRef),
}

impl FromStr for Source {
    type Err = tables::TableError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "none" => Self::None,
            "flops" => Self::Flops,
            other => Self::Table(other.parse()?),
        })
    }
}

impl TryFrom<String> for Source {
    type Error = tables::TableError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        match source {
            Source::None => "none".into(),
            Source::Flops => "flops".into(),
            Source::Table(table) => table.to_string(),
        }
    }
}

/// Flags of `search`; each is also a key of the `--config` file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Args {
    /// The search space [default: nas-bench-201].
    #[arg(long)]
    space: Option<Space>,
    /// What training an architecture gives, FILE:COLUMN: the validation accuracy that the search maximises.
    #[arg(long)]
    accuracy: Option<TableRef>,
    /// What is only reported and never seen by the search, FILE:COLUMN: the test accuracy.
    #[arg(long)]
    test: Option<TableRef>,
    /// Measured latency in ms, FILE:COLUMN.
    #[arg(long)]
    latency: Option<TableRef>,
    /// Only architectures of at most this latency, in ms; needs --latency.
    #[arg(long, allow_negative_numbers = true)]
    max_latency: Option<f64>,
    /// Rows of the latency table that the latency predictor learns from [default: 900].
    #[arg(long)]
    latency_train: Option<usize>,
    /// The strategy [default: brp].
    #[arg(long)]
    algorithm: Option<Algorithm>,
    /// How many networks are trained [default: 100].
    #[arg(long)]
    budget: Option<usize>,
    /// How many of them are chosen to teach the predictor; the rest is trained by rank [default: 100, at most
    /// the budget].
    #[arg(long)]
    samples: Option<usize>,
    /// Rounds of iterative data selection [default: 5].
    #[arg(long)]
    iterations: Option<usize>,
    /// Share of each round that is taken from the top of the ranking [default: 0.5].
    #[arg(long, allow_negative_numbers = true)]
    alpha: Option<f64>,
    /// What the predictor is pre-trained on: `flops` (multiply-adds, known without training), `none`, or a
    /// latency as FILE:COLUMN [default: flops; none with --setting published].
    #[arg(long)]
    transfer_from: Option<Source>,
    /// Architectures that it is pre-trained on [default: 1000].
    #[arg(long)]
    transfer_train: Option<usize>,
    /// Whose settings the predictor is trained with [default: ours].
    #[arg(long)]
    setting: Option<Setting>,
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
            accuracy: self.accuracy.or(other.accuracy),
            test: self.test.or(other.test),
            latency: self.latency.or(other.latency),
            max_latency: self.max_latency.or(other.max_latency),
            latency_train: self.latency_train.or(other.latency_train),
            algorithm: self.algorithm.or(other.algorithm),
            budget: self.budget.or(other.budget),
            samples: self.samples.or(other.samples),
            iterations: self.iterations.or(other.iterations),
            alpha: self.alpha.or(other.alpha),
            transfer_from: self.transfer_from.or(other.transfer_from),
            transfer_train: self.transfer_train.or(other.transfer_train),
            setting: self.setting.or(other.setting),
            config: self.config,
            common: self.common.or(other.common),
        }
    }
}

/// What is searched with: all defaults filled in.
#[derive(Debug, Clone, Serialize)]
struct Settings {
    space: Space,
    algorithm: Algorithm,
    budget: usize,
    selection: Selection,
    max_latency: Option<f64>,
    latency_train: usize,
    setting: Setting,
    transfer_from: Source,
    transfer_train: usize,
    accuracy: String,
    test: Option<String>,
    latency: Option<String>,
    seed: u64,
    repeats: usize,
}

/// Share of the last ranking, from its top, that the network fills alone. It knows the top, where half of its
/// samples are from, and so it also chooses the samples; a line through descriptors knows the rest better.
const LEAD: f64 = 1.0 / 32.0;

/// How strongly the weights of that line are held back.
const PENALTY: f64 = 0.1;

/// The tables, as columns over the space.
struct Data {
    accuracy: Column<Cell>,
    test: Option<Column<Cell>>,
    latency: Option<Column<Cell>>,
    /// What the predictor is pre-trained on, where that is a table.
    source: Option<Column<Cell>>,
}

const NO_TABLE: &str = "search needs to know what training an architecture gives: name a table with a column \
    `arch` as --accuracy FILE:COLUMN, for instance --accuracy nas_bench_201_accuracy.csv.gz:cifar100_valid_acc \
    (the program has no benchmark of its own yet)";

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let config: Args = read_config(args.config.as_deref())?;
    let args = args.or(config);
    let (threads, repeats) = (args.common.threads()?, args.common.repeats()?);
    let settings = settings(&args, repeats)?;
    let data = read(&args)?;
    let candidates = candidates(&data, &settings)?;
    let provenance: Vec<_> =
        [Some(&data.accuracy), data.test.as_ref(), data.latency.as_ref(), data.source.as_ref()]
            .into_iter()
            .flatten()
            .map(|column| serde_json::to_value(column.provenance()))
            .collect::<Result<_, _>>()
            .or_failed()?;
    let record = Record::start("search", args.common.out.as_deref(), settings.seed, &settings, &provenance)?;
    eprintln!(
        "{} architectures, {} trained{}; the record is in {}",
        candidates.len(),
        settings.budget,
        if repeats > 1 { format!(", {repeats} repeats") } else { String::new() },
        record.folder().display()
    );
    let found = repeat(&settings, &data, &candidates, &record, threads, repeats)?;
    let report = Report::new(&settings, found);
    record.write("result.json", &report)?;
    output::print(&report, args.common.format())?;
    if report.nothing_met() {
        eprintln!("no trained network meets the limit");
    }
    Ok(())
}

fn settings(args: &Args, repeats: usize) -> Result<Settings, Failure> {
    let accuracy = args.accuracy.as_ref().ok_or_else(|| anyhow!(NO_TABLE)).or_input()?;
    if args.max_latency.is_some() != args.latency.is_some() {
        return Err(anyhow!("a latency limit needs both: --latency FILE:COLUMN and --max-latency MS"))
            .or_input();
    }
    if let Some(limit) = args.max_latency
        && !(limit > 0.0 && limit.is_finite())
    {
        return Err(anyhow!("--max-latency is {limit}; it is a positive number of milliseconds")).or_input();
    }
    let budget = args.budget.unwrap_or(100);
    if budget == 0 {
        return Err(anyhow!("--budget is 0; at least one network has to be trained")).or_input();
    }
    let published = Selection::published();
    let samples = args.samples.unwrap_or(published.samples).min(budget);
    let iterations = args.iterations.unwrap_or(published.iterations.min(samples));
    let alpha = args.alpha.unwrap_or(published.alpha);
    if !(0.0..=1.0).contains(&alpha) {
        return Err(anyhow!("--alpha is {alpha}; it is a share between 0 and 1")).or_input();
    }
    if iterations == 0 || iterations > samples {
        return Err(anyhow!("--iterations is {iterations}; it lies between 1 and the {samples} samples"))
            .or_input();
    }
    let setting = args.setting.unwrap_or_default();
    let transfer_from = args.transfer_from.clone().unwrap_or(match setting {
        Setting::Ours => Source::Flops,
        Setting::Published => Source::None,
    });
    Ok(Settings {
        setting,
        transfer_from,
        transfer_train: args.transfer_train.unwrap_or(1000),
        space: args.space.unwrap_or_default(),
        algorithm: args.algorithm.unwrap_or(Algorithm::Brp),
        budget,
        selection: Selection { samples, iterations, alpha },
        max_latency: args.max_latency,
        latency_train: args.latency_train.unwrap_or(900),
        accuracy: accuracy.to_string(),
        test: args.test.as_ref().map(ToString::to_string),
        latency: args.latency.as_ref().map(ToString::to_string),
        seed: args.common.seed(),
        repeats,
    })
}

/// Reads each file once, however many columns of it are named.
fn read(args: &Args) -> Result<Data, Failure> {
    let space = args.space.unwrap_or_default().cells().or_input()?;
    let source = match &args.transfer_from {
        Some(Source::Table(table)) => Some(table.clone()),
        _ => None,
    };
    let wanted: Vec<&TableRef> =
        [&args.accuracy, &args.test, &args.latency, &source].into_iter().flatten().collect();
    let mut known: Vec<(&TableRef, Column<Cell>)> = Vec::new();
    for table in &wanted {
        if known.iter().any(|(name, _)| name == table) {
            continue;
        }
        let mut names: Vec<&TableRef> = Vec::new();
        for other in wanted.iter().filter(|other| other.file == table.file) {
            if !names.contains(other) {
                names.push(other);
            }
        }
        let columns: Vec<&str> = names.iter().map(|name| name.column.as_str()).collect();
        let read = tables::read_columns(&space, &table.file, &columns).or_input()?;
        known.extend(names.into_iter().zip(read));
    }
    let find = |name: &Option<TableRef>| {
        name.as_ref().and_then(|name| known.iter().find(|(known, _)| *known == name)).map(|(_, c)| c.clone())
    };
    let accuracy = find(&args.accuracy).ok_or_else(|| anyhow!(NO_TABLE)).or_input()?;
    Ok(Data { accuracy, test: find(&args.test), latency: find(&args.latency), source: find(&source) })
}

/// All architectures that the tables know, in index order.
fn candidates(data: &Data, settings: &Settings) -> Result<Vec<Cell>, Failure> {
    let known =
        |column: &Option<Column<Cell>>, arch: &Cell| column.as_ref().is_none_or(|c| c.get(arch).is_some());
    let mut archs: Vec<Cell> = data.accuracy.labelled().archs().to_vec();
    archs.retain(|arch| known(&data.latency, arch));
    archs.sort_by_cached_key(|cell| cell.index());
    let dropped = data.accuracy.labelled().len() - archs.len();
    if dropped > 0 {
        eprintln!("{dropped} architectures have an accuracy but no latency and are left out");
    }
    if settings.budget > archs.len() {
        let (budget, count) = (settings.budget, archs.len());
        return Err(anyhow!("--budget is {budget}, but the tables know only {count} architectures"))
            .or_input();
    }
    Ok(archs)
}

/// All repeats, `threads` at once, in the order of their seeds.
fn repeat(
    settings: &Settings,
    data: &Data,
    candidates: &[Cell],
    record: &Record,
    threads: usize,
    repeats: usize,
) -> Result<Vec<Found>, Failure> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut bar = (repeats > 1).then(|| Progress::new("searches", repeats));
    let worker = || {
        let mut found = Vec::new();
        loop {
            let repeat = next.fetch_add(1, Ordering::Relaxed);
            if repeat >= repeats {
                return Ok(found);
            }
            let name = if repeats == 1 { "trials.jsonl".into() } else { format!("trials-{repeat}.jsonl") };
            let progress = (repeats == 1).then(|| Progress::new("trained", settings.budget));
            let seed = settings.seed.wrapping_add(repeat as u64);
            let run = one(settings, data, candidates, record.trials(&name)?, progress, seed)?;
            done.fetch_add(1, Ordering::Relaxed);
            found.push((repeat, run));
        }
    };
    let mut all: Vec<(usize, Found)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        while let Some(bar) = bar.as_mut().filter(|_| !workers.iter().all(|worker| worker.is_finished())) {
            bar.step(done.load(Ordering::Relaxed));
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
        let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|_| Err(anyhow!("a search panicked")).or_failed())
        };
        workers.into_iter().map(join).collect::<Result<Vec<Vec<_>>, Failure>>()
    })?
    .into_iter()
    .flatten()
    .collect();
    all.sort_by_key(|(repeat, _)| *repeat);
    Ok(all.into_iter().map(|(_, found)| found).collect())
}

/// Training an architecture is looking it up.
struct Lookup<'a>(&'a Data);

impl Objective<Cell> for Lookup<'_> {
    type Error = MissingValue;

    fn evaluate(&self, arch: &Cell) -> Result<Evaluation, MissingValue> {
        let value = self.0.accuracy.get(arch).ok_or(MissingValue)?;
        let latency_ms = self.0.latency.as_ref().and_then(|column| column.get(arch));
        Ok(Evaluation { latency_ms, ..Evaluation::of(value) })
    }
}

/// The table has no accuracy for an architecture.
#[derive(Debug)]
struct MissingValue;

impl std::fmt::Display for MissingValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the table has no accuracy for this architecture")
    }
}

impl std::error::Error for MissingValue {}

/// One search. The seeds of repeats differ in everything: samples, weights, order.
fn one(
    settings: &Settings,
    data: &Data,
    candidates: &[Cell],
    mut lines: TrialLines,
    mut progress: Option<Progress>,
    seed: u64,
) -> Result<Found, Failure> {
    let (watch, root) = (Stopwatch::start(), Seed(seed));
    let mut candidates = candidates.to_vec();
    let within = match (settings.max_latency, &data.latency) {
        (Some(limit), Some(column)) => {
            let predictor = latency_predictor(column, settings.latency_train, root.derive("latency"))?;
            let limited = within_limit(candidates, &predictor, limit).map_err(mine)?;
            candidates = limited.archs;
            Some(candidates.len())
        }
        _ => None,
    };
    let budget = settings.budget.min(candidates.len());
    let samples = settings.selection.samples.min(budget);
    let selection =
        Selection { samples, iterations: settings.selection.iterations.min(samples), ..settings.selection };
    let mut observers: Vec<&mut dyn Observe<Cell>> = vec![&mut lines];
    observers.extend(progress.as_mut().map(|progress| progress as &mut dyn Observe<Cell>));
    let (objective, rounds) = (Lookup(data), selection.iterations);
    let encode = CellEncoding(EncodingName::Pruned);
    let space = data.accuracy.labelled().archs();
    let search_seed = root.derive("search");
    let start = match settings.algorithm {
        Algorithm::Brp | Algorithm::Predictor => {
            pre_trained(settings, data, encode, root.derive("transfer"))?
        }
        Algorithm::Random => None,
    };
    let start = start.as_ref().map(FittedRegressor::gcn);
    let (trials, ranking) = match settings.algorithm {
        Algorithm::Brp => {
            let relation = match settings.setting {
                Setting::Ours => RelationSettings::searching(),
                Setting::Published => RelationSettings::published(),
            };
            let network = |round| Transferred {
                settings: BinaryRelation { encode, settings: relation.round(round, rounds) },
                start,
            };
            match settings.setting {
                Setting::Published => {
                    let searcher = BrpNas::new(candidates, selection, network, search_seed).map_err(mine)?;
                    run_and_rank(searcher, &objective, budget, &mut observers, space)?
                }
                Setting::Ours => {
                    let second = Ridge { describe: descriptors().or_failed()?, penalty: PENALTY };
                    let committee = |round| Committee {
                        first: network(round),
                        second: second.clone(),
                        lead: if round + 1 < rounds { 1.0 } else { LEAD },
                    };
                    let searcher =
                        BrpNas::new(candidates, selection, committee, search_seed).map_err(mine)?;
                    run_and_rank(searcher, &objective, budget, &mut observers, space)?
                }
            }
        }
        Algorithm::Predictor => {
            let accuracy = RegressorSettings::published_accuracy(samples);
            let predictor = |round: usize| {
                let epochs = accuracy.training.epochs * (round + 1) / rounds;
                let training = Training { epochs, ..accuracy.training };
                Transferred {
                    settings: GcnRegressor { encode, settings: RegressorSettings { training, ..accuracy } },
                    start,
                }
            };
            let searcher = BrpNas::new(candidates, selection, predictor, search_seed).map_err(mine)?;
            run_and_rank(searcher, &objective, budget, &mut observers, space)?
        }
        Algorithm::Random => {
            candidates.shuffle(&mut search_seed.stream("order"));
            (run(&mut InOrder::new(candidates), &objective, budget, &mut observers).map_err(mine)?, None)
        }
    };
    let (kendall, spearman) = agreement(data, space, ranking.as_deref())?;
    let summary = summarise(&trials, settings.max_latency);
    Ok(Found::new(seed, &trials, summary, data.test.as_ref(), [kendall, spearman], within, &watch))
}

/// Trials, and the indices of the space best first where a predictor ranked it.
type Ranked = (Vec<Trial<Cell>>, Option<Vec<usize>>);

/// The trials of a search around a predictor, and the whole space in the order of its last model.
fn run_and_rank<F, P>(
    mut searcher: BrpNas<Cell, F, P>,
    objective: &Lookup<'_>,
    budget: usize,
    observers: &mut [&mut dyn Observe<Cell>],
    space: &[Cell],
) -> Result<Ranked, Failure>
where
    F: FitFrom<Cell>,
    F::Model: Rank<Cell>,
    P: Fn(usize) -> F,
{
    let trials = run(&mut searcher, objective, budget, observers).map_err(mine)?;
    let ranking = searcher.model().map(|model| model.rank(space)).transpose().or_failed()?;
    Ok((trials, ranking))
}

/// The network that the predictor starts from.
fn pre_trained(
    settings: &Settings,
    data: &Data,
    encode: CellEncoding,
    seed: Seed,
) -> Result<Option<FittedRegressor<CellEncoding>>, Failure> {
    let space = data.accuracy.labelled().archs();
    let known = match (&settings.transfer_from, &data.source) {
        (Source::None, _) => return Ok(None),
        (Source::Table(_), Some(column)) => column.labelled().clone(),
        _ => Labelled::new(space.to_vec(), space.iter().map(multiply_adds).collect()).or_failed()?,
    };
    let rows = settings.transfer_train.min(known.len());
    let split = known.split(rows, 0, seed).or_input()?;
    let source = GcnRegressor { encode, settings: RegressorSettings::pre_training() };
    match nas_core::Fit::fit(&source, &split.train, &Labelled::empty(), seed) {
        // nothing to learn from a table of one row or of equal costs
        Err(PredictError::TooFew { .. } | PredictError::Constant { .. }) => Ok(None),
        other => other.map(Some).or_failed(),
    }
}

/// How the final ranking of the whole space agrees with the test accuracy, or the validation accuracy where
/// there is no test.
fn agreement(
    data: &Data,
    space: &[Cell],
    ranking: Option<&[usize]>,
) -> Result<(Option<f64>, Option<f64>), Failure> {
    let (Some(ranking), truth) = (ranking, data.test.as_ref().unwrap_or(&data.accuracy)) else {
        return Ok((None, None));
    };
    let (mut predicted, mut known) = (Vec::new(), Vec::new());
    for (place, &i) in ranking.iter().enumerate() {
        if let Some(value) = truth.get(&space[i]) {
            predicted.push(-(place as f64));
            known.push(value);
        }
    }
    let defined = |result: Result<f64, stats::StatsError>| match result {
        Err(stats::StatsError::Constant(_) | stats::StatsError::TooFew { .. }) => Ok(None),
        other => other.map(Some).or_failed(),
    };
    Ok((defined(stats::kendall_tau_b(&predicted, &known))?, defined(stats::spearman(&predicted, &known))?))
}

/// A graph network fitted on `train` rows of the latency table and stopped by a ninth as many more.
fn latency_predictor(
    column: &Column<Cell>,
    train: usize,
    seed: Seed,
) -> Result<FittedRegressor<CellEncoding>, Failure> {
    let validation = train / 9;
    let split = column
        .labelled()
        .split(train, validation, seed)
        .context("--latency-train asks for too many rows of the latency table")
        .or_input()?;
    let encode = CellEncoding(EncodingName::Full);
    let predictor = GcnRegressor { encode, settings: RegressorSettings::fast_latency(train) };
    let fit = |validation: &Labelled<Cell>| nas_core::Fit::fit(&predictor, &split.train, validation, seed);
    fit(&split.validation).context("the latency predictor cannot be fitted").or_failed()
}

/// Settings and limits are the user's, the rest is not.
fn mine(error: SearchError) -> Failure {
    match error {
        SearchError::Setting { .. } | SearchError::NothingMeets { .. } => Failure::Input(error.into()),
        other => Failure::Failed(other.into()),
    }
}

/// A trial as it is reported.
fn evaluated(trial: &Trial<Cell>) -> Option<&Evaluation> {
    trial.result.as_ref().ok()
}
