//! The engine against the operators.

use crate::{Case, below, fixtures, list};
use candle_core::{DType, Device, Tensor, Var, WithDType};
use cellnet::{
    Builder, CellStyle, Engine, Mode, Network, NetworkError, Operator, Settings, Weights, cross_entropy,
    cross_entropy_along, forward, nas_bench_201,
};
use cpu_ops::blocked::Real;
use cpu_ops::{Conv2d, InstructionSet, Padding, Pool2d};
use nas_core::Seed;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use spaces::{NasBench201, nas_bench_201::Skeleton};

/// Numbers without a pattern.
pub(crate) fn numbers(shape: &[usize], stream: u64) -> Tensor {
    let count = shape.iter().product::<usize>() as u64;
    let mix = |i: u64| {
        let x = (i + 1 + stream * 7919).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
    };
    Tensor::from_iter((0..count).map(mix), &Device::Cpu).unwrap().reshape(shape).unwrap()
}

fn singles(shape: &[usize]) -> Vec<f32> {
    numbers(shape, 1).to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Weights with batch norms that are not at their start.
fn weights(net: &Network, dtype: DType) -> Weights {
    let start = Weights::init(net, dtype, Seed(3)).unwrap();
    for (i, (name, var)) in start.parameters().enumerate() {
        if name.contains("bn") || name.contains("norm") {
            let noise = (numbers(var.dims(), i as u64) * 0.3).unwrap().to_dtype(dtype).unwrap();
            var.set(&(var.as_tensor() + noise).unwrap()).unwrap();
        }
    }
    start
}

/// Whether numbers are those expected, relative to the largest of them and at least to `least`.
fn same(found: &[f64], expected: &[f64], (bound, least): (f64, f64), what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(least, |a, b| a.max(b.abs()));
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= bound * largest, "{what}, {at}: {a} instead of {b} (largest {largest})");
    }
}

/// [`same`] in f64; in f32 as a whole, since a rectifier within rounding of its kink may be on in one way and off in
/// the other.
fn same_gradient<T: WithDType>(found: &[f64], expected: &[f64], (bound, least): (f64, f64), what: &str) {
    if T::DTYPE == DType::F64 {
        return same(found, expected, (bound, least), what);
    }
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let apart: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let (apart, size) = (norm(&apart), norm(expected).max(least));
    assert!(found.len() == expected.len() && apart <= 0.05 * size, "{what}: {apart} apart, of {size}");
}

fn as_f64<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|v| v.to_f64()).collect()
}

