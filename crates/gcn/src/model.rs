use crate::aggregate::{aggregate, aggregate_back};
use crate::{GcnError, GraphBatch, Parameters};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use cpu_ops::{Kept, layer_norm_relu, layer_norm_relu_gradient, linear, matmul, sum_rows};
use nas_core::{Seed, Stream};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The added constant of the layer norm, as in PyTorch.
const EPS: f64 = 1e-5;

/// The shape of a graph network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GcnSettings {
    /// Features a node.
    pub width: usize,
    /// Units of every layer.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Share of the units that are dropped after each layer while training.
    pub dropout: f64,
}

impl GcnSettings {
    /// BRP-NAS: 4 layers of 600 units.
    pub fn brp_nas(width: usize, dropout: f64) -> Self {
        Self { width, hidden: 600, layers: 4, dropout }
    }
}

/// What a forward pass is for.
#[derive(Debug)]
pub enum Mode<'a> {
    /// With dropout drawn from the stream and every operator on candle's tape: slow, for other derivatives than
    /// those of [`Gcn::pass`], and what that is tested against.
    Train(&'a mut Stream),
    /// No dropout, no gradients.
    Predict,
}

/// Graph convolutions as in BRP-NAS: `H' = dropout(relu(layer_norm(A (H W) + b)))`, computed as `(A H) W`.
///
/// Weights and biases start uniform within `1/sqrt(hidden)`, the layer norms at 1 and 0, each tensor from its
/// own stream of the seed. Parameters have the authors' names: `gc.0.weight` (in, out), `gc.0.bias`,
/// `bn.0.weight`, `bn.0.bias`, and so on.
#[derive(Debug, Clone)]
pub struct Gcn {
    settings: GcnSettings,
    layers: Vec<[Var; 4]>,
    parameters: Parameters,
}

impl Gcn {
    /// A network with fresh weights.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn new(settings: GcnSettings, dtype: DType, seed: Seed) -> Result<Self, GcnError> {
        let GcnSettings { width, hidden, layers, dropout } = settings;
        for (name, value) in [("width", width), ("hidden", hidden), ("layers", layers)] {
            if value == 0 {
                return Err(GcnError::Setting { name, value: 0.0, expected: "it must be at least 1" });
            }
        }
        if !(0.0..1.0).contains(&dropout) {
            return Err(GcnError::Setting { name: "dropout", value: dropout, expected: "it lies in 0..1" });
        }
        let bound = 1.0 / (hidden as f64).sqrt();
        let mut parameters = Parameters::new(dtype);
        let convolutions = (0..layers)
            .map(|l| {
                let (weight, bias) = (format!("gc.{l}.weight"), format!("gc.{l}.bias"));
                let inputs = if l == 0 { width } else { hidden };
                let w = parameters.uniform(&weight, &[inputs, hidden], bound, &mut seed.stream(&weight))?;
                let b = parameters.uniform(&bias, &[hidden], bound, &mut seed.stream(&bias))?;
                Ok([w, b])
            })
            .collect::<Result<Vec<_>, GcnError>>()?;
        let layers = convolutions
            .into_iter()
            .enumerate()
            .map(|(l, [w, b])| {
                let gain = parameters.constant(&format!("bn.{l}.weight"), &[hidden], 1.0)?;
                let shift = parameters.constant(&format!("bn.{l}.bias"), &[hidden], 0.0)?;
                Ok([w, b, gain, shift])
            })
            .collect::<Result<Vec<_>, GcnError>>()?;
        Ok(Self { settings, layers, parameters })
    }

    /// The shape of the network.
    pub fn settings(&self) -> &GcnSettings {
        &self.settings
    }

    /// Its trainable tensors.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The embeddings `(graphs, hidden)` of a batch made for as many layers as the network has.
    ///
    /// # Errors
    /// A batch of another depth or width.
    pub fn embed(&self, batch: &GraphBatch, mut mode: Mode<'_>) -> Result<Tensor, GcnError> {
        self.check(batch)?;
        let trained = matches!(mode, Mode::Train(_));
        let at = |var: &Var| if trained { var.as_tensor().clone() } else { var.as_tensor().detach() };
        let mut states = batch.input.clone();
        for (l, [weight, bias, gain, shift]) in self.layers.iter().enumerate() {
            if l > 0 {
                states = aggregate(&states, &batch.mixes[l - 1])?;
            }
            states = linear(&states, &at(weight), &at(bias))?;
            let kept = match &mut mode {
                Mode::Train(rng) => self.keep(states.elem_count(), rng),
                Mode::Predict => None,
            };
            states = layer_norm_relu(&states, &at(gain), &at(shift), EPS, kept)?;
        }
        Ok(aggregate(&states, &batch.readout)?)
    }

    /// A training pass: the embeddings with dropout drawn from `rng`, and what its backward needs.
    ///
    /// Same numbers as [`embed`](Self::embed) with [`Mode::Train`], but off candle's tape, which zeroes, copies
    /// and adds every gradient once more than needed.
    ///
    /// # Errors
    /// A batch of another depth or width.
    pub fn pass<'a>(&'a self, batch: &'a GraphBatch, rng: &mut Stream) -> Result<Pass<'a>, GcnError> {
        self.check(batch)?;
        let mut tape: Vec<Step> = Vec::with_capacity(self.layers.len());
        for (l, [weight, bias, gain, shift]) in self.layers.iter().enumerate() {
            let summed = match tape.last() {
                Some(below) => aggregate(&below.result, &batch.mixes[l - 1])?,
                None => batch.input.clone(),
            };
            let affine = linear(&summed, &weight.as_detached_tensor(), &bias.as_detached_tensor())?;
            let kept = self.keep(affine.elem_count(), rng);
            let scale = kept.as_ref().map_or(1.0, |kept| kept.scale);
            let (gain, shift) = (gain.as_detached_tensor(), shift.as_detached_tensor());
            let result = layer_norm_relu(&affine, &gain, &shift, EPS, kept)?;
            tape.push(Step { summed, affine, result, scale });
        }
        let last = tape.last().map_or(&batch.input, |step| &step.result);
        let embedding = Var::from_tensor(&aggregate(last, &batch.readout)?)?;
        Ok(Pass { gcn: self, batch, tape, embedding })
    }

    fn check(&self, batch: &GraphBatch) -> Result<(), GcnError> {
        let GcnSettings { width, layers, .. } = self.settings;
        let (depth, given) = (batch.mixes.len() + 1, batch.input.dim(1)?);
        if depth == layers && given == width {
            return Ok(());
        }
        Err(GcnError::Batch(format!(
            "a batch for {depth} layers of {given} features was given to a network of {layers} layers and {width} features"
        )))
    }

    /// Dropout flags, each zero with probability `dropout` to within 2^-16, from two random bytes each.
    fn keep(&self, count: usize, rng: &mut Stream) -> Option<Kept> {
        let limit = (self.settings.dropout * 65536.0).round() as u16;
        if limit == 0 {
            return None;
        }
        let mut bytes = vec![0; 2 * count];
        rng.fill_bytes(&mut bytes);
        let keep = |pair: &[u8]| u8::from(u16::from_le_bytes([pair[0], pair[1]]) >= limit);
        let flags = bytes.chunks_exact(2).map(keep).collect();
        Some(Kept { flags, scale: 65536.0 / (65536.0 - f64::from(limit)) })
    }
}

