//! `brp-nas predict`.

mod found;
mod network;
mod surrogate;

use crate::failure::{Failure, OrFail};
use crate::features::CellFeatures;
use crate::host::Stopwatch;
use crate::named_scores::Proxies;
use crate::named_scores::as_features;
use crate::options::{Common, read_config};
use crate::output::{self, Show, grid, number};
use crate::progress::Progress;
use crate::record::Record;
use crate::registry::{CellEncoding, EncodingName, Space, multiply_adds};
use anyhow::anyhow;
use clap::ValueEnum;
use found::{Agreement, Found, by_place, defined};
use nas_core::stats::{self, StatsError};
use nas_core::{Fit, Predict, Rank, Seed, Split};
use predictors::{
    BinaryRelation, CostLine, FittedRegressor, GcnRegressor, PredictError, RegressorSettings,
    RelationSettings,
};
use serde::{Deserialize, Serialize};
use spaces::NasBench201;
use spaces::nas_bench_201::Cell;
use std::path::PathBuf;
use tables::TableRef;

/// A predictor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Method {
    /// A graph network in our own setting: seconds.
    Gcn,
    /// The graph network in the setting of BRP-NAS: minutes for latency.
    GcnPublished,
    /// The binary relation predictor; it orders, so only kendall and spearman are given.
    Relation,
    /// The Neural Predictor: graph convolutions both ways, as published.
    NeuralPredictor,
    /// The same without its quirks: no nodes that fill up, decoupled decay, a cosine that ends with the training.
    NeuralPredictorClean,
    /// A classifier that sorts out bad architectures, and a Neural Predictor on the others, as published.
    TwoStage,
    /// Fully connected layers in the Neural Predictor's setting.
    Mlp,
    /// Convolutions over the nodes in the Neural Predictor's setting.
    Cnn,
    /// A straight line through the multiply-adds.
    Flops,
    /// A multiple of the multiply-adds.
    FlopsProportional,
    /// A sum over the edges of what their operation costs.
    Layers,
    /// Gradient-boosted trees on features of the graph, and on scores without training where the label is an accuracy.
    Boosting,
    /// A Gaussian process on the same; for latency on operations by edge.
    Gp,
    /// Both for accuracy; for latency the process with the doubt of outliers that suits the rows.
    Ours,
}

impl Method {
    fn is_network(self) -> bool {
        matches!(self, Self::Gcn | Self::GcnPublished | Self::Relation)
    }
}

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
    /// The predictor [default: gcn].
    #[arg(long)]
    method: Option<Method>,
    /// How architectures become graphs [default: full for latency, pruned for accuracy].
    #[arg(long)]
    encoding: Option<EncodingName>,
    /// What kind of number the column holds [default: latency where its name ends in a unit: _ms, _s, _mj].
    #[arg(long)]
    label: Option<Label>,
    /// Start from the weights of a graph network fitted on another column, FILE:COLUMN; the same fits without
    /// it are printed beside.
    #[arg(long)]
    transfer_from: Option<TableRef>,
    /// Rows of that column to fit on, with a ninth as many to stop by [default: 900].
    #[arg(long)]
    transfer_train: Option<usize>,
    /// What boosting, gp and ours see of an architecture beside its graph where the label is an accuracy: a score
    /// without training such as `synflow`, FILE:COLUMN, several separated by commas, or `none` [default: params,
    /// flops and the scores that come with the program, as far as they are complete].
    #[arg(long, value_parser = as_features)]
    scores: Option<Proxies>,
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
            scores: self.scores.or(other.scores),
            config: self.config,
            common: self.common.or(other.common),
        }
    }
}

/// What is fitted: all defaults filled in.
#[derive(Debug, Clone, Copy, Serialize)]
struct Plan {
    method: Method,
    encoding: EncodingName,
    label: Label,
    train: usize,
    validation: usize,
}

/// What the record says of a run: the plan, and the flags as they were given.
#[derive(Debug, Serialize)]
struct Recorded<'a> {
    #[serde(flatten)]
    plan: Plan,
    flags: &'a Args,
}

