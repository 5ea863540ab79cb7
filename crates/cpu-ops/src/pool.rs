use crate::conv::Axis;
use crate::element::{Element, by_dtype, check_types, elements, on_cpu};
use crate::parallel;
use crate::simd::{InstructionSet, Kernel, Lanes};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// The window of a pooling, as (rows, columns).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pool2d {
    /// Size of the window.
    pub kernel: (usize, usize),
    /// Steps between windows.
    pub stride: (usize, usize),
    /// Zeros (for a maximum: nothing) on each side; at most half of the window.
    pub padding: (usize, usize),
}

impl Pool2d {
    /// The same both ways.
    ///
    /// ```
    /// assert_eq!(cpu_ops::Pool2d::new(3, 1, 1).kernel, (3, 3));
    /// ```
    pub fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: (kernel, kernel), stride: (stride, stride), padding: (padding, padding) }
    }
}

/// What the padding counts for in an average.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Padding {
    /// Zeros are averaged too: PyTorch's `count_include_pad=True`.
    Counted,
    /// Only what lies inside the image is averaged: `count_include_pad=False`.
    Excluded,
}

/// The average over windows of `x` `(N, C, H, W)`. Linear, so differentiable as often as one likes.
/// O(elements of the result times rows plus columns of the window).
///
/// # Errors
/// Not four dimensions, a zero, a padding above half of the window, a window beyond the padded image, a type that is
/// neither f32 nor f64.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use cpu_ops::{Padding, Pool2d, avg_pool2d};
/// let x = Tensor::ones((1, 1, 4, 4), DType::F32, &Device::Cpu)?;
/// let y = avg_pool2d(&x, &Pool2d::new(2, 2, 0), Padding::Counted)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [1.0; 4]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn avg_pool2d(x: &Tensor, window: &Pool2d, padding: Padding) -> Result<Tensor> {
    check_types("avg_pool2d", &[x])?;
    let op = Average::new(x.dims4()?, *window, padding)?;
    x.apply_op1(op)
}

/// The largest over windows of `x` `(N, C, H, W)`; of equal ones the first in reading order gets the gradient, and a
/// NaN is the largest, as in PyTorch. O(elements of the result times the window).
///
/// # Errors
/// As [`avg_pool2d`].
///
/// ```
/// use candle_core::{Device, Tensor};
/// use cpu_ops::{Pool2d, max_pool2d};
/// let x = Tensor::new(&[[[[1f32, 2.0], [3.0, 4.0]]]], &Device::Cpu)?;
/// assert_eq!(max_pool2d(&x, &Pool2d::new(2, 2, 0))?.flatten_all()?.to_vec1::<f32>()?, [4.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn max_pool2d(x: &Tensor, window: &Pool2d) -> Result<Tensor> {
    check_types("max_pool2d", &[x])?;
    let shape = PoolShape::new("max_pool2d", x.dims4()?, *window)?;
    x.apply_op1(Largest { shape })
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolShape {
    images: usize,
    channels: usize,
    pub(crate) rows: Axis,
    pub(crate) columns: Axis,
}

impl PoolShape {
    pub(crate) fn new(
        name: &str,
        (images, channels, h, w): (usize, usize, usize, usize),
        window: Pool2d,
    ) -> Result<Self> {
        let axis = |what: &str, size, kernel: usize, stride, padding: usize| {
            if padding > kernel / 2 {
                bail!("{name}, {what}: padding {padding} is more than half of the window {kernel}");
            }
            Axis::new(&format!("{name}, {what}"), size, kernel, [stride, padding, 1])
        };
        let rows = axis("rows", h, window.kernel.0, window.stride.0, window.padding.0)?;
        let columns = axis("columns", w, window.kernel.1, window.stride.1, window.padding.1)?;
        Ok(Self { images, channels, rows, columns })
    }

    pub(crate) fn input_len(&self) -> usize {
        self.rows.input * self.columns.input
    }

    pub(crate) fn output_len(&self) -> usize {
        self.rows.output * self.columns.output
    }

    fn input_dims(&self) -> Shape {
        (self.images, self.channels, self.rows.input, self.columns.input).into()
    }

    fn output_dims(&self) -> Shape {
        (self.images, self.channels, self.rows.output, self.columns.output).into()
    }

    /// `f(plane, its piece of the result)` for every plane, where a plane of the result has `len` elements.
    fn planes<T: Element>(&self, len: usize, f: impl Fn(usize, &mut [T]) + Sync) -> Vec<T> {
        let planes = self.images * self.channels;
        let mut out = vec![T::zero(); planes * len];
        parallel::chunks(planes, &mut out, len, |range, out| {
            out.chunks_exact_mut(len.max(1)).zip(range).for_each(|(out, plane)| f(plane, out));
        });
        out
    }
}

