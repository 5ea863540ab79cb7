use crate::channels::channel_dot;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

/// Measures how much a loss depends on the channels of an activation: the sum over pixels of activation times gradient,
/// by image and channel. Unlike a [`Tap`](crate::Tap) it keeps neither of them.
///
/// ```
/// use candle_core::{Device, Var};
/// use cpu_ops::Probe;
/// let x = Var::new(&[[[1f32, 2.0]], [[3.0, 4.0]]], &Device::Cpu)?;
/// let probe = Probe::default();
/// (probe.on(x.as_tensor())? * 3.0)?.sum_all()?.backward()?;
/// assert_eq!(probe.products(), Some(vec![9.0, 21.0]));
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Probe(Arc<Mutex<Option<Vec<f64>>>>);

impl Probe {
    /// The tensor `(N, C, ...)` itself, watched.
    ///
    /// # Errors
    /// A tensor that is not on the CPU.
    pub fn on(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op1(Watch(self.clone()))
    }

    /// `N * C` sums, image by image, of the last `backward` that passed; nothing where none did.
    pub fn products(&self) -> Option<Vec<f64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Watch(Probe);

impl CustomOp1 for Watch {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((crate::element::copy(storage, layout)?, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let planes: usize = x.dims().iter().take(2).product();
        // every image's channel as a channel of its own
        let flat = |t: &Tensor| t.detach().reshape((1, planes, x.elem_count() / planes.max(1)));
        let products = channel_dot(&flat(x)?, &flat(grad)?)?.to_dtype(DType::F64)?.to_vec1()?;
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(products);
        Ok(Some(grad.clone()))
    }
}
