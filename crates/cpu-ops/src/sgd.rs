use crate::element::{Element, by_dtype, check_types, elements};
use crate::simd::{InstructionSet, Kernel, Lanes};
use candle_core::backend::BackendStorage;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Result, Tensor, Var, bail};
use std::sync::{Mutex, PoisonError};

/// Settings of [`Sgd`]; there is no usual value, so there is no default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdSettings {
    /// What of the last step is taken again.
    pub momentum: f64,
    /// Whether the step looks ahead (Nesterov).
    pub nesterov: bool,
    /// Weight decay, added to the gradient.
    pub weight_decay: f64,
}

/// Stochastic gradient descent with momentum, each parameter updated in one pass over the memory. Values as
/// PyTorch's `torch.optim.SGD` without dampening.
#[derive(Debug)]
pub struct Sgd {
    settings: SgdSettings,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    var: Var,
    /// The running step.
    velocity: Mutex<CpuStorage>,
}

impl Sgd {
    /// An optimiser for `vars`, at rest.
    ///
    /// # Errors
    /// A variable that is neither f32 nor f64, or not on the CPU.
    ///
    /// ```
    /// use candle_core::{Device, Var};
    /// use cpu_ops::{Sgd, SgdSettings};
    /// let w = Var::new(&[1f32], &Device::Cpu)?;
    /// let mut sgd = Sgd::new([w.clone()], SgdSettings { momentum: 0.9, nesterov: true, weight_decay: 0.0 })?;
    /// sgd.step(&w.sqr()?.sum_all()?.backward()?, 0.1)?;
    /// assert!((w.to_vec1::<f32>()?[0] - 0.62).abs() < 1e-6);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    pub fn new(vars: impl IntoIterator<Item = Var>, settings: SgdSettings) -> Result<Self> {
        let slot = |var: Var| {
            check_types("sgd", &[var.as_tensor()])?;
            let velocity = match var.dtype() {
                DType::F32 => CpuStorage::F32(vec![0.0; var.elem_count()]),
                _ => CpuStorage::F64(vec![0.0; var.elem_count()]),
            };
            Ok(Slot { velocity: Mutex::new(velocity), var })
        };
        Ok(Self { settings, slots: vars.into_iter().map(slot).collect::<Result<_>>()? })
    }

    /// The running step of every variable, in the order in which they were given: what a training that is taken up
    /// again needs beside its weights.
    ///
    /// # Errors
    /// None that a valid optimiser could cause.
    pub fn velocities(&self) -> Result<Vec<Tensor>> {
        let tensor = |slot: &Slot| {
            let velocity = slot.velocity.lock().unwrap_or_else(PoisonError::into_inner);
            match &*velocity {
                CpuStorage::F64(values) => Tensor::from_slice(values, slot.var.shape(), slot.var.device()),
                values => Tensor::from_slice(values.as_slice::<f32>()?, slot.var.shape(), slot.var.device()),
            }
        };
        self.slots.iter().map(tensor).collect()
    }

    /// Takes up the running steps that [`Sgd::velocities`] gave.
    ///
    /// # Errors
    /// Another number of tensors than variables, or one of another shape or type.
    pub fn set_velocities(&mut self, velocities: &[Tensor]) -> Result<()> {
        if velocities.len() != self.slots.len() {
            bail!("sgd: {} running steps for {} variables", velocities.len(), self.slots.len());
        }
        for (slot, given) in self.slots.iter_mut().zip(velocities) {
            if given.shape() != slot.var.shape() || given.dtype() != slot.var.dtype() {
                bail!("sgd: a running step {:?} for a variable {:?}", given.shape(), slot.var.shape());
            }
            let flat = given.flatten_all()?;
            let values = match given.dtype() {
                DType::F64 => CpuStorage::F64(flat.to_vec1()?),
                _ => CpuStorage::F32(flat.to_vec1()?),
            };
            slot.velocity = Mutex::new(values);
        }
        Ok(())
    }

    /// One step at learning rate `rate`; a variable without a gradient stays as it is.
    ///
    /// # Errors
    /// A gradient of another shape or type than its variable.
    pub fn step(&mut self, grads: &GradStore, rate: f64) -> Result<()> {
        self.step_with(|_, var| Ok(grads.get(var.as_tensor()).cloned()), rate)
    }

    /// The same with gradients from elsewhere: `gradient` is asked for every variable, by its place.
    ///
    /// # Errors
    /// As [`Sgd::step`], and what `gradient` refuses.
    pub fn step_with(
        &mut self,
        mut gradient: impl FnMut(usize, &Var) -> Result<Option<Tensor>>,
        rate: f64,
    ) -> Result<()> {
        for (place, Slot { var, velocity }) in self.slots.iter().enumerate() {
            let Some(grad) = gradient(place, var)? else { continue };
            check_types("sgd", &[var.as_tensor(), &grad])?;
            if grad.shape() != var.shape() {
                bail!("sgd: gradient {:?} for a variable {:?}", grad.shape(), var.shape());
            }
            var.inplace_op2(&grad, &Step { settings: self.settings, rate, velocity })?;
        }
        Ok(())
    }
}

struct Step<'a> {
    settings: SgdSettings,
    rate: f64,
    velocity: &'a Mutex<CpuStorage>,
}

impl Step<'_> {
    fn update<T: Element>(
        &self,
        (weights, layout): (&mut CpuStorage, &Layout),
        (grads, grad_layout): (&CpuStorage, &Layout),
    ) -> Result<()> {
        let grads = elements::<T>(grads, grad_layout)?;
        let mut velocity = self.velocity.lock().unwrap_or_else(PoisonError::into_inner);
        let ((Some(weights), Some(velocity)), Some((start, end))) =
            ((T::slice_mut(weights), T::slice_mut(&mut velocity)), layout.contiguous_offsets())
        else {
            bail!("sgd: a variable is not contiguous or has changed its type")
        };
        let weights = &mut weights[start..end];
        T::run(InstructionSet::current(), Update { step: self, weights, grads: &grads, velocity });
        Ok(())
    }
}

/// One pass over the memory of a parameter.
struct Update<'a, T> {
    step: &'a Step<'a>,
    weights: &'a mut [T],
    grads: &'a [T],
    velocity: &'a mut [T],
}

impl<T: Element> Kernel<T> for Update<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        let Self { step, weights, grads, velocity } = self;
        let SgdSettings { momentum, nesterov, weight_decay } = step.settings;
        let (momentum, decay, rate) =
            (T::from_f64(momentum), T::from_f64(weight_decay), T::from_f64(step.rate));
        // what of the gradient is taken beside the running step
        let (ahead, direct) = if nesterov { (momentum, T::one()) } else { (T::one(), T::zero()) };
        for ((w, &g), v) in weights.iter_mut().zip(grads).zip(velocity) {
            let g = g + decay * *w;
            *v = momentum * *v + g;
            *w -= rate * (direct * g + ahead * *v);
        }
    }
}

impl InplaceOp2 for Step<'_> {
    fn name(&self) -> &'static str {
        "sgd-step"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        by_dtype!(s2.dtype(), Self::update(self, (s1, l1), (s2, l2)))
    }
}
