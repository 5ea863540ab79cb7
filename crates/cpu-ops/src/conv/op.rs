use super::buffers;
use super::shape::{Conv2d, ConvShape, count};
use crate::channels::channel_sum;
use crate::element::{Element, by_dtype, check_types, elements, on_cpu};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// The 2-D convolution (cross-correlation) of `x` `(N, C, H, W)` with `weight` `(O, C / groups, KH, KW)` and,
/// where given, `bias` `(O)`, as `(N, O, H', W')`.
///
/// f32 or f64, AVX-512 or AVX2 chosen at run time, images spread over the threads of the current rayon pool; the
/// same bits for any number of threads. Both gradients are operators of the same family, so the backward can be
/// differentiated again, as often as one likes. O(N O C / groups KH KW H' W').
///
/// # Errors
/// Dimensions that do not fit each other, groups that do not divide the channels, a zero, a kernel larger than the
/// padded image, a result beyond the memory, types that differ or are neither f32 nor f64.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use cpu_ops::{Conv2d, conv2d};
/// let x = Tensor::ones((1, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// let weight = Tensor::ones((4, 3, 3, 3), DType::F32, &Device::Cpu)?;
/// let y = conv2d(&x, &weight, None, &Conv2d::new(2, 1))?;
/// assert_eq!(y.dims(), [1, 4, 4, 4]);
/// assert_eq!(y.get(0)?.get(0)?.get(1)?.to_vec1::<f32>()?, [18.0, 27.0, 27.0, 27.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, settings: &Conv2d) -> Result<Tensor> {
    let op = Convolve { settings: *settings };
    ConvShape::new("conv2d", x.dims(), weight.dims(), settings)?;
    let Some(bias) = bias else {
        check_types("conv2d", &[x, weight])?;
        return x.apply_op2(weight, op);
    };
    check_types("conv2d", &[x, weight, bias])?;
    if bias.dims() != [weight.dims()[0]] {
        bail!(
            "conv2d: bias {:?} for weight {:?}, expected ({})",
            bias.shape(),
            weight.shape(),
            weight.dims()[0]
        );
    }
    x.apply_op3(weight, bias, op)
}

/// The 1-D convolution of `x` `(N, C, L)` with `weight` `(O, C / groups, K)`, as [`conv2d`] of one row.
///
/// # Errors
/// As [`conv2d`].
///
/// ```
/// use candle_core::{Device, Tensor};
/// let x = Tensor::new(&[[[1f64, 2.0, 3.0]]], &Device::Cpu)?;
/// let weight = Tensor::new(&[[[1f64, 1.0]]], &Device::Cpu)?;
/// assert_eq!(cpu_ops::conv1d(&x, &weight, None, 1, 0, 1, 1)?.to_vec3::<f64>()?, [[[3.0, 5.0]]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn conv1d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: usize,
    dilation: usize,
    groups: usize,
) -> Result<Tensor> {
    if x.rank() != 3 || weight.rank() != 3 {
        bail!(
            "conv1d: x {:?}, weight {:?}; expected (N, C, L) and (O, C / groups, K)",
            x.shape(),
            weight.shape()
        );
    }
    let settings = Conv2d { stride: (1, stride), padding: (0, padding), dilation: (1, dilation), groups };
    conv2d(&x.unsqueeze(2)?, &weight.unsqueeze(2)?, bias, &settings)?.squeeze(2)
}

/// The gradient of [`conv2d`] by its input of `(height, width)`, from the gradient of its result and its weight;
/// in other words the transposed convolution.
///
/// # Errors
/// As [`conv2d`], and a gradient whose size is not that of the convolution's result.
pub fn conv2d_input_gradient(
    grad: &Tensor,
    weight: &Tensor,
    (height, width): (usize, usize),
    settings: &Conv2d,
) -> Result<Tensor> {
    check_types("conv2d_input_gradient", &[grad, weight])?;
    let op = InputGradient { settings: *settings, size: (height, width) };
    op.shape(grad.shape(), weight.shape())?;
    grad.apply_op2(weight, op)
}

/// The gradient of [`conv2d`] by its weight with a kernel of `(rows, columns)`, from its input and the gradient of
/// its result.
///
/// # Errors
/// As [`conv2d`], and a gradient whose size is not that of the convolution's result.
pub fn conv2d_weight_gradient(
    x: &Tensor,
    grad: &Tensor,
    kernel: (usize, usize),
    settings: &Conv2d,
) -> Result<Tensor> {
    check_types("conv2d_weight_gradient", &[x, grad])?;
    let op = WeightGradient { settings: *settings, kernel };
    op.shape(x.shape(), grad.shape())?;
    x.apply_op2(grad, op)
}

type Part<'a> = (&'a CpuStorage, &'a Layout);

fn done<T: Element>(out: Vec<T>, dims: [usize; 4]) -> Result<(CpuStorage, Shape)> {
    Ok((T::to_cpu_storage_owned(out), Shape::from(&dims[..])))
}

/// `f()` where the tensor takes part in a gradient.
fn where_tracked(tensor: &Tensor, f: impl FnOnce() -> Result<Tensor>) -> Result<Option<Tensor>> {
    tensor.track_op().then(f).transpose()
}

