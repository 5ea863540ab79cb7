use nas_core::{Searcher, Trial};
use std::convert::Infallible;

/// Asks for architectures in a given order and learns nothing: random search is this over a shuffled space,
/// a search by a zero-cost score this over a sorted one.
#[derive(Debug, Clone)]
pub struct InOrder<I> {
    rest: I,
}

impl<I: Iterator> InOrder<I> {
    /// In the order of the iterator, which must not repeat itself.
    pub fn new(order: impl IntoIterator<IntoIter = I>) -> Self {
        Self { rest: order.into_iter() }
    }
}

impl<A, I: Iterator<Item = A>> Searcher<A> for InOrder<I> {
    type Error = Infallible;

    /// One architecture at a time.
    fn ask(&mut self, room: usize) -> Result<Vec<A>, Infallible> {
        Ok(self.rest.by_ref().take(room.min(1)).collect())
    }

    fn asks_ahead(&self) -> bool {
        true
    }

    fn tell(&mut self, _: &[Trial<A>]) -> Result<(), Infallible> {
        Ok(())
    }
}
