use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

/// Hands over an activation and its gradient: candle itself keeps no gradient of what lies between the variables
/// and the loss. A tap is put on a tensor, which goes on unchanged; after `backward` the tap holds the gradient.
///
/// ```
/// use candle_core::{Device, Var};
/// use cpu_ops::Tap;
/// let x = Var::new(&[1f32, 2.0], &Device::Cpu)?;
/// let tap = Tap::default();
/// let middle = tap.on(&x.sqr()?)?;
/// (middle * 3.0)?.sum_all()?.backward()?;
/// assert_eq!(tap.activation().unwrap().to_vec1::<f32>()?, [1.0, 4.0]);
/// assert_eq!(tap.gradient().unwrap().to_vec1::<f32>()?, [3.0, 3.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tap(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    activation: Option<Tensor>,
    gradient: Option<Tensor>,
}

impl Tap {
    /// The tensor itself, watched. A tap that is put on a second tensor forgets the first.
    ///
    /// # Errors
    /// A tensor that is not on the CPU.
    pub fn on(&self, x: &Tensor) -> Result<Tensor> {
        let watched = x.apply_op1(Watch(self.clone()))?;
        *self.taken() = Taken { activation: Some(x.clone()), gradient: None };
        Ok(watched)
    }

    /// What the tap was put on.
    pub fn activation(&self) -> Option<Tensor> {
        self.taken().activation.clone()
    }

    /// The gradient of the loss by it, once `backward` has passed; nothing where the loss does not depend on it.
    pub fn gradient(&self) -> Option<Tensor> {
        self.taken().gradient.clone()
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watch(Tap);

impl CustomOp1 for Watch {
    fn name(&self) -> &'static str {
        "tap"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let tensor = crate::element::copy(storage, layout)?;
        Ok((tensor, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        self.0.taken().gradient = Some(grad.clone());
        Ok(Some(grad.clone()))
    }
}
