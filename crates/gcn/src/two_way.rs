use crate::aggregate::{Mix, aggregate, aggregate_back};
use crate::model::add;
use crate::{GcnError, Graph, Parameters};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use cpu_ops::{linear, matmul, relu, relu_gradient, sum_rows};
use nas_core::Seed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What becomes of nodes without any feature, which fill a graph up to a fixed size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pads {
    /// They are nodes as any other, and count in the mean (as published).
    Kept,
    /// They are not there.
    Dropped,
}

/// One graph, with what every node sums along the edges and against them: `D^-1/2 (A + I) D^-1/2` with `D` the row sums,
/// of the adjacency and of its transpose (Wen et al., Neural Predictor, ECCV 2020, equation 3).
#[derive(Debug, Clone, PartialEq)]
pub struct TwoWayGraph {
    width: usize,
    features: Vec<f32>,
    /// By way and node its (source, weight), by rising source.
    sources: [Vec<Vec<(u32, f64)>>; 2],
}

impl TwoWayGraph {
    /// A graph from its adjacency `(N, N)`, of which only the zeros matter, and features `(N, F)`, both row by row; the
    /// diagonal is set. O(N^2).
    ///
    /// # Errors
    /// As [`Graph::new`].
    ///
    /// ```
    /// use gcn::{Pads, TwoWayGraph};
    /// // input -> output, and a node that is not used
    /// let adjacency = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    /// let features = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    /// let graph = TwoWayGraph::new(3, 2, &adjacency, &features, Pads::Kept)?;
    /// assert_eq!(graph.nodes(), 3);
    /// assert_eq!(TwoWayGraph::new(3, 2, &adjacency, &features, Pads::Dropped)?.nodes(), 2);
    /// # Ok::<(), gcn::GcnError>(())
    /// ```
    pub fn new(
        nodes: usize,
        width: usize,
        adjacency: &[f32],
        features: &[f32],
        pads: Pads,
    ) -> Result<Self, GcnError> {
        let plain = Graph::new(nodes, width, adjacency, features)?;
        let stays = |&node: &usize| pads == Pads::Kept || plain.features(node).iter().any(|&v| v != 0.0);
        let kept: Vec<usize> = (0..nodes).filter(stays).collect();
        let edge = |from: usize, to: usize| {
            from == to || plain.sources(from).iter().any(|&(source, _)| source as usize == to)
        };
        let way = |transposed: bool| {
            let reads =
                |node: usize, other: usize| if transposed { edge(other, node) } else { edge(node, other) };
            let degree = |node: usize| kept.iter().filter(|&&other| reads(node, other)).count() as f64;
            let roots: Vec<f64> = kept.iter().map(|&node| degree(node).sqrt()).collect();
            let row = |(i, &node): (usize, &usize)| {
                let read = (0_u32..).zip(&kept).filter(|&(_, &other)| reads(node, other));
                read.map(|(j, _)| (j, 1.0 / (roots[i] * roots[j as usize]))).collect()
            };
            kept.iter().enumerate().map(row).collect()
        };
        let features = kept.iter().flat_map(|&node| plain.features(node)).copied().collect();
        Ok(Self { width, features, sources: [way(false), way(true)] })
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.sources[0].len()
    }

    /// Features a node.
    pub fn width(&self) -> usize {
        self.width
    }

    fn features(&self, node: usize) -> &[f32] {
        &self.features[node * self.width..][..self.width]
    }
}

/// Graphs made ready for a network of a given depth. States that are equal by construction are computed once, within a
/// graph and between graphs, as in [`GraphBatch::shared`](crate::GraphBatch::shared).
#[derive(Debug, Clone)]
pub struct TwoWayBatch {
    /// By way the features summed by the first layer, `(rows, F)`.
    input: [Tensor; 2],
    /// By way what each later layer sums of the rows of the layer before.
    mixes: Vec<[Arc<Mix>; 2]>,
    /// The mean of the last rows of every graph.
    readout: Arc<Mix>,
}

