//! The networks of the search spaces: against PyTorch, the published tables and the engine.

use crate::engine::{check_along, every_way, numbers};
use crate::{close, list};
use candle_core::{DType, Device, Tensor};
use cellnet::{
    Builder, ChainSkeleton, DartsSkeleton, LanguageNetwork, LanguageSkeleton, Mode, Moment, Network,
    NetworkError, Operator, Parameter, Recipe, SequenceNetwork, SpeechBlock, SpeechNetwork, SpeechSkeleton,
    Trainer, Weights, chain, darts, forward, nas_bench_101,
};
use cpu_ops::{Conv2d, Pool2d, Sgd, SgdSettings};
use nas_core::{SearchSpace, Seed};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;
use spaces::chain::{ChainSpace, FB_NET, NAS_BENCH_MACRO, PROXYLESS_NAS};
use spaces::nas_bench_101::{Models, Skeleton, Spec};
use spaces::{Darts, NasBench101, NasBenchAsr, NasBenchNlp};
use std::collections::BTreeMap;
use std::path::PathBuf;

const CHAINS: [&ChainSpace; 3] = [&NAS_BENCH_MACRO, &FB_NET, &PROXYLESS_NAS];

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

fn filled(Parameter { name, shape, .. }: &Parameter, scale: f64) -> Tensor {
    let u = ruled(name, shape);
    match shape[..] {
        [_] => (u * 0.3).unwrap().affine(1.0, f64::from(u8::from(name.ends_with(".weight")))).unwrap(),
        _ => {
            let inputs: usize = shape[1..].iter().product();
            (u * (scale * (6.0 / inputs as f64).sqrt())).unwrap()
        }
    }
}

fn cases() -> Vec<Value> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cellnet/spaces/cases.json");
    let settings: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    settings["cases"].as_array().unwrap().clone()
}

fn shape_of(case: &Value) -> Vec<usize> {
    serde_json::from_value(case["shape"].clone()).unwrap()
}

fn logits_of(case: &Value) -> Tensor {
    let rows: Vec<Vec<f64>> = serde_json::from_value(case["logits"].clone()).unwrap();
    Tensor::new(rows, &Device::Cpu).unwrap()
}

fn network(case: &Value) -> Option<Network> {
    let (text, setting) = (case["arch"].as_str().unwrap(), case["setting"].clone());
    let of_chain = |space: &'static ChainSpace| {
        let skeleton: ChainSkeleton = serde_json::from_value(setting.clone()).unwrap();
        chain(space, &space.parse(text).unwrap(), &skeleton, 3).unwrap()
    };
    Some(match case["space"].as_str().unwrap() {
        "nas-bench-101" => {
            let skeleton: Skeleton = serde_json::from_value(setting.clone()).unwrap();
            nas_bench_101(&NasBench101.parse(text).unwrap(), &skeleton, 3).unwrap()
        }
        "nas-bench-macro" => of_chain(&NAS_BENCH_MACRO),
        "fbnet" => of_chain(&FB_NET),
        "proxyless-nas" => of_chain(&PROXYLESS_NAS),
        "darts" => {
            let skeleton: DartsSkeleton = serde_json::from_value(setting.clone()).unwrap();
            darts(&Darts.parse(text).unwrap(), &skeleton, 3).unwrap()
        }
        _ => return None,
    })
}

#[test]
fn networks_of_all_spaces_are_pytorchs() {
    let mut seen = 0;
    for case in cases() {
        let Some(net) = network(&case) else { continue };
        assert_eq!(net.cost().parameters, case["parameters"].as_u64().unwrap(), "{}", case["space"]);
        let scale = case["scale"].as_f64().unwrap();
        let weights =
            Weights::from_values(&net, DType::F64, |parameter| Ok(filled(parameter, scale))).unwrap();
        let x = (ruled("input", &shape_of(&case)) * 1.7).unwrap();
        let found = forward(&net, &weights, &x, Mode::Train, |_, x| Ok(x)).unwrap().logits;
        close(&found, &logits_of(&case), 1e-10, &case["space"].to_string());
        seen += 1;
    }
    assert_eq!(seen, 5);
}

