use crate::channels::{Coefficients, Planes, channel_affine, combine, moments, products};
use crate::element::{Element, by_dtype, check_types, elements, on_cpu};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use std::sync::{Arc, OnceLock};

/// What batch norm measured on a batch, by channel: for running statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchStatistics {
    /// The mean.
    pub mean: Vec<f64>,
    /// The biased variance: multiply by `count / (count - 1)` for the unbiased one.
    pub variance: Vec<f64>,
    /// Elements of a channel.
    pub count: usize,
}

/// Batch norm in training: `x` `(N, C, ...)` standardised by channel with the batch's own mean and biased variance,
/// times `weight` `(C)`, plus `bias` `(C)`; and what was measured.
///
/// Mean and variance are summed plane by plane in the order of the images, so the same bits for any number of
/// threads and no loss of digits where the mean is far from zero. The gradient can be differentiated once more.
/// O(elements).
///
/// # Errors
/// Shapes that do not fit, an empty channel, types that differ or are neither f32 nor f64.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let x = Tensor::new(&[[1f64], [3.0]], &Device::Cpu)?;
/// let (weight, bias) = (Tensor::new(&[2f64], &Device::Cpu)?, Tensor::new(&[1f64], &Device::Cpu)?);
/// let (y, measured) = cpu_ops::batch_norm(&x, &weight, &bias, 0.0)?;
/// assert_eq!(y.to_vec2::<f64>()?, [[-1.0], [3.0]]);
/// assert_eq!((measured.mean[0], measured.variance[0]), (2.0, 1.0));
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn batch_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<(Tensor, BatchStatistics)> {
    check_types("batch_norm", &[x, weight, bias])?;
    let planes = Planes::of("batch_norm", x.shape())?;
    check_vectors("batch_norm", planes, &[("weight", weight), ("bias", bias)])?;
    if planes.count() == 0 {
        bail!("batch_norm: a batch {:?} has nothing to measure", x.shape());
    }
    let measured = Arc::new(OnceLock::new());
    let y = x.apply_op3(weight, bias, BatchNorm { eps, measured: measured.clone() })?;
    let Some(measured) = measured.get() else { bail!("batch_norm: nothing was measured") };
    let (mean, variance) = measured.iter().copied().unzip();
    Ok((y, BatchStatistics { mean, variance, count: planes.count() }))
}

/// Batch norm in evaluation: with the given `mean` and `variance` `(C)`, which take part in gradients as any other
/// argument. Differentiable as often as one likes. O(elements).
///
/// # Errors
/// Shapes that do not fit, types that differ or are neither f32 nor f64.
pub fn batch_norm_inference(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    (mean, variance): (&Tensor, &Tensor),
    eps: f64,
) -> Result<Tensor> {
    check_types("batch_norm_inference", &[x, weight, bias, mean, variance])?;
    let planes = Planes::of("batch_norm_inference", x.shape())?;
    let vectors = [("weight", weight), ("bias", bias), ("mean", mean), ("variance", variance)];
    check_vectors("batch_norm_inference", planes, &vectors)?;
    let scale = (weight / (variance + eps)?.sqrt()?)?;
    channel_affine(x, &scale, &(bias - (mean * &scale)?)?)
}

