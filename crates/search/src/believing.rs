use crate::{Acquisition, Growth, Point, SearchError, expected_improvement};
use nas_core::{Belief, Believe, Fit, Labelled, Searcher, Seed, Stream, Trial, order_by_score};
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Candidates from which values are drawn together: those whose mean and two deviations are largest.
const SHORT_LIST: usize = 200;

/// Why candidates do not grow under a limit.
const NO_CHANCES: &str = "candidates that join on the way have no chance to meet a limit that anybody knows: Growth::within says it";

/// The chance to meet a limit from which it is likely.
const LIKELY: f64 = 0.5;

/// How a search by beliefs goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BelievingSettings {
    /// How many are trained before anything is fitted.
    pub first: usize,
    /// How many are asked for at once after each fit.
    pub batch: usize,
    /// How they are chosen.
    pub acquisition: Acquisition,
    /// How often one is drawn at random instead: against a start that misleads.
    pub explore: f64,
    /// The first are drawn from so many of the best of a warm-up.
    pub pool: usize,
}

/// Chosen on NAS-Bench-201, CIFAR-100, where batches of three need half as many trainings again as one at a time.
impl Default for BelievingSettings {
    fn default() -> Self {
        let acquisition = Acquisition::ExpectedImprovement;
        Self { first: 5, batch: 1, acquisition, explore: 0.05, pool: 300 }
    }
}

impl BelievingSettings {
    fn check(&self) -> Result<(), SearchError> {
        let fail = |name, value, expected: &str| {
            Err(SearchError::Setting { name, value, expected: expected.into() })
        };
        for (name, value) in [("first", self.first), ("batch", self.batch), ("pool", self.pool)] {
            if value == 0 {
                return fail(name, 0.0, "there is at least one");
            }
        }
        if !(0.0..=1.0).contains(&self.explore) {
            return fail("explore", self.explore, "it is a share between 0 and 1");
        }
        Ok(())
    }
}

/// A search by what a model believes of candidates and how sure it is (Bayesian optimisation).
///
/// The first are drawn at random, with a warm-up from its best. Then the model is fitted to all that was trained,
/// a batch is chosen by the [`Acquisition`], and so on. Of candidates of which exactly the same is believed a batch
/// takes one, as long as there are others, for to the model they are the same network; and so of those that
/// [`networks`](Self::networks) calls so. Failed trials count as seen; the model does not learn from them. Until two
/// different values are known there is no model, and batches are as the first.
///
/// The candidates are any list, so a latency limit may be applied before ([`within_limit`](crate::within_limit)); or
/// [`limit`](Self::limit) weighs each by the chance that it meets one. Where they are a part of a space, others may join
/// them ([`growing`](Self::growing)).
#[derive(Debug)]
pub struct Believing<'a, A, F: Fit<A>> {
    candidates: Vec<A>,
    growth: Option<Growth<'a, A>>,
    settings: BelievingSettings,
    predictor: F,
    seed: Seed,
    /// The first of them, shuffled; the next last.
    start: Vec<usize>,
    seen: BTreeSet<usize>,
    archs: Vec<A>,
    values: Vec<f64>,
    /// Whether each of these meets the limit.
    meets: Vec<bool>,
    limit_ms: Option<f64>,
    /// Of each candidate that it meets the limit; none where there is no limit.
    chances: Vec<f64>,
    /// The number of each candidate's network; none where each is its own.
    networks: Vec<usize>,
    model: Option<F::Model>,
    round: u64,
    /// How often it was asked in this round.
    asked_ahead: u64,
}

