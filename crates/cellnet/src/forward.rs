use crate::error::{NetworkError, Result};
use crate::network::{Layer, Network, Operator};
use crate::weights::Weights;
use candle_core::{Tensor, Var};
use cpu_ops::{
    BatchStatistics, avg_pool2d, batch_norm, batch_norm_inference, channel_sum, conv2d, linear, max_pool2d,
    relu,
};

/// What batch norms add to variances, as in PyTorch.
pub const EPS: f64 = 1e-5;

/// Which statistics batch norms use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The batch's, which are measured for the running ones.
    Train,
    /// The running ones, where they are kept.
    Evaluate,
}

/// What comes of a batch.
#[derive(Debug)]
pub struct Outcome {
    /// `(N, classes)`.
    pub logits: Tensor,
    /// What every batch norm with running statistics measured, by the name of its layer; empty in evaluation.
    pub measured: Vec<(String, BatchStatistics)>,
}

/// Runs a network operator by operator through candle's autograd: the oracle, and what second derivatives use.
///
/// `watch` is shown every layer's result, with its place in [`Network::layers`], and gives back what goes on: the
/// tensor itself, or a tapped one. Those of global means and linear layers are `(N, C)`, all others `(N, C, H, W)`. A sum
/// of nothing but zeros is zeros.
///
/// # Errors
/// Images of another size, another type than the weights', weights of another network, what `watch` refuses.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use cellnet::{CellStyle, Mode, Weights, forward, nas_bench_201};
/// use nas_core::Seed;
/// use spaces::{NasBench201, nas_bench_201::Skeleton};
/// let skeleton = Skeleton { channels: 4, cells: 1, image: 8, ..Skeleton::default() };
/// let net = nas_bench_201(&NasBench201.get(7)?, &skeleton, 3, CellStyle::trained())?;
/// let weights = Weights::init(&net, DType::F32, Seed(0))?;
/// let images = Tensor::ones((2, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// let outcome = forward(&net, &weights, &images, Mode::Evaluate, |_, x| Ok(x))?;
/// assert_eq!(outcome.logits.dims(), [2, 10]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn forward(
    network: &Network,
    weights: &Weights,
    images: &Tensor,
    mode: Mode,
    mut watch: impl FnMut(usize, Tensor) -> candle_core::Result<Tensor>,
) -> Result<Outcome> {
    let expected = network.input();
    match *images.dims() {
        [n, c, h, w] if n > 0 && [c, h, w] == expected => {}
        _ => return Err(NetworkError::Input { found: images.dims().to_vec(), expected }),
    }
    let mut run = Run { network, weights, mode, results: Vec::new(), measured: Vec::new() };
    let last_use = last_uses(network);
    for (at, layer) in network.layers().iter().enumerate() {
        let result = if at == 0 { images.clone() } else { run.layer(layer)? };
        run.results.push(Some(watch(at, result)?));
        // what nobody reads any more is the tape's alone
        for &input in layer.inputs.iter().filter(|&&input| last_use[input] == at) {
            run.results[input] = None;
        }
    }
    match run.results.pop().flatten() {
        Some(logits) => Ok(Outcome { logits, measured: run.measured }),
        None => Err(NetworkError::Input { found: images.dims().to_vec(), expected }),
    }
}

fn last_uses(network: &Network) -> Vec<usize> {
    let mut last = vec![usize::MAX; network.layers().len()];
    for (at, layer) in network.layers().iter().enumerate() {
        layer.inputs.iter().for_each(|&input| last[input] = at);
    }
    last
}

struct Run<'a> {
    network: &'a Network,
    weights: &'a Weights,
    mode: Mode,
    results: Vec<Option<Tensor>>,
    measured: Vec<(String, BatchStatistics)>,
}