/// A sequence network with the fixtures' weights, and what it gives the fixtures' batch.
fn run<S: SequenceNetwork>(net: &S, case: &Value) -> (Weights, Tensor) {
    let scale = case["scale"].as_f64().unwrap();
    let weights = Weights::from_values(net, DType::F64, |parameter| Ok(filled(parameter, scale))).unwrap();
    let x = (ruled("input", &shape_of(case)) * 1.7).unwrap();
    let logits = net.run(&weights, &x, &mut |_, x| Ok(x)).unwrap();
    assert_eq!(net.cost().parameters, case["parameters"].as_u64().unwrap(), "{}", case["space"]);
    (weights, logits)
}

fn speech(case: &Value) -> SpeechNetwork {
    let skeleton: SpeechSkeleton = serde_json::from_value(case["setting"].clone()).unwrap();
    SpeechNetwork::new(&NasBenchAsr.parse(case["arch"].as_str().unwrap()).unwrap(), &skeleton).unwrap()
}

fn language(case: &Value) -> LanguageNetwork {
    let skeleton: LanguageSkeleton = serde_json::from_value(case["setting"].clone()).unwrap();
    LanguageNetwork::new(&NasBenchNlp.parse(case["arch"].as_str().unwrap()).unwrap(), &skeleton).unwrap()
}

fn case_of(space: &str) -> Value {
    cases().into_iter().find(|case| case["space"] == space).unwrap()
}

#[test]
fn sequence_networks_are_pytorchs() {
    let case = case_of("nas-bench-asr");
    close(&run(&speech(&case), &case).1, &logits_of(&case), 1e-10, "speech");
    let case = case_of("nas-bench-nlp");
    close(&run(&language(&case), &case).1, &logits_of(&case), 1e-10, "language");
}

/// Steps of gradient descent on what `x` gives, and the loss before each.
fn descend<S: SequenceNetwork>(net: &S, x: impl Fn(&Weights) -> Tensor, labels: &[u32]) -> Vec<f64> {
    let weights = Weights::init(net, DType::F32, Seed(4)).unwrap();
    let settings = SgdSettings { momentum: 0.9, nesterov: true, weight_decay: 0.0 };
    let mut sgd = Sgd::new(weights.parameters().map(|(_, var)| var.clone()), settings).unwrap();
    let mut losses = Vec::new();
    for _ in 0..12 {
        let logits = net.run(&weights, &x(&weights), &mut |_, x| Ok(x)).unwrap();
        let loss = cpu_ops::cross_entropy(&logits, labels, 0.0).unwrap();
        losses.push(list(&loss)[0]);
        sgd.step(&loss.backward().unwrap(), 0.1).unwrap();
    }
    losses
}

#[test]
fn a_short_training_of_sequence_networks_learns() {
    let (case, labels) = (case_of("nas-bench-asr"), [0, 1, 2, 3, 4, 0]);
    let x = ruled("sound", &shape_of(&case)).to_dtype(DType::F32).unwrap();
    let losses = descend(&speech(&case), |_| x.clone(), &labels);
    assert!(losses[11] < 0.9 * losses[0], "{losses:?}");
    let net = language(&case_of("nas-bench-nlp"));
    let tokens: Vec<u32> = (0..36).map(|i| i * i % 9).collect();
    let losses = descend(&net, |weights| net.embed(weights, &tokens).unwrap(), &labels);
    assert!(losses[11] < 0.9 * losses[0], "{losses:?}");
}

