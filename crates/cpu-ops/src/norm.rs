use crate::element::{Element, check_types, elements, lane_sum, on_cpu};
use crate::simd::{InstructionSet, Kernel, Lanes};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use std::sync::Arc;

/// Which elements a dropout keeps: one flag an element, kept ones multiplied by `scale`.
///
/// The flags are drawn by the caller from a seeded stream: candle's own dropout cannot be seeded on a CPU.
#[derive(Debug, Clone)]
pub struct Kept {
    /// One byte an element, in the order of the tensor: zero drops it.
    pub flags: Arc<[u8]>,
    /// What kept elements are multiplied by, usually one over the share kept.
    pub scale: f64,
}

/// `dropout(relu(layer_norm(x) * weight + bias))` over the rows of `x`, in one pass each way.
///
/// `x` is `(R, D)`, `weight` and `bias` are `(D)`; variance is biased and `eps` is added to it, as in
/// PyTorch. The derivative of ReLU at 0 is 0, as in PyTorch (candle: 1). First order only: the gradient is
/// computed from values and is itself a constant. O(R D).
///
/// # Errors
/// Shapes that do not fit, types that differ or are neither f32 nor f64, flags of another length.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let x = Tensor::new(&[[1f64, 2.0, 3.0]], &Device::Cpu)?;
/// let (one, zero) = (Tensor::ones(3, x.dtype(), x.device())?, Tensor::zeros(3, x.dtype(), x.device())?);
/// let y = cpu_ops::layer_norm_relu(&x, &one, &zero, 0.0, None)?.to_vec2::<f64>()?;
/// assert_eq!(y[0][..2], [0.0, 0.0]);
/// assert!((y[0][2] - 1.5_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn layer_norm_relu(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    kept: Option<Kept>,
) -> Result<Tensor> {
    check_types("layer_norm_relu", &[x, weight, bias])?;
    match (x.dims(), weight.dims(), bias.dims()) {
        (&[_, d], &[w], &[b]) if d == w && d == b => {}
        _ => bail!(
            "layer_norm_relu: x {:?}, weight {:?}, bias {:?}; expected (R, D), (D), (D)",
            x.shape(),
            weight.shape(),
            bias.shape()
        ),
    }
    if let Some(kept) = &kept
        && kept.flags.len() != x.elem_count()
    {
        bail!("layer_norm_relu: {} dropout flags for {:?}", kept.flags.len(), x.shape());
    }
    x.apply_op3(weight, bias, NormRelu { eps, kept })
}

struct NormRelu {
    eps: f64,
    kept: Option<Kept>,
}

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn moments<T: Element>(row: &[T], eps: T) -> (T, T) {
    let width = T::from_f64(row.len() as f64);
    let mean = lane_sum(row, row, |a, _| a) / width;
    let variance = lane_sum(row, row, |a, _| (a - mean) * (a - mean)) / width;
    (mean, T::one() / (variance + eps).sqrt())
}

fn forward<T: Element>(
    op: &NormRelu,
    (s1, l1): (&CpuStorage, &Layout),
    (s2, l2): (&CpuStorage, &Layout),
    (s3, l3): (&CpuStorage, &Layout),
) -> Result<(CpuStorage, Shape)> {
    let (rows, d) = l1.shape().dims2()?;
    let (x, weight, bias) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?, elements::<T>(s3, l3)?);
    let mut out = vec![T::zero(); rows * d];
    let kept = op.kept.as_ref().map(|Kept { flags, scale }| (&flags[..], T::from_f64(*scale)));
    let (x, weight, bias) = (&x[..], &weight[..], &bias[..]);
    T::run(
        InstructionSet::current(),
        Forward { x, weight, bias, eps: T::from_f64(op.eps), kept, out: &mut out },
    );
    Ok((T::to_cpu_storage_owned(out), (rows, d).into()))
}

/// The forward pass over rows of `weight.len()`; a type of its own, so that all of it is compiled for the
/// instruction set that is dispatched to.
struct Forward<'a, T> {
    x: &'a [T],
    weight: &'a [T],
    bias: &'a [T],
    eps: T,
    kept: Option<(&'a [u8], T)>,
    out: &'a mut [T],
}

impl<T: Element> Kernel<T> for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { x, weight, bias, eps, kept, out } = self;
        let d = weight.len().max(1);
        for (r, (row, out)) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)).enumerate() {
            let (mean, rstd) = moments(row, eps);
            for (o, ((&v, &w), &b)) in out.iter_mut().zip(row.iter().zip(weight).zip(bias)) {
                let z = (v - mean) * rstd * w + b;
                *o = if z <= T::zero() { T::zero() } else { z };
            }
            if let Some((flags, scale)) = kept {
                for (o, &keep) in out.iter_mut().zip(&flags[r * d..(r + 1) * d]) {
                    *o = if keep != 0 { *o * scale } else { T::zero() };
                }
            }
        }
    }
}

