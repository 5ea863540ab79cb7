//! Scores a network that has nothing to do with `cellnet`: two convolutions on candle.
//!
//! `cargo run --release -p proxies --example own_network`
#![allow(clippy::print_stdout, reason = "it talks to the one who runs it")]

use candle_core::{DType, Device, Tensor, Var};
use cpu_ops::{Conv2d, conv2d, linear, relu};
use nas_core::Seed;
use proxies::{
    ALL, Batch, Cost, Kind, Model, Need, Norms, Parameter, Place, Result, Watch, Weighted, observe,
};

const WIDTH: usize = 8;

/// Names, shapes and inputs of the weights.
const SHAPES: [(&str, &[usize], usize); 3] = [
    ("first", &[WIDTH, 3, 3, 3], 27),
    ("second", &[WIDTH, WIDTH, 3, 3], 9 * WIDTH),
    ("classifier", &[10, WIDTH], WIDTH),
];

struct TwoLayers {
    weights: Vec<Var>,
}

impl TwoLayers {
    fn new() -> Result<Self> {
        let mut weights = Vec::new();
        for (_, shape, inputs) in SHAPES {
            let count: usize = shape.iter().product();
            let values = (0..count).map(|i| (i as f32 * 0.7).sin() / (inputs as f32).sqrt());
            weights.push(Var::from_tensor(&Tensor::from_iter(values, &Device::Cpu)?.reshape(shape)?)?);
        }
        Ok(Self { weights })
    }
}

impl Model for TwoLayers {
    fn layers(&self) -> Vec<Weighted> {
        let named = SHAPES.iter().zip(&self.weights);
        named.map(|((name, ..), weight)| Weighted { name: (*name).into(), weight: weight.clone() }).collect()
    }

    fn cost(&self) -> Cost {
        let sizes = self.weights.iter().map(|weight| weight.elem_count() as u64);
        Cost { parameters: sizes.sum(), multiply_adds: 16 * 16 * 9 * (3 * WIDTH + WIDTH * WIDTH) as u64 }
    }

    fn forward(&self, images: &Tensor, watch: Watch<'_>) -> Result<Tensor> {
        let mut x = images.clone();
        for at in 0..2 {
            x = watch(Place::Layer(at), conv2d(&x, &self.weights[at], None, &Conv2d::new(1, 1))?)?;
            x = relu(&watch(Place::Rectifier, x)?)?;
        }
        let mean = watch(Place::Features, x)?.mean((2, 3))?;
        let zeros = Tensor::zeros(10, mean.dtype(), mean.device())?;
        Ok(watch(Place::Layer(2), linear(&mean, &self.weights[2].t()?, &zeros)?)?)
    }

    fn with(
        &self,
        dtype: DType,
        _: Norms,
        values: &mut dyn FnMut(Parameter<'_>) -> Result<Tensor>,
    ) -> Result<Self> {
        let mut weights = Vec::new();
        for ((name, _, inputs), old) in SHAPES.into_iter().zip(&self.weights) {
            let new = values(Parameter { name, kind: Kind::Weight { inputs }, value: old.as_tensor() })?;
            weights.push(Var::from_tensor(&new.to_dtype(dtype)?)?);
        }
        Ok(Self { weights })
    }
}

fn main() -> Result<()> {
    let images = Tensor::arange(0f32, 16.0 * 768.0, &Device::Cpu)?.sin()?.reshape((16, 3, 16, 16))?;
    let batch = Batch::new(images, (0..16).map(|image| image % 10).collect())?;
    let model = TwoLayers::new()?;
    for proxy in ALL {
        match observe(&model, &batch, proxy.needs(), Seed(0), &mut |_: Need| {}) {
            Ok(seen) => println!("{:<20}{:.6}", proxy.name(), proxy.score(&seen)?.value),
            Err(reason) => println!("{:<20}{reason}", proxy.name()),
        }
    }
    Ok(())
}