impl TwoWayBatch {
    /// O(nodes^2 layers).
    ///
    /// # Errors
    /// No layers, no graphs, a graph without nodes, or graphs of different widths.
    pub fn new(graphs: &[&TwoWayGraph], layers: usize, dtype: DType) -> Result<Self, GcnError> {
        let width = graphs.first().map_or(0, |graph| graph.width);
        if layers == 0 || graphs.is_empty() {
            return Err(GcnError::Batch("a batch needs at least one graph, a network one layer".into()));
        }
        if let Some(i) = graphs.iter().position(|graph| graph.nodes() == 0 || graph.width != width) {
            return Err(GcnError::Batch(format!(
                "graph {i} has {} nodes of {} features; at least one node of {width} features is needed",
                graphs[i].nodes(),
                graphs[i].width
            )));
        }
        let mut rows = Rows::new(graphs);
        let first = rows.layer(graphs);
        let input = [0, 1].map(|way| -> Result<Tensor, GcnError> {
            let mut sums = vec![0.0; first.len() * width];
            for (row, &(graph, node)) in first.iter().enumerate() {
                for &(source, weight) in &graphs[graph].sources[way][node] {
                    let sum = sums[row * width..][..width].iter_mut();
                    let features = graphs[graph].features(source as usize);
                    sum.zip(features).for_each(|(sum, &v)| *sum += weight * f64::from(v));
                }
            }
            Ok(Tensor::from_vec(sums, (first.len(), width), &Device::Cpu)?.to_dtype(dtype)?)
        });
        let [along, against] = input;
        let mut mixes = Vec::new();
        let mut columns = first.len();
        for _ in 1..layers {
            let below = rows.of.clone();
            let now = rows.layer(graphs);
            mixes.push([0, 1].map(|way| {
                let mut mix = Mix::new();
                for &(graph, node) in &now {
                    let sources = graphs[graph].sources[way][node].iter();
                    mix.push(sources.map(|&(source, weight)| (below[graph][source as usize], weight)));
                }
                mix.of(columns)
            }));
            columns = now.len();
        }
        let mut readout = Mix::new();
        for rows in &rows.of {
            let weight = 1.0 / rows.len() as f64;
            readout.push(rows.iter().map(|&row| (row, weight)));
        }
        Ok(Self { input: [along?, against?], mixes, readout: readout.of(columns) })
    }

    /// Number of graphs.
    pub fn len(&self) -> usize {
        self.readout.rows()
    }

    /// Whether there are no graphs: never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Which row of the layer before every node of every graph has.
struct Rows {
    of: Vec<Vec<u32>>,
}

impl Rows {
    /// Nodes with equal features.
    fn new(graphs: &[&TwoWayGraph]) -> Self {
        let mut known: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
        let mut row = |graph: &TwoWayGraph, node: usize| {
            let next = known.len() as u32;
            let key = graph.features(node).iter().map(|v| (v + 0.0).to_bits()).collect();
            *known.entry(key).or_insert(next)
        };
        let of = graphs.iter().map(|graph| (0..graph.nodes()).map(|node| row(graph, node)).collect());
        Self { of: of.collect() }
    }

    /// Goes on to the next layer: of every row of it the first node that has it.
    fn layer(&mut self, graphs: &[&TwoWayGraph]) -> Vec<(usize, usize)> {
        let mut known: BTreeMap<Vec<u64>, u32> = BTreeMap::new();
        let mut first = Vec::new();
        for (number, graph) in graphs.iter().enumerate() {
            let below = &self.of[number];
            let mut now = Vec::with_capacity(below.len());
            for node in 0..graph.nodes() {
                let ways = graph.sources.each_ref().map(|way| &way[node]);
                let mut key = vec![ways[0].len() as u64];
                for &(source, weight) in ways.into_iter().flatten() {
                    key.extend([u64::from(below[source as usize]), weight.to_bits()]);
                }
                let next = first.len() as u32;
                let row = *known.entry(key).or_insert(next);
                if row == next {
                    first.push((number, node));
                }
                now.push(row);
            }
            self.of[number] = now;
        }
        first
    }
}

/// The shape of a two-way network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwoWaySettings {
    /// Features a node.
    pub width: usize,
    /// Units of every layer.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
}

/// Graph convolutions of the Neural Predictor: `H' = (relu(A H W+ + b+) + relu(A' H W- + b-)) / 2`, with the normalised
/// adjacency and the normalised transpose, and the mean of the last states of all nodes.
///
/// Weights start Glorot uniform, each tensor from its own stream of the seed, biases at 0. Parameters are called
/// `gc.0.along.weight` (in, out), `gc.0.along.bias`, `gc.0.against.weight`, `gc.0.against.bias`, and so on.
#[derive(Debug, Clone)]
pub struct TwoWayGcn {
    settings: TwoWaySettings,
    /// Weight and bias of either way.
    layers: Vec<[[Var; 2]; 2]>,
    parameters: Parameters,
}

