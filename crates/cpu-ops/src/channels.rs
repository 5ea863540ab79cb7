use crate::element::{Element, at_least_zero, check_types, elements, on_cpu};
use crate::parallel;
use crate::simd::{InstructionSet, Kernel, Lanes};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use std::ops::Range;

/// `(N, C, ...)` as images, channels and elements of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planes {
    pub(crate) images: usize,
    pub(crate) channels: usize,
    pub(crate) size: usize,
}

impl Planes {
    pub(crate) fn of(name: &str, shape: &Shape) -> Result<Self> {
        match *shape.dims() {
            [images, channels, ref rest @ ..] => Ok(Self { images, channels, size: rest.iter().product() }),
            _ => bail!("{name}: {shape:?}, expected (N, C, ...)"),
        }
    }

    /// Elements of one channel.
    pub(crate) fn count(&self) -> usize {
        self.images * self.size
    }

    pub(crate) fn plane<'a, T>(&self, data: &'a [T], image: usize, channel: usize) -> &'a [T] {
        &data[(image * self.channels + channel) * self.size..][..self.size]
    }

    /// A kernel for every channel, in their order; each is computed on its own, so threads do not change a bit.
    fn each_channel<T: Element, R: Send, K: Kernel<T, Output = Vec<R>>>(
        &self,
        kernel: impl Fn(Range<usize>) -> K + Sync + Send,
    ) -> Vec<R> {
        let set = InstructionSet::current();
        parallel::parts(self.channels, |range| T::run(set, kernel(range))).into_iter().flatten().collect()
    }
}

/// Vectors summed side by side, so that additions need not wait for each other: two pairs.
const CHAINS: usize = 4;

/// The sums over two equally long slices of `f(x, y)` for two functions at once.
#[inline(always)]
fn sums<T: Element, S: Lanes<T>>(
    simd: S,
    x: &[T],
    y: &[T],
    f: impl Fn(S::V, S::V) -> [S::V; 2],
    last: impl Fn(T, T) -> [T; 2],
) -> [f64; 2] {
    let width = S::LANES * CHAINS;
    let (xs, ys) = (x.chunks_exact(width), y.chunks_exact(width));
    let rest = xs.remainder().iter().zip(ys.remainder());
    let mut chains = [[simd.splat(T::zero()); 2]; CHAINS];
    for (x, y) in xs.zip(ys) {
        let (x, y): (&[S::V], &[S::V]) = (pulp::bytemuck::cast_slice(x), pulp::bytemuck::cast_slice(y));
        for (chain, (&x, &y)) in chains.iter_mut().zip(x.iter().zip(y)) {
            let [a, b] = f(x, y);
            *chain = [simd.add(chain[0], a), simd.add(chain[1], b)];
        }
    }
    let mut total = [0.0; 2];
    for (k, total) in total.iter_mut().enumerate() {
        let halves = [simd.add(chains[0][k], chains[1][k]), simd.add(chains[2][k], chains[3][k])];
        let lanes = simd.add(halves[0], halves[1]);
        for lane in pulp::bytemuck::cast_slice::<S::V, T>(std::slice::from_ref(&lanes)) {
            *total += lane.to_f64();
        }
    }
    for (&x, &y) in rest {
        let [a, b] = last(x, y);
        total = [total[0] + a.to_f64(), total[1] + b.to_f64()];
    }
    total
}

/// Mean and biased variance of every channel: plane by plane, merged in their order (Chan et al. 1979), so that no
/// digits cancel.
pub(crate) fn moments<T: Element>(planes: Planes, x: &[T]) -> Vec<(f64, f64)> {
    planes.each_channel(|channels| Moments { planes, channels, x })
}

struct Moments<'a, T> {
    planes: Planes,
    channels: Range<usize>,
    x: &'a [T],
}

impl<T: Element> Kernel<T> for Moments<'_, T> {
    type Output = Vec<(f64, f64)>;

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) -> Self::Output {
        let Self { planes, channels, x } = self;
        let size = planes.size as f64;
        let zero = simd.splat(T::zero());
        let mut all = Vec::with_capacity(channels.len());
        for channel in channels {
            let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
            for image in 0..planes.images {
                let x = planes.plane(x, image, channel);
                let [sum, _] = sums(simd, x, x, |x, _| [x, zero], |x, _| [x, T::zero()]);
                let near = T::from_f64(sum / size);
                let from = simd.splat(near);
                let spread = |x| simd.sub(x, from);
                let [far, _] = sums(
                    simd,
                    x,
                    x,
                    |x, _| [simd.mul_add(spread(x), spread(x), zero), zero],
                    |x, _| [(x - near) * (x - near), T::zero()],
                );
                // the plane's mean is rounded to T: correct for what that leaves
                let off = sum / size - near.to_f64();
                let (here, spread) = (sum / size, far - size * off * off);
                let apart: f64 = here - mean;
                let total = count + size;
                mean += apart * size / total;
                squares += spread + apart * apart * count * size / total;
                count = total;
            }
            all.push((mean, if count > 0.0 { at_least_zero(squares / count) } else { 0.0 }));
        }
        all
    }
}

