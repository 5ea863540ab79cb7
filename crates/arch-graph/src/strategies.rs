//! Strategies for property tests: arbitrary valid graphs that shrink to small ones.

use crate::{ArchGraph, MAX_NODES, Op, Vocabulary};
use proptest::prelude::*;
use std::ops::RangeInclusive;

/// Any graph of 2 to [`MAX_NODES`] nodes within `nodes` over the vocabulary, any numbering, dead parts
/// included. Shrinks to fewer nodes, fewer edges and the first operation. Nothing is made of an empty
/// vocabulary but null nodes.
///
/// ```
/// use arch_graph::{Vocabulary, strategies};
/// use proptest::prelude::*;
/// let words = Vocabulary::new(["conv", "pool"])?;
/// proptest!(|(graph in strategies::graph(words, 2..=6))| {
///     prop_assert!(graph.pruned().len() <= graph.len());
/// });
/// # Ok::<(), arch_graph::GraphError>(())
/// ```
pub fn graph(vocabulary: Vocabulary, nodes: RangeInclusive<usize>) -> impl Strategy<Value = ArchGraph> {
    let least = (*nodes.start()).clamp(2, MAX_NODES);
    let most = (*nodes.end()).clamp(least, MAX_NODES);
    (least..=most).prop_flat_map(move |n| {
        let words = vocabulary.clone();
        let ops = prop::collection::vec(0..words.len().max(1), n);
        let edges = prop::collection::vec(any::<bool>(), n * (n - 1) / 2);
        let numbers = Just((0..n).collect::<Vec<_>>()).prop_shuffle();
        (ops, edges, numbers).prop_filter_map(
            "the graph is valid by construction",
            move |(ops, edges, at)| {
                let pairs = (0..n).flat_map(|to| (0..to).map(move |from| (from, to)));
                let chosen =
                    pairs.zip(edges).filter(|(_, there)| *there).map(|((from, to), _)| (at[from], at[to]));
                let op = |op: usize| u8::try_from(op).ok().filter(|_| !words.is_empty()).map(Op);
                ArchGraph::new(&words, ops.into_iter().map(op), chosen, at[0], at[n - 1]).ok()
            },
        )
    })
}

/// A graph and the same graph under another numbering.
pub fn renumbered(graph: ArchGraph) -> impl Strategy<Value = (ArchGraph, ArchGraph)> {
    let numbers = Just((0..graph.len()).collect::<Vec<_>>()).prop_shuffle();
    numbers.prop_filter_map("the graph is valid by construction", move |at| {
        let mut ops = vec![None; at.len()];
        graph.ops().enumerate().for_each(|(node, op)| ops[at[node]] = op);
        let edges = graph.edges().into_iter().map(|(from, to)| (at[from], at[to]));
        let other =
            ArchGraph::new(graph.vocabulary(), ops, edges, at[graph.input()], at[graph.output()]).ok()?;
        Some((graph.clone(), other))
    })
}
