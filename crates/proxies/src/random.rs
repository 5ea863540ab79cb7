//! Passes on random images with random weights.

use crate::batch::Batch;
use crate::error::{ProxyError, Result};
use crate::linear_algebra::{eigenvalues, largest_singular_value};
use crate::model::{Kind, Model, Norms, Parameter, Place};
use crate::seen::{Blocks, Perturbation};
use candle_core::{DType, Device, Tensor, Var, bail};
use cpu_ops::{channel_dot, channel_sum};
use nalgebra::DMatrix;
use nas_core::{Seed, Stream};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

fn normal(shape: &[usize], deviation: f64, rng: &mut Stream) -> Result<Tensor> {
    let count = shape.iter().product();
    let values: Vec<f64> = StandardNormal.sample_iter(rng).take(count).map(|z: f64| z * deviation).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Weights drawn anew with a deviation that depends on their inputs; biases 0, norms at 1 and 0.
fn drawn(seed: Seed, deviation: impl Fn(usize) -> f64) -> impl FnMut(Parameter<'_>) -> Result<Tensor> {
    move |Parameter { name, kind, value }| match kind {
        Kind::Weight { inputs } => normal(value.dims(), deviation(inputs), &mut seed.stream(name)),
        Kind::Scale => Ok(value.ones_like()?),
        Kind::Bias | Kind::Shift => Ok(value.zeros_like()?),
    }
}

/// How far features move with random images, by how small a step (Lin et al., Zen-NAS, ICCV 2021, algorithm 1).
const STEP: f64 = 1e-2;

pub(crate) fn perturbation<M: Model>(model: &M, batch: &Batch, seed: Seed) -> Result<Perturbation> {
    let dtype = batch.images().dtype();
    let model = model.with(dtype, Norms::Kept, &mut drawn(seed.derive("zen weights"), |_| 1.0))?;
    let mut rng = seed.stream("zen images");
    let shape = batch.images().dims();
    let (images, step) = (normal(shape, 1.0, &mut rng)?, normal(shape, STEP, &mut rng)?);
    let mut variances = Vec::new();
    let mut features = Vec::new();
    for (moved, images) in [&images, &(&images + step)?].into_iter().enumerate() {
        model.forward(&images.to_dtype(dtype)?, &mut |place, x| {
            match place {
                Place::Norm if moved == 0 => variances.push(mean_variance(&x)?),
                Place::Features => features.push(x.detach()),
                _ => {}
            }
            Ok(x.detach())
        })?;
    }
    let [before, after] = &features[..] else {
        let (what, needs) = ("features before the classifier", "the movement of features");
        return Err(ProxyError::Missing { what, needs, expected: 1 });
    };
    let moved = (before - after)?.abs()?.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
    Ok(Perturbation { moved: moved / batch.len() as f64, variances })
}

/// The mean over channels of the biased variance over images and pixels.
fn mean_variance(x: &Tensor) -> candle_core::Result<f64> {
    let x = x.detach();
    let pixels = x.elem_count() as f64 / x.dims().get(1).copied().unwrap_or(1) as f64;
    let by_channel = |sums: Tensor| (sums.to_dtype(DType::F64)? * (1.0 / pixels))?.to_vec1::<f64>();
    let (means, squares) = (by_channel(channel_sum(&x)?)?, by_channel(channel_dot(&x, &x)?)?);
    // not `max`, which makes a 0 of a NaN
    let biased = |variance: f64| if variance < 0.0 { 0.0 } else { variance };
    let variances = means.iter().zip(&squares).map(|(mean, square)| biased(square - mean * mean));
    Ok(variances.sum::<f64>() / means.len() as f64)
}

/// Features of blocks and gradients through them (Lee and Ham, AZ-NAS, CVPR 2024, section 3).
pub(crate) fn blocks<M: Model>(model: &M, batch: &Batch, seed: Seed) -> Result<Blocks> {
    let dtype = batch.images().dtype();
    let kaiming = |inputs: usize| (2.0 / inputs.max(1) as f64).sqrt();
    let model = model.with(dtype, Norms::Kept, &mut drawn(seed.derive("az weights"), kaiming))?;
    let images = normal(batch.images().dims(), 1.0, &mut seed.stream("az images"))?.to_dtype(dtype)?;
    // what a block gives, with its history back to the block before, and the variable that goes on from there
    let mut ends: Vec<(Tensor, Var)> = Vec::new();
    model.forward(&images, &mut |place, x| {
        if place != Place::Block {
            return Ok(x);
        }
        let next = Var::from_tensor(&x.detach())?;
        ends.push((x, next.clone()));
        Ok(next.as_tensor().clone())
    })?;
    if ends.len() < 2 {
        let (what, needs) = ("blocks", "the features of blocks");
        return Err(ProxyError::Missing { what, needs, expected: 2 });
    }
    let mut found = Blocks::default();
    for (features, _) in &ends {
        found.spectra.push(spectrum(&features.detach())?);
    }
    let mut rng = seed.stream("az signs");
    for pair in ends.windows(2) {
        let ((_, given), (result, _)) = (&pair[0], &pair[1]);
        let signs = (0..result.elem_count()).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0_f64 });
        let signs = Tensor::from_iter(signs, &Device::Cpu)?.reshape(result.dims())?.to_dtype(dtype)?;
        let grads = (result * &signs)?.sum_all()?.backward()?;
        let back = match grads.get(given.as_tensor()) {
            Some(back) => back.clone(),
            None => given.as_tensor().zeros_like()?,
        };
        found.gains.push(gain(&signs, &back)?);
    }
    Ok(found)
}

