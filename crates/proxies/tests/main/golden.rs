//! Against PyTorch.

use crate::{everything, fixtures, json};
use candle_core::{DType, Device, Tensor};
use cellnet::CellStyle;
use nas_core::{SearchSpace, Seed};
use proxies::{Batch, CellModel, Score, Seen, observe};
use serde_json::Value;
use spaces::{NasBench201, nas_bench_201::Skeleton};
use std::path::PathBuf;

fn close(found: f64, expected: f64, scale: f64, bound: f64, what: &str) {
    let distance = (found - expected).abs();
    assert!(distance <= bound * scale.abs().max(1e-12), "{what}: {found} instead of {expected}");
}

/// `scale` is how large the terms are that a score adds up: a sum of both signs cannot be more exact than they are.
pub(crate) fn check(
    score: &Score,
    scale: &Score,
    total: Option<f64>,
    layers: Option<&Value>,
    bound: f64,
    what: &str,
) {
    if let Some(total) = total {
        close(score.value, total, total.abs().max(scale.value), bound, what);
    } else {
        assert!(!score.value.is_finite(), "{what}: {score:?}");
    }
    for (name, expected) in layers.and_then(Value::as_object).into_iter().flatten() {
        let expected = expected.as_f64().unwrap();
        let of =
            |score: &Score| score.layers.iter().find(|(layer, _)| layer == name).map_or(0.0, |(_, v)| *v);
        close(of(score), expected, expected.abs().max(of(scale)), bound, &format!("{what}, {name}"));
    }
}

/// How large the terms are that a score adds up by layer, as far as it is known: of `plain` its absolute terms, of
/// `grasp` the largest layer, of the others, where next to nothing may be left of a layer, a little of the largest.
pub(crate) fn size_of(name: &str, seen: &Seen) -> Score {
    let score = |name: &str| proxies::by_name(name).unwrap().score(seen).unwrap();
    let part = match name {
        "plain" => return score("snip"),
        "grasp" => 1.0,
        _ => 1e-4,
    };
    let layers = score(name).layers;
    let largest = part * layers.iter().fold(0.0_f64, |a, (_, b)| a.max(b.abs()));
    let value = if name == "grasp" { largest } else { 0.0 };
    Score { value, log: None, layers: layers.into_iter().map(|(layer, _)| (layer, largest)).collect() }
}

#[test]
fn scores_are_pytorchs() {
    let folder = fixtures();
    let settings = json(folder.join("cases.json")).unwrap();
    let values = candle_core::safetensors::load(folder.join("values.safetensors"), &Device::Cpu).unwrap();
    let number = |key: &str| settings[key].as_u64().unwrap();
    let skeleton = Skeleton {
        channels: number("channels"),
        cells: number("cells"),
        classes: number("classes"),
        image: number("image"),
    };
    for (at, case) in settings["cases"].as_array().unwrap().iter().enumerate() {
        let cell = NasBench201.parse(case["arch"].as_str().unwrap()).unwrap();
        let model =
            CellModel::nas_bench_201(&cell, &skeleton, 3, CellStyle::scored(), DType::F64, Seed(0)).unwrap();
        let model =
            model.load(&std::fs::read(folder.join(format!("weights_{at}.safetensors"))).unwrap()).unwrap();
        let labels = case["labels"].as_array().unwrap().iter().map(|l| l.as_u64().unwrap() as u32).collect();
        let batch = Batch::new(values[&format!("{at}/x")].clone(), labels).unwrap();
        let seen = observe(&model, &batch, &everything(), Seed(0), &mut |_| {}).unwrap();
        for name in [
            "grad_norm",
            "snip",
            "plain",
            "l2_norm",
            "grasp",
            "fisher",
            "synflow",
            "synflow_clean",
            "synflow_bn",
            "zico",
            "jacob_cov",
            "jacov",
            "epe_nas",
            "nwot",
            "swap",
        ] {
            let score = proxies::by_name(name).unwrap().score(&seen).unwrap();
            let key = if name == "jacov" { "jacob_cov" } else { name };
            let layers = case["layers"].get(key);
            let total = case["totals"].get(key).and_then(Value::as_f64);
            check(&score, &size_of(name, &seen), total, layers, 1e-9, &format!("{cell} {name}"));
        }
    }
}

/// The reference values beside the repository, where they are.
#[test]
fn the_reference_scores_where_they_are_present() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden"));
    let Some(golden) = json(folder.join("proxies.json")) else {
        return println!("skipped: no ../shared/golden beside the repository");
    };
    let held = candle_core::safetensors::load(folder.join("batch.safetensors"), &Device::Cpu).unwrap();
    let labels: Vec<u32> = held["labels"].to_vec1::<i64>().unwrap().into_iter().map(|l| l as u32).collect();
    let skeleton = Skeleton { channels: 4, cells: 1, classes: 10, image: 16 };
    for case in golden["cells"].as_array().unwrap() {
        let cell = NasBench201.parse(case["arch_str"].as_str().unwrap()).unwrap();
        let file = folder.join(format!("net_{:02}.safetensors", case["k"].as_u64().unwrap()));
        let weights = std::fs::read(&file).unwrap();
        for (dtype, key) in [(DType::F64, "float64"), (DType::F32, "float32")] {
            let model =
                CellModel::nas_bench_201(&cell, &skeleton, 3, CellStyle::scored(), dtype, Seed(0)).unwrap();
            let model = model.load(&weights).unwrap();
            let images: Tensor = held["input"].to_dtype(dtype).unwrap();
            let batch = Batch::new(images, labels.clone()).unwrap();
            let seen = observe(&model, &batch, &everything(), Seed(0), &mut |_| {}).unwrap();
            let score = |name: &str| proxies::by_name(name).unwrap().score(&seen).unwrap();
            let f64s = dtype == DType::F64;
            for name in ["grad_norm", "snip", "plain", "l2_norm", "grasp", "fisher"] {
                let bound = match name {
                    "fisher" if f64s => 1e-6,
                    _ if f64s => 1e-9,
                    "grasp" => 1e-3,
                    _ => 1e-4,
                };
                let expected = &case["values"][key][name];
                let what = format!("{cell} {name} {key}");
                let layers = Some(&expected["per_layer"]);
                check(&score(name), &size_of(name, &seen), expected["total"].as_f64(), layers, bound, &what);
            }
            let jacobian = case["values"][key]["jacob_cov"]["total_eigh"].as_f64();
            let bound = if f64s { 1e-9 } else { 1e-4 };
            check(&score("jacob_cov"), &size_of("jacob_cov", &seen), jacobian, None, bound, "jacob_cov");
            for name in ["synflow", "synflow_bn"] {
                let expected = &case["values"][name];
                let what = format!("{cell} {name} {key}");
                let layers = Some(&expected["per_layer"]);
                check(&score(name), &size_of(name, &seen), expected["total"].as_f64(), layers, 1e-9, &what);
            }
        }
    }
}