impl<'a, A, F> Believing<'a, A, F>
where
    A: Clone + Ord,
    F: Fit<A>,
    F::Model: Believe<A>,
{
    /// A search among `candidates`, which must be distinct.
    ///
    /// # Errors
    /// A setting out of range, no candidates.
    pub fn new(
        candidates: Vec<A>,
        settings: BelievingSettings,
        predictor: F,
        seed: Seed,
    ) -> Result<Self, SearchError> {
        settings.check()?;
        if candidates.is_empty() {
            return Err(SearchError::TooFew { wanted: 1, purpose: "to choose from", there: 0 });
        }
        let mut start: Vec<usize> = (0..candidates.len()).collect();
        start.shuffle(&mut seed.stream("start"));
        Ok(Self {
            candidates,
            growth: None,
            settings,
            predictor,
            seed,
            start,
            seen: BTreeSet::new(),
            archs: Vec::new(),
            values: Vec::new(),
            meets: Vec::new(),
            limit_ms: None,
            chances: Vec::new(),
            networks: Vec::new(),
            model: None,
            round: 0,
            asked_ahead: 0,
        })
    }

    /// Looks for the best of at most this latency, where `chances` says of each candidate how likely it meets that: an
    /// expected improvement, over the best that was measured within the limit, counts times the chance (Gardner et al.,
    /// ICML 2014). So what is only just predicted beyond the limit is not lost. The first, and what Thompson sampling
    /// chooses from, meet it more likely than not.
    ///
    /// # Errors
    /// A limit that is not positive, chances that are not one a candidate or do not lie between 0 and 1, candidates that
    /// [grow](Self::growing) by what knows no chances ([`Growth::within`]).
    pub fn limit(mut self, limit_ms: f64, chances: Vec<f64>) -> Result<Self, SearchError> {
        let fail = |name, value, expected: String| Err(SearchError::Setting { name, value, expected });
        if !(limit_ms > 0.0 && limit_ms.is_finite()) {
            let expected = "a latency limit is a positive number of milliseconds".into();
            return fail("max-latency", limit_ms, expected);
        }
        if self.growth.as_ref().is_some_and(|growth| !growth.knows_chances()) {
            return fail("max-latency", limit_ms, NO_CHANCES.into());
        }
        if chances.len() != self.candidates.len() {
            let expected = format!("one for each of {} candidates", self.candidates.len());
            return fail("chances", chances.len() as f64, expected);
        }
        if let Some(chance) = chances.iter().find(|chance| !(0.0..=1.0).contains(*chance)) {
            return fail("chance", *chance, "it lies between 0 and 1".into());
        }
        // the last are taken first
        self.start.sort_by_key(|&i| chances[i] >= LIKELY);
        (self.limit_ms, self.chances) = (Some(limit_ms), chances);
        Ok(self)
    }

    /// Says which candidates are the same network: those of an equal key. Expected improvement hopes for a lucky label
    /// of a network that was not trained within the limit yet; of one that was, that failed or is still open, only
    /// that it is better than it seemed. So a search does not train one network over and over from other seeds while
    /// others may be as good. A batch has a network once, as long as there are others.
    #[must_use]
    pub fn networks<K: Ord>(mut self, key: impl Fn(&A) -> K) -> Self {
        let mut numbers = BTreeMap::new();
        let number = |arch| {
            let next = numbers.len();
            *numbers.entry(key(arch)).or_insert(next)
        };
        self.networks = self.candidates.iter().map(number).collect();
        self
    }

    /// Has children of the best so far join the candidates after each fit. Each is a network of its own.
    ///
    /// # Errors
    /// A [`limit`](Self::limit), where nobody knows the chance that a child meets it ([`Growth::within`]).
    pub fn growing(self, growth: Growth<'a, A>) -> Result<Self, SearchError> {
        if let Some(limit_ms) = self.limit_ms.filter(|_| !growth.knows_chances()) {
            let expected = NO_CHANCES.into();
            return Err(SearchError::Setting { name: "max-latency", value: limit_ms, expected });
        }
        Ok(Self { growth: Some(growth.knowing(&self.candidates)), ..self })
    }

    fn chance(&self, candidate: usize) -> f64 {
        self.chances.get(candidate).copied().unwrap_or(1.0)
    }

    /// Draws the first from the best of what was scored; those of it that are no candidates are left out.
    #[must_use]
    pub fn warm_up(mut self, warm_up: &crate::WarmUp<A>) -> Self {
        let mut places: Vec<usize> = (0..self.candidates.len()).collect();
        places.sort_by(|&a, &b| self.candidates[a].cmp(&self.candidates[b]));
        let place = |arch: &A| places.binary_search_by(|&i| self.candidates[i].cmp(arch)).ok();
        let known = warm_up.archs().filter_map(place).map(|at| places[at]);
        let likely = known.filter(|&i| self.chance(i) >= LIKELY);
        let mut best: Vec<usize> = likely.take(self.settings.pool).collect();
        best.shuffle(&mut self.seed.stream("warm-up"));
        // whatever is left follows
        self.start.extend(best);
        self
    }

    /// The model as fitted last; none before.
    pub fn model(&self) -> Option<&F::Model> {
        self.model.as_ref()
    }

    fn next_of_start(&mut self) -> Option<usize> {
        while let Some(i) = self.start.pop() {
            if self.seen.insert(i) {
                return Some(i);
            }
        }
        None
    }

    /// A random one that was not asked for.
    fn any(&mut self, rng: &mut Stream) -> Option<usize> {
        let left: Vec<usize> = (0..self.candidates.len()).filter(|i| !self.seen.contains(i)).collect();
        let drawn = *left.get(rng.random_range(0..left.len().max(1)))?;
        self.seen.insert(drawn);
        Some(drawn)
    }

    /// The best `count` by the acquisition, of those that were not asked for.
    fn best(&self, model: &F::Model, count: usize, ahead: u64) -> Result<Vec<usize>, SearchError> {
        let left: Vec<usize> = (0..self.candidates.len()).filter(|i| !self.seen.contains(i)).collect();
        let archs: Vec<A> = left.iter().map(|&i| self.candidates[i].clone()).collect();
        let beliefs = model.believe(&archs).map_err(SearchError::predictor)?;
        let key = |place: usize| (beliefs[place].mean.to_bits(), beliefs[place].deviation.to_bits());
        let network = |i: usize| self.networks.get(i).copied().unwrap_or(i);
        let (mut beliefs_taken, mut networks_taken) = (BTreeSet::new(), BTreeSet::new());
        let mut another = |place: &usize| {
            let (belief, network) = (key(*place), network(left[*place]));
            let is = !beliefs_taken.contains(&belief) && !networks_taken.contains(&network);
            if is {
                beliefs_taken.insert(belief);
                networks_taken.insert(network);
            }
            is
        };
        let mut best = Vec::with_capacity(count);
        let order = match self.settings.acquisition {
            Acquisition::ExpectedImprovement => {
                let within = self.values.iter().zip(&self.meets).filter(|(_, meets)| **meets);
                let largest = within.map(|(value, _)| model.scaled(*value)).reduce(f64::max);
                // where nothing meets the limit yet, everything that does is better
                let all =
                    || self.values.iter().map(|value| model.scaled(*value)).fold(f64::INFINITY, f64::min);
                let largest = largest.unwrap_or_else(all);
                let beyond = self.archs.iter().zip(&self.meets).filter(|(_, meets)| !**meets);
                let missed: BTreeSet<&A> = beyond.map(|(arch, _)| arch).collect();
                let others = self.seen.iter().filter(|&&i| !missed.contains(&self.candidates[i]));
                let trained: BTreeSet<usize> = others.map(|&i| network(i)).collect();
                let gain = |(b, &i): (&Belief, &usize)| {
                    let noise = if trained.contains(&network(i)) { 0.0 } else { b.noise };
                    expected_improvement(&Belief { noise, ..*b }, largest) * self.chance(i)
                };
                let gains: Vec<f64> = beliefs.iter().zip(&left).map(gain).collect();
                // where nothing is expected any more, the better mean
                let mut order = order_by_score(&beliefs.iter().map(|b| b.mean).collect::<Vec<_>>());
                order.sort_by(|&a, &b| gains[b].total_cmp(&gains[a]));
                best.extend(order.iter().copied().filter(&mut another).take(count));
                order
            }
            Acquisition::Thompson => {
                let hope = |b: &Belief| b.mean + 2.0 * b.deviation;
                let mut order = order_by_score(&beliefs.iter().map(hope).collect::<Vec<_>>());
                let likely = |&place: &usize| self.chance(left[place]) >= LIKELY;
                if order.iter().filter(|place| likely(place)).count() >= count {
                    order.retain(likely);
                }
                let places: Vec<usize> =
                    order.iter().copied().filter(&mut another).take(SHORT_LIST.max(count)).collect();
                let list: Vec<A> = places.iter().map(|&place| archs[place].clone()).collect();
                for number in 0..count as u64 {
                    let seed = ahead_of(self.seed.nth("draw", self.round), ahead).nth("of batch", number);
                    let drawn = model.draw(&list, seed).map_err(SearchError::predictor)?;
                    let order = order_by_score(&drawn).into_iter().map(|at| places[at]);
                    best.extend(order.filter(|place| !best.contains(place)).take(1).collect::<Vec<_>>());
                }
                order
            }
        };
        // where others are too few, the same again
        let again: Vec<usize> = order.into_iter().filter(|place| !best.contains(place)).collect();
        let missing = count - best.len();
        Ok(best.into_iter().chain(again.into_iter().take(missing)).map(|place| left[place]).collect())
    }
}

