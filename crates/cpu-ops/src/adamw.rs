use crate::element::{Element, by_dtype, check_types, elements};
use crate::simd::{InstructionSet, Kernel, Lanes};
use candle_core::backend::BackendStorage;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Result, Var, bail};
use std::sync::{Mutex, PoisonError};

/// Settings of [`AdamW`] (Loshchilov and Hutter 2019); the default is PyTorch's, but for the weight decay,
/// which has to be said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWSettings {
    /// Decay of the mean of the gradient.
    pub beta1: f64,
    /// Decay of the mean of its square.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Decoupled weight decay, multiplied by the learning rate.
    pub weight_decay: f64,
}

impl AdamWSettings {
    /// PyTorch's settings with a weight decay.
    pub fn with_decay(weight_decay: f64) -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay }
    }
}

/// AdamW, each parameter updated in one pass over the memory: weight, gradient and both moments are read
/// once and written once. Values as PyTorch's `torch.optim.AdamW` (golden in the tests of `gcn`).
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    var: Var,
    /// Mean and mean square of the gradient.
    moments: Mutex<(CpuStorage, CpuStorage)>,
    /// Steps at which it had a gradient.
    steps: i32,
}

impl AdamW {
    /// An optimiser for `vars`, its moments at zero.
    ///
    /// # Errors
    /// A variable that is neither f32 nor f64, or not on the CPU.
    pub fn new(vars: impl IntoIterator<Item = Var>, settings: AdamWSettings) -> Result<Self> {
        let slot = |var: Var| {
            check_types("adamw", &[var.as_tensor()])?;
            let zeros = || match var.dtype() {
                DType::F32 => CpuStorage::F32(vec![0.0; var.elem_count()]),
                _ => CpuStorage::F64(vec![0.0; var.elem_count()]),
            };
            Ok(Slot { moments: Mutex::new((zeros(), zeros())), var, steps: 0 })
        };
        Ok(Self { settings, slots: vars.into_iter().map(slot).collect::<Result<_>>()? })
    }

    /// One step at learning rate `rate`; a variable without a gradient stays as it is, and so do its moments and their
    /// correction.
    ///
    /// # Errors
    /// A gradient of another shape or type than its variable.
    pub fn step(&mut self, grads: &GradStore, rate: f64) -> Result<()> {
        let AdamWSettings { beta1, beta2, eps, weight_decay } = self.settings;
        for Slot { var, moments, steps } in &mut self.slots {
            let Some(grad) = grads.get(var.as_tensor()) else { continue };
            check_types("adamw", &[var.as_tensor(), grad])?;
            if grad.shape() != var.shape() {
                bail!("adamw: gradient {:?} for a variable {:?}", grad.shape(), var.shape());
            }
            *steps += 1;
            let correction = (1.0 - beta1.powi(*steps), (1.0 - beta2.powi(*steps)).sqrt());
            let step = Step {
                moments,
                beta: (beta1, beta2),
                decay: 1.0 - rate * weight_decay,
                rate: rate / correction.0,
                root: 1.0 / correction.1,
                eps,
            };
            var.inplace_op2(grad, &step)?;
        }
        Ok(())
    }
}

struct Step<'a> {
    moments: &'a Mutex<(CpuStorage, CpuStorage)>,
    beta: (f64, f64),
    decay: f64,
    rate: f64,
    root: f64,
    eps: f64,
}

fn update<T: Element>(
    step: &Step<'_>,
    (weights, layout): (&mut CpuStorage, &Layout),
    (grads, grad_layout): (&CpuStorage, &Layout),
) -> Result<()> {
    let grads = elements::<T>(grads, grad_layout)?;
    let mut moments = step.moments.lock().unwrap_or_else(PoisonError::into_inner);
    let (means, squares) = &mut *moments;
    let slices = (T::slice_mut(weights), T::slice_mut(means), T::slice_mut(squares));
    let ((Some(weights), Some(means), Some(squares)), Some((start, end))) =
        (slices, layout.contiguous_offsets())
    else {
        bail!("adamw: a variable is not contiguous or has changed its type")
    };
    let weights = &mut weights[start..end];
    T::run(InstructionSet::current(), Update { step, weights, grads: &grads, means, squares });
    Ok(())
}

/// One pass over the memory of a parameter.
struct Update<'a, T> {
    step: &'a Step<'a>,
    weights: &'a mut [T],
    grads: &'a [T],
    means: &'a mut [T],
    squares: &'a mut [T],
}

impl<T: Element> Kernel<T> for Update<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { step, weights, grads, means, squares } = self;
        let (beta1, beta2) = (T::from_f64(step.beta.0), T::from_f64(step.beta.1));
        let (rest1, rest2) = (T::from_f64(1.0 - step.beta.0), T::from_f64(1.0 - step.beta.1));
        let (decay, rate) = (T::from_f64(step.decay), T::from_f64(step.rate));
        let (root, eps) = (T::from_f64(step.root), T::from_f64(step.eps));
        let state = means.iter_mut().zip(squares.iter_mut());
        for ((w, &g), (m, v)) in weights.iter_mut().zip(grads).zip(state) {
            *m = *m * beta1 + g * rest1;
            *v = *v * beta2 + g * g * rest2;
            *w = *w * decay - rate * *m / (v.sqrt() * root + eps);
        }
    }
}

impl InplaceOp2 for Step<'_> {
    fn name(&self) -> &'static str {
        "adamw-step"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        by_dtype!(s2.dtype(), update(self, (s1, l1), (s2, l2)))
    }
}
