use crate::error::Result;
use crate::network::NetworkCost;
use crate::weights::{HasParameters, Weights};
use candle_core::Tensor;

/// What a sequence network shows while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment<'a> {
    /// The result `(N, channels, 1, steps)` of the layer of this name, whose weight is `name.weight`. Layers that read a
    /// state of the step before are not shown.
    Result(&'a str),
    /// What a rectifier is given.
    Rectifier,
    /// What a norm is given.
    Norm,
}

/// Sees a tensor pass, and gives back what goes on.
pub type Passing<'a> = &'a mut dyn FnMut(Moment<'_>, Tensor) -> candle_core::Result<Tensor>;

/// Which norms of a sequence network stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequenceNorms {
    /// All.
    Kept,
    /// Those between blocks: the authors of NAS-Bench-ASR take out only those of cells.
    Between,
    /// None.
    Removed,
}

/// A network that reads sequences, as operators of candle: no list of layers, and not for the [`Engine`](crate::Engine).
pub trait SequenceNetwork: HasParameters + Sized {
    /// Features and steps of a sequence.
    fn input(&self) -> (usize, usize);

    /// How many classes it tells apart.
    fn classes(&self) -> usize;

    /// Parameters, and multiply-adds of one sequence of so many steps.
    fn cost(&self) -> NetworkCost;

    /// Logits `(N, classes)` of sequences `(N, features, 1, steps)`, through candle's autograd.
    ///
    /// # Errors
    /// Sequences of other features or steps, weights of another network, what `watch` refuses.
    fn run(&self, weights: &Weights, sequences: &Tensor, watch: Passing<'_>) -> Result<Tensor>;

    /// The same network with some of its norms.
    fn with_norms(&self, norms: SequenceNorms) -> Self;
}

/// Refuses sequences that a network cannot take.
pub(crate) fn check(network: &impl SequenceNetwork, sequences: &Tensor) -> Result<()> {
    let (features, steps) = network.input();
    match *sequences.dims() {
        [n, c, 1, t] if n > 0 && (c, t) == (features, steps) => Ok(()),
        _ => Err(crate::NetworkError::Input {
            found: sequences.dims().to_vec(),
            expected: [features, 1, steps],
        }),
    }
}

/// A linear layer over the channels of `(N, C, 1, T)`: `name.weight` `(outputs, C)`, `name.bias`.
pub(crate) fn linear(weights: &Weights, name: &str, x: &Tensor) -> Result<Tensor> {
    let (n, channels, _, steps) = x.dims4()?;
    let weight = weights.need(&format!("{name}.weight"))?.t()?;
    let rows = x.transpose(1, 3)?.contiguous()?.reshape((n * steps, channels))?;
    let rows = cpu_ops::linear(&rows, &weight, weights.need(&format!("{name}.bias"))?)?;
    let outputs = rows.dim(1)?;
    Ok(rows.reshape((n, steps, 1, outputs))?.transpose(1, 3)?.contiguous()?)
}

/// The logistic function, by the hyperbolic tangent, which does not overflow.
pub(crate) fn sigmoid(x: &Tensor) -> candle_core::Result<Tensor> {
    x.affine(0.5, 0.0)?.tanh()?.affine(0.5, 0.5)
}