impl TwoWayGcn {
    /// A network with fresh weights.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn new(settings: TwoWaySettings, dtype: DType, seed: Seed) -> Result<Self, GcnError> {
        let TwoWaySettings { width, hidden, layers } = settings;
        for (name, value) in [("width", width), ("hidden", hidden), ("layers", layers)] {
            if value == 0 {
                return Err(GcnError::Setting { name, value: 0.0, expected: "it must be at least 1" });
            }
        }
        let mut parameters = Parameters::new(dtype);
        let mut way = |l: usize, name: &str| -> Result<[Var; 2], GcnError> {
            let (weight, bias) = (format!("gc.{l}.{name}.weight"), format!("gc.{l}.{name}.bias"));
            let inputs = if l == 0 { width } else { hidden };
            let w = parameters.glorot(&weight, [inputs, hidden], &mut seed.stream(&weight))?;
            Ok([w, parameters.constant(&bias, &[hidden], 0.0)?])
        };
        let layers = (0..layers).map(|l| Ok([way(l, "along")?, way(l, "against")?]));
        let layers = layers.collect::<Result<_, GcnError>>()?;
        Ok(Self { settings, layers, parameters })
    }

    /// The shape of the network.
    pub fn settings(&self) -> &TwoWaySettings {
        &self.settings
    }

    /// Its trainable tensors.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The embeddings `(graphs, hidden)` of a batch made for as many layers as the network has.
    ///
    /// # Errors
    /// A batch of another depth or width.
    pub fn embed(&self, batch: &TwoWayBatch) -> Result<Tensor, GcnError> {
        Ok(self.pass(batch)?.embedding.as_detached_tensor())
    }

    /// The same, with what [`TwoWayPass::backward`] needs.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub fn pass<'a>(&'a self, batch: &'a TwoWayBatch) -> Result<TwoWayPass<'a>, GcnError> {
        let (depth, given) = (batch.mixes.len() + 1, batch.input[0].dim(1)?);
        let TwoWaySettings { width, layers, .. } = self.settings;
        if depth != layers || given != width {
            return Err(GcnError::Batch(format!(
                "a batch for {depth} layers of {given} features was given to a network of {layers} layers and \
                 {width} features"
            )));
        }
        let mut tape: Vec<[Step; 2]> = Vec::with_capacity(layers);
        let mut states: Option<Tensor> = None;
        for (l, vars) in self.layers.iter().enumerate() {
            let step = |way: usize| -> Result<Step, GcnError> {
                let summed = match &states {
                    Some(states) => aggregate(states, &batch.mixes[l - 1][way])?,
                    None => batch.input[way].clone(),
                };
                let [weight, bias] = &vars[way];
                let affine = linear(&summed, &weight.as_detached_tensor(), &bias.as_detached_tensor())?;
                Ok(Step { summed, affine })
            };
            let steps = [step(0)?, step(1)?];
            states = Some(((relu(&steps[0].affine)? + relu(&steps[1].affine)?)? * 0.5)?);
            tape.push(steps);
        }
        let last = states.as_ref().unwrap_or(&batch.input[0]);
        let embedding = Var::from_tensor(&aggregate(last, &batch.readout)?)?;
        Ok(TwoWayPass { gcn: self, batch, tape, embedding })
    }
}

/// What one layer computed one way: `A H`, and `A H W + b`.
#[derive(Debug)]
struct Step {
    summed: Tensor,
    affine: Tensor,
}

/// A training pass under way, as [`Pass`](crate::Pass).
#[derive(Debug)]
pub struct TwoWayPass<'a> {
    gcn: &'a TwoWayGcn,
    batch: &'a TwoWayBatch,
    tape: Vec<[Step; 2]>,
    embedding: Var,
}

impl TwoWayPass<'_> {
    /// The embeddings `(graphs, hidden)`, a leaf of candle's tape.
    pub fn embedding(&self) -> &Tensor {
        self.embedding.as_tensor()
    }

    /// Adds the gradients of the network's weights to those of a loss of the embeddings.
    ///
    /// # Errors
    /// Gradients without the embeddings': the loss does not depend on them.
    pub fn backward(&self, grads: &mut GradStore) -> Result<(), GcnError> {
        let Some(grad) = grads.get(self.embedding()) else {
            return Err(GcnError::Batch("this loss does not depend on the embeddings of the pass".into()));
        };
        // half of it goes either way
        let mut grad = (aggregate_back(&grad.contiguous()?, &self.batch.readout)? * 0.5)?;
        for (l, (steps, vars)) in self.tape.iter().zip(&self.gcn.layers).enumerate().rev() {
            let mut below: Option<Tensor> = None;
            for (way, (Step { summed, affine }, [weight, bias])) in steps.iter().zip(vars).enumerate() {
                let daffine = relu_gradient(affine, &grad)?;
                add(grads, bias, sum_rows(&daffine)?)?;
                add(grads, weight, matmul(summed, &daffine, (true, false))?)?;
                if l > 0 {
                    let dsummed = matmul(&daffine, &weight.as_detached_tensor(), (false, true))?;
                    let part = aggregate_back(&dsummed, &self.batch.mixes[l - 1][way])?;
                    below = Some(match below {
                        Some(other) => (other + part)?,
                        None => part,
                    });
                }
            }
            if let Some(sum) = below {
                grad = (sum * 0.5)?;
            }
        }
        Ok(())
    }
}
