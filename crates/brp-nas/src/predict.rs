//! `brp-nas predict`.

mod baseline;
mod few;
mod fits;
mod found;
mod method;
mod network;
mod predictions;
mod report;
mod surrogate;

use crate::columns;
use crate::failure::{Failure, OrFail};
use crate::features::Features;
use crate::host::Stopwatch;
use crate::named_scores::{Proxies, as_features};
use crate::options::{Common, check_used, repeats};
use crate::output;
use crate::predictable::Predictable;
use crate::record::{Begun, Record};
use crate::registry::{EncodingName, Space, on_space};
use anyhow::{Context, anyhow};
use arch_graph::Encode;
use clap::ValueEnum;
use fits::Fits;
use found::Found;
use method::{Method, chosen, one_or_several};
use nas_core::{Seed, Split};
use network::Start;
use report::Report;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tables::{Column, TableRef};

/// What kind of number a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Label {
    /// A positive cost whose relative error matters.
    Latency,
    /// A score whose order matters.
    Accuracy,
}

/// Flags of `predict`; each is also a key of the `--config` file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Args {
    /// The search space [default: nas-bench-201].
    #[arg(long)]
    space: Option<Space>,
    /// The values to predict, FILE:COLUMN.
    #[arg(long)]
    table: Option<TableRef>,
    /// Rows to fit on [default: 900].
    #[arg(long)]
    train: Option<usize>,
    /// Rows to stop by [default: 100].
    #[arg(long)]
    validation: Option<usize>,
    /// The predictor, or several separated by commas [default: gcn].
    #[arg(long, value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_several")]
    method: Option<Vec<Method>>,
    /// How architectures become graphs [default: full for latency, pruned for accuracy; the only one where a space
    /// does not tell them apart].
    #[arg(long)]
    encoding: Option<EncodingName>,
    /// What kind of number the column holds [default: latency where its name, or its last word, is ms, s, mj,
    /// latency or energy].
    #[arg(long)]
    label: Option<Label>,
    /// Start from the weights of a graph network fitted on another column, FILE:COLUMN; the same fits without
    /// it are printed beside.
    #[arg(long)]
    transfer_from: Option<TableRef>,
    /// Rows of that column to fit on, with a ninth as many to stop by [default: 900].
    #[arg(long)]
    transfer_train: Option<usize>,
    /// Tables of other devices that `few` starts from, FILE:COLUMN, several separated by commas; a column alone is of the
    /// file before it. With it --validation is 0 where it is not given.
    #[arg(long, value_delimiter = ',')]
    sources: Option<Vec<String>>,
    /// With --sources, whether the training rows are those after which least is unknown, and not drawn at random: of a
    /// small table the same for every seed, so that repeats say nothing of how far results spread [default: true].
    #[arg(long)]
    choose: Option<bool>,
    /// What boosting, gp, ranker and ours see of an architecture beside its graph where the label is an accuracy: a score
    /// without training such as `synflow`, FILE:COLUMN, several separated by commas, of which a name alone is the column of
    /// the file before it, where that has one, or `none` [default: params and flops where the space has them, and the
    /// scores that come with the program, as far as they are complete].
    #[arg(long, value_parser = as_features)]
    scores: Option<Proxies>,
    /// How often everything is done, with seeds S, S+1, ... [default: 1].
    #[arg(long)]
    repeats: Option<usize>,
    /// Go on with the run in this folder, with its settings; fits that it has are not done again.
    #[arg(long)]
    #[serde(skip)]
    resume: Option<PathBuf>,
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
            table: self.table.or(other.table),
            train: self.train.or(other.train),
            validation: self.validation.or(other.validation),
            method: self.method.or(other.method),
            encoding: self.encoding.or(other.encoding),
            label: self.label.or(other.label),
            transfer_from: self.transfer_from.or(other.transfer_from),
            transfer_train: self.transfer_train.or(other.transfer_train),
            sources: self.sources.or(other.sources),
            choose: self.choose.or(other.choose),
            scores: self.scores.or(other.scores),
            repeats: self.repeats.or(other.repeats),
            resume: self.resume,
            config: self.config,
            common: self.common.or(other.common),
        }
    }

    fn methods(&self) -> Result<Vec<Method>, Failure> {
        chosen(self.method.as_deref().unwrap_or(&[Method::Gcn]))
    }

    /// Refuses flags of the command line that nothing here has a use for.
    fn check_used(&self, given: &Self) -> Result<(), Failure> {
        let graphs = self.methods()?.into_iter().any(Method::sees_graphs);
        let label = |table: &TableRef| self.label.unwrap_or_else(|| label_of(&table.column));
        let accuracies = self.table.as_ref().is_none_or(|table| label(table) == Label::Accuracy);
        check_used(&[
            ("--choose", given.choose.is_some(), self.sources.is_some(), "--sources"),
            (
                "--transfer-train",
                given.transfer_train.is_some(),
                self.transfer_from.is_some(),
                "--transfer-from",
            ),
            (
                "--transfer-from",
                given.transfer_from.is_some(),
                self.methods()?.into_iter().any(Method::is_network),
                "methods that start from a graph network, as gcn and relation",
            ),
            (
                "--sources",
                given.sources.is_some(),
                self.methods()?.contains(&Method::Few) || self.choose != Some(false),
                "--method few, and without --choose false any that is fitted to rows that sources choose",
            ),
            (
                "--scores",
                given.scores.is_some(),
                self.methods()?.into_iter().any(Method::sees_features) && accuracies,
                "boosting, gp, ranker and ours, and to accuracies",
            ),
            (
                "--encoding",
                given.encoding.is_some(),
                graphs,
                "methods that see a graph, as gcn and neural-predictor",
            ),
        ])
    }

    /// Rows of the column that networks start from.
    fn transfer_train(&self) -> usize {
        self.transfer_train.unwrap_or(900)
    }
}