/// Every cell and every published recipe runs, and costs what its parameters say.
#[test]
fn sequence_networks_run_whatever_the_cell() {
    let (mut rng, labels) = (Seed(9).stream("arch"), [1, 0]);
    let finite = |logits: Tensor| {
        let grads = cpu_ops::cross_entropy(&logits, &labels, 0.0).unwrap().backward().unwrap();
        assert!(list(&logits).iter().all(|v| v.is_finite()));
        grads
    };
    let blocks =
        [(8, 1, 1), (12, 1, 2)].map(|(filters, cells, stride)| SpeechBlock { filters, cells, stride });
    let skeleton =
        SpeechSkeleton { features: 5, blocks: blocks.to_vec(), groups: 4, lstm: 6, classes: 3, frames: 9 };
    for _ in 0..20 {
        let net = SpeechNetwork::new(&NasBenchAsr.sample(&mut rng), &skeleton).unwrap();
        let weights = Weights::init(&net, DType::F64, Seed(2)).unwrap();
        let counted: usize = weights.parameters().map(|(_, var)| var.elem_count()).sum();
        assert_eq!(net.cost().parameters, counted as u64);
        finite(net.run(&weights, &ruled("sound", &[2, 5, 1, 9]), &mut |_, x| Ok(x)).unwrap());
    }
    let skeleton = LanguageSkeleton { tokens: 11, width: 4, hidden: 5, layers: 2, steps: 3 };
    let published = table("nas_bench_nlp_wikitext2.csv.gz").into_iter().map(|row| row["recipe_json"].clone());
    let drawn: Vec<String> = (0..20).map(|_| NasBenchNlp.sample(&mut rng).to_string()).collect();
    for text in published.take(60).chain(drawn) {
        let net = LanguageNetwork::new(&NasBenchNlp.parse(&text).unwrap(), &skeleton).unwrap();
        let weights = Weights::init(&net, DType::F64, Seed(2)).unwrap();
        let x = net.embed(&weights, &[0, 5, 10, 3, 3, 1]).unwrap();
        let grads = finite(net.run(&weights, &x, &mut |_, x| Ok(x)).unwrap());
        // through the embedding too
        assert!(grads.get(weights.get("decoder.weight").unwrap()).is_some(), "{text}");
    }
}

/// By hand.
#[test]
fn multiply_adds_of_sequences_are_counted_by_step() {
    let cell = NasBenchAsr.parse("[['linear', 1], ['zero', 0, 0], ['zero', 0, 0, 1]]").unwrap();
    let blocks = vec![SpeechBlock { filters: 8, cells: 2, stride: 2 }];
    let skeleton = SpeechSkeleton { features: 5, blocks, groups: 4, lstm: 6, classes: 3, frames: 9 };
    let cost = SpeechNetwork::new(&cell, &skeleton).unwrap().cost();
    // five steps are left
    assert_eq!(cost.multiply_adds, 5 * (8 * 5 * 8 + 2 * 8 * 8 + 4 * 6 * (8 + 6) + 3 * 6));
    let norms = 3 * 2 * 8;
    let biases = 8 + 2 * 8 + 2 * 4 * 6 + 3;
    assert_eq!(cost.parameters, cost.multiply_adds / 5 + norms + biases);
}

/// Where a stride is as long as what a convolution sees, nothing is added at the end.
#[test]
fn strides_that_leave_steps_out_are_counted_as_they_run() {
    let cell = NasBenchAsr.parse("[['linear', 1], ['zero', 0, 0], ['zero', 0, 0, 1]]").unwrap();
    let of = |frames: usize| {
        let blocks = vec![SpeechBlock { filters: 8, cells: 1, stride: 8 }];
        let skeleton = SpeechSkeleton { features: 5, blocks, groups: 4, lstm: 6, classes: 3, frames };
        SpeechNetwork::new(&cell, &skeleton)
    };
    let one = of(8).unwrap().cost().multiply_adds;
    for (frames, steps) in [(12, 1), (15, 1), (16, 2), (23, 2)] {
        let net = of(frames).unwrap();
        assert_eq!(net.cost().multiply_adds, steps * one, "{frames}");
        let weights = Weights::init(&net, DType::F64, Seed(2)).unwrap();
        let mut seen = 0;
        let sound = ruled("sound", &[1, 5, 1, frames]);
        let logits = net.run(&weights, &sound, &mut |moment, x| {
            if matches!(moment, Moment::Result("blocks.0.conv.conv")) {
                seen = x.dims()[3];
            }
            Ok(x)
        });
        assert_eq!((seen as u64, logits.unwrap().dims()), (steps, &[1, 3][..]));
    }
    assert!(of(7).unwrap_err().to_string().contains("frames"));
}