/// Everything that the engine gives, against the operators.
fn check<T: Real + WithDType>(net: &Network, batch: usize, mode: Mode, bound: f64) {
    let [c, h, w] = net.input();
    let mut weights = weights(net, T::DTYPE);
    let x = numbers(&[batch, c, h, w], 1).to_dtype(T::DTYPE).unwrap();
    let targets: Vec<u32> = (0..batch).map(|i| (i * 7 % net.classes()) as u32).collect();
    if mode == Mode::Evaluate {
        // statistics that are not those of the start
        let outcome = forward(net, &weights, &x, Mode::Train, |_, x| Ok(x)).unwrap();
        (0..5).for_each(|_| weights.update(&outcome.measured));
    }
    let var = Var::from_tensor(&x).unwrap();
    let outcome = forward(net, &weights, var.as_tensor(), mode, |_, x| Ok(x)).unwrap();
    let loss = cpu_ops::cross_entropy(&outcome.logits, &targets, 0.1).unwrap();
    let grads = loss.backward().unwrap();
    let values = x.flatten_all().unwrap().to_vec1::<T>().unwrap();

    let settings = Settings { mode, gradients: true, input_gradient: true, ..Settings::training() };
    let mut engine = Engine::<T>::new(net, settings).unwrap();
    engine.load(&weights).unwrap();
    for _ in 0..2 {
        let logits = engine.forward(&values).unwrap();
        same(&as_f64(logits), &list(&outcome.logits), (bound, 0.1), "logits");
    }
    let (found, grad) = cross_entropy(engine.logits(), net.classes(), &targets, 0.1).unwrap();
    same(&[found], &list(&loss), (bound, 0.0), "loss");
    let measured = engine.measured();
    assert_eq!(measured.len(), outcome.measured.len());
    for (name, expected) in &outcome.measured {
        let found = &measured.iter().find(|(n, _)| n == name).unwrap().1;
        same(&found.mean, &expected.mean, (bound, 1.0), name);
        same(&found.variance, &expected.variance, (bound, 1.0), name);
        assert_eq!(found.count, expected.count);
    }
    // backward twice: with another gradient in between
    engine.backward(&grad).unwrap();
    let ones = vec![T::one(); grad.len()];
    engine.backward_to_input(&ones).unwrap();
    let sum = outcome.logits.sum_all().unwrap().backward().unwrap();
    let largest = |t: &Tensor| list(t).iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    if let Some(expected) = sum.get(var.as_tensor()) {
        let found = as_f64(&engine.input_gradient().unwrap().unwrap());
        same_gradient::<T>(
            &found,
            &list(expected),
            (bound * 30.0, 1e-2),
            "gradient of the sum by the images",
        );
    }
    engine.backward(&ones).unwrap();
    engine.backward(&grad).unwrap();
    if let Some(expected) = grads.get(var.as_tensor()) {
        let found = as_f64(&engine.input_gradient().unwrap().unwrap());
        same_gradient::<T>(&found, &list(expected), (bound * 30.0, 1e-2), "gradient by the images");
    }
    let all = weights.parameters().filter_map(|(_, var)| grads.get(var.as_tensor())).map(largest);
    let all = all.fold(0.0_f64, f64::max);
    // in f32 a bias before a norm, whose gradient is 0, has what cancellation leaves
    let least = if T::DTYPE == DType::F64 { 1e-2 * all } else { all };
    for (name, var) in weights.parameters() {
        let found = engine.gradient(name).map(as_f64);
        match (found, grads.get(var.as_tensor())) {
            (Some(found), Some(expected)) => {
                same_gradient::<T>(
                    &found,
                    &list(expected),
                    (bound * 30.0, least),
                    &format!("gradient {name}"),
                );
            }
            (None, Some(expected)) => assert!(largest(expected) == 0.0, "{name} has no gradient"),
            (Some(found), None) => assert!(found.iter().all(|v| *v == 0.0), "{name} has a gradient"),
            (None, None) => {}
        }
    }
    // and without any gradients, where memory is shared and norms are folded
    let mut engine = Engine::<T>::new(net, Settings { mode, ..Settings::inference() }).unwrap();
    engine.load(&weights).unwrap();
    for _ in 0..2 {
        let logits = engine.forward(&values).unwrap();
        same(&as_f64(logits), &list(&outcome.logits), (bound, 0.1), "logits of the inference");
    }
    assert!(engine.backward(&grad).is_err());
}

/// In f32 only where every batch norm sees some values: of two or three, the gradient is what cancellation leaves.
pub(crate) fn every_way(net: &Network, batch: usize) {
    let norms = net.layers().iter().filter(|layer| matches!(layer.operator, Operator::BatchNorm { .. }));
    let fewest = norms.map(|layer| batch * layer.shape[1] * layer.shape[2]).min();
    for mode in [Mode::Train, Mode::Evaluate] {
        check::<f64>(net, batch, mode, 1e-9);
        if fewest.is_none_or(|values| values >= 8) {
            check::<f32>(net, batch, mode, 2e-4);
        }
    }
}

/// The same cases in every run: where a rectifier is within rounding of its kink, two ways in f32 may differ.
fn cases() -> ProptestConfig {
    ProptestConfig { cases: 24, rng_seed: RngSeed::Fixed(4), ..ProptestConfig::default() }
}

fn cell(index: usize, style: CellStyle, channels: u64, cells: u64, image: u64) -> Network {
    let skeleton = Skeleton { channels, cells, classes: 5, image };
    nas_bench_201(&NasBench201.get(index).unwrap(), &skeleton, 3, style).unwrap()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn cells_are_the_operators(
        index in 0_usize..15_625, scored: bool, channels in 1_u64..20, cells in 1_u64..3, batch in 2_usize..5,
        image in 1_u64..4,
    ) {
        let style = if scored { CellStyle::scored() } else { CellStyle::trained() };
        every_way(&cell(index, style, channels, cells, 4 * image), batch);
    }

    #[test]
    fn networks_of_anything_are_the_operators(
        size in (1_usize..9, 1_usize..9), channels in 1_usize..20,
        choices in prop::collection::vec((0_usize..20, 0_usize..50, 0_usize..50), 1..12), batch in 2_usize..4,
    ) {
        every_way(&anything(size, channels, &choices), batch);
    }
}

