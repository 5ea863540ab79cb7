use crate::aggregate::Mix;
use crate::{GcnError, Graph};
use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How the embedding of a graph is read off its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readout {
    /// The last state of node 0, which reads every other node (BRP-NAS).
    GlobalNode,
    /// The mean of the last states of all nodes (Neural Predictor).
    Mean,
}

/// Graphs made ready for a network of a given depth: which states each layer has to compute, and from which.
///
/// Only states that the read-out depends on are computed: with a global node the last layer has one row a
/// graph. A [`shared`](Self::shared) batch goes further: states that are equal by construction (same features,
/// same states summed in the same order) are computed once, within a graph and between graphs. That is exact
/// without dropout. All 15,625 cells of NAS-Bench-201 in the published encoding need 4 layers of 4,307, 12,390,
/// 14,550 and 8,687 rows instead of 140,625 each.
#[derive(Debug, Clone)]
pub struct GraphBatch {
    /// Features summed by the first layer, `(rows, F)`.
    pub(crate) input: Tensor,
    /// What each later layer sums of the rows of the layer before.
    pub(crate) mixes: Vec<Arc<Mix>>,
    /// Last rows to graphs.
    pub(crate) readout: Arc<Mix>,
}

impl GraphBatch {
    /// Every node of every graph has its own state: for training with dropout.
    ///
    /// # Errors
    /// No layers, no graphs, a graph without nodes, or graphs of different widths.
    pub fn separate(
        graphs: &[&Graph],
        layers: usize,
        readout: Readout,
        dtype: DType,
    ) -> Result<Self, GcnError> {
        Builder::new(layers, false).run(graphs, readout, dtype)
    }

    /// Equal states are computed once: for prediction, and for training without dropout.
    ///
    /// # Errors
    /// As [`separate`](Self::separate).
    pub fn shared(
        graphs: &[&Graph],
        layers: usize,
        readout: Readout,
        dtype: DType,
    ) -> Result<Self, GcnError> {
        Builder::new(layers, true).run(graphs, readout, dtype)
    }

    /// Number of graphs.
    pub fn len(&self) -> usize {
        self.readout.rows()
    }

    /// Whether there are no graphs: never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows that each layer computes.
    pub fn rows(&self) -> Vec<usize> {
        let first = self.input.dims().first().copied().unwrap_or(0);
        std::iter::once(first).chain(self.mixes.iter().map(|mix| mix.rows())).collect()
    }
}

// looked up, never iterated: its order cannot show
#[expect(clippy::disallowed_types)]
type Known = std::collections::HashMap<Vec<u32>, u32>;

/// Assigns a row to each state that is needed, layer by layer.
struct Builder {
    share: bool,
    known: Vec<Known>,
    input: Vec<f32>,
    counts: Vec<u32>,
    mixes: Vec<Mix>,
    readout: Mix,
}

impl Builder {
    fn new(layers: usize, share: bool) -> Self {
        Self {
            share,
            known: vec![Known::default(); layers + 1],
            input: Vec::new(),
            counts: vec![0; layers + 1],
            mixes: vec![Mix::new(); layers.saturating_sub(1)],
            readout: Mix::new(),
        }
    }

    fn run(mut self, graphs: &[&Graph], readout: Readout, dtype: DType) -> Result<GraphBatch, GcnError> {
        if self.counts.len() < 2 {
            return Err(GcnError::Batch("a network needs at least one layer".into()));
        }
        if graphs.is_empty() {
            return Err(GcnError::Batch("a batch needs at least one graph".into()));
        }
        let width = graphs.first().map_or(0, |graph| graph.width());
        for (i, graph) in graphs.iter().enumerate() {
            if graph.nodes() == 0 || graph.width() != width {
                return Err(GcnError::Batch(format!(
                    "graph {i} has {} nodes of {} features; at least one node of {width} features is needed",
                    graph.nodes(),
                    graph.width()
                )));
            }
            self.add(graph, readout);
        }
        let columns = self.counts.clone();
        let last = columns[columns.len() - 1] as usize;
        let rows = columns[1] as usize;
        Ok(GraphBatch {
            input: Tensor::from_vec(self.input, (rows, width), &Device::Cpu)?.to_dtype(dtype)?,
            mixes: self
                .mixes
                .into_iter()
                .zip(&columns[1..])
                .map(|(mix, &from)| mix.of(from as usize))
                .collect(),
            readout: self.readout.of(last),
        })
    }

    fn add(&mut self, graph: &Graph, readout: Readout) {
        let layers = self.counts.len() - 1;
        let read: Vec<u32> = match readout {
            Readout::GlobalNode => vec![0],
            Readout::Mean => (0..graph.nodes() as u32).collect(),
        };
        // needed[l]: nodes whose state after layer l somebody reads
        let mut needed = vec![vec![false; graph.nodes()]; layers + 1];
        read.iter().for_each(|&node| needed[layers][node as usize] = true);
        for layer in (1..layers).rev() {
            let (below, above) = needed.split_at_mut(layer + 1);
            for node in (0..graph.nodes()).filter(|&node| above[0][node]) {
                graph.sources(node).iter().for_each(|&(source, _)| below[layer][source as usize] = true);
            }
        }
        // features are told apart by value even where states are not shared: only layers have rows of their own
        let mut below: Vec<u32> =
            (0..graph.nodes()).map(|node| self.feature_id(graph.features(node))).collect();
        let mut rows = vec![0; graph.nodes()];
        for (layer, now) in needed.iter().enumerate().skip(1) {
            for node in (0..graph.nodes()).filter(|&node| now[node]) {
                rows[node] = self.row(layer, graph, node, &below);
            }
            std::mem::swap(&mut below, &mut rows);
        }
        let weight = 1.0 / read.len() as f64;
        self.readout.push(read.iter().map(|&node| (below[node as usize], weight)));
    }

    fn feature_id(&mut self, features: &[f32]) -> u32 {
        let key: Vec<u32> = features.iter().map(|v| (v + 0.0).to_bits()).collect();
        let next = self.known[0].len() as u32;
        *self.known[0].entry(key).or_insert(next)
    }

    /// The row of `node` after `layer`, given the rows (or feature numbers) of all nodes before it.
    fn row(&mut self, layer: usize, graph: &Graph, node: usize, below: &[u32]) -> u32 {
        let sources = graph.sources(node);
        let next = self.counts[layer];
        if self.share {
            let key = sources.iter().flat_map(|&(source, weight)| {
                let bits = weight.to_bits();
                [below[source as usize], (bits >> 32) as u32, bits as u32]
            });
            let row = *self.known[layer].entry(key.collect()).or_insert(next);
            if row != next {
                return row;
            }
        }
        self.counts[layer] += 1;
        if layer == 1 {
            let start = self.input.len();
            self.input.resize(start + graph.width(), 0.0);
            for &(source, weight) in sources {
                let sum = self.input[start..].iter_mut().zip(graph.features(source as usize));
                sum.for_each(|(sum, &v)| *sum += weight as f32 * v);
            }
        } else {
            self.mixes[layer - 2]
                .push(sources.iter().map(|&(source, weight)| (below[source as usize], weight)));
        }
        next
    }
}