/// Layer norm: the rows of `x` `(..., D)` standardised with their own mean and biased variance, times `weight`
/// `(D)`, plus `bias` `(D)`. f32 and f64; the gradient can be differentiated once more. O(elements).
///
/// # Errors
/// Shapes that do not fit, types that differ or are neither f32 nor f64.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let x = Tensor::new(&[[1f64, 3.0]], &Device::Cpu)?;
/// let (weight, bias) = (Tensor::new(&[2f64, 2.0], &Device::Cpu)?, Tensor::new(&[0f64, 1.0], &Device::Cpu)?);
/// assert_eq!(cpu_ops::layer_norm(&x, &weight, &bias, 0.0)?.to_vec2::<f64>()?, [[-2.0, 3.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    check_types("layer_norm", &[x, weight, bias])?;
    let d = x.dims().last().copied().unwrap_or(0);
    if d == 0 || weight.dims() != [d] || bias.dims() != [d] {
        bail!(
            "layer_norm: x {:?}, weight {:?}, bias {:?}; expected (..., D), (D), (D)",
            x.shape(),
            weight.shape(),
            bias.shape()
        );
    }
    // a row is a channel of one image
    let rows = x.elem_count() / d;
    let (one, zero) =
        (Tensor::ones(rows, x.dtype(), x.device())?, Tensor::zeros(rows, x.dtype(), x.device())?);
    let standard = batch_norm(&x.reshape((1, rows, d))?, &one, &zero, eps)?.0.reshape(x.shape())?;
    standard.broadcast_mul(weight)?.broadcast_add(bias)
}

fn check_vectors(name: &str, planes: Planes, vectors: &[(&str, &Tensor)]) -> Result<()> {
    for (what, vector) in vectors {
        if vector.dims() != [planes.channels] {
            bail!("{name}: {what} is {:?}, expected ({})", vector.shape(), planes.channels);
        }
    }
    Ok(())
}

type Part<'a> = (&'a CpuStorage, &'a Layout);
/// Mean and variance by channel.
type Measured = Vec<(f64, f64)>;

fn roots(measured: &[(f64, f64)], eps: f64) -> Vec<f64> {
    measured.iter().map(|(_, variance)| 1.0 / (variance + eps).sqrt()).collect()
}

struct BatchNorm {
    eps: f64,
    measured: Arc<OnceLock<Measured>>,
}

impl BatchNorm {
    fn forward<T: Element>(
        &self,
        (s1, l1): Part<'_>,
        (s2, l2): Part<'_>,
        (s3, l3): Part<'_>,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of("batch_norm", l1.shape())?;
        let (x, weight, bias) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?, elements::<T>(s3, l3)?);
        let measured = self.measured.get_or_init(|| moments(planes, &x));
        let roots = roots(measured, self.eps);
        let coefficients: Vec<Coefficients> = (0..planes.channels)
            .map(|c| {
                let scale = weight[c].to_f64() * roots[c];
                [scale, 0.0, 0.0, bias[c].to_f64() - measured[c].0 * scale]
            })
            .collect();
        let out = combine(planes, &coefficients, &x, None, None);
        Ok((T::to_cpu_storage_owned(out), l1.shape().clone()))
    }
}

impl CustomOp3 for BatchNorm {
    on_cpu!("batch-norm", 3, self.forward);

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(measured) = self.measured.get() else { bail!("batch_norm: backward without forward") };
        let norm = Norm { eps: self.eps, measured: measured.clone().into() };
        let sums = grad.apply_op2(x, NormSums(norm.clone()))?;
        let dx = InputGradient { means: norm.means(&sums, x)?, norm };
        let dx = x.track_op().then(|| grad.apply_op3(x, weight, dx)).transpose()?;
        Ok((dx, Some(sums.get(1)?), Some(sums.get(0)?)))
    }
}

/// `scale (g - mean(g) - z mean(g z))` as coefficients of `g` and `x`, for a channel whose `x` has `mean` and `root`
/// and whose `g` and `g z` have `means`.
fn centred(scale: f64, means: [f64; 2], mean: f64, root: f64) -> Coefficients {
    let slope = -scale * means[1] * root;
    [scale, slope, 0.0, -scale * means[0] - slope * mean]
}

/// The standardised `z = (x - mean) / root(variance + eps)` that the gradients are made of.
#[derive(Debug, Clone)]
struct Norm {
    eps: f64,
    measured: Arc<[(f64, f64)]>,
}

impl Norm {
    fn roots(&self) -> Vec<f64> {
        roots(&self.measured, self.eps)
    }

    fn mean(&self) -> Vec<f64> {
        self.measured.iter().map(|(mean, _)| *mean).collect()
    }

