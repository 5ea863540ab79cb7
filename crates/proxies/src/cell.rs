use crate::batch::Batch;
use crate::engine;
use crate::error::Result;
use crate::first_order::FirstOrder;
use crate::model::{Cost, Model, Norms, Parameter, Place, Watch, Weighted};
use crate::replaced::replaced;
use crate::seen::Need;
use candle_core::{DType, Tensor};
use cellnet::{Builder, CellStyle, Mode, Network, Operator, Weights, forward, nas_bench_201};
use nas_core::Seed;
use rand::RngExt;
use spaces::nas_bench_201::{Cell, Operation, Skeleton};

/// A network of `cellnet` with its weights.
///
/// ```
/// use candle_core::DType;
/// use cellnet::CellStyle;
/// use nas_core::Seed;
/// use proxies::{CellModel, Model};
/// use spaces::{NasBench201, nas_bench_201::Skeleton};
/// let skeleton = Skeleton { channels: 4, cells: 1, image: 8, ..Skeleton::default() };
/// let cell = NasBench201.get(1462)?;
/// let model = CellModel::nas_bench_201(&cell, &skeleton, 3, CellStyle::scored(), DType::F32, Seed(0))?;
/// assert_eq!(model.layers()[0].name, "stem_conv");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CellModel {
    network: Network,
    weights: Weights,
    made: Option<Made>,
}

/// What a NAS-Bench-201 network was made of.
#[derive(Debug, Clone, Copy)]
struct Made {
    cell: Cell,
    skeleton: Skeleton,
    seed: Seed,
}

/// What the names of NAS-Bench-201's reduction blocks begin with, whose norms the authors of Zero-Cost NAS build without
/// asking whether there should be any.
const REDUCTIONS: [&str; 2] = ["red1.", "red2."];

impl CellModel {
    /// A network and its weights. Layers that are made and not run, which `l2_norm_published` counts, are known of what
    /// [`nas_bench_201`](Self::nas_bench_201) makes alone.
    pub fn new(network: Network, weights: Weights) -> Self {
        Self { network, weights, made: None }
    }

    /// The network of a NAS-Bench-201 cell with PyTorch's default initialisation from `seed`.
    ///
    /// # Errors
    /// A skeleton out of range, a type that is neither f32 nor f64.
    pub fn nas_bench_201(
        cell: &Cell,
        skeleton: &Skeleton,
        channels: usize,
        style: CellStyle,
        dtype: DType,
        seed: Seed,
    ) -> Result<Self> {
        let network = nas_bench_201(cell, skeleton, channels, style)?;
        let weights = Weights::init(&network, dtype, seed)?;
        Ok(Self { network, weights, made: Some(Made { cell: *cell, skeleton: *skeleton, seed }) })
    }

