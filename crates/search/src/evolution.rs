use crate::domain::{Domain, Unseen};
use crate::pareto::{Point, front};
use crate::{Moves, SearchError, WarmUp};
use nas_core::{SearchSpace, Searcher, Seed, Stream, Trial};
use rand::RngExt;
use rand::seq::index;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How parents are chosen from a tournament.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// The largest value.
    #[default]
    Value,
    /// One of those that no other of the tournament beats in both value and latency, at random.
    Front,
}

/// Settings of [`Evolution`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EvolutionSettings {
    /// How many live.
    pub pool: usize,
    /// How many of them compete to be the parent.
    pub tournament: usize,
    /// With move proposal, how often a random neighbour is trained and not the best.
    pub explore: f64,
    /// How a tournament is won.
    pub goal: Goal,
}

impl EvolutionSettings {
    /// Zero-Cost NAS: a pool of 64, tournaments of 10, a random move with probability .25.
    pub fn published() -> Self {
        Self { pool: 64, tournament: 10, explore: 0.25, goal: Goal::Value }
    }

    fn check(&self) -> Result<(), SearchError> {
        let fail = |name, value: f64, expected: String| Err(SearchError::Setting { name, value, expected });
        if self.pool == 0 {
            return fail("pool", 0.0, "at least one architecture has to live".into());
        }
        if self.tournament == 0 || self.tournament > self.pool {
            let expected = format!("it lies between 1 and the pool ({})", self.pool);
            return fail("tournament", self.tournament as f64, expected);
        }
        if !(0.0..=1.0).contains(&self.explore) {
            return fail("explore", self.explore, "it is a share between 0 and 1".into());
        }
        Ok(())
    }
}

/// Aging evolution (Real et al., AAAI 2019), as Zero-Cost NAS uses it: the first pool is random, then the best of
/// a tournament has a child by one mutation, and the oldest dies.
///
/// With a warm-up, the first pool is the best of what was scored. With move proposal, the child is the best by
/// score of the parent's one-edit neighbours (all of them, or as many as [`Moves`] says), and with probability
/// `explore` a random one. What failed, or was measured slower than the limit, never lives. A child that was asked
/// for before is drawn again, where the published code trains or looks it up a second time.
///
/// O(log n) a child beside the scorer, and O(tournament). `examples/own_function.rs` runs it.
#[derive(Debug)]
pub struct Evolution<'a, S: SearchSpace> {
    settings: EvolutionSettings,
    unseen: Unseen<'a, S>,
    first: VecDeque<S::Arch>,
    moves: Option<Moves<'a, S::Arch>>,
    limit_ms: Option<f64>,
    batch: usize,
    /// How many of the first pool were asked for.
    born: usize,
    /// The oldest first.
    pool: VecDeque<(S::Arch, Point)>,
    rng: Stream,
}

impl<'a, S: SearchSpace> Evolution<'a, S> {
    /// From a random pool.
    ///
    /// # Errors
    /// A setting out of range, or a domain that is known to be smaller than the pool.
    pub fn new(domain: Domain<'a, S>, settings: EvolutionSettings, seed: Seed) -> Result<Self, SearchError> {
        settings.check()?;
        if let Some(there) = domain.len().filter(|&there| there < settings.pool) {
            let (wanted, purpose) = (settings.pool, "for the pool");
            return Err(SearchError::TooFew { wanted, purpose, there });
        }
        Ok(Self {
            settings,
            unseen: Unseen::new(domain),
            first: VecDeque::new(),
            moves: None,
            limit_ms: None,
            batch: 1,
            born: 0,
            pool: VecDeque::new(),
            rng: seed.stream("evolution"),
        })
    }

    /// Takes the first pool from what was scored, best first, of what the domain holds.
    #[must_use]
    pub fn warm_up(mut self, warm_up: &WarmUp<S::Arch>) -> Self {
        self.first = warm_up.archs().cloned().collect();
        self
    }

