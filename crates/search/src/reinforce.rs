use crate::domain::{Domain, Unseen};
use crate::pareto::Point;
use crate::policy::Policy;
use crate::{Moves, SearchError, WarmUp};
use nas_core::{Decisions, Searcher, Seed, Stream, Trial};
use serde::{Deserialize, Serialize};

/// How often the policy may draw what was asked for already before a neighbour of its last draw is taken.
const TRIES: usize = 100;

/// Settings of [`Reinforce`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReinforceSettings {
    /// How far a trial moves the logits of its choices, where it is as much better than the baseline as trials
    /// usually differ from it.
    pub rate: f64,
    /// Share of the moving baseline that stays with every trial.
    pub momentum: f64,
    /// How many of the best of a warm-up the policy imitates.
    pub imitated: usize,
}

impl ReinforceSettings {
    /// A baseline of momentum .9, as NAS-Bench-201's REINFORCE has it; the rate is our own, and the 64 best are
    /// imitated, as many as live in evolution.
    pub fn standard() -> Self {
        Self { rate: 0.1, momentum: 0.9, imitated: 64 }
    }

    fn check(&self) -> Result<(), SearchError> {
        let fail = |name, value, expected: &str| {
            Err(SearchError::Setting { name, value, expected: expected.into() })
        };
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return fail("rate", self.rate, "it is a positive number");
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return fail("momentum", self.momentum, "it is a share of at least 0 and below 1");
        }
        if self.imitated == 0 {
            return fail("imitated", 0.0, "at least one is imitated");
        }
        Ok(())
    }
}

/// REINFORCE (Williams, 1992) over the decisions of a space (Zoph and Le, ICLR 2017): a policy draws choices, and
/// every trial makes its choices more likely where it is better than a moving baseline, less where it is worse.
///
/// The policy is one independent softmax a decision, as in NAS-Bench-201. There the gradient goes through Adam;
/// here the advantage is divided by the moving mean of its size, so that no unit of the value matters. What the
/// policy draws and was asked for already is drawn again, at last a neighbour is taken.
///
/// With a warm-up the policy first imitates the best: it becomes the one under which they are most likely. With
/// move proposal, each trial is the best by score of so many draws. O(choices) a draw. `examples/own_function.rs`
/// runs it.
#[derive(Debug)]
pub struct Reinforce<'a, S: Decisions> {
    settings: ReinforceSettings,
    unseen: Unseen<'a, S>,
    policy: Policy,
    moves: Option<Moves<'a, S::Arch>>,
    limit_ms: Option<f64>,
    batch: usize,
    /// The moving mean of values, and that of their distance to it.
    baseline: Option<(f64, f64)>,
    rng: Stream,
}

impl<'a, S: Decisions> Reinforce<'a, S> {
    /// From a uniform policy.
    ///
    /// # Errors
    /// A setting out of range.
    pub fn new(domain: Domain<'a, S>, settings: ReinforceSettings, seed: Seed) -> Result<Self, SearchError> {
        settings.check()?;
        Ok(Self {
            settings,
            policy: Policy::new(&domain.space().decisions()),
            unseen: Unseen::new(domain),
            moves: None,
            limit_ms: None,
            batch: 1,
            baseline: None,
            rng: seed.stream("reinforce"),
        })
    }

    /// Begins with a policy that imitates the best of what was scored, of what the domain holds.
    #[must_use]
    pub fn warm_up(mut self, warm_up: &WarmUp<S::Arch>) -> Self {
        let best = warm_up.archs().filter(|arch| self.unseen.holds(arch)).take(self.settings.imitated);
        let choices: Vec<Vec<usize>> = best.map(|arch| self.unseen.space().choices_of(arch)).collect();
        self.policy.imitate(&choices);
        self
    }

    /// Trains the best of so many draws.
    #[must_use]
    pub fn moves(self, moves: Moves<'a, S::Arch>) -> Self {
        Self { moves: Some(moves), ..self }
    }

    /// What is measured slower than this, or of unknown latency, teaches the policy nothing.
    #[must_use]
    pub fn limit_ms(self, limit_ms: Option<f64>) -> Self {
        Self { limit_ms, ..self }
    }

    /// How many architectures are asked for at once.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch: batch.max(1), ..self }
    }

    fn draw(&mut self) -> Option<S::Arch> {
        let mut last = None;
        for _ in 0..TRIES {
            let Some(arch) = self.unseen.space().arch_of(&self.policy.sample(&mut self.rng)) else {
                continue;
            };
            if self.unseen.holds(&arch) {
                return Some(arch);
            }
            last = Some(arch);
        }
        match last {
            Some(arch) => self.unseen.near(&arch, &mut self.rng),
            None => self.unseen.draw(&mut self.rng),
        }
    }

    fn next(&mut self) -> Option<S::Arch> {
        let Some(moves) = self.moves else { return self.draw() };
        let mut proposed: Vec<S::Arch> = (0..moves.count()).map_while(|_| self.draw()).collect();
        let best = moves.best(&proposed)?;
        Some(proposed.swap_remove(best))
    }

    fn learn(&mut self, choices: &[usize], value: f64) {
        let Some((mean, size)) = self.baseline else {
            self.baseline = Some((value, 0.0));
            return;
        };
        let advantage = value - mean;
        let keep = self.settings.momentum;
        // the first distance that is not zero stands for all before it
        let size = if size == 0.0 { advantage.abs() } else { keep * size + (1.0 - keep) * advantage.abs() };
        if size > 0.0 {
            self.policy.reinforce(choices, self.settings.rate * advantage / size);
        }
        self.baseline = Some((keep * mean + (1.0 - keep) * value, size));
    }
}

impl<S: Decisions> Searcher<S::Arch> for Reinforce<'_, S> {
    type Error = SearchError;

    fn ask(&mut self, room: usize) -> Result<Vec<S::Arch>, SearchError> {
        let count = room.min(self.batch);
        let mut asked = Vec::with_capacity(count);
        while asked.len() < count {
            let Some(arch) = self.next() else { break };
            self.unseen.take(&arch);
            asked.push(arch);
        }
        Ok(asked)
    }

    fn asks_ahead(&self) -> bool {
        true
    }

    fn tell(&mut self, trials: &[Trial<S::Arch>]) -> Result<(), SearchError> {
        for trial in trials {
            if let Some(point) = Point::of(trial).filter(|point| point.meets(self.limit_ms)) {
                let choices = self.unseen.space().choices_of(&trial.arch);
                self.learn(&choices, point.value);
            }
        }
        Ok(())
    }
}
