use crate::error::Result;
use crate::model::{Model, Norms, Place};
use crate::seen::Flow;
use candle_core::{DType, Device, Tensor};

/// Activations above this are scaled down to its root: far enough above 1 that biases, which are not, no longer
/// show in an f64, and far enough below the largest f64 that a block cannot leave it.
const LARGE: i32 = 512;

/// How the sum of logits depends on every layer when all parameters are absolute, in f64, on one image of ones.
pub(crate) fn flow<M: Model>(model: &M, image: &[usize], norms: Norms) -> Result<Flow> {
    let absolute = model.with(DType::F64, norms, &mut |parameter| Ok(parameter.value.abs()?))?;
    let ones = [&[1], image].concat();
    let ones = Tensor::ones(ones, DType::F64, &Device::Cpu)?;
    let mut exponent = 0;
    let logits = absolute.forward(&ones, &mut |place, x| {
        if place != Place::Block {
            return Ok(x);
        }
        let largest = x.flatten_all()?.max(0)?.to_scalar::<f64>()?;
        if !largest.is_finite() || largest < 2_f64.powi(LARGE) {
            return Ok(x);
        }
        // where all norms are kept the last one gives the same for any factor
        exponent += if norms == Norms::Kept { 0 } else { LARGE / 2 };
        x.affine(2_f64.powi(-LARGE / 2), 0.0)
    })?;
    let grads = logits.sum_all()?.backward()?;
    let mut layers = Vec::new();
    for layer in absolute.layers() {
        let share = match grads.get(layer.weight.as_tensor()) {
            Some(gradient) => (layer.weight.as_tensor() * gradient)?.abs()?.sum_all()?.to_scalar::<f64>()?,
            None => 0.0,
        };
        layers.push((layer.name, share));
    }
    Ok(Flow { layers, exponent })
}
