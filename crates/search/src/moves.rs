use crate::SearchError;
use crate::warm_up::usable;
use nas_core::{Scorer, order_by_score};
use std::fmt;

/// Move proposal: of several moves that a strategy could make, the one that a scorer likes best is trained
/// (Zero-Cost NAS, section 5.2).
///
/// Every strategy takes one: random search draws so many architectures, a policy samples so many, evolution looks
/// at so many of the one-edit neighbours of a parent, BRP-NAS draws so many for each of its random samples.
pub struct Moves<'a, A> {
    scorer: &'a (dyn Scorer<A> + Sync),
    count: usize,
}

impl<A> Clone for Moves<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Moves<'_, A> {}

impl<A> fmt::Debug for Moves<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moves").field("count", &self.count).finish()
    }
}

impl<'a, A> Moves<'a, A> {
    /// The best of `count` moves by this scorer.
    ///
    /// # Errors
    /// No moves.
    pub fn new(count: usize, scorer: &'a (dyn Scorer<A> + Sync)) -> Result<Self, SearchError> {
        if count == 0 {
            let expected = "at least one is proposed".into();
            return Err(SearchError::Setting { name: "moves", value: 0.0, expected });
        }
        Ok(Self { scorer, count })
    }

    /// How many are proposed.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The place of the best; where none has a score, of the first. None of nothing.
    pub(crate) fn best(&self, proposed: &[A]) -> Option<usize> {
        let scores = usable(self.scorer.scores(proposed), proposed.len(), &mut None);
        order_by_score(&scores).first().copied()
    }
}
