use crate::error::{NetworkError, Result};
use crate::network::{NetworkCost, Parameter, Role, sum};
use crate::pieces::in_range;
use crate::sequence::{Moment, Passing, SequenceNetwork, SequenceNorms, check, linear, sigmoid};
use crate::weights::{HasParameters, Weights};
use candle_core::Tensor;
use cpu_ops::{Conv2d, conv2d, layer_norm, relu};
use serde::{Deserialize, Serialize};
use spaces::nas_bench_asr::{Cell, Operation};

/// What layer norms add to variances here, as in the authors' code.
const EPS: f64 = 1e-3;
/// Where rectifiers are capped.
const MOST: f64 = 20.0;
/// Steps that a convolution before a block spans.
const SPAN: usize = 8;
/// Steps after the current one that a convolution may see.
const CONTEXT: usize = 4;

/// Cells of one width, behind a convolution over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeechBlock {
    /// Channels.
    pub filters: usize,
    /// How many cells.
    pub cells: usize,
    /// By how much the convolution makes the sequence shorter.
    pub stride: usize,
}

/// The network around the cell of NAS-Bench-ASR. The default is the paper's (Mehrotra et al., ICLR 2021, figure 1), on
/// three seconds of 10 ms frames, which is our choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeechSkeleton {
    /// Features of a frame.
    pub features: usize,
    /// From the sound to the LSTM.
    pub blocks: Vec<SpeechBlock>,
    /// Groups of the cell's convolutions; divide every block's filters.
    pub groups: usize,
    /// Units of the LSTM.
    pub lstm: usize,
    /// Phonemes and the blank.
    pub classes: usize,
    /// Frames of a sequence.
    pub frames: usize,
}

impl Default for SpeechSkeleton {
    fn default() -> Self {
        let block = |(filters, cells, stride)| SpeechBlock { filters, cells, stride };
        let blocks = [(600, 3, 1), (800, 4, 1), (1_000, 5, 2), (1_200, 6, 2)].map(block).to_vec();
        Self { features: 80, blocks, groups: 100, lstm: 500, classes: 49, frames: 300 }
    }
}

impl SpeechSkeleton {
    fn check(&self) -> Result<()> {
        let wrong = |setting, found: usize, expected| {
            Err(NetworkError::Setting { setting, found: found.to_string(), expected })
        };
        let Self { features, groups, lstm, classes, frames, .. } = *self;
        let own = [("features", features), ("groups", groups), ("lstm", lstm), ("classes", classes)];
        let blocks = self.blocks.iter().flat_map(|b| [("filters", b.filters), ("stride", b.stride)]);
        in_range(own.into_iter().chain([("frames", frames)]).chain(blocks))?;
        if let Some(block) = self.blocks.iter().find(|block| block.stride > SPAN) {
            return wrong("stride", block.stride, "at most 8, the steps that a convolution sees");
        }
        if self.steps().contains(&0) {
            return wrong("frames", frames, "as many as leave a step behind every block");
        }
        match self.blocks.iter().find(|block| !block.filters.is_multiple_of(groups)) {
            Some(block) => wrong("filters", block.filters, "a multiple of the groups"),
            None if self.blocks.is_empty() => wrong("blocks", 0, "at least 1"),
            None => Ok(()),
        }
    }

    /// How many steps there are behind the convolution of every block; none where it does not fit.
    fn steps(&self) -> Vec<usize> {
        let mut steps = self.frames;
        let behind = |block: &SpeechBlock| {
            let (before, after) = pads(SPAN, 1, block.stride);
            steps = (steps + before + after).checked_sub(SPAN).map_or(0, |left| left / block.stride + 1);
            steps
        };
        self.blocks.iter().map(behind).collect()
    }
}

/// Steps that are added before and after a convolution, by the authors' rule.
fn pads(span: usize, dilation: usize, stride: usize) -> (usize, usize) {
    let (ahead, whole) = (CONTEXT / stride, span * dilation);
    if ahead + stride >= whole {
        return (0, whole - stride);
    }
    (((span - 1) * dilation).saturating_sub(ahead), ahead)
}

