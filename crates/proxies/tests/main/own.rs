//! A network of the user's own, and passes on random images.

use crate::batch;
use candle_core::{DType, Device, Tensor, Var};
use cpu_ops::{Conv2d, conv2d, linear, relu};
use nas_core::Seed;
use proxies::{
    Cost, Kind, Model, Need, Norms, Parameter, Perturbation, Place, Result, Seen, Watch, Weighted, observe,
};

/// A convolution, a rectifier, the mean and a linear layer.
struct Own {
    weights: [Var; 2],
    /// What is shown instead of random images, where that is to be known.
    images: Option<[Tensor; 2]>,
    shown: std::cell::Cell<usize>,
}

impl Own {
    fn new(dtype: DType) -> Self {
        let values = |n: usize, scale: f64| (0..n).map(move |i| ((i * 7 % 11) as f64 - 5.0) * scale);
        let tensor = |n, shape: &[usize], scale| {
            let tensor = Tensor::from_iter(values(n, scale), &Device::Cpu).unwrap().reshape(shape).unwrap();
            Var::from_tensor(&tensor.to_dtype(dtype).unwrap()).unwrap()
        };
        let weights = [tensor(4 * 27, &[4, 3, 3, 3], 0.05), tensor(20, &[5, 4], 0.1)];
        Self { weights, images: None, shown: 0.into() }
    }
}

impl Model for Own {
    fn layers(&self) -> Vec<Weighted> {
        let names = ["conv", "fc"].map(String::from);
        names
            .into_iter()
            .zip(&self.weights)
            .map(|(name, weight)| Weighted { name, weight: weight.clone() })
            .collect()
    }

    fn cost(&self) -> Cost {
        Cost { parameters: 128, multiply_adds: 108 * 64 + 20 }
    }

    fn forward(&self, images: &Tensor, watch: Watch<'_>) -> Result<Tensor> {
        let images = match &self.images {
            Some(known) => {
                self.shown.set(self.shown.get() + 1);
                &known[self.shown.get() - 1]
            }
            None => images,
        };
        let x = conv2d(images, &self.weights[0], None, &Conv2d::new(1, 1))?;
        let x = watch(Place::Layer(0), x)?;
        let x = watch(Place::Rectifier, x)?;
        let x = watch(Place::Features, relu(&x)?)?;
        let x = linear(&x.mean((2, 3))?, &self.weights[1].t()?, &Tensor::zeros(5, x.dtype(), x.device())?)?;
        Ok(watch(Place::Layer(1), x)?)
    }

    fn with(
        &self,
        dtype: DType,
        _: Norms,
        values: &mut dyn FnMut(Parameter<'_>) -> Result<Tensor>,
    ) -> Result<Self> {
        let inputs = [27, 4];
        let mut new = Vec::new();
        for ((layer, inputs), old) in self.layers().iter().zip(inputs).zip(&self.weights) {
            let parameter =
                Parameter { name: &layer.name, kind: Kind::Weight { inputs }, value: old.as_tensor() };
            let value = values(parameter)?;
            // where images are known, weights are to be known too
            let value = if self.images.is_some() { old.as_detached_tensor() } else { value };
            new.push(Var::from_tensor(&value.to_dtype(dtype)?)?);
        }
        let weights = new.try_into().unwrap();
        Ok(Self { weights, images: self.images.clone(), shown: 0.into() })
    }
}

#[test]
fn a_network_of_ones_own_is_scored() {
    let (model, batch) = (Own::new(DType::F64), batch(6, 8, DType::F64));
    for proxy in proxies::ALL {
        let seen = observe(&model, &batch, proxy.needs(), Seed(0), &mut |_| {});
        match proxy.needs() {
            // it has no blocks, and its second derivatives go through candle
            [Need::Blocks] => assert!(seen.unwrap_err().to_string().contains("blocks")),
            [Need::Curvature] => assert!(seen.is_err()),
            _ => assert!(proxy.score(&seen.unwrap()).unwrap().value.is_finite(), "{}", proxy.name()),
        }
    }
}

#[test]
fn snip_of_a_linear_layer_is_what_it_says() {
    let (model, batch) = (Own::new(DType::F64), batch(6, 8, DType::F64));
    let seen = observe(&model, &batch, &[Need::Gradient], Seed(0), &mut |_| {}).unwrap();
    let layer = &seen.layers[1];
    let gradient = layer.gradient.as_ref().unwrap();
    let expected: f64 = layer.weight.iter().zip(gradient).map(|(w, g)| (w * g).abs()).sum();
    let snip = proxies::by_name("snip").unwrap().score(&seen).unwrap();
    assert_eq!(snip.layers[1], ("fc".to_owned(), expected));
}

#[test]
fn zen_is_how_far_features_move() {
    let batch = batch(3, 8, DType::F64);
    let mut model = Own::new(DType::F64);
    let images = [batch.images().clone(), batch.images().affine(1.01, 0.02).unwrap()];
    let features = |images: &Tensor| {
        relu(&conv2d(images, &model.weights[0], None, &Conv2d::new(1, 1)).unwrap()).unwrap()
    };
    let moved = (features(&images[0]) - features(&images[1])).unwrap().abs().unwrap();
    let expected = (moved.sum_all().unwrap().to_scalar::<f64>().unwrap() / 3.0).ln();
    model.images = Some(images);
    let seen = observe(&model, &batch, &[Need::Perturbation], Seed(0), &mut |_| {}).unwrap();
    let found = proxies::by_name("zen").unwrap().score(&seen).unwrap().value;
    assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    // norms behind nothing but zeros take no deviation away, the others do
    let with = |variances: &[f64]| {
        let perturbation = Perturbation { moved: 2.0, variances: variances.to_vec() };
        let seen = Seen { perturbation: Some(perturbation), ..seen.clone() };
        proxies::by_name("zen").unwrap().score(&seen).unwrap().value
    };
    assert!((with(&[0.0, 9.0, 0.0]) - 6.0_f64.ln()).abs() < 1e-12);
    assert!(with(&[f64::NAN]).is_nan());
}
