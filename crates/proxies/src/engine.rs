use crate::batch::Batch;
use crate::cell::has_weight;
use crate::error::Result;
use crate::first_order::{FirstOrder, add_flat, has_loss, rectifiers};
use crate::seen::Need;
use candle_core::{DType, Tensor, WithDType};
use cellnet::{
    Engine, Layer, Mode, Network, Operator, Settings, Weights, cross_entropy, cross_entropy_along,
};
use cpu_ops::blocked::Real;
use std::collections::BTreeMap;

/// A network of `cellnet`, by its fused engine.
pub(crate) fn through_engine(
    network: &Network,
    weights: &Weights,
    batch: &Batch,
    needs: &[Need],
    done: &mut dyn FnMut(Need),
) -> Result<FirstOrder> {
    match weights.dtype() {
        DType::F64 => engine::<f64>(network, weights, batch, needs, done),
        _ => engine::<f32>(network, weights, batch, needs, done),
    }
}

fn engine<T: Real + Default + PartialOrd + WithDType>(
    network: &Network,
    weights: &Weights,
    batch: &Batch,
    needs: &[Need],
    done: &mut dyn FnMut(Need),
) -> Result<FirstOrder> {
    let has = |need| needs.contains(&need);
    let layers = network.layers();
    // what several rectifiers read is looked at once
    let mut read: BTreeMap<usize, usize> = BTreeMap::new();
    let rectifies = |layer: &&Layer| matches!(layer.operator, Operator::Relu | Operator::Relu6);
    for layer in layers.iter().filter(rectifies) {
        layer.inputs.iter().for_each(|&input| *read.entry(input).or_default() += 1);
    }
    let rectified = has(Need::Agreement) || has(Need::Patterns);
    let settings = Settings {
        mode: Mode::Train,
        gradients: has(Need::Gradient) || has(Need::Saliency),
        input_gradient: has(Need::Jacobian),
        products: has(Need::Saliency),
        curvature: has(Need::Curvature),
        // rectifiers that no path leaves count too; held whoever asks, so that sums are rounded alike and a score is
        // the same to the last bit whatever else is asked for
        all_layers: true,
        watched: read.keys().copied().collect(),
    };
    let mut engine = Engine::<T>::new(network, settings)?;
    engine.load(weights)?;
    let images = images_of::<T>(network, batch)?;
    let mut rectifiers = rectifiers(batch, needs);
    let mut refused = None;
    engine.forward_seen(&images, |layer, seen| {
        if !rectified {
            return;
        }
        let times = read.get(&layer).copied().unwrap_or(0);
        let [channels, ..] = seen.shape();
        if channels.is_multiple_of(cpu_ops::BLOCK) {
            // the order of rectifiers does not matter
            let blocked = (0..seen.images()).filter_map(|image| seen.blocked(image)).map(<[_]>::as_flattened);
            rectifiers.add(&blocked.collect::<Vec<_>>(), times);
        } else {
            match seen.planes() {
                Ok(planes) => add_flat(&mut rectifiers, &planes, seen.images(), times),
                Err(error) => refused = Some(error),
            }
        }
    })?;
    if let Some(error) = refused {
        return Err(error.into());
    }
    let classes = network.classes();
    let mut found = FirstOrder { classes, ..FirstOrder::default() };
    found.rectified(rectifiers, needs, done)?;
    let weighted = weighted(network);
    if has_loss(needs) {
        batch.check_classes(classes)?;
        let (_, slope) = cross_entropy(engine.logits(), classes, batch.labels(), 0.0)?;
        engine.backward(&slope)?;
        let gradients = gradients(&engine, weights, &weighted);
        let numbers = |values: &Vec<T>| values.iter().map(|&value| WithDType::to_f64(value)).collect();
        found.gradients = Some(gradients.iter().map(numbers).collect());
        done(Need::Gradient);
        if has(Need::Saliency) {
            let zeros = |at: usize| vec![0.0; batch.len() * layers[at].shape[0]];
            let products = |&at: &usize| engine.products(at).unwrap_or_else(|| zeros(at));
            found.saliency = Some(weighted.iter().map(products).collect());
            done(Need::Saliency);
        }
        if has(Need::Curvature) {
            found.curvature = Some(along(&mut engine, &slope, &weighted, &gradients)?);
            done(Need::Curvature);
        }
    }
    if has(Need::Jacobian) {
        let ones = vec![<T as WithDType>::from_f64(1.0); batch.len() * classes];
        engine.backward_to_input(&ones)?;
        found.jacobian = Some(match engine.input_gradient()? {
            Some(values) => values.into_iter().map(WithDType::to_f64).collect(),
            None => vec![0.0; images.len()],
        });
        done(Need::Jacobian);
    }
    Ok(found)
}

