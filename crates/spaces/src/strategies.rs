//! Strategies for property tests: arbitrary architectures of any space that shrink to small ones.

use nas_core::{SearchSpace, Seed};
use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;
use std::fmt;

/// A random architecture of a space, as it samples them. Shrinks from one to a smaller neighbour (by `Ord`), the
/// smallest that still fails first, until none of the smaller neighbours does.
///
/// Where a space is a product of choices, what always fails shrinks to its very smallest architecture.
///
/// ```
/// use proptest::prelude::*;
/// use spaces::{NasBench201, strategies::architecture};
/// proptest!(|(cell in architecture(NasBench201))| {
///     prop_assert!(cell.index() < 15_625);
/// });
/// ```
pub fn architecture<S: SearchSpace + Clone>(space: S) -> impl Strategy<Value = S::Arch> {
    Architecture(space)
}

struct Architecture<S>(S);

impl<S: SearchSpace> fmt::Debug for Architecture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Architecture").field(&self.0.name()).finish()
    }
}

impl<S: SearchSpace + Clone> Strategy for Architecture<S> {
    type Tree = Tree<S>;
    type Value = S::Arch;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = any::<u64>().new_tree(runner)?.current();
        let current = self.0.sample(&mut Seed(seed).stream("strategy"));
        Ok(Tree { space: self.0.clone(), failed: current.clone(), current, smaller: Vec::new() })
    }
}

struct Tree<S: SearchSpace> {
    space: S,
    current: S::Arch,
    /// The last that did not pass.
    failed: S::Arch,
    /// Its smaller neighbours that are not tried yet, the smallest last.
    smaller: Vec<S::Arch>,
}

impl<S: SearchSpace> Tree<S> {
    fn next(&mut self) -> bool {
        match self.smaller.pop() {
            Some(next) => {
                self.current = next;
                true
            }
            None => {
                self.current = self.failed.clone();
                false
            }
        }
    }
}

impl<S: SearchSpace> ValueTree for Tree<S> {
    type Value = S::Arch;

    fn current(&self) -> S::Arch {
        self.current.clone()
    }

    fn simplify(&mut self) -> bool {
        self.failed = self.current.clone();
        self.smaller = self.space.neighbours(&self.failed);
        self.smaller.retain(|other| *other < self.failed);
        self.smaller.sort_unstable_by(|a, b| b.cmp(a));
        self.next()
    }

    fn complicate(&mut self) -> bool {
        self.next()
    }
}