/// What is fitted to: all defaults filled in.
#[derive(Debug, Clone, Copy, Serialize)]
struct Plan {
    encoding: EncodingName,
    label: Label,
    train: usize,
    validation: usize,
}

/// What the record says of a run: what its fits depend on, and the flags as they were given.
#[derive(Debug, Serialize)]
struct Recorded<'a> {
    methods: &'a [Method],
    seed: u64,
    #[serde(flatten)]
    plan: Plan,
    chosen_rows: bool,
    transfer_train: usize,
    scores: Option<&'a Proxies>,
    flags: &'a Args,
}

/// The space, the plan, what surrogates see where one is used, and what is known of other devices.
struct Ground<'a, S: Predictable> {
    space: &'a S,
    plan: Plan,
    features: Option<Features<S::Arch>>,
    known: Option<few::Known<'a, S>>,
    lookup: Option<baseline::LatencyTable<S::Arch>>,
}

impl<S: Predictable> Ground<'_, S> {
    /// What is seen of an architecture, for methods that see features.
    fn features(&self) -> Result<&Features<S::Arch>, Failure> {
        self.features.as_ref().ok_or_else(|| anyhow!("the features were not made")).or_failed()
    }
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let (resume, config, out) = (args.resume.as_deref(), args.config.as_deref(), args.common.out.as_deref());
    let (begun, config) = Begun::or_config("predict", resume, config, out)?;
    let given = args.clone();
    let mut args: Args = args.or(config);
    if args.resume.is_some() {
        args.common.out.clone_from(&args.resume);
    }
    args.check_used(&given)?;
    on_space!(args.space.unwrap_or_default(), space => on(space, &args, begun.as_ref()))
}

