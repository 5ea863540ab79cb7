//! What is searched with: all defaults filled in, everything checked that can be before a file is read.

use super::args::{Algorithm, Args, LimitBy, Place, Source, Surrogate};
use crate::failure::{Failure, OrFail};
use crate::named_scores::Proxies;
use crate::options::check_used;
use crate::predictable::Predictable;
use crate::record::Begun;
use crate::registry::{Proxy, Setting, Space, on_space};
use crate::train::Fidelity;
use anyhow::anyhow;
use search::{BelievingSettings, Budget, EvolutionSettings, ReinforceSettings, Selection};
use serde::Serialize;

/// One way of searching: a strategy and its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Plan {
    pub(super) algorithm: Algorithm,
    /// How many architectures are scored first; all there are where there are fewer and nobody asked for more.
    pub(super) warmup: Option<usize>,
    pub(super) moves: Option<usize>,
}

impl Plan {
    /// A name for files.
    pub(super) fn name(&self) -> String {
        let warmup = if self.warmup.is_some() { "-warmup" } else { "" };
        let moves = if self.moves.is_some() { "-moves" } else { "" };
        format!("{}{warmup}{moves}", self.algorithm.name())
    }
}

/// All that decides what a search gives.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Settings {
    pub(super) space: Space,
    /// Drawn from the space, where it is too large to go through or somebody asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) candidates: Option<usize>,
    /// Others that join them for each network that is trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grow: Option<usize>,
    pub(super) algorithm: Algorithm,
    pub(super) plans: Vec<Plan>,
    pub(super) budget: usize,
    pub(super) max_cost_s: Option<f64>,
    pub(super) max_wall_s: Option<f64>,
    pub(super) selection: Selection,
    /// Of predictors that are fitted once, in a table of several algorithms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) selection_once: Option<Selection>,
    pub(super) evolution: EvolutionSettings,
    pub(super) reinforce: ReinforceSettings,
    pub(super) believing: BelievingSettings,
    pub(super) surrogate: Surrogate,
    /// What surrogates see beside the graph, where one is used.
    pub(super) scores: Option<Proxies>,
    pub(super) at_once: usize,
    #[serde(skip_serializing_if = "is_one")]
    pub(super) in_flight: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) as_they_come: bool,
    pub(super) retries: usize,
    pub(super) proxy: Option<Proxies>,
    pub(super) max_latency: Option<f64>,
    pub(super) limit_by: LimitBy,
    pub(super) latency_train: Option<usize>,
    pub(super) setting: Setting,
    pub(super) transfer_from: Source,
    pub(super) transfer_train: usize,
    /// Whether somebody asked for that start, or it is the usual one.
    #[serde(skip)]
    pub(super) transfer_asked: bool,
    pub(super) accuracy: Option<String>,
    pub(super) test: Option<String>,
    pub(super) latency: Option<String>,
    pub(super) cost: Option<String>,
    /// What scores are computed on, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scored: Option<String>,
    /// What architectures are trained on and how, where they are.
    pub(super) train: Option<Fidelity>,
    pub(super) seed: u64,
    pub(super) repeats: usize,
}

/// What may differ where a run is gone on with: the replay says where it does not fit.
pub(super) const FREE: [&str; 4] = ["budget", "max_cost_s", "max_wall_s", "retries"];

/// Scored for a table of all algorithms, where nobody says how many.
const WARM_UP: usize = 3_000;

/// The published warm-up of a predictor.
const PRE_TRAINED: usize = 512;

/// Proposed for a table of all algorithms, where nobody says how many.
const MOVES: usize = 100;

