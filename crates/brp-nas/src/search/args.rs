//! The flags of `search`.

use crate::columns;
use crate::named_scores::{Proxies, as_features};
use crate::options::Common;
use crate::registry::{Setting, Space};
use crate::watch::Watch;
use crate::{score, train};
use clap::ValueEnum;
use search::{Acquisition, Goal};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;
use tables::TableRef;

/// A strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Algorithm {
    /// BRP-NAS: the binary relation predictor with iterative data selection, then training by rank.
    Brp,
    /// The same with a graph network that predicts the accuracy.
    Predictor,
    /// The Neural Predictor: trained once on random architectures (--samples N, half of the budget if not said), then
    /// the best of its ranking are trained, up to the budget (N + K).
    NeuralPredictor,
    /// The same with a classifier before it.
    TwoStage,
    /// Random search, the baseline.
    Random,
    /// Surrogates that know how sure they are: a Gaussian process, or it and boosted trees.
    Ours,
    /// Aging evolution.
    Evolution,
    /// A policy over the decisions of the space, trained by REINFORCE.
    Reinforce,
    /// The four of Zero-Cost NAS (random, evolution, reinforce, brp), each as it is, with a warm-up, and with moves:
    /// one table.
    All,
}

impl Algorithm {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brp => "brp",
            Self::Predictor => "predictor",
            Self::NeuralPredictor => "neural-predictor",
            Self::TwoStage => "two-stage",
            Self::Random => "random",
            Self::Ours => "ours",
            Self::Evolution => "evolution",
            Self::Reinforce => "reinforce",
            Self::All => "all",
        }
    }

    /// Whether its predictor is fitted once, on a random sample, and then only ranks.
    pub(super) fn fits_once(self) -> bool {
        matches!(self, Self::NeuralPredictor | Self::TwoStage)
    }
}

/// What `ours` predicts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Surrogate {
    /// A Gaussian process: a fit takes hundredths of a second.
    #[default]
    Gp,
    /// The process and boosted trees, as the held-out part says.
    Ours,
}

/// Where architectures are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// On this machine.
    #[default]
    Here,
    /// As tasks of Slurm, of a work folder in the run folder, which all nodes have to see.
    Slurm,
}