/// Elements of the image in the window of every output of an axis.
pub(crate) fn inside(axis: &Axis) -> Vec<usize> {
    (0..axis.output).map(|o| (0..axis.kernel).filter(|&k| axis.source(o, k).is_some()).count()).collect()
}

#[derive(Debug, Clone)]
struct Average {
    shape: PoolShape,
    /// What each output's sum is divided by, by row and by column.
    counts: (Vec<usize>, Vec<usize>),
}

impl Average {
    fn new(dims: (usize, usize, usize, usize), window: Pool2d, padding: Padding) -> Result<Self> {
        let shape = PoolShape::new("avg_pool2d", dims, window)?;
        let count = |axis: &Axis| match padding {
            Padding::Counted => vec![axis.kernel; axis.output],
            Padding::Excluded => inside(axis),
        };
        Ok(Self { shape, counts: (count(&shape.rows), count(&shape.columns)) })
    }

    fn forward<T: Element>(&self, (s, l): (&CpuStorage, &Layout)) -> Result<(CpuStorage, Shape)> {
        let (x, shape) = (elements::<T>(s, l)?, &self.shape);
        let set = InstructionSet::current();
        let weights = self.weights::<T>();
        let out = shape.planes(shape.output_len(), |plane, out| {
            let x = &x[plane * shape.input_len()..][..shape.input_len()];
            T::run(set, AverageOf { shape, x, weights: &weights, out });
        });
        Ok((T::to_cpu_storage_owned(out), shape.output_dims()))
    }

    fn backward<T: Element>(&self, (s, l): (&CpuStorage, &Layout)) -> Result<(CpuStorage, Shape)> {
        let (grad, shape) = (elements::<T>(s, l)?, &self.shape);
        let set = InstructionSet::current();
        let weights = self.weights::<T>();
        let out = shape.planes(shape.input_len(), |plane, out| {
            let grad = &grad[plane * shape.output_len()..][..shape.output_len()];
            T::run(set, SpreadOf { shape, grad, weights: &weights, out });
        });
        Ok((T::to_cpu_storage_owned(out), shape.input_dims()))
    }

    /// One over the count of every output, by row and by column.
    fn weights<T: Element>(&self) -> [Vec<T>; 2] {
        // a window that lies in the padding altogether sums to zero, whatever it is multiplied by
        let over = |counts: &[usize]| counts.iter().map(|&n| T::from_f64(1.0 / n.max(1) as f64)).collect();
        [over(&self.counts.0), over(&self.counts.1)]
    }
}

struct AverageOf<'a, T> {
    shape: &'a PoolShape,
    x: &'a [T],
    weights: &'a [Vec<T>; 2],
    out: &'a mut [T],
}

impl<T: Element> Kernel<T> for AverageOf<'_, T> {
    type Output = ();

    /// Rows of the window are added up first, then columns.
    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { shape: PoolShape { rows, columns, .. }, x, weights: [by_row, by_column], out } = self;
        let mut sum = vec![T::zero(); columns.input];
        for (o, out) in out.chunks_exact_mut(columns.output).enumerate() {
            sum.fill(T::zero());
            for source in (0..rows.kernel).filter_map(|k| rows.source(o, k)) {
                let row = &x[source * columns.input..][..columns.input];
                sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
            }
            for k in 0..columns.kernel {
                let reached = columns.outputs(k);
                let Some(first) = columns.source(reached.start, k) else { continue };
                let out = &mut out[reached];
                if columns.stride == 1 {
                    out.iter_mut().zip(&sum[first..]).for_each(|(out, &sum)| *out += sum);
                } else {
                    let sums = sum[first..].iter().step_by(columns.stride);
                    out.iter_mut().zip(sums).for_each(|(out, &sum)| *out += sum);
                }
            }
            let weight = by_row[o];
            out.iter_mut().zip(by_column).for_each(|(out, &by_column)| *out *= weight * by_column);
        }
    }
}

struct SpreadOf<'a, T> {
    shape: &'a PoolShape,
    grad: &'a [T],
    weights: &'a [Vec<T>; 2],
    out: &'a mut [T],
}

