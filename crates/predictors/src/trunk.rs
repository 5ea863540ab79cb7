//! From architectures to embeddings, and from those by a dense layer to one number: what the predictors of the Neural
//! Predictor's paper share.

use crate::PredictError;
use crate::scale::Carry;
use arch_graph::Encode;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use cpu_ops::{linear, relu, unfold_rows};
use gcn::{GcnError, Pads, Parameters, TwoWayBatch, TwoWayGcn, TwoWayGraph, TwoWaySettings};
use nas_core::{Seed, Stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Architectures embedded at once in prediction: their states stay in the cache, and most of what many share is shared.
const CHUNK: usize = 1_024;

/// Neighbouring nodes that a convolution reads, itself one of them.
const TAPS: usize = 3;

/// What makes an embedding of an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trunk {
    /// Graph convolutions both ways, and the mean over nodes.
    Gcn(Pads),
    /// Fully connected layers on the adjacency and the features of all nodes in one row.
    Mlp,
    /// Convolutions of 3 nodes over the nodes in their order, whose channels are their features and their rows of the
    /// adjacency, and the mean over nodes.
    Cnn,
}

/// An architecture as a trunk reads it.
#[derive(Debug)]
pub(crate) enum Input {
    Graph(TwoWayGraph),
    Numbers(Vec<f32>),
}

/// The shape of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) trunk: Trunk,
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) dense: usize,
}

/// A trunk, a dense layer without activation, dropout, and one output.
#[derive(Debug)]
pub(crate) struct Network {
    trunk: Layers,
    nodes: usize,
    /// Weight and bias of the dense layer, and of the output.
    head: [[Var; 2]; 2],
    pub(crate) parameters: Parameters,
}

/// Weights are (in, out) as in Keras, of a convolution (neighbours in, out).
#[derive(Debug)]
enum Layers {
    Gcn(TwoWayGcn),
    Mlp(Vec<[Var; 2]>),
    Cnn(Vec<[Var; 2]>),
}

pub(crate) fn inputs<A, E: Encode<A>>(
    encode: &E,
    trunk: Trunk,
    archs: &[A],
) -> Result<Vec<Input>, PredictError> {
    let input = |(index, arch): (usize, &A)| {
        let encoding =
            encode.encode(arch).map_err(|error| PredictError::Encode { index, source: Box::new(error) })?;
        let (nodes, width) = (encoding.nodes, encoding.width);
        let (adjacency, features) = (encoding.adjacency, encoding.features);
        Ok(match trunk {
            Trunk::Gcn(pads) => Input::Graph(TwoWayGraph::new(nodes, width, &adjacency, &features, pads)?),
            Trunk::Mlp => Input::Numbers([features, adjacency].concat()),
            Trunk::Cnn => {
                let channels =
                    |node: usize| [&features[node * width..][..width], &adjacency[node * nodes..][..nodes]];
                Input::Numbers((0..nodes).flat_map(channels).flatten().copied().collect())
            }
        })
    };
    archs.iter().enumerate().map(input).collect()
}