#[test]
fn bad_sequences_say_so() {
    let says = |error: NetworkError, words: &str| assert!(error.to_string().contains(words), "{error}");
    let case = case_of("nas-bench-nlp");
    let net = language(&case);
    let (weights, _) = run(&net, &case);
    says(net.embed(&weights, &[0; 7]).unwrap_err(), "tokens is 7 in sequences of 6");
    says(net.embed(&weights, &[]).unwrap_err(), "at least 1");
    says(net.embed(&weights, &[0, 1, 2, 3, 4, 9]).unwrap_err(), "token is 9 of 9");
    let x = Tensor::zeros((2, 5, 1, 5), DType::F64, &Device::Cpu).unwrap();
    says(net.run(&weights, &x, &mut |_, x| Ok(x)).unwrap_err(), "[5, 1, 6]");
    let recipe = NasBenchNlp.parse(case["arch"].as_str().unwrap()).unwrap();
    let skeleton = LanguageSkeleton { layers: 0, ..LanguageSkeleton::default() };
    says(LanguageNetwork::new(&recipe, &skeleton).unwrap_err(), "layers is 0");
    let case = case_of("nas-bench-asr");
    let (other, _) = run(&speech(&case), &case);
    says(net.run(&other, &ruled("input", &[2, 5, 1, 6]), &mut |_, x| Ok(x)).unwrap_err(), "is missing");
    let cell = NasBenchAsr.parse(case["arch"].as_str().unwrap()).unwrap();
    let of = |skeleton| SpeechNetwork::new(&cell, &skeleton).unwrap_err();
    says(
        of(SpeechSkeleton { groups: 7, ..SpeechSkeleton::default() }),
        "filters is 600, expected a multiple",
    );
    says(of(SpeechSkeleton { blocks: Vec::new(), ..SpeechSkeleton::default() }), "blocks is 0");
    says(of(SpeechSkeleton { lstm: 0, ..SpeechSkeleton::default() }), "lstm is 0");
}

/// The rows of a table beside the repository, where it is.
#[allow(clippy::print_stdout, reason = "a part that is left out is said to be")]
fn table(file: &str) -> Vec<BTreeMap<String, String>> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")).join(file);
    let Ok(file) = std::fs::File::open(&path) else {
        println!("skipped: there is no {}", path.display());
        return Vec::new();
    };
    let mut reader = csv::Reader::from_reader(flate2::read::GzDecoder::new(file));
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

#[test]
fn parameters_are_the_published_ones_where_the_tables_are_present() {
    for row in table("nas_bench_101_sample_250.csv.gz") {
        let spec = NasBench101
            .parse(&format!("{}:{}", row["adjacency"], row["operations"].replace(' ', ",")))
            .unwrap();
        let net = nas_bench_101(&spec, &Skeleton::default(), 3).unwrap();
        let millions = net.cost().parameters as f64 / 1e6;
        assert_eq!(format!("{millions}"), row["params_m"], "{spec}");
    }
    // of WikiText-2
    let skeleton = LanguageSkeleton { tokens: 33_278, ..LanguageSkeleton::default() };
    for row in table("nas_bench_nlp_wikitext2.csv.gz") {
        let net = LanguageNetwork::new(&NasBenchNlp.parse(&row["recipe_json"]).unwrap(), &skeleton).unwrap();
        assert_eq!(net.cost().parameters.to_string(), row["num_params"], "{}", row["recipe_id"]);
    }
    let skeleton = ChainSkeleton::of(&NAS_BENCH_MACRO).unwrap();
    for row in table("nas_bench_macro_cifar10.csv.gz") {
        let choices: Vec<String> = row["arch"].chars().map(String::from).collect();
        let arch = NAS_BENCH_MACRO.parse(&choices.join("_")).unwrap();
        let cost = chain(&NAS_BENCH_MACRO, &arch, &skeleton, 3).unwrap().cost();
        let found = (cost.parameters.to_string(), cost.multiply_adds.to_string());
        assert_eq!(found, (row["params"].clone(), row["flops"].clone()), "{arch}");
    }
}

