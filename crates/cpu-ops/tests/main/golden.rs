//! PyTorch's values, first and second derivatives: `fixtures/cpu-ops/operators`.

use crate::{list, numbers};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use cpu_ops::{
    Conv2d, Padding, Pool2d, Sgd, SgdSettings, avg_pool2d, batch_norm, batch_norm_inference, conv1d, conv2d,
    cross_entropy, layer_norm, log_softmax, max_pool2d, relu, unfold_rows,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cpu-ops/operators");
/// Keeps the graph of the backward, so that it can be differentiated; candle reads it once a thread.
const KEEP: &str = "CANDLE_GRAD_DO_NOT_DETACH";

struct Golden {
    tensors: BTreeMap<String, Tensor>,
    cases: Value,
}

impl Golden {
    fn load() -> Self {
        let path = Path::new(FIXTURE);
        let tensors = candle_core::safetensors::load(path.join("values.safetensors"), &Device::Cpu).unwrap();
        let cases: Value = serde_json::from_slice(&std::fs::read(path.join("cases.json")).unwrap()).unwrap();
        Self { tensors: tensors.into_iter().collect(), cases: cases["cases"].clone() }
    }

    fn names(&self) -> Vec<String> {
        self.cases.as_object().unwrap().keys().cloned().collect()
    }

    fn tensor(&self, case: &str, key: &str) -> Option<&Tensor> {
        self.tensors.get(&format!("{case}.{key}"))
    }

    /// The operator of a case on its inputs as variables, in the order x, w, b.
    fn run(&self, case: &str) -> (Vec<(&'static str, Var)>, Tensor) {
        let settings = &self.cases[case];
        let inputs: Vec<(&str, Var)> = ["x", "w", "b"]
            .into_iter()
            .filter_map(|key| Some((key, Var::from_tensor(self.tensor(case, key)?).unwrap())))
            .collect();
        let input = |i: usize| inputs.get(i).map(|(_, var)| var.as_tensor());
        let number = |key: &str| settings[key].as_u64().unwrap() as usize;
        let pair = |key: &str| {
            (settings[key][0].as_u64().unwrap() as usize, settings[key][1].as_u64().unwrap() as usize)
        };
        let x = input(0).unwrap();
        let three = || (input(1).unwrap(), input(2).unwrap(), settings["eps"].as_f64().unwrap());
        let y = match settings["op"].as_str().unwrap() {
            "conv2d" => {
                let [stride, padding, dilation] = ["stride", "padding", "dilation"].map(pair);
                conv2d(
                    x,
                    input(1).unwrap(),
                    input(2),
                    &Conv2d { stride, padding, dilation, groups: number("groups") },
                )
            }
            "conv1d" => {
                let [stride, padding, dilation, groups] =
                    ["stride", "padding", "dilation", "groups"].map(number);
                conv1d(x, input(1).unwrap(), input(2), stride, padding, dilation, groups)
            }
            "avg_pool2d" => {
                let [kernel, stride, padding] = ["kernel", "stride", "padding"].map(pair);
                let counted = settings["counted"].as_bool().unwrap();
                let count = if counted { Padding::Counted } else { Padding::Excluded };
                avg_pool2d(x, &Pool2d { kernel, stride, padding }, count)
            }
            "max_pool2d" => {
                let [kernel, stride, padding] = ["kernel", "stride", "padding"].map(pair);
                max_pool2d(x, &Pool2d { kernel, stride, padding })
            }
            "batch_norm" => {
                let (w, b, eps) = three();
                batch_norm(x, w, b, eps).map(|(y, _)| y)
            }
            "batch_norm_inference" => {
                let (w, b, eps) = three();
                let [mean, variance] = ["mean", "variance"].map(|key| self.tensor(case, key).unwrap());
                batch_norm_inference(x, w, b, (mean, variance), eps)
            }
            "layer_norm" => {
                let (w, b, eps) = three();
                layer_norm(x, w, b, eps)
            }
            "relu" => relu(x),
            "log_softmax" => log_softmax(x),
            "cross_entropy" => {
                let targets: Vec<u32> = settings["targets"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|t| t.as_u64().unwrap() as u32)
                    .collect();
                cross_entropy(x, &targets, settings["smoothing"].as_f64().unwrap())
            }
            other => panic!("no operator {other}"),
        };
        (inputs, y.unwrap())
    }
}

fn close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (list(found), list(expected));
    let largest = expected.iter().fold(1e-3_f64, |a, b| a.max(b.abs()));
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() < 1e-10 * largest, "{what}: {a} instead of {b}");
    }
}

