//! From steps to how what they write moves along a direction of the weights: the product rule, step by step.

use super::plan::{ConvPlan, Plan, ShiftPlan};
use super::schedule::written;
use super::steps::{Factor, Moving, Shift, Step, Sums, Value};

/// Adds the derivative of the way there, and of the way back, to a plan that has both.
///
/// The way back is gone once more beside its derivative: keeping every gradient would double the memory, and making it
/// again costs one convolution of the eight that a layer has in all.
pub(super) fn add(plan: &mut Plan) {
    let count = plan.convs.len();
    for conv in 0..count {
        plan.convs.push(ConvPlan { along: true, bias: false, ..plan.convs[conv].clone() });
    }
    let none = vec![None; plan.values.len()];
    let gradients = written(&plan.there);
    let mut along = Along { gradients, count, moves: none.clone(), again: none, steps: Vec::new() };
    for step in plan.there.clone() {
        along.there(plan, &step);
    }
    plan.there_along = std::mem::take(&mut along.steps);
    plan.logits_along = along.moves[plan.logits];
    for step in plan.back.clone() {
        along.back(plan, &step);
    }
    plan.back_along = along.steps;
}

struct Along {
    /// The first value that is a gradient.
    gradients: Value,
    /// How many convolutions there are; the direction's come behind them.
    count: usize,
    /// How every value moves; nothing for one that does not.
    moves: Vec<Option<Value>>,
    /// Gradients as they are made a second time.
    again: Vec<Option<Value>>,
    steps: Vec<Step>,
}

/// The value that belongs to another, of the same shape.
fn beside(plan: &mut Plan, held: &mut [Option<Value>], value: Value) -> Value {
    *held[value].get_or_insert_with(|| {
        plan.values.push(plan.values[value]);
        plan.values.len() - 1
    })
}

impl Along {
    fn moved(&mut self, plan: &mut Plan, value: Value) -> Value {
        beside(plan, &mut self.moves, value)
    }

    fn there(&mut self, plan: &mut Plan, step: &Step) {
        match *step {
            Step::Convolve { conv, from, to } => {
                let target = self.moved(plan, to);
                self.steps.push(Step::Convolve { conv: self.count + conv, from, to: target });
                if let Some(from) = self.moves[from] {
                    self.steps.push(Step::Convolve { conv, from, to: target });
                }
            }
            Step::Combine { ref terms, shift, relu, to } => {
                let moving: Vec<_> = terms.iter().flat_map(|&term| self.summand(plan, term)).collect();
                if !moving.is_empty() {
                    let (shift, target) = (self.shift(plan, shift), self.moved(plan, to));
                    self.steps.push(Step::Combine { terms: moving, shift, relu: false, to: target });
                }
                if let (true, Some(grad)) = (relu, self.moves[to]) {
                    self.steps.push(Step::Mask { gate: to, grad });
                }
            }
            Step::Measure { norm, of } => {
                if let Some(grad) = self.moves[of] {
                    self.steps.push(Step::Products { norm, sums: Sums::Along, grad, of });
                }
            }
            Step::Cap { to } => {
                self.steps.extend(self.moves[to].map(|grad| Step::CapMask { gate: to, grad }));
            }
            Step::Pool { pool, from, to } => {
                if let Some(along) = self.moves[from] {
                    let to = self.moved(plan, to);
                    self.steps.push(Step::PoolAlong { pool, image: from, along, to });
                }
            }
            _ => self.linear(plan, step),
        }
    }

    /// A step that does to the move what it does to the value.
    fn linear(&mut self, plan: &mut Plan, step: &Step) {
        let source = match *step {
            Step::Copy { from: (from, _), .. } | Step::Crop { from, .. } | Step::Mean { from, .. } => from,
            Step::MeanGradient { grad, .. }
            | Step::PoolGradient { grad, .. }
            | Step::CropGradient { grad, .. } => grad,
            _ => return,
        };
        let (Some(moving), Some(to)) = (self.moves[source], step.writes()) else { return };
        let target = self.moved(plan, to);
        self.steps.push(match *step {
            Step::Copy { from: (_, first), to: (_, at), channels } => {
                Step::Copy { from: (moving, first), to: (target, at), channels }
            }
            Step::Crop { first, .. } => Step::Crop { from: moving, to: target, first },
            Step::CropGradient { first, .. } => Step::CropGradient { grad: moving, to: target, first },
            Step::Mean { .. } => Step::Mean { from: moving, to: target },
            Step::PoolGradient { pool, image, .. } => {
                Step::PoolGradient { pool, image, grad: moving, to: target }
            }
            _ => Step::MeanGradient { grad: moving, to: target },
        });
    }

    /// How a summand moves: by its value, and by its factor.
    fn summand(&mut self, plan: &mut Plan, (value, factor): (Value, Factor)) -> Vec<(Value, Factor)> {
        let mut terms: Vec<_> = self.moves[value].map(|moved| (moved, factor)).into_iter().collect();
        let moving = match factor {
            Factor::Norm(norm) if !terms.is_empty() => Some((Moving::Norm, norm)),
            Factor::BackGrad(norm) => Some((Moving::BackGrad, norm)),
            Factor::BackInput(norm) => Some((Moving::BackInput, norm)),
            _ => None,
        };
        if let Some((moving, norm)) = moving
            && plan.norms[norm].measures
        {
            terms.push((self.here(plan, value), Factor::Along(moving, norm)));
        }
        terms
    }