/// [`crate::Model::curvature`]: `sum(weight * (H d))` a layer.
pub(crate) fn curvature(
    network: &Network,
    weights: &Weights,
    batch: &Batch,
    direction: &[Tensor],
) -> Result<Vec<f64>> {
    match weights.dtype() {
        DType::F64 => curvature_in::<f64>(network, weights, batch, direction),
        _ => curvature_in::<f32>(network, weights, batch, direction),
    }
}

fn curvature_in<T: Real + WithDType>(
    network: &Network,
    weights: &Weights,
    batch: &Batch,
    direction: &[Tensor],
) -> Result<Vec<f64>> {
    let direction: Vec<Vec<T>> =
        direction.iter().map(|d| d.flatten_all()?.to_vec1()).collect::<candle_core::Result<_>>()?;
    let mut engine = Engine::<T>::new(network, Settings { curvature: true, ..Settings::training() })?;
    engine.load(weights)?;
    engine.forward(&images_of::<T>(network, batch)?)?;
    let classes = network.classes();
    batch.check_classes(classes)?;
    let (_, slope) = cross_entropy(engine.logits(), classes, batch.labels(), 0.0)?;
    engine.backward(&slope)?;
    along(&mut engine, &slope, &weighted(network), &direction)
}

/// Along a direction, and back.
fn along<T: Real>(
    engine: &mut Engine<T>,
    slope: &[T],
    weighted: &[usize],
    direction: &[Vec<T>],
) -> Result<Vec<f64>> {
    let of = |layer: usize| {
        let place = weighted.iter().position(|&at| at == layer);
        place.and_then(|place| direction.get(place)).map(Vec::as_slice)
    };
    let moved = engine.forward_along(of)?.to_vec();
    let turned = cross_entropy_along(engine.logits(), &moved, engine.network().classes());
    engine.backward_along(slope, &turned)?;
    let product = |&layer: &usize| engine.curvature(layer, of(layer).unwrap_or(&[]));
    Ok(weighted.iter().map(|layer| product(layer).unwrap_or_default()).collect())
}

/// Layers with a weight.
fn weighted(network: &Network) -> Vec<usize> {
    let layers = network.layers();
    (0..layers.len()).filter(|&at| has_weight(&layers[at].operator)).collect()
}

/// Of every weight; zeros where the loss does not depend on it.
fn gradients<T: Real>(engine: &Engine<T>, weights: &Weights, weighted: &[usize]) -> Vec<Vec<T>> {
    let gradient = |&at: &usize| {
        let name = format!("{}.weight", engine.network().layers()[at].name);
        engine.gradient(&name).map_or_else(
            || vec![T::zero(); weights.get(&name).map_or(0, |weight| weight.elem_count())],
            <[T]>::to_vec,
        )
    };
    weighted.iter().map(gradient).collect()
}

fn images_of<T: WithDType>(network: &Network, batch: &Batch) -> Result<Vec<T>> {
    let images = batch.images();
    match *images.dims() {
        [_, c, h, w] if [c, h, w] == network.input() => Ok(images.flatten_all()?.to_vec1()?),
        _ => {
            let (found, expected) = (images.dims().to_vec(), network.input());
            Err(cellnet::NetworkError::Input { found, expected }.into())
        }
    }
}
