use crate::{Growth, Moves, SearchError};
use nas_core::{FitFrom, Labelled, Rank, Searcher, Seed, Trial};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How the samples of a predictor are chosen (BRP-NAS, section 3.4 and algorithm 1).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// How many trained networks the predictor learns from, T.
    pub samples: usize,
    /// In how many rounds they are chosen, I.
    pub iterations: usize,
    /// Share of each later round that is taken from the top of the ranking; the rest is drawn at random from its
    /// best 1/2, 1/4, 1/8, ...
    pub alpha: f64,
}

impl Selection {
    /// The published setting: 100 samples in 5 rounds, alpha 0.5.
    pub fn published() -> Self {
        Self { samples: 100, iterations: 5, alpha: 0.5 }
    }

    fn check(&self, candidates: usize) -> Result<(), SearchError> {
        let fail = |name, value: f64, expected: String| Err(SearchError::Setting { name, value, expected });
        if self.iterations == 0 || self.iterations > self.samples {
            let expected = format!("there is at least one, and at most one a sample ({})", self.samples);
            return fail("iterations", self.iterations as f64, expected);
        }
        if self.samples > candidates {
            let expected = format!("there are only {candidates} architectures to choose from");
            return fail("samples", self.samples as f64, expected);
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            return fail("alpha", self.alpha, "it is a share between 0 and 1".into());
        }
        Ok(())
    }

    /// How many samples there are after round `round`.
    fn until(&self, round: usize) -> usize {
        self.samples * (round + 1) / self.iterations
    }
}

/// The two-phase search of BRP-NAS: train a predictor on samples chosen in rounds, then train the architectures
/// that it ranks best.
///
/// Round 0 is random. Each later round ranks all candidates with the predictor fitted so far, takes the best
/// unseen ones (`alpha` of the round) and draws the others from the unseen ones in the best `1/2^round` of the
/// ranking; then the predictor goes on from its weights. The second phase asks in the order of the last
/// ranking and fits no more. Failed trials count as seen; the predictor does not learn from them. Until two different
/// values are known there is no predictor, and rounds are random.
///
/// With a warm-up the predictor begins fitted ([`start_from`](BrpNas::start_from)): on the scores of a proxy, as
/// Zero-Cost NAS pre-trains it. It ranks before anything is trained, so that every round is one further: round 0
/// takes its share from the top, the others from the better half, and the first fit goes on from its weights. With move
/// proposal each random sample is the best by score of so many ([`moves`](BrpNas::moves)); what the predictor ranks is
/// left to it.
///
/// The candidates are any list, so a latency limit is applied before ([`within_limit`](crate::within_limit)). Where
/// they are a part of a space, others may join them ([`growing`](BrpNas::growing)), which the authors' code does not do;
/// of these the limit is asked as they come ([`Growth::within`]).
/// `P` gives the predictor's settings for a round: the published ones lengthen the training from round to round.
#[derive(Debug)]
pub struct BrpNas<'a, A, F: FitFrom<A>, P> {
    candidates: Vec<A>,
    moves: Option<Moves<'a, A>>,
    growth: Option<Growth<'a, A>>,
    selection: Selection,
    predictor: P,
    seed: Seed,
    round: usize,
    seen: BTreeSet<usize>,
    asked: Vec<usize>,
    archs: Vec<A>,
    values: Vec<f64>,
    model: Option<F::Model>,
    /// The last ranking of the candidates, best first.
    ranking: Vec<usize>,
    /// Whether the predictor was fitted before the first round.
    warm: bool,
}

