//! Networks against PyTorch and the closed forms, training, bad input.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod engine;
mod every_space;

use candle_core::{DType, Device, Tensor};
use cellnet::{
    Builder, CellStyle, Mode, Network, NetworkError, Operator, Recipe, Trainer, Weights, forward,
    nas_bench_201,
};
use cpu_ops::{Conv2d, cross_entropy};
use images::Images;
use nas_core::{SearchSpace, Seed};
use proptest::prelude::*;
use serde_json::Value;
use spaces::{NasBench201, nas_bench_201::Skeleton};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn list(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn close(found: &Tensor, expected: &Tensor, bound: f64, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (list(found), list(expected));
    let largest = expected.iter().fold(1e-3_f64, |a, b| a.max(b.abs()));
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() <= bound * largest, "{what}: {a} instead of {b}");
    }
}

fn load(path: &Path) -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap().into_iter().collect()
}

/// The tensors whose names begin so, without that.
fn below(tensors: &BTreeMap<String, Tensor>, prefix: &str) -> BTreeMap<String, Tensor> {
    tensors.iter().filter_map(|(k, v)| Some((k.strip_prefix(prefix)?.to_owned(), v.clone()))).collect()
}

/// A network of PyTorch's fixtures.
struct Case {
    net: Network,
    weights: Weights,
    labels: Vec<u32>,
    held: BTreeMap<String, Tensor>,
}

fn fixtures() -> Vec<Case> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cellnet/networks"));
    let all = load(&folder.join("values.safetensors"));
    let settings: Value = serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let number = |key: &str| settings[key].as_u64().unwrap();
    let skeleton = Skeleton {
        channels: number("channels"),
        cells: number("cells"),
        classes: number("classes"),
        image: number("image"),
    };
    let case = |(at, case): (usize, &Value)| {
        let held = below(&all, &format!("{at}/"));
        let cell = NasBench201.parse(case["arch"].as_str().unwrap()).unwrap();
        let style = if case["style"] == "trained" { CellStyle::trained() } else { CellStyle::scored() };
        let net = nas_bench_201(&cell, &skeleton, 3, style).unwrap();
        let saved = std::fs::read(folder.join(format!("weights_{at}.safetensors"))).unwrap();
        let weights = Weights::from_safetensors(&net, &saved, DType::F64).unwrap();
        let labels: Vec<u32> =
            case["labels"].as_array().unwrap().iter().map(|l| l.as_u64().unwrap() as u32).collect();
        Case { net, weights, labels, held }
    };
    settings["cases"].as_array().unwrap().iter().enumerate().map(case).collect()
}

#[test]
fn networks_are_pytorchs() {
    for (at, Case { net, mut weights, labels, held }) in fixtures().into_iter().enumerate() {
        let outcome = forward(&net, &weights, &held["x"], Mode::Train, |_, x| Ok(x)).unwrap();
        close(&outcome.logits, &held["logits"], 1e-10, &format!("{at} logits"));
        let loss = cross_entropy(&outcome.logits, &labels, 0.0).unwrap();
        close(&loss, &held["loss"], 1e-10, &format!("{at} loss"));
        let grads = loss.backward().unwrap();
        for (name, expected) in below(&held, "grad/") {
            let var = weights.get(&name).unwrap();
            let found = grads.get(var.as_tensor()).cloned().unwrap_or_else(|| var.zeros_like().unwrap());
            close(&found, &expected, 1e-9, &format!("{at} {name}"));
        }
        weights.update(&outcome.measured);
        for (name, expected) in below(&held, "after/") {
            let (layer, what) = name.split_once(".running_").unwrap();
            let running = weights.running(layer).unwrap();
            let values = if what == "mean" { &running.mean } else { &running.variance };
            close(&Tensor::new(&values[..], &Device::Cpu).unwrap(), &expected, 1e-12, &name);
        }
        let evaluated = forward(&net, &weights, &held["x"], Mode::Evaluate, |_, x| Ok(x)).unwrap();
        close(&evaluated.logits, &held["evaluated"], 1e-10, &format!("{at} evaluated"));
        // what is saved is what was loaded
        let again = Weights::from_safetensors(&net, &weights.to_safetensors().unwrap(), DType::F64).unwrap();
        assert_eq!(again.to_safetensors().unwrap(), weights.to_safetensors().unwrap());
    }
}