#[test]
fn nas_bench_101_goes_from_one_published_extreme_to_the_other() {
    let cost = |spec: &Spec| Skeleton::default().cost(spec).unwrap().parameters;
    let (least, most) =
        (Models::up_to(7).min_by_key(cost).unwrap(), Models::up_to(7).max_by_key(cost).unwrap());
    for (spec, parameters) in [(least, 227_274), (most, 49_979_274)] {
        assert_eq!(nas_bench_101(&spec, &Skeleton::default(), 3).unwrap().cost().parameters, parameters);
    }
}

/// 3.35 M, as the authors' program says of the cells that the paper trains; counted without the auxiliary head.
#[test]
fn the_published_cells_of_darts_have_the_published_size() {
    let text = "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), \
                ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], \
                normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), \
                ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), \
                ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])";
    let net = darts(&Darts.parse(text).unwrap(), &DartsSkeleton::default(), 3).unwrap();
    assert_eq!(net.cost().parameters, 3_349_342);
}

/// A random network of a space, as small as it gets.
fn random(space: usize, seed: u64, channels: usize) -> Network {
    let mut rng = Seed(seed).stream("arch");
    match space {
        0 => {
            let skeleton =
                Skeleton { channels: 8 + channels as u64, stacks: 2, modules: 1, classes: 3, image: 8 };
            nas_bench_101(&NasBench101.sample(&mut rng), &skeleton, 3).unwrap()
        }
        1 => {
            let skeleton = DartsSkeleton { channels, cells: 3, classes: 3, image: 8 };
            darts(&Darts.sample(&mut rng), &skeleton, 3).unwrap()
        }
        _ => {
            let space = CHAINS[space - 2];
            let skeleton = ChainSkeleton { channels, classes: 3, image: 32 };
            chain(space, &space.sample(&mut rng), &skeleton, 3).unwrap()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, rng_seed: RngSeed::Fixed(6), ..ProptestConfig::default() })]

    #[test]
    fn the_engine_runs_every_space(space in 0_usize..5, seed: u64, channels in 1_usize..6) {
        every_way(&random(space, seed, channels), 4);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn counted_from_the_network_is_the_closed_form(
        seed: u64, channels in 8_u64..40, stacks in 1_u64..4, modules in 1_u64..3, classes in 1_u64..20, image in 1_u64..4,
    ) {
        let mut rng = Seed(seed).stream("arch");
        let skeleton = Skeleton { channels, stacks, modules, classes, image: 4 * image };
        let spec = NasBench101.sample(&mut rng);
        let (counted, closed) =
            (nas_bench_101(&spec, &skeleton, 3).unwrap().cost(), skeleton.cost(&spec).unwrap());
        prop_assert_eq!((counted.parameters, counted.multiply_adds), (closed.parameters, closed.multiply_adds));
        let arch = NAS_BENCH_MACRO.sample(&mut rng);
        let skeleton = ChainSkeleton::of(&NAS_BENCH_MACRO).unwrap();
        let counted = chain(&NAS_BENCH_MACRO, &arch, &skeleton, 3).unwrap().cost();
        let closed = NAS_BENCH_MACRO.cost(&arch).unwrap();
        prop_assert_eq!((counted.parameters, counted.multiply_adds), (closed.parameters, closed.multiply_adds));
    }
}

