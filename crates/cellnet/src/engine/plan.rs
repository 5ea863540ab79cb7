//! From layers to steps: the way there.

use super::steps::{Factor, Shape, Shift, Step, Value};
use super::{Mode, Settings};
use crate::error::{NetworkError, Result};
use crate::network::{Layer, Network, Operator};
use cpu_ops::Conv2d;
use cpu_ops::blocked::ImagePool;

/// A convolution or linear layer.
#[derive(Debug, Clone)]
pub(super) struct ConvPlan {
    pub(super) layer: usize,
    pub(super) channels: (usize, usize),
    pub(super) size: (usize, usize),
    pub(super) kernel: (usize, usize),
    pub(super) settings: Conv2d,
    pub(super) bias: bool,
    /// The batch norm whose factor is multiplied into the weight.
    pub(super) folded: Option<usize>,
    /// Whether the direction stands in for the weight.
    pub(super) along: bool,
}

/// A batch norm.
#[derive(Debug, Clone)]
pub(super) struct NormPlan {
    pub(super) layer: usize,
    pub(super) channels: usize,
    /// Pixels of an image.
    pub(super) plane: usize,
    pub(super) affine: bool,
    pub(super) tracked: bool,
    /// Whether it uses what it measures on the batch.
    pub(super) measures: bool,
}

/// What is added in one [`Step::Combine`]: shifts of batch norms and biases of convolutions.
#[derive(Debug, Clone, Default)]
pub(super) struct ShiftPlan {
    pub(super) norms: Vec<usize>,
    pub(super) biases: Vec<usize>,
    pub(super) blocks: usize,
    /// Whether it is how the shifts move along the direction.
    pub(super) along: bool,
}

/// Everything that an engine does, not yet in its order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) values: Vec<Shape>,
    pub(super) convs: Vec<ConvPlan>,
    pub(super) norms: Vec<NormPlan>,
    pub(super) shifts: Vec<ShiftPlan>,
    pub(super) pools: Vec<ImagePool>,
    pub(super) there: Vec<Step>,
    pub(super) back: Vec<Step>,
    /// How all that moves along a direction.
    pub(super) there_along: Vec<Step>,
    pub(super) back_along: Vec<Step>,
    pub(super) logits: Value,
    pub(super) logits_along: Option<Value>,
    pub(super) input_gradient: Option<Value>,
    /// Layers that are watched, and where their results are.
    pub(super) watched: Vec<(usize, Value)>,
}

/// What a layer's result is before anybody asks for it.
#[derive(Debug, Clone)]
enum Form {
    /// It is held.
    Held(Value),
    /// A sum that is not held, nothing for zeros.
    Sum(Vec<(Value, Summand)>),
}

/// What becomes of a value in a sum.
#[derive(Debug, Clone, Copy)]
enum Summand {
    Plain,
    Norm(usize),
    /// A convolution alone reads its own result: the bias is not in it, a batch norm may have been multiplied into
    /// its weight, and the value may be written by others too.
    Own {
        conv: usize,
        norm: Option<usize>,
    },
}