/// A network whose layers are chosen at random among those that fit.
fn anything(size: (usize, usize), channels: usize, choices: &[(usize, usize, usize)]) -> Network {
    let mut net = Builder::new([channels, size.0, size.1]);
    let mut layers = vec![net.input()];
    for (number, &(operator, a, b)) in choices.iter().enumerate() {
        let (x, y) = (layers[a % layers.len()], layers[b % layers.len()]);
        let [channels, h, w] = net.shape(x).unwrap();
        let conv = |channels, kernel: (usize, usize), settings, bias| Operator::Convolution {
            channels,
            kernel,
            settings,
            bias,
        };
        let name = format!("layer{number}.{}", if operator < 6 { "conv" } else { "bn" });
        let operator = match operator {
            0 => conv(1 + b, (3.min(h), 3.min(w)), Conv2d::new(1, 1), a % 2 == 0),
            1 => conv(1 + b, (1, 1), Conv2d::default(), b % 2 == 0),
            2 => conv(16 + b % 17, (3, 3), Conv2d::new(2, 1), false),
            3 => {
                let settings = Conv2d { dilation: (2, 1), padding: (2, 1), ..Conv2d::default() };
                conv(1 + b % 20, (3, 3), settings, true)
            }
            4 => conv(channels, (3, 3), Conv2d { groups: channels, ..Conv2d::new(1, 1) }, b % 2 == 0),
            5 => {
                let groups = if channels.is_multiple_of(2) { 2 } else { 1 };
                conv(2 * (1 + b % 9), (1, 2.min(w)), Conv2d { groups, ..Conv2d::default() }, true)
            }
            6 => Operator::BatchNorm { affine: true, tracked: true },
            7 => Operator::BatchNorm { affine: a % 2 == 0, tracked: b % 2 == 0 },
            8 => Operator::Relu,
            9 => Operator::AveragePool {
                window: Pool2d::new(3, 1 + b % 2, 1),
                padding: if b % 3 == 0 { Padding::Counted } else { Padding::Excluded },
            },
            10 => Operator::MaxPool { window: Pool2d::new(3, 1 + b % 2, 1) },
            11 => Operator::Zero,
            12 => Operator::Concatenate,
            13 => Operator::Relu6,
            14 => Operator::Truncate { channels: 1 + b % channels },
            15 => Operator::Shuffle { groups: if channels.is_multiple_of(3) { 3 } else { channels } },
            16 => Operator::Crop { rows: b % 2, columns: a % 3 },
            17 => Operator::GlobalMean,
            18 => Operator::Linear { outputs: 1 + b % 20 },
            _ => Operator::Sum,
        };
        let inputs = match operator {
            Operator::Sum | Operator::Concatenate if net.shape(x) == net.shape(y) => vec![x, y],
            Operator::Sum | Operator::Concatenate => vec![x, x, x],
            _ => vec![x],
        };
        if let Ok(layer) = net.add(&name, operator, &inputs) {
            layers.push(layer);
        }
    }
    let last = *layers.last().unwrap();
    // what has one pixel needs no mean
    let flat = net.shape(last).is_some_and(|[_, h, w]| h * w == 1) && channels.is_multiple_of(2);
    let mean = if flat { last } else { net.add("", Operator::GlobalMean, &[last]).unwrap() };
    net.add("fc", Operator::Linear { outputs: 3 }, &[mean]).unwrap();
    net.finish().unwrap()
}

/// Layers with a weight, and a direction for each.
fn directions(net: &Network, weights: &Weights) -> Vec<(usize, Vec<f64>)> {
    let layers = net.layers().iter().enumerate();
    let weighted = layers.filter(|(_, layer)| {
        matches!(layer.operator, Operator::Convolution { .. } | Operator::Linear { .. })
    });
    weighted
        .map(|(at, layer)| {
            let weight = weights.get(&format!("{}.weight", layer.name)).unwrap();
            (at, list(&numbers(weight.dims(), 100 + at as u64)))
        })
        .collect()
}

