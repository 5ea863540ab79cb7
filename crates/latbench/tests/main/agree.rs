//! A network and its ONNX file give the same numbers wherever they run.

use candle_core::{DType, Device, Tensor};
use cellnet::{
    Builder, CellStyle, Mode, Network, NetworkError, Operator, Weights, forward, nas_bench_201, to_onnx,
};
use cpu_ops::{Conv2d, Padding, Pool2d};
use latbench::{CandleWorkload, EngineWorkload, Workload};
use nas_core::Seed;
use proptest::prelude::*;
use spaces::{NasBench201, nas_bench_201::Skeleton};

const SMALL: Skeleton = Skeleton { channels: 4, cells: 1, classes: 10, image: 8 };

/// Running statistics as after a training, so that batch norms do something.
fn weights(network: &Network, seed: u64) -> Weights {
    let mut weights = Weights::init(network, DType::F32, Seed(seed)).unwrap();
    let images = images(network, 4, seed);
    for _ in 0..20 {
        let outcome = forward(network, &weights, &images, Mode::Train, |_, x| Ok(x)).unwrap();
        weights.update(&outcome.measured);
    }
    weights
}

fn images(network: &Network, batch: usize, seed: u64) -> Tensor {
    let [c, h, w] = network.input();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let numbers: Vec<f32> = (0..batch * c * h * w).map(|_| next()).collect();
    Tensor::from_vec(numbers, (batch, c, h, w), &Device::Cpu).unwrap()
}

fn by_candle(network: &Network, weights: &Weights, images: &Tensor) -> Vec<f32> {
    let outcome = forward(network, weights, images, Mode::Evaluate, |_, x| Ok(x)).unwrap();
    outcome.logits.flatten_all().unwrap().to_vec1().unwrap()
}

fn close(ours: &[f32], theirs: &[f32]) -> Result<(), TestCaseError> {
    let scale = theirs.iter().fold(1e-3, |most: f32, v| most.max(v.abs()));
    prop_assert_eq!(ours.len(), theirs.len());
    for (a, b) in ours.iter().zip(theirs) {
        prop_assert!((a - b).abs() <= 1e-4 * scale, "{a} for {b}");
    }
    Ok(())
}

/// Every operator that a network can have.
fn of_everything() -> Network {
    let mut net = Builder::new([3, 9, 9]);
    let input = net.input();
    let conv = |channels, kernel: (usize, usize), settings, bias| Operator::Convolution {
        channels,
        kernel,
        settings,
        bias,
    };
    let norm = |affine| Operator::BatchNorm { affine, tracked: true };
    let a = net.add("a", conv(8, (3, 3), Conv2d::new(2, 1), true), &[input]).unwrap();
    let a = net.add("a_norm", norm(true), &[a]).unwrap();
    let grouped = Conv2d { groups: 4, dilation: (2, 2), padding: (2, 4), ..Conv2d::default() };
    let b = net.add("b", conv(8, (3, 5), grouped, false), &[a]).unwrap();
    let b = net.add("b_norm", norm(false), &[b]).unwrap();
    let b = net.add("", Operator::Relu, &[b]).unwrap();
    let pooled = |net: &mut Builder, operator, from| net.add("", operator, &[from]).unwrap();
    let window = Pool2d::new(3, 1, 1);
    let c = pooled(&mut net, Operator::AveragePool { window, padding: Padding::Excluded }, a);
    let d = pooled(&mut net, Operator::AveragePool { window, padding: Padding::Counted }, b);
    let e = pooled(&mut net, Operator::MaxPool { window }, a);
    let zero = net.add("", Operator::Zero, &[a]).unwrap();
    let sum = net.add("", Operator::Sum, &[c, zero, d]).unwrap();
    let both = net.add("", Operator::Concatenate, &[sum, e]).unwrap();
    let mixed = pooled(&mut net, Operator::Shuffle { groups: 4 }, both);
    let cut = pooled(&mut net, Operator::Truncate { channels: 11 }, mixed);
    let cropped = pooled(&mut net, Operator::Crop { rows: 1, columns: 2 }, cut);
    let much = net.add("", Operator::Sum, &[cropped; 6]).unwrap();
    let capped = pooled(&mut net, Operator::Relu6, much);
    let mean = net.add("", Operator::GlobalMean, &[capped]).unwrap();
    net.add("fc", Operator::Linear { outputs: 5 }, &[mean]).unwrap();
    net.finish().unwrap()
}

#[cfg(feature = "tract")]
mod tract {
    use super::*;
    use latbench::TractWorkload;

    fn by_tract(network: &Network, weights: &Weights, images: &Tensor, batch: Option<usize>) -> Vec<f32> {
        let onnx = to_onnx(network, weights, batch).unwrap();
        let input: Vec<f32> = images.flatten_all().unwrap().to_vec1().unwrap();
        TractWorkload::new(&onnx, Seed(0)).unwrap().output(&input).unwrap()
    }

    #[test]
    fn every_operator_as_candle_runs_it() {
        let network = of_everything();
        for (batch, written) in [(1, None), (3, Some(3))] {
            let (weights, images) = (weights(&network, 1), images(&network, batch, 2));
            let theirs = by_tract(&network, &weights, &images, written);
            close(&theirs, &by_candle(&network, &weights, &images)).unwrap();
        }
    }

