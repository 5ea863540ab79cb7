use crate::batch::Batch;
use crate::error::{ProxyError, Result};
use crate::flow::flow;
use crate::linear_algebra::Correlation;
use crate::model::{Model, Norms, Place, Weighted};
use crate::random;
use crate::rectifiers::Rectifiers;
use crate::seen::{LayerSeen, Need, Seen};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use cpu_ops::{Probe, cross_entropy};
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
    first_order(model, batch, &needs, (&layers, &mut seen), done)?;
    if needs.contains(&Need::Halves) {
        halves(model, batch, (&layers, &mut seen))?;
        done(Need::Halves);
    }
    if needs.contains(&Need::Curvature) {
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

fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.detach().flatten_all()?.to_dtype(DType::F64)?.to_vec1()?)
}

fn gradients(grads: &GradStore, layers: &[Weighted]) -> Result<Vec<Vec<f64>>> {
    let gradient = |layer: &Weighted| match grads.get(layer.weight.as_tensor()) {
        Some(gradient) => numbers(gradient),
        None => Ok(vec![0.0; layer.weight.elem_count()]),
    };
    layers.iter().map(gradient).collect()
}

/// One forward on the batch, and the backwards that start from it.
fn first_order<M: Model>(
    model: &M,
    batch: &Batch,
    needs: &BTreeSet<Need>,
    (layers, seen): (&[Weighted], &mut Seen),
    done: &mut dyn FnMut(Need),
) -> Result<()> {
    let has = |need| needs.contains(&need);
    let loss = [Need::Gradient, Need::Saliency, Need::Curvature].into_iter().any(has);
    let rectified = has(Need::Agreement) || has(Need::Patterns);
    if !loss && !rectified && !has(Need::Jacobian) {
        return Ok(());
    }
    let images = match has(Need::Jacobian) {
        true => Some(Var::from_tensor(batch.images())?),
        false => None,
    };
    let probes: Vec<Probe> = layers.iter().map(|_| Probe::default()).collect();
    let mut rectifiers = Rectifiers::new(batch.len(), has(Need::Agreement), has(Need::Patterns));
    let input = images.as_ref().map_or(batch.images(), Var::as_tensor);
    let logits = model.forward(input, &mut |place, x| {
        match place {
            Place::Layer(at) if has(Need::Saliency) => return probes[at].on(&x),
            Place::Rectifier if rectified => rectifiers.add(&x)?,
            _ => {}
        }
        Ok(x)
    })?;
    seen.classes = logits.dims().last().copied().unwrap_or(0);
    if rectified {
        if rectifiers.units == 0 {
            return Err(ProxyError::Missing {
                what: "rectifiers",
                needs: Need::Agreement.name(),
                expected: 1,
            });
        }
        (seen.agreement, seen.patterns) = (rectifiers.agreement(), rectifiers.patterns());
        [Need::Agreement, Need::Patterns].into_iter().filter(|&need| has(need)).for_each(&mut *done);
    }
    if loss {
        batch.check_labels(&logits)?;
        let grads = cross_entropy(&logits, batch.labels(), 0.0)?.backward()?;
        for (layer, gradient) in seen.layers.iter_mut().zip(gradients(&grads, layers)?) {
            layer.gradient = Some(gradient);
        }
        if has(Need::Saliency) {
            for (layer, probe) in seen.layers.iter_mut().zip(&probes) {
                let outputs = layer.weight.len() / layer.inputs.max(1);
                layer.saliency = Some(probe.products().unwrap_or_else(|| vec![0.0; batch.len() * outputs]));
            }
        }
        [Need::Gradient, Need::Saliency].into_iter().filter(|&need| has(need)).for_each(&mut *done);
    }
    if let Some(images) = &images {
        let grads = logits.sum_all()?.backward()?;
        let rows = match grads.get(images.as_tensor()) {
            Some(jacobian) => numbers(jacobian)?,
            None => vec![0.0; images.elem_count()],
        };
        seen.jacobian = Some(Correlation::of(&rows, batch.len()));
        done(Need::Jacobian);
    }
    Ok(())
}

fn halves<M: Model>(model: &M, batch: &Batch, (layers, seen): (&[Weighted], &mut Seen)) -> Result<()> {
    let half = batch.len() / 2;
    let gradient = |start, len| -> Result<Vec<Vec<f64>>> {
        let part = batch.part(start, len)?;
        let logits = model.forward(part.images(), &mut |_, x| Ok(x))?;
        part.check_labels(&logits)?;
        gradients(&cross_entropy(&logits, part.labels(), 0.0)?.backward()?, layers)
    };
    let (first, second) = (gradient(0, half)?, gradient(half, half)?);
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
