//! What all predictors made of a graph network share: graphs of architectures, a network, a linear head.

use crate::PredictError;
use crate::scale::Carry;
use arch_graph::Encode;
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use cpu_ops::linear;
use gcn::{
    Gcn, GcnError, GcnSettings, Graph, GraphBatch, History, Mode, Parameters, Readout, Schedule, Training,
    train,
};
use nas_core::{Seed, Stream};

/// Graphs embedded at once in prediction.
const CHUNK: usize = 16_384;

pub(crate) fn graphs<A, E: Encode<A>>(encode: &E, archs: &[A]) -> Result<Vec<Graph>, PredictError> {
    let graph = |(index, arch): (usize, &A)| {
        let encoding =
            encode.encode(arch).map_err(|error| PredictError::Encode { index, source: Box::new(error) })?;
        let (nodes, width) = (encoding.nodes, encoding.width);
        Ok(Graph::new(nodes, width, &encoding.adjacency, &encoding.features)?)
    };
    archs.iter().enumerate().map(graph).collect()
}

/// A network and its head, `(outputs, inputs)` and `(outputs)` as in PyTorch's `Linear`.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) gcn: Gcn,
    pub(crate) head: Parameters,
    pub(crate) weight: Var,
    pub(crate) bias: Var,
    pub(crate) readout: Readout,
}

impl Body {
    /// Fresh weights; the head as PyTorch's `Linear`, uniform within `1/sqrt(inputs)`.
    pub(crate) fn new(
        settings: GcnSettings,
        readout: Readout,
        outputs: usize,
        inputs: usize,
        dtype: DType,
        seed: Seed,
    ) -> Result<Self, PredictError> {
        let gcn = Gcn::new(settings, dtype, seed)?;
        let mut head = Parameters::new(dtype);
        let bound = 1.0 / (inputs as f64).sqrt();
        let weight = head.uniform("fc.weight", &[outputs, inputs], bound, &mut seed.stream("fc.weight"))?;
        let bias = head.uniform("fc.bias", &[outputs], bound, &mut seed.stream("fc.bias"))?;
        Ok(Self { gcn, head, weight, bias, readout })
    }

    /// Takes over the weights of another network of the same shape.
    pub(crate) fn start_from(&self, gcn: &Gcn) -> Result<(), PredictError> {
        let (ours, theirs) = (self.gcn.settings(), gcn.settings());
        if (ours.width, ours.hidden, ours.layers) != (theirs.width, theirs.hidden, theirs.layers) {
            return Err(PredictError::Start(format!(
                "it has {} features, {} layers of {} units, but the settings say {}, {} of {}",
                theirs.width, theirs.layers, theirs.hidden, ours.width, ours.layers, ours.hidden
            )));
        }
        Ok(self.gcn.parameters().restore(&gcn.parameters().snapshot()?)?)
    }

    /// Takes over the weights of another network and head of the same shape, the head carried over to other labels.
    pub(crate) fn go_on_from(&self, other: &Self, carry: Carry) -> Result<(), PredictError> {
        self.start_from(&other.gcn)?;
        self.head.restore(&other.head.snapshot()?)?;
        Ok(carry.apply(&self.weight, &self.bias).map_err(GcnError::from)?)
    }

    pub(crate) fn parameters(&self) -> Parameters {
        self.gcn.parameters().chain(&self.head)
    }

    /// A training step: `loss` of the embeddings of a batch, each node with its own dropout, and the gradients of
    /// the head, and of the network too unless it is `frozen`.
    pub(crate) fn step(
        &self,
        graphs: &[&Graph],
        rng: &mut Stream,
        frozen: bool,
        loss: impl Fn(&Tensor) -> Result<Tensor, GcnError>,
    ) -> Result<(Tensor, GradStore), GcnError> {
        let settings = self.gcn.settings();
        let make = if settings.dropout > 0.0 { GraphBatch::separate } else { GraphBatch::shared };
        let batch = make(graphs, settings.layers, self.readout, self.weight.dtype())?;
        let pass = self.gcn.pass(&batch, rng)?;
        let loss = loss(pass.embedding())?;
        let mut grads = loss.backward()?;
        if !frozen {
            pass.backward(&mut grads)?;
        }
        Ok((loss, grads))
    }

    /// Trains the head alone without weight decay where `warm_up` epochs say so, then everything.
    pub(crate) fn train(
        &self,
        training: &Training,
        warm_up: usize,
        items: usize,
        seed: Seed,
        step: impl Fn(&[usize], &mut Stream, bool) -> Result<(Tensor, GradStore), GcnError>,
        validate: impl FnMut() -> Result<Option<f64>, GcnError>,
    ) -> Result<History, GcnError> {
        if warm_up > 0 {
            let training = Training {
                epochs: warm_up,
                weight_decay: 0.0,
                schedule: Schedule::Constant,
                stop: None,
                ..*training
            };
            let frozen = |items: &[usize], rng: &mut Stream| step(items, rng, true);
            train(&self.head, &training, items, seed.derive("warm-up"), frozen, || Ok(None))?;
        }
        let full = |items: &[usize], rng: &mut Stream| step(items, rng, false);
        train(&self.parameters(), training, items, seed, full, validate)
    }

    /// `f` of the embeddings of `graphs`, chunk by chunk, joined.
    pub(crate) fn map<T>(
        &self,
        graphs: &[Graph],
        mut f: impl FnMut(Tensor) -> Result<Vec<T>, GcnError>,
    ) -> Result<Vec<T>, GcnError> {
        let mut all = Vec::with_capacity(graphs.len());
        for chunk in graphs.chunks(CHUNK) {
            let chunk: Vec<&Graph> = chunk.iter().collect();
            let layers = self.gcn.settings().layers;
            let batch = GraphBatch::shared(&chunk, layers, self.readout, self.weight.dtype())?;
            all.extend(f(self.gcn.embed(&batch, Mode::Predict)?)?);
        }
        Ok(all)
    }

    /// `embedding weight' + bias`, the head held constant where `predict`.
    pub(crate) fn apply_head(&self, embedded: &Tensor, predict: bool) -> Result<Tensor, GcnError> {
        let at = |var: &Var| if predict { var.as_tensor().detach() } else { var.as_tensor().clone() };
        Ok(linear(embedded, &at(&self.weight).t()?, &at(&self.bias))?)
    }
}

pub(crate) fn readout<A, E: Encode<A>>(encode: &E) -> Readout {
    if encode.has_global() { Readout::GlobalNode } else { Readout::Mean }
}

/// What learns from pairs needs two of them in a step.
pub(crate) fn check_pairs(batch: usize) -> Result<(), PredictError> {
    if batch < 2 {
        let (name, value) = ("batch", batch as f64);
        return Err(GcnError::Setting { name, value, expected: "pairs need two or more in a step" }.into());
    }
    Ok(())
}

pub(crate) fn check_labels(labels: &[f64], needed: usize) -> Result<(), PredictError> {
    if labels.len() < needed {
        return Err(PredictError::TooFew { found: labels.len(), needed });
    }
    if labels.iter().all(|&v| v == labels[0]) {
        return Err(PredictError::Constant { rows: labels.len(), value: labels[0] });
    }
    Ok(())
}

pub(crate) fn to_f64(tensor: &Tensor) -> Result<Vec<f64>, GcnError> {
    Ok(tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}