/// Of every channel, the sums of `g` and of `g (x - mean)`.
pub(crate) fn products<T: Element>(planes: Planes, g: &[T], x: &[T], mean: &[f64]) -> Vec<[f64; 2]> {
    planes.each_channel(|channels| Products { planes, channels, g, x, mean })
}

struct Products<'a, T> {
    planes: Planes,
    channels: Range<usize>,
    g: &'a [T],
    x: &'a [T],
    mean: &'a [f64],
}

impl<T: Element> Kernel<T> for Products<'_, T> {
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) -> Self::Output {
        let Self { planes, channels, g, x, mean } = self;
        let zero = simd.splat(T::zero());
        let mut all = Vec::with_capacity(channels.len());
        for channel in channels {
            let mean = T::from_f64(mean[channel]);
            let from = simd.splat(mean);
            let mut total = [0.0; 2];
            for image in 0..planes.images {
                let here = sums(
                    simd,
                    planes.plane(g, image, channel),
                    planes.plane(x, image, channel),
                    |g, x| [g, simd.mul_add(g, simd.sub(x, from), zero)],
                    |g, x| [g, g * (x - mean)],
                );
                total = [total[0] + here[0], total[1] + here[1]];
            }
            all.push(total);
        }
        all
    }
}

/// Coefficients of one channel: `a x + b y + c z + d`.
pub(crate) type Coefficients = [f64; 4];

/// `a x + b y + c z + d` with coefficients by channel; `y` and `z` may be missing.
pub(crate) fn combine<T: Element>(
    planes: Planes,
    coefficients: &[Coefficients],
    x: &[T],
    y: Option<&[T]>,
    z: Option<&[T]>,
) -> Vec<T> {
    let set = InstructionSet::current();
    let mut out = vec![T::zero(); x.len()];
    parallel::chunks(planes.images, &mut out, planes.channels * planes.size, |range, out| {
        let start = range.start * planes.channels * planes.size;
        let part = start..start + out.len();
        let rest = [y, z].map(|given| given.map(|given| &given[part.clone()]));
        T::run(set, Combine { planes, coefficients, x: &x[part.clone()], rest, out });
    });
    out
}

struct Combine<'a, T> {
    planes: Planes,
    coefficients: &'a [Coefficients],
    x: &'a [T],
    rest: [Option<&'a [T]>; 2],
    out: &'a mut [T],
}

impl<T: Element> Kernel<T> for Combine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let Self { planes: Planes { channels, size, .. }, coefficients, x, rest, out } = self;
        for (plane, out) in out.chunks_exact_mut(size.max(1)).enumerate() {
            let [a, b, c, d] = coefficients[plane % channels];
            let (a, b, c, d) = (T::from_f64(a), T::from_f64(b), T::from_f64(c), T::from_f64(d));
            let at = plane * size..(plane + 1) * size;
            let x = (&x[at.clone()], a);
            match rest {
                [None, None] => line(simd, [x], d, out),
                [Some(y), None] => line(simd, [x, (&y[at], b)], d, out),
                [None, Some(z)] => line(simd, [x, (&z[at], c)], d, out),
                [Some(y), Some(z)] => line(simd, [x, (&y[at.clone()], b), (&z[at], c)], d, out),
            }
        }
    }
}

/// `out = constant + sum of factor * part`.
#[inline(always)]
fn line<T: Element, S: Lanes<T>, const K: usize>(simd: S, parts: [(&[T], T); K], constant: T, out: &mut [T]) {
    let count = out.len() / S::LANES;
    let (start, rest) = out.split_at_mut(count * S::LANES);
    let (mut vectors, mut factors): ([&[S::V]; K], [S::V; K]) = ([&[]; K], [simd.splat(constant); K]);
    for k in 0..K {
        vectors[k] = pulp::bytemuck::cast_slice(&parts[k].0[..count * S::LANES]);
        factors[k] = simd.splat(parts[k].1);
    }
    let constants = simd.splat(constant);
    for (i, out) in pulp::bytemuck::cast_slice_mut::<T, S::V>(start).iter_mut().enumerate() {
        let mut sum = constants;
        for k in 0..K {
            sum = simd.mul_add(vectors[k][i], factors[k], sum);
        }
        *out = sum;
    }
    for (i, out) in rest.iter_mut().enumerate() {
        *out = constant;
        for (part, factor) in parts {
            *out += part[count * S::LANES + i] * factor;
        }
    }
}

/// The sum of every channel of `x` `(N, C, ...)`, as `(C)`. O(elements).
///
/// # Errors
/// Fewer than two dimensions, a type that is neither f32 nor f64.
pub fn channel_sum(x: &Tensor) -> Result<Tensor> {
    check_types("channel_sum", &[x])?;
    Planes::of("channel_sum", x.shape())?;
    x.apply_op1(ChannelSum)
}

