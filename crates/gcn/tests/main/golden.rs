//! Values, gradients and ten AdamW steps as in PyTorch (fixtures/gcn/brp_nas, and ../shared where it is).

use candle_core::{DType, Device, Tensor, Var, safetensors::load};
use cpu_ops::{AdamW, AdamWSettings, linear};
use gcn::{Gcn, GcnSettings, Graph, GraphBatch, Mode, Parameters, Rate, Readout, Schedule};
use nas_core::Seed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Tensors = BTreeMap<String, Tensor>;

fn read(path: &Path) -> Tensors {
    load(path, &Device::Cpu).unwrap().into_iter().collect()
}

/// The golden files called `own` and, where present, `shared`.
fn files(own: &str, shared: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("fixtures/gcn/brp_nas").join(own)];
    let other = root.join("../shared/golden").join(shared);
    if other.exists() {
        files.push(other)
    } else {
        eprintln!("skipped: {} is not here", other.display())
    }
    files
}

fn graphs(tensors: &Tensors) -> Vec<Graph> {
    let numbers = |name: &str| tensors[name].to_dtype(DType::F32).unwrap().to_vec3::<f32>().unwrap();
    let pairs = numbers("adjacency").into_iter().zip(numbers("features"));
    pairs.map(|(a, x)| Graph::new(x.len(), x[0].len(), &a.concat(), &x.concat()).unwrap()).collect()
}

/// A network and a head with the weights `w0`.
fn model(tensors: &Tensors, dtype: DType) -> (Gcn, Parameters, [Var; 2]) {
    let (width, hidden) = tensors["w0.gc.0.weight"].dims2().unwrap();
    let network = Gcn::new(GcnSettings { width, hidden, layers: 4, dropout: 0.0 }, dtype, Seed(0)).unwrap();
    let mut head = Parameters::new(dtype);
    let mut rng = Seed(0).stream("head");
    let weight = head.uniform("fc.weight", tensors["w0.fc.weight"].dims(), 1.0, &mut rng).unwrap();
    let bias = head.uniform("fc.bias", tensors["w0.fc.bias"].dims(), 1.0, &mut rng).unwrap();
    let all = network.parameters().chain(&head);
    for (name, var) in all.iter() {
        var.set(&tensors[&format!("w0.{name}")].to_dtype(dtype).unwrap()).unwrap();
    }
    (network, all, [weight, bias])
}

#[track_caller]
fn close(found: &Tensor, expected: &Tensor, relative: f64, what: &str) {
    let list = |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let (found, expected) = (list(found), list(expected));
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-300_f64, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
        assert!((f - e).abs() <= relative * scale, "{what}[{i}]: {f} against {e}");
    }
}

#[test]
fn regressor_trains_as_in_pytorch() {
    for (dtype, relative) in [(DType::F64, 1e-10), (DType::F32, 2e-4)] {
        for file in files("regressor.safetensors", "gcn_latency.safetensors") {
            let tensors = read(&file);
            let graphs = graphs(&tensors);
            let all: Vec<&Graph> = graphs.iter().collect();
            let batch = GraphBatch::separate(&all, 4, Readout::GlobalNode, dtype).unwrap();
            let (network, parameters, [weight, bias]) = model(&tensors, dtype);
            let mut none = Seed(0).stream("no dropout");
            let mut output = || {
                let embedded = network.embed(&batch, Mode::Train(&mut none)).unwrap();
                linear(&embedded, &weight.t().unwrap(), &bias).unwrap()
            };
            let mut optimiser =
                AdamW::new(parameters.vars().cloned(), AdamWSettings::with_decay(5e-4)).unwrap();
            for step in 0..10 {
                let out = output();
                let target = tensors["target"].to_dtype(dtype).unwrap();
                let grads = (&out - target).unwrap().abs().unwrap().sum_all().unwrap().backward().unwrap();
                if step == 0 {
                    close(&out, &tensors["out0"], relative, "out0");
                    for ((name, _), grad) in parameters.iter().zip(parameters.gradients(&grads).unwrap()) {
                        close(&grad, &tensors[&format!("g0.{name}")], relative, name);
                    }
                }
                optimiser.step(&grads, 4e-4).unwrap();
            }
            for (name, var) in parameters.iter() {
                close(var, &tensors[&format!("w10.{name}")], relative, name);
            }
            close(&output(), &tensors["out10"], relative, "out10");
            for (readout, name) in [(Readout::GlobalNode, "emb10"), (Readout::Mean, "mean10")] {
                let Some(expected) = tensors.get(name) else { continue };
                let shared = GraphBatch::shared(&all, 4, readout, dtype).unwrap();
                close(&network.embed(&shared, Mode::Predict).unwrap(), expected, relative, name);
            }
        }
    }
}

#[test]
fn schedules_step_as_in_pytorch() {
    let text = include_str!("../../../../fixtures/gcn/brp_nas/schedules.json");
    // one flat list a name: no need for a json reader
    let list = |name: &str| -> Vec<f64> {
        let start = text.find(&format!("\"{name}\": [")).expect(name) + name.len() + 5;
        let end = start + text[start..].find(']').expect("a list");
        text[start..end].split(", ").map(|v| v.parse().expect("a number")).collect()
    };
    let losses = list("losses");
    let plateau = Schedule::Plateau { factor: 0.5, patience: 2, threshold: 0.01, after: 0 };
    for (schedule, expected, before) in [(Schedule::Cosine, list("cosine"), 0), (plateau, list("plateau"), 1)]
    {
        let mut rate = Rate::new(schedule, 0.5, losses.len());
        for (epoch, (&loss, &expected)) in losses.iter().zip(&expected).enumerate() {
            assert!(
                (rate.get() - expected).abs() < 1e-12,
                "{schedule:?} at {epoch}: {} {expected}",
                rate.get()
            );
            rate.step(epoch + before, loss);
        }
    }
}