    fn shift(&self, plan: &mut Plan, shift: Shift) -> Shift {
        let at = match shift {
            Shift::None | Shift::BackAlong(_) => return Shift::None,
            Shift::Back(norm) => return Shift::BackAlong(norm),
            Shift::Sum(at) => at,
        };
        let moves = |&norm: &usize| {
            let told = |step: &Step| matches!(*step, Step::Products { norm: n, .. } if n == norm);
            self.steps.iter().any(told)
        };
        let norms: Vec<usize> = plan.shifts[at].norms.iter().copied().filter(moves).collect();
        if norms.is_empty() {
            return Shift::None;
        }
        let blocks = plan.shifts[at].blocks;
        plan.shifts.push(ShiftPlan { norms, biases: Vec::new(), blocks, along: true });
        Shift::Sum(plan.shifts.len() - 1)
    }

    /// A value of the way there, or a gradient as it is made a second time.
    fn here(&mut self, plan: &mut Plan, value: Value) -> Value {
        if value < self.gradients { value } else { beside(plan, &mut self.again, value) }
    }

    /// The step once more, and how it moves.
    fn back(&mut self, plan: &mut Plan, step: &Step) {
        match *step {
            Step::Seed { to } => {
                let (again, target) = (self.here(plan, to), self.moved(plan, to));
                self.steps.extend([Step::Seed { to: again }, Step::SeedAlong { to: target }]);
            }
            Step::WeightGradient { conv, grad, .. } => {
                // y = W x: the gradient by W times W is that by y times y
                let result = plan.there.iter().find_map(|step| match *step {
                    Step::Convolve { conv: c, to, .. } if c == conv => Some(to),
                    _ => None,
                });
                let (Some(result), Some(moving)) = (result, self.moves[grad]) else { return };
                let again = self.here(plan, grad);
                if let Some(of) = self.moves[result] {
                    self.steps.push(Step::Channels { conv, of, grad: again });
                }
                self.steps.push(Step::Channels { conv: self.count + conv, of: result, grad: moving });
            }
            Step::InputGradient { conv, grad, to } => {
                let again = self.here(plan, grad);
                let (to_again, target) = (self.here(plan, to), self.moved(plan, to));
                self.steps.push(Step::InputGradient { conv, grad: again, to: to_again });
                self.steps.push(Step::InputGradient { conv: self.count + conv, grad: again, to: target });
                if let Some(grad) = self.moves[grad] {
                    self.steps.push(Step::InputGradient { conv, grad, to: target });
                }
            }
            Step::Mask { gate, grad } => {
                let again = self.here(plan, grad);
                self.steps.push(Step::Mask { gate, grad: again });
                self.steps.extend(self.moves[grad].map(|grad| Step::Mask { gate, grad }));
            }
            Step::CapMask { gate, grad } => {
                let again = self.here(plan, grad);
                self.steps.push(Step::CapMask { gate, grad: again });
                self.steps.extend(self.moves[grad].map(|grad| Step::CapMask { gate, grad }));
            }
            Step::Combine { ref terms, shift, relu, to } => {
                let again = terms.iter().map(|&(value, factor)| (self.here(plan, value), factor)).collect();
                let to_again = self.here(plan, to);
                self.steps.push(Step::Combine { terms: again, shift, relu, to: to_again });
                let moving: Vec<_> = terms.iter().flat_map(|&term| self.summand(plan, term)).collect();
                if !moving.is_empty() {
                    let (shift, target) = (self.shift(plan, shift), self.moved(plan, to));
                    self.steps.push(Step::Combine { terms: moving, shift, relu, to: target });
                }
            }
            Step::Products { norm, sums, grad, of } => {
                let again = self.here(plan, grad);
                self.steps.push(Step::Products { norm, sums, grad: again, of });
                if plan.norms[norm].measures {
                    let moving = self.moves[grad].map(|grad| (Sums::Along, grad, of));
                    let input = self.moves[of].map(|of| (Sums::Cross, again, of));
                    let told = moving.into_iter().chain(input);
                    self.steps.extend(told.map(|(sums, grad, of)| Step::Products { norm, sums, grad, of }));
                }
            }
            Step::PoolGradient { pool, image, grad, to } => {
                let (grad, to) = (self.here(plan, grad), self.here(plan, to));
                self.steps.push(Step::PoolGradient { pool, image, grad, to });
                self.linear(plan, step);
            }
            Step::Copy { from: (grad, first), to: (to, at), channels } => {
                let (grad, to) = (self.here(plan, grad), self.here(plan, to));
                self.steps.push(Step::Copy { from: (grad, first), to: (to, at), channels });
                self.linear(plan, step);
            }
            Step::CropGradient { grad, to, first } => {
                let (grad, to) = (self.here(plan, grad), self.here(plan, to));
                self.steps.push(Step::CropGradient { grad, to, first });
                self.linear(plan, step);
            }
            Step::MeanGradient { grad, to } => {
                let (grad, to) = (self.here(plan, grad), self.here(plan, to));
                self.steps.push(Step::MeanGradient { grad, to });
                self.linear(plan, step);
            }
            _ => {}
        }
    }
}
