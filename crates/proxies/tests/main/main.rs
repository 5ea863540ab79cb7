//! Proxies against PyTorch, definitions and second algorithms; bad input.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod curvature;
mod every_space;
mod golden;
mod own;

use candle_core::{DType, Device, Tensor};
use cellnet::CellStyle;
use nas_core::Seed;
use proxies::{ALL, Batch, CellModel, Model, Need, Proxy, Score, Seen, observe};
use serde_json::Value;
use spaces::NasBench201;
use spaces::nas_bench_201::{Cell, Skeleton};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/proxies/scores"))
}

fn json(path: PathBuf) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn skeleton(image: u64) -> Skeleton {
    Skeleton { channels: 4, cells: 1, classes: 5, image }
}

fn model(cell: &Cell, seed: u64, dtype: DType) -> CellModel {
    CellModel::nas_bench_201(cell, &skeleton(8), 3, CellStyle::scored(), dtype, Seed(seed)).unwrap()
}

/// Images that are neither random nor alike.
fn batch(images: usize, image: usize, dtype: DType) -> Batch {
    let count = images * 3 * image * image;
    let values = (0..count).map(|i| ((i * i + 3 * i) as f64 * 0.37).sin());
    let images_ = Tensor::from_iter(values, &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
    let labels = (0..images as u32).map(|i| i % 5).collect();
    Batch::new(images_.reshape((images, 3, image, image)).unwrap(), labels).unwrap()
}

/// All that every proxy needs.
fn everything() -> Vec<Need> {
    ALL.iter().flat_map(|proxy| proxy.needs()).copied().collect()
}

fn score(seen: &Seen, name: &str) -> f64 {
    proxies::by_name(name).unwrap().score(seen).unwrap().value
}

#[test]
fn names_are_distinct_and_needs_are_enough() {
    let cell = Cell::new([spaces::nas_bench_201::Operation::Conv3x3; 6]);
    let (model, batch) = (model(&cell, 0, DType::F32), batch(6, 8, DType::F32));
    let mut names: Vec<&str> = ALL.iter().map(|proxy| proxy.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
    let whole = observe(&model, &batch, &everything(), Seed(1), &mut |_| {}).unwrap();
    for proxy in ALL {
        let score = proxy.score(&whole).unwrap();
        assert!(score.value.is_finite(), "{}: {score:?}", proxy.name());
        let nothing = observe(&model, &batch, &[], Seed(1), &mut |_| {}).unwrap();
        assert_eq!(proxy.score(&nothing).is_err(), !proxy.needs().is_empty(), "{}", proxy.name());
    }
}

/// A run that was killed goes on with what is missing, so this decides whether it ends as one that was not.
#[test]
fn a_score_is_the_same_to_the_last_bit_in_any_company() {
    let sums = [
        "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "|none~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|avg_pool_3x3~1|nor_conv_1x1~2|",
    ];
    let cells = sums.map(|text| text.parse().unwrap()).into_iter();
    for cell in cells.chain((0..10).map(|case| NasBench201.get(case * 1_511).unwrap())) {
        let model = model(&cell, 2, DType::F32);
        in_any_company(&model, ALL);
        // second derivatives through candle are not kept in this thread
        let first: Vec<&dyn Proxy> =
            ALL.iter().copied().filter(|proxy| !proxy.needs().contains(&Need::Curvature)).collect();
        in_any_company(&curvature::Plain(model), &first);
    }
}

fn in_any_company(model: &impl Model, proxies: &[&dyn Proxy]) {
    let batch = batch(6, 8, DType::F32);
    let seen = |proxies: &[&dyn Proxy]| {
        let needs: Vec<Need> = proxies.iter().flat_map(|proxy| proxy.needs()).copied().collect();
        observe(model, &batch, &needs, Seed(1), &mut |_| {}).unwrap()
    };
    let whole = seen(proxies);
    for (at, &proxy) in proxies.iter().enumerate() {
        let expected = proxy.score(&whole).unwrap();
        let next = proxies[(at + 1) % proxies.len()];
        for some in [&[proxy][..], &[proxy, next]] {
            let found = proxy.score(&seen(some)).unwrap();
            let bits = |score: &Score| score.value.to_bits();
            assert_eq!(bits(&found), bits(&expected), "{}: {found:?}, {expected:?}", proxy.name());
        }
    }
}

#[test]
fn a_cell_of_nothing_has_scores_that_say_so() {
    let cell = Cell::new([spaces::nas_bench_201::Operation::None; 6]);
    let seen =
        observe(&model(&cell, 0, DType::F32), &batch(6, 8, DType::F32), &everything(), Seed(1), &mut |_| {});
    let seen = seen.unwrap();
    let undefined = ALL.iter().filter(|proxy| proxy.score(&seen).unwrap().flaw().is_some());
    let undefined: BTreeSet<&str> = undefined.map(|proxy| proxy.name()).collect();
    let known = ["epe_nas", "expressivity", "jacob_cov", "jacov", "nwot", "progressivity", "zen"];
    assert_eq!(undefined, BTreeSet::from(known));
    assert_eq!(score(&seen, "grad_norm"), 0.0);
    // blocks of zeros have no spectrum
    assert_eq!(score(&seen, "expressivity"), f64::NEG_INFINITY);
    assert_eq!(score(&seen, "progressivity"), f64::NEG_INFINITY);
    assert!(score(&seen, "jacob_cov").is_nan());
    let synflow = proxies::by_name("synflow").unwrap().score(&seen).unwrap();
    assert_eq!((synflow.value, synflow.log), (0.0, Some(f64::NEG_INFINITY)));
}

#[test]
fn bad_input_is_said_before_work_starts() {
    let cell = Cell::new([spaces::nas_bench_201::Operation::Conv3x3; 6]);
    let one = batch(1, 8, DType::F32);
    let seen = |model: &CellModel, batch: &Batch, needs: &[Need]| {
        observe(model, batch, needs, Seed(0), &mut |_| {}).map(drop).map_err(|error| error.to_string())
    };
    let net = model(&cell, 0, DType::F32);
    let error = seen(&net, &one, proxies::by_name("jacob_cov").unwrap().needs()).unwrap_err();
    assert!(error.contains("at least 2"), "{error}");
    let wrong = Batch::new(one.images().clone(), vec![7]).unwrap();
    let error = seen(&net, &wrong, &[Need::Gradient]).unwrap_err();
    assert!(error.contains("label 7") && error.contains("5 classes"), "{error}");
    let error = seen(&net, &batch(2, 12, DType::F32), &[Need::Gradient]).unwrap_err();
    assert!(error.contains("12"), "{error}");
    let error = Batch::new(one.images().clone(), vec![0, 1]).unwrap_err().to_string();
    assert!(error.contains("2 labels"), "{error}");
    let var = net.weights().get("fc.weight").unwrap();
    var.set(&(var.as_tensor() / 0.0).unwrap()).unwrap();
    let error = seen(&net, &one, &[Need::Gradient]).unwrap_err();
    assert!(error.contains("fc"), "{error}");
}

#[test]
fn the_published_l2_norm_counts_what_never_runs() {
    use spaces::nas_bench_201::Operation;
    let count = |operation: Operation| {
        let model = model(&Cell::new([operation; 6]), 0, DType::F32);
        let seen = observe(&model, &batch(2, 8, DType::F32), &[], Seed(0), &mut |_| {}).unwrap();
        let published = proxies::by_name("l2_norm_published").unwrap().score(&seen).unwrap();
        (published.layers.len(), score(&seen, "l2_norm"), published.value)
    };
    let (all, some) = (count(Operation::Conv3x3), count(Operation::SkipConnect));
    // 12 convolutions a cell in both, whatever runs
    assert_eq!(all.0, some.0);
    assert!((all.2 - some.2).abs() < 0.05 * all.2, "{all:?} {some:?}");
    assert!(all.1 > 2.0 * some.1);
}

#[test]
fn a_flow_beyond_f64_has_a_logarithm() {
    use spaces::nas_bench_201::Operation;
    // as many cells as overflow: each multiplies the flow by some power of ten
    let cell = Cell::new([Operation::Conv3x3; 6]);
    let of = |cells: u64| {
        let skeleton = Skeleton { channels: 4, cells, classes: 5, image: 8 };
        let net =
            CellModel::nas_bench_201(&cell, &skeleton, 3, CellStyle::scored(), DType::F32, Seed(0)).unwrap();
        let seen = observe(&net, &batch(1, 8, DType::F32), &[Need::CleanFlow], Seed(0), &mut |_| {}).unwrap();
        proxies::by_name("synflow_clean").unwrap().score(&seen).unwrap()
    };
    let (small, large) = (of(4), of(150));
    assert!((small.value.ln() - small.log.unwrap()).abs() < 1e-12);
    assert_eq!(large.flaw(), Some("beyond the largest 64-bit number"));
    // the logarithm grows in proportion to the number of cells
    let each = (of(8).log.unwrap() - small.log.unwrap()) / 4.0;
    let expected = small.log.unwrap() + 146.0 * each;
    assert!((large.log.unwrap() - expected).abs() < 0.02 * expected, "{:?} {expected}", large.log);
}

/// Cells of skip connections quadruple what they are given; where norms are kept, the last one takes it back.
#[test]
fn a_flow_with_a_norm_at_the_end_does_not_grow_with_the_depth() {
    let cell = Cell::new([spaces::nas_bench_201::Operation::SkipConnect; 6]);
    let of = |cells: u64| {
        let skeleton = Skeleton { channels: 4, cells, classes: 5, image: 8 };
        let net =
            CellModel::nas_bench_201(&cell, &skeleton, 3, CellStyle::scored(), DType::F32, Seed(0)).unwrap();
        let seen =
            observe(&net, &batch(1, 8, DType::F32), &[Need::NormedFlow], Seed(0), &mut |_| {}).unwrap();
        score(&seen, "synflow_bn")
    };
    let (shallow, deep) = (of(20), of(130));
    assert!((deep / shallow - 1.0).abs() < 1e-9, "{shallow} {deep}");
}

#[test]
fn what_cannot_be_ordered_is_said() {
    let error = proxies::ordered_pairs(&[vec![1.0, 2.0]], &[3.0, 3.0]).unwrap_err();
    assert!(error.to_string().starts_with("no two of 2 architectures"), "{error}");
}

/// Nine numbers a pixel cannot fill sixteen channels.
#[test]
fn features_that_do_not_fill_their_channels_have_an_entropy() {
    let cell = Cell::new([spaces::nas_bench_201::Operation::Conv3x3; 6]);
    let skeleton = Skeleton { channels: 16, cells: 1, classes: 5, image: 8 };
    let model =
        CellModel::nas_bench_201(&cell, &skeleton, 1, CellStyle::scored(), DType::F32, Seed(0)).unwrap();
    let images = batch(6, 8, DType::F32).images().narrow(1, 0, 1).unwrap().contiguous().unwrap();
    let grey = Batch::new(images, vec![0, 1, 2, 3, 4, 0]).unwrap();
    let seen = observe(&model, &grey, &[Need::Blocks], Seed(0), &mut |_| {}).unwrap();
    assert!(score(&seen, "expressivity").is_finite() && score(&seen, "progressivity").is_finite());
}

/// What is seen of a cell on so many images.
fn seen(images: usize, need: Need) -> Seen {
    let model = model(&NasBench201.get(1462).unwrap(), 0, DType::F64);
    observe(&model, &batch(images, 8, DType::F64), &[need], Seed(1), &mut |_| {}).unwrap()
}

/// By the published loops, on numbers that are easily followed.
#[test]
fn epe_nas_of_many_classes_is_the_mean_over_pairs() {
    let mut seen = seen(6, Need::Jacobian);
    seen.classes = 101;
    // the last class has one image
    seen.labels = vec![0, 0, 1, 1, 1, 2];
    let correlation = seen.jacobian.as_ref().unwrap();
    let class = |images: &[usize]| {
        let pairs = images.iter().flat_map(|&a| images.iter().map(move |&b| (a, b)));
        pairs.map(|(a, b)| (correlation.get(a, b).abs() + 1e-5).ln()).sum::<f64>() / images.len() as f64
    };
    let expected = (class(&[0, 1]) - class(&[2, 3, 4])).abs();
    assert!((score(&seen, "epe_nas") - expected).abs() < 1e-12);
    // whatever the classes are called
    seen.labels = vec![50, 50, 3, 3, 3, 99];
    assert!((score(&seen, "epe_nas") - expected).abs() < 1e-12);
    seen.labels = vec![0, 1, 2, 3, 4, 5];
    assert_eq!(score(&seen, "epe_nas"), 0.0);
}

/// 49 units have an inverse that is no number of the machine, so elimination ends near 0 and not at it.
#[test]
fn images_with_equal_patterns_have_no_determinant() {
    let mut seen = seen(3, Need::Agreement);
    let agreement = seen.agreement.as_mut().unwrap();
    for (at, value) in agreement.iter_mut().enumerate() {
        *value = if at % 4 == 0 || at == 1 || at == 3 { 49.0 } else { 20.0 };
    }
    assert_eq!(score(&seen, "nwot"), f64::NEG_INFINITY);
}

#[test]
fn what_is_undefined_is_below_the_worst() {
    let sums = proxies::rank_sum(&[vec![f64::NEG_INFINITY, f64::NAN, 1.0, f64::NAN]]).unwrap();
    assert_eq!(sums, [3.0, 1.5, 4.0, 1.5]);
}