    /// The same with weights from safetensors by PyTorch's names.
    ///
    /// # Errors
    /// As [`Weights::from_safetensors`].
    pub fn load(mut self, safetensors: &[u8]) -> Result<Self> {
        self.weights = Weights::from_safetensors(&self.network, safetensors, self.weights.dtype())?;
        Ok(self)
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// What is shown when the result of layer `at` is there.
    fn places(&self) -> Vec<Vec<Place>> {
        let layers = self.network.layers();
        let mut places = vec![Vec::new(); layers.len()];
        let weighted =
            layers.iter().enumerate().filter(|(_, layer)| has_weight(&layer.operator)).map(|(at, _)| at);
        weighted.enumerate().for_each(|(number, at)| places[at].push(Place::Layer(number)));
        for layer in layers {
            let place = match layer.operator {
                Operator::Relu | Operator::Relu6 => Place::Rectifier,
                Operator::BatchNorm { .. } => Place::Norm,
                Operator::GlobalMean => Place::Features,
                _ => continue,
            };
            layer.inputs.iter().for_each(|&at| places[at].push(place));
        }
        self.network.blocks().iter().for_each(|&at| places[at].push(Place::Block));
        places
    }

    fn keeps(&self, name: &str, norms: Norms) -> bool {
        match norms {
            Norms::Kept => true,
            Norms::Forgotten => REDUCTIONS.iter().any(|reduction| name.starts_with(reduction)),
            Norms::Removed => false,
        }
    }

    /// The network without the norms that do not stay, and if any goes, without bounds that only norms keep it under.
    fn without(&self, norms: Norms) -> Result<Network> {
        let shape = self.network.input();
        let mut builder = Builder::new(shape);
        let mut new = vec![builder.input()];
        for (at, layer) in self.network.layers().iter().enumerate().skip(1) {
            let inputs: Vec<usize> = layer.inputs.iter().map(|&input| new[input]).collect();
            let norm = matches!(layer.operator, Operator::BatchNorm { .. });
            new.push(match inputs.first() {
                Some(&input) if norm && !self.keeps(&layer.name, norms) => input,
                _ => builder.add(&layer.name, unbounded(&layer.operator, norms), &inputs)?,
            });
            if self.network.blocks().contains(&at) {
                builder.end_block(new[at]);
            }
        }
        Ok(builder.finish()?)
    }
}

impl Made {
    /// Every edge of the authors' networks holds both convolutions, whichever is run.
    fn unused(&self) -> Vec<(String, f64)> {
        let Skeleton { channels, cells, .. } = self.skeleton;
        let mut norms = Vec::new();
        for (stage, number) in (1..=3_u64).flat_map(|stage| (0..cells).map(move |number| (stage, number))) {
            let width = (channels << (stage - 1)) as usize;
            for (edge, operation) in self.cell.operations().into_iter().enumerate() {
                for (candidate, kernel) in [(Operation::Conv1x1, 1), (Operation::Conv3x3, 3)] {
                    if candidate == operation {
                        continue;
                    }
                    let name = format!("cells{stage}.{number}.edge.{edge}.{candidate}.unused");
                    let inputs = width * kernel * kernel;
                    let bound = 1.0 / (inputs as f64).sqrt();
                    let mut stream = self.seed.stream(&name);
                    let squares = (0..width * inputs).map(|_| stream.random_range(-bound..bound).powi(2));
                    norms.push((name, squares.sum::<f64>().sqrt()));
                }
            }
        }
        norms
    }
}

/// On an image of ones, and without norms, all of a ReLU6 is at its bound.
fn unbounded(operator: &Operator, norms: Norms) -> Operator {
    match operator {
        Operator::Relu6 if norms != Norms::Kept => Operator::Relu,
        other => other.clone(),
    }
}

pub(crate) fn has_weight(operator: &Operator) -> bool {
    matches!(operator, Operator::Convolution { .. } | Operator::Linear { .. })
}

impl Model for CellModel {
    fn layers(&self) -> Vec<Weighted> {
        let layers = self.network.layers().iter().filter(|layer| has_weight(&layer.operator));
        let weight = |name: &str| self.weights.get(&format!("{name}.weight")).cloned();
        layers
            .filter_map(|layer| Some(Weighted { name: layer.name.clone(), weight: weight(&layer.name)? }))
            .collect()
    }

    fn cost(&self) -> Cost {
        let cost = self.network.cost();
        Cost { parameters: cost.parameters, multiply_adds: cost.multiply_adds }
    }

    fn forward(&self, images: &Tensor, watch: Watch<'_>) -> Result<Tensor> {
        let places = self.places();
        let each = |at: usize, x: Tensor| places[at].iter().try_fold(x, |x, &place| watch(place, x));
        Ok(forward(&self.network, &self.weights, images, Mode::Train, each)?.logits)
    }

    fn with(
        &self,
        dtype: DType,
        norms: Norms,
        values: &mut dyn FnMut(Parameter<'_>) -> Result<Tensor>,
    ) -> Result<Self> {
        let network = self.without(norms)?;
        let weights = replaced(&network, &self.weights, dtype, values)?;
        Ok(Self { network, weights, made: self.made })
    }

    fn unused(&self) -> Vec<(String, f64)> {
        self.made.map_or_else(Vec::new, |made| made.unused())
    }

    fn first_order(&self, batch: &Batch, needs: &[Need], done: &mut dyn FnMut(Need)) -> Result<FirstOrder> {
        engine::through_engine(&self.network, &self.weights, batch, needs, done)
    }

    fn curvature(&self, batch: &Batch, direction: &[Tensor]) -> Result<Vec<f64>> {
        engine::curvature(&self.network, &self.weights, batch, direction)
    }
}