/// The reference values beside the repository, where they are.
#[test]
fn the_reference_networks_where_they_are_present() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden"));
    let Ok(text) = std::fs::read(folder.join("proxies.json")) else {
        return println!("skipped: no ../shared/golden beside the repository");
    };
    let golden: Value = serde_json::from_slice(&text).unwrap();
    let batch = load(&folder.join("batch.safetensors"));
    let labels: Vec<u32> = batch["labels"].to_vec1::<i64>().unwrap().into_iter().map(|l| l as u32).collect();
    let skeleton = Skeleton { channels: 4, cells: 1, classes: 10, image: 16 };
    for case in golden["cells"].as_array().unwrap() {
        let cell = NasBench201.parse(case["arch_str"].as_str().unwrap()).unwrap();
        let net = nas_bench_201(&cell, &skeleton, 3, CellStyle::scored()).unwrap();
        assert_eq!(net.cost().parameters, case["params"].as_u64().unwrap(), "{cell}");
        let file = folder.join(format!("net_{:02}.safetensors", case["k"].as_u64().unwrap()));
        for (dtype, key, bound) in [(DType::F64, "float64", 1e-10), (DType::F32, "float32", 1e-5)] {
            let weights = Weights::from_safetensors(&net, &std::fs::read(&file).unwrap(), dtype).unwrap();
            let x = batch["input"].to_dtype(dtype).unwrap();
            let outcome = forward(&net, &weights, &x, Mode::Train, |_, x| Ok(x)).unwrap();
            let values = &case["values"][key];
            let rows = values["logits"].as_array().unwrap();
            let flat: Vec<f64> = rows
                .iter()
                .flat_map(|row| row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()))
                .collect();
            let expected = Tensor::from_vec(flat, (rows.len(), 10), &Device::Cpu).unwrap();
            close(&outcome.logits, &expected, bound, &format!("{cell} {key}"));
            let loss = list(&cross_entropy(&outcome.logits, &labels, 0.0).unwrap())[0];
            let expected = values["loss"].as_f64().unwrap();
            assert!((loss - expected).abs() < bound * expected, "{cell}: {loss}, expected {expected}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn counted_from_the_network_is_the_closed_form(
        index in 0_u64..15_625, channels in 1_u64..20, cells in 1_u64..4, classes in 1_u64..20, image in 1_u64..5,
    ) {
        let skeleton = Skeleton { channels, cells, classes, image: 4 * image };
        let cell = NasBench201.get(index as usize).unwrap();
        let net = nas_bench_201(&cell, &skeleton, 3, CellStyle::trained()).unwrap();
        let (counted, closed) = (net.cost(), skeleton.cost(&cell).unwrap());
        prop_assert_eq!(counted.parameters, closed.parameters);
        prop_assert_eq!(counted.multiply_adds, closed.multiply_adds);
    }
}

fn small(index: usize, channels: usize) -> Network {
    let skeleton = Skeleton { channels: 4, cells: 1, classes: 10, image: 8 };
    nas_bench_201(&NasBench201.get(index).unwrap(), &skeleton, channels, CellStyle::trained()).unwrap()
}

fn some_images(count: usize) -> Images {
    images::fashion_mnist().unwrap().0.take(count, Seed(1)).unwrap().resize(8, 8).unwrap()
}

fn recipe(epochs: usize) -> Recipe {
    Recipe { batch: 24, crop: 1, ..Recipe::nas_bench_201(epochs) }
}

#[test]
fn a_training_learns_and_a_checkpoint_goes_on_as_if_nothing_had_been() {
    let images = some_images(200);
    let run = |trainer: &mut Trainer| {
        let mut losses = Vec::new();
        while !trainer.is_finished() {
            losses.push(trainer.epoch(&images).unwrap().loss);
        }
        (losses, trainer.weights().to_safetensors().unwrap())
    };
    let fresh = || Trainer::new(small(1462, 1), recipe(6), images.statistics(), Seed(5)).unwrap();
    let (losses, weights) = run(&mut fresh());
    assert!(losses[5] < 0.8 * losses[0], "{losses:?}");
    let mut cut = fresh();
    cut.epoch(&images).unwrap();
    cut.epoch(&images).unwrap();
    let checkpoint = cut.checkpoint().unwrap();
    let mut resumed = fresh();
    resumed.resume(&checkpoint).unwrap();
    assert_eq!(resumed.done(), 2);
    let (rest, resumed) = run(&mut resumed);
    assert_eq!(rest, losses[2..]);
    assert!(resumed == weights, "the resumed training ended with other weights");
    // and neither does the number of threads
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| run(&mut fresh())).1 == weights, "{threads} threads");
    }
    assert!(matches!(fresh().resume(&checkpoint[..checkpoint.len() / 2]), Err(NetworkError::Checkpoint(_))));
    let mut other = Trainer::new(small(7, 1), recipe(6), images.statistics(), Seed(5)).unwrap();
    assert!(other.resume(&checkpoint).is_err());
}

