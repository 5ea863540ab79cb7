use crate::batch::Batch;
use crate::error::{ProxyError, Result};
use crate::first_order::{self, FirstOrder};
use crate::seen::Need;
use candle_core::{DType, Tensor, Var};
use cpu_ops::cross_entropy;

/// What a network shows while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The result of a layer of [`Model::layers`], by its number, before any norm.
    Layer(usize),
    /// What a rectifier is given.
    Rectifier,
    /// What a batch norm is given.
    Norm,
    /// The result of a block; everything after it reads it alone.
    Block,
    /// What is averaged over pixels for the classifier.
    Features,
}

/// Sees a tensor pass a place, and gives back what goes on: the tensor itself, or another of its shape.
pub type Watch<'a> = &'a mut dyn FnMut(Place, Tensor) -> candle_core::Result<Tensor>;

/// A convolution or linear layer.
#[derive(Debug, Clone)]
pub struct Weighted {
    /// Its name.
    pub name: String,
    /// Its weight, outputs first.
    pub weight: Var,
}

/// Which batch norms stay. Where not all do, a ReLU6 is a ReLU: its bound is meant for what norms give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// All.
    Kept,
    /// Those that the authors of Zero-Cost NAS forget to take out; the same as [`Norms::Removed`] where that is none.
    Forgotten,
    /// None.
    Removed,
}

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The weight of a convolution or linear layer with so many inputs an output.
    Weight {
        /// Inputs of an output.
        inputs: usize,
    },
    /// The bias of such a layer.
    Bias,
    /// The factor of a norm.
    Scale,
    /// The summand of a norm.
    Shift,
}

/// A parameter that is to get other values.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Its values now.
    pub value: &'a Tensor,
}

/// Size of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Trainable numbers.
    pub parameters: u64,
    /// Multiply-adds of one image.
    pub multiply_adds: u64,
}

/// A network that can be scored: this trait is all that proxies know of one.
///
/// A network need not show every place: a proxy that finds none of what it looks at says so. `examples/own_network.rs`
/// scores one of two layers.
pub trait Model: Sized {
    /// Convolutions and linear layers that take part in [`Model::forward`], in the order in which they run.
    fn layers(&self) -> Vec<Weighted>;

    /// Its size.
    fn cost(&self) -> Cost;

    /// Logits `(N, classes)` of images `(N, C, H, W)` with the batch's own statistics in every norm, through candle's
    /// autograd; `watch` sees every place once.
    ///
    /// # Errors
    /// Images that do not fit, and what `watch` refuses.
    fn forward(&self, images: &Tensor, watch: Watch<'_>) -> Result<Tensor>;

    /// The same network in another type, with other values for its parameters, and without some of its norms.
    ///
    /// # Errors
    /// What `values` refuses.
    fn with(
        &self,
        dtype: DType,
        norms: Norms,
        values: &mut dyn FnMut(Parameter<'_>) -> Result<Tensor>,
    ) -> Result<Self>;

    /// Layers that are built but never run, with the Euclidean norms of their weights: the authors of Zero-Cost NAS
    /// count them in `l2_norm`. None, unless a network is built that way.
    fn unused(&self) -> Vec<(String, f64)> {
        Vec::new()
    }

    /// What one forward on the batch and the backwards from it give: of `needs` those that it can, which are gradient,
    /// saliency, Jacobian, agreement and patterns; also the Hessian product along the gradient, where that is faster than
    /// [`Model::curvature`]. `done` hears of each.
    ///
    /// This goes through candle; a network that has something faster says so here.
    ///
    /// # Errors
    /// As [`Model::forward`], labels without a logit, and [`ProxyError::Missing`].
    fn first_order(&self, batch: &Batch, needs: &[Need], done: &mut dyn FnMut(Need)) -> Result<FirstOrder> {
        first_order::through_candle(self, batch, needs, done)
    }

    /// For each layer the sum over its weights of `weight * (H d)`, where `H` is the Hessian of the mean cross entropy
    /// of the batch by all layers' weights and `d` is `direction`, a tensor a layer. Exact: no finite differences.
    ///
    /// This goes through candle twice; a network that knows its operators can do with less.
    ///
    /// # Errors
    /// [`ProxyError::Detached`], and as [`Model::forward`].
    fn curvature(&self, batch: &Batch, direction: &[Tensor]) -> Result<Vec<f64>> {
        let logits = self.forward(batch.images(), &mut |_, x| Ok(x))?;
        batch.check_labels(&logits)?;
        let grads = cross_entropy(&logits, batch.labels(), 0.0)?.backward()?;
        let layers = self.layers();
        let mut along: Option<Tensor> = None;
        for (layer, direction) in layers.iter().zip(direction) {
            let Some(gradient) = grads.get(layer.weight.as_tensor()) else { continue };
            if !gradient.track_op() {
                return Err(ProxyError::Detached);
            }
            let part = (gradient * direction.detach())?.sum_all()?;
            along = Some(along.map_or(Ok(part.clone()), |sum| sum + part)?);
        }
        let Some(along) = along else { return Ok(vec![0.0; layers.len()]) };
        let second = along.backward()?;
        let dot = |layer: &Weighted| match second.get(layer.weight.as_tensor()) {
            Some(row) => {
                let product = (layer.weight.as_tensor().detach() * row.detach())?;
                Ok(product.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?)
            }
            None => Ok(0.0),
        };
        layers.iter().map(dot).collect()
    }
}