/// What a latency limit is checked by before an architecture is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LimitBy {
    /// The latency table where it knows an architecture, and else a predictor fitted on its rows.
    Known,
    /// That predictor alone, as if nothing but the rows it learns from had been measured; what it lets pass wrongly is
    /// counted.
    Predictor,
    /// The latency table alone; what it does not know is left out.
    Table,
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
    pub(crate) space: Option<Space>,
    /// Search among so many that are drawn at random: of what the tables know or, without them, of the space [default: all
    /// that the tables know, all of a space of at most 500,000, else 10,000].
    #[arg(long)]
    pub(crate) candidates: Option<usize>,
    /// How many others join them for each network that is trained, near the best so far, where a predictor or `ours`
    /// chooses from some that were drawn; 0 for none [default: a hundredth of them, or of those within the limit].
    #[arg(long)]
    pub(crate) grow: Option<usize>,
    /// What training an architecture gives, FILE:COLUMN: the validation accuracy that the search maximises, or, as
    /// FILE:-COLUMN, a loss that it minimises [default,
    /// without --train: benchmark:valid with --test benchmark:mean_test and --latency benchmark:engine_ms, which come with
    /// the program].
    #[arg(long)]
    pub(crate) accuracy: Option<TableRef>,
    /// What is only reported and never seen by the search, FILE:COLUMN: the test accuracy.
    #[arg(long)]
    pub(crate) test: Option<TableRef>,
    /// Measured latency in ms, FILE:COLUMN.
    #[arg(long)]
    pub(crate) latency: Option<TableRef>,
    /// Only architectures of at most this latency, in ms; needs --latency.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) max_latency: Option<f64>,
    /// Rows of the latency table that the latency predictor learns from [default: 900, or all where there are fewer].
    #[arg(long)]
    pub(crate) latency_train: Option<usize>,
    /// The strategy [default: brp].
    #[arg(long)]
    pub(crate) algorithm: Option<Algorithm>,
    /// How many networks are trained [default: 100].
    #[arg(long)]
    pub(crate) budget: Option<usize>,
    /// How many of them are chosen to teach the predictor; the rest is trained by rank [default: 100, at most
    /// the budget].
    #[arg(long)]
    pub(crate) samples: Option<usize>,
    /// Rounds of iterative data selection [default: 5].
    #[arg(long)]
    pub(crate) iterations: Option<usize>,
    /// Share of each round that is taken from the top of the ranking [default: 0.5].
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) alpha: Option<f64>,
    /// What the predictor is pre-trained on: `flops` (multiply-adds, known without training), `none`, or a
    /// latency as FILE:COLUMN [default: flops; none with --setting published and with --algorithm all].
    #[arg(long)]
    pub(crate) transfer_from: Option<Source>,
    /// Architectures that it is pre-trained on [default: 1000].
    #[arg(long)]
    pub(crate) transfer_train: Option<usize>,
    /// Whose settings the predictor is trained with [default: ours].
    #[arg(long)]
    pub(crate) setting: Option<Setting>,
    /// Which algorithms stand in the table of --algorithm all, separated by commas [default:
    /// random,reinforce,evolution,brp].
    #[arg(long, value_delimiter = ',')]
    pub(crate) compare: Option<Vec<Algorithm>>,
    /// Score so many architectures by --proxy first, and start from the best: evolution's pool, the policy by
    /// imitation, the predictor by pre-training, random search by order [default: none; with --algorithm all 3000,
    /// every one for evolution, at most 512 for the predictor].
    #[arg(long)]
    pub(crate) warmup: Option<usize>,
    /// Of so many proposed moves train the best by --proxy; evolution proposes the one-edit neighbours, at most so
    /// many [default: none; with --algorithm all 100].
    #[arg(long)]
    pub(crate) moves: Option<usize>,
    /// Scores without training: `params`, `flops`, a zero-cost score as in `score`, FILE:COLUMN, or several separated
    /// by commas, which are combined by the sum of their log ranks; a name alone is the column of the file before it, where
    /// that has one. What the program brings with it (NAS-Bench-201, a batch of CIFAR-10) is looked up, any other score is
    /// computed when it is asked for [default: params].
    #[arg(long)]
    pub(crate) proxy: Option<Proxies>,
    /// Images to compute zero-cost scores on, as in `score`; then none of them is looked up [default: the
    /// Fashion-MNIST images that come with the program, for what is not looked up].
    #[arg(long)]
    pub(crate) proxy_images: Option<score::Source>,
    /// The run store of computed scores, which may be one that `score` has filled with the same images and seed
    /// [default: scores.sqlite in the run folder].
    #[arg(long)]
    pub(crate) proxy_store: Option<PathBuf>,
    /// How `ours` chooses: by expected improvement or by Thompson sampling [default: expected-improvement].
    #[arg(long, value_parser = acquisition)]
    pub(crate) acquisition: Option<Acquisition>,
    /// How many `ours` trains before it fits anything; with --warmup they are drawn from the 300 best [default: 5].
    #[arg(long)]
    pub(crate) first: Option<usize>,
    /// What `ours` predicts by: `gp` or `ours`, the choice of `predict` [default: gp].
    #[arg(long)]
    pub(crate) surrogate: Option<Surrogate>,
    /// What `ours` sees of an architecture beside its graph, as --proxy, each by itself; `none` for the graph alone
    /// [default: params, flops and the scores that come with the program, as far as they are complete].
    #[arg(long, value_parser = as_features)]
    pub(crate) scores: Option<Proxies>,
    /// How many architectures live in evolution [default: 64, at most the budget].
    #[arg(long)]
    pub(crate) pool: Option<usize>,
    /// How many of them compete to be the parent [default: 10, at most the pool].
    #[arg(long)]
    pub(crate) tournament: Option<usize>,
    /// With --moves, how often evolution trains a random neighbour instead [default: 0.25]; how often `ours` trains
    /// a random architecture [default: 0.05].
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) explore: Option<f64>,
    /// How a parent is chosen: by value, or from the front of value and latency [default: value].
    #[arg(long, value_parser = goal)]
    pub(crate) goal: Option<Goal>,
    /// What a latency limit is checked by [default: known; with --latency-train or --setting published,
    /// predictor].
    #[arg(long)]
    pub(crate) limit_by: Option<LimitBy>,
    /// What training an architecture costs in seconds, FILE:COLUMN.
    #[arg(long)]
    pub(crate) cost: Option<TableRef>,
    /// End after evaluations that cost so many seconds in sum; needs --cost or --train. Those that fail count for nothing.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) max_cost: Option<f64>,
    /// End each search after so many seconds of wall time.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) max_wall: Option<f64>,
    /// How often a training that failed is tried again before it is a failed trial; what diverged would do so again
    /// [default: 0].
    #[arg(long)]
    pub(crate) retries: Option<usize>,
    /// How many architectures random search, evolution, the policy and `ours` ask for at once, so that they can be
    /// trained beside each other [default: 1].
    #[arg(long)]
    pub(crate) at_once: Option<usize>,
    /// Where architectures are trained, with --train: `here` or by `slurm` [default: here].
    #[arg(long)]
    pub(crate) evaluate: Option<Place>,
    /// How many may be in training when the next is asked for, so that none waits for the slowest of a batch; the
    /// record depends on this number, not on which is done first [default: 1; by slurm 8].
    #[arg(long)]
    pub(crate) in_flight: Option<usize>,
    /// Take results as they come: no wait for a slow one, but another record at every run.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) as_they_come: Option<bool>,
    /// An option of `sbatch`, with --evaluate slurm, such as --sbatch=--partition=cpu; may be given more than once.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) sbatch: Option<Vec<String>>,
    /// Also write every trial as `csv` or for `tensorboard`; several separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) observe: Option<Vec<Watch>>,
    /// Train the architectures for real instead of looking them up; with the flags of `train`.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) train: Option<bool>,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) bench: train::Flags,
    /// Go on with the run in this folder, with its settings.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) resume: Option<PathBuf>,
    /// TOML file with the same options; flags win.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// How often everything is done, with seeds S, S+1, ... [default: 1].
    #[arg(long)]
    pub(crate) repeats: Option<usize>,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) common: Common,
}