    /// The means by channel of `g` and of `g z`, from their sums `(2, C)`.
    fn means(&self, sums: &Tensor, x: &Tensor) -> Result<Vec<[f64; 2]>> {
        let count = Planes::of("batch_norm", x.shape())?.count() as f64;
        let rows = sums.detach().to_dtype(candle_core::DType::F64)?.to_vec2::<f64>()?;
        Ok(rows[0].iter().zip(&rows[1]).map(|(a, b)| [a / count, b / count]).collect())
    }

    /// The same from the elements.
    fn means_of<T: Element>(&self, planes: Planes, g: &[T], x: &[T]) -> Vec<[f64; 2]> {
        let (count, roots) = (planes.count() as f64, self.roots());
        let sums = products(planes, g, x, &self.mean());
        sums.iter().zip(&roots).map(|([a, b], root)| [a / count, b * root / count]).collect()
    }
}

/// The sums by channel of `g` and of `g z`, as `(2, C)`: the gradients of bias and weight.
struct NormSums(Norm);

impl NormSums {
    fn forward<T: Element>(&self, (s1, l1): Part<'_>, (s2, l2): Part<'_>) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of("batch_norm", l1.shape())?;
        let (g, x) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?);
        let count = planes.count() as f64;
        let means = self.0.means_of(planes, &g, &x);
        let rows = (0..2).flat_map(|row| means.iter().map(move |mean| T::from_f64(mean[row] * count)));
        Ok((T::to_cpu_storage_owned(rows.collect()), (2, planes.channels).into()))
    }
}

impl CustomOp2 for NormSums {
    on_cpu!("batch-norm-sums", 2, self.forward);

    fn bwd(
        &self,
        g: &Tensor,
        x: &Tensor,
        sums: &Tensor,
        u: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        // with u = (q, p): d/dg = q + p z, d/dx = p root (g - mean(g) - z mean(g z))
        let norm = &self.0;
        let (roots, means) = (norm.roots(), norm.means(sums, x)?);
        let u = u.detach().to_dtype(candle_core::DType::F64)?.to_vec2::<f64>()?;
        let by = |f: &dyn Fn(usize) -> Coefficients| (0..roots.len()).map(f).collect::<Vec<_>>();
        let dg = by(&|c| {
            let slope = u[1][c] * roots[c];
            [slope, 0.0, 0.0, u[0][c] - slope * norm.measured[c].0]
        });
        let dx = by(&|c| centred(u[1][c] * roots[c], means[c], norm.measured[c].0, roots[c]));
        Ok((Some(combined(dg, x, None, None)?), Some(combined(dx, g, Some(x), None)?)))
    }
}

/// `weight root (g - mean(g) - z mean(g z))`: the gradient of batch norm by its input.
struct InputGradient {
    norm: Norm,
    /// Means by channel of `g` and `g z`.
    means: Vec<[f64; 2]>,
}

impl InputGradient {
    fn forward<T: Element>(
        &self,
        (s1, l1): Part<'_>,
        (s2, l2): Part<'_>,
        (s3, l3): Part<'_>,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of("batch_norm", l1.shape())?;
        let (g, x, weight) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?, elements::<T>(s3, l3)?);
        let roots = self.norm.roots();
        let coefficients: Vec<Coefficients> = (0..planes.channels)
            .map(|c| centred(weight[c].to_f64() * roots[c], self.means[c], self.norm.measured[c].0, roots[c]))
            .collect();
        let out = combine(planes, &coefficients, &g, Some(&x), None);
        Ok((T::to_cpu_storage_owned(out), l1.shape().clone()))
    }

    /// Of every channel, the means of `u`, `u z` and `u g`.
    fn means_with<T: Element>(
        &self,
        (s1, l1): Part<'_>,
        (s2, l2): Part<'_>,
        (s3, l3): Part<'_>,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of("batch_norm", l1.shape())?;
        let (u, x, g) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?, elements::<T>(s3, l3)?);
        let count = planes.count() as f64;
        let of_u = self.norm.means_of(planes, &u, &x);
        let with_g = products(planes, &u, &g, &vec![0.0; planes.channels]);
        let rows = of_u.iter().zip(&with_g).flat_map(|([a, b], [_, dot])| [*a, *b, dot / count]);
        Ok((CpuStorage::F64(rows.collect()), (planes.channels, 3).into()))
    }
}

