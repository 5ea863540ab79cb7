use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, WithDType, bail};
use std::sync::Arc;

/// A sparse matrix by rows: row `i` of the product is the weighted sum of some rows of its argument.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mix {
    /// Where each row's entries start; one more than there are rows.
    starts: Vec<u32>,
    entries: Vec<(u32, f64)>,
    columns: usize,
}

impl Mix {
    pub(crate) fn new() -> Self {
        Self { starts: vec![0], ..Self::default() }
    }

    /// Appends a row; entries are summed in the order given.
    pub(crate) fn push(&mut self, entries: impl IntoIterator<Item = (u32, f64)>) {
        self.entries.extend(entries);
        self.starts.push(self.entries.len() as u32);
    }

    /// Fixes the number of rows of the argument.
    pub(crate) fn of(mut self, columns: usize) -> Arc<Self> {
        self.columns = columns;
        Arc::new(self)
    }

    pub(crate) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether the product is its argument.
    pub(crate) fn is_identity(&self) -> bool {
        self.rows() == self.columns
            && self.entries.len() == self.columns
            && (0_u32..).zip(&self.entries).all(|(i, &entry)| entry == (i, 1.0))
            && self.starts.windows(2).all(|pair| pair[1] == pair[0] + 1)
    }

    fn row(&self, i: usize) -> &[(u32, f64)] {
        &self.entries[self.starts[i] as usize..self.starts[i + 1] as usize]
    }
}

/// `mix x` for `x` of `(columns, D)`. O(entries D). Closed under differentiation: the backward of the product
/// is the product with the transpose.
pub(crate) fn aggregate(x: &Tensor, mix: &Arc<Mix>) -> Result<Tensor> {
    if mix.is_identity() {
        Ok(x.clone())
    } else {
        x.apply_op1(Aggregate { mix: mix.clone(), transposed: false })
    }
}

/// `mix' x` for `x` of `(rows, D)`: how gradients go back.
pub(crate) fn aggregate_back(x: &Tensor, mix: &Arc<Mix>) -> Result<Tensor> {
    if mix.is_identity() {
        Ok(x.clone())
    } else {
        x.apply_op1(Aggregate { mix: mix.clone(), transposed: true })
    }
}

struct Aggregate {
    mix: Arc<Mix>,
    transposed: bool,
}

fn product<T: WithDType>(
    op: &Aggregate,
    storage: &CpuStorage,
    layout: &Layout,
) -> Result<(CpuStorage, Shape)> {
    let (given, d) = layout.shape().dims2()?;
    let (rows, columns) =
        if op.transposed { (op.mix.columns, op.mix.rows()) } else { (op.mix.rows(), op.mix.columns) };
    let Some((start, end)) = layout.contiguous_offsets().filter(|_| given == columns) else {
        bail!("aggregate: {:?} where ({columns}, D) was expected, contiguous", layout.shape());
    };
    let x = &T::cpu_storage_as_slice(storage)?[start..end];
    let mut out = vec![T::zero(); rows * d];
    let mut add = |to: usize, from: usize, weight: f64| {
        let (to, from) = (&mut out[to * d..][..d], &x[from * d..][..d]);
        if weight == 1.0 {
            to.iter_mut().zip(from).for_each(|(t, &f)| *t += f);
        } else {
            let weight = T::from_f64(weight);
            to.iter_mut().zip(from).for_each(|(t, &f)| *t += weight * f);
        }
    };
    for i in 0..op.mix.rows() {
        for &(j, weight) in op.mix.row(i) {
            if op.transposed { add(j as usize, i, weight) } else { add(i, j as usize, weight) }
        }
    }
    Ok((T::to_cpu_storage_owned(out), (rows, d).into()))
}

impl CustomOp1 for Aggregate {
    fn name(&self) -> &'static str {
        "aggregate"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        match storage.dtype() {
            DType::F32 => product::<f32>(self, storage, layout),
            DType::F64 => product::<f64>(self, storage, layout),
            other => bail!("aggregate: neither f32 nor f64 but {other:?}"),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        grad.contiguous()?
            .apply_op1(Aggregate { mix: self.mix.clone(), transposed: !self.transposed })
            .map(Some)
    }
}