fn on<S: Predictable>(space: &'static S, args: &Args, begun: Option<&Begun>) -> Result<(), Failure> {
    let (repeats, cores) = (repeats(args.repeats)?, args.common.cores()?);
    let table = args.table.as_ref().ok_or_else(|| anyhow!("name the values to predict: --table FILE:COLUMN"));
    let table = table.or_input()?;
    let methods = args.methods()?;
    let label = args.label.unwrap_or_else(|| label_of(&table.column));
    let encoding = encoding(space, args.encoding, label)?;
    let few = methods.contains(&Method::Few);
    if few && args.sources.is_none() {
        return Err(anyhow!("--method few needs the tables of other devices: name them with --sources"))
            .or_input();
    }
    if few && label == Label::Accuracy {
        let column = &table.column;
        return Err(anyhow!(
            "--method few predicts latencies, and `{column}` is taken for accuracies: --label latency says otherwise"
        ))
        .or_input();
    }
    let least = if args.sources.is_some() { 0 } else { 100 };
    let (train, validation) = (args.train.unwrap_or(900), args.validation.unwrap_or(least));
    let chosen_rows = args.sources.is_some() && args.choose.unwrap_or(true);
    if chosen_rows && validation > 0 {
        return Err(anyhow!(
            "--validation is {validation}, but with --sources rows are chosen and none held out; set it \
                            to 0, or --choose false"
        ))
        .or_input();
    }
    let plan = Plan { encoding, label, train, validation };
    let column = columns::read_rows(space, table)?;
    if methods.iter().any(|method| method.sees_graphs()) {
        encodable(space, encoding, table, &column)?;
    }
    let networks = methods.iter().any(|method| method.is_network());
    let start = args.transfer_from.as_ref().filter(|_| networks);
    let source = start.map(|table| columns::read_rows(space, table)).transpose()?;
    let sources = match &args.sources {
        Some(names) => few::columns(space, names)?,
        None => Vec::new(),
    };
    if label == Label::Latency {
        columns::check_costs(&column)?;
    }
    for (flag, other) in sources
        .iter()
        .map(|(_, source)| ("--sources", source))
        .chain(source.iter().map(|source| ("--transfer-from", source)))
    {
        if columns::same(other.provenance(), &column) {
            return Err(anyhow!("{flag} names {table}, which is to be predicted: leave it out")).or_input();
        }
    }
    let describe = |arch: &S::Arch| space.described(arch);
    let known = if sources.is_empty() { None } else { Some(few::learn::<S>(&describe, &sources)?) };
    let lookup = methods.contains(&Method::Lookup).then(|| baseline::lookup(space, table));
    let lookup = lookup.transpose()?;
    let features = features(space, &plan, &methods, args.scores.as_ref(), &column)?;
    if features.iter().flat_map(|features| &features.provenance).any(|score| columns::same(score, &column)) {
        return Err(anyhow!("--scores names {table}, which is to be predicted: leave it out")).or_input();
    }
    let rows = column.labelled().len();
    let test = rows.saturating_sub(train.saturating_add(validation));
    if test == 0 {
        return Err(anyhow!(
            "{train} training and {validation} validation rows leave none of the {rows} to test on: ask for fewer \
             by --train and --validation"
        ))
        .or_input();
    }
    let seeds: Vec<u64> = (0..repeats as u64).map(|i| args.common.seed().wrapping_add(i)).collect();
    let split = |seed: &u64| match &known {
        Some(known) if chosen_rows => few::split::<S>(known, column.labelled(), train, Seed(*seed)),
        _ => column.labelled().split(train, validation, Seed(*seed)).or_input(),
    };
    let splits: Vec<Split<S::Arch>> = seeds.iter().map(split).collect::<Result<_, _>>()?;
    for split in &splits {
        varied(split, &table.column)?;
    }
    if let (Some(source), Some(from)) = (&source, start) {
        let rows = args.transfer_train();
        let asked = || {
            format!(
                "--transfer-from {from}, of which --transfer-train asks for {rows} rows and a ninth beside"
            )
        };
        for seed in &seeds {
            let split =
                source.labelled().split(rows, rows / 9, Seed(*seed)).with_context(asked).or_input()?;
            varied(&split, &from.column).map_err(|failure| failure.within(&asked()))?;
        }
    }
    let mut provenance = vec![serde_json::to_value(column.provenance()).or_failed()?];
    for (_, source) in &sources {
        provenance.push(serde_json::to_value(source.provenance()).or_failed()?);
    }
    for score in features.iter().flat_map(|features| &features.provenance) {
        provenance.push(serde_json::to_value(score).or_failed()?);
    }
    if let Some(source) = &source {
        provenance.push(serde_json::to_value(source.provenance()).or_failed()?);
    }
    let scores = args.scores.as_ref();
    let transfer_train = args.transfer_train();
    let (methods, seed) = (&methods[..], seeds[0]);
    let recorded = Recorded { methods, seed, plan, chosen_rows, transfer_train, scores, flags: args };
    let record = match (begun, &args.resume) {
        (Some(begun), Some(folder)) => {
            begun.check("predict", &recorded, &provenance, &[])?;
            begun.check_revision()?;
            Record::go_on(folder, begun, &recorded)?
        }
        _ => Record::start("predict", args.common.out.as_deref(), seed, &recorded, &provenance)?,
    };
    let ground = Ground { space, plan, features, known, lookup };
    let fits =
        Fits { ground: &ground, methods, seeds: &seeds, splits: &splits, source: source.as_ref(), args };
    eprintln!("{} rows, {train} of them to fit on; the record is in {}", rows, record.folder().display());
    let (runs, said) = record.or_undo(fits.all(&record, cores))?;
    let report = Report::new(args.space.unwrap_or_default(), table, &plan, test, repeats, methods, runs);
    predictions::write(record.folder(), &splits[0].test, &said)?;
    record.write("result.json", &report)?;
    output::print(&report, args.common.format())
}

