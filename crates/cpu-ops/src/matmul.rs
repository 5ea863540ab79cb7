use crate::element::{Element, Matrix, by_dtype, check_types, elements, on_cpu};
use crate::simd::{InstructionSet, Kernel, Lanes};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// `a b` for matrices `(M, K)` and `(K, N)`, each taken transposed where asked.
///
/// One thread, AVX-512 or AVX2 chosen at run time (crate gemm). Row `i` of the result depends on row `i` of
/// `a` alone, to the last bit, whatever the number of rows. The backward is made of the same operator, so it
/// can itself be differentiated. O(M N K).
///
/// # Errors
/// Shapes that do not fit, types that differ or are neither f32 nor f64.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let a = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// let b = cpu_ops::matmul(&a, &a, (false, true))?;
/// assert_eq!(b.to_vec2::<f32>()?, [[5.0, 11.0], [11.0, 25.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn matmul(a: &Tensor, b: &Tensor, transposed: (bool, bool)) -> Result<Tensor> {
    check_types("matmul", &[a, b])?;
    let op = MatMul { transposed };
    op.shape(a.shape(), b.shape())?;
    a.apply_op2(b, op)
}

/// `x w + bias` for `x` of `(R, K)`, `w` of `(K, N)` and `bias` of `(N)`: note that `w` is (in, out), as in
/// the graph convolutions of BRP-NAS.
///
/// # Errors
/// Shapes that do not fit, types that differ or are neither f32 nor f64.
pub fn linear(x: &Tensor, w: &Tensor, bias: &Tensor) -> Result<Tensor> {
    check_types("linear", &[x, w, bias])?;
    let (_, _, n) = (MatMul { transposed: (false, false) }).shape(x.shape(), w.shape())?;
    if bias.dims() != [n] {
        bail!("linear: bias is {:?}, expected ({n}) for w {:?}", bias.shape(), w.shape());
    }
    x.apply_op3(w, bias, Linear)
}

struct MatMul {
    transposed: (bool, bool),
}

impl MatMul {
    /// (M, K, N), or what does not fit.
    fn shape(&self, a: &Shape, b: &Shape) -> Result<(usize, usize, usize)> {
        let side = |shape: &Shape, transposed| match *shape.dims() {
            [rows, columns] if transposed => Some((columns, rows)),
            [rows, columns] => Some((rows, columns)),
            _ => None,
        };
        match (side(a, self.transposed.0), side(b, self.transposed.1)) {
            (Some((m, k)), Some((inner, n))) if k == inner && m.checked_mul(n).is_some() => Ok((m, k, n)),
            _ => bail!("matmul: {a:?} by {b:?} with transposed {:?} does not fit", self.transposed),
        }
    }
}

/// Product into `dst`; a single row or column is computed as one of two, because gemm takes another path for vectors,
/// with other rounding.
fn product<T: Element>(
    [m, n, k]: [usize; 3],
    dst: &mut Vec<T>,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    accumulate: bool,
) {
    if n == 1 {
        let columns: Vec<T> = (0..k).flat_map(|i| [b.data[i * b.row], T::zero()]).collect();
        let mut wide: Vec<T> = dst.iter().flat_map(|&start| [start, T::zero()]).collect();
        product([m, 2, k], &mut wide, a, Matrix::new(&columns, 2, false), accumulate);
        dst.iter_mut().zip(wide.as_chunks::<2>().0).for_each(|(dst, &[value, _])| *dst = value);
        return;
    }
    if m != 1 {
        return T::gemm([m, n, k], dst, a, b, accumulate);
    }
    let mut rows: Vec<T> = (0..k).map(|i| a.data[i * a.column]).collect();
    rows.resize(2 * k, T::zero());
    dst.resize(2 * n, T::zero());
    T::gemm([2, n, k], dst, Matrix::new(&rows, k, false), b, accumulate);
    dst.truncate(n);
}

fn matmul_forward<T: Element>(
    op: &MatMul,
    (s1, l1): (&CpuStorage, &Layout),
    (s2, l2): (&CpuStorage, &Layout),
) -> Result<(CpuStorage, Shape)> {
    let (m, k, n) = op.shape(l1.shape(), l2.shape())?;
    let (a, b) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?);
    let a = Matrix::new(&a, if op.transposed.0 { m } else { k }, op.transposed.0);
    let b = Matrix::new(&b, if op.transposed.1 { k } else { n }, op.transposed.1);
    let mut dst = vec![T::zero(); m * n];
    product([m, n, k], &mut dst, a, b, false);
    Ok((T::to_cpu_storage_owned(dst), (m, n).into()))
}

impl CustomOp2 for MatMul {
    on_cpu!("matmul", 2, matmul_forward(self));

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (ta, tb) = self.transposed;
        // d(A B)/dA = G B', d(A B)/dB = A' G for A = a or a', B = b or b'; a transposed factor turns both
        let da = || if ta { matmul(b, grad, (tb, true)) } else { matmul(grad, b, (false, !tb)) };
        let db = || if tb { matmul(grad, a, (true, ta)) } else { matmul(a, grad, (!ta, false)) };
        Ok((a.track_op().then(da).transpose()?, b.track_op().then(db).transpose()?))
    }
}

struct Linear;

fn linear_forward<T: Element>(
    (s1, l1): (&CpuStorage, &Layout),
    (s2, l2): (&CpuStorage, &Layout),
    (s3, l3): (&CpuStorage, &Layout),
) -> Result<(CpuStorage, Shape)> {
    let (m, k, n) = (MatMul { transposed: (false, false) }).shape(l1.shape(), l2.shape())?;
    let (x, w, bias) = (elements::<T>(s1, l1)?, elements::<T>(s2, l2)?, elements::<T>(s3, l3)?);
    let mut dst = Vec::with_capacity(m.max(2) * n);
    (0..m).for_each(|_| dst.extend_from_slice(&bias));
    product([m, n, k], &mut dst, Matrix::new(&x, k, false), Matrix::new(&w, n, false), true);
    Ok((T::to_cpu_storage_owned(dst), (m, n).into()))
}

impl CustomOp3 for Linear {
    on_cpu!("linear", 3, linear_forward);

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        Ok((
            x.track_op().then(|| matmul(grad, w, (false, true))).transpose()?,
            w.track_op().then(|| matmul(x, grad, (true, false))).transpose()?,
            Some(sum_rows(grad)?),
        ))
    }
}

/// The sum of the rows of a matrix `(R, N)`, row after row, as `(N)`. O(R N).
///
/// # Errors
/// Anything but a matrix of f32 or f64.
pub fn sum_rows(x: &Tensor) -> Result<Tensor> {
    check_types("sum_rows", &[x])?;
    x.dims2()?;
    x.apply_op1(SumRows)
}

struct SumRows;

fn sum_rows_forward<T: Element>(storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
    let (_, n) = layout.shape().dims2()?;
    let data = elements::<T>(storage, layout)?;
    let mut sums = vec![T::zero(); n];
    T::run(InstructionSet::current(), AddRows { data: &data, sums: &mut sums });
    Ok((T::to_cpu_storage_owned(sums), n.into()))
}

struct AddRows<'a, T> {
    data: &'a [T],
    sums: &'a mut [T],
}

impl<T: Element> Kernel<T> for AddRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        for row in self.data.chunks_exact(self.sums.len().max(1)) {
            self.sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum += v);
        }
    }
}

impl CustomOp1 for SumRows {
    fn name(&self) -> &'static str {
        "sum-rows"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(storage.dtype(), sum_rows_forward(storage, layout))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        grad.broadcast_as(arg.shape()).map(Some)
    }
}