/// The logits, and `sum(weight * gradient)` of every layer with the weight as it was, when weights move by so much.
fn moved(net: &Network, x: &[f64], mode: Mode, directions: &[(usize, Vec<f64>)], step: f64) -> Vec<Vec<f64>> {
    let (start, weights) = (weights(net, DType::F64), weights(net, DType::F64));
    let var =
        |held: &Weights, at: usize| held.get(&format!("{}.weight", net.layers()[at].name)).unwrap().clone();
    for (at, direction) in directions {
        let var = var(&weights, *at);
        let change = Tensor::from_vec(direction.clone(), var.dims(), &Device::Cpu).unwrap();
        var.set(&(var.as_tensor() + (change * step).unwrap()).unwrap()).unwrap();
    }
    let mut engine = Engine::<f64>::new(net, Settings { mode, ..Settings::training() }).unwrap();
    engine.load(&weights).unwrap();
    let logits = engine.forward(x).unwrap().to_vec();
    let targets: Vec<u32> = (0..logits.len() / 3).map(|i| (i % 3) as u32).collect();
    let (_, grad) = cross_entropy(&logits, 3, &targets, 0.0).unwrap();
    engine.backward(&grad).unwrap();
    let product = |(at, _): &(usize, Vec<f64>)| {
        let gradient = engine.gradient(&format!("{}.weight", net.layers()[*at].name));
        let weight = list(var(&start, *at).as_tensor());
        gradient.map_or(0.0, |gradient| gradient.iter().zip(&weight).map(|(g, w)| g * w).sum())
    };
    vec![logits, directions.iter().map(product).collect()]
}

