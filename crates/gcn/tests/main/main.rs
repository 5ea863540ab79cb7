//! Golden values from PyTorch, properties, training, bad input.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it skips")]

mod golden;
mod training;

use candle_core::{DType, Tensor};
use gcn::{Gcn, GcnError, GcnSettings, Graph, GraphBatch, Mode, Readout};
use nas_core::Seed;
use proptest::prelude::*;

/// Random graphs of `nodes` nodes with a global node 0, as dense numbers.
fn graphs() -> impl Strategy<Value = Vec<Graph>> {
    (2_usize..8, 1_usize..5).prop_flat_map(|(nodes, width)| {
        let graph =
            (prop::collection::vec(any::<bool>(), nodes * nodes), prop::collection::vec(0..=width, nodes));
        prop::collection::vec(graph, 1..7).prop_map(move |graphs| {
            let one = |(edges, labels): (Vec<bool>, Vec<usize>)| {
                let entry = |at: usize| {
                    let (i, j) = (at / nodes, at % nodes);
                    f32::from(u8::from(i == j || i == 0 || (j > i && edges[at])))
                };
                let adjacency: Vec<f32> = (0..nodes * nodes).map(entry).collect();
                let hot = |at: usize| f32::from(u8::from(labels[at / width] == at % width));
                let features: Vec<f32> = (0..nodes * width).map(hot).collect();
                Graph::new(nodes, width, &adjacency, &features).unwrap()
            };
            graphs.into_iter().map(one).collect()
        })
    })
}

fn network(width: usize, layers: usize, dtype: DType) -> Gcn {
    Gcn::new(GcnSettings { width, hidden: 9, layers, dropout: 0.0 }, dtype, Seed(3)).unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
    difference.to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap().into_iter().fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sharing_changes_nothing(graphs in graphs(), layers in 1_usize..5, mean: bool) {
        let readout = if mean { Readout::Mean } else { Readout::GlobalNode };
        let network = network(graphs[0].width(), layers, DType::F32);
        let all: Vec<&Graph> = graphs.iter().collect();
        let shared = GraphBatch::shared(&all, layers, readout, DType::F32).unwrap();
        let separate = GraphBatch::separate(&all, layers, readout, DType::F32).unwrap();
        prop_assert!(shared.rows().iter().zip(separate.rows()).all(|(s, t)| *s <= t));
        let a = network.embed(&shared, Mode::Predict).unwrap();
        let b = network.embed(&separate, Mode::Predict).unwrap();
        prop_assert_eq!(a.to_vec2::<f32>().unwrap(), b.to_vec2::<f32>().unwrap());
    }

    #[test]
    fn a_graph_does_not_see_its_company(graphs in graphs()) {
        let network = network(graphs[0].width(), 4, DType::F32);
        let embed = |graphs: &[&Graph]| {
            let batch = GraphBatch::shared(graphs, 4, Readout::GlobalNode, DType::F32).unwrap();
            network.embed(&batch, Mode::Predict).unwrap().to_vec2::<f32>().unwrap()
        };
        let together = embed(&graphs.iter().rev().collect::<Vec<_>>());
        for (graph, expected) in graphs.iter().rev().zip(together) {
            prop_assert_eq!(&embed(&[graph])[0], &expected);
        }
    }

    #[test]
    fn a_pass_is_what_the_tape_gives(graphs in graphs(), mean: bool) {
        let readout = if mean { Readout::Mean } else { Readout::GlobalNode };
        let settings = GcnSettings { width: graphs[0].width(), hidden: 9, layers: 3, dropout: 0.3 };
        let network = Gcn::new(settings, DType::F64, Seed(5)).unwrap();
        let all: Vec<&Graph> = graphs.iter().collect();
        let batch = GraphBatch::separate(&all, 3, readout, DType::F64).unwrap();
        let pass = network.pass(&batch, &mut Seed(1).stream("dropout")).unwrap();
        let slow = network.embed(&batch, Mode::Train(&mut Seed(1).stream("dropout"))).unwrap();
        prop_assert_eq!(largest_difference(pass.embedding(), &slow), 0.0);
        let mut grads = pass.embedding().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        pass.backward(&mut grads).unwrap();
        let expected = slow.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        for (name, var) in network.parameters().iter() {
            let difference = largest_difference(grads.get(var).unwrap(), expected.get(var).unwrap());
            prop_assert!(difference < 1e-12, "{}: {}", name, difference);
        }
    }

    #[test]
    fn gradients_are_finite_differences(graphs in graphs(), mean: bool) {
        let readout = if mean { Readout::Mean } else { Readout::GlobalNode };
        let network = network(graphs[0].width(), 3, DType::F64);
        let all: Vec<&Graph> = graphs.iter().collect();
        let batch = GraphBatch::separate(&all, 3, readout, DType::F64).unwrap();
        let loss = || {
            let embedded = network.embed(&batch, Mode::Train(&mut Seed(0).stream("none"))).unwrap();
            embedded.sqr().unwrap().sum_all().unwrap()
        };
        let grads = loss().backward().unwrap();
        for (name, var) in network.parameters().iter() {
            let grad = grads.get(var.as_tensor()).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let values = var.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let at = values.len() / 2;
            let shifted = |by: f64| {
                let mut moved = values.clone();
                moved[at] += by;
                var.set(&Tensor::from_vec(moved, var.dims(), var.device()).unwrap()).unwrap();
                loss().to_scalar::<f64>().unwrap()
            };
            let (step, tolerance) = (1e-6, 1e-4);
            let numeric = (shifted(step) - shifted(-step)) / (2.0 * step);
            shifted(0.0);
            // a ReLU may switch within the step
            let kink = (shifted(1e-8) - shifted(-1e-8)) / 2e-8;
            shifted(0.0);
            let near = |n: f64| (n - grad[at]).abs() <= tolerance * (1.0 + grad[at].abs());
            prop_assert!(near(numeric) || near(kink), "{}[{}]: {} against {}", name, at, grad[at], numeric);
        }
    }
}

