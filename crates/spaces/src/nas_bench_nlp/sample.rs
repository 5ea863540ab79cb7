//! The benchmark's generator (`RecepieGenerator.generate_random_recepie` of the published code).

use super::recipe::{Node, Operation, Recipe, Source, needed, representative};
use super::{MAX_HIDDEN, MAX_VERTICES};
use nas_core::Stream;
use rand::RngExt;
use rand::seq::index;

/// How many nodes beside the states the generator is asked for.
const INTERMEDIATE: [usize; 3] = [7, 14, 21];

/// What follows a linear node.
const ACTIVATIONS: [Operation; 3] = [Operation::Tanh, Operation::Sigmoid, Operation::LeakyRelu];

/// Draws until what is drawn is a recipe: one in a few is.
pub(super) fn sample(rng: &mut Stream) -> Recipe {
    loop {
        let hidden = rng.random_range(1..=MAX_HIDDEN);
        let intermediate = INTERMEDIATE[rng.random_range(0..INTERMEDIATE.len())];
        let drawn = redundant(hidden, hidden + intermediate, rng);
        if let Some(nodes) = without_redundant(drawn, hidden, rng) {
            return representative(nodes);
        }
    }
}

/// At least `count` nodes, each of what is there before it; a linear one of the given and of activations alone, with
/// an activation after it.
fn redundant(hidden: usize, count: usize, rng: &mut Stream) -> Vec<Node> {
    // at most three states
    let previous: Vec<Source> = (0..hidden as u8).map(Source::Previous).collect();
    let mut linear_reads = vec![Source::Token];
    linear_reads.extend(&previous);
    let mut others_read = previous;
    let mut nodes: Vec<Node> = Vec::with_capacity(count + 1);
    let draw = |from: &[Source], count: usize, rng: &mut Stream| -> Vec<Source> {
        index::sample(rng, from.len(), count).into_iter().map(|at| from[at]).collect()
    };
    while nodes.len() < count {
        // three of six are linear
        let op = match rng.random_range(0..6) {
            0 => Operation::Blend,
            1 => Operation::Product,
            2 => Operation::Sum,
            _ => Operation::Linear,
        };
        if op == Operation::Linear {
            // four of five read two
            let wanted = if rng.random_range(0..5) == 0 { 3 } else { 2 };
            let inputs = draw(&linear_reads, wanted.min(linear_reads.len()), rng);
            let linear = Source::Node(nodes.len() as u8);
            nodes.push(Node { op, inputs, hidden: None });
            let activation = Source::Node(nodes.len() as u8);
            let op = ACTIVATIONS[rng.random_range(0..ACTIVATIONS.len())];
            nodes.push(Node { op, inputs: vec![linear], hidden: None });
            linear_reads.push(activation);
            others_read.extend([linear, activation]);
        } else if op.inputs().0 <= others_read.len() {
            let inputs = draw(&others_read, op.inputs().0, rng);
            others_read.push(Source::Node(nodes.len() as u8));
            nodes.push(Node { op, inputs, hidden: None });
        }
    }
    nodes
}

/// Makes random nodes the new states and leaves out what they do not need. None where something that is given is not
/// read, a new state reads a previous one, or too much is left.
fn without_redundant(mut nodes: Vec<Node>, hidden: usize, rng: &mut Stream) -> Option<Vec<Node>> {
    for (state, place) in (0..).zip(index::sample(rng, nodes.len(), hidden)) {
        nodes[place].hidden = Some(state);
    }
    let (live, read) = needed(&nodes);
    let direct =
        |node: &Node| node.hidden.is_some() && node.inputs.iter().any(|s| matches!(s, Source::Previous(_)));
    if read.count_ones() as usize != hidden + 1 || nodes.iter().any(direct) {
        return None;
    }
    let closed_up = live.iter().scan(0_u8, |next, live| {
        let place = *next;
        *next += u8::from(*live);
        Some(place)
    });
    let place: Vec<u8> = closed_up.collect();
    let kept = nodes.into_iter().zip(&live).filter(|node| *node.1).map(|(mut node, _)| {
        for source in &mut node.inputs {
            if let Source::Node(other) = source {
                *other = place[usize::from(*other)];
            }
        }
        node
    });
    let kept: Vec<Node> = kept.collect();
    (kept.len() + hidden < MAX_VERTICES).then_some(kept)
}
