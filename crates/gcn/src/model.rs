use crate::aggregate::aggregate;
use crate::{GcnError, GraphBatch, Parameters};
use candle_core::{DType, Tensor, Var};
use cpu_ops::{Kept, layer_norm_relu, linear};
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
    /// With dropout drawn from the stream, gradients kept.
    Train(&'a mut Stream),
    /// With dropout drawn from the stream, the weights held constant: for warming up a head.
    Frozen(&'a mut Stream),
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
        let GcnSettings { width, layers, dropout, .. } = self.settings;
        if batch.mixes.len() + 1 != layers || batch.input.dim(1)? != width {
            return Err(GcnError::Batch(format!(
                "a batch for {} layers of {} features was given to a network of {layers} layers and {width} features",
                batch.mixes.len() + 1,
                batch.input.dim(1)?
            )));
        }
        let trained = matches!(mode, Mode::Train(_));
        let at = |var: &Var| if trained { var.as_tensor().clone() } else { var.as_tensor().detach() };
        let mut states = batch.input.clone();
        for (l, [weight, bias, gain, shift]) in self.layers.iter().enumerate() {
            if l > 0 {
                states = aggregate(&states, &batch.mixes[l - 1])?;
            }
            states = linear(&states, &at(weight), &at(bias))?;
            let kept = match &mut mode {
                Mode::Train(rng) | Mode::Frozen(rng) if dropout > 0.0 => {
                    Some(keep(states.elem_count(), dropout, rng))
                }
                _ => None,
            };
            states = layer_norm_relu(&states, &at(gain), &at(shift), EPS, kept)?;
        }
        Ok(aggregate(&states, &batch.readout)?)
    }
}

/// Dropout flags, each zero with probability `dropout` to within 2^-16, from two random bytes each.
fn keep(count: usize, dropout: f64, rng: &mut Stream) -> Kept {
    let mut bytes = vec![0; 2 * count];
    rng.fill_bytes(&mut bytes);
    let limit = (dropout * 65536.0).round() as u16;
    let flags = bytes.chunks_exact(2).map(|b| u8::from(u16::from_le_bytes([b[0], b[1]]) >= limit)).collect();
    Kept { flags, scale: 65536.0 / (65536.0 - f64::from(limit)) }
}