#[test]
fn a_parameter_does_not_depend_on_the_rest() {
    let weights = |index| Weights::init(&small(index, 3), DType::F32, Seed(3)).unwrap();
    let (one, other) = (weights(1462), weights(7));
    assert_eq!(list(one.get("fc.weight").unwrap()), list(other.get("fc.weight").unwrap()));
    let bound = 1.0 / 16_f64.sqrt();
    let values = list(one.get("fc.weight").unwrap());
    assert!(values.iter().all(|v| v.abs() <= bound) && values.iter().any(|v| v.abs() > 0.8 * bound));
}

#[test]
fn bad_input_is_an_error_that_says_what() {
    let net = small(1462, 3);
    let weights = Weights::init(&net, DType::F32, Seed(0)).unwrap();
    let run = |shape: &[usize]| {
        let x = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        forward(&net, &weights, &x, Mode::Train, |_, x| Ok(x)).unwrap_err().to_string()
    };
    assert!(run(&[2, 1, 8, 8]).contains("[2, 1, 8, 8]"));
    assert!(run(&[0, 3, 8, 8]).contains("N above 0"));
    let saved = weights.to_safetensors().unwrap();
    let other = Weights::from_safetensors(&small(0, 3), &saved, DType::F32).unwrap_err().to_string();
    assert!(other.contains("cells1.0.edge"), "{other}");
    assert!(Weights::from_safetensors(&net, &saved[..100], DType::F32).is_err());
    assert!(matches!(Weights::init(&net, DType::U8, Seed(0)), Err(NetworkError::Type(DType::U8))));
    let images = some_images(20);
    let train = |recipe| Trainer::new(small(1462, 1), recipe, images.statistics(), Seed(0));
    assert!(train(Recipe { batch: 0, ..recipe(1) }).is_err());
    assert!(train(Recipe { label_smoothing: 2.0, ..recipe(1) }).is_err());
    assert!(train(Recipe { rate: f64::NAN, ..recipe(1) }).is_err());
    let wrong = images.resize(4, 4).unwrap();
    assert!(matches!(train(recipe(1)).unwrap().epoch(&wrong), Err(NetworkError::Input { .. })));
    let far = train(Recipe { rate: 1e30, ..recipe(3) })
        .map(|mut t| (0..3).try_for_each(|_| t.epoch(&images).map(drop)));
    assert!(matches!(far.unwrap(), Err(NetworkError::Diverged { .. })));
}

#[test]
fn a_layer_that_does_not_fit_is_not_built() {
    let mut net = Builder::new([3, 8, 8]);
    let conv = |channels, kernel, groups| Operator::Convolution {
        channels,
        kernel,
        settings: Conv2d { groups, ..Conv2d::default() },
        bias: false,
    };
    let says = |error: NetworkError, words: &str| assert!(error.to_string().contains(words), "{error}");
    says(net.add("a", conv(4, (9, 1), 1), &[0]).unwrap_err(), "does not fit 8 x 8");
    says(net.add("a", conv(4, (1, 1), 2), &[0]).unwrap_err(), "2 groups");
    says(net.add("", conv(4, (1, 1), 1), &[0]).unwrap_err(), "name");
    says(net.add("a", conv(4, (1, 1), 1), &[5]).unwrap_err(), "1 layers");
    let a = net.add("a", conv(4, (1, 1), 1), &[0]).unwrap();
    says(net.add("a", conv(4, (1, 1), 1), &[0]).unwrap_err(), "name of its own");
    says(net.add("", Operator::Sum, &[0, a]).unwrap_err(), "cannot add");
    says(net.add("fc", Operator::Linear { outputs: 2 }, &[a]).unwrap_err(), "global mean");
    says(net.finish().unwrap_err(), "last layer");
}
