//! The pairwise loss, its values and gradients, as in PyTorch (fixtures/gcn/brp_nas, and ../shared where it is).

use crate::body::Body;
use crate::relation::pair_loss;
use candle_core::safetensors::load;
use candle_core::{DType, Device, Tensor};
use gcn::{GcnSettings, Graph, GraphBatch, Readout};
use nas_core::Seed;
use std::path::Path;

fn list(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn close(found: &Tensor, expected: &Tensor, what: &str) {
    let (found, expected) = (list(found), list(expected));
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-300_f64, |m, v| m.max(v.abs()));
    for (f, e) in found.iter().zip(&expected) {
        assert!((f - e).abs() <= 1e-10 * scale, "{what}: {f} against {e}");
    }
}

#[test]
fn the_pairwise_loss_is_pytorchs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let own = root.join("fixtures/gcn/brp_nas/binary.safetensors");
    let shared = root.join("../shared/golden/gcn_binary.safetensors");
    for file in [own, shared].iter().filter(|file| file.exists()) {
        let tensors = load(file, &Device::Cpu).unwrap();
        let dense = |name: &str| tensors[name].to_dtype(DType::F32).unwrap().to_vec3::<f32>().unwrap();
        let graphs: Vec<Graph> = dense("adjacency")
            .into_iter()
            .zip(dense("features"))
            .map(|(a, x)| Graph::new(x.len(), x[0].len(), &a.concat(), &x.concat()).unwrap())
            .collect();
        let (width, hidden) = tensors["w0.gc.0.weight"].dims2().unwrap();
        let settings = GcnSettings { width, hidden, layers: 4, dropout: 0.0 };
        let body = Body::new(settings, Readout::GlobalNode, 2, 2 * hidden, DType::F64, Seed(0)).unwrap();
        for (name, var) in body.parameters().iter() {
            var.set(&tensors[&format!("w0.{name}")]).unwrap();
        }
        let labels = list(tensors.get("accuracy").or_else(|| tensors.get("acc")).unwrap());
        let batch: Vec<&Graph> = graphs.iter().collect();
        let mut rng = Seed(0).stream("none");
        let (weight, bias) = (body.weight.as_tensor(), body.bias.as_tensor());
        let step = body.step(&batch, &mut rng, false, |e| pair_loss(e, weight, bias, &labels));
        let (loss, grads) = step.unwrap();
        for (name, var) in body.parameters().iter() {
            close(grads.get(var.as_tensor()).unwrap(), &tensors[&format!("g0.{name}")], name);
        }
        if let Some(expected) = tensors.get("loss") {
            close(&loss.reshape(1).unwrap(), expected, "loss");
        }
        // the log-probabilities themselves, from the raw comparator's difference d: -softplus(-d), -softplus(d)
        let batch = GraphBatch::shared(&batch, 4, Readout::GlobalNode, DType::F64).unwrap();
        let embedded = body.gcn.embed(&batch, gcn::Mode::Predict).unwrap();
        let pairs = tensors["pairs"].to_vec2::<i64>().unwrap();
        let column = |k: usize| -> Vec<u32> { pairs.iter().map(|p| p[k] as u32).collect() };
        let of = |k| embedded.index_select(&Tensor::new(column(k), &Device::Cpu).unwrap(), 0).unwrap();
        let joined = Tensor::cat(&[of(0), of(1)], 1).unwrap();
        let logits = body.apply_head(&joined, true).unwrap().to_vec2::<f64>().unwrap();
        let logp: Vec<f64> = logits
            .iter()
            .flat_map(|l| {
                let sum = (l[0].exp() + l[1].exp()).ln();
                [l[0] - sum, l[1] - sum]
            })
            .collect();
        let shape = (pairs.len(), 2);
        close(&Tensor::from_vec(logp, shape, &Device::Cpu).unwrap(), &tensors["logp"], "logp");
    }
}