impl Run<'_> {
    fn parameter(&self, layer: &Layer, what: &str) -> Result<&Var> {
        self.weights.need(&format!("{}.{what}", layer.name))
    }

    /// `(N, C)` for a linear layer and `(N, C, H, W)` for all others, whatever they come from.
    fn inputs(&self, layer: &Layer) -> candle_core::Result<Vec<Tensor>> {
        let flat = matches!(layer.operator, Operator::Linear { .. });
        let shaped = |x: &Tensor| match x.rank() {
            4 if flat => x.flatten_from(1),
            2 if !flat => x.unsqueeze(2)?.unsqueeze(3),
            _ => Ok(x.clone()),
        };
        layer.inputs.iter().filter_map(|&input| self.results[input].as_ref()).map(shaped).collect()
    }

    fn layer(&mut self, layer: &Layer) -> Result<Tensor> {
        let inputs = self.inputs(layer)?;
        let Some(x) = inputs.first() else {
            return Err(NetworkError::Layer { layer: layer.name.clone(), reason: "reads nothing".into() });
        };
        Ok(match &layer.operator {
            Operator::Input => x.clone(),
            Operator::Convolution { settings, bias, .. } => {
                let weight = self.parameter(layer, "weight")?;
                let bias = bias.then(|| self.parameter(layer, "bias")).transpose()?;
                conv2d(x, weight, bias.map(Var::as_tensor), settings)?
            }
            Operator::BatchNorm { affine, tracked } => self.norm(layer, x, *affine, *tracked)?,
            Operator::Relu => relu(x)?,
            Operator::Relu6 => relu(x)?.minimum(6.0)?,
            Operator::AveragePool { window, padding } => avg_pool2d(x, window, *padding)?,
            Operator::MaxPool { window } => max_pool2d(x, window)?,
            Operator::Zero => x.zeros_like()?,
            Operator::Sum => {
                // zeros are not added
                let zero = |input: usize| self.network.layers()[input].operator == Operator::Zero;
                let parts = layer.inputs.iter().zip(&inputs).filter(|(input, _)| !zero(**input));
                let mut parts = parts.map(|(_, x)| x.clone());
                let first = parts.next().unwrap_or_else(|| x.clone());
                parts.try_fold(first, |sum, part| sum + part)?
            }
            Operator::Concatenate => Tensor::cat(&inputs, 1)?,
            Operator::Truncate { channels } => x.narrow(1, 0, *channels)?.contiguous()?,
            Operator::Shuffle { groups } => {
                let (n, c, h, w) = x.dims4()?;
                let grouped = x.contiguous()?.reshape((n, *groups, c / groups, h * w))?;
                grouped.transpose(1, 2)?.contiguous()?.reshape((n, c, h, w))?
            }
            Operator::Crop { rows, columns } => {
                let (_, _, h, w) = x.dims4()?;
                x.narrow(2, *rows, h - rows)?.narrow(3, *columns, w - columns)?.contiguous()?
            }
            Operator::GlobalMean => {
                let [channels, ..] = layer.shape;
                let [_, h, w] = self.network.layers()[layer.inputs[0]].shape;
                let n = x.dims()[0];
                let sums = channel_sum(&x.reshape((1, n * channels, h, w))?)?;
                (sums.reshape((n, channels))? * (1.0 / (h * w) as f64))?
            }
            Operator::Linear { .. } => {
                let weight = self.parameter(layer, "weight")?.t()?;
                linear(x, &weight, self.parameter(layer, "bias")?)?
            }
        })
    }

    fn norm(&mut self, layer: &Layer, x: &Tensor, affine: bool, tracked: bool) -> Result<Tensor> {
        let channels = layer.shape[0];
        let (weight, bias) = if affine {
            let [weight, bias] = ["weight", "bias"].map(|what| self.parameter(layer, what));
            (weight?.as_tensor().clone(), bias?.as_tensor().clone())
        } else {
            (Tensor::ones(channels, x.dtype(), x.device())?, Tensor::zeros(channels, x.dtype(), x.device())?)
        };
        if tracked && self.mode == Mode::Evaluate {
            let Some(running) = self.weights.running(&layer.name) else {
                let problems = vec![format!("{}.running_mean is missing", layer.name)];
                return Err(NetworkError::Weights { problems });
            };
            let tensor = |values: &[f64]| {
                Tensor::from_slice(values, channels, x.device()).and_then(|t| t.to_dtype(x.dtype()))
            };
            let (mean, variance) = (tensor(&running.mean)?, tensor(&running.variance)?);
            return Ok(batch_norm_inference(x, &weight, &bias, (&mean, &variance), EPS)?);
        }
        let (y, measured) = batch_norm(x, &weight, &bias, EPS)?;
        if tracked {
            self.measured.push((layer.name.clone(), measured));
        }
        Ok(y)
    }
}