impl Args {
    /// What comes with the program, where nothing says what training an architecture gives.
    pub(crate) fn use_benchmark(&mut self) {
        let column = |name: &str| Some(TableRef { file: columns::BENCHMARK.into(), column: name.into() });
        self.accuracy = column("valid");
        self.test = self.test.take().or_else(|| column("mean_test"));
        self.latency = self.latency.take().or_else(|| column("engine_ms"));
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            space: self.space.or(other.space),
            candidates: self.candidates.or(other.candidates),
            grow: self.grow.or(other.grow),
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
            compare: self.compare.or(other.compare),
            warmup: self.warmup.or(other.warmup),
            moves: self.moves.or(other.moves),
            proxy: self.proxy.or(other.proxy),
            proxy_images: self.proxy_images.or(other.proxy_images),
            proxy_store: self.proxy_store.or(other.proxy_store),
            acquisition: self.acquisition.or(other.acquisition),
            first: self.first.or(other.first),
            surrogate: self.surrogate.or(other.surrogate),
            scores: self.scores.or(other.scores),
            pool: self.pool.or(other.pool),
            tournament: self.tournament.or(other.tournament),
            explore: self.explore.or(other.explore),
            goal: self.goal.or(other.goal),
            limit_by: self.limit_by.or(other.limit_by),
            cost: self.cost.or(other.cost),
            max_cost: self.max_cost.or(other.max_cost),
            max_wall: self.max_wall.or(other.max_wall),
            retries: self.retries.or(other.retries),
            at_once: self.at_once.or(other.at_once),
            evaluate: self.evaluate.or(other.evaluate),
            in_flight: self.in_flight.or(other.in_flight),
            as_they_come: self.as_they_come.or(other.as_they_come),
            sbatch: self.sbatch.or(other.sbatch),
            observe: self.observe.or(other.observe),
            train: self.train.or(other.train),
            bench: self.bench.or(other.bench),
            resume: self.resume,
            config: self.config,
            repeats: self.repeats.or(other.repeats),
            common: self.common.or(other.common),
        }
    }
}

fn acquisition(text: &str) -> Result<Acquisition, String> {
    match text {
        "expected-improvement" => Ok(Acquisition::ExpectedImprovement),
        "thompson" => Ok(Acquisition::Thompson),
        _ => Err("expected `expected-improvement` or `thompson`".into()),
    }
}

fn goal(text: &str) -> Result<Goal, String> {
    match text {
        "value" => Ok(Goal::Value),
        "front" => Ok(Goal::Front),
        _ => Err("expected `value` or `front`".into()),
    }
}
