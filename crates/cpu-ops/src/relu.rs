use crate::element::{Element, check_types, elements, on_cpu};
use crate::parallel;
use crate::simd::{InstructionSet, Kernel, Lanes};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// `max(x, 0)` with the derivative 0 at 0, as in PyTorch; candle's own has 1 there, which shows wherever exact zeros
/// are common, as behind an edge without operation. A NaN stays one. Differentiable as often as one likes. O(elements).
///
/// # Errors
/// A type that is neither f32 nor f64.
///
/// ```
/// use candle_core::{Device, Var};
/// let x = Var::new(&[-1f32, 0.0, 2.0], &Device::Cpu)?;
/// let y = cpu_ops::relu(&x)?;
/// assert_eq!(y.to_vec1::<f32>()?, [0.0, 0.0, 2.0]);
/// let grads = y.sum_all()?.backward()?;
/// assert_eq!(grads.get(x.as_tensor()).unwrap().to_vec1::<f32>()?, [0.0, 0.0, 1.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn relu(x: &Tensor) -> Result<Tensor> {
    check_types("relu", &[x])?;
    x.apply_op1(Relu)
}

/// `grad` where `x` is not 0 or below, else 0: the gradient of [`relu`], from its input or its result. O(elements).
///
/// # Errors
/// Shapes that differ, types that differ or are neither f32 nor f64.
pub fn relu_gradient(x: &Tensor, grad: &Tensor) -> Result<Tensor> {
    check_types("relu_gradient", &[x, grad])?;
    if x.dims() != grad.dims() {
        bail!("relu_gradient: x {:?} and gradient {:?} differ", x.shape(), grad.shape());
    }
    x.apply_op2(grad, Mask)
}

/// `out = 0 where gate <= 0, else value`, by lanes that the compiler fills.
struct Gated<'a, T> {
    gate: &'a [T],
    value: &'a [T],
    out: &'a mut [T],
}

impl<T: Element> Kernel<T> for Gated<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        for ((out, &gate), &value) in self.out.iter_mut().zip(self.gate).zip(self.value) {
            *out = if gate <= T::zero() { T::zero() } else { value };
        }
    }
}

/// Elements that one thread takes at a time.
const CHUNK: usize = 1 << 14;

fn gated<T: Element>(gate: &[T], value: &[T]) -> Vec<T> {
    let set = InstructionSet::current();
    let mut out = vec![T::zero(); gate.len()];
    parallel::pieces(&mut out, CHUNK, |start, out| {
        let range = start..start + out.len();
        T::run(set, Gated { gate: &gate[range.clone()], value: &value[range], out });
    });
    out
}

fn relu_forward<T: Element>((s, l): (&CpuStorage, &Layout)) -> Result<(CpuStorage, Shape)> {
    let x = elements::<T>(s, l)?;
    Ok((T::to_cpu_storage_owned(gated(&x, &x)), l.shape().clone()))
}

fn mask_forward<T: Element>(
    (s1, l1): (&CpuStorage, &Layout),
    (s2, l2): (&CpuStorage, &Layout),
) -> Result<(CpuStorage, Shape)> {
    let (x, grad) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?);
    Ok((T::to_cpu_storage_owned(gated(&x, &grad)), l1.shape().clone()))
}

struct Relu;

impl CustomOp1 for Relu {
    on_cpu!("relu", 1, relu_forward);

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        relu_gradient(x, grad).map(Some)
    }
}

struct Mask;

impl CustomOp2 for Mask {
    on_cpu!("relu-gradient", 2, mask_forward);

    fn bwd(
        &self,
        x: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((None, Some(relu_gradient(x, grad)?)))
    }
}