/// How one fit did on the rows that it never saw.
#[derive(Debug, Clone, Serialize)]
struct Row {
    method: Method,
    encoding: EncodingName,
    transfer: bool,
    seed: u64,
    within_1pct: Option<f64>,
    within_5pct: Option<f64>,
    within_10pct: Option<f64>,
    /// As eagle counts: relative to the prediction.
    within_10pct_of_prediction: Option<f64>,
    kendall: Option<f64>,
    spearman: Option<f64>,
    mape: Option<f64>,
    mse: Option<f64>,
    r2: Option<f64>,
    epochs: Option<usize>,
    /// Percent of the rest within the interval that is believed to hold 50, 80 and 95 of 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    believed_50_80_95: Option<[f64; 3]>,
    /// What `ours` chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen: Option<String>,
    /// On the rows that it was fitted on, those to stop by, and those that a first stage accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_training: Option<Agreement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_validation: Option<Agreement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_accepted: Option<Agreement>,
    fit_s: f64,
    score_s: f64,
}

/// What `predict` prints: the means over the runs at the top (with a transfer: of the transferred ones).
#[derive(Debug, Serialize)]
struct Report {
    space: Space,
    column: String,
    train: usize,
    validation: usize,
    test: usize,
    repeats: usize,
    #[serde(flatten)]
    first: Row,
    /// One a method: means over the runs.
    rows: Vec<Row>,
    runs: Vec<Row>,
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let config: Args = read_config(args.config.as_deref())?;
    let args = args.or(config);
    let repeats = args.common.repeats()?;
    let table = args.table.clone().ok_or_else(|| anyhow!("name the values to predict: --table FILE:COLUMN"));
    let table = table.or_input()?;
    let label = args.label.unwrap_or_else(|| label_of(&table.column));
    let plan = Plan {
        method: args.method.unwrap_or(Method::Gcn),
        encoding: args.encoding.unwrap_or(match label {
            Label::Latency => EncodingName::Full,
            Label::Accuracy => EncodingName::Pruned,
        }),
        label,
        train: args.train.unwrap_or(900),
        validation: args.validation.unwrap_or(100),
    };
    if args.transfer_from.is_some() && !plan.method.is_network() {
        let method = name(&plan.method);
        return Err(anyhow!("--transfer-from starts a graph network; the method {method} has none"))
            .or_input();
    }
    let space = args.space.unwrap_or_default().cells().or_input()?;
    let column = tables::read_column(&space, &table).or_input()?;
    let source =
        args.transfer_from.as_ref().map(|t| tables::read_column(&space, t)).transpose().or_input()?;
    let features = features(&plan, args.scores.as_ref(), &space)?;
    let test = column.labelled().len().saturating_sub(plan.train + plan.validation);
    if test == 0 {
        let rows = column.labelled().len();
        let (train, validation) = (plan.train, plan.validation);
        return Err(anyhow!(
            "{train} training and {validation} validation rows leave none of the {rows} to test on"
        ))
        .or_input();
    }
    let sees = features.as_ref();
    let mut provenance = vec![serde_json::to_value(column.provenance()).or_failed()?];
    if let Some(source) = &source {
        provenance.push(serde_json::to_value(source.provenance()).or_failed()?);
    }
    let seed = args.common.seed();
    let record = Record::start(
        "predict",
        args.common.out.as_deref(),
        seed,
        &Recorded { plan, flags: &args },
        &provenance,
    )?;
    let fits = repeats * if source.is_some() { 2 } else { 1 };
    let mut bar = Progress::new("fitted", fits);
    let mut runs = Vec::new();
    for seed in (0..repeats as u64).map(|i| seed.wrapping_add(i)) {
        let split = column.labelled().split(plan.train, plan.validation, Seed(seed)).or_input()?;
        if let (Some(source), Some(from)) = (&source, &args.transfer_from) {
            let rows = args.transfer_train.unwrap_or(900);
            let split_source = source.labelled().split(rows, rows / 9, Seed(seed)).or_input()?;
            let start = source_model(&plan, label_of(&from.column), &split_source, Seed(seed)).or_failed()?;
            runs.push(one(&plan, &split, Some(&start), sees, seed)?);
            bar.step(runs.len());
        }
        runs.push(one(&plan, &split, None, sees, seed)?);
        bar.step(runs.len());
    }
    drop(bar);
    let report = Report::new(args.space.unwrap_or_default(), &table, &plan, test, repeats, runs);
    record.write("result.json", &report)?;
    output::print(&report, args.common.format())
}