/// How a network moves along a direction, against differences of networks that did; on either side, since a rectifier
/// or a maximum may switch on one.
pub(crate) fn check_along(net: &Network, mode: Mode) {
    let batch = 4;
    let [c, h, w] = net.input();
    let x = list(&numbers(&[batch, c, h, w], 1));
    let directions = directions(net, &weights(net, DType::F64));
    let mut engine =
        Engine::<f64>::new(net, Settings { mode, curvature: true, ..Settings::training() }).unwrap();
    engine.load(&weights(net, DType::F64)).unwrap();
    let targets: Vec<u32> = (0..batch).map(|i| (i % 3) as u32).collect();
    let logits = engine.forward(&x).unwrap().to_vec();
    let (_, grad) = cross_entropy(&logits, 3, &targets, 0.0).unwrap();
    engine.backward(&grad).unwrap();
    let of = |layer: usize| directions.iter().find(|(at, _)| *at == layer).map(|(_, d)| d.as_slice());
    let mut found = Vec::new();
    // twice, since memory is used again
    for _ in 0..2 {
        let along = engine.forward_along(of).unwrap().to_vec();
        let turned = cross_entropy_along(&logits, &along, 3);
        engine.backward_along(&grad, &turned).unwrap();
        let products =
            directions.iter().map(|(at, direction)| engine.curvature(*at, direction).unwrap()).collect();
        found = vec![along, products];
    }
    let sides =
        [1e-6, -1e-6].map(|h| (h, [0.0, h, 2.0 * h].map(|step| moved(net, &x, mode, &directions, step))));
    for (part, found) in found.iter().enumerate() {
        for (i, found) in found.iter().enumerate() {
            let errors = sides.each_ref().map(|(h, rows)| {
                let [a, b, c] = [0, 1, 2].map(|k| rows[k][part][i]);
                let slope = (4.0 * b - 3.0 * a - c) / (2.0 * h);
                (found - slope).abs() / slope.abs().max(1.0)
            });
            assert!(errors[0].min(errors[1]) < 1e-4, "{net:?} part {part}, {i}: {found}, off by {errors:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::default() })]

    #[test]
    fn any_network_moves_along_a_direction_as_differences_say(
        size in (1_usize..9, 1_usize..9), channels in 1_usize..20,
        choices in prop::collection::vec((0_usize..18, 0_usize..50, 0_usize..50), 1..12),
    ) {
        let net = anything(size, channels, &choices);
        check_along(&net, Mode::Train);
        check_along(&net, Mode::Evaluate);
    }
}

#[test]
fn a_direction_wants_settings_a_batch_and_an_order() {
    let net = cell(1462, CellStyle::scored(), 6, 1, 8);
    let mut plain = Engine::<f64>::new(&net, Settings::training()).unwrap();
    plain.load(&weights(&net, DType::F64)).unwrap();
    plain.forward(&list(&numbers(&[2, 3, 8, 8], 1))).unwrap();
    let error = plain.forward_along(|_| None).unwrap_err().to_string();
    assert!(error.contains("settings with curvature"), "{error}");
    let mut engine = Engine::<f64>::new(&net, Settings { curvature: true, ..Settings::training() }).unwrap();
    engine.load(&weights(&net, DType::F64)).unwrap();
    engine.forward(&list(&numbers(&[2, 3, 8, 8], 1))).unwrap();
    let zeros = vec![0.0; 10];
    engine.backward(&zeros).unwrap();
    let error = engine.backward_along(&zeros, &zeros).unwrap_err().to_string();
    assert!(error.contains("behind backward and forward_along"), "{error}");
    assert!(engine.forward_along(|_| Some(&[1.0])).is_err());
    // a new batch has not been turned
    engine.forward_along(|_| None).unwrap();
    engine.forward(&list(&numbers(&[2, 3, 8, 8], 2))).unwrap();
    let error = engine.backward_along(&zeros, &zeros).unwrap_err().to_string();
    assert!(error.contains("behind backward and forward_along"), "{error}");
    // nothing moves where nothing is asked to
    assert!(engine.forward_along(|_| None).unwrap().iter().all(|v| *v == 0.0));
}

#[test]
fn the_engine_is_pytorchs_too() {
    for Case { net, mut weights, labels, held } in fixtures() {
        let x = list(&held["x"]);
        let mut engine = Engine::<f64>::new(&net, Settings::training()).unwrap();
        engine.load(&weights).unwrap();
        let logits = engine.forward(&x).unwrap();
        same(logits, &list(&held["logits"]), (1e-10, 1e-3), "logits");
        let (loss, grad) = cross_entropy(logits, net.classes(), &labels, 0.0).unwrap();
        same(&[loss], &list(&held["loss"]), (1e-10, 0.0), "loss");
        engine.backward(&grad).unwrap();
        for (name, expected) in below(&held, "grad/") {
            let zeros = vec![0.0; expected.elem_count()];
            same(engine.gradient(&name).unwrap_or(&zeros), &list(&expected), (1e-9, 1e-3), &name);
        }
        weights.update(&engine.measured());
        for (name, expected) in below(&held, "after/") {
            let (layer, what) = name.split_once(".running_").unwrap();
            let running = weights.running(layer).unwrap();
            let values = if what == "mean" { &running.mean } else { &running.variance };
            same(values, &list(&expected), (1e-12, 1e-3), &name);
        }
        let mut engine = Engine::<f64>::new(&net, Settings::inference()).unwrap();
        engine.load(&weights).unwrap();
        same(engine.forward(&x).unwrap(), &list(&held["evaluated"]), (1e-10, 1e-3), "evaluated");
    }
}

#[test]
fn what_is_watched_is_what_the_operators_give() {
    let net = cell(1462, CellStyle::scored(), 6, 1, 8);
    let weights = weights(&net, DType::F64);
    let x = numbers(&[3, 3, 8, 8], 1);
    let layers: Vec<usize> = (0..net.layers().len()).collect();
    let mut expected = Vec::new();
    forward(&net, &weights, &x, Mode::Train, |_, x| {
        expected.push(list(&x));
        Ok(x)
    })
    .unwrap();
    for settings in [Settings { mode: Mode::Train, ..Settings::inference() }, Settings::training()] {
        let settings = Settings { watched: layers.clone(), ..settings };
        let mut engine = Engine::<f64>::new(&net, settings).unwrap();
        engine.load(&weights).unwrap();
        let mut seen = 0;
        engine
            .forward_seen(&list(&x), |layer, held| {
                seen += 1;
                assert_eq!(held.shape(), net.layers()[layer].shape);
                same(&held.planes().unwrap(), &expected[layer], (1e-10, 1e-3), &format!("layer {layer}"));
            })
            .unwrap();
        assert_eq!(seen, layers.len());
    }
}

#[test]
fn products_are_activation_times_gradient() {
    let net = cell(1462, CellStyle::scored(), 6, 1, 8);
    let weights = weights(&net, DType::F64);
    let x = numbers(&[3, 3, 8, 8], 1);
    let targets = [0, 3, 2];
    let mut taps = Vec::new();
    let outcome = forward(&net, &weights, &x, Mode::Train, |at, x| {
        if matches!(net.layers()[at].operator, Operator::Convolution { .. } | Operator::Linear { .. }) {
            // a summand of zeros that has a gradient of its own
            let zeros = Var::zeros(x.dims(), DType::F64, &Device::Cpu)?;
            taps.push((at, x.detach(), zeros.clone()));
            return x + zeros.as_tensor();
        }
        Ok(x)
    })
    .unwrap();
    let grads = cpu_ops::cross_entropy(&outcome.logits, &targets, 0.0).unwrap().backward().unwrap();
    let settings = Settings { products: true, gradients: false, ..Settings::training() };
    let mut engine = Engine::<f64>::new(&net, settings).unwrap();
    engine.load(&weights).unwrap();
    engine.forward(&list(&x)).unwrap();
    let (_, grad) = cross_entropy(engine.logits(), net.classes(), &targets, 0.0).unwrap();
    engine.backward(&grad).unwrap();
    for (layer, a, zeros) in taps {
        let Some(grad) = grads.get(zeros.as_tensor()) else { continue };
        let product = (a * grad).unwrap().flatten_from(2.min(zeros.rank() - 1)).unwrap();
        let expected = if zeros.rank() == 4 { product.sum(2).unwrap() } else { product };
        let Some(found) = engine.products(layer) else {
            assert!(list(&expected).iter().all(|v| *v == 0.0), "layer {layer} has no products");
            continue;
        };
        same(&found, &list(&expected), (1e-8, 1e-6), &format!("layer {layer}"));
    }
}

/// Vectors of any width give the checksums of AVX2, as long as multiplications and additions are fused.
#[test]
fn threads_and_vectors_change_no_bit() {
    for (channels, expected) in [(8, 0x6afa_9912), (20, 0xb912_6b3a)] {
        let net = cell(1462, CellStyle::trained(), channels, 1, 12);
        let weights = weights(&net, DType::F32);
        let x = singles(&[11, 3, 12, 12]);
        let run = || {
            let settings = Settings { input_gradient: true, ..Settings::training() };
            let mut engine = Engine::<f32>::new(&net, settings).unwrap();
            engine.load(&weights).unwrap();
            engine.forward(&x).unwrap();
            let (_, grad) = cross_entropy(engine.logits(), 5, &[1; 11], 0.0).unwrap();
            engine.backward(&grad).unwrap();
            let mut sum = flate2::Crc::new();
            let gradients = weights.parameters().map(|(name, _)| engine.gradient(name).unwrap_or_default());
            for values in
                [&engine.input_gradient().unwrap().unwrap(), engine.logits()].into_iter().chain(gradients)
            {
                values.iter().for_each(|value| sum.update(&value.to_le_bytes()));
            }
            sum.sum()
        };
        // chosen for the thread that calls the engine, which is one of the pool
        let with = |threads, set: InstructionSet| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| set.run(run))
        };
        for set in InstructionSet::available() {
            let one = with(1, set);
            assert!(
                set == InstructionSet::Portable || one == expected,
                "{channels} channels, {set:?}: {one:#x}"
            );
            for threads in [2, 3] {
                assert_eq!(with(threads, set), one, "{threads} threads, {set:?}");
            }
        }
    }
}

/// What is asked for out of order is not there, instead of being that of another batch.
#[test]
fn gradients_and_statistics_are_of_the_last_batch() {
    let net = cell(1462, CellStyle::trained(), 6, 1, 8);
    let settings = Settings { curvature: true, products: true, ..Settings::training() };
    let mut engine = Engine::<f64>::new(&net, settings).unwrap();
    engine.load(&weights(&net, DType::F64)).unwrap();
    assert!(engine.measured().is_empty());
    engine.forward(&list(&numbers(&[2, 3, 8, 8], 1))).unwrap();
    assert!(!engine.measured().is_empty() && engine.gradient("fc.weight").is_none());
    let grad: Vec<f64> = (0..10).map(f64::from).collect();
    engine.backward(&grad).unwrap();
    let stem = 1;
    assert!(engine.gradient("fc.weight").is_some() && engine.products(stem).is_some());
    assert!(engine.curvature(stem, &[]).is_none());
    // what convolutions note is of the last way back
    engine.backward_to_input(&grad).unwrap();
    assert!(engine.gradient("fc.weight").is_some() && engine.products(stem).is_none());
    engine.forward_along(|_| None).unwrap();
    engine.backward_along(&grad, &grad).unwrap();
    assert!(engine.gradient("fc.weight").is_some() && engine.products(stem).is_none());
    engine.forward(&list(&numbers(&[3, 3, 8, 8], 2))).unwrap();
    assert!(engine.gradient("fc.weight").is_none() && engine.products(stem).is_none());
    // nor of other weights
    let grad = [&grad[..], &[0.0; 5]].concat();
    engine.backward(&grad).unwrap();
    engine.forward_along(|_| None).unwrap();
    engine.load(&weights(&net, DType::F64)).unwrap();
    assert!(engine.gradient("fc.weight").is_none() && engine.products(stem).is_none());
    assert!(engine.backward_along(&grad, &grad).is_err());
}

/// A weight that is no number shows in the logits, as in PyTorch, and is not hidden by a rectifier behind it.
#[test]
fn a_nan_reaches_the_logits() {
    let net = cell(1462, CellStyle::trained(), 6, 1, 8);
    let weights = weights(&net, DType::F32);
    let bias = weights.get("stem_bn.bias").unwrap();
    bias.set(&(bias.as_tensor() * f64::NAN).unwrap()).unwrap();
    let x = singles(&[2, 3, 8, 8]);
    for set in InstructionSet::available() {
        let logits = set.run(|| {
            let mut engine = Engine::<f32>::new(&net, Settings::training()).unwrap();
            engine.load(&weights).unwrap();
            engine.forward(&x).unwrap().to_vec()
        });
        assert!(logits.iter().all(|logit| logit.is_nan()), "{set:?}: {logits:?}");
    }
}

#[test]
fn bad_input_is_an_error() {
    let net = cell(1462, CellStyle::trained(), 4, 1, 8);
    let mut engine = Engine::<f32>::new(&net, Settings::training()).unwrap();
    assert!(matches!(engine.forward(&[0.0; 192]), Err(NetworkError::Weights { .. })));
    assert!(matches!(engine.load(&weights(&net, DType::F64)), Err(NetworkError::Type(DType::F64))));
    assert!(matches!(
        engine.load(&weights(&cell(0, CellStyle::trained(), 4, 1, 8), DType::F32)),
        Err(NetworkError::Weights { .. })
    ));
    assert!(engine.load(&weights(&cell(1462, CellStyle::trained(), 5, 1, 8), DType::F32)).is_err());
    engine.load(&weights(&net, DType::F32)).unwrap();
    assert!(engine.backward(&[0.0; 5]).is_err());
    assert!(matches!(engine.forward(&[0.0; 191]), Err(NetworkError::Input { .. })));
    assert!(matches!(engine.forward(&[]), Err(NetworkError::Input { .. })));
    engine.forward(&[0.0; 192]).unwrap();
    assert!(engine.backward(&[0.0; 4]).is_err());
    assert!(Engine::<f32>::new(&net, Settings { watched: vec![1000], ..Settings::training() }).is_err());
    assert!(cross_entropy(&[0f32; 4], 2, &[0], 0.0).is_err());
    assert!(cross_entropy(&[0f32; 2], 2, &[2], 0.0).is_err());
    assert!(cross_entropy(&[0f32; 2], 2, &[0], f64::NAN).is_err());
}