pub(super) struct Planner<'a> {
    network: &'a Network,
    settings: &'a Settings,
    plan: Plan,
    /// The first layer that is the same as each.
    same: Vec<usize>,
    alive: Vec<bool>,
    /// How often each is read, by others than itself.
    uses: Vec<usize>,
    forms: Vec<Form>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(network: &'a Network, settings: &'a Settings) -> Result<Self> {
        let layers = network.layers();
        if let Some(layer) = settings.watched.iter().find(|&&layer| layer >= layers.len()) {
            return Err(NetworkError::Setting {
                setting: "watched",
                found: layer.to_string(),
                expected: "layers of the network",
            });
        }
        let same = same(layers);
        let mut alive = vec![false; layers.len()];
        for (at, layer) in layers.iter().enumerate().rev() {
            let tracked = matches!(layer.operator, Operator::BatchNorm { tracked: true, .. });
            alive[at] |= at + 1 == layers.len()
                || at == 0
                || settings.all_layers
                || settings.watched.contains(&at)
                || (tracked && settings.mode == Mode::Train);
            if alive[at] {
                alive[same[at]] = true;
                if layer.operator != Operator::Zero {
                    layer.inputs.iter().for_each(|&input| alive[input] = true);
                }
            }
        }
        let mut uses = vec![0; layers.len()];
        for (at, layer) in layers.iter().enumerate() {
            if alive[at] && same[at] == at && layer.operator != Operator::Zero {
                layer.inputs.iter().for_each(|&input| uses[same[input]] += 1);
            }
        }
        let forms = vec![Form::Sum(Vec::new()); layers.len()];
        Ok(Self { network, settings, plan: Plan::default(), same, alive, uses, forms })
    }

    /// All steps there.
    pub(super) fn run(mut self) -> Result<Plan> {
        for (at, layer) in self.network.layers().iter().enumerate() {
            if self.same[at] != at {
                self.forms[at] = self.forms[self.same[at]].clone();
            } else if self.alive[at] {
                self.forms[at] = self.layer(at, layer)?;
            }
            if self.settings.watched.contains(&at) {
                let value = self.held(at);
                self.plan.watched.push((at, value));
            }
        }
        self.plan.logits = self.held(self.network.layers().len() - 1);
        if !self.inference() {
            super::back::add(&mut self.plan, self.settings);
        }
        if self.settings.curvature {
            super::along::add(&mut self.plan);
        }
        Ok(self.plan)
    }

    fn value(&mut self, shape: Shape) -> Value {
        self.plan.values.push(shape);
        self.plan.values.len() - 1
    }

    /// The value of a layer, which is made now if it is not held yet.
    fn held(&mut self, layer: usize) -> Value {
        let layer = self.same[layer];
        let value = match self.forms[layer].clone() {
            Form::Held(value) => value,
            Form::Sum(terms) => match terms[..] {
                [(value, Summand::Plain)] => value,
                _ => self.combine(&terms, false, Shape::of(self.network.layers()[layer].shape)),
            },
        };
        self.forms[layer] = Form::Held(value);
        value
    }

    /// The summands of a layer, held where somebody else reads it too.
    fn terms(&mut self, layer: usize) -> Vec<(Value, Summand)> {
        let layer = self.same[layer];
        match &self.forms[layer] {
            Form::Sum(terms) if terms.is_empty() || self.uses[layer] == 1 => terms.clone(),
            _ => vec![(self.held(layer), Summand::Plain)],
        }
    }

    /// Adds summands up. Values that their convolutions alone read become one, which the sum is added to.
    fn combine(&mut self, terms: &[(Value, Summand)], relu: bool, shape: Shape) -> Value {
        let mut shift = ShiftPlan { blocks: shape.blocks(), ..ShiftPlan::default() };
        let mut steps = Vec::new();
        let mut own: Option<Value> = None;
        for &(value, summand) in terms {
            match summand {
                Summand::Plain => steps.push((value, Factor::One)),
                Summand::Norm(norm) => {
                    shift.norms.push(norm);
                    steps.push((value, Factor::Norm(norm)));
                }
                Summand::Own { conv, norm } => {
                    shift.norms.extend(norm);
                    if self.plan.convs[conv].bias {
                        shift.biases.push(conv);
                    }
                    match own {
                        None => own = Some(value),
                        Some(first) => self.redirect(conv, first),
                    }
                }
            }
        }
        let to = own.unwrap_or_else(|| self.value(shape));
        let none = shift.norms.is_empty() && shift.biases.is_empty();
        if own.is_some() && none && steps.is_empty() && !relu {
            return to;
        }
        let shift = if none {
            Shift::None
        } else {
            self.plan.shifts.push(shift);
            Shift::Sum(self.plan.shifts.len() - 1)
        };
        self.plan.there.push(Step::Combine { terms: steps, shift, relu, to });
        to
    }

    /// Has a convolution write to another value.
    fn redirect(&mut self, wanted: usize, value: Value) {
        for step in &mut self.plan.there {
            if let Step::Convolve { conv, to, .. } = step
                && *conv == wanted
            {
                *to = value;
            }
        }
    }

    fn layer(&mut self, at: usize, layer: &Layer) -> Result<Form> {
        let shape = Shape::of(layer.shape);
        let input = |i: usize| layer.inputs.get(i).copied().unwrap_or(0);
        Ok(match &layer.operator {
            Operator::Input => {
                let to = self.value(shape);
                self.plan.there.push(Step::Load { to });
                Form::Held(to)
            }
            Operator::Convolution { kernel, settings, bias, .. } => {
                self.convolution(at, input(0), shape, *kernel, *settings, *bias)
            }
            Operator::Linear { .. } => self.convolution(at, input(0), shape, (1, 1), Conv2d::default(), true),
            Operator::BatchNorm { affine, tracked } => self.norm(at, input(0), shape, *affine, *tracked),
            Operator::Relu => {
                let terms = self.terms(input(0));
                Form::Held(self.combine(&terms, true, shape))
            }
            Operator::Relu6 => {
                let terms = self.terms(input(0));
                let to = self.combine(&terms, true, shape);
                self.plan.there.push(Step::Cap { to });
                Form::Held(to)
            }
            Operator::AveragePool { window, padding } => {
                let size = self.network.layers()[input(0)].shape;
                self.pool(input(0), ImagePool::average((size[1], size[2]), *window, *padding)?, shape)
            }
            Operator::MaxPool { window } => {
                let size = self.network.layers()[input(0)].shape;
                self.pool(input(0), ImagePool::largest((size[1], size[2]), *window)?, shape)
            }
            Operator::Zero => Form::Sum(Vec::new()),
            Operator::Sum => Form::Sum(layer.inputs.iter().flat_map(|&input| self.terms(input)).collect()),
            Operator::Concatenate => {
                let to = self.value(shape);
                let mut first = 0;
                for &input in &layer.inputs {
                    let from = self.held(input);
                    let channels = self.plan.values[from].channels;
                    self.plan.there.push(Step::Copy { from: (from, 0), to: (to, first), channels });
                    first += channels;
                }
                Form::Held(to)
            }
            Operator::Truncate { channels } => {
                let (from, to) = (self.held(input(0)), self.value(shape));
                self.plan.there.push(Step::Copy { from: (from, 0), to: (to, 0), channels: *channels });
                Form::Held(to)
            }
            Operator::Shuffle { groups } => {
                let (from, to) = (self.held(input(0)), self.value(shape));
                let size = shape.channels / groups;
                for channel in 0..shape.channels {
                    let source = channel % groups * size + channel / groups;
                    self.plan.there.push(Step::Copy { from: (from, source), to: (to, channel), channels: 1 });
                }
                Form::Held(to)
            }
            Operator::Crop { rows, columns } => {
                let (from, to) = (self.held(input(0)), self.value(shape));
                self.plan.there.push(Step::Crop { from, to, first: (*rows, *columns) });
                Form::Held(to)
            }
            Operator::GlobalMean => {
                let from = self.held(input(0));
                let to = self.value(shape);
                self.plan.there.push(Step::Mean { from, to });
                Form::Held(to)
            }
        })
    }

    fn pool(&mut self, input: usize, pool: ImagePool, shape: Shape) -> Form {
        let from = self.held(input);
        let to = self.value(shape);
        self.plan.pools.push(pool);
        self.plan.there.push(Step::Pool { pool: self.plan.pools.len() - 1, from, to });
        Form::Held(to)
    }

    /// Whether values need not outlive the pass.
    fn inference(&self) -> bool {
        let Settings { gradients, input_gradient, products, curvature, .. } = *self.settings;
        !(gradients || input_gradient || products || curvature)
    }

    fn convolution(
        &mut self,
        layer: usize,
        input: usize,
        shape: Shape,
        kernel: (usize, usize),
        settings: Conv2d,
        bias: bool,
    ) -> Form {
        let from = self.held(input);
        let to = self.value(shape);
        let Shape { channels, size } = self.plan.values[from];
        let channels = (channels, shape.channels);
        let conv = self.plan.convs.len();
        self.plan.convs.push(ConvPlan {
            layer,
            channels,
            size,
            kernel,
            settings,
            bias,
            folded: None,
            along: false,
        });
        self.plan.there.push(Step::Convolve { conv, from, to });
        // what is watched gives the same with and without a way back
        if self.inference() && self.uses[layer] <= 1 && self.settings.watched.is_empty() {
            return Form::Sum(vec![(to, Summand::Own { conv, norm: None })]);
        }
        if bias {
            self.plan.shifts.push(ShiftPlan {
                blocks: shape.blocks(),
                biases: vec![conv],
                ..ShiftPlan::default()
            });
            let shift = Shift::Sum(self.plan.shifts.len() - 1);
            self.plan.there.push(Step::Combine { terms: Vec::new(), shift, relu: false, to });
        }
        Form::Held(to)
    }

    fn norm(&mut self, layer: usize, input: usize, shape: Shape, affine: bool, tracked: bool) -> Form {
        let measures = !(tracked && self.settings.mode == Mode::Evaluate);
        let norm = self.plan.norms.len();
        let (channels, plane) = (shape.channels, shape.plane());
        self.plan.norms.push(NormPlan { layer, channels, plane, affine, tracked, measures });
        let only = self.uses[self.same[input]] == 1;
        if let Form::Sum(terms) = &self.forms[self.same[input]]
            && let [(value, Summand::Own { conv, norm: None })] = terms[..]
            && only
            && !measures
        {
            self.plan.convs[conv].folded = Some(norm);
            return Form::Sum(vec![(value, Summand::Own { conv, norm: Some(norm) })]);
        }
        let of = self.held(input);
        if measures {
            self.plan.there.push(Step::Measure { norm, of });
        }
        Form::Sum(vec![(of, Summand::Norm(norm))])
    }
}

/// Of every layer the first that does the same to the same without weights of its own.
fn same(layers: &[Layer]) -> Vec<usize> {
    let mut same: Vec<usize> = Vec::new();
    // of every layer those that read it first, each unlike the others
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); layers.len()];
    for (at, layer) in layers.iter().enumerate() {
        let inputs = |layer: &Layer| layer.inputs.iter().map(|&input| same[input]).collect::<Vec<_>>();
        let plain = !matches!(
            layer.operator,
            Operator::Input
                | Operator::Convolution { .. }
                | Operator::BatchNorm { .. }
                | Operator::Linear { .. }
                | Operator::Sum
                | Operator::Concatenate
        );
        let own = inputs(layer);
        // only what reads the same is looked at: O(layers times readers)
        let twin =
            |other: &&usize| layers[**other].operator == layer.operator && inputs(&layers[**other]) == own;
        let read = own.first().filter(|_| plain);
        let first = read.and_then(|&read| readers[read].iter().find(twin).copied());
        if let (Some(&read), None) = (read, first) {
            readers[read].push(at);
        }
        same.push(first.unwrap_or(at));
    }
    same
}