fn label_of(column: &str) -> Label {
    let cost = ["_ms", "_s", "_mj"].iter().any(|unit| column.ends_with(unit));
    if cost { Label::Latency } else { Label::Accuracy }
}

fn regressor(plan: &Plan, label: Label) -> GcnRegressor<CellEncoding> {
    let settings = match (plan.method, label) {
        (Method::GcnPublished, Label::Latency) => RegressorSettings::published_latency(),
        (_, Label::Latency) => RegressorSettings::fast_latency(plan.train),
        (_, Label::Accuracy) => RegressorSettings::published_accuracy(plan.train),
    };
    GcnRegressor { encode: CellEncoding(plan.encoding), settings }
}

/// The network to transfer from, of the shape that the target has: gently trained where the setting is ours,
/// because a network that fits its own label to the end transfers worse.
fn source_model(
    plan: &Plan,
    label: Label,
    split: &Split<Cell>,
    seed: Seed,
) -> Result<FittedRegressor<CellEncoding>, PredictError> {
    let mut source = regressor(plan, label);
    if plan.method != Method::GcnPublished {
        source.settings = RegressorSettings::pre_training();
    }
    source.settings.hidden = match plan.method {
        Method::Relation => RelationSettings::searching().hidden,
        _ => regressor(plan, plan.label).settings.hidden,
    };
    source.fit(&split.train, &split.validation, seed.derive("source"))
}

fn one(
    plan: &Plan,
    split: &Split<Cell>,
    start: Option<&FittedRegressor<CellEncoding>>,
    features: Option<&CellFeatures>,
    seed: u64,
) -> Result<Row, Failure> {
    let (train, validation, root) = (&split.train, &split.validation, Seed(seed));
    let archs = split.test.archs();
    let watch = Stopwatch::start();
    let encode = CellEncoding(plan.encoding);
    let found = match plan.method {
        Method::Gcn | Method::GcnPublished => {
            let settings = regressor(plan, plan.label);
            let model = match start {
                Some(start) => settings.transfer(start.gcn(), train, validation, root),
                None => settings.fit(train, validation, root),
            }
            .or_failed()?;
            let found = Found::of(&watch, || model.predict(archs)).or_failed()?;
            Found { epochs: Some(model.history().epochs.len()), ..found }
        }
        Method::Relation => {
            let settings = BinaryRelation { encode, settings: RelationSettings::searching() };
            let model = match start {
                Some(start) => settings.transfer(start.gcn(), train, root),
                None => settings.fit(train, validation, root),
            }
            .or_failed()?;
            let found = Found::of_scores(&watch, || model.rank(archs).map(|order| by_place(&order)));
            Found { epochs: Some(model.history().epochs.len()), ..found.or_failed()? }
        }
        Method::Flops => {
            let model = CostLine { cost: multiply_adds }.fit(train, validation, root).or_failed()?;
            Found::of(&watch, || model.predict(archs)).or_failed()?
        }
        Method::FlopsProportional => surrogate::multiple(split, &watch)?,
        Method::Layers => surrogate::layers(split, root, &watch)?,
        Method::Boosting | Method::Gp | Method::Ours => surrogate::fit(plan, split, features, root, &watch)?,
        Method::TwoStage => network::two_stages(plan, split, root, &watch)?,
        Method::NeuralPredictor | Method::NeuralPredictorClean | Method::Mlp | Method::Cnn => {
            network::one_stage(plan, split, root, &watch)?
        }
    };
    judge(plan, start.is_some(), seed, found, split.test.values()).or_failed()
}

