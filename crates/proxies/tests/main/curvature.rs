//! The exact Hessian product against finite differences and against candle's double backward.

use crate::{batch, model, score};
use candle_core::{DType, Tensor};
use nas_core::Seed;
use proxies::{Batch, CellModel, Cost, Model, Need, Norms, Parameter, Result, Watch, Weighted, observe};
use spaces::NasBench201;

/// Loss gradients of the layers, as one list a layer.
fn gradients(model: &CellModel, batch: &Batch) -> Vec<Vec<f64>> {
    let seen = observe(model, batch, &[Need::Gradient], Seed(0), &mut |_| {}).unwrap();
    seen.layers.into_iter().map(|layer| layer.gradient.unwrap()).collect()
}

fn moved(model: &CellModel, directions: &[Tensor], step: f64) -> CellModel {
    let layers = model.layers();
    let place = |name: &str| layers.iter().position(|layer| format!("{}.weight", layer.name) == name);
    model
        .with(DType::F64, Norms::Kept, &mut |parameter| match place(parameter.name) {
            Some(at) => Ok((parameter.value + (&directions[at] * step)?)?),
            None => Ok(parameter.value.clone()),
        })
        .unwrap()
}

/// Of cells all over the space. The gradient has a kink wherever a rectifier switches, and where that happens within
/// the step on one side, the slope on the other is taken.
#[test]
fn the_hessian_product_is_the_slope_of_the_gradient() {
    for case in 0..12 {
        let cell = NasBench201.get(case * 1_301).unwrap();
        let (model, batch) = (model(&cell, case as u64, DType::F64), batch(4, 8, DType::F64));
        let layers = model.layers();
        let directions: Vec<Tensor> = layers
            .iter()
            .map(|layer| layer.weight.as_tensor().affine(7.0, 0.3).unwrap().sin().unwrap())
            .collect();
        let found = model.curvature(&batch, &directions).unwrap();
        let at = |step: f64| gradients(&moved(&model, &directions, step), &batch);
        let sides = [1e-6, -1e-6].map(|h| (h, [0.0, h, 2.0 * h].map(at)));
        for (number, layer) in layers.iter().enumerate() {
            let weight = layer.weight.as_tensor().flatten_all().unwrap().to_vec1::<f64>().unwrap();
            // one-sided differences of second order
            let slope = |h: f64, rows: &[Vec<Vec<f64>>; 3], i: usize| {
                let [a, b, c] = [0, 1, 2].map(|k| rows[k][number][i]);
                (4.0 * b - 3.0 * a - c) / (2.0 * h)
            };
            let errors = sides.each_ref().map(|(h, rows)| {
                let parts: Vec<f64> =
                    weight.iter().enumerate().map(|(i, w)| w * slope(*h, rows, i)).collect();
                let scale = parts.iter().map(|part| part.abs()).sum::<f64>().max(1e-3);
                (found[number] - parts.iter().sum::<f64>()).abs() / scale
            });
            let error = errors[0].min(errors[1]);
            assert!(error <= 1e-4, "{cell} {}: {} is off by {error}", layer.name, found[number]);
        }
    }
}

/// A network through the default of the trait, candle's own double backward.
pub(crate) struct Plain(pub(crate) CellModel);

impl Model for Plain {
    fn layers(&self) -> Vec<Weighted> {
        self.0.layers()
    }

    fn cost(&self) -> Cost {
        self.0.cost()
    }

    fn forward(&self, images: &Tensor, watch: Watch<'_>) -> Result<Tensor> {
        self.0.forward(images, watch)
    }

    fn with(
        &self,
        dtype: DType,
        norms: Norms,
        values: &mut dyn FnMut(Parameter<'_>) -> Result<Tensor>,
    ) -> Result<Self> {
        self.0.with(dtype, norms, values).map(Self)
    }
}

/// What the engine gives is what candle's autograd gives.
#[test]
fn the_engine_sees_what_candle_sees() {
    let needs = [Need::Gradient, Need::Saliency, Need::Jacobian, Need::Agreement, Need::Patterns];
    let near = |a: &[f64], b: &[f64]| {
        let largest = b.iter().fold(1e-9_f64, |largest, value| largest.max(value.abs()));
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * largest)
    };
    for case in 0..10 {
        let cell = NasBench201.get(case * 1_511).unwrap();
        let (own, batch) = (model(&cell, case as u64, DType::F64), batch(5, 8, DType::F64));
        let fast = own.first_order(&batch, &needs, &mut |_| {}).unwrap();
        let slow = Plain(own).first_order(&batch, &needs, &mut |_| {}).unwrap();
        assert!(near(&fast.jacobian.unwrap(), &slow.jacobian.unwrap()), "{cell}");
        for (fast, slow) in [(fast.gradients, slow.gradients), (fast.saliency, slow.saliency)] {
            for (fast, slow) in fast.unwrap().iter().zip(&slow.unwrap()) {
                assert!(near(fast, slow), "{cell}");
            }
        }
        assert_eq!((fast.agreement, fast.patterns), (slow.agreement, slow.patterns), "{cell}");
    }
}

/// candle forgets how gradients were made unless it is told not to; the environment of a test cannot be changed
/// safely, so the test that needs it starts itself again.
#[test]
fn candles_double_backward_says_the_same() {
    const KEEP: &str = "CANDLE_GRAD_DO_NOT_DETACH";
    let cell = NasBench201.get(1462).unwrap();
    let (own, batch) = (model(&cell, 3, DType::F64), batch(5, 8, DType::F64));
    let plain = Plain(own.clone());
    let grasp = proxies::by_name("grasp").unwrap();
    let through_candle = observe(&plain, &batch, grasp.needs(), Seed(0), &mut |_| {});
    if std::env::var_os(KEEP).is_none() {
        let error = through_candle.unwrap_err().to_string();
        assert!(error.contains(KEEP), "{error}");
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["curvature::candles_double_backward_says_the_same", "--exact"])
            .env(KEEP, "1")
            .output()
            .unwrap();
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
        return;
    }
    let seen = observe(&own, &batch, grasp.needs(), Seed(0), &mut |_| {}).unwrap();
    let (a, b) = (score(&seen, "grasp"), score(&through_candle.unwrap(), "grasp"));
    assert!((a - b).abs() < 1e-9 * a.abs(), "{a} and {b}");
}