impl Network {
    /// Glorot weights and zero biases, each tensor from its own stream of the seed.
    pub(crate) fn new<A, E: Encode<A>>(
        encode: &E,
        shape: Shape,
        dtype: DType,
        seed: Seed,
    ) -> Result<Self, PredictError> {
        let Shape { trunk, hidden, layers, dense } = shape;
        let (nodes, width) = (encode.nodes(), encode.width());
        let mut own = Parameters::new(dtype);
        let mut layer = |l: usize, inputs: usize, taps: usize| -> Result<[Var; 2], GcnError> {
            let name = format!("layer.{l}");
            let bound = (6.0 / (taps * (inputs + hidden)).max(1) as f64).sqrt();
            let shape = [taps * inputs, hidden];
            let weight = own.uniform(&format!("{name}.weight"), &shape, bound, &mut seed.stream(&name))?;
            Ok([weight, own.constant(&format!("{name}.bias"), &[hidden], 0.0)?])
        };
        let mut stack = |first: usize, taps: usize| -> Result<Vec<[Var; 2]>, GcnError> {
            (0..layers).map(|l| layer(l, if l == 0 { first } else { hidden }, taps)).collect()
        };
        let trunk = match trunk {
            Trunk::Gcn(_) => {
                Layers::Gcn(TwoWayGcn::new(TwoWaySettings { width, hidden, layers }, dtype, seed)?)
            }
            Trunk::Mlp => Layers::Mlp(stack(nodes * (width + nodes), 1)?),
            Trunk::Cnn => Layers::Cnn(stack(width + nodes, TAPS)?),
        };
        let mut head = Parameters::new(dtype);
        let mut one = |name: &str, shape: [usize; 2]| -> Result<[Var; 2], GcnError> {
            let weight = format!("{name}.weight");
            let drawn = head.glorot(&weight, shape, &mut seed.stream(&weight))?;
            Ok([drawn, head.constant(&format!("{name}.bias"), &[shape[1]], 0.0)?])
        };
        let heads = [one("dense", [hidden, dense])?, one("out", [dense, 1])?];
        let parameters = match &trunk {
            Layers::Gcn(gcn) => gcn.parameters().chain(&head),
            _ => own.chain(&head),
        };
        Ok(Self { trunk, nodes, head: heads, parameters })
    }

    fn dtype(&self) -> DType {
        self.head[0][0].dtype()
    }

    /// Takes over the weights of another network of the same shape, its output carried over to other labels.
    pub(crate) fn go_on_from(&self, other: &Self, carry: Carry) -> Result<(), PredictError> {
        let shapes = |network: &Self| -> Vec<(String, Vec<usize>)> {
            network.parameters.iter().map(|(name, var)| (name.into(), var.dims().to_vec())).collect()
        };
        let (ours, theirs) = (shapes(self), shapes(other));
        if let Some((a, b)) = ours.iter().zip(&theirs).find(|(a, b)| a != b) {
            return Err(PredictError::Start(format!(
                "it has {} {:?} where the settings say {} {:?}",
                b.0, b.1, a.0, a.1
            )));
        }
        self.parameters.restore(&other.parameters.snapshot()?)?;
        let [_, [weight, bias]] = &self.head;
        Ok(carry.apply(weight, bias).map_err(GcnError::from)?)
    }

    /// What is read as numbers, in one tensor of so many rows an input.
    fn tensor(&self, inputs: &[&Input], rows: usize) -> Result<Tensor, GcnError> {
        let mut all = Vec::new();
        for input in inputs {
            match input {
                Input::Numbers(numbers) => all.extend_from_slice(numbers),
                Input::Graph(_) => return Err(GcnError::Batch("a graph where numbers are read".into())),
            }
        }
        Ok(Tensor::from_vec(all, (rows * inputs.len(), ()), &Device::Cpu)?.to_dtype(self.dtype())?)
    }

    /// Hands `f` the embeddings, a leaf or a result of candle's tape, and then, where it gives gradients, those of the trunk.
    fn embed<R>(
        &self,
        inputs: &[&Input],
        f: impl FnOnce(&Tensor) -> Result<(R, Option<GradStore>), GcnError>,
    ) -> Result<(R, Option<GradStore>), GcnError> {
        match &self.trunk {
            Layers::Gcn(gcn) => {
                let mut graphs = Vec::with_capacity(inputs.len());
                for input in inputs {
                    match input {
                        Input::Graph(graph) => graphs.push(graph),
                        Input::Numbers(_) => {
                            return Err(GcnError::Batch("numbers where a graph is read".into()));
                        }
                    }
                }
                let batch = TwoWayBatch::new(&graphs, gcn.settings().layers, self.dtype())?;
                let pass = gcn.pass(&batch)?;
                let (result, mut grads) = f(pass.embedding())?;
                if let Some(grads) = &mut grads {
                    pass.backward(grads)?;
                }
                Ok((result, grads))
            }
            Layers::Mlp(layers) => {
                let mut states = self.tensor(inputs, 1)?;
                for [weight, bias] in layers {
                    states = relu(&linear(&states, weight.as_tensor(), bias.as_tensor())?)?;
                }
                f(&states)
            }
            Layers::Cnn(layers) => {
                let mut states = self.tensor(inputs, self.nodes)?;
                for [weight, bias] in layers {
                    let around = unfold_rows(&states.reshape((inputs.len(), self.nodes, ()))?, TAPS)?;
                    let around = around.flatten_to(1)?;
                    states = relu(&linear(&around, weight.as_tensor(), bias.as_tensor())?)?;
                }
                let states = states.reshape((inputs.len(), self.nodes, ()))?;
                f(&(states.sum(1)? * (1.0 / self.nodes.max(1) as f64))?)
            }
        }
    }

