use crate::batch::Batch;
use crate::error::{ProxyError, Result};
use crate::model::{Model, Place, Weighted};
use crate::rectifiers::Rectifiers;
use crate::seen::Need;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Storage, Tensor, Var, bail};
use cpu_ops::{Probe, cross_entropy};
use nalgebra::DMatrix;

/// What one forward on the batch and the backwards from it give; vectors of vectors are by layer.
#[derive(Debug, Clone, Default)]
pub struct FirstOrder {
    /// How many classes the network tells apart.
    pub classes: usize,
    /// [`Need::Gradient`]; zeros where the loss does not depend on a weight.
    pub gradients: Option<Vec<Vec<f64>>>,
    /// [`Need::Saliency`]: by image and channel; zeros where the loss does not depend on a layer.
    pub saliency: Option<Vec<Vec<f64>>>,
    /// [`Need::Jacobian`]: the gradient of the sum of all logits by the images.
    pub jacobian: Option<Vec<f64>>,
    /// [`Need::Agreement`].
    pub agreement: Option<DMatrix<f64>>,
    /// [`Need::Patterns`].
    pub patterns: Option<usize>,
    /// [`Need::Curvature`]: of a layer the sum of `weight * (H g)` with the loss gradient `g`. Nothing where
    /// [`Model::curvature`] is to be asked.
    pub curvature: Option<Vec<f64>>,
}

impl FirstOrder {
    /// What the rectifiers showed, where it is wanted.
    pub(crate) fn rectified(
        &mut self,
        rectifiers: Rectifiers,
        needs: &[Need],
        done: &mut dyn FnMut(Need),
    ) -> Result<()> {
        let wanted = |need: &Need| needs.contains(need);
        let both = [Need::Agreement, Need::Patterns];
        if let (Some(need), 0) = (both.iter().find(|need| wanted(need)), rectifiers.units()) {
            return Err(ProxyError::Missing { what: "rectifiers", needs: need.name(), expected: 1 });
        }
        (self.agreement, self.patterns) = (rectifiers.agreement(), rectifiers.patterns());
        both.into_iter().filter(wanted).for_each(done);
        Ok(())
    }
}

/// Whether there is a loss to go back from.
pub(crate) fn has_loss(needs: &[Need]) -> bool {
    needs.contains(&Need::Gradient) || needs.contains(&Need::Saliency)
}

pub(crate) fn rectifiers(batch: &Batch, needs: &[Need]) -> Rectifiers {
    Rectifiers::new(batch.len(), needs.contains(&Need::Agreement), needs.contains(&Need::Patterns))
}

pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.detach().flatten_all()?.to_dtype(DType::F64)?.to_vec1()?)
}

fn gradients(grads: &GradStore, layers: &[Weighted]) -> Result<Vec<Vec<f64>>> {
    let gradient = |layer: &Weighted| match grads.get(layer.weight.as_tensor()) {
        Some(gradient) => numbers(gradient),
        None => Ok(vec![0.0; layer.weight.elem_count()]),
    };
    layers.iter().map(gradient).collect()
}

/// Any network, by candle's autograd.
pub(crate) fn through_candle<M: Model>(
    model: &M,
    batch: &Batch,
    needs: &[Need],
    done: &mut dyn FnMut(Need),
) -> Result<FirstOrder> {
    let has = |need| needs.contains(&need);
    let layers = model.layers();
    let images = match has(Need::Jacobian) {
        true => Some(Var::from_tensor(batch.images())?),
        false => None,
    };
    let probes: Vec<Probe> = layers.iter().map(|_| Probe::default()).collect();
    let mut rectifiers = rectifiers(batch, needs);
    let input = images.as_ref().map_or(batch.images(), Var::as_tensor);
    let logits = model.forward(input, &mut |place, x| {
        match place {
            Place::Layer(at) if has(Need::Saliency) => return probes[at].on(&x),
            Place::Rectifier => add(&mut rectifiers, &x)?,
            _ => {}
        }
        Ok(x)
    })?;
    let mut found =
        FirstOrder { classes: logits.dims().last().copied().unwrap_or(0), ..FirstOrder::default() };
    found.rectified(rectifiers, needs, done)?;
    if has_loss(needs) {
        batch.check_labels(&logits)?;
        let grads = cross_entropy(&logits, batch.labels(), 0.0)?.backward()?;
        found.gradients = Some(gradients(&grads, &layers)?);
        done(Need::Gradient);
        if has(Need::Saliency) {
            let zeros = |layer: &Weighted| vec![0.0; batch.len() * layer.weight.dims().first().unwrap_or(&0)];
            let pairs = layers.iter().zip(&probes);
            let of = |(layer, probe): (&Weighted, &Probe)| probe.products().unwrap_or_else(|| zeros(layer));
            found.saliency = Some(pairs.map(of).collect());
            done(Need::Saliency);
        }
    }
    if let Some(images) = &images {
        let grads = logits.sum_all()?.backward()?;
        found.jacobian = Some(match grads.get(images.as_tensor()) {
            Some(jacobian) => numbers(jacobian)?,
            None => vec![0.0; images.elem_count()],
        });
        done(Need::Jacobian);
    }
    Ok(found)
}

fn add(rectifiers: &mut Rectifiers, x: &Tensor) -> candle_core::Result<()> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let range = layout.start_offset()..layout.start_offset() + x.elem_count();
    let rows = rectifiers.rows();
    if x.dims().first() != Some(&rows) {
        bail!("rectifiers are given {:?}; the {rows} images of the batch are expected first", x.shape());
    }
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => add_flat(rectifiers, &values[range], rows, 1),
        Storage::Cpu(CpuStorage::F64(values)) => add_flat(rectifiers, &values[range], rows, 1),
        _ => bail!("rectifiers of {:?} on {:?}; f32 or f64 on the CPU is expected", x.dtype(), x.device()),
    }
    Ok(())
}

/// Images one after another.
pub(crate) fn add_flat<T: Copy + Default + PartialOrd>(
    rectifiers: &mut Rectifiers,
    values: &[T],
    rows: usize,
    times: usize,
) {
    let images: Vec<&[T]> = values.chunks_exact((values.len() / rows.max(1)).max(1)).collect();
    rectifiers.add(&images, times);
}