    #[test]
    fn what_stands_behind_a_mean_and_behind_a_linear_layer() {
        let mut net = Builder::new([4, 5, 5]);
        let mean = net.add("", Operator::GlobalMean, &[net.input()]).unwrap();
        let fc = net.add("fc", Operator::Linear { outputs: 4 }, &[mean]).unwrap();
        let sum = net.add("", Operator::Sum, &[mean, fc]).unwrap();
        let settings = Conv2d::default();
        let conv = Operator::Convolution { channels: 3, kernel: (1, 1), settings, bias: true };
        let head = net.add("head", conv, &[sum]).unwrap();
        net.add("classifier", Operator::Linear { outputs: 2 }, &[head]).unwrap();
        let network = net.finish().unwrap();
        let (weights, images) = (weights(&network, 1), images(&network, 2, 2));
        let logits = by_candle(&network, &weights, &images);
        assert_eq!(logits.len(), 4);
        close(&by_tract(&network, &weights, &images, Some(2)), &logits).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_cell_as_written_and_pruned(index in 0..15_625_usize, seed in 0..1_000_u64) {
            let cell = NasBench201.get(index).unwrap();
            let written = nas_bench_201(&cell, &SMALL, 3, CellStyle::trained()).unwrap();
            let pruned = written.pruned();
            let images = images(&written, 1, seed);
            let logits = by_candle(&written, &weights(&written, seed), &images);
            close(&by_tract(&written, &weights(&written, seed), &images, Some(1)), &logits)?;
            // the streams of parameters go by their names
            let few = Weights::init(&pruned, DType::F32, Seed(seed)).unwrap();
            let all = Weights::init(&written, DType::F32, Seed(seed)).unwrap();
            let logits = by_candle(&written, &all, &images);
            close(&by_candle(&pruned, &few, &images), &logits)?;
            close(&by_tract(&pruned, &few, &images, None), &logits)?;
        }
    }

    #[test]
    fn what_tract_does_not_know_is_named() {
        let network = of_everything();
        let onnx = to_onnx(&network, &weights(&network, 0), Some(1)).unwrap();
        // the name of an operator, by one of the same length
        let place = onnx.windows(7).position(|bytes| bytes == b"MaxPool").unwrap();
        let mut strange = onnx.clone();
        let all: Vec<usize> = (0..onnx.len() - 7).filter(|&at| &onnx[at..at + 7] == b"MaxPool").collect();
        assert!(all.contains(&place));
        all.iter().for_each(|&at| strange[at..at + 7].copy_from_slice(b"MaxFool"));
        let error = TractWorkload::new(&strange, Seed(0)).unwrap_err().to_string();
        assert!(error.contains("it does not know the operators") && error.contains("MaxFool"), "{error}");
        let error = TractWorkload::new(&onnx[..onnx.len() / 2], Seed(0)).unwrap_err().to_string();
        assert!(error.starts_with("tract does not take the network: "), "{error}");
    }
}

/// Where the library is; `ORT_DYLIB_PATH` as with ONNX Runtime's own tools.
#[cfg(feature = "onnxruntime")]
#[test]
fn onnx_runtime_as_candle_runs_it_where_it_is_installed() {
    use latbench::OnnxRuntime;
    let missing = OnnxRuntime::load("/nowhere/libonnxruntime.so".as_ref()).unwrap_err().to_string();
    assert!(missing.starts_with("ONNX Runtime does not take the library /nowhere/"), "{missing}");
    let Some(library) = std::env::var_os("ORT_DYLIB_PATH") else {
        eprintln!("skipped: ORT_DYLIB_PATH names no ONNX Runtime");
        return;
    };
    let runtime = OnnxRuntime::load(library.as_ref()).unwrap();
    for index in (0..15_625).step_by(1_000) {
        let cell = NasBench201.get(index).unwrap();
        let network = nas_bench_201(&cell, &SMALL, 3, CellStyle::trained()).unwrap();
        let (weights, images) = (weights(&network, 1), images(&network, 1, 2));
        let input: Vec<f32> = images.flatten_all().unwrap().to_vec1().unwrap();
        let onnx = to_onnx(&network, &weights, None).unwrap();
        let mut workload = runtime.workload(&onnx, 1, Seed(0)).unwrap();
        workload.run().unwrap();
        close(&workload.output(&input).unwrap(), &by_candle(&network, &weights, &images)).unwrap();
    }
    let error = runtime.workload(b"no file", 1, Seed(0)).unwrap_err().to_string();
    assert!(error.starts_with("ONNX Runtime does not take the network: "), "{error}");
}

#[test]
fn engine_and_candle_run_and_keep_running() {
    let network = of_everything();
    let weights = weights(&network, 0);
    let mut engine = EngineWorkload::new(&network, &weights, 2, Seed(0)).unwrap();
    let mut candle = CandleWorkload::new(&network, &weights, 2, Seed(0)).unwrap();
    for _ in 0..5 {
        engine.run().unwrap();
        candle.run().unwrap();
    }
    let other = nas_bench_201(&NasBench201.get(1).unwrap(), &SMALL, 3, CellStyle::trained()).unwrap();
    assert!(EngineWorkload::new(&other, &weights, 1, Seed(0)).is_err());
}

#[test]
fn a_batch_norm_by_the_batch_is_no_onnx() {
    let scored = nas_bench_201(&NasBench201.get(1462).unwrap(), &SMALL, 3, CellStyle::scored()).unwrap();
    let error = to_onnx(&scored, &Weights::init(&scored, DType::F32, Seed(0)).unwrap(), None).unwrap_err();
    assert!(matches!(error, NetworkError::Layer { .. }));
    assert!(error.to_string().contains("running statistics cannot be written as ONNX"), "{error}");
}
