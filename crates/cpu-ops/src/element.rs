use crate::simd::{self, InstructionSet, Kernel};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, Layout, Result, Tensor, WithDType, bail};
use pulp::bytemuck::Pod;
use std::borrow::Cow;
use std::ops::Neg;

/// Lanes of the sums below: fixed, so that every instruction set adds in the same order.
const LANES: usize = 16;

/// The two types that the operators run in.
pub(crate) trait Element: WithDType + Pod + Neg<Output = Self> {
    /// Runs a kernel compiled for an instruction set, or for the next poorer one that is there.
    fn run<K: Kernel<Self>>(set: InstructionSet, kernel: K) -> K::Output;

    fn sqrt(self) -> Self;

    /// The elements of a storage of this type, to write to.
    fn slice_mut(storage: &mut CpuStorage) -> Option<&mut [Self]>;

    /// `dst = a b` or, where `accumulate`, `dst += a b`; all matrices given by pointer and strides.
    fn gemm(shape: [usize; 3], dst: &mut [Self], a: Matrix<'_, Self>, b: Matrix<'_, Self>, accumulate: bool);
}

/// A matrix in a slice, by its strides in elements.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// `rows` by `columns`, stored row by row; the transpose of what is stored where `transposed`.
    pub(crate) fn new(data: &'a [T], stored_columns: usize, transposed: bool) -> Self {
        let (row, column) = if transposed { (1, stored_columns) } else { (stored_columns, 1) };
        Self { data, row, column }
    }

    /// Whether every element of `rows` by `columns` lies inside the slice.
    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

macro_rules! element {
    ($t:ty, $variant:ident, $run:path) => {
        impl Element for $t {
            #[inline]
            fn run<K: Kernel<Self>>(set: InstructionSet, kernel: K) -> K::Output {
                $run(set, kernel)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }

            fn slice_mut(storage: &mut CpuStorage) -> Option<&mut [$t]> {
                if let CpuStorage::$variant(data) = storage { Some(data) } else { None }
            }

            #[allow(unsafe_code)]
            fn gemm(
                [m, n, k]: [usize; 3],
                dst: &mut [$t],
                a: Matrix<'_, $t>,
                b: Matrix<'_, $t>,
                accumulate: bool,
            ) {
                let all = m.checked_mul(n) == Some(dst.len());
                assert!(all && a.holds(m, k) && b.holds(k, n), "gemm out of bounds");
                // SAFETY: every element that gemm touches lies inside its slice, as asserted above: `dst` is
                // m by n with strides (n, 1), `a` is m by k and `b` is k by n. `dst` is borrowed mutably, so
                // it overlaps neither.
                unsafe {
                    gemm::gemm(
                        m,
                        n,
                        k,
                        dst.as_mut_ptr(),
                        1,
                        n as isize,
                        accumulate,
                        a.data.as_ptr(),
                        a.column as isize,
                        a.row as isize,
                        b.data.as_ptr(),
                        b.column as isize,
                        b.row as isize,
                        1.0,
                        1.0,
                        false,
                        false,
                        false,
                        gemm::Parallelism::None,
                    );
                }
            }
        }
    };
}

element!(f32, F32, simd::run_f32);
element!(f64, F64, simd::run_f64);

/// What rounding left below 0 is 0; a NaN stays one.
#[inline(always)]
pub(crate) fn at_least_zero(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x }
}

/// Sum over two slices of equal length of `f`, in a fixed order: lane by lane, then over the lanes.
#[inline(always)]
pub(crate) fn lane_sum<T: Element>(x: &[T], y: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::zero(); LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest = xs.remainder().iter().zip(ys.remainder());
    for (a, b) in xs.zip(ys) {
        for lane in 0..LANES {
            lanes[lane] += f(a[lane], b[lane]);
        }
    }
    let tail = rest.fold(T::zero(), |sum, (&a, &b)| sum + f(a, b));
    lanes.iter().fold(tail, |sum, &lane| sum + lane)
}

/// The elements of a storage in logical order: borrowed where contiguous, gathered where not.
pub(crate) fn elements<'a, T: Element>(storage: &'a CpuStorage, layout: &Layout) -> Result<Cow<'a, [T]>> {
    let data = T::cpu_storage_as_slice(storage)?;
    Ok(match layout.contiguous_offsets() {
        Some((start, end)) => Cow::Borrowed(&data[start..end]),
        None => Cow::Owned(gather(data, layout)),
    })
}

