use crate::batch::Batch;
use crate::error::Result;
use candle_core::{DType, Tensor, Var};
use cellnet::{EPS, Layer, Network, NetworkError, Operator, Weights};
use cpu_ops::{
    Conv2d, Probe, avg_pool2d, batch_norm, batch_norm_tangent, channel_sum, conv2d, linear, log_softmax,
    max_pool2d, max_pool2d_tangent, relu, relu_gradient,
};

/// A result, and how it moves when the weights move along the direction; not at all where that is none.
#[derive(Debug, Clone)]
struct Dual {
    value: Tensor,
    tangent: Option<Tensor>,
}

impl Dual {
    /// A linear operator of both.
    fn map(&self, f: impl Fn(&Tensor) -> candle_core::Result<Tensor>) -> candle_core::Result<Self> {
        Ok(Self { value: f(&self.value)?, tangent: self.tangent.as_ref().map(f).transpose()? })
    }

    fn moved(&self) -> candle_core::Result<Tensor> {
        self.tangent.clone().map_or_else(|| self.value.zeros_like(), Ok)
    }
}

/// What is seen of a convolution or linear layer.
struct Seen {
    /// Of its result, and of what its weight makes of the tangent.
    probes: [Probe; 2],
    bias: Option<Var>,
}

/// `sum(weight * (H d))` a layer: one forward with the derivative along `d` beside each result, and one backward through
/// both. The derivative of the loss along `d` is `<grad, d>`, so the gradient of that is `H d`.
///
/// No gradient by a weight is ever made: with `y = W x` and `t = W x'`, which the forward has anyway, the product of `W`
/// with its gradient is that of `y` with its gradient and of `t` with its. A convolution costs three forward and three
/// by its input, instead of five and five.
pub(crate) fn curvature(
    network: &Network,
    weights: &Weights,
    batch: &Batch,
    direction: &[Tensor],
) -> Result<Vec<f64>> {
    let mut run =
        Run { network, weights, directions: direction.iter(), results: Vec::new(), seen: Vec::new() };
    // something must be a variable, or there is no tape
    let images = Var::from_tensor(batch.images())?;
    for (at, layer) in network.layers().iter().enumerate() {
        let result = if at == 0 {
            Dual { value: images.as_tensor().clone(), tangent: None }
        } else {
            run.layer(layer)?
        };
        run.results.push(result);
    }
    let Some(logits) = run.results.pop() else { return Ok(Vec::new()) };
    batch.check_labels(&logits.value)?;
    let along = loss_tangent(&logits, batch.labels())?;
    let grads = along.backward()?;
    let mut products = Vec::new();
    for Seen { probes, bias } in &run.seen {
        let of = |probe: &Probe| probe.products().map_or(0.0, |values| values.iter().sum::<f64>());
        let mut product = of(&probes[0]) + of(&probes[1]);
        if let Some(bias) = bias
            && let Some(gradient) = grads.get(bias.as_tensor())
        {
            let constant = (bias.as_tensor().detach() * gradient)?.to_dtype(DType::F64)?;
            product -= constant.sum_all()?.to_scalar::<f64>()?;
        }
        products.push(product);
    }
    Ok(products)
}

/// The derivative of the mean cross entropy along a change of the logits.
fn loss_tangent(logits: &Dual, labels: &[u32]) -> candle_core::Result<Tensor> {
    let (rows, classes) = logits.value.dims2()?;
    let mut hot = vec![0.0; rows * classes];
    labels.iter().enumerate().for_each(|(row, &class)| hot[row * classes + class as usize] = 1.0);
    let hot =
        Tensor::from_vec(hot, (rows, classes), logits.value.device())?.to_dtype(logits.value.dtype())?;
    let slope = (log_softmax(&logits.value)?.exp()? - hot)?;
    (slope * logits.moved()?)?.sum_all()? * (1.0 / rows as f64)
}

/// The sum in the given order; of nothing, nothing.
fn sum(mut tensors: impl Iterator<Item = Tensor>) -> candle_core::Result<Option<Tensor>> {
    let first = tensors.next();
    first.map(|first| tensors.try_fold(first, |sum, x| sum + x)).transpose()
}

struct Run<'a, D> {
    network: &'a Network,
    weights: &'a Weights,
    directions: D,
    results: Vec<Dual>,
    seen: Vec<Seen>,
}