    /// A training step: `judge` gives the loss of the outputs and its slope by each, `dropout` is the share of the dense
    /// units that are dropped, and `l2` the factor of the penalty on the squares of all kernels, which is not in the loss
    /// that is returned.
    pub(crate) fn step(
        &self,
        inputs: &[&Input],
        (dropout, l2): (f64, f64),
        rng: &mut Stream,
        judge: impl FnOnce(&[f64]) -> (f64, Vec<f64>),
    ) -> Result<(Tensor, GradStore), GcnError> {
        let [[dense, dense_bias], [out, out_bias]] = &self.head;
        let (loss, grads) = self.embed(inputs, |embedded| {
            let mut units = linear(embedded, dense.as_tensor(), dense_bias.as_tensor())?;
            if dropout > 0.0 {
                let keep = |_| if rng.random::<f64>() < dropout { 0.0 } else { 1.0 / (1.0 - dropout) };
                let kept: Vec<f64> = (0..units.elem_count()).map(keep).collect();
                units = (&units
                    * Tensor::from_vec(kept, units.dims(), &Device::Cpu)?.to_dtype(units.dtype())?)?;
            }
            let outputs = linear(&units, out.as_tensor(), out_bias.as_tensor())?;
            let (loss, slopes) = judge(&crate::body::to_f64(&outputs.detach())?);
            // a sum whose gradient by every output is its slope
            let slopes = Tensor::from_vec(slopes, outputs.dims(), &Device::Cpu)?.to_dtype(outputs.dtype())?;
            Ok((loss, Some((outputs * slopes)?.sum_all()?.backward()?)))
        })?;
        let Some(mut grads) = grads else {
            return Err(GcnError::Batch("a step without gradients".into()));
        };
        if l2 > 0.0 {
            for (name, var) in self.parameters.iter().filter(|(name, _)| name.ends_with(".weight")) {
                let Some(grad) = grads.get(var.as_tensor()) else {
                    return Err(GcnError::Batch(format!("{name} has no gradient")));
                };
                let with_penalty = (grad + (var.as_detached_tensor() * (2.0 * l2))?)?;
                grads.insert(var.as_tensor(), with_penalty);
            }
        }
        Ok((Tensor::new(loss, &Device::Cpu)?, grads))
    }

    /// The outputs, one an input.
    pub(crate) fn outputs(&self, inputs: &[Input]) -> Result<Vec<f64>, GcnError> {
        let mut all = Vec::with_capacity(inputs.len());
        let [[dense, dense_bias], [out, out_bias]] =
            self.head.each_ref().map(|pair| pair.each_ref().map(Var::as_detached_tensor));
        for chunk in inputs.chunks(CHUNK) {
            let chunk: Vec<&Input> = chunk.iter().collect();
            let (values, _) = self.embed(&chunk, |embedded| {
                let units = linear(&embedded.detach(), &dense, &dense_bias)?;
                Ok((crate::body::to_f64(&linear(&units, &out, &out_bias)?)?, None))
            })?;
            all.extend(values);
        }
        Ok(all)
    }
}
