//! What surrogates see of an architecture: its graph, and its scores without training.

use crate::failure::{Failure, OrFail};
use crate::named_scores::Proxies;
use crate::predictable::{Predictable, Seen};
use surrogates::{Block, by_rank};
use tables::{Column, Provenance};

/// Features of the graph, and scores by their rank among all architectures that are looked at.
pub(crate) struct Features<A> {
    seen: Seen<A>,
    /// How many scores there are.
    count: usize,
    /// By architecture.
    scores: Vec<(A, Vec<f64>)>,
    /// Of the columns that the scores are from.
    pub(crate) provenance: Vec<Provenance>,
}

impl<A: Ord> Features<A> {
    /// Where costs are predicted.
    pub(crate) fn of_costs<S: Predictable<Arch = A>>(space: &S) -> Result<Self, Failure> {
        let seen = space.costs().or_failed()?;
        Ok(Self { seen, count: 0, scores: Vec::new(), provenance: Vec::new() })
    }

    /// Where accuracies of `archs` are predicted.
    ///
    /// A column need not have all of them: one that computes the same will do. Scores that tell no two architectures
    /// apart are said, and left out.
    pub(crate) fn of_accuracies<S: Predictable<Arch = A>>(
        space: &S,
        archs: &[A],
        proxies: &Proxies,
        columns: &[Column<A>],
    ) -> Result<Self, Failure> {
        let pool = space.pool(archs);
        let others: Vec<A> = pool.iter().map(|arch| space.stand_in(arch)).collect();
        let (mut rows, mut useless) = (vec![Vec::new(); pool.len()], Vec::new());
        let own = proxies.looked_up(space, columns, &pool);
        let own = own.into_iter().zip(proxies.looked_up(space, columns, &others));
        let mut count = 0;
        for (part, (own, other)) in proxies.0.iter().zip(own) {
            let score: Vec<Option<f64>> =
                own.into_iter().zip(other).map(|(own, other)| own.or(other)).collect();
            match by_rank(&score) {
                Some(ranks) => {
                    rows.iter_mut().zip(ranks).for_each(|(row, rank)| row.push(rank));
                    count += 1;
                }
                None => useless.push(Proxies(vec![part.clone()]).to_string()),
            }
        }
        if !useless.is_empty() {
            eprintln!("no two architectures differ by {}: left out of the features", useless.join(", "));
        }
        let mut scores: Vec<(A, Vec<f64>)> = pool.into_iter().zip(rows).collect();
        scores.sort_by(|a, b| a.0.cmp(&b.0));
        let provenance = columns.iter().map(|column| column.provenance().clone()).collect();
        Ok(Self { seen: space.structure().or_failed()?, count, scores, provenance })
    }

    /// The graph first, then the scores.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = self.seen.blocks.clone();
        blocks.extend((self.count > 0).then(|| Block::numbers(self.count)));
        blocks
    }

    pub(crate) fn of(&self, arch: &A) -> Vec<f64> {
        let mut row = self.seen.of(arch);
        if let Ok(place) = self.scores.binary_search_by(|(known, _)| known.cmp(arch)) {
            row.extend(&self.scores[place].1);
        }
        row
    }
}