impl<T: Element> Kernel<T> for SpreadOf<'_, T> {
    type Output = ();

    /// The transpose of [`AverageOf`]: columns are spread first, then rows.
    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { shape: PoolShape { rows, columns, .. }, grad, weights: [by_row, by_column], out } = self;
        let (mut scaled, mut spread) = (vec![T::zero(); columns.output], vec![T::zero(); columns.input]);
        for (o, grad) in grad.chunks_exact(columns.output).enumerate() {
            let weight = by_row[o];
            for ((scaled, &grad), &by_column) in scaled.iter_mut().zip(grad).zip(by_column) {
                *scaled = grad * (weight * by_column);
            }
            spread.fill(T::zero());
            for k in 0..columns.kernel {
                let reached = columns.outputs(k);
                let Some(first) = columns.source(reached.start, k) else { continue };
                let scaled = &scaled[reached];
                if columns.stride == 1 {
                    spread[first..].iter_mut().zip(scaled).for_each(|(spread, &grad)| *spread += grad);
                } else {
                    let spread = spread[first..].iter_mut().step_by(columns.stride);
                    spread.zip(scaled).for_each(|(spread, &grad)| *spread += grad);
                }
            }
            for source in (0..rows.kernel).filter_map(|k| rows.source(o, k)) {
                let row = &mut out[source * columns.input..][..columns.input];
                row.iter_mut().zip(&spread).for_each(|(out, &spread)| *out += spread);
            }
        }
    }
}

impl CustomOp1 for Average {
    on_cpu!("avg-pool2d", 1, self.forward);

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        grad.apply_op1(AverageGradient(self.clone())).map(Some)
    }
}

struct AverageGradient(Average);

impl CustomOp1 for AverageGradient {
    fn name(&self) -> &'static str {
        "avg-pool2d-gradient"
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(s.dtype(), Average::backward(&self.0, (s, l)))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        grad.apply_op1(self.0.clone()).map(Some)
    }
}

struct Largest {
    shape: PoolShape,
}

/// Of every output of a plane, where in the plane the largest of its window lies.
fn largest<T: Element>(shape: &PoolShape, x: &[T], mut put: impl FnMut(usize, usize)) {
    let PoolShape { rows, columns, .. } = shape;
    for row in 0..rows.output {
        for column in 0..columns.output {
            let mut best: Option<usize> = None;
            for r in (0..rows.kernel).filter_map(|k| rows.source(row, k)) {
                for c in (0..columns.kernel).filter_map(|k| columns.source(column, k)) {
                    let at = r * columns.input + c;
                    // a NaN stays once it is there and replaces everything else
                    let missing = |at: usize| x[at].partial_cmp(&x[at]).is_none();
                    let beats = |best: usize| x[at] > x[best] || (missing(at) && !missing(best));
                    if best.is_none_or(beats) {
                        best = Some(at);
                    }
                }
            }
            put(row * columns.output + column, best.unwrap_or(0));
        }
    }
}

impl Largest {
    fn forward<T: Element>(&self, (s, l): (&CpuStorage, &Layout)) -> Result<(CpuStorage, Shape)> {
        let x = elements::<T>(s, l)?;
        let shape = &self.shape;
        Ok((T::to_cpu_storage_owned(pick(shape, &x, &x)), shape.output_dims()))
    }
}

/// The values at the places of the largest `x`.
fn pick<T: Element>(shape: &PoolShape, x: &[T], values: &[T]) -> Vec<T> {
    let len = shape.input_len();
    shape.planes(shape.output_len(), |plane, out| {
        let values = &values[plane * len..][..len];
        largest(shape, &x[plane * len..][..len], |to, from| out[to] = values[from]);
    })
}

impl CustomOp1 for Largest {
    on_cpu!("max-pool2d", 1, self.forward);

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        x.apply_op2(grad, LargestGradient { shape: self.shape }).map(Some)
    }
}

/// Every gradient put where the largest `x` of its window lies.
struct LargestGradient {
    shape: PoolShape,
}

impl LargestGradient {
    fn forward<T: Element>(
        &self,
        (s1, l1): (&CpuStorage, &Layout),
        (s2, l2): (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let (x, grad, shape) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?, &self.shape);
        let out = shape.planes(shape.input_len(), |plane, out| {
            let grad = &grad[plane * shape.output_len()..][..shape.output_len()];
            let x = &x[plane * shape.input_len()..][..shape.input_len()];
            largest(shape, x, |from, to| out[to] += grad[from]);
        });
        Ok((T::to_cpu_storage_owned(out), shape.input_dims()))
    }
}

impl CustomOp2 for LargestGradient {
    on_cpu!("max-pool2d-gradient", 2, self.forward);

    fn bwd(
        &self,
        x: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((None, Some(x.apply_op2(grad, Pick { shape: self.shape })?)))
    }
}

/// What stands where the largest `x` of every window lies.
struct Pick {
    shape: PoolShape,
}

impl Pick {
    fn forward<T: Element>(
        &self,
        (s1, l1): (&CpuStorage, &Layout),
        (s2, l2): (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let (x, values) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?);
        Ok((T::to_cpu_storage_owned(pick(&self.shape, &x, &values)), self.shape.output_dims()))
    }
}

impl CustomOp2 for Pick {
    on_cpu!("max-pool2d-pick", 2, self.forward);

    fn bwd(
        &self,
        x: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((None, Some(x.apply_op2(grad, LargestGradient { shape: self.shape })?)))
    }
}