#[test]
fn a_short_training_of_every_space_learns() {
    // in smaller ones, the last layers of a chain see nothing but padding
    let images = images::fashion_mnist().unwrap().0.take(192, Seed(1)).unwrap().resize(16, 16).unwrap();
    let (colours, recipe) = (1, Recipe { batch: 24, crop: 1, rate: 0.02, ..Recipe::nas_bench_201(8) });
    let mut rng = Seed(3).stream("arch");
    let mut nets = Vec::new();
    let skeleton = Skeleton { channels: 8, stacks: 2, modules: 1, classes: 10, image: 16 };
    nets.push(nas_bench_101(&NasBench101.sample(&mut rng), &skeleton, colours).unwrap());
    let skeleton = DartsSkeleton { channels: 4, cells: 3, classes: 10, image: 16 };
    nets.push(darts(&Darts.sample(&mut rng), &skeleton, colours).unwrap());
    for space in CHAINS {
        let skeleton = ChainSkeleton { channels: 8, classes: 10, image: 16 };
        nets.push(chain(space, &space.sample(&mut rng), &skeleton, colours).unwrap());
    }
    for (space, net) in nets.into_iter().enumerate() {
        let mut trainer = Trainer::new(net, recipe, images.statistics(), Seed(1)).unwrap();
        let losses: Vec<f64> = (0..8).map(|_| trainer.epoch(&images).unwrap().loss).collect();
        assert!(losses[7] < 0.85 * losses[0], "{space}: {losses:?}");
    }
}

/// What layers give an image whose pixels are numbered.
fn of_numbered(channels: usize, operators: &[Operator]) -> Vec<f64> {
    let mut net = Builder::new([channels, 2, 3]);
    let mut x = net.input();
    for operator in operators {
        x = net.add("", operator.clone(), &[x]).unwrap();
    }
    let mean = net.add("", Operator::GlobalMean, &[x]).unwrap();
    net.add("fc", Operator::Linear { outputs: 1 }, &[mean]).unwrap();
    let net = net.finish().unwrap();
    let weights = Weights::init(&net, DType::F64, Seed(0)).unwrap();
    let image = Tensor::arange(0.0, (channels * 6) as f64, &Device::Cpu).unwrap();
    let mut seen = Vec::new();
    forward(&net, &weights, &image.reshape((1, channels, 2, 3)).unwrap(), Mode::Train, |at, y| {
        if at == x {
            seen = list(&y);
        }
        Ok(y)
    })
    .unwrap();
    seen
}