impl CustomOp3 for InputGradient {
    on_cpu!("batch-norm-input-gradient", 3, self.forward);

    fn bwd(
        &self,
        g: &Tensor,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        u: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        // with a, b, c the means of u, u z, u g and m, n those of g, g z, s = c - a m - b n:
        //   d/dg = weight root (u - a - z b),   d/dweight = root count s,
        //   d/dx = weight root^2 (-z s - n (u - a - z b) - b (g - m - z n))
        let count = Planes::of("batch_norm", x.shape())?.count() as f64;
        let sums =
            u.detach().apply_op3_no_bwd(&x.detach(), &g.detach(), &WithUpstream(self))?.to_vec2::<f64>()?;
        let weights = weight.detach().to_dtype(candle_core::DType::F64)?.to_vec1::<f64>()?;
        let roots = self.norm.roots();
        let (mut dg, mut dx, mut dweight) = (Vec::new(), Vec::new(), Vec::new());
        for (c, &root) in roots.iter().enumerate() {
            let ([m, n], mean) = (self.means[c], self.norm.measured[c].0);
            let [a, b, mixed] = [sums[c][0], sums[c][1], sums[c][2]];
            let s = mixed - a * m - b * n;
            let scale = weights[c] * root;
            dg.push(centred(scale, [a, b], mean, root));
            let outer = scale * root;
            let slope = outer * root * (2.0 * b * n - s);
            dx.push([-outer * n, -outer * b, slope, outer * (n * a + b * m) - slope * mean]);
            dweight.push(root * count * s);
        }
        let dweight = Tensor::from_vec(dweight, roots.len(), x.device())?.to_dtype(x.dtype())?;
        Ok((Some(combined(dg, u, Some(x), None)?), Some(combined(dx, u, Some(g), Some(x))?), Some(dweight)))
    }
}

/// [`InputGradient::means_with`] as an operator.
struct WithUpstream<'a>(&'a InputGradient);

impl CustomOp3 for WithUpstream<'_> {
    fn name(&self) -> &'static str {
        "batch-norm-means"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(s1.dtype(), InputGradient::means_with(self.0, (s1, l1), (s2, l2), (s3, l3)))
    }
}

/// A combination of tensors by channel, as a constant.
fn combined(
    coefficients: Vec<Coefficients>,
    x: &Tensor,
    y: Option<&Tensor>,
    z: Option<&Tensor>,
) -> Result<Tensor> {
    let op = Combined { coefficients, given: 1 + usize::from(y.is_some()) + usize::from(z.is_some()) };
    let (y, z) = (y.unwrap_or(x), z.unwrap_or(x));
    x.detach().apply_op3_no_bwd(&y.detach(), &z.detach(), &op)
}

struct Combined {
    coefficients: Vec<Coefficients>,
    /// How many of the three arguments count.
    given: usize,
}

impl Combined {
    fn forward<T: Element>(
        &self,
        (s1, l1): Part<'_>,
        (s2, l2): Part<'_>,
        (s3, l3): Part<'_>,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of("batch_norm", l1.shape())?;
        let (x, y, z) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?, elements::<T>(s3, l3)?);
        let (y, z) = ((self.given > 1).then_some(&*y), (self.given > 2).then_some(&*z));
        Ok((T::to_cpu_storage_owned(combine(planes, &self.coefficients, &x, y, z)), l1.shape().clone()))
    }
}

impl CustomOp3 for Combined {
    on_cpu!("channel-combination", 3, self.forward);
}