    /// Trains the best neighbour of the parent.
    #[must_use]
    pub fn moves(self, moves: Moves<'a, S::Arch>) -> Self {
        Self { moves: Some(moves), ..self }
    }

    /// What is measured slower than this, or of unknown latency, does not live.
    #[must_use]
    pub fn limit_ms(self, limit_ms: Option<f64>) -> Self {
        Self { limit_ms, ..self }
    }

    /// How many children are asked for at once.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch: batch.max(1), ..self }
    }

    fn founder(&mut self) -> Option<S::Arch> {
        while let Some(arch) = self.first.pop_front() {
            if self.unseen.holds(&arch) {
                return Some(arch);
            }
        }
        self.unseen.draw(&mut self.rng)
    }

    fn parent(&mut self) -> Option<S::Arch> {
        let contestants = self.settings.tournament.min(self.pool.len());
        // places in the pool, so that of equals the oldest wins
        let mut places = index::sample(&mut self.rng, self.pool.len(), contestants).into_vec();
        places.sort_unstable();
        let winner = match self.settings.goal {
            Goal::Value => places.into_iter().reduce(|best, place| {
                if self.pool[place].1.value > self.pool[best].1.value { place } else { best }
            })?,
            Goal::Front => {
                let points: Vec<Point> = places.iter().map(|&place| self.pool[place].1).collect();
                let front = front(&points);
                places[*front.get(self.rng.random_range(0..front.len().max(1)))?]
            }
        };
        Some(self.pool[winner].0.clone())
    }

    fn child(&mut self) -> Option<S::Arch> {
        let Some(parent) = self.parent() else { return self.unseen.draw(&mut self.rng) };
        let Some(moves) = self.moves else { return self.unseen.near(&parent, &mut self.rng) };
        let mut proposed = self.unseen.space().neighbours(&parent);
        proposed.retain(|arch| self.unseen.holds(arch));
        if proposed.is_empty() {
            return self.unseen.near(&parent, &mut self.rng);
        }
        if self.rng.random_bool(self.settings.explore) {
            return Some(proposed.swap_remove(self.rng.random_range(0..proposed.len())));
        }
        if moves.count() < proposed.len() {
            let chosen = index::sample(&mut self.rng, proposed.len(), moves.count());
            proposed = chosen.into_iter().map(|place| proposed[place].clone()).collect();
        }
        let best = moves.best(&proposed)?;
        Some(proposed.swap_remove(best))
    }
}

impl<S: SearchSpace> Searcher<S::Arch> for Evolution<'_, S> {
    type Error = SearchError;

    /// The whole first pool at once, then a batch of children.
    ///
    /// # Errors
    /// Room for less than the first pool: then nothing would evolve.
    fn ask(&mut self, room: usize) -> Result<Vec<S::Arch>, SearchError> {
        let founders = self.settings.pool - self.born;
        if self.born == 0 && room < founders {
            let expected = format!("the budget ({room}) has to cover it: give it more, or a smaller pool");
            return Err(SearchError::Setting { name: "pool", value: founders as f64, expected });
        }
        let count = room.min(if founders > 0 { founders } else { self.batch });
        let mut asked = Vec::with_capacity(count);
        while asked.len() < count {
            let next = if founders > 0 { self.founder() } else { self.child() };
            let Some(arch) = next else { break };
            self.unseen.take(&arch);
            asked.push(arch);
        }
        // where the domain has fewer, there are no more founders
        self.born = if founders > 0 { self.settings.pool } else { self.born };
        Ok(asked)
    }

    /// Once there is somebody to be a parent.
    fn asks_ahead(&self) -> bool {
        !self.pool.is_empty()
    }

    fn tell(&mut self, trials: &[Trial<S::Arch>]) -> Result<(), SearchError> {
        for trial in trials {
            if let Some(point) = Point::of(trial).filter(|point| point.meets(self.limit_ms)) {
                self.pool.push_back((trial.arch.clone(), point));
            }
        }
        while self.pool.len() > self.settings.pool {
            self.pool.pop_front();
        }
        Ok(())
    }
}
