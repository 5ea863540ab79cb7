use crate::domain::{Domain, Unseen};
use crate::{Moves, WarmUp};
use nas_core::{SearchSpace, Searcher, Seed, Stream, Trial};
use std::collections::VecDeque;
use std::convert::Infallible;

/// Random search without repetition (Li and Talwalkar, 2019).
///
/// With a warm-up, what was scored is asked for in its order, then the rest at random. With move proposal, each is
/// the best of so many random ones. O(log n) an architecture beside the scorer.
///
/// ```
/// use nas_core::Seed;
/// use search::{Domain, Random, run};
/// # use nas_core::{Evaluation, ParseArchError, SearchSpace, Stream};
/// # #[derive(Debug)]
/// # struct Numbers;
/// # impl SearchSpace for Numbers {
/// #     type Arch = u32;
/// #     fn name(&self) -> &str { "numbers" }
/// #     fn len(&self) -> Option<u64> { Some(100) }
/// #     fn sample(&self, rng: &mut Stream) -> u32 { rand::RngExt::random_range(rng, 0..100) }
/// #     fn mutate(&self, arch: &u32, _: &mut Stream) -> u32 { (arch + 1) % 100 }
/// #     fn neighbours(&self, arch: &u32) -> Vec<u32> { vec![(arch + 1) % 100, (arch + 99) % 100] }
/// #     fn parse(&self, text: &str) -> Result<u32, ParseArchError> {
/// #         text.parse().map_err(|_| ParseArchError::at("numbers", text, 0, "a number"))
/// #     }
/// #     fn enumerate(&self) -> Option<Box<dyn Iterator<Item = u32> + '_>> { Some(Box::new(0..100)) }
/// # }
/// let value = |number: &u32| Ok::<_, std::io::Error>(Evaluation::of(f64::from(*number)));
/// let mut random = Random::new(Domain::of(&Numbers), Seed(0));
/// assert_eq!(run(&mut random, &value, 200, &mut [])?.len(), 100);
/// # Ok::<(), search::SearchError>(())
/// ```
#[derive(Debug)]
pub struct Random<'a, S: SearchSpace> {
    unseen: Unseen<'a, S>,
    first: VecDeque<S::Arch>,
    /// What is left of a list, the next last.
    order: Vec<S::Arch>,
    moves: Option<Moves<'a, S::Arch>>,
    batch: usize,
    rng: Stream,
}

impl<'a, S: SearchSpace> Random<'a, S> {
    /// Uniform over the domain: a list is gone through in a random order.
    pub fn new(domain: Domain<'a, S>, seed: Seed) -> Self {
        let order = domain.shuffled(&mut seed.stream("order")).unwrap_or_default();
        let rng = seed.stream("random");
        Self { unseen: Unseen::new(domain), first: VecDeque::new(), order, moves: None, batch: 1, rng }
    }

    /// Begins with what was scored, best first.
    #[must_use]
    pub fn warm_up(mut self, warm_up: &WarmUp<S::Arch>) -> Self {
        self.first = warm_up.archs().cloned().collect();
        self
    }

    /// Trains the best of so many random ones.
    #[must_use]
    pub fn moves(self, moves: Moves<'a, S::Arch>) -> Self {
        Self { moves: Some(moves), ..self }
    }

    /// Asks for so many at once, so that they can be evaluated beside each other.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch: batch.max(1), ..self }
    }

    fn next(&mut self) -> Option<S::Arch> {
        while let Some(arch) = self.first.pop_front() {
            if self.unseen.holds(&arch) {
                return Some(arch);
            }
        }
        if self.moves.is_none() {
            while let Some(arch) = self.order.pop() {
                if self.unseen.holds(&arch) {
                    return Some(arch);
                }
            }
        }
        let count = self.moves.map_or(1, |moves| moves.count());
        let proposed: Vec<S::Arch> = (0..count).map_while(|_| self.unseen.draw(&mut self.rng)).collect();
        let best = self.moves.map_or(Some(0), |moves| moves.best(&proposed))?;
        proposed.into_iter().nth(best)
    }
}

impl<S: SearchSpace> Searcher<S::Arch> for Random<'_, S> {
    type Error = Infallible;

    fn ask(&mut self, room: usize) -> Result<Vec<S::Arch>, Infallible> {
        let mut asked = Vec::with_capacity(self.batch.min(room));
        while asked.len() < self.batch.min(room) {
            let Some(arch) = self.next() else { break };
            self.unseen.take(&arch);
            asked.push(arch);
        }
        Ok(asked)
    }

    fn asks_ahead(&self) -> bool {
        true
    }

    fn tell(&mut self, _: &[Trial<S::Arch>]) -> Result<(), Infallible> {
        Ok(())
    }
}