/// A storage of its own with the elements in logical order, of any type.
pub(crate) fn copy(storage: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
    match storage {
        CpuStorage::F32(_) => Ok(CpuStorage::F32(elements(storage, layout)?.into_owned())),
        CpuStorage::F64(_) => Ok(CpuStorage::F64(elements(storage, layout)?.into_owned())),
        other => bail!("neither f32 nor f64 but {:?}", other.dtype()),
    }
}

fn gather<T: Copy>(data: &[T], layout: &Layout) -> Vec<T> {
    let mut offsets = vec![layout.start_offset()];
    for (&size, &stride) in layout.dims().iter().zip(layout.stride()) {
        offsets = offsets.iter().flat_map(|&base| (0..size).map(move |i| base + i * stride)).collect();
    }
    offsets.into_iter().map(|i| data[i]).collect()
}

/// Whether all tensors are of one type that the operators run in, on the CPU.
pub(crate) fn check_types(name: &str, tensors: &[&Tensor]) -> Result<()> {
    let types: Vec<DType> = tensors.iter().map(|t| t.dtype()).collect();
    if !types.iter().all(|&t| t == types[0] && matches!(t, DType::F32 | DType::F64)) {
        bail!("{name}: arguments must all be f32 or all f64, found {types:?}");
    }
    if tensors.iter().any(|t| !t.device().is_cpu()) {
        bail!("{name}: runs on the CPU, but an argument is on another device");
    }
    Ok(())
}

/// Calls a function generic over the element with the type at hand.
macro_rules! by_dtype {
    ($dtype:expr, $($function:ident)::+ ( $($argument:expr),* )) => {
        match $dtype {
            candle_core::DType::F32 => $($function)::+::<f32>($($argument),*),
            candle_core::DType::F64 => $($function)::+::<f64>($($argument),*),
            other => candle_core::bail!("neither f32 nor f64 but {other:?}"),
        }
    };
}
pub(crate) use by_dtype;

/// The name of an operator and its forward pass on the CPU: a method `self.f`, a function `f(self)` of the operator, or
/// a function `f` alone, generic over the element, of so many pairs of storage and layout.
macro_rules! on_cpu {
    ($name:literal, 1, $($f:tt)+) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn cpu_fwd(
            &self,
            s1: &candle_core::CpuStorage,
            l1: &candle_core::Layout,
        ) -> candle_core::Result<(candle_core::CpuStorage, candle_core::Shape)> {
            $crate::element::on_cpu!(@call self, s1, [(s1, l1)], $($f)+)
        }
    };
    ($name:literal, 2, $($f:tt)+) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn cpu_fwd(
            &self,
            s1: &candle_core::CpuStorage,
            l1: &candle_core::Layout,
            s2: &candle_core::CpuStorage,
            l2: &candle_core::Layout,
        ) -> candle_core::Result<(candle_core::CpuStorage, candle_core::Shape)> {
            $crate::element::on_cpu!(@call self, s1, [(s1, l1), (s2, l2)], $($f)+)
        }
    };
    ($name:literal, 3, $($f:tt)+) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn cpu_fwd(
            &self,
            s1: &candle_core::CpuStorage,
            l1: &candle_core::Layout,
            s2: &candle_core::CpuStorage,
            l2: &candle_core::Layout,
            s3: &candle_core::CpuStorage,
            l3: &candle_core::Layout,
        ) -> candle_core::Result<(candle_core::CpuStorage, candle_core::Shape)> {
            $crate::element::on_cpu!(@call self, s1, [(s1, l1), (s2, l2), (s3, l3)], $($f)+)
        }
    };
    (@call $this:ident, $s:ident, [$($part:expr),+], self.$f:ident) => {
        $crate::element::by_dtype!($s.dtype(), Self::$f($this, $($part),+))
    };
    (@call $this:ident, $s:ident, [$($part:expr),+], $f:ident(self)) => {
        $crate::element::by_dtype!($s.dtype(), $f($this, $($part),+))
    };
    (@call $this:ident, $s:ident, [$($part:expr),+], $f:ident) => {
        $crate::element::by_dtype!($s.dtype(), $f($($part),+))
    };
}
pub(crate) use on_cpu;
