use crate::element::{Element, check_types, elements, on_cpu};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor, bail};

/// `x - log(sum(exp(x)))` along the last dimension, computed from the largest element so that nothing overflows.
/// Differentiable as often as one likes. O(elements).
///
/// # Errors
/// A tensor without elements along the last dimension, a type that is neither f32 nor f64.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let y = cpu_ops::log_softmax(&Tensor::new(&[1000f64, 1000.0], &Device::Cpu)?)?.to_vec1::<f64>()?;
/// assert!((y[0] + 2f64.ln()).abs() < 1e-12);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    check_types("log_softmax", &[x])?;
    if x.dims().last().is_none_or(|&d| d == 0) {
        bail!("log_softmax: {:?} has nothing along its last dimension", x.shape());
    }
    x.apply_op1(LogSoftmax)
}

/// The mean over `logits` `(N, K)` of the cross entropy with the classes `targets` (`N`, each below `K`), smoothed:
/// the target is `1 - smoothing` on the class and `smoothing / K` on every class, as in PyTorch.
/// Differentiable as often as one likes. O(N K).
///
/// # Errors
/// Another number of targets than rows, a class that is not there, no row, smoothing outside 0..=1, a type that is
/// neither f32 nor f64.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let logits = Tensor::new(&[[0f32, 0.0], [0.0, 0.0]], &Device::Cpu)?;
/// let loss = cpu_ops::cross_entropy(&logits, &[0, 1], 0.1)?.to_scalar::<f32>()?;
/// assert!((loss - 2f32.ln()).abs() < 1e-6);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn cross_entropy(logits: &Tensor, targets: &[u32], smoothing: f64) -> Result<Tensor> {
    check_types("cross_entropy", &[logits])?;
    let (rows, classes) = logits.dims2()?;
    if rows != targets.len() || rows == 0 {
        bail!("cross_entropy: {} targets for logits {:?}", targets.len(), logits.shape());
    }
    if let Some((row, class)) = targets.iter().enumerate().find(|&(_, &class)| class as usize >= classes) {
        bail!("cross_entropy: target {row} is class {class}, but there are {classes}");
    }
    if !(0.0..=1.0).contains(&smoothing) {
        bail!("cross_entropy: label smoothing {smoothing}, expected 0 to 1");
    }
    let mut weights = vec![smoothing / classes as f64; rows * classes];
    for (row, &class) in targets.iter().enumerate() {
        weights[row * classes + class as usize] += 1.0 - smoothing;
    }
    let weights = Tensor::from_vec(weights, (rows, classes), logits.device())?.to_dtype(logits.dtype())?;
    (log_softmax(logits)? * weights)?.sum_all()? * (-1.0 / rows as f64)
}

fn forward<T: Element>((s, l): (&CpuStorage, &Layout)) -> Result<(CpuStorage, Shape)> {
    let mut out = elements::<T>(s, l)?.into_owned();
    let width = l.dims().last().copied().unwrap_or(1);
    for row in out.chunks_exact_mut(width) {
        let largest = row.iter().fold(row[0], |a, &b| if b > a { b } else { a });
        let sum: f64 = row.iter().map(|&x| (x - largest).to_f64().exp()).sum();
        let shift = largest + T::from_f64(sum.ln());
        row.iter_mut().for_each(|x| *x -= shift);
    }
    Ok((T::to_cpu_storage_owned(out), l.shape().clone()))
}

struct LogSoftmax;

impl CustomOp1 for LogSoftmax {
    on_cpu!("log-softmax", 1, forward);

    fn bwd(&self, _: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let share = y.exp()?.broadcast_mul(&grad.sum_keepdim(D::Minus1)?)?;
        (grad - share).map(Some)
    }
}
