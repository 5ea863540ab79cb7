//! The networks of the other spaces, against PyTorch.

use crate::golden::{check, size_of};
use candle_core::{DType, Device, Tensor};
use cellnet::{
    ChainSkeleton, DartsSkeleton, HasParameters, LanguageNetwork, Network, Parameter, SpeechNetwork, Weights,
    chain, darts, nas_bench_101,
};
use nas_core::{SearchSpace, Seed};
use proxies::{ALL, Batch, CellModel, Model, Need, Proxy, SequenceModel, observe};
use serde::de::DeserializeOwned;
use serde_json::Value;
use spaces::chain::{ChainSpace, FB_NET, NAS_BENCH_MACRO, PROXYLESS_NAS};
use spaces::nas_bench_101::Skeleton;
use spaces::{Darts, NasBench101, NasBenchAsr, NasBenchNlp};

/// The numbers of the fixtures' rule.
fn ruled(name: &str, shape: &[usize]) -> Tensor {
    let stream =
        name.bytes().fold(0_u64, |stream, byte| stream.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mix = |i: u64| {
        let x = (i + 1).wrapping_add(stream).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
    };
    let count = shape.iter().product::<usize>() as u64;
    Tensor::from_iter((0..count).map(mix), &Device::Cpu).unwrap().reshape(shape).unwrap()
}

fn weights(network: &impl HasParameters, case: &Value) -> Weights {
    let scale = case["scale"].as_f64().unwrap();
    let filled = |Parameter { name, shape, .. }: &Parameter| {
        let u = ruled(name, shape);
        Ok(match shape[..] {
            [_] => (u * 0.3)?.affine(1.0, f64::from(u8::from(name.ends_with(".weight"))))?,
            _ => (u * (scale * (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt()))?,
        })
    };
    Weights::from_values(network, DType::F64, filled).unwrap()
}

fn setting<T: DeserializeOwned>(case: &Value) -> T {
    serde_json::from_value(case["setting"].clone()).unwrap()
}

fn batch(case: &Value) -> Batch {
    let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
    let labels = (0..shape[0] as u32).map(|image| image % 3).collect();
    Batch::new((ruled("input", &shape) * 1.7).unwrap(), labels).unwrap()
}

/// Every score of the case against PyTorch's, but for those that the network cannot give.
fn compare(model: &impl Model, case: &Value, refused: &[Need]) {
    let given = |proxy: &&&dyn Proxy| !proxy.needs().iter().any(|need| refused.contains(need));
    let proxies: Vec<&&dyn Proxy> = ALL.iter().filter(given).collect();
    let needs: Vec<Need> = proxies.iter().flat_map(|proxy| proxy.needs()).copied().collect();
    let seen = observe(model, &batch(case), &needs, Seed(0), &mut |_| {}).unwrap();
    assert_eq!(model.cost().parameters, case["parameters"].as_u64().unwrap(), "{}", case["space"]);
    let mut compared = Vec::new();
    for proxy in proxies {
        let score = proxy.score(&seen).unwrap();
        let Some(total) = case["totals"].get(proxy.name()) else { continue };
        let layers = case["layers"].get(proxy.name());
        let what = format!("{} {}", case["space"], proxy.name());
        check(&score, &size_of(proxy.name(), &seen), total.as_f64(), layers, 1e-9, &what);
        compared.push(proxy.name());
    }
    for name in case["totals"].as_object().unwrap().keys() {
        assert!(compared.contains(&name.as_str()), "{name} of {} was not compared", case["space"]);
    }
}

fn layers(network: Network, case: &Value) {
    let weights = weights(&network, case);
    compare(&CellModel::new(network, weights), case, &[]);
}

#[test]
fn scores_of_every_space_are_pytorchs() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cellnet/spaces/cases.json");
    let settings: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for case in settings["cases"].as_array().unwrap() {
        let text = case["arch"].as_str().unwrap();
        let of_chain = |space: &'static ChainSpace| {
            let skeleton: ChainSkeleton = setting(case);
            layers(chain(space, &space.parse(text).unwrap(), &skeleton, 3).unwrap(), case);
        };
        match case["space"].as_str().unwrap() {
            "nas-bench-101" => {
                let skeleton: Skeleton = setting(case);
                layers(nas_bench_101(&NasBench101.parse(text).unwrap(), &skeleton, 3).unwrap(), case);
            }
            "nas-bench-macro" => of_chain(&NAS_BENCH_MACRO),
            "fbnet" => of_chain(&FB_NET),
            "proxyless-nas" => of_chain(&PROXYLESS_NAS),
            "darts" => {
                let skeleton: DartsSkeleton = setting(case);
                layers(darts(&Darts.parse(text).unwrap(), &skeleton, 3).unwrap(), case);
            }
            "nas-bench-asr" => {
                let network = SpeechNetwork::new(&NasBenchAsr.parse(text).unwrap(), &setting(case)).unwrap();
                sequences(SequenceModel::new(network.clone(), weights(&network, case)), case);
            }
            "nas-bench-nlp" => {
                let recipe = NasBenchNlp.parse(text).unwrap();
                let network = LanguageNetwork::new(&recipe, &setting(case)).unwrap();
                sequences(SequenceModel::new(network.clone(), weights(&network, case)), case);
            }
            other => panic!("{other}"),
        }
    }
}

/// Second derivatives go through candle, which the tests' threads have not been told to keep; there are no blocks, and
/// the features are a state.
fn sequences(model: impl Model, case: &Value) {
    compare(&model, case, &[Need::Curvature, Need::Blocks, Need::Perturbation]);
    for (need, words) in [
        (Need::Curvature, "second derivatives"),
        (Need::Blocks, "no blocks"),
        (Need::Perturbation, "no features"),
    ] {
        let error = observe(&model, &batch(case), &[need], Seed(0), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