/// `(N, C, H, W)` as `(N H W, C)`.
fn by_channel(x: &Tensor) -> candle_core::Result<Tensor> {
    let channels = x.dims()[1];
    x.permute((0, 2, 3, 1))?.contiguous()?.reshape(((), channels))
}

/// `a^T b`, scaled, as a matrix of f64.
fn product(a: &Tensor, b: &Tensor, scale: f64) -> candle_core::Result<DMatrix<f64>> {
    let product = (cpu_ops::matmul(a, b, (true, false))?.to_dtype(DType::F64)? * scale)?;
    let (rows, columns) = product.dims2()?;
    Ok(DMatrix::from_row_slice(rows, columns, &product.flatten_all()?.to_vec1::<f64>()?))
}

fn spectrum(features: &Tensor) -> candle_core::Result<Vec<f64>> {
    let rows = by_channel(features)?;
    let centred = rows.broadcast_sub(&rows.mean_keepdim(0)?)?;
    let covariance = product(&centred, &centred, 1.0 / rows.dims()[0] as f64)?;
    Ok(eigenvalues(covariance).unwrap_or_else(|| vec![f64::NAN]))
}

/// The largest singular value of `back^T signs / pixels`; pixels of a larger image become channels of the smaller, with
/// zeros beyond the edge where the sides do not divide each other, which the authors' code refuses.
fn gain(signs: &Tensor, back: &Tensor) -> candle_core::Result<Option<f64>> {
    if signs.dims() == back.dims() {
        let differ = (signs - back)?.abs()?.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
        if differ == 0.0 {
            return Ok(None);
        }
    }
    let ((n, _, h, w), (_, c, height, width)) = (signs.dims4()?, back.dims4()?);
    if height < h || width < w {
        bail!(
            "a block gives {h} by {w} pixels of {height} by {width}; AZ-NAS knows none that enlarge an image"
        );
    }
    let (rows, columns) = (height.div_ceil(h), width.div_ceil(w));
    let back = back.pad_with_zeros(2, 0, h * rows - height)?.pad_with_zeros(3, 0, w * columns - width)?;
    let split = back.reshape(&[n, c, h, rows, w, columns][..])?;
    let back = split.permute([0, 1, 3, 5, 2, 4])?.contiguous()?.reshape((n, c * rows * columns, h, w))?;
    let correlation = product(&by_channel(&back)?, &by_channel(signs)?, 1.0 / (n * h * w) as f64)?;
    Ok(Some(largest_singular_value(correlation).unwrap_or(f64::NAN)))
}
