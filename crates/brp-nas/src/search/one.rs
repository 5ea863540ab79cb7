//! One search: a plan with a seed.

use super::args::{Algorithm, Surrogate};
use super::data::Data;
use super::mine;
use super::objective::{NoResult, Predicting, Predictions, Training, Work};
use super::predictor::{
    Fits, Latencies, agreement, always, committee, line, neural, pre_trained, regressor, relation,
    two_stages, warmed,
};
use super::report::{Found, Outcome};
use super::settings::{Plan, Settings, no_decisions};
use super::words::InWords;
use crate::elsewhere::{IsIn, TaskDesk};
use crate::failure::{Failure, OrFail};
use crate::host::Stopwatch;
use crate::named_scores::Scores;
use crate::predictable::{ByClass, Predictable};
use crate::progress::Progress;
use crate::record::Lines;
use crate::registry::{EncodingName, Setting};
use crate::watch::Watcher;
use anyhow::anyhow;
use nas_core::{Believe, Fit, FitFrom, Observe, Rank, SearchSpace, Searcher, Seed, Stream, Trial};
use predictors::{FittedRegressor, PredictError};
use rand::seq::SliceRandom;
use search::{
    Believing, BrpNas, Domain, Evolution, EvolutionSettings, Growth, Moves, Random, Reinforce, Run,
    SearchError, Searched, Selection, WarmUp, summarise,
};
use std::collections::BTreeMap;
use store::Store;
use surrogates::{GaussianProcess, GaussianSettings, Ours, Target};

/// What all searches of a run have in common.
pub(super) struct Search<'a, S: Predictable> {
    pub(super) settings: &'a Settings,
    pub(super) data: &'a Data<S>,
    pub(super) work: Work<'a, S>,
    /// Evaluations of a batch at once.
    pub(super) threads: usize,
}

/// Where the trials of one search go, and those that are there already.
pub(super) struct Files<A> {
    pub(super) lines: Lines,
    pub(super) recorded: Vec<Trial<A>>,
    pub(super) watchers: Vec<Watcher>,
    pub(super) progress: Option<Progress>,
}

/// Runs a strategy, once it is made.
struct Go<'a, S: Predictable> {
    search: &'a Search<'a, S>,
    /// What is to be trained, or all candidates where there are fewer: then the search ends when they are used up.
    budget: usize,
    /// Predicted ones of what was not measured.
    latencies: &'a Predictions<'a, S::Arch>,
    files: Files<S::Arch>,
    /// Names the search among those of the run.
    name: String,
    watch: Stopwatch,
}

impl<S: Predictable> Go<'_, S> {
    fn run<T: Searcher<S::Arch>>(self, searcher: &mut T) -> Result<Searched<S::Arch>, Failure> {
        let Files { mut lines, recorded, mut watchers, mut progress } = self.files;
        let mut sound = Sound(self.search);
        let mut observers: Vec<&mut dyn Observe<S::Arch>> = vec![&mut sound, &mut lines];
        observers.extend(watchers.iter_mut().map(|watcher| watcher as &mut dyn Observe<S::Arch>));
        observers.extend(progress.as_mut().map(|progress| progress as &mut dyn Observe<S::Arch>));
        let clock = || self.watch.wall_s();
        let settings = self.search.settings;
        let run = Run::new(settings.budget());
        // a table of all algorithms shows no last ranking, whose fit is half of the work
        let run = if settings.algorithm == Algorithm::All { run.leave_last_untold() } else { run };
        let work = Predicting { work: &self.search.work, latencies: self.latencies };
        let run = if settings.as_they_come { run.as_they_come() } else { run };
        let run = run.in_flight(settings.in_flight).go_on_from(recorded).clock(&clock);
        if let Work::Train(training @ Training { elsewhere: Some(there), store, .. }) = &self.search.work {
            let folder = there.folder.join(&self.name);
            let (args, sbatch) = (there.args.clone(), there.sbatch.clone());
            let is_in = |store: &Store, arch: &S::Arch| training.is_in(store, arch);
            let of = (self.search.data.space, &work, &is_in as &IsIn<'_, S::Arch>, &training.broken);
            let mut evaluator = TaskDesk::evaluator(&folder, args, store, sbatch, of)?;
            let searched = run.search_by(searcher, &mut evaluator, &mut observers);
            return searched.map_err(|error| self.search.why(error));
        }
        let run = run.threads(self.search.threads).retries(settings.retries);
        run.search(searcher, &work, &mut observers).map_err(|error| self.search.why(error))
    }
}

/// Ends a search whose trials are none, before they are recorded: where a store cannot be written any more, or nothing
/// can be scored.
struct Sound<'a, S: Predictable>(&'a Search<'a, S>);