impl<'a, A, F, P> BrpNas<'a, A, F, P>
where
    A: Clone + Ord,
    F: FitFrom<A>,
    F::Model: Rank<A>,
    P: Fn(usize) -> F,
{
    /// A search among `candidates`, which must be distinct.
    ///
    /// # Errors
    /// A selection out of range: alpha outside 0..=1, no rounds, more samples than candidates.
    pub fn new(
        candidates: Vec<A>,
        selection: Selection,
        predictor: P,
        seed: Seed,
    ) -> Result<Self, SearchError> {
        selection.check(candidates.len())?;
        Ok(Self {
            candidates,
            moves: None,
            growth: None,
            selection,
            predictor,
            seed,
            round: 0,
            seen: BTreeSet::new(),
            asked: Vec::new(),
            archs: Vec::new(),
            values: Vec::new(),
            model: None,
            ranking: Vec::new(),
            warm: false,
        })
    }

    /// Begins with a fitted predictor, and its ranking.
    ///
    /// # Errors
    /// A predictor that cannot rank the candidates.
    pub fn start_from(mut self, model: F::Model) -> Result<Self, SearchError> {
        self.ranking = model.rank(&self.candidates).map_err(SearchError::predictor)?;
        self.model = Some(model);
        self.warm = true;
        Ok(self)
    }

    /// Takes for each random sample the best of so many.
    #[must_use]
    pub fn moves(self, moves: Moves<'a, A>) -> Self {
        Self { moves: Some(moves), ..self }
    }

    /// Has children of the best so far join the candidates, before each ranking by a predictor that was just fitted.
    #[must_use]
    pub fn growing(self, growth: Growth<'a, A>) -> Self {
        Self { growth: Some(growth.knowing(&self.candidates)), ..self }
    }

    /// The predictor as fitted last, or begun with; none before.
    pub fn model(&self) -> Option<&F::Model> {
        self.model.as_ref()
    }

    /// Up to `count` unseen candidates in the order of `from`.
    fn take(&mut self, from: &[usize], count: usize) {
        for &i in from {
            if self.asked.len() >= count {
                break;
            }
            if self.seen.insert(i) {
                self.asked.push(i);
            }
        }
    }

    fn select(&mut self, room: usize) {
        // a round is planned whole and then cut, so that more budget goes on where less ended
        let wanted = self.selection.until(self.round).saturating_sub(self.seen.len());
        let ranking = self.ranking.clone();
        self.take(&ranking, (self.selection.alpha * wanted as f64).round() as usize);
        let mut pool = if ranking.is_empty() {
            (0..self.candidates.len()).collect()
        } else {
            ranking[..ranking.len() >> (self.round + usize::from(self.warm)).min(63)].to_vec()
        };
        pool.shuffle(&mut self.seed.nth("selection", self.round as u64).stream("pool"));
        if let Some(moves) = self.moves {
            pool = self.proposed(&pool, wanted, moves);
        }
        self.take(&pool, wanted);
        // where the best part is used up, the next best follows
        self.take(&ranking, wanted);
        let cut = self.asked.split_off(room.min(self.asked.len()));
        cut.iter().for_each(|i| _ = self.seen.remove(i));
    }

    /// From one part of the shuffled pool after another, the best of each.
    fn proposed(&self, pool: &[usize], wanted: usize, moves: Moves<'_, A>) -> Vec<usize> {
        let unseen: Vec<usize> = pool.iter().copied().filter(|i| !self.seen.contains(i)).collect();
        let count = wanted.saturating_sub(self.asked.len());
        // a small pool is divided evenly
        let each = moves.count().min((unseen.len() / count.max(1)).max(1));
        let best = |part: &[usize]| {
            let archs: Vec<A> = part.iter().map(|&i| self.candidates[i].clone()).collect();
            moves.best(&archs).map(|place| part[place])
        };
        unseen.chunks(each).take(count).filter_map(best).collect()
    }

    /// Whether there is anything to learn: two different values.
    fn can_fit(&self) -> bool {
        self.values.iter().any(|&value| value != self.values[0])
    }

    fn fit(&mut self) -> Result<(), SearchError> {
        let data = Labelled::new(self.archs.clone(), self.values.clone()).map_err(SearchError::predictor)?;
        let (none, seed) = (Labelled::empty(), self.seed.nth("round", self.round as u64));
        let settings = (self.predictor)(self.round);
        let model = match &self.model {
            Some(model) => settings.fit_from(model, &data, &none, seed),
            None => settings.fit(&data, &none, seed),
        }
        .map_err(SearchError::predictor)?;
        if let Some(growth) = &mut self.growth {
            let children = growth.children(&self.archs, &self.values, seed);
            self.candidates.extend(children.into_iter().map(|(child, _)| child));
        }
        self.ranking = model.rank(&self.candidates).map_err(SearchError::predictor)?;
        self.model = Some(model);
        Ok(())
    }
}

impl<A, F, P> Searcher<A> for BrpNas<'_, A, F, P>
where
    A: Clone + Ord,
    F: FitFrom<A>,
    F::Model: Rank<A>,
    P: Fn(usize) -> F,
{
    type Error = SearchError;

    fn ask(&mut self, room: usize) -> Result<Vec<A>, SearchError> {
        self.asked.clear();
        if self.round < self.selection.iterations {
            self.select(room);
        } else {
            let ranking = self.ranking.clone();
            self.take(&ranking, room);
            // without a model, because nothing could be learned, the rest is taken as it stands
            self.take(&(0..self.candidates.len()).collect::<Vec<_>>(), room);
        }
        Ok(self.asked.iter().map(|&i| self.candidates[i].clone()).collect())
    }

    fn tell(&mut self, trials: &[Trial<A>]) -> Result<(), SearchError> {
        for trial in trials {
            if let Ok(evaluation) = &trial.result
                && evaluation.value.is_finite()
            {
                self.archs.push(trial.arch.clone());
                self.values.push(evaluation.value);
            }
        }
        if self.round < self.selection.iterations && self.can_fit() && !trials.is_empty() {
            self.fit()?;
        }
        self.round += 1;
        Ok(())
    }
}
