//! From layers to steps: the way back, the steps there in reverse.

use super::Settings;
use super::plan::Plan;
use super::steps::{Factor, Shift, Step, Sums, Value};

/// Adds the way back to a plan.
pub(super) fn add(plan: &mut Plan, settings: &Settings) {
    let needed = needed(plan, settings);
    let mut back = Back { grads: vec![None; plan.values.len()], needed, steps: Vec::new() };
    let seed = back.grad(plan, plan.logits);
    back.steps.push(Step::Seed { to: seed });
    for at in (0..plan.there.len()).rev() {
        let step = plan.there[at].clone();
        back.step(plan, settings, &step);
    }
    let input = plan.there.iter().find_map(|step| match step {
        Step::Load { to } => Some(*to),
        _ => None,
    });
    plan.input_gradient = input.filter(|_| settings.input_gradient).and_then(|input| back.grads[input]);
    plan.back = back.steps;
}

/// Which values depend on something whose gradient is wanted.
fn needed(plan: &Plan, settings: &Settings) -> Vec<bool> {
    let mut needed = vec![false; plan.values.len()];
    let parameters = settings.gradients || settings.products;
    for step in &plan.there {
        let Some(to) = step.writes() else { continue };
        needed[to] |= match step {
            Step::Load { .. } => settings.input_gradient,
            Step::Convolve { from, .. } => parameters || needed[*from],
            Step::Combine { terms, .. } => terms.iter().any(|&(value, factor)| {
                let own = matches!(factor, Factor::Norm(norm) if plan.norms[norm].affine);
                needed[value] || (settings.gradients && own)
            }),
            _ => step.reads().iter().any(|&value| needed[value]),
        };
    }
    needed
}

struct Back {
    /// The gradient of every value, where one flows.
    grads: Vec<Option<Value>>,
    needed: Vec<bool>,
    steps: Vec<Step>,
}

impl Back {
    fn grad(&mut self, plan: &mut Plan, value: Value) -> Value {
        *self.grads[value].get_or_insert_with(|| {
            plan.values.push(plan.values[value]);
            plan.values.len() - 1
        })
    }

    fn step(&mut self, plan: &mut Plan, settings: &Settings, step: &Step) {
        let Some(grad) = step.writes().and_then(|to| self.grads[to]) else { return };
        match *step {
            Step::Convolve { conv, from, to } => {
                if settings.products || (settings.gradients && plan.convs[conv].bias) {
                    let of = if settings.products { to } else { grad };
                    self.steps.push(Step::Channels { conv, of, grad });
                }
                if settings.gradients {
                    self.steps.push(Step::WeightGradient { conv, from, grad });
                }
                if self.needed[from] {
                    let to = self.grad(plan, from);
                    self.steps.push(Step::InputGradient { conv, grad, to });
                }
            }
            Step::Combine { ref terms, relu, to, .. } => {
                if relu {
                    self.steps.push(Step::Mask { gate: to, grad });
                }
                for &(value, factor) in terms {
                    self.summand(plan, settings, grad, (value, factor));
                }
            }
            Step::Pool { pool, from, .. } if self.needed[from] => {
                let to = self.grad(plan, from);
                self.steps.push(Step::PoolGradient { pool, image: from, grad, to });
            }
            Step::Copy { from: (from, first), to: (_, at), channels } if self.needed[from] => {
                let to = self.grad(plan, from);
                self.steps.push(Step::Copy { from: (grad, at), to: (to, first), channels });
            }
            Step::Crop { from, first, .. } if self.needed[from] => {
                let to = self.grad(plan, from);
                self.steps.push(Step::CropGradient { grad, to, first });
            }
            Step::Cap { to } => self.steps.push(Step::CapMask { gate: to, grad }),
            Step::Mean { from, .. } if self.needed[from] => {
                let to = self.grad(plan, from);
                self.steps.push(Step::MeanGradient { grad, to });
            }
            _ => {}
        }
    }

    fn summand(
        &mut self,
        plan: &mut Plan,
        settings: &Settings,
        grad: Value,
        (value, factor): (Value, Factor),
    ) {
        let Factor::Norm(norm) = factor else {
            if self.needed[value] {
                let (terms, to) = (vec![(grad, Factor::One)], self.grad(plan, value));
                self.steps.push(Step::Combine { terms, shift: Shift::None, relu: false, to });
            }
            return;
        };
        let (measures, affine) = (plan.norms[norm].measures, plan.norms[norm].affine);
        if (measures && self.needed[value]) || (affine && settings.gradients) {
            self.steps.push(Step::Products { norm, sums: Sums::Gradient, grad, of: value });
        }
        if self.needed[value] {
            let mut terms = vec![(grad, Factor::BackGrad(norm))];
            let mut shift = Shift::None;
            if measures {
                terms.push((value, Factor::BackInput(norm)));
                shift = Shift::Back(norm);
            }
            let to = self.grad(plan, value);
            self.steps.push(Step::Combine { terms, shift, relu: false, to });
        }
    }
}
