//! The training loop: determinism, early stopping, divergence.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use cpu_ops::matmul;
use gcn::{
    EarlyStopping, Gcn, GcnError, GcnSettings, Graph, GraphBatch, Parameters, Readout, Schedule, Training,
    train,
};
use nas_core::Seed;
use std::cell::Cell;

const TRAINING: Training =
    Training { epochs: 30, batch: 4, rate: 1e-2, weight_decay: 1e-3, schedule: Schedule::Cosine, stop: None };

fn chain(length: usize) -> Graph {
    let nodes = 6;
    let mut adjacency = vec![0.0; nodes * nodes];
    (0..nodes).for_each(|i| adjacency[i * nodes + i] = 1.0);
    adjacency[..nodes].fill(1.0);
    (1..length).for_each(|i| adjacency[i * nodes + i + 1] = 1.0);
    let features: Vec<f32> =
        (0..nodes * 2).map(|at| f32::from(u8::from(at % 2 == usize::from(at / 2 <= length)))).collect();
    Graph::new(nodes, 2, &adjacency, &features).unwrap()
}

/// Trains a network with dropout to tell the length of a chain; gives its losses and final weights.
fn trained(seed: Seed) -> (Vec<f64>, Vec<f32>) {
    let graphs: Vec<Graph> = (0..12).map(|i| chain(1 + i % 5)).collect();
    let network =
        Gcn::new(GcnSettings { width: 2, hidden: 16, layers: 3, dropout: 0.1 }, DType::F32, seed).unwrap();
    let mut head = Parameters::new(DType::F32);
    let weight = head.uniform("fc.weight", &[16, 1], 0.25, &mut seed.stream("head")).unwrap();
    let parameters = network.parameters().chain(&head);
    let step = |items: &[usize], rng: &mut _| {
        let batch: Vec<&Graph> = items.iter().map(|&i| &graphs[i]).collect();
        let batch = GraphBatch::separate(&batch, 3, Readout::GlobalNode, DType::F32)?;
        let target: Vec<f32> = items.iter().map(|&i| (i % 5) as f32 / 5.0).collect();
        let target = Tensor::from_vec(target, items.len(), &Device::Cpu)?;
        let pass = network.pass(&batch, rng)?;
        let out = matmul(pass.embedding(), weight.as_tensor(), (false, false))?.squeeze(1)?;
        let loss = (out - target)?.abs()?.sum_all()?;
        let mut grads = loss.backward()?;
        pass.backward(&mut grads)?;
        Ok((loss, grads))
    };
    let history = train(&parameters, &TRAINING, 12, seed, step, || Ok(None)).unwrap();
    let weights = parameters.vars().flat_map(|v| v.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    (history.epochs.iter().map(|e| e.train_loss).collect(), weights.collect())
}

#[test]
fn it_learns_and_the_same_seed_gives_the_same_bytes() {
    let (losses, weights) = trained(Seed(1));
    assert!(losses[29] < 0.3 * losses[0], "{losses:?}");
    let others: Vec<_> = (0..2).map(|_| std::thread::spawn(|| trained(Seed(1)))).collect();
    for other in others {
        assert_eq!(other.join().unwrap(), (losses.clone(), weights.clone()));
    }
    assert_ne!(trained(Seed(2)).1, weights);
}

fn with_gradients(loss: Tensor) -> Result<(Tensor, GradStore), GcnError> {
    let grads = loss.backward()?;
    Ok((loss, grads))
}

fn one_weight() -> (Parameters, Var) {
    let mut parameters = Parameters::new(DType::F64);
    let weight = parameters.constant("w", &[1], 1.0).unwrap();
    (parameters, weight)
}

#[test]
fn early_stopping_puts_the_best_weights_back() {
    for restore_best in [true, false] {
        let (parameters, weight) = one_weight();
        let (epoch, best) = (Cell::new(0), Cell::new(0.0));
        let stop = Some(EarlyStopping { patience: 5, after: 2, restore_best });
        let training = Training { epochs: 100, schedule: Schedule::Constant, stop, ..TRAINING };
        let step = |_: &[usize], _: &mut _| with_gradients(weight.as_tensor().sum_all()?);
        let validate = || {
            let now = epoch.replace(epoch.get() + 1);
            let value = weight.to_vec1::<f64>()?[0];
            // epoch 1 is lowest, but too early to count; of the others epoch 8
            let loss = match now {
                1 => 0.0,
                8 => 1.0,
                _ => 2.0,
            };
            if now == 8 {
                best.set(value);
            }
            Ok(Some(loss))
        };
        let history = train(&parameters, &training, 4, Seed(0), step, validate).unwrap();
        assert_eq!(history.epochs.len(), 8 + 5 + 2);
        assert_eq!(history.kept, if restore_best { 8 } else { 14 });
        assert_eq!(weight.to_vec1::<f64>().unwrap()[0] == best.get(), restore_best);
    }
}

#[test]
fn a_loss_that_is_not_finite_is_an_error() {
    let (parameters, weight) = one_weight();
    let step = |_: &[usize], _: &mut _| with_gradients((weight.as_tensor() * f64::NAN)?.sum_all()?);
    let error = train(&parameters, &TRAINING, 4, Seed(0), step, || Ok(None)).unwrap_err();
    assert!(matches!(error, GcnError::Diverged { what: "training", epoch: 0, .. }), "{error}");
    // said of what diverged, and not of the validation
    let error = train(&parameters, &TRAINING, 4, Seed(0), step, || Ok(Some(0.31))).unwrap_err();
    assert!(matches!(error, GcnError::Diverged { what: "training", value, .. } if value.is_nan()), "{error}");
    let nothing = train(&parameters, &TRAINING, 0, Seed(0), step, || Ok(None)).unwrap_err();
    assert_eq!(nothing.to_string(), "items is 0; training needs at least 1");
}