/// The network of a NAS-Bench-ASR cell: blocks of a convolution over time, layer norm and cells; an LSTM; a linear layer.
/// Each node of a cell adds the states that it skips to and its operation on the state before it, a convolution or linear
/// layer with a ReLU that is capped at 20; a layer norm follows the cell (Mehrotra et al. 2021, section 3, and the authors'
/// `ASRModel`). Names of parameters are `blocks.1.conv.conv`, `blocks.1.norm`, `blocks.1.cells.0.nodes.2.conv` or
/// `.linear`, `blocks.1.cells.0.norm`, `lstm.ih`, `lstm.hh`, `classifier`; gates of the LSTM are in PyTorch's order.
///
/// The authors train with the CTC loss of the logits of all steps. Here a sequence has one label, and its logits are the
/// mean over steps, which is what proxies without a transcript can use.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use cellnet::{SequenceNetwork, SpeechBlock, SpeechNetwork, SpeechSkeleton, Weights};
/// use nas_core::Seed;
/// let blocks = vec![SpeechBlock { filters: 8, cells: 1, stride: 2 }];
/// let skeleton = SpeechSkeleton { features: 5, blocks, groups: 4, lstm: 6, classes: 3, frames: 12 };
/// let net = SpeechNetwork::new(&spaces::NasBenchAsr.get(1234)?, &skeleton)?;
/// let weights = Weights::init(&net, DType::F32, Seed(0))?;
/// let sound = Tensor::ones((2, 5, 1, 12), DType::F32, &Device::Cpu)?;
/// assert_eq!(net.run(&weights, &sound, &mut |_, x| Ok(x))?.dims(), [2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeechNetwork {
    cell: Cell,
    skeleton: SpeechSkeleton,
    norms: SequenceNorms,
}

/// A convolution over time.
#[derive(Debug, Clone, Copy)]
struct Time {
    channels: (usize, usize),
    span: usize,
    dilation: usize,
    stride: usize,
    groups: usize,
}

impl Time {
    fn parameters(self, name: &str) -> [Parameter; 2] {
        let inputs = self.channels.0 / self.groups * self.span;
        let shape = vec![self.channels.1, self.channels.0 / self.groups, 1, self.span];
        connection(name, shape, inputs)
    }

    fn run(self, weights: &Weights, name: &str, x: &Tensor) -> Result<Tensor> {
        let (before, after) = pads(self.span, self.dilation, self.stride);
        let x = x.pad_with_zeros(3, before, after)?;
        let settings = Conv2d {
            stride: (1, self.stride),
            padding: (0, 0),
            dilation: (1, self.dilation),
            groups: self.groups,
        };
        let (weight, bias) =
            (weights.need(&format!("{name}.weight"))?, weights.need(&format!("{name}.bias"))?);
        Ok(conv2d(&x, weight, Some(bias), &settings)?)
    }
}

fn connection(name: &str, shape: Vec<usize>, inputs: usize) -> [Parameter; 2] {
    let bias = vec![shape[0]];
    let of = |what: &str, shape| Parameter {
        name: format!("{name}.{what}"),
        shape,
        role: Role::Connection { inputs },
    };
    [of("weight", shape), of("bias", bias)]
}

fn norm_parameters(name: &str, channels: usize) -> [Parameter; 2] {
    let of = |what: &str, role| Parameter { name: format!("{name}.{what}"), shape: vec![channels], role };
    [of("weight", Role::Scale), of("bias", Role::Shift)]
}

impl SpeechNetwork {
    /// The network of a cell.
    ///
    /// # Errors
    /// A skeleton out of range.
    pub fn new(cell: &Cell, skeleton: &SpeechSkeleton) -> Result<Self> {
        skeleton.check()?;
        Ok(Self { cell: *cell, skeleton: skeleton.clone(), norms: SequenceNorms::Kept })
    }