/// What one layer computed.
#[derive(Debug)]
struct Step {
    /// `A H`
    summed: Tensor,
    /// `A H W + b`
    affine: Tensor,
    /// After layer norm, ReLU and dropout.
    result: Tensor,
    scale: f64,
}

/// A training pass under way: a loss is made of its [`embedding`](Self::embedding), and the gradient of that
/// goes back through the network.
///
/// ```
/// # use candle_core::DType;
/// # use gcn::{Gcn, GcnSettings, Graph, GraphBatch, Readout};
/// # use nas_core::Seed;
/// # let graph = Graph::new(1, 1, &[1.0], &[1.0])?;
/// # let batch = GraphBatch::separate(&[&graph], 2, Readout::Mean, DType::F32)?;
/// # let network = Gcn::new(GcnSettings { width: 1, hidden: 4, layers: 2, dropout: 0.0 }, DType::F32, Seed(0))?;
/// let pass = network.pass(&batch, &mut Seed(0).stream("dropout"))?;
/// let loss = pass.embedding().sqr()?.sum_all()?;
/// let mut grads = loss.backward()?;
/// pass.backward(&mut grads)?; // now it holds the gradients of all weights
/// # Ok::<(), gcn::GcnError>(())
/// ```
#[derive(Debug)]
pub struct Pass<'a> {
    gcn: &'a Gcn,
    batch: &'a GraphBatch,
    tape: Vec<Step>,
    embedding: Var,
}

impl Pass<'_> {
    /// The embeddings `(graphs, hidden)`, a leaf of candle's tape.
    pub fn embedding(&self) -> &Tensor {
        self.embedding.as_tensor()
    }

    /// Adds the gradients of the network's weights to those of a loss of the embeddings.
    ///
    /// # Errors
    /// Gradients without the embeddings': the loss does not depend on them.
    pub fn backward(&self, grads: &mut GradStore) -> Result<(), GcnError> {
        let Some(grad) = grads.get(self.embedding()) else {
            return Err(GcnError::Batch("this loss does not depend on the embeddings of the pass".into()));
        };
        let mut grad = aggregate_back(&grad.contiguous()?, &self.batch.readout)?;
        for (l, (step, vars)) in self.tape.iter().zip(&self.gcn.layers).enumerate().rev() {
            let [weight, bias, gain, shift] = vars;
            let Step { summed, affine, result, scale } = step;
            let [daffine, dgain, dshift] =
                layer_norm_relu_gradient(affine, &gain.as_detached_tensor(), result, &grad, EPS, *scale)?;
            add(grads, gain, dgain)?;
            add(grads, shift, dshift)?;
            add(grads, bias, sum_rows(&daffine)?)?;
            add(grads, weight, matmul(summed, &daffine, (true, false))?)?;
            if l > 0 {
                let dsummed = matmul(&daffine, &weight.as_detached_tensor(), (false, true))?;
                grad = aggregate_back(&dsummed, &self.batch.mixes[l - 1])?;
            }
        }
        Ok(())
    }
}

/// Adds to the gradient of a tensor, which a loss that also looks at the weights, or another pass, may have left there.
pub(crate) fn add(grads: &mut GradStore, var: &Var, grad: Tensor) -> Result<(), GcnError> {
    let sum = match grads.remove(var) {
        Some(before) => (before + grad)?,
        None => grad,
    };
    grads.insert(var, sum);
    Ok(())
}