impl<S: Predictable> Observe<S::Arch> for Sound<'_, S> {
    fn on_trial(&mut self, trial: &Trial<S::Arch>) -> std::io::Result<()> {
        let failed = trial.result.as_ref().err();
        let broken = self.0.scores_broken().or_else(|| self.0.work.broken(failed?));
        broken.map_or(Ok(()), |why| Err(std::io::Error::other(NoResult(why))))
    }
}

/// The share of the candidates that join them for each network that is trained, so that they double in a search of the
/// usual budget.
const GROWN: usize = 100;

/// The parts of a plan, ready for a strategy.
struct Parts<'a, A> {
    warm_up: Option<WarmUp<A>>,
    moves: Option<Moves<'a, A>>,
    growth: Option<Growth<'a, A>>,
}

impl<S: Predictable> Search<'_, S> {
    fn scores_broken(&self) -> Option<String> {
        self.data.scores.as_ref().and_then(Scores::broken)
    }

    /// What ended a search, which may be what led to it.
    fn why(&self, error: SearchError) -> Failure {
        let not_a_trial = match &error {
            SearchError::Record(error) => {
                error.get_ref().filter(|of| of.is::<NoResult>()).map(ToString::to_string)
            }
            _ => None,
        };
        match self.scores_broken().or(not_a_trial) {
            Some(why) => Failure::Failed(anyhow!(why).context("the search cannot go on")),
            None => mine(error),
        }
    }

    /// That what is trained can be kept and what is scored be scored, before anything is.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if let Work::Train(training) = &self.work {
            Store::open_or_create(&training.store).or_input()?;
        }
        match (&self.data.scores, self.data.candidates.first()) {
            (Some(scores), Some(arch)) => scores.check(arch),
            _ => Ok(()),
        }
    }

    /// The seeds of repeats differ in everything: samples, weights, order.
    pub(super) fn one(&self, plan: &Plan, seed: u64, files: Files<S::Arch>) -> Result<Found, Failure> {
        let (watch, root) = (Stopwatch::start(), Seed(seed));
        let Self { settings, data, .. } = self;
        let space = data.space;
        let mut candidates = data.candidates.clone();
        let (mut meeting, mut told, mut chances) = (None, BTreeMap::new(), Vec::new());
        let doubtful = plan.algorithm == Algorithm::Ours;
        let free = matches!(plan.algorithm, Algorithm::Random | Algorithm::Evolution | Algorithm::Reinforce);
        let grows = data.drawn() && !free && settings.grow != Some(0);
        let limited = settings.max_latency.map(|limit| {
            let seed = root.derive("latency");
            Latencies::new(data, grows, (limit, doubtful), settings, seed).map(|of| (limit, of))
        });
        let limited = limited.transpose()?;
        if let Some((limit, latencies)) = &limited {
            let within = latencies.within(candidates)?;
            meeting = Some(within.latencies.iter().filter(|ms| *ms <= limit).count());
            told = within.archs.iter().cloned().zip(within.latencies).collect();
            (candidates, chances) = (within.archs, within.chances);
        }
        let latencies = limited.as_ref().map(|(_, latencies)| latencies);
        // what joined on the way was not among those that were told
        let predicted = |arch: &S::Arch| told.get(arch).copied().or_else(|| latencies?.ms(arch));
        let chance = |arch: &S::Arch| latencies?.chance(arch);
        let edit = |arch: &S::Arch, rng: &mut Stream| data.edit(arch, rng);
        let (rows, key) = (data.reach(true), |arch: &S::Arch| data.key(arch));
        let mut parts = self.parts(plan, &candidates, root)?;
        if grows {
            let count = settings.grow.unwrap_or(candidates.len().div_ceil(GROWN));
            let growth = Growth::new(count, &edit).map_err(mine)?;
            parts.growth = Some(if latencies.is_some() { growth.within(&chance) } else { growth });
        }
        let unscored = parts.warm_up.as_ref().map(|warm_up| [warm_up.asked, warm_up.unscored]);
        let all = !grows && (settings.bound() || !data.drawn());
        let budget = if all { settings.budget.min(candidates.len()) } else { settings.budget };
        let name = format!("{}-{seed}", plan.name());
        let go = Go { search: self, budget, latencies: &predicted, files, name, watch };
        let seed_of_search = root.derive("search");
        let (searched, ranking) = match plan.algorithm {
            Algorithm::Brp | Algorithm::Predictor | Algorithm::NeuralPredictor | Algorithm::TwoStage => {
                self.predicted(plan, candidates, parts, go, root)?
            }
            Algorithm::Random | Algorithm::All => {
                let domain = self.domain(space, candidates);
                let mut random = Random::new(domain, seed_of_search).batch(settings.at_once);
                random = parts.warm_up.iter().fold(random, Random::warm_up);
                random = parts.moves.into_iter().fold(random, Random::moves);
                (go.run(&mut random)?, None)
            }
            Algorithm::Ours => self.believed((candidates, chances), parts, go, seed_of_search)?,
            Algorithm::Evolution if data.by_class => {
                self.evolved(&ByClass(space), candidates, parts, go, seed_of_search)?
            }
            Algorithm::Evolution => {
                let words = InWords::new(space, rows, &key);
                self.evolved(&words, candidates, parts, go, seed_of_search)?
            }
            Algorithm::Reinforce => {
                let decisions = space.decisions().ok_or_else(|| no_decisions(space.name())).or_input()?;
                let words = InWords::new(&decisions, rows, &key);
                let domain = self.domain(&words, candidates);
                let policy = Reinforce::new(domain, settings.reinforce, seed_of_search).map_err(mine)?;
                let mut policy = policy.limit_ms(settings.max_latency).batch(settings.at_once);
                policy = parts.warm_up.iter().fold(policy, Reinforce::warm_up);
                policy = parts.moves.into_iter().fold(policy, Reinforce::moves);
                (go.run(&mut policy)?, None)
            }
        };
        let outcome = Outcome {
            seed,
            limit: settings.max_latency,
            optimum: settings.max_latency.and_then(|limit| data.optimum(limit, grows)),
            summary: summarise(&searched.trials, settings.max_latency),
            agreement: agreement(data, ranking.as_deref())?,
            within_limit: meeting,
            learned: latencies.and_then(|latencies| latencies.learned),
            warm_up: unscored,
            slowest: data.slowest(),
        };
        Ok(Found::new(outcome, &searched, |arch| self.work.test(arch), |arch| data.measured(arch), &watch))
    }

    /// What strategies may ask for that look at no list; under a limit the candidates that meet it.
    fn domain<'a, T: SearchSpace<Arch = S::Arch>>(
        &self,
        space: &'a T,
        candidates: Vec<S::Arch>,
    ) -> Domain<'a, T> {
        if self.settings.max_latency.is_none() {
            self.data.domain(space)
        } else {
            Domain::listed(space, candidates)
        }
    }

    fn parts(&self, plan: &Plan, candidates: &[S::Arch], root: Seed) -> Result<Parts<'_, S::Arch>, Failure> {
        let Some(scores) = &self.data.scores else {
            return Ok(Parts { warm_up: None, moves: None, growth: None });
        };
        let warm_up = plan.warmup.map(|count| {
            let mut some = candidates.to_vec();
            some.shuffle(&mut root.derive("search").stream("warm-up"));
            some.truncate(count);
            WarmUp::new(some, scores)
        });
        let moves = plan.moves.map(|count| Moves::new(count, scores));
        let warm_up = warm_up.transpose().map_err(|error| self.why(error))?;
        let moves = moves.transpose().map_err(mine)?;
        Ok(Parts { warm_up, moves, growth: None })
    }

    /// A search by evolution, which ranks nothing.
    fn evolved<T: SearchSpace<Arch = S::Arch>>(
        &self,
        space: &T,
        candidates: Vec<S::Arch>,
        parts: Parts<'_, S::Arch>,
        go: Go<'_, S>,
        seed: Seed,
    ) -> Result<Ranked<S::Arch>, Failure> {
        let settings = self.settings;
        let pool = settings.evolution.pool.min(go.budget);
        let tournament = settings.evolution.tournament.min(pool);
        let clamped = EvolutionSettings { pool, tournament, ..settings.evolution };
        let evolution = Evolution::new(self.domain(space, candidates), clamped, seed).map_err(mine)?;
        let mut evolution = evolution.limit_ms(settings.max_latency).batch(settings.at_once);
        evolution = parts.warm_up.iter().fold(evolution, Evolution::warm_up);
        evolution = parts.moves.into_iter().fold(evolution, Evolution::moves);
        Ok((go.run(&mut evolution)?, None))
    }

    /// A search by what a surrogate believes, and the whole space in the order of its last means.
    fn believed(
        &self,
        candidates: Candidates<S::Arch>,
        parts: Parts<'_, S::Arch>,
        go: Go<'_, S>,
        seed: Seed,
    ) -> Result<Ranked<S::Arch>, Failure> {
        let known = self.data.features.as_ref();
        let blocks = known.ok_or_else(|| anyhow!("the features were not made")).or_failed()?.blocks();
        let features = |arch: &S::Arch| self.data.features_of(arch);
        match self.settings.surrogate {
            Surrogate::Gp => {
                let settings = GaussianSettings { target: Target::Top, ..GaussianSettings::rank() };
                self.around(GaussianProcess { features, blocks, settings }, candidates, parts, go, seed)
            }
            Surrogate::Ours => self.around(Ours { features, blocks }, candidates, parts, go, seed),
        }
    }

    fn around<F>(
        &self,
        surrogate: F,
        (candidates, chances): Candidates<S::Arch>,
        parts: Parts<'_, S::Arch>,
        go: Go<'_, S>,
        seed: Seed,
    ) -> Result<Ranked<S::Arch>, Failure>
    where
        F: Fit<S::Arch>,
        F::Model: Believe<S::Arch> + Rank<S::Arch>,
    {
        let ranked = self.settings.algorithm != Algorithm::All;
        let mut search =
            Believing::new(candidates, self.settings.believing, surrogate, seed).map_err(mine)?;
        search = search.networks(|arch| self.data.space.representative(arch));
        if let Some(limit) = self.settings.max_latency {
            search = search.limit(limit, chances).map_err(mine)?;
        }
        search = parts.warm_up.iter().fold(search, Believing::warm_up);
        if let Some(growth) = parts.growth {
            search = search.growing(growth).map_err(mine)?;
        }
        let searched = go.run(&mut search)?;
        let model = search.model().filter(|_| ranked);
        let ranking = model.map(|model| model.rank(self.data.ranked())).transpose().or_failed()?;
        Ok((searched, ranking))
    }

    /// A search around a predictor, and the whole space in the order of its last model.
    fn predicted(
        &self,
        plan: &Plan,
        candidates: Vec<S::Arch>,
        parts: Parts<'_, S::Arch>,
        go: Go<'_, S>,
        root: Seed,
    ) -> Result<Ranked<S::Arch>, Failure> {
        let (settings, data) = (self.settings, self.data);
        let selection = settings.selection_of(plan.algorithm);
        let samples = selection.samples.min(go.budget).min(candidates.len());
        let iterations = selection.iterations.min(samples);
        let selection = Selection { samples, iterations, ..selection };
        let encode = data.space.encoding(EncodingName::Pruned).or_failed()?;
        let bare = data.space.bare(EncodingName::Pruned).or_failed()?;
        let start = pre_trained(settings, data, encode.clone(), root.derive("transfer"))?;
        let start = start.as_ref().map(FittedRegressor::gcn);
        let around = Around { candidates, selection, parts, seed: root.derive("search"), all: data.ranked() };
        match (plan.algorithm, settings.setting) {
            (Algorithm::Predictor, setting) => around.run(regressor(encode, setting, selection, start), go),
            (Algorithm::NeuralPredictor, _) => around.run(always(neural(bare)), go),
            (Algorithm::TwoStage, _) => around.run(always(two_stages(bare)), go),
            (_, Setting::Ours) => around.run(committee(encode, iterations, start, line(data.space)?), go),
            (_, Setting::Published) => {
                around.run(relation(encode, Setting::Published, iterations, start), go)
            }
        }
    }
}