impl<'a, D: Iterator<Item = &'a Tensor>> Run<'_, D> {
    fn parameter(&self, layer: &Layer, what: &str) -> Result<Tensor> {
        let name = format!("{}.{what}", layer.name);
        match self.weights.get(&name) {
            Some(var) => Ok(var.as_detached_tensor()),
            None => Err(NetworkError::Weights { problems: vec![format!("{name} is missing")] }.into()),
        }
    }

    /// A layer with a weight: `apply` with a weight and, where given, a bias.
    fn weighted(
        &mut self,
        layer: &Layer,
        x: &Dual,
        bias: bool,
        apply: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> candle_core::Result<Tensor>,
    ) -> Result<Dual> {
        let weight = self.parameter(layer, "weight")?;
        let bias = bias.then(|| self.parameter(layer, "bias")).transpose()?;
        let bias = bias.map(|bias| Var::from_tensor(&bias)).transpose()?;
        let probes = [Probe::default(), Probe::default()];
        let value = probes[0].on(&apply(&x.value, &weight, bias.as_ref().map(Var::as_tensor))?)?;
        let by_input = x.tangent.as_ref().map(|t| apply(t, &weight, None).and_then(|t| probes[1].on(&t)));
        let by_weight = self.directions.next().map(|d| apply(&x.value, &d.detach(), None));
        let tangent = match (by_input.transpose()?, by_weight.transpose()?) {
            (Some(a), Some(b)) => Some((a + b)?),
            (a, b) => a.or(b),
        };
        self.seen.push(Seen { probes, bias });
        Ok(Dual { value, tangent })
    }

    fn layer(&mut self, layer: &Layer) -> Result<Dual> {
        let inputs: Vec<Dual> = layer.inputs.iter().map(|&at| self.results[at].clone()).collect();
        let wrong = |reason: &str| NetworkError::Layer { layer: layer.name.clone(), reason: reason.into() };
        let Some(x) = inputs.first() else { return Err(wrong("reads nothing").into()) };
        Ok(match &layer.operator {
            Operator::Convolution { settings, bias, .. } => {
                let settings: Conv2d = *settings;
                self.weighted(layer, x, *bias, |x, weight, bias| conv2d(x, weight, bias, &settings))?
            }
            Operator::Linear { outputs } => {
                let none = Tensor::zeros(*outputs, x.value.dtype(), x.value.device())?;
                self.weighted(layer, x, true, |x, weight, bias| {
                    linear(x, &weight.t()?, bias.unwrap_or(&none))
                })?
            }
            Operator::BatchNorm { affine, .. } => {
                let (weight, bias) = if *affine {
                    (self.parameter(layer, "weight")?, self.parameter(layer, "bias")?)
                } else {
                    let ones = Tensor::ones(layer.shape[0], x.value.dtype(), x.value.device())?;
                    (ones.clone(), ones.zeros_like()?)
                };
                let (value, measured) = batch_norm(&x.value, &weight, &bias, EPS)?;
                let tangent =
                    x.tangent.as_ref().map(|t| batch_norm_tangent(&x.value, &measured, t, &weight, EPS));
                Dual { value, tangent: tangent.transpose()? }
            }
            Operator::Relu => {
                let tangent = x.tangent.as_ref().map(|t| relu_gradient(&x.value, t)).transpose()?;
                Dual { value: relu(&x.value)?, tangent }
            }
            Operator::AveragePool { window, padding } => x.map(|x| avg_pool2d(x, window, *padding))?,
            Operator::MaxPool { window } => {
                let tangent = x.tangent.as_ref().map(|t| max_pool2d_tangent(&x.value, t, window));
                Dual { value: max_pool2d(&x.value, window)?, tangent: tangent.transpose()? }
            }
            Operator::Zero => Dual { value: x.value.zeros_like()?, tangent: None },
            Operator::Sum => {
                let zero = |at: usize| self.network.layers()[at].operator == Operator::Zero;
                let parts: Vec<&Dual> =
                    layer.inputs.iter().zip(&inputs).filter(|(at, _)| !zero(**at)).map(|(_, x)| x).collect();
                let value = sum(parts.iter().map(|part| part.value.clone()))?;
                let tangent = sum(parts.iter().filter_map(|part| part.tangent.clone()))?;
                Dual { value: value.unwrap_or_else(|| x.value.clone()), tangent }
            }
            Operator::Concatenate => {
                let values: Vec<&Tensor> = inputs.iter().map(|x| &x.value).collect();
                let tangents = inputs.iter().map(Dual::moved).collect::<candle_core::Result<Vec<_>>>()?;
                Dual { value: Tensor::cat(&values, 1)?, tangent: Some(Tensor::cat(&tangents, 1)?) }
            }
            Operator::GlobalMean => {
                let (n, c, h, w) = x.value.dims4()?;
                x.map(|x| {
                    let sums = channel_sum(&x.reshape((1, n * c, h, w))?)?;
                    sums.reshape((n, c))? * (1.0 / (h * w) as f64)
                })?
            }
            _ => return Err(wrong("has no derivative along a direction here").into()),
        })
    }
}