struct Convolve {
    settings: Conv2d,
}

impl Convolve {
    fn forward<T: Element>(
        &self,
        (s1, l1): Part<'_>,
        (s2, l2): Part<'_>,
        bias: Option<Part<'_>>,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = ConvShape::new("conv2d", l1.dims(), l2.dims(), &self.settings)?;
        let bias = bias.map(|(s, l)| elements::<T>(s, l)).transpose()?;
        let (x, w) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?);
        done(buffers::convolve(&shape, &x, &w, bias.as_deref()), shape.output_dims())
    }

    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, _, height, width) = x.dims4()?;
        let (_, _, rows, columns) = weight.dims4()?;
        Ok((
            where_tracked(x, || conv2d_input_gradient(grad, weight, (height, width), &self.settings))?,
            where_tracked(weight, || conv2d_weight_gradient(x, grad, (rows, columns), &self.settings))?,
        ))
    }
}

impl CustomOp2 for Convolve {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(s1.dtype(), Self::forward(self, (s1, l1), (s2, l2), None))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.gradients(x, weight, grad)
    }
}

impl CustomOp3 for Convolve {
    fn name(&self) -> &'static str {
        "conv2d-bias"
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
        by_dtype!(s1.dtype(), Self::forward(self, (s1, l1), (s2, l2), Some((s3, l3))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dweight) = self.gradients(x, weight, grad)?;
        Ok((dx, dweight, where_tracked(bias, || channel_sum(grad))?))
    }
}

struct InputGradient {
    settings: Conv2d,
    size: (usize, usize),
}

impl InputGradient {
    fn shape(&self, grad: &Shape, weight: &Shape) -> Result<ConvShape> {
        let (&[batch, ..], &[_, per_group, ..]) = (grad.dims(), weight.dims()) else {
            bail!(
                "conv2d_input_gradient: gradient {grad:?}, weight {weight:?}; expected four dimensions each"
            );
        };
        let Some(channels) = per_group.checked_mul(self.settings.groups) else {
            bail!("conv2d_input_gradient: weight {weight:?} in {} groups is too large", self.settings.groups);
        };
        let input = [batch, channels, self.size.0, self.size.1];
        let shape = ConvShape::new("conv2d_input_gradient", &input, weight.dims(), &self.settings)?;
        fits("conv2d_input_gradient", grad, &shape)?;
        if count(&input).is_none() {
            bail!("conv2d_input_gradient: an input {input:?} is beyond the memory");
        }
        Ok(shape)
    }

    fn forward<T: Element>(&self, (s1, l1): Part<'_>, (s2, l2): Part<'_>) -> Result<(CpuStorage, Shape)> {
        let shape = self.shape(l1.shape(), l2.shape())?;
        let (dy, w) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?);
        done(buffers::input_gradient(&shape, &dy, &w), shape.input_dims())
    }
}

fn fits(name: &str, grad: &Shape, shape: &ConvShape) -> Result<()> {
    if grad.dims() != shape.output_dims() {
        bail!("{name}: gradient {grad:?}, but the convolution's result is {:?}", shape.output_dims());
    }
    Ok(())
}

impl CustomOp2 for InputGradient {
    on_cpu!("conv2d-input-gradient", 2, self.forward);

    fn bwd(
        &self,
        dy: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, _, rows, columns) = weight.dims4()?;
        Ok((
            where_tracked(dy, || conv2d(grad, weight, None, &self.settings))?,
            where_tracked(weight, || conv2d_weight_gradient(grad, dy, (rows, columns), &self.settings))?,
        ))
    }
}

struct WeightGradient {
    settings: Conv2d,
    kernel: (usize, usize),
}

impl WeightGradient {
    fn shape(&self, x: &Shape, grad: &Shape) -> Result<ConvShape> {
        let (&[_, channels, ..], &[_, out, ..]) = (x.dims(), grad.dims()) else {
            bail!("conv2d_weight_gradient: x {x:?}, gradient {grad:?}; expected four dimensions each");
        };
        let per_group = channels.checked_div(self.settings.groups).unwrap_or(0);
        let weight = [out, per_group, self.kernel.0, self.kernel.1];
        let shape = ConvShape::new("conv2d_weight_gradient", x.dims(), &weight, &self.settings)?;
        fits("conv2d_weight_gradient", grad, &shape)?;
        Ok(shape)
    }

    fn forward<T: Element>(&self, (s1, l1): Part<'_>, (s2, l2): Part<'_>) -> Result<(CpuStorage, Shape)> {
        let shape = self.shape(l1.shape(), l2.shape())?;
        let (x, dy) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?);
        done(buffers::weight_gradient(&shape, &x, &dy), shape.weight_dims())
    }
}

impl CustomOp2 for WeightGradient {
    on_cpu!("conv2d-weight-gradient", 2, self.forward);

    fn bwd(
        &self,
        x: &Tensor,
        dy: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, _, height, width) = x.dims4()?;
        Ok((
            where_tracked(x, || conv2d_input_gradient(dy, grad, (height, width), &self.settings))?,
            where_tracked(dy, || conv2d(x, grad, None, &self.settings))?,
        ))
    }
}
