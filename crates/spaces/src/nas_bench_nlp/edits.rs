//! What one edit makes of a recipe.

use super::recipe::{
    MAX_HIDDEN, MAX_NODES, Node, Operation, Recipe, Source, needed, order, reads_nodes, representative,
};
use super::{MAX_VERTICES, sample};
use nas_core::Stream;
use rand::RngExt;
use std::collections::BTreeSet;

const ONE_INPUT: [Operation; 3] = [Operation::Tanh, Operation::Sigmoid, Operation::LeakyRelu];
const TWO_INPUTS: [Operation; 3] = [Operation::Linear, Operation::Product, Operation::Sum];

pub(super) fn neighbours(recipe: &Recipe) -> Vec<Recipe> {
    let own = recipe.representative();
    let found: BTreeSet<Recipe> =
        edits(own.nodes()).into_iter().filter(|nodes| valid(nodes)).map(representative).collect();
    found.into_iter().filter(|other| *other != own).collect()
}

pub(super) fn mutate(recipe: &Recipe, rng: &mut Stream) -> Recipe {
    let own = recipe.representative();
    let mut left = edits(own.nodes());
    while !left.is_empty() {
        let nodes = left.swap_remove(rng.random_range(0..left.len()));
        if valid(&nodes) {
            let other = representative(nodes);
            if other != own {
                return other;
            }
        }
    }
    sample::sample(rng)
}

/// Whether nodes that an edit made of a recipe are one.
fn valid(nodes: &[Node]) -> bool {
    let distinct =
        |node: &Node| (1..node.inputs.len()).all(|at| !node.inputs[..at].contains(&node.inputs[at]));
    let token = |node: &Node| node.op == Operation::Linear || !node.inputs.contains(&Source::Token);
    let (live, read) = needed(nodes);
    let hidden = nodes.iter().filter(|node| node.hidden.is_some()).count();
    nodes.len() <= MAX_NODES
        && nodes.len() + hidden < MAX_VERTICES
        && nodes.iter().all(|node| distinct(node) && token(node))
        && live.into_iter().all(|live| live)
        && read.count_ones() as usize == hidden + 1
        && order(nodes, |place| place).is_ok()
}

/// Everything that one edit makes, also what is not valid or the same cell.
fn edits(nodes: &[Node]) -> Vec<Vec<Node>> {
    // at most three states and 24 nodes
    let hidden = nodes.iter().filter(|node| node.hidden.is_some()).count() as u8;
    let mut sources = vec![Source::Token];
    sources.extend((0..hidden).map(Source::Previous));
    sources.extend((0..nodes.len() as u8).map(Source::Node));
    let mut found = Vec::new();
    for at in 0..nodes.len() {
        found.extend(other_operation(nodes, at));
        found.extend(other_reading(nodes, at, &sources));
        if nodes.len() < MAX_NODES {
            found.extend(put_in(nodes, at, &sources));
        }
        found.extend(take_out(nodes, at));
        found.extend(other_state(nodes, at));
    }
    found
}

fn with(nodes: &[Node], at: usize, change: impl FnOnce(&mut Node)) -> Vec<Node> {
    let mut changed = nodes.to_vec();
    change(&mut changed[at]);
    changed
}

/// Another operation of as many inputs; where it becomes a blend, with its inputs in every order.
fn other_operation(nodes: &[Node], at: usize) -> Vec<Vec<Node>> {
    let Node { op, inputs, .. } = &nodes[at];
    match (inputs.as_slice(), op) {
        (&[a, b, c], Operation::Linear) => [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]]
            .map(|inputs| {
                with(nodes, at, |node| (node.op, node.inputs) = (Operation::Blend, inputs.to_vec()))
            })
            .to_vec(),
        (&[_, _, _], _) => vec![with(nodes, at, |node| node.op = Operation::Linear)],
        (inputs, op) => {
            let all = if inputs.len() == 1 { ONE_INPUT } else { TWO_INPUTS };
            all.into_iter()
                .filter(|other| other != op)
                .map(|other| with(nodes, at, |node| node.op = other))
                .collect()
        }
    }
}

/// Another source in place of one; for a linear node also one more or one less.
fn other_reading(nodes: &[Node], at: usize, sources: &[Source]) -> Vec<Vec<Node>> {
    let Node { op, inputs, .. } = &nodes[at];
    let free = || sources.iter().filter(|source| !inputs.contains(source));
    let replaced = (0..inputs.len())
        .flat_map(|input| free().map(move |source| with(nodes, at, |node| node.inputs[input] = *source)));
    let mut found: Vec<Vec<Node>> = replaced.collect();
    match (op, inputs.len()) {
        (Operation::Linear, 2) => {
            found.extend(free().map(|source| with(nodes, at, |node| node.inputs.push(*source))));
        }
        (Operation::Linear, 3) => found.extend((0..3).map(|input| {
            with(nodes, at, |node| {
                node.inputs.remove(input);
            })
        })),
        _ => {}
    }
    found
}

/// A new node between the node and one of its inputs.
fn put_in(nodes: &[Node], at: usize, sources: &[Source]) -> Vec<Vec<Node>> {
    let new = Source::Node(nodes.len() as u8);
    let between = |input: usize, op: Operation, inputs: Vec<Source>| {
        let mut changed = with(nodes, at, |node| node.inputs[input] = new);
        changed.push(Node { op, inputs, hidden: None });
        changed
    };
    let mut found = Vec::new();
    for (input, &source) in nodes[at].inputs.iter().enumerate() {
        found.extend(ONE_INPUT.map(|op| between(input, op, vec![source])));
        for &second in sources.iter().filter(|second| **second != source) {
            found.extend(TWO_INPUTS.map(|op| between(input, op, vec![source, second])));
        }
    }
    found
}

/// The node left out, one of its inputs in its place where it was read; if it has no more than two, is no new state
/// and a single node reads it.
fn take_out(nodes: &[Node], at: usize) -> Vec<Vec<Node>> {
    let Node { inputs, hidden, .. } = &nodes[at];
    let mut readers = (0..nodes.len()).filter(|other| reads_nodes(&nodes[*other]) >> at & 1 == 1);
    let (Some(reader), None) = (readers.next(), readers.next()) else { return Vec::new() };
    if hidden.is_some() || inputs.len() > 2 {
        return Vec::new();
    }
    let gone = Source::Node(at as u8);
    let without = |kept: &Source| {
        let mut changed = with(nodes, reader, |node| {
            node.inputs.iter_mut().filter(|s| **s == gone).for_each(|s| *s = *kept)
        });
        changed.remove(at);
        for source in changed.iter_mut().flat_map(|node| &mut node.inputs) {
            if let Source::Node(place) = source {
                *place -= u8::from(usize::from(*place) > at);
            }
        }
        changed
    };
    inputs.iter().map(without).collect()
}

/// The node as a new state in place of the one that was.
fn other_state(nodes: &[Node], at: usize) -> Vec<Vec<Node>> {
    if nodes[at].hidden.is_some() {
        return Vec::new();
    }
    // at most three
    (0..MAX_HIDDEN as u8)
        .filter_map(|state| {
            let was = nodes.iter().position(|node| node.hidden == Some(state))?;
            let mut changed = with(nodes, was, |node| node.hidden = None);
            changed[at].hidden = Some(state);
            Some(changed)
        })
        .collect()
}