/// The sum over every channel of the product of `x` and `y`, both `(N, C, ...)`, as `(C)`. O(elements).
///
/// # Errors
/// Shapes that differ, fewer than two dimensions, types that differ or are neither f32 nor f64.
pub fn channel_dot(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    check_types("channel_dot", &[x, y])?;
    Planes::of("channel_dot", x.shape())?;
    if x.dims() != y.dims() {
        bail!("channel_dot: {:?} and {:?} differ", x.shape(), y.shape());
    }
    x.apply_op2(y, ChannelDot)
}

/// `x scale + shift` with `scale` and `shift` `(C)` for `x` `(N, C, ...)`; differentiable as often as one likes.
/// O(elements).
///
/// # Errors
/// Shapes that do not fit, types that differ or are neither f32 nor f64.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let x = Tensor::new(&[[[1f32, 2.0]], [[3.0, 4.0]]], &Device::Cpu)?;
/// let (scale, shift) = (Tensor::new(&[2f32], &Device::Cpu)?, Tensor::new(&[1f32], &Device::Cpu)?);
/// assert_eq!(cpu_ops::channel_affine(&x, &scale, &shift)?.to_vec3::<f32>()?, [[[3.0, 5.0]], [[7.0, 9.0]]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn channel_affine(x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    check_types("channel_affine", &[x, scale, shift])?;
    let planes = Planes::of("channel_affine", x.shape())?;
    if scale.dims() != [planes.channels] || shift.dims() != [planes.channels] {
        bail!(
            "channel_affine: scale {:?} and shift {:?} for x {:?}, expected ({})",
            scale.shape(),
            shift.shape(),
            x.shape(),
            planes.channels
        );
    }
    x.apply_op3(scale, shift, ChannelAffine)
}

type Part<'a> = (&'a CpuStorage, &'a Layout);

struct ChannelSum;

fn channel_sum_forward<T: Element>((s, l): Part<'_>) -> Result<(CpuStorage, Shape)> {
    let planes = Planes::of("channel_sum", l.shape())?;
    let x = elements::<T>(s, l)?;
    let sums = products(planes, &x, &x, &vec![0.0; planes.channels]);
    let sums = sums.into_iter().map(|[sum, _]| T::from_f64(sum)).collect();
    Ok((T::to_cpu_storage_owned(sums), planes.channels.into()))
}

/// A vector `(C)` along the channels of a shape.
fn spread(vector: &Tensor, shape: &Shape) -> Result<Tensor> {
    let dims: Vec<usize> = (0..shape.rank()).map(|i| if i == 1 { shape.dims()[1] } else { 1 }).collect();
    vector.reshape(dims)?.broadcast_as(shape)
}

impl CustomOp1 for ChannelSum {
    on_cpu!("channel-sum", 1, channel_sum_forward);

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        spread(grad, x.shape()).map(Some)
    }
}

struct ChannelDot;

fn channel_dot_forward<T: Element>((s1, l1): Part<'_>, (s2, l2): Part<'_>) -> Result<(CpuStorage, Shape)> {
    let planes = Planes::of("channel_dot", l1.shape())?;
    let (x, y) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?);
    let dots = products(planes, &x, &y, &vec![0.0; planes.channels]);
    let dots = dots.into_iter().map(|[_, dot]| T::from_f64(dot)).collect();
    Ok((T::to_cpu_storage_owned(dots), planes.channels.into()))
}

impl CustomOp2 for ChannelDot {
    on_cpu!("channel-dot", 2, channel_dot_forward);

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let zero = grad.zeros_like()?;
        Ok((Some(channel_affine(y, grad, &zero)?), Some(channel_affine(x, grad, &zero)?)))
    }
}

struct ChannelAffine;

fn channel_affine_forward<T: Element>(
    (s1, l1): Part<'_>,
    (s2, l2): Part<'_>,
    (s3, l3): Part<'_>,
) -> Result<(CpuStorage, Shape)> {
    let planes = Planes::of("channel_affine", l1.shape())?;
    let (x, scale, shift) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?, elements::<T>(s3, l3)?);
    let coefficients: Vec<Coefficients> =
        scale.iter().zip(&*shift).map(|(a, d)| [a.to_f64(), 0.0, 0.0, d.to_f64()]).collect();
    let out = combine(planes, &coefficients, &x, None, None);
    Ok((T::to_cpu_storage_owned(out), l1.shape().clone()))
}

impl CustomOp3 for ChannelAffine {
    on_cpu!("channel-affine", 3, channel_affine_forward);

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dx = channel_affine(grad, scale, &scale.zeros_like()?)?;
        Ok((Some(dx), Some(channel_dot(grad, x)?), Some(channel_sum(grad)?)))
    }
}
