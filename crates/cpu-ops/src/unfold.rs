use crate::element::{Element, check_types, elements, on_cpu};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

/// Lays the `kernel` rows around every row side by side: `(batch, rows, channels)` to `(batch, rows, kernel channels)`,
/// with zeros where there is no row. A convolution along the rows is then one product of matrices, with a weight
/// `(kernel channels, out)` as Keras keeps it; for rows of many channels and few rows that is several times faster than
/// [`conv1d`](crate::conv1d), which packs its weight for every call. Differentiable as often as one likes.
/// O(batch rows kernel channels).
///
/// # Errors
/// Not three dimensions, an even `kernel`, which has no middle, or a type that is neither f32 nor f64.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let x = Tensor::new(&[[[1f32], [2.0], [3.0]]], &Device::Cpu)?;
/// let found = cpu_ops::unfold_rows(&x, 3)?;
/// assert_eq!(found.to_vec3::<f32>()?, [[[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 0.0]]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn unfold_rows(x: &Tensor, kernel: usize) -> Result<Tensor> {
    check_types("unfold_rows", &[x])?;
    if x.rank() != 3 || kernel.is_multiple_of(2) {
        bail!(
            "unfold_rows: wants (batch, rows, channels) and an odd kernel, found {:?} and {kernel}",
            x.shape()
        );
    }
    x.contiguous()?.apply_op1(Unfold { kernel })
}

/// Calls `f` with a place among `rows` and the place of its neighbour by every tap that falls inside.
fn neighbours(rows: usize, kernel: usize, mut f: impl FnMut(usize, usize, usize)) {
    for row in 0..rows {
        for tap in 0..kernel {
            if let Some(other) = (row + tap).checked_sub(kernel / 2).filter(|&other| other < rows) {
                f(row, tap, other);
            }
        }
    }
}

struct Unfold {
    kernel: usize,
}

impl Unfold {
    fn forward<T: Element>(&self, (s, l): (&CpuStorage, &Layout)) -> Result<(CpuStorage, Shape)> {
        let (x, (batch, rows, channels)) = (elements::<T>(s, l)?, l.shape().dims3()?);
        let wide = self.kernel * channels;
        let mut out = vec![T::zero(); batch * rows * wide];
        if !x.is_empty() {
            for (x, out) in x.chunks_exact(rows * channels).zip(out.chunks_exact_mut(rows * wide)) {
                neighbours(rows, self.kernel, |row, tap, other| {
                    out[row * wide + tap * channels..][..channels]
                        .copy_from_slice(&x[other * channels..][..channels]);
                });
            }
        }
        Ok((T::to_cpu_storage_owned(out), (batch, rows, wide).into()))
    }
}

impl CustomOp1 for Unfold {
    on_cpu!("unfold-rows", 1, self.forward);

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        grad.contiguous()?.apply_op1(Fold { kernel: self.kernel }).map(Some)
    }
}

/// The transpose of [`Unfold`]: every row is the sum of the places where it was laid.
struct Fold {
    kernel: usize,
}

impl Fold {
    fn forward<T: Element>(&self, (s, l): (&CpuStorage, &Layout)) -> Result<(CpuStorage, Shape)> {
        let (grad, (batch, rows, wide)) = (elements::<T>(s, l)?, l.shape().dims3()?);
        let channels = wide / self.kernel;
        let mut out = vec![T::zero(); batch * rows * channels];
        if !grad.is_empty() {
            for (grad, out) in grad.chunks_exact(rows * wide).zip(out.chunks_exact_mut(rows * channels)) {
                neighbours(rows, self.kernel, |row, tap, other| {
                    let from = &grad[row * wide + tap * channels..][..channels];
                    let sum = out[other * channels..][..channels].iter_mut();
                    sum.zip(from).for_each(|(sum, &part)| *sum += part);
                });
            }
        }
        Ok((T::to_cpu_storage_owned(out), (batch, rows, channels).into()))
    }
}

impl CustomOp1 for Fold {
    on_cpu!("fold-rows", 1, self.forward);

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        unfold_rows(grad, self.kernel).map(Some)
    }
}