impl CustomOp3 for NormRelu {
    on_cpu!("layer-norm-relu", 3, forward(self));

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let scale = self.kept.as_ref().map_or(1.0, |kept| kept.scale);
        let [dx, dweight, dbias] = layer_norm_relu_gradient(x, weight, result, grad, self.eps, scale)?;
        Ok((Some(dx), Some(dweight), Some(dbias)))
    }
}

/// The gradients of [`layer_norm_relu`] by its input, weight and bias, from the result it gave and the gradient
/// of that result; `scale` is the dropout's, 1 without. For callers that keep their own tape. O(R D).
///
/// # Errors
/// Shapes that do not fit, types that differ or are neither f32 nor f64.
pub fn layer_norm_relu_gradient(
    x: &Tensor,
    weight: &Tensor,
    result: &Tensor,
    grad: &Tensor,
    eps: f64,
    scale: f64,
) -> Result<[Tensor; 3]> {
    check_types("layer_norm_relu_gradient", &[x, weight, result, grad])?;
    let (rows, d) = x.dims2()?;
    if result.dims() != x.dims() || grad.dims() != x.dims() || weight.dims() != [d] {
        bail!(
            "layer_norm_relu_gradient: x {:?}, weight {:?}, result {:?}, gradient {:?}; expected (R, D), (D), (R, D), (R, D)",
            x.shape(),
            weight.shape(),
            result.shape(),
            grad.shape()
        );
    }
    let op = Gradient { eps, scale, weight: weight.detach() };
    let packed = x.detach().apply_op3_no_bwd(&result.detach(), &grad.detach(), &op)?;
    let part = |row| packed.narrow(0, row, 1)?.squeeze(0);
    Ok([packed.narrow(0, 0, rows)?, part(rows)?, part(rows + 1)?])
}

/// The gradients of `NormRelu` from its input, its result and the gradient of its result, packed as
/// `(R + 2, D)`: the input's, then one row for the weight and one for the bias.
struct Gradient {
    eps: f64,
    scale: f64,
    weight: Tensor,
}

fn backward<T: Element>(
    op: &Gradient,
    (s1, l1): (&CpuStorage, &Layout),
    (s2, l2): (&CpuStorage, &Layout),
    (s3, l3): (&CpuStorage, &Layout),
) -> Result<(CpuStorage, Shape)> {
    let (rows, d) = l1.shape().dims2()?;
    let (x, result, grad) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?, elements::<T>(s3, l3)?);
    let weight = op.weight.to_vec1::<T>()?;
    let (eps, scale) = (T::from_f64(op.eps), T::from_f64(op.scale));
    let mut packed = vec![T::zero(); (rows + 2) * d];
    let (dx, sums) = packed.split_at_mut(rows * d);
    let (dweight, dbias) = sums.split_at_mut(d);
    let (x, result, grad, weight) = (&x[..], &result[..], &grad[..], &weight[..]);
    T::run(InstructionSet::current(), Backward { x, result, grad, weight, eps, scale, dx, dweight, dbias });
    Ok((T::to_cpu_storage_owned(packed), (rows + 2, d).into()))
}

/// The backward pass over rows of `weight.len()`.
struct Backward<'a, T> {
    x: &'a [T],
    result: &'a [T],
    grad: &'a [T],
    weight: &'a [T],
    eps: T,
    scale: T,
    dx: &'a mut [T],
    dweight: &'a mut [T],
    dbias: &'a mut [T],
}

impl<T: Element> Kernel<T> for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { x, result, grad, weight, eps, scale, dx, dweight, dbias } = self;
        let d = weight.len().max(1);
        let width = T::from_f64(d as f64);
        // of one row: the normalised input, and the gradient of what it was multiplied by
        let (mut normal, mut inner) = (vec![T::zero(); d], vec![T::zero(); d]);
        let given = x.chunks_exact(d).zip(result.chunks_exact(d)).zip(grad.chunks_exact(d));
        for (((row, result), grad), dx) in given.zip(dx.chunks_exact_mut(d)) {
            let (mean, rstd) = moments(row, eps);
            // `dx` holds the gradient behind the ReLU and the dropout until it is overwritten
            for ((active, &result), &grad) in dx.iter_mut().zip(result).zip(grad) {
                *active = if result <= T::zero() { T::zero() } else { grad * scale };
            }
            for (n, &v) in normal.iter_mut().zip(row) {
                *n = (v - mean) * rstd;
            }
            for ((i, &active), &w) in inner.iter_mut().zip(dx.iter()).zip(weight) {
                *i = active * w;
            }
            for ((sum, &active), &n) in dweight.iter_mut().zip(dx.iter()).zip(&normal) {
                *sum += active * n;
            }
            for (sum, &active) in dbias.iter_mut().zip(dx.iter()) {
                *sum += active;
            }
            let mean_inner = lane_sum(&inner, &inner, |a, _| a) / width;
            let mean_product = lane_sum(&inner, &normal, |a, b| a * b) / width;
            for ((dx, &i), &n) in dx.iter_mut().zip(&inner).zip(&normal) {
                *dx = rstd * (i - mean_inner - n * mean_product);
            }
        }
    }
}

impl CustomOp3 for Gradient {
    on_cpu!("layer-norm-relu-gradient", 3, backward(self));
}