/// The numbers of a fit; one that is not defined stays empty.
fn judge(plan: &Plan, transfer: bool, seed: u64, found: Found, truth: &[f64]) -> Result<Row, StatsError> {
    let values = found.values.as_deref();
    let scores = found.scores.as_deref().or(values).unwrap_or_default();
    let of =
        |f: &dyn Fn(&[f64]) -> Result<f64, StatsError>| values.map_or(Ok(None), |values| defined(f(values)));
    Ok(Row {
        method: plan.method,
        encoding: plan.encoding,
        transfer,
        seed,
        within_1pct: of(&|v| stats::within(v, truth, 0.01))?,
        within_5pct: of(&|v| stats::within(v, truth, 0.05))?,
        within_10pct: of(&|v| stats::within(v, truth, 0.10))?,
        within_10pct_of_prediction: of(&|v| stats::within_of_prediction(v, truth, 0.10))?,
        kendall: defined(stats::kendall_tau_b(scores, truth))?,
        spearman: defined(stats::spearman(scores, truth))?,
        mape: of(&|v| stats::mape(v, truth))?,
        mse: of(&|v| stats::mse(v, truth))?,
        r2: of(&|v| stats::r2(v, truth))?,
        epochs: found.epochs,
        believed_50_80_95: found.believed,
        chosen: found.chosen,
        on_training: found.training,
        on_validation: found.validation,
        on_accepted: found.accepted,
        fit_s: found.fit_s,
        score_s: found.score_s,
    })
}

impl Report {
    fn new(space: Space, table: &TableRef, plan: &Plan, test: usize, repeats: usize, runs: Vec<Row>) -> Self {
        let kinds = [true, false];
        let rows: Vec<Row> = kinds
            .into_iter()
            .filter_map(|transfer| {
                let group: Vec<&Row> = runs.iter().filter(|run| run.transfer == transfer).collect();
                let mean = |of: &dyn Fn(&Row) -> Option<f64>| {
                    let values: Option<Vec<f64>> = group.iter().map(|run| of(run)).collect();
                    values.map(|values| stats::mean(&values))
                };
                let sure = |of: &dyn Fn(&Row) -> f64| mean(&|run| Some(of(run))).unwrap_or(0.0);
                let first: Row = (*group.first()?).clone();
                Some(Row {
                    within_1pct: mean(&|r| r.within_1pct),
                    within_5pct: mean(&|r| r.within_5pct),
                    within_10pct: mean(&|r| r.within_10pct),
                    within_10pct_of_prediction: mean(&|r| r.within_10pct_of_prediction),
                    kendall: mean(&|r| r.kendall),
                    spearman: mean(&|r| r.spearman),
                    mape: mean(&|r| r.mape),
                    mse: mean(&|r| r.mse),
                    r2: mean(&|r| r.r2),
                    believed_50_80_95: first.believed_50_80_95.map(|_| {
                        [0, 1, 2].map(|i| sure(&|r| r.believed_50_80_95.map_or(f64::NAN, |held| held[i])))
                    }),
                    chosen: counted(&group),
                    on_training: agreed(&group, |run| run.on_training),
                    on_validation: agreed(&group, |run| run.on_validation),
                    on_accepted: agreed(&group, |run| run.on_accepted),
                    fit_s: sure(&|r| r.fit_s),
                    score_s: sure(&|r| r.score_s),
                    ..first
                })
            })
            .collect();
        Self {
            space,
            column: table.column.clone(),
            train: plan.train,
            validation: plan.validation,
            test,
            repeats,
            first: rows[0].clone(),
            rows,
            runs,
        }
    }
}

/// The mean of what every run has; none where one has nothing.
fn agreed(runs: &[&Row], of: impl Fn(&Row) -> Option<Agreement>) -> Option<Agreement> {
    let all: Option<Vec<Agreement>> = runs.iter().map(|run| of(run)).collect();
    all.map(|all| Agreement::mean(&all))
}

