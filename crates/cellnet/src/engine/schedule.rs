//! The order of the steps, and where their values are.

use super::plan::Plan;
use super::steps::{Step, Value};

/// Steps that go over all images together, image by image; behind them the whole batch has been seen.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Each with whether it adds to what is there.
    pub(super) steps: Vec<(Step, bool)>,
    /// Batch norms that have seen the batch when it is over.
    pub(super) finished: Vec<usize>,
}

/// Where an image of a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Whether it is kept from one sweep to the next, in memory of the image's own; or else only in that of the thread.
    pub(super) kept: bool,
    pub(super) start: usize,
    pub(super) len: usize,
}

/// All that is done, in its order.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) there: Vec<Sweep>,
    pub(super) back: Vec<Sweep>,
    /// The derivative of both along a direction.
    pub(super) there_along: Vec<Sweep>,
    pub(super) back_along: Vec<Sweep>,
    pub(super) places: Vec<Place>,
    /// Pixels of an image that are kept, and of a thread.
    pub(super) kept: usize,
    pub(super) scratch: usize,
}

/// Puts the steps into as few sweeps as possible: a step comes as soon as all that it reads is there, so that what
/// one step writes the next ones find in the cache.
pub(super) fn schedule(plan: &Plan) -> Schedule {
    let (there, back) = (sweeps(&plan.there, plan), sweeps(&plan.back, plan));
    let (there_along, back_along) = (sweeps(&plan.there_along, plan), sweeps(&plan.back_along, plan));
    let mut lives: Vec<Option<Life>> = vec![None; plan.values.len()];
    let mut clock = 0;
    let mut ends = Vec::new();
    for (number, sweep) in there.iter().chain(&back).chain(&there_along).chain(&back_along).enumerate() {
        for (step, _) in &sweep.steps {
            for value in step.reads().into_iter().chain(step.writes()) {
                let life = lives[value].get_or_insert(Life {
                    first: clock,
                    last: clock,
                    sweep: number,
                    kept: false,
                });
                life.last = clock;
                life.kept |= life.sweep != number;
            }
            clock += 1;
        }
        ends.push(clock);
    }
    // what is still needed when everything is done: the way back can be gone again
    let forever = clock;
    let mut reach = |value: Value, end: usize| {
        if let Some(life) = &mut lives[value] {
            (life.kept, life.last) = (true, life.last.max(end));
        }
    };
    reach(plan.logits, forever);
    plan.input_gradient.into_iter().chain(plan.logits_along).for_each(|value| reach(value, forever));
    for step in plan.back.iter().chain(&plan.there_along).chain(&plan.back_along) {
        step.reads()
            .into_iter()
            .filter(|&value| value < written(&plan.there))
            .for_each(|value| reach(value, forever));
    }
    for &(_, value) in &plan.watched {
        let sweep = lives[value].map_or(0, |life| last_write(value, &there).unwrap_or(life.sweep));
        let end = ends[sweep].saturating_sub(1);
        if let Some(life) = &mut lives[value] {
            (life.kept, life.last) = (true, life.last.max(end));
        }
    }
    let (places, kept, scratch) = places(plan, &lives);
    Schedule { there, back, there_along, back_along, places, kept, scratch }
}

/// One more than the largest value that the steps write.
pub(super) fn written(steps: &[Step]) -> usize {
    steps.iter().filter_map(Step::writes).max().map_or(0, |value| value + 1)
}

/// The last sweep that writes a value.
pub(super) fn last_write(value: Value, sweeps: &[Sweep]) -> Option<usize> {
    sweeps.iter().rposition(|sweep| sweep.steps.iter().any(|(step, _)| step.writes() == Some(value)))
}

#[derive(Debug, Clone, Copy)]
struct Life {
    first: usize,
    last: usize,
    /// The sweep in which it begins.
    sweep: usize,
    kept: bool,
}

fn sweeps(steps: &[Step], plan: &Plan) -> Vec<Sweep> {
    let mut ready = vec![0; plan.values.len()];
    let mut read = vec![0; plan.values.len()];
    // the sweep behind the one in which a norm sees the batch
    let mut seen = vec![0; plan.norms.len()];
    let mut sweeps: Vec<Sweep> = Vec::new();
    let mut written = vec![false; plan.values.len()];
    let mut numbered: Vec<(usize, &Step)> = Vec::new();
    for step in steps {
        let reads = step.reads();
        let before = reads.iter().map(|&value| ready[value]);
        let after_write = step.writes().map(|to| ready[to].max(read[to]));
        let norms = step.waits_for().map(|norm| seen[norm]);
        let number = before.chain(after_write).chain(norms).max().unwrap_or(0);
        reads.iter().for_each(|&value| read[value] = read[value].max(number));
        if let Some(to) = step.writes() {
            ready[to] = number;
        }
        if let Some(norm) = step.measures()
            && plan.norms[norm].measures
        {
            seen[norm] = seen[norm].max(number + 1);
        }
        numbered.push((number, step));
    }
    numbered.sort_by_key(|&(number, _)| number);
    for (number, step) in numbered {
        if sweeps.len() <= number {
            sweeps.resize_with(number + 1, Sweep::default);
        }
        let adds = step.writes().is_some_and(|to| std::mem::replace(&mut written[to], true));
        let finished = &mut sweeps[number].finished;
        finished.extend(step.measures().filter(|norm| !finished.contains(norm)));
        sweeps[number].steps.push((step.clone(), adds));
    }
    sweeps
}

/// Pixels between values: without them all would begin at the same place of the cache.
const APART: usize = 3;

/// Values whose lives do not overlap share memory: each gets the first gap that is large enough, in the order in which
/// they begin. O(values squared).
fn places(plan: &Plan, lives: &[Option<Life>]) -> (Vec<Place>, usize, usize) {
    let mut places = vec![Place { kept: false, start: 0, len: 0 }; plan.values.len()];
    let mut sizes = [0, 0];
    let mut order: Vec<(usize, Value)> =
        lives.iter().enumerate().filter_map(|(value, life)| Some((life.as_ref()?.first, value))).collect();
    order.sort_unstable();
    let mut placed: Vec<(Life, Place)> = Vec::new();
    for (_, value) in order {
        let Some(life) = lives[value] else { continue };
        let len = plan.values[value].pixels();
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|(other, place)| {
                place.kept == life.kept && other.last >= life.first && life.last >= other.first
            })
            .map(|(_, place)| (place.start, place.start + place.len + APART))
            .collect();
        taken.sort_unstable();
        let mut start = 0;
        for (from, to) in taken {
            if start + len + APART <= from {
                break;
            }
            start = start.max(to);
        }
        let place = Place { kept: life.kept, start, len };
        let size = &mut sizes[usize::from(life.kept)];
        *size = (*size).max(start + len);
        placed.push((life, place));
        places[value] = place;
    }
    (places, sizes[1], sizes[0])
}