impl Settings {
    pub(super) fn new(args: &Args, repeats: usize) -> Result<Self, Failure> {
        let train = args.train == Some(true);
        if args.accuracy.is_some() && train {
            return Err(anyhow!("--accuracy and --train exclude each other")).or_input();
        }
        if args.max_latency.is_some() && args.latency.is_none() {
            return Err(anyhow!("a latency limit needs both: --latency FILE:COLUMN and --max-latency MS"))
                .or_input();
        }
        for (flag, value, unit) in [
            ("--max-latency", args.max_latency, "milliseconds"),
            ("--max-cost", args.max_cost, "seconds"),
            ("--max-wall", args.max_wall, "seconds"),
        ] {
            if let Some(value) = value.filter(|value| !(*value > 0.0 && value.is_finite())) {
                return Err(anyhow!("{flag} is {value}; it is a positive number of {unit}")).or_input();
            }
        }
        if args.max_cost.is_some() && args.cost.is_none() && !train {
            return Err(anyhow!("--max-cost needs to know what a training costs: name --cost FILE:COLUMN"))
                .or_input();
        }
        let budget = args.budget.unwrap_or(100);
        if budget == 0 {
            return Err(anyhow!("--budget is 0; at least one network has to be trained")).or_input();
        }
        let space = args.space.unwrap_or_default();
        let algorithm = args.algorithm.unwrap_or(Algorithm::Brp);
        let plans = plans(args, algorithm, on_space!(space, space => space.decisions().is_some()))?;
        let evolution =
            evolution(args, budget, plans.iter().any(|plan| plan.algorithm == Algorithm::Evolution))?;
        let setting = args.setting.unwrap_or_default();
        let default = match (setting, algorithm) {
            // a start from multiply-adds is a warm-up too, which a comparison with and without must not have
            (Setting::Published, _)
            | (_, Algorithm::All | Algorithm::NeuralPredictor | Algorithm::TwoStage) => Source::None,
            (Setting::Ours, _) if on_space!(space, space => space.scores()).contains(&Proxy::Flops) => {
                Source::Flops
            }
            (Setting::Ours, _) => Source::None,
        };
        let scored = plans.iter().any(|plan| plan.warmup.is_some() || plan.moves.is_some());
        let ours = plans.iter().any(|plan| plan.algorithm == Algorithm::Ours);
        let once = plans.iter().any(|plan| plan.algorithm.fits_once());
        if algorithm.fits_once() && args.transfer_from.as_ref().is_some_and(|from| *from != Source::None) {
            return Err(anyhow!(
                "--transfer-from starts the network of brp and predictor; this one starts anew"
            ))
            .or_input();
        }
        let at_once = args.at_once.unwrap_or(1);
        if at_once == 0 {
            return Err(anyhow!("--at-once is 0; at least one architecture is asked for")).or_input();
        }
        let in_flight = in_flight(args, train)?;
        let text = |table: &Option<tables::TableRef>| table.as_ref().map(ToString::to_string);
        Ok(Self {
            space,
            candidates: args.candidates,
            grow: args.grow,
            algorithm,
            plans,
            budget,
            max_cost_s: args.max_cost,
            max_wall_s: args.max_wall,
            selection: selection(args, algorithm.fits_once(), budget)?,
            selection_once: (algorithm == Algorithm::All && once)
                .then(|| selection(args, true, budget))
                .transpose()?,
            evolution,
            reinforce: ReinforceSettings::standard(),
            believing: believing(args)?,
            surrogate: args.surrogate.unwrap_or_default(),
            scores: ours.then(|| {
                let complete = || on_space!(space, space => Proxies::complete(space));
                args.scores.clone().unwrap_or_else(complete)
            }),
            at_once,
            in_flight,
            as_they_come: args.as_they_come == Some(true),
            retries: args.retries.unwrap_or(0),
            proxy: scored.then(|| {
                let proxy = args.proxy.clone().unwrap_or_default();
                let known = on_space!(space, space => space.scores());
                let looked_up = known.iter().any(|proxy| matches!(proxy, Proxy::Kept(_)));
                if looked_up && args.proxy_images.is_none() { proxy } else { proxy.all_computed() }
            }),
            max_latency: args.max_latency,
            limit_by: args.limit_by.unwrap_or(match (setting, args.latency_train) {
                (Setting::Ours, None) => LimitBy::Known,
                _ => LimitBy::Predictor,
            }),
            latency_train: args.latency_train,
            setting,
            transfer_from: args.transfer_from.clone().unwrap_or(default),
            transfer_train: args.transfer_train.unwrap_or(1000),
            transfer_asked: args.transfer_from.is_some() || args.transfer_train.is_some(),
            accuracy: text(&args.accuracy),
            test: text(&args.test),
            latency: text(&args.latency),
            cost: text(&args.cost),
            train: None,
            scored: None,
            seed: args.common.seed(),
            repeats,
        })
    }

    /// Goes on with the selection of samples that a run began with, which may be of its budget, where nobody asks for
    /// another.
    pub(super) fn keep(&mut self, begun: &Begun, given: &Args) {
        let asked = given.samples.is_some() || given.iterations.is_some() || given.alpha.is_some();
        let kept = |name| {
            let kept: Option<Selection> = serde_json::from_value(begun.settings.get(name)?.clone()).ok();
            kept.filter(|_| !asked)
        };
        self.selection = kept("selection").unwrap_or(self.selection);
        self.selection_once = self.selection_once.map(|new| kept("selection_once").unwrap_or(new));
    }