/// The seed of what is asked for while other answers of a round are open; the round's own of the first.
fn ahead_of(seed: Seed, ahead: u64) -> Seed {
    if ahead > 0 { seed.nth("ahead", ahead) } else { seed }
}

impl<A, F> Searcher<A> for Believing<'_, A, F>
where
    A: Clone + Ord,
    F: Fit<A>,
    F::Model: Believe<A>,
{
    type Error = SearchError;

    fn ask(&mut self, room: usize) -> Result<Vec<A>, SearchError> {
        let mut asked = Vec::new();
        let ahead = self.asked_ahead;
        let seed = ahead_of(self.seed.nth("explore", self.round), ahead);
        self.asked_ahead += 1;
        let mut rng = seed.stream("draws");
        match self.model.take() {
            None => {
                let count =
                    room.min(if self.archs.is_empty() { self.settings.first } else { self.settings.batch });
                asked.extend((0..count).map_while(|_| self.next_of_start()));
            }
            Some(model) => {
                // a batch is planned whole and then cut, so that more budget goes on where less ended
                let count = self.settings.batch;
                let random = (0..count).filter(|_| rng.random_bool(self.settings.explore)).count();
                asked.extend((0..random).map_while(|_| self.any(&mut rng)));
                let best = self.best(&model, count - asked.len(), ahead)?;
                asked.extend(best);
                let cut = asked.split_off(room.min(asked.len()));
                cut.iter().for_each(|i| _ = self.seen.remove(i));
                self.seen.extend(&asked);
                self.model = Some(model);
            }
        }
        Ok(asked.into_iter().map(|i| self.candidates[i].clone()).collect())
    }

    /// Once there is something to learn from.
    fn asks_ahead(&self) -> bool {
        !self.archs.is_empty()
    }

    fn tell(&mut self, trials: &[Trial<A>]) -> Result<(), SearchError> {
        for trial in trials {
            if let Ok(evaluation) = &trial.result
                && evaluation.value.is_finite()
            {
                self.archs.push(trial.arch.clone());
                self.values.push(evaluation.value);
                self.meets.push(Point::of(trial).is_some_and(|point| point.meets(self.limit_ms)));
            }
        }
        if !trials.is_empty() && self.values.iter().any(|value| *value != self.values[0]) {
            let data =
                Labelled::new(self.archs.clone(), self.values.clone()).map_err(SearchError::predictor)?;
            let seed = self.seed.nth("round", self.round);
            let model =
                self.predictor.fit(&data, &Labelled::empty(), seed).map_err(SearchError::predictor)?;
            self.model = Some(model);
            if let Some(growth) = &mut self.growth {
                let (children, chances): (Vec<A>, Vec<f64>) =
                    growth.children(&self.archs, &self.values, seed).into_iter().unzip();
                self.candidates.extend(children);
                if self.limit_ms.is_some() {
                    self.chances.extend(chances);
                }
            }
        }
        (self.round, self.asked_ahead) = (self.round + 1, 0);
        Ok(())
    }
}