/// The gradient, or zeros where the result does not depend on the variable.
fn gradient(grads: &GradStore, var: &Var) -> Tensor {
    grads.get(var.as_tensor()).cloned().unwrap_or_else(|| var.zeros_like().unwrap())
}

#[test]
fn values_and_gradients_are_pytorchs() {
    let golden = Golden::load();
    for case in golden.names().iter().filter(|case| !case.starts_with("sgd")) {
        let (inputs, y) = golden.run(case);
        close(&y, golden.tensor(case, "y").unwrap(), case);
        let loss = y.mul(golden.tensor(case, "g").unwrap()).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        for (key, var) in &inputs {
            close(
                &gradient(&grads, var),
                golden.tensor(case, &format!("d_{key}")).unwrap(),
                &format!("{case} d_{key}"),
            );
        }
    }
}

/// Runs in a process of its own, with the graph of the backward kept.
#[test]
fn second_derivatives_are_pytorchs() {
    if std::env::var_os(KEEP).is_none() {
        let name = "golden::second_derivatives_are_pytorchs";
        let mut test = std::process::Command::new(std::env::current_exe().unwrap());
        let done = test.args(["--exact", name, "--nocapture"]).env(KEEP, "1").output().unwrap();
        let said =
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let golden = Golden::load();
    let mut compared = 0;
    for case in golden.names().iter().filter(|case| !case.starts_with("sgd")) {
        let (inputs, y) = golden.run(case);
        let g = Var::from_tensor(golden.tensor(case, "g").unwrap()).unwrap();
        let grads = y.mul(&g).unwrap().sum_all().unwrap().backward().unwrap();
        let along = |(key, var): &(&str, Var)| {
            let direction = golden.tensor(case, &format!("u_{key}")).unwrap();
            gradient(&grads, var).mul(direction).unwrap().sum_all().unwrap()
        };
        let total = inputs.iter().map(along).reduce(|a, b| (a + b).unwrap()).unwrap();
        let twice = total.backward().unwrap();
        for (key, var) in inputs.iter().map(|(key, var)| (*key, var)).chain([("g", &g)]) {
            if let Some(expected) = golden.tensor(case, &format!("dd_{key}")) {
                close(&gradient(&twice, var), expected, &format!("{case} dd_{key}"));
                compared += 1;
            }
        }
    }
    assert!(compared >= 30, "only {compared} second derivatives");

    // which PyTorch has not: the gradient of a sum of squares is H x, and so the gradient of that along u is H u
    let var = |stream| Var::from_tensor(&numbers(&[2, 4, 3], stream)).unwrap();
    let (x, u) = (var(1), var(2));
    let slope = |x: &Var| {
        let squares = unfold_rows(x, 3).unwrap().sqr().unwrap().sum_all().unwrap();
        gradient(&squares.backward().unwrap(), x)
    };
    let twice = slope(&x).mul(&u).unwrap().sum_all().unwrap().backward().unwrap();
    close(&gradient(&twice, &x), &slope(&u), "unfold_rows");
}

#[test]
fn sgd_steps_are_pytorchs() {
    let golden = Golden::load();
    for case in golden.names().iter().filter(|case| case.starts_with("sgd")) {
        let settings = &golden.cases[case];
        let number = |key: &str| settings[key].as_f64().unwrap();
        let w = Var::from_tensor(golden.tensor(case, "start").unwrap()).unwrap();
        let settings = SgdSettings {
            momentum: number("momentum"),
            nesterov: settings["nesterov"].as_bool().unwrap(),
            weight_decay: number("weight_decay"),
        };
        let mut sgd = Sgd::new([w.clone()], settings).unwrap();
        let grads = golden.tensor(case, "grads").unwrap();
        for step in 0..grads.dims()[0] {
            let loss = w.as_tensor().mul(&grads.get(step).unwrap()).unwrap().sum_all().unwrap();
            sgd.step(&loss.backward().unwrap(), number("rate")).unwrap();
        }
        close(w.as_tensor(), golden.tensor(case, "end").unwrap(), case);
    }
}
