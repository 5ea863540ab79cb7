//! What surrogates see of an architecture: its graph, and its scores without training.

use crate::failure::{Failure, OrFail};
use crate::named_scores::{Ladder, Part, Proxies};
use crate::predictable::{Predictable, Seen};
use surrogates::{Block, by_rank};
use tables::{Column, Provenance};

/// Features of the graph, and scores by their rank among all architectures that are looked at.
pub(crate) struct Features<A> {
    seen: Seen<A>,
    /// What is ranked of any architecture, and one ladder for each.
    scored: Scored<A>,
    ladders: Vec<Ladder>,
    /// By architecture.
    scores: Vec<(A, Vec<f64>)>,
    /// Of the columns that the scores are from.
    pub(crate) provenance: Vec<Provenance>,
}

/// The scores of an architecture, where it has them.
type Scored<A> = Box<dyn Fn(&A) -> Vec<Option<f64>> + Send + Sync>;

impl<A: Ord> Features<A> {
    /// Where costs are predicted.
    pub(crate) fn of_costs<S: Predictable<Arch = A>>(space: &S) -> Result<Self, Failure> {
        let seen = space.costs().or_failed()?;
        let scored = Box::new(|_: &A| Vec::new());
        Ok(Self { seen, scored, ladders: Vec::new(), scores: Vec::new(), provenance: Vec::new() })
    }

    /// Where accuracies of `archs` are predicted.
    ///
    /// A column need not have all of them: one that computes the same will do. Scores that tell no two architectures
    /// apart are said, and left out.
    pub(crate) fn of_accuracies<S: Predictable<Arch = A>>(
        space: &'static S,
        archs: &[A],
        proxies: &Proxies,
        columns: &[Column<A>],
    ) -> Result<Self, Failure>
    where
        A: 'static,
    {
        let pool = space.pool(archs);
        let others: Vec<A> = pool.iter().map(|arch| space.stand_in(arch)).collect();
        let (mut rows, mut useless) = (vec![Vec::new(); pool.len()], Vec::new());
        let own = proxies.looked_up(space, columns, &pool);
        let own = own.into_iter().zip(proxies.looked_up(space, columns, &others));
        let (mut ladders, mut useful) = (Vec::new(), Vec::new());
        for (part, (own, other)) in proxies.0.iter().zip(own) {
            let score: Vec<Option<f64>> =
                own.into_iter().zip(other).map(|(own, other)| own.or(other)).collect();
            match by_rank(&score) {
                Some(ranks) => {
                    rows.iter_mut().zip(&ranks).for_each(|(row, rank)| row.push(*rank));
                    ladders.push(Ladder::new(&score, &ranks));
                    useful.push(part.clone());
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
        let known = move |part: &Part, arch: &A| match part {
            Part::Known(proxy) => space.score(*proxy, arch),
            // a table has no others
            Part::Table(_) => None,
        };
        let scored = Box::new(move |arch: &A| useful.iter().map(|part| known(part, arch)).collect());
        Ok(Self { seen: space.structure().or_failed()?, scored, ladders, scores, provenance })
    }

    /// The graph first, then the scores.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = self.seen.blocks.clone();
        let count = self.ladders.len();
        blocks.extend((count > 0).then(|| Block::numbers(count)));
        blocks
    }

    /// Of one that was not among those that were ranked, as of the one that scores next below it.
    pub(crate) fn of(&self, arch: &A) -> Vec<f64> {
        let mut row = self.seen.of(arch);
        match self.scores.binary_search_by(|(known, _)| known.cmp(arch)) {
            Ok(place) => row.extend(&self.scores[place].1),
            Err(_) => {
                let scores = (self.scored)(arch);
                row.extend(self.ladders.iter().zip(scores).filter_map(|(ladder, score)| ladder.place(score)));
            }
        }
        row
    }
}