    /// How the samples of a predictor are chosen.
    pub(super) fn selection_of(&self, algorithm: Algorithm) -> Selection {
        self.selection_once.filter(|_| algorithm.fits_once()).unwrap_or(self.selection)
    }

    /// Whether nothing but candidates is trained: what looks at no list may come upon any of what they were drawn from.
    pub(super) fn bound(&self) -> bool {
        use Algorithm::{Evolution, Random, Reinforce};
        let free = |plan: &Plan| matches!(plan.algorithm, Random | Evolution | Reinforce);
        self.max_latency.is_some() || !self.plans.iter().all(free)
    }

    /// Whether anything looks at candidates.
    pub(super) fn listed(&self) -> bool {
        self.bound() || self.plans.iter().any(|plan| plan.warmup.is_some())
    }

    /// Refuses flags of the command line that this search has no use for.
    pub(super) fn check_used(&self, given: &Args, train: bool) -> Result<(), Failure> {
        use Algorithm::{Brp, Evolution, NeuralPredictor, Ours, Predictor, Random, Reinforce, TwoStage};
        let any = |of: &[Algorithm]| self.plans.iter().any(|plan| of.contains(&plan.algorithm));
        let (evolution, ours, start) = (any(&[Evolution]), any(&[Ours]), any(&[Brp, Predictor]));
        let moves = self.plans.iter().any(|plan| plan.algorithm == Evolution && plan.moves.is_some());
        let ranked = start || any(&[NeuralPredictor, TwoStage]);
        let by_rank = |plan: &Plan| {
            let of = plan.algorithm;
            let rounds = self.selection_of(of).iterations > 1 || plan.warmup.is_some();
            (of.fits_once() || matches!(of, Brp | Predictor)) && rounds
        };
        let chosen = self.plans.iter().any(by_rank);
        if let Some(samples) = given.samples.filter(|_| ranked) {
            let budget = self.budget;
            if samples > budget {
                return Err(anyhow!(
                    "--samples is {samples}, and only {budget} networks are trained: raise --budget"
                ))
                .or_input();
            }
            if samples == budget && !start {
                return Err(anyhow!(
                    "--samples is {samples}, all that is trained, so nothing is chosen by what was learned: raise \
                     --budget"
                ))
                .or_input();
            }
        }
        let free = evolution || ours || any(&[Random, Reinforce]);
        let limit = self.max_latency.is_some();
        let from = given.transfer_from.as_ref().is_some_and(|from| *from != Source::None);
        let training = given.bench.first_given();
        let computes = self.proxy.as_ref().is_some_and(Proxies::compute);
        let (an_evolution, an_ours) = ("--algorithm evolution", "--algorithm ours");
        let a_ranked = "--algorithm brp, predictor, neural-predictor and two-stage";
        check_used(&[
            (
                "--grow",
                given.grow.is_some(),
                (train || self.candidates.is_some()) && (ranked || ours),
                "candidates that are drawn, with brp, predictor, neural-predictor, two-stage and ours",
            ),
            (
                "--candidates",
                given.candidates.is_some(),
                self.listed(),
                "algorithms that rank candidates, a warm-up, and a limit",
            ),
            ("--pool", given.pool.is_some(), evolution, an_evolution),
            ("--tournament", given.tournament.is_some(), evolution, an_evolution),
            ("--as-they-come", given.as_they_come.is_some(), train, "--train"),
            ("--retries", given.retries.is_some(), train, "--train"),
            ("--evaluate", given.evaluate.is_some(), train, "--train"),
            (
                "--in-flight",
                given.in_flight.is_some(),
                train || free,
                "--train, and to random, reinforce, evolution and ours",
            ),
            ("--proxy-images", given.proxy_images.is_some(), computes, "scores that are computed"),
            ("--proxy-store", given.proxy_store.is_some(), computes, "scores that are computed"),
            ("--goal", given.goal.is_some(), evolution, an_evolution),
            ("--acquisition", given.acquisition.is_some(), ours, an_ours),
            ("--first", given.first.is_some(), ours, an_ours),
            ("--surrogate", given.surrogate.is_some(), ours, an_ours),
            ("--scores", given.scores.is_some(), ours, an_ours),
            ("--explore", given.explore.is_some(), ours || moves, "ours, and to evolution with --moves"),
            ("--samples", given.samples.is_some(), ranked, a_ranked),
            ("--iterations", given.iterations.is_some(), ranked, a_ranked),
            ("--alpha", given.alpha.is_some(), chosen, "predictors that choose in rounds or after a warm-up"),
            ("--transfer-from", from, start, "--algorithm brp and predictor"),
            (
                "--transfer-train",
                given.transfer_train.is_some(),
                start && self.transfer_from != Source::None,
                "a predictor with --transfer-from",
            ),
            ("--setting", given.setting.is_some(), start || limit, "brp, predictor and --max-latency"),
            ("--at-once", given.at_once.is_some(), free, "random, evolution, reinforce and ours"),
            ("--limit-by", given.limit_by.is_some(), limit, "--max-latency"),
            (
                "--latency-train",
                given.latency_train.is_some(),
                limit && self.limit_by != LimitBy::Table,
                "--max-latency, by other than the table alone",
            ),
            ("--test", given.test.is_some(), !train, "tables; a training is tested on --test-images"),
            (training.as_deref().unwrap_or_default(), training.is_some(), train, "--train"),
        ])
    }