/// Architectures, and the chance that each meets the limit, where there is one.
type Candidates<A> = (Vec<A>, Vec<f64>);

/// Trials, and the indices of the space best first where a predictor ranked it.
type Ranked<A> = (Searched<A>, Option<Vec<usize>>);

/// What a search around a predictor needs, beside the predictor.
struct Around<'a, A> {
    candidates: Vec<A>,
    selection: Selection,
    parts: Parts<'a, A>,
    seed: Seed,
    all: &'a [A],
}

impl<A: Clone + Ord> Around<'_, A> {
    fn run<F, S>(self, fits: Fits<'_, F>, go: Go<'_, S>) -> Result<Ranked<A>, Failure>
    where
        F: FitFrom<A, Error = PredictError>,
        F::Model: Rank<A>,
        S: Predictable<Arch = A>,
    {
        let mut brp = BrpNas::new(self.candidates, self.selection, fits.round, self.seed).map_err(mine)?;
        if let Some(warm_up) = &self.parts.warm_up {
            let model = warmed(&fits.warm, warm_up, self.seed.derive("warm-up"))?;
            brp = brp.start_from(model).map_err(mine)?;
        }
        brp = self.parts.moves.into_iter().fold(brp, BrpNas::moves);
        brp = self.parts.growth.into_iter().fold(brp, BrpNas::growing);
        let ranked = go.search.settings.algorithm != Algorithm::All;
        let searched = go.run(&mut brp)?;
        let ranking =
            brp.model().filter(|_| ranked).map(|model| model.rank(self.all)).transpose().or_failed()?;
        Ok((searched, ranking))
    }
}