    /// The convolutions before the blocks.
    fn before(&self) -> Vec<Time> {
        let mut from = self.skeleton.features;
        let time = |block: &SpeechBlock| {
            let channels = (std::mem::replace(&mut from, block.filters), block.filters);
            Time { channels, span: SPAN, dilation: 1, stride: block.stride, groups: 1 }
        };
        self.skeleton.blocks.iter().map(time).collect()
    }

    fn node(&self, operation: Operation, filters: usize) -> Option<Time> {
        let (span, dilation) = operation.kernel()?;
        Some(Time { channels: (filters, filters), span, dilation, stride: 1, groups: self.skeleton.groups })
    }

    /// Channels behind the last block.
    fn last(&self) -> usize {
        self.skeleton.blocks.last().map_or(0, |block| block.filters)
    }

    fn cell(&self, weights: &Weights, name: &str, x: Tensor, watch: Passing<'_>) -> Result<Tensor> {
        let filters = x.dim(1)?;
        let mut states = vec![x];
        for (number, operation) in self.cell.operations().into_iter().enumerate() {
            let node = format!("{name}.nodes.{number}");
            let last = &states[number];
            let mut sum = match (operation, self.node(operation, filters)) {
                (Operation::Linear, _) => {
                    let name = format!("{node}.linear");
                    let y = watch(Moment::Result(&name), linear(weights, &name, last)?)?;
                    Some(rectified(y, watch)?)
                }
                (_, Some(time)) => {
                    let name = format!("{node}.conv");
                    let y = watch(Moment::Result(&name), time.run(weights, &name, last)?)?;
                    Some(rectified(y, watch)?)
                }
                (_, None) => None,
            };
            for state in (0..=number).filter(|&state| self.cell.skip(number + 1, state)) {
                sum = Some(match sum {
                    Some(sum) => (sum + &states[state])?,
                    None => states[state].clone(),
                });
            }
            states.push(sum.map_or_else(|| last.zeros_like(), Ok)?);
        }
        let last = states.swap_remove(states.len() - 1);
        if self.norms == SequenceNorms::Kept {
            normed(weights, &format!("{name}.norm"), last, watch)
        } else {
            Ok(last)
        }
    }

    /// The states of the LSTM `(N, units, 1, T)`.
    fn lstm(&self, weights: &Weights, x: &Tensor, watch: Passing<'_>) -> Result<Tensor> {
        let (n, _, _, steps) = x.dims4()?;
        let units = self.skeleton.lstm;
        let given = watch(Moment::Result("lstm.ih"), linear(weights, "lstm.ih", x)?)?;
        let (weight, bias) = (weights.need("lstm.hh.weight")?.t()?, weights.need("lstm.hh.bias")?);
        let mut hidden = Tensor::zeros((n, units), x.dtype(), x.device())?;
        let mut memory = hidden.clone();
        let mut states = Vec::new();
        for step in 0..steps {
            let now = given.narrow(3, step, 1)?.reshape((n, 4 * units))?;
            let gates = (now + cpu_ops::linear(&hidden, &weight, bias)?)?;
            let gate = |at: usize| gates.narrow(1, at * units, units)?.contiguous();
            let (input, forget, new, output) =
                (sigmoid(&gate(0)?)?, sigmoid(&gate(1)?)?, gate(2)?.tanh()?, sigmoid(&gate(3)?)?);
            memory = ((forget * memory)? + (input * new)?)?;
            hidden = (output * memory.tanh()?)?;
            states.push(hidden.reshape((n, units, 1, 1))?);
        }
        Ok(Tensor::cat(&states, 3)?)
    }
}

fn rectified(x: Tensor, watch: Passing<'_>) -> Result<Tensor> {
    Ok(relu(&watch(Moment::Rectifier, x)?)?.minimum(MOST)?)
}