#[test]
fn operators_do_what_they_are_called() {
    let first = Operator::Truncate { channels: 1 };
    assert_eq!(of_numbered(2, std::slice::from_ref(&first)), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let crop = Operator::Crop { rows: 1, columns: 2 };
    assert_eq!(of_numbered(2, std::slice::from_ref(&crop)), [5.0, 11.0]);
    assert_eq!(
        of_numbered(2, &[Operator::Crop { rows: 0, columns: 1 }, first.clone()]),
        [1.0, 2.0, 4.0, 5.0]
    );
    // six channels in two groups: 0 1 2, 3 4 5
    let channels = of_numbered(6, &[Operator::Shuffle { groups: 2 }, crop]);
    assert_eq!(channels, [0, 3, 1, 4, 2, 5].map(|channel| f64::from(6 * channel + 5)));
    assert_eq!(of_numbered(2, &[Operator::Relu6, first]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(
        of_numbered(2, &[Operator::Relu6, Operator::Crop { rows: 1, columns: 1 }]),
        [4.0, 5.0, 6.0, 6.0]
    );
}

/// Values on both sides of 6, and of 0.
#[test]
fn what_a_rectifier_caps_has_no_gradient() {
    let mut net = Builder::new([3, 5, 4]);
    let conv = |channels| Operator::Convolution {
        channels,
        kernel: (3, 3),
        settings: Conv2d::new(1, 1),
        bias: true,
    };
    let a = net.add("a", conv(18), &[net.input()]).unwrap();
    let a = net.add("norm", Operator::BatchNorm { affine: true, tracked: true }, &[a]).unwrap();
    let much = net.add("", Operator::Sum, &[a; 7]).unwrap();
    let capped = net.add("", Operator::Relu6, &[much]).unwrap();
    let plain = net.add("", Operator::Relu6, &[a]).unwrap();
    let both = net.add("", Operator::Concatenate, &[capped, plain]).unwrap();
    let b = net.add("b", conv(5), &[both]).unwrap();
    let mean = net.add("", Operator::GlobalMean, &[b]).unwrap();
    net.add("fc", Operator::Linear { outputs: 3 }, &[mean]).unwrap();
    let net = net.finish().unwrap();
    let weights = Weights::init(&net, DType::F64, Seed(3)).unwrap();
    let mut full = 0;
    forward(&net, &weights, &numbers(&[4, 3, 5, 4], 1), Mode::Train, |at, x| {
        if at == capped {
            full = list(&x).into_iter().filter(|v| *v == 6.0).count();
        }
        Ok(x)
    })
    .unwrap();
    assert!(full > 100, "{full} of 1440 are capped");
    every_way(&net, 4);
    for mode in [Mode::Train, Mode::Evaluate] {
        check_along(&net, mode);
    }
}

#[test]
fn skeletons_and_operators_out_of_range_say_so() {
    let says = |error: NetworkError, words: &str| assert!(error.to_string().contains(words), "{error}");
    let mut net = Builder::new([3, 4, 4]);
    says(net.add("", Operator::Truncate { channels: 4 }, &[0]).unwrap_err(), "first 4 of 3 channels");
    says(net.add("", Operator::Truncate { channels: 0 }, &[0]).unwrap_err(), "first 0 of 3 channels");
    says(
        net.add("", Operator::Shuffle { groups: 2 }, &[0]).unwrap_err(),
        "2 groups do not divide 3 channels",
    );
    says(net.add("", Operator::Shuffle { groups: 0 }, &[0]).unwrap_err(), "0 groups");
    says(
        net.add("", Operator::Crop { rows: 4, columns: 0 }, &[0]).unwrap_err(),
        "leave 4 rows and 0 columns",
    );
    let mut rng = Seed(0).stream("arch");
    let spec = NasBench101.sample(&mut rng);
    let of = |skeleton| nas_bench_101(&spec, &skeleton, 3).unwrap_err();
    says(of(Skeleton { image: 30, ..Skeleton::default() }), "image is 30 with 3 stacks");
    says(of(Skeleton { channels: 2, ..Skeleton::default() }), "channels");
    let genotype = Darts.sample(&mut rng);
    let of = |skeleton| darts(&genotype, &skeleton, 3).unwrap_err();
    says(of(DartsSkeleton { image: 6, ..DartsSkeleton::default() }), "image is 6, expected a multiple of 4");
    says(of(DartsSkeleton { cells: 0, ..DartsSkeleton::default() }), "cells is 0");
    let arch = FB_NET.sample(&mut rng);
    let skeleton = ChainSkeleton::of(&FB_NET).unwrap();
    says(chain(&NAS_BENCH_MACRO, &arch, &skeleton, 3).unwrap_err(), "nas-bench-macro");
    says(chain(&FB_NET, &arch, &ChainSkeleton { channels: 0, ..skeleton }, 3).unwrap_err(), "channels is 0");
    let huge = ChainSkeleton { channels: usize::MAX / 2, ..skeleton };
    says(chain(&FB_NET, &arch, &huge, 3).unwrap_err(), "expected 1 to 1,000,000");
    let mut net = Builder::new([3, 4, 4]);
    let mut refuses = |operator, words: &str| says(net.add("x", operator, &[0]).unwrap_err(), words);
    let still = Conv2d { dilation: (0, 0), ..Conv2d::default() };
    let conv = |channels, settings| Operator::Convolution { channels, kernel: (3, 3), settings, bias: false };
    refuses(conv(4, still), "does not fit");
    refuses(conv(usize::MAX / 4, Conv2d::new(1, 1)), "more than can be held");
    refuses(Operator::Linear { outputs: usize::MAX }, "cannot be put on");
    let mean = net.add("", Operator::GlobalMean, &[0]).unwrap();
    let wide = net.add("x", Operator::Linear { outputs: usize::MAX / 4 }, &[mean]).unwrap_err();
    says(wide, "more than can be held");
    let mut refuses = |operator, words: &str| says(net.add("x", operator, &[0]).unwrap_err(), words);
    refuses(Operator::MaxPool { window: Pool2d::new(2, 2, 2) }, "more than half of its window");
}