/// What a column is of, by the unit at the end of its name.
fn label_of(column: &str) -> Label {
    let last = column.rsplit('_').next().unwrap_or(column);
    if ["ms", "s", "mj", "latency", "energy"].contains(&last) { Label::Latency } else { Label::Accuracy }
}

/// The one that was asked for, or that suits the label, of those that the space has.
fn encoding(
    space: &impl Predictable,
    asked: Option<EncodingName>,
    label: Label,
) -> Result<EncodingName, Failure> {
    let known = space.encodings();
    let wanted = asked.unwrap_or(match label {
        Label::Latency => EncodingName::Full,
        Label::Accuracy => EncodingName::Pruned,
    });
    if known.contains(&wanted) {
        return Ok(wanted);
    }
    match asked {
        None => Ok(known[0]),
        Some(asked) => {
            let (asked, only) = (output::name(&asked), output::name(&known[0]));
            Err(anyhow!("--encoding is {asked}, but {} has only {only}: leave it out", space.name()))
                .or_input()
        }
    }
}

/// Refuses a table with a row that no network can see, before anything is fitted to others.
fn encodable<S: Predictable>(
    space: &S,
    encoding: EncodingName,
    table: &TableRef,
    column: &Column<S::Arch>,
) -> Result<(), Failure> {
    let encode = space.encoding(encoding).or_failed()?;
    column.labelled().archs().iter().try_for_each(|arch| {
        let what = || format!("{}: {arch} cannot be encoded", table.file.display());
        encode.encode(arch).map(|_| ()).with_context(what).or_input()
    })
}

/// Refuses rows that nothing can be learned from.
fn varied<A>(split: &Split<A>, column: &str) -> Result<(), Failure> {
    let values = split.train.values();
    match values.first() {
        Some(first) if values.len() > 1 && values.iter().all(|value| value == first) => {
            let rows = values.len();
            Err(anyhow!(
                "all {rows} training rows of {column} are {first}: there is nothing to learn from equal values; \
                 choose another column or more rows"
            ))
            .or_input()
        }
        Some(_) if values.len() > 1 => Ok(()),
        _ => Err(anyhow!("{} training rows of {column}; at least 2 are needed to fit to", values.len()))
            .or_input(),
    }
}

/// What surrogates see, where a method is one.
fn features<S: Predictable>(
    space: &'static S,
    plan: &Plan,
    methods: &[Method],
    scores: Option<&Proxies>,
    column: &Column<S::Arch>,
) -> Result<Option<Features<S::Arch>>, Failure> {
    let used = methods.iter().any(|method| method.sees_features());
    if !used {
        return Ok(None);
    }
    if plan.label == Label::Latency {
        return Ok(Some(Features::of_costs(space)?));
    }
    let scores = scores.cloned().unwrap_or_else(|| Proxies::complete(space));
    scores.check(space).or_input()?;
    let archs = column.labelled().archs();
    let columns = scores.tables().map(|table| columns::read_for(space, table, archs));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Features::of_accuracies(space, archs, &scores, &columns)?))
}

fn one<S: Predictable>(
    ground: &Ground<'_, S>,
    method: Method,
    split: &Split<S::Arch>,
    from: Option<&Start<S>>,
    seed: u64,
) -> Result<Found, Failure> {
    let (root, watch) = (Seed(seed), Stopwatch::start());
    match method {
        Method::Gcn | Method::GcnPublished => network::regressor(ground, method, split, from, root, &watch),
        Method::Relation => network::relation(ground, split, from, root, &watch),
        Method::Ranker => network::ranker(ground, split, root, &watch),
        Method::Flops
        | Method::FlopsProportional
        | Method::Layers
        | Method::LayersByOperation
        | Method::LayersLive
        | Method::Linear
        | Method::Forest => baseline::fit(ground.space, method, split, root, &watch),
        Method::Lookup => baseline::look_up(ground.lookup.as_ref(), split, &watch),
        Method::Boosting | Method::Gp | Method::Ours => surrogate::fit(ground, method, split, root, &watch),
        Method::Few => few::fit::<S>(ground.known.as_ref(), split, root, &watch),
        Method::TwoStage => network::two_stages(ground, split, root, &watch),
        Method::NeuralPredictor | Method::NeuralPredictorClean | Method::Mlp | Method::Cnn => {
            network::one_stage(ground, method, split, root, &watch)
        }
        // `chosen` names all others
        Method::All => Err(anyhow!("`all` is no method of its own")).or_failed(),
    }
}