    pub(super) fn budget(&self) -> Budget {
        Budget { trials: self.budget, cost_s: self.max_cost_s, wall_s: self.max_wall_s }
    }
}

/// `decides` says whether the space is one of independent choices.
fn plans(args: &Args, algorithm: Algorithm, decides: bool) -> Result<Vec<Plan>, Failure> {
    for (flag, count) in [("--warmup", args.warmup), ("--moves", args.moves)] {
        if count == Some(0) {
            return Err(anyhow!("{flag} is 0; leave it out, or ask for at least one")).or_input();
        }
    }
    let mut named = args.compare.iter().flatten().chain([&algorithm]);
    if !decides && named.any(|algorithm| *algorithm == Algorithm::Reinforce) {
        return Err(no_decisions(args.space.unwrap_or_default().name())).or_input();
    }
    if algorithm != Algorithm::All {
        if args.compare.is_some() {
            return Err(anyhow!("--compare belongs to --algorithm all")).or_input();
        }
        if args.proxy.is_some() && args.warmup.is_none() && args.moves.is_none() {
            return Err(anyhow!("--proxy is used by nothing: it needs --warmup N or --moves M")).or_input();
        }
        if args.proxy.is_none() && (args.proxy_images.is_some() || args.proxy_store.is_some()) {
            return Err(anyhow!("--proxy-images and --proxy-store belong to --proxy NAME")).or_input();
        }
        if algorithm == Algorithm::Ours && args.moves.is_some() {
            return Err(anyhow!("--moves is used by nothing: `ours` looks at every candidate anyway"))
                .or_input();
        }
        return Ok(vec![Plan { algorithm, warmup: args.warmup, moves: args.moves }]);
    }
    let of = |algorithm| {
        let warmup = match algorithm {
            Algorithm::Evolution | Algorithm::Ours => args.warmup.unwrap_or(usize::MAX),
            Algorithm::Brp | Algorithm::Predictor | Algorithm::NeuralPredictor | Algorithm::TwoStage => {
                args.warmup.unwrap_or(PRE_TRAINED).min(PRE_TRAINED)
            }
            _ => args.warmup.unwrap_or(WARM_UP),
        };
        let plain = Plan { algorithm, warmup: None, moves: None };
        let moves = Some(args.moves.unwrap_or(MOVES));
        let mut three = vec![plain, Plan { warmup: Some(warmup), ..plain }, Plan { moves, ..plain }];
        // it looks at every candidate anyway
        three.truncate(if algorithm == Algorithm::Ours { 2 } else { 3 });
        three
    };
    let mut four = vec![Algorithm::Random, Algorithm::Reinforce, Algorithm::Evolution, Algorithm::Brp];
    four.retain(|algorithm| decides || *algorithm != Algorithm::Reinforce);
    let mut chosen: Vec<Algorithm> = Vec::new();
    for algorithm in args.compare.clone().unwrap_or(four) {
        if !chosen.contains(&algorithm) {
            chosen.push(algorithm);
        }
    }
    if chosen.is_empty() || chosen.contains(&Algorithm::All) {
        return Err(anyhow!("--compare names the algorithms of a table one by one, without `all`"))
            .or_input();
    }
    Ok(chosen.into_iter().flat_map(of).collect())
}

