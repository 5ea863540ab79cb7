use crate::SearchError;
use nas_core::{Seed, Stream, order_by_score};
use rand::RngExt;
use std::collections::BTreeSet;
use std::fmt;

/// So many of the best that were trained have children.
const PARENTS: usize = 10;

/// How often a child goes an edit further.
const FURTHER: f64 = 0.5;

/// Tries for each child that is wanted, before there are no others.
const TRIES: usize = 20;

/// Candidates that join on the way: children of the ten best that were trained so far, which are no candidates yet.
///
/// Of a space that is too large to go through, a predictor can only rank some that are drawn, and the best of these is
/// far from the best of all. So before each ranking of [`BrpNas`](crate::BrpNas) and [`Believing`](crate::Believing)
/// `count` children for each network that was trained since the last one join them, one edit away from a parent, two
/// with probability 1/4, three with 1/8, and so on (as BANANAS optimises its acquisition; White, Neiswanger and Savani,
/// AAAI 2021). Under a latency limit those join that may meet it ([`within`](Growth::within)).
///
/// ```
/// use nas_core::Stream;
/// use rand::RngExt;
/// use search::Growth;
///
/// // the edit of a space: `SearchSpace::mutate` of yours
/// let near = |number: &u32, rng: &mut Stream| number.saturating_add_signed(rng.random_range(-3..=3));
/// let growth = Growth::new(100, &near)?;
/// # Ok::<(), search::SearchError>(())
/// ```
pub struct Growth<'a, A> {
    count: usize,
    mutate: &'a (dyn Fn(&A, &mut Stream) -> A + Sync),
    /// Of meeting a limit, where there is one.
    chance: Option<&'a Chance<'a, A>>,
    known: BTreeSet<A>,
    /// How many networks were trained when it was asked last.
    trained: usize,
}

/// How likely an architecture meets a limit; nothing of what is no candidate.
pub type Chance<'a, A> = dyn Fn(&A) -> Option<f64> + Sync + 'a;

impl<A> fmt::Debug for Growth<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Growth").field("count", &self.count).field("known", &self.known.len()).finish()
    }
}

impl<'a, A: Clone + Ord> Growth<'a, A> {
    /// So many children for each network that is trained, by this edit. Where several architectures are one network, the
    /// edit says which stands for it.
    ///
    /// # Errors
    /// No children.
    pub fn new(count: usize, mutate: &'a (dyn Fn(&A, &mut Stream) -> A + Sync)) -> Result<Self, SearchError> {
        if count == 0 {
            let expected = "at least one candidate joins".into();
            return Err(SearchError::Setting { name: "grow", value: 0.0, expected });
        }
        Ok(Self { count, mutate, chance: None, known: BTreeSet::new(), trained: 0 })
    }

    /// Only children join of which `chance` says how likely they meet a latency limit, from 0 to 1: the others are no
    /// candidates. It is asked once for each child.
    #[must_use]
    pub fn within(self, chance: &'a Chance<'a, A>) -> Self {
        Self { chance: Some(chance), ..self }
    }

    pub(crate) fn knows_chances(&self) -> bool {
        self.chance.is_some()
    }

    /// These are candidates already.
    pub(crate) fn knowing(mut self, candidates: &[A]) -> Self {
        self.known.extend(candidates.iter().cloned());
        self
    }

    /// New candidates, each with its chance to meet the limit (1 without one); fewer than are wanted where the
    /// neighbourhood of the parents is used up. O(log n) each.
    pub(crate) fn children(&mut self, trained: &[A], values: &[f64], seed: Seed) -> Vec<(A, f64)> {
        let mut parents = order_by_score(values);
        parents.truncate(PARENTS);
        let wanted = self.count * trained.len().saturating_sub(self.trained);
        self.trained = trained.len();
        let (mut rng, mut children) = (seed.stream("children"), Vec::new());
        for _ in 0..TRIES * wanted {
            if children.len() == wanted {
                break;
            }
            let parent = &trained[parents[rng.random_range(0..parents.len())]];
            let mut child = (self.mutate)(parent, &mut rng);
            while rng.random_bool(FURTHER) {
                child = (self.mutate)(&child, &mut rng);
            }
            if self.known.insert(child.clone())
                && let Some(chance) = self.chance.map_or(Some(1.0), |chance| chance(&child))
                && (0.0..=1.0).contains(&chance)
            {
                children.push((child, chance));
            }
        }
        children
    }
}
