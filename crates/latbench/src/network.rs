use crate::error::{LatencyError, WorkloadError};
use crate::inputs::Inputs;
use crate::workload::Workload;
use candle_core::{Device, Tensor};
use cellnet::{Engine, Mode, Network, Settings, Weights, forward};
use nas_core::Seed;
use std::hint::black_box;

/// A network of `cellnet` on its fused engine, which runs on the threads of the current rayon pool.
#[derive(Debug)]
pub struct EngineWorkload {
    engine: Engine<f32>,
    inputs: Inputs,
}

/// The same network operator by operator through candle.
#[derive(Debug)]
pub struct CandleWorkload {
    network: Network,
    weights: Weights,
    inputs: Inputs,
    shape: [usize; 4],
}

fn shape(network: &Network, batch: usize) -> [usize; 4] {
    let [channels, height, width] = network.input();
    [batch, channels, height, width]
}

fn refused(runtime: &'static str, error: impl std::fmt::Display) -> LatencyError {
    LatencyError::Runtime { runtime, what: "the network".into(), reason: error.to_string() }
}

impl EngineWorkload {
    /// A batch of so many images of noise, in inference.
    ///
    /// ```
    /// use candle_core::DType;
    /// use cellnet::{CellStyle, Weights, nas_bench_201};
    /// use latbench::{EngineWorkload, Workload};
    /// use nas_core::Seed;
    /// use spaces::{NasBench201, nas_bench_201::Skeleton};
    /// let skeleton = Skeleton { channels: 4, cells: 1, image: 8, ..Skeleton::default() };
    /// let net = nas_bench_201(&NasBench201.get(7)?, &skeleton, 3, CellStyle::trained())?;
    /// let weights = Weights::init(&net, DType::F32, Seed(0))?;
    /// EngineWorkload::new(&net, &weights, 1, Seed(0))?.run()?;
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    ///
    /// # Errors
    /// Weights of another network, or not of f32; a batch of more than 2^28 numbers.
    pub fn new(network: &Network, weights: &Weights, batch: usize, seed: Seed) -> Result<Self, LatencyError> {
        let inputs = Inputs::of(&shape(network, batch), seed).map_err(|e| refused("the engine", e))?;
        let mut engine = Engine::new(network, Settings::inference()).map_err(|e| refused("the engine", e))?;
        engine.load(weights).map_err(|e| refused("the engine", e))?;
        Ok(Self { engine, inputs })
    }
}

impl Workload for EngineWorkload {
    fn run(&mut self) -> Result<(), WorkloadError> {
        black_box(self.engine.forward(self.inputs.next())?);
        Ok(())
    }
}

impl CandleWorkload {
    /// A batch of so many images of noise, in evaluation.
    ///
    /// # Errors
    /// A batch of more than 2^28 numbers.
    pub fn new(network: &Network, weights: &Weights, batch: usize, seed: Seed) -> Result<Self, LatencyError> {
        let shape = shape(network, batch);
        let inputs = Inputs::of(&shape, seed).map_err(|e| refused("candle", e))?;
        Ok(Self { network: network.clone(), weights: weights.clone(), inputs, shape })
    }
}

impl Workload for CandleWorkload {
    fn run(&mut self) -> Result<(), WorkloadError> {
        let images = Tensor::from_slice(self.inputs.next(), &self.shape, &Device::Cpu)?;
        black_box(forward(&self.network, &self.weights, &images, Mode::Evaluate, |_, x| Ok(x))?);
        Ok(())
    }
}