/// How often each was chosen; none where nothing is.
fn counted(runs: &[&Row]) -> Option<String> {
    let mut chosen: Vec<&str> = runs.iter().filter_map(|run| run.chosen.as_deref()).collect();
    chosen.sort_unstable();
    let counts: Vec<String> =
        chosen.chunk_by(|a, b| a == b).map(|same| format!("{} {}", same.len(), same[0])).collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

/// What a surrogate sees, where the method is one and the label an accuracy.
fn features(
    plan: &Plan,
    scores: Option<&Proxies>,
    space: &NasBench201,
) -> Result<Option<CellFeatures>, Failure> {
    let used = matches!(plan.method, Method::Boosting | Method::Gp | Method::Ours);
    if !used || plan.label == Label::Latency {
        if scores.is_some() {
            return Err(anyhow!("--scores belongs to boosting, gp and ours, and to accuracies")).or_input();
        }
        return Ok(None);
    }
    let scores = scores.cloned().unwrap_or_else(Proxies::complete);
    let columns =
        scores.tables().map(|table| tables::read_column(space, table)).collect::<Result<Vec<_>, _>>();
    Ok(Some(CellFeatures::new(&scores, &columns.or_input()?)?))
}

fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(String::from)).unwrap_or_default()
}

impl Show for Report {
    fn table(&self) -> String {
        let header =
            ["method", "encoding", "within 1 %", "5 %", "10 %", "kendall", "spearman", "fit s", "score s"];
        let rows = self.rows.iter().map(|row| {
            vec![
                name(&row.method) + if row.transfer { " (transfer)" } else { "" },
                name(&row.encoding),
                number(row.within_1pct, 1),
                number(row.within_5pct, 1),
                number(row.within_10pct, 1),
                number(row.kendall, 4),
                number(row.spearman, 4),
                number(Some(row.fit_s), 1),
                number(Some(row.score_s), 2),
            ]
        });
        let Self { column, train, validation, test, repeats, .. } = self;
        let mean = if *repeats > 1 { format!(", mean of {repeats}") } else { String::new() };
        let more = |row: &Row| -> Vec<String> {
            let held = row
                .believed_50_80_95
                .map(|[a, b, c]| format!("intervals of 50, 80 and 95 % hold {a:.1}, {b:.1} and {c:.1} %\n"));
            let parts = [
                ("training", row.on_training),
                ("validation", row.on_validation),
                ("accepted", row.on_accepted),
            ];
            let parts = parts
                .into_iter()
                .filter_map(|(name, held)| Some((name, held.filter(|held| held.rows > 0.0)?)));
            let parts = parts.map(|(name, Agreement { rows, mse, r2, kendall })| {
                let numbers = [number(mse, 3), number(r2, 3), number(kendall, 4)];
                format!(
                    "on {rows:.0} {name} rows: MSE {}, R2 {}, Kendall {}\n",
                    numbers[0], numbers[1], numbers[2]
                )
            });
            let test = [number(row.mse, 3), number(row.r2, 3)];
            let rest = row.on_training.map(|_| format!("on the rest: MSE {}, R2 {}\n", test[0], test[1]));
            held.into_iter()
                .chain(row.chosen.iter().map(|text| format!("chosen: {text}\n")))
                .chain(parts)
                .chain(rest)
                .collect()
        };
        let more: String = self.rows.iter().flat_map(more).collect();
        format!(
            "{}{more}{column}: {train} to fit on, {validation} to stop by, judged on the other {test}{mean}\n",
            grid(&header, rows)
        )
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["method", "encoding", "transfer", "seed", "within_1pct", "within_5pct", "within_10pct"];
        let more = ["kendall", "spearman", "mape", "mse", "r2", "fit_s", "score_s"];
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let rows = self.runs.iter().map(|r| {
            let mut row =
                vec![name(&r.method), name(&r.encoding), r.transfer.to_string(), r.seed.to_string()];
            let numbers = [r.within_1pct, r.within_5pct, r.within_10pct, r.kendall, r.spearman, r.mape];
            row.extend(numbers.into_iter().chain([r.mse, r.r2, Some(r.fit_s), Some(r.score_s)]).map(text));
            row
        });
        (header.iter().chain(&more).map(ToString::to_string).collect(), rows.collect())
    }
}