/// Why no policy can be learned.
pub(super) fn no_decisions(space: &str) -> anyhow::Error {
    anyhow!(
        "--algorithm reinforce learns which choices make good architectures, and those of {space} are not made of \
         independent choices: take another algorithm"
    )
}

/// The rest of it is checked with the strategies that share it.
fn believing(args: &Args) -> Result<BelievingSettings, Failure> {
    let standard = BelievingSettings::default();
    let first = args.first.unwrap_or(standard.first);
    if first == 0 {
        return Err(anyhow!("--first is 0; at least one is trained before anything is fitted")).or_input();
    }
    Ok(BelievingSettings {
        first,
        batch: args.at_once.unwrap_or(standard.batch),
        acquisition: args.acquisition.unwrap_or_default(),
        explore: args.explore.unwrap_or(standard.explore),
        ..standard
    })
}

/// As asked for; a search clamps what nobody asked for to its budget.
fn evolution(args: &Args, budget: usize, used: bool) -> Result<EvolutionSettings, Failure> {
    let published = EvolutionSettings::published();
    let pool = args.pool.unwrap_or(published.pool);
    let tournament = args.tournament.unwrap_or(published.tournament.min(pool));
    let explore = args.explore.unwrap_or(published.explore);
    if used && (pool == 0 || args.pool.is_some_and(|pool| pool > budget)) {
        return Err(anyhow!("--pool is {pool}; it lies between 1 and the budget of {budget}")).or_input();
    }
    let most = pool.min(budget);
    if used && args.tournament.is_some_and(|tournament| tournament == 0 || tournament > most) {
        return Err(anyhow!("--tournament is {tournament}; it lies between 1 and the pool of {most}"))
            .or_input();
    }
    if !(0.0..=1.0).contains(&explore) {
        return Err(anyhow!("--explore is {explore}; it is a share between 0 and 1")).or_input();
    }
    let goal = args.goal.unwrap_or_default();
    if goal == search::Goal::Front && args.latency.is_none() {
        return Err(anyhow!("--goal front needs latencies: name --latency FILE:COLUMN")).or_input();
    }
    Ok(EvolutionSettings { pool, tournament, explore, goal })
}

/// As asked for, and no more samples than are trained.
fn selection(args: &Args, once: bool, budget: usize) -> Result<Selection, Failure> {
    let mut published = Selection::published();
    if once {
        // one fit: half of the budget to learn from, half by what was learned
        published = Selection { samples: budget.div_ceil(2), iterations: 1, ..published };
    }
    let samples = args.samples.unwrap_or(published.samples);
    if samples == 0 {
        return Err(anyhow!("--samples is 0; a predictor learns from at least one")).or_input();
    }
    let most = samples.min(budget);
    let iterations = args.iterations.unwrap_or(published.iterations);
    let alpha = args.alpha.unwrap_or(published.alpha);
    if !(0.0..=1.0).contains(&alpha) {
        return Err(anyhow!("--alpha is {alpha}; it is a share between 0 and 1")).or_input();
    }
    if iterations == 0 || args.iterations.is_some_and(|iterations| iterations > most) {
        return Err(anyhow!("--iterations is {iterations}; it lies between 1 and the {most} samples"))
            .or_input();
    }
    Ok(Selection { samples: most, iterations: iterations.min(most), alpha })
}

fn is_one(count: &usize) -> bool {
    *count == 1
}

/// How many may be open when the next is asked for.
fn in_flight(args: &Args, train: bool) -> Result<usize, Failure> {
    let slurm = args.evaluate == Some(Place::Slurm);
    let elsewhere = [("--evaluate slurm", slurm && !train), ("--sbatch", args.sbatch.is_some() && !slurm)];
    if let Some((flag, _)) = elsewhere.iter().find(|(_, wrong)| *wrong) {
        return Err(anyhow!("{flag} is for trainings elsewhere: --train --evaluate slurm")).or_input();
    }
    if slurm && args.retries.is_some_and(|retries| retries > 0) {
        let why = "a training that failed there fails again, and what was lost is handed over again anyway";
        return Err(anyhow!("--retries is for trainings here: {why}")).or_input();
    }
    match args.in_flight.unwrap_or(if slurm { 8 } else { 1 }) {
        0 => Err(anyhow!("--in-flight is 0; at least one architecture is trained")).or_input(),
        count => Ok(count),
    }
}
