use crate::batch::Batch;
use crate::error::{ProxyError, Result};
use crate::first_order::numbers;
use crate::flow::flow;
use crate::linear_algebra::Correlation;
use crate::model::{Model, Norms, Weighted};
use crate::random;
use crate::seen::{LayerSeen, Need, Seen};
use candle_core::Tensor;
use nas_core::Seed;
use std::collections::BTreeSet;

/// Sees of a network what proxies need, each forward and backward once: one forward serves the loss gradient, the
/// saliency of channels, the Jacobian and all that rectifiers show. `done` hears of every need as it is met, for those
/// who keep the time.
///
/// `seed` draws the random images and weights of the needs without data; the others do not depend on it.
///
/// # Errors
/// A batch that is too small, labels without a logit, weights that are not finite (all before work starts, but for the
/// labels), a network that does not show what is needed, and what the network refuses.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use cellnet::CellStyle;
/// use nas_core::Seed;
/// use proxies::{Batch, CellModel, Proxy, observe};
/// use spaces::{NasBench201, nas_bench_201::Skeleton};
/// let skeleton = Skeleton { channels: 4, cells: 1, image: 8, ..Skeleton::default() };
/// let cell = NasBench201.get(1462)?;
/// let model = CellModel::nas_bench_201(&cell, &skeleton, 3, CellStyle::scored(), DType::F32, Seed(0))?;
/// let images = Tensor::arange(0f32, 4.0 * 192.0, &Device::Cpu)?.reshape((4, 3, 8, 8))?.sin()?;
/// let batch = Batch::new(images, vec![0, 1, 2, 3])?;
/// let snip = proxies::by_name("snip")?;
/// let seen = observe(&model, &batch, snip.needs(), Seed(0), &mut |_| {})?;
/// assert!(snip.score(&seen)?.value > 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn observe<M: Model>(
    model: &M,
    batch: &Batch,
    needs: &[Need],
    seed: Seed,
    done: &mut dyn FnMut(Need),
) -> Result<Seen> {
    let needs: BTreeSet<Need> = needs.iter().copied().collect();
    for need in &needs {
        if batch.len() < need.images() {
            let (needs, found, expected) = (need.name(), batch.len(), need.images());
            return Err(ProxyError::Batch { needs, found, expected });
        }
    }
    let layers = model.layers();
    let mut seen = Seen {
        layers: layers.iter().map(layer).collect::<Result<_>>()?,
        unused: model.unused(),
        cost: model.cost(),
        labels: batch.labels().to_vec(),
        classes: 0,
        jacobian: None,
        agreement: None,
        patterns: None,
        flow: None,
        clean_flow: None,
        normed_flow: None,
        perturbation: None,
        blocks: None,
    };
    first_order(model, batch, &needs, &mut seen, done)?;
    if needs.contains(&Need::Halves) {
        halves(model, batch, &mut seen)?;
        done(Need::Halves);
    }
    if needs.contains(&Need::Curvature) && seen.layers.iter().any(|layer| layer.curvature.is_none()) {
        curvature(model, batch, (&layers, &mut seen))?;
        done(Need::Curvature);
    }
    let image = &batch.images().dims()[1..];
    let flows = [
        (Need::Flow, Norms::Forgotten, &mut seen.flow),
        (Need::CleanFlow, Norms::Removed, &mut seen.clean_flow),
        (Need::NormedFlow, Norms::Kept, &mut seen.normed_flow),
    ];
    for (need, norms, place) in flows {
        if needs.contains(&need) {
            *place = Some(flow(model, image, norms)?);
            done(need);
        }
    }
    if needs.contains(&Need::Perturbation) {
        seen.perturbation = Some(random::perturbation(model, batch, seed)?);
        done(Need::Perturbation);
    }
    if needs.contains(&Need::Blocks) {
        seen.blocks = Some(random::blocks(model, batch, seed)?);
        done(Need::Blocks);
    }
    Ok(seen)
}

fn layer(weighted: &Weighted) -> Result<LayerSeen> {
    let weight = numbers(weighted.weight.as_tensor())?;
    let name = weighted.name.clone();
    if let Some(&value) = weight.iter().find(|value| !value.is_finite()) {
        return Err(ProxyError::Weights { layer: name, value });
    }
    let inputs = weight.len() / weighted.weight.dims().first().copied().unwrap_or(1).max(1);
    Ok(LayerSeen { name, weight, inputs, ..LayerSeen::default() })
}

/// What one forward on the batch gives.
fn first_order<M: Model>(
    model: &M,
    batch: &Batch,
    needs: &BTreeSet<Need>,
    seen: &mut Seen,
    done: &mut dyn FnMut(Need),
) -> Result<()> {
    let mut wanted: Vec<Need> = FIRST_ORDER.into_iter().filter(|need| needs.contains(need)).collect();
    // a Hessian product starts from it
    if needs.contains(&Need::Curvature) && !wanted.contains(&Need::Gradient) {
        wanted.push(Need::Gradient);
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let found = model.first_order(batch, &wanted, done)?;
    seen.classes = found.classes;
    (seen.agreement, seen.patterns) = (found.agreement, found.patterns);
    seen.jacobian = found.jacobian.map(|rows| Correlation::of(&rows, batch.len()));
    for (layer, gradient) in seen.layers.iter_mut().zip(found.gradients.into_iter().flatten()) {
        layer.gradient = Some(gradient);
    }
    for (layer, saliency) in seen.layers.iter_mut().zip(found.saliency.into_iter().flatten()) {
        layer.saliency = Some(saliency);
    }
    for (layer, curvature) in seen.layers.iter_mut().zip(found.curvature.into_iter().flatten()) {
        layer.curvature = Some(curvature);
    }
    Ok(())
}

/// What one forward and the backwards from it give.
const FIRST_ORDER: [Need; 6] =
    [Need::Gradient, Need::Saliency, Need::Jacobian, Need::Agreement, Need::Patterns, Need::Curvature];

fn halves<M: Model>(model: &M, batch: &Batch, seen: &mut Seen) -> Result<()> {
    let half = batch.len() / 2;
    let gradients = |start| -> Result<Vec<Vec<f64>>> {
        let found = model.first_order(&batch.part(start, half)?, &[Need::Gradient], &mut |_| {})?;
        Seen::need(Need::Gradient, found.gradients)
    };
    let (first, second) = (gradients(0)?, gradients(half)?);
    for ((layer, a), b) in seen.layers.iter_mut().zip(first).zip(second) {
        layer.halves = Some([a, b]);
    }
    Ok(())
}

fn curvature<M: Model>(model: &M, batch: &Batch, (layers, seen): (&[Weighted], &mut Seen)) -> Result<()> {
    let direction = |(layer, seen): (&Weighted, &LayerSeen)| -> Result<Tensor> {
        let gradient = Seen::need(Need::Gradient, seen.gradient.clone())?;
        let weight = layer.weight.as_tensor();
        Ok(Tensor::from_vec(gradient, weight.dims(), weight.device())?.to_dtype(weight.dtype())?)
    };
    let directions = layers.iter().zip(&seen.layers).map(direction).collect::<Result<Vec<_>>>()?;
    for (layer, product) in seen.layers.iter_mut().zip(model.curvature(batch, &directions)?) {
        layer.curvature = Some(product);
    }
    Ok(())
}