/// Layer norm over the channels of `(N, C, 1, T)`.
fn normed(weights: &Weights, name: &str, x: Tensor, watch: Passing<'_>) -> Result<Tensor> {
    let x = watch(Moment::Norm, x)?.transpose(1, 3)?.contiguous()?;
    let (weight, bias) = (weights.need(&format!("{name}.weight"))?, weights.need(&format!("{name}.bias"))?);
    Ok(layer_norm(&x, weight, bias, EPS)?.transpose(1, 3)?.contiguous()?)
}

impl HasParameters for SpeechNetwork {
    fn parameters(&self) -> Vec<Parameter> {
        let mut all = Vec::new();
        for (number, (block, time)) in self.skeleton.blocks.iter().zip(self.before()).enumerate() {
            all.extend(time.parameters(&format!("blocks.{number}.conv.conv")));
            if self.norms != SequenceNorms::Removed {
                all.extend(norm_parameters(&format!("blocks.{number}.norm"), block.filters));
            }
            for cell in 0..block.cells {
                let name = format!("blocks.{number}.cells.{cell}");
                for (node, operation) in self.cell.operations().into_iter().enumerate() {
                    let node = format!("{name}.nodes.{node}");
                    if operation == Operation::Linear {
                        let shape = vec![block.filters; 2];
                        all.extend(connection(&format!("{node}.linear"), shape, block.filters));
                    }
                    if let Some(time) = self.node(operation, block.filters) {
                        all.extend(time.parameters(&format!("{node}.conv")));
                    }
                }
                if self.norms == SequenceNorms::Kept {
                    all.extend(norm_parameters(&format!("{name}.norm"), block.filters));
                }
            }
        }
        let (units, classes) = (self.skeleton.lstm, self.skeleton.classes);
        all.extend(connection("lstm.ih", vec![4 * units, self.last()], units));
        all.extend(connection("lstm.hh", vec![4 * units, units], units));
        all.extend(connection("classifier", vec![classes, units], units));
        all
    }
}

impl SequenceNetwork for SpeechNetwork {
    fn input(&self) -> (usize, usize) {
        (self.skeleton.features, self.skeleton.frames)
    }

    fn classes(&self) -> usize {
        self.skeleton.classes
    }

    fn cost(&self) -> NetworkCost {
        let ends = self.skeleton.steps();
        let steps = ends.last().copied().unwrap_or(self.skeleton.frames);
        let steps_of = |name: &str| {
            let block = name.strip_prefix("blocks.").and_then(|rest| rest.split('.').next());
            block.and_then(|block| ends.get(block.parse::<usize>().ok()?)).copied().unwrap_or(steps)
        };
        let all = self.parameters();
        let weights = all.iter().filter(|parameter| parameter.shape.len() > 1);
        let products = |weight: &Parameter| weight.size().saturating_mul(steps_of(&weight.name) as u64);
        NetworkCost {
            parameters: sum(all.iter().map(Parameter::size)),
            multiply_adds: sum(weights.map(products)),
        }
    }

    fn run(&self, weights: &Weights, sequences: &Tensor, watch: Passing<'_>) -> Result<Tensor> {
        check(self, sequences)?;
        let mut x = sequences.clone();
        for (number, (block, time)) in self.skeleton.blocks.iter().zip(self.before()).enumerate() {
            let name = format!("blocks.{number}.conv.conv");
            let y = watch(Moment::Result(&name), time.run(weights, &name, &x)?)?;
            x = rectified(y, watch)?;
            if self.norms != SequenceNorms::Removed {
                x = normed(weights, &format!("blocks.{number}.norm"), x, watch)?;
            }
            for cell in 0..block.cells {
                x = self.cell(weights, &format!("blocks.{number}.cells.{cell}"), x, watch)?;
            }
        }
        let states = self.lstm(weights, &x, watch)?;
        let logits = watch(Moment::Result("classifier"), linear(weights, "classifier", &states)?)?;
        Ok(logits.mean(3)?.squeeze(2)?)
    }

    fn with_norms(&self, norms: SequenceNorms) -> Self {
        Self { norms, ..self.clone() }
    }
}