#[test]
fn bad_graphs_and_batches_are_refused() {
    let short = Graph::new(2, 2, &[1.0; 3], &[0.0; 4]).unwrap_err();
    assert_eq!(short.to_string(), "a graph of 2 nodes and 2 features needs 4 adjacency entries, found 3");
    let nan = Graph::new(1, 1, &[1.0], &[f32::NAN]).unwrap_err();
    assert_eq!(nan.to_string(), "features 0 of a graph is NaN: it must be finite");
    let (one, two) =
        (Graph::new(1, 1, &[1.0], &[1.0]).unwrap(), Graph::new(1, 2, &[1.0], &[1.0; 2]).unwrap());
    let mixed = GraphBatch::shared(&[&one, &two], 2, Readout::Mean, DType::F32).unwrap_err();
    assert!(mixed.to_string().starts_with("graph 1 has 1 nodes of 2 features"), "{mixed}");
    let batch = GraphBatch::shared(&[&one], 2, Readout::Mean, DType::F32).unwrap();
    let error = network(1, 3, DType::F32).embed(&batch, Mode::Predict).unwrap_err();
    assert!(error.to_string().contains("for 2 layers of 1 features"), "{error}");
    let settings = GcnSettings { width: 1, hidden: 4, layers: 1, dropout: 1.0 };
    assert!(matches!(
        Gcn::new(settings, DType::F32, Seed(0)),
        Err(GcnError::Setting { name: "dropout", .. })
    ));
    assert!(GraphBatch::shared(&[], 0, Readout::Mean, DType::F32).is_err());
    let none = GraphBatch::shared(&[], 2, Readout::Mean, DType::F32).unwrap_err();
    assert!(none.to_string().contains("at least one graph"), "{none}");
}

#[test]
fn weights_survive_a_file_and_wrong_ones_are_named() {
    let (from, to) = (network(3, 2, DType::F32), network(3, 2, DType::F64));
    let file = from.parameters().to_safetensors().unwrap();
    to.parameters().load_safetensors(&file).unwrap();
    for ((_, a), (_, b)) in from.parameters().iter().zip(to.parameters().iter()) {
        assert_eq!(largest_difference(&a.to_dtype(DType::F64).unwrap(), b), 0.0);
    }
    let error = network(4, 3, DType::F32).parameters().load_safetensors(&file).unwrap_err().to_string();
    assert!(error.contains("gc.0.weight is [3, 9], expected [4, 9]"), "{error}");
    assert!(error.contains("gc.2.bias [9] is missing"), "{error}");
    let error = network(3, 1, DType::F32).parameters().load_safetensors(&file).unwrap_err().to_string();
    assert!(error.contains("bn.1.bias is not part of this network"), "{error}");
    for cut in [0, 7, file.len() / 2, file.len() - 1] {
        assert!(to.parameters().load_safetensors(&file[..cut]).is_err());
    }
}

#[test]
fn published_size() {
    let network = Gcn::new(GcnSettings::brp_nas(6, 0.2), DType::F32, Seed(0)).unwrap();
    // 1,091,401 with the head of 601 (REFERENCE of eagle, 6 features, one output)
    assert_eq!(network.parameters().count(), 1_091_401 - 601);
}

/// Weights in the loss beside the embeddings, and two passes in one loss, all count.
#[test]
fn a_pass_adds_to_gradients_that_are_there() {
    let graph = Graph::new(2, 2, &[1.0, 0.0, 1.0, 1.0], &[1.0, 0.0, 0.5, 2.0]).unwrap();
    let batch = GraphBatch::separate(&[&graph], 2, Readout::Mean, DType::F64).unwrap();
    let network = network(2, 2, DType::F64);
    let penalty = || {
        let squares =
            network.parameters().vars().map(|var| var.as_tensor().sqr().unwrap().sum_all().unwrap());
        squares.reduce(|a, b| (a + b).unwrap()).unwrap()
    };
    let sum = |embedding: &Tensor| embedding.sqr().unwrap().sum_all().unwrap();
    let pass = || network.pass(&batch, &mut Seed(0).stream("none")).unwrap();
    let (first, second) = (pass(), pass());
    let loss = (sum(first.embedding()) + sum(second.embedding())).unwrap();
    let mut grads = (loss + penalty()).unwrap().backward().unwrap();
    first.backward(&mut grads).unwrap();
    second.backward(&mut grads).unwrap();
    let slow = || sum(&network.embed(&batch, Mode::Train(&mut Seed(0).stream("none"))).unwrap());
    let expected = ((slow() + slow()).unwrap() + penalty()).unwrap().backward().unwrap();
    for (name, var) in network.parameters().iter() {
        let difference = largest_difference(grads.get(var).unwrap(), expected.get(var).unwrap());
        assert!(difference < 1e-12, "{name}: {difference}");
    }
}
