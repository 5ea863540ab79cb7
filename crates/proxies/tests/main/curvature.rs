//! The exact Hessian product against finite differences and against candle's double backward.

use crate::{batch, model, score};
use candle_core::{DType, Tensor};
use nas_core::Seed;
use proptest::prelude::*;
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_hessian_product_is_the_slope_of_the_gradient(index in 0_usize..15_625, seed in 0_u64..1_000) {
        let cell = NasBench201.get(index).unwrap();
        let (model, batch) = (model(&cell, seed, DType::F64), batch(4, 8, DType::F64));
        let layers = model.layers();
        let directions: Vec<Tensor> = layers
            .iter()
            .map(|layer| layer.weight.as_tensor().affine(7.0, 0.3).unwrap().sin().unwrap())
            .collect();
        let found = model.curvature(&batch, &directions).unwrap();
        // central differences of fourth order, with steps that hardly ever meet the kink of a rectifier
        let at = |step: f64| gradients(&moved(&model, &directions, step), &batch);
        let h = 1e-6;
        let [a, b, c, d] = [-2.0 * h, -h, h, 2.0 * h].map(at);
        for (number, layer) in layers.iter().enumerate() {
            let weight = layer.weight.as_tensor().flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let slope = |i: usize| {
                let rows = [&a, &b, &c, &d].map(|rows| rows[number][i]);
                (rows[0] - 8.0 * rows[1] + 8.0 * rows[2] - rows[3]) / (12.0 * h)
            };
            let parts: Vec<f64> = weight.iter().enumerate().map(|(i, w)| w * slope(i)).collect();
            let (expected, scale) = (parts.iter().sum::<f64>(), parts.iter().map(|p| p.abs()).sum::<f64>());
            prop_assert!(
                (found[number] - expected).abs() <= 1e-4 * scale.max(1e-3),
                "{cell} {}: {} instead of {expected}", layer.name, found[number]
            );
        }
    }
}

/// A network through the default of the trait, candle's own double backward.
struct Plain(CellModel);

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
