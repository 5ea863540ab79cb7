use crate::body::check_labels;
use crate::scale::Carry;
use crate::trunk::{Network, Shape, Trunk, inputs};
use crate::{PredictError, Scale, Scaling};
use arch_graph::Encode;
use candle_core::DType;
use gcn::{History, Pads, Schedule, Training, train};
use nas_core::stats::quantile;
use nas_core::{Fit, FitFrom, Labelled, Predict, Rank, Seed, Stream, order_by_score};
use serde::{Deserialize, Serialize};

/// What the last number of a network stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// A percentage, `min(100, 100 sigmoid(x) + 10)` (the authors' on NAS-Bench-101); what lies below 10, the accuracy of
    /// guessing one of ten classes, is predicted as 10.
    ShiftedSigmoid,
    /// A percentage, `100 sigmoid(x)`.
    Sigmoid,
    /// A number that is not negative, `max(0, x)`, as a perplexity or loss.
    Relu,
    /// Any number, by labels that are scaled to 0..1.
    Linear,
}

/// Settings of the Neural Predictor and of what it was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NeuralPredictorSettings {
    /// What makes an embedding.
    pub trunk: Trunk,
    /// Units of every layer of it.
    pub hidden: usize,
    /// Number of its layers.
    pub layers: usize,
    /// Units of the dense layer.
    pub dense: usize,
    /// Share of those that are dropped while training.
    pub dropout: f64,
    /// What the output stands for.
    pub output: Output,
    /// Factor of the sum of squares of all kernels in the loss; its gradient goes through the optimiser's moments.
    pub l2: f64,
    /// The training, on the mean squared error.
    pub training: Training,
}

/// Widths of the published networks by the number of rows that they were trained on.
const WIDTHS: [(usize, usize); 6] = [(43, 48), (86, 72), (129, 96), (172, 144), (334, 210), (860, 320)];

impl NeuralPredictorSettings {
    /// As published (Wen et al., ECCV 2020, section 4.1 and supplement): 3 layers of a width that grows with the `rows`
    /// to train on (the published one of the nearest number, by ratio), Adam with a rate of 1e-4 by a cosine over
    /// 10,000 steps, batches of 10, 300 epochs, penalty 1e-3, dropout .1 behind a dense layer of 128.
    ///
    /// The optimiser is PyTorch's Adam, whose constant is 1e-8 where Keras has 1e-7.
    pub fn published(rows: usize) -> Self {
        let apart = |known: usize| (known as f64 / rows.max(1) as f64).ln().abs();
        let nearest = WIDTHS.into_iter().min_by(|a, b| apart(a.0).total_cmp(&apart(b.0)));
        Self {
            trunk: Trunk::Gcn(Pads::Kept),
            hidden: nearest.map_or(144, |(_, width)| width),
            layers: 3,
            dense: 128,
            dropout: 0.1,
            output: Output::ShiftedSigmoid,
            l2: 1e-3,
            training: Training {
                epochs: 300,
                batch: 10,
                rate: 1e-4,
                weight_decay: 0.0,
                schedule: Schedule::CosineSteps { steps: 10_000 },
                stop: None,
            },
        }
    }

    /// [`published`](Self::published) for rows with these labels: with a linear output where they are no percentages (or
    /// fractions), or where that of most is below 10, which the published output does not reach.
    pub fn for_labels(labels: &[f64]) -> Self {
        let published = Self::published(labels.len());
        let within = |most: f64| labels.iter().all(|label| (0.0..=most).contains(label));
        let most = if within(1.0) { 1.0 } else { 100.0 };
        let percent = within(most) && quantile(labels, 0.5) >= most / 10.0;
        Self { output: if percent { published.output } else { Output::Linear }, ..published }
    }

    /// The same without its quirks: nodes that fill a graph up are not there, decay does not go through the moments,
    /// the cosine ends with the training.
    pub fn clean(rows: usize) -> Self {
        let published = Self::published(rows);
        let training =
            Training { weight_decay: 1e-2, rate: 1e-3, schedule: Schedule::Cosine, ..published.training };
        Self { trunk: Trunk::Gcn(Pads::Dropped), l2: 0.0, output: Output::Linear, training, ..published }
    }

    pub(crate) fn shape(&self) -> Shape {
        let Self { trunk, hidden, layers, dense, .. } = *self;
        Shape { trunk, hidden, layers, dense }
    }
}

/// A network that predicts a value, in the setting of the Neural Predictor.
///
/// `E` says how an architecture becomes numbers; an encoding with a global node is read without it if it comes as
/// [`arch_graph::Bare`].
///
/// ```
/// use arch_graph::Bare;
/// use nas_core::{Fit, Labelled, Predict, Seed};
/// use predictors::{NeuralPredictor, NeuralPredictorSettings};
/// use spaces::{NasBench201, nas_bench_201::PrunedEncoding};
/// let cells: Vec<_> = (0..20).map(|i| NasBench201.get(i * 700)).collect::<Result<_, _>>()?;
/// let labels = (0..20).map(|i| 60.0 + f64::from(i)).collect();
/// let mut settings = NeuralPredictorSettings::published(20);
/// settings.training.epochs = 2;
/// let model = NeuralPredictor { encode: Bare(PrunedEncoding), settings }
///     .fit(&Labelled::new(cells.clone(), labels)?, &Labelled::empty(), Seed(0))?;
/// assert!(model.predict(&cells)?.iter().all(|value| (10.0..=100.0).contains(value)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct NeuralPredictor<E> {
    /// The encoding.
    pub encode: E,
    /// The settings.
    pub settings: NeuralPredictorSettings,
}

/// A fitted [`NeuralPredictor`].
#[derive(Debug)]
pub struct FittedNeuralPredictor<E> {
    encode: E,
    trunk: Trunk,
    network: Network,
    target: Target,
    history: History,
}

/// Between the label's unit and the network's output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Target {
    output: Output,
    /// Labels are fractions where the output is a percentage.
    fractions: bool,
    scale: Scale,
}

impl Target {
    fn new(output: Output, labels: &[f64]) -> Result<Self, PredictError> {
        let percent = matches!(output, Output::ShiftedSigmoid | Output::Sigmoid);
        let fractions = percent && labels.iter().all(|label| (0.0..=1.0).contains(label));
        let (most, expected) = match output {
            Output::Linear => (f64::INFINITY, "a finite number"),
            Output::Relu => (f64::INFINITY, "a rectified output wants labels that are not negative"),
            _ => (100.0, "a percentage lies in 0 to 100; take another output for other labels"),
        };
        let least = if output == Output::Linear { f64::NEG_INFINITY } else { 0.0 };
        let outside = |label: &f64| !label.is_finite() || !(least..=most).contains(label);
        if let Some(index) = labels.iter().position(outside) {
            return Err(PredictError::Range { index, value: labels[index], expected });
        }
        let scaling = if output == Output::Linear { Scaling::MinMax } else { Scaling::None };
        Ok(Self { output, fractions, scale: Scale::fit(scaling, labels) })
    }

    /// A label as the output would have it.
    fn of(&self, label: f64) -> f64 {
        if self.fractions { label * 100.0 } else { self.scale.to_unit(label) }
    }

    /// What an output stands for, in the label's unit.
    fn label(&self, raw: f64) -> f64 {
        let value = self.value(raw).0;
        if self.fractions { value / 100.0 } else { self.scale.from_unit(value) }
    }

    /// What the number stands for, and its slope.
    fn value(&self, raw: f64) -> (f64, f64) {
        let sigmoid = sigmoid(raw);
        let slope = 100.0 * sigmoid * (1.0 - sigmoid);
        match self.output {
            Output::ShiftedSigmoid if 100.0 * sigmoid + 10.0 >= 100.0 => (100.0, 0.0),
            Output::ShiftedSigmoid => (100.0 * sigmoid + 10.0, slope),
            Output::Sigmoid => (100.0 * sigmoid, slope),
            Output::Relu if raw > 0.0 => (raw, 1.0),
            Output::Relu => (0.0, 0.0),
            Output::Linear => (raw, 1.0),
        }
    }
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    0.5 * (1.0 + (0.5 * x).tanh())
}

/// The mean squared error of outputs, and its slope by each.
fn squared(target: &Target, raw: &[f64], labels: impl Iterator<Item = f64>) -> (f64, Vec<f64>) {
    let rows = raw.len().max(1) as f64;
    let mut loss = 0.0;
    let slope = |(&raw, label): (&f64, f64)| {
        let (value, slope) = target.value(raw);
        let error = value - target.of(label);
        loss += error * error / rows;
        2.0 * error * slope / rows
    };
    let slopes = raw.iter().zip(labels).map(slope).collect();
    (loss, slopes)
}

/// Trains a network on architectures, a loss of its outputs; one that goes on from another, where that is given.
pub(crate) fn trained<A, E: Encode<A>>(
    encode: &E,
    settings: &NeuralPredictorSettings,
    archs: &[A],
    (start, seed): (Option<(&Network, Carry)>, Seed),
    judge: impl Fn(&[f64], &[usize]) -> (f64, Vec<f64>),
) -> Result<(Network, History), PredictError> {
    if !(0.0..1.0).contains(&settings.dropout) {
        let (name, value, expected) = ("dropout", settings.dropout, "it lies in 0..1");
        return Err(gcn::GcnError::Setting { name, value, expected }.into());
    }
    let network = Network::new(encode, settings.shape(), DType::F32, seed)?;
    if let Some((start, carry)) = start {
        network.go_on_from(start, carry)?;
    }
    let known = inputs(encode, settings.trunk, archs)?;
    let step = |items: &[usize], rng: &mut Stream| {
        let batch: Vec<_> = items.iter().map(|&i| &known[i]).collect();
        network.step(&batch, (settings.dropout, settings.l2), rng, |raw| judge(raw, items))
    };
    let history = train(&network.parameters, &settings.training, archs.len(), seed, step, || Ok(None))?;
    Ok((network, history))
}

impl<E> NeuralPredictor<E> {
    pub(crate) fn run<A>(
        &self,
        start: Option<&FittedNeuralPredictor<E>>,
        train: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedNeuralPredictor<E>, PredictError>
    where
        E: Encode<A> + Clone,
    {
        check_labels(train.values(), 2)?;
        let target = Target::new(self.settings.output, train.values())?;
        let judge =
            |raw: &[f64], items: &[usize]| squared(&target, raw, items.iter().map(|&i| train.values()[i]));
        let carry = |start: &FittedNeuralPredictor<E>| match start.target.output == target.output {
            true => target.scale.carry(&start.target.scale),
            false => Carry::NONE,
        };
        let start = start.map(|start| (&start.network, carry(start)));
        let (network, history) = trained(&self.encode, &self.settings, train.archs(), (start, seed), judge)?;
        let (encode, trunk) = (self.encode.clone(), self.settings.trunk);
        Ok(FittedNeuralPredictor { encode, trunk, network, target, history })
    }
}

impl<A, E: Encode<A> + Clone> Fit<A> for NeuralPredictor<E> {
    type Model = FittedNeuralPredictor<E>;
    type Error = PredictError;

    /// `validation` is not looked at, as published.
    fn fit(&self, train: &Labelled<A>, _: &Labelled<A>, seed: Seed) -> Result<Self::Model, PredictError> {
        self.run(None, train, seed)
    }
}

impl<A, E: Encode<A> + Clone> FitFrom<A> for NeuralPredictor<E> {
    fn fit_from(
        &self,
        start: &Self::Model,
        train: &Labelled<A>,
        _: &Labelled<A>,
        seed: Seed,
    ) -> Result<Self::Model, PredictError> {
        self.run(Some(start), train, seed)
    }
}

impl<E> FittedNeuralPredictor<E> {
    /// How the training went; losses without the penalty.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Whether the labels were taken for fractions of 1, because all of them lie in 0 to 1 where the output is a
    /// percentage.
    pub fn took_fractions(&self) -> bool {
        self.target.fractions
    }

    /// All weights as a safetensors file.
    ///
    /// # Errors
    /// An error of the serialiser.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, PredictError> {
        Ok(self.network.parameters.to_safetensors()?)
    }
}

/// In the unit of the label.
impl<A, E: Encode<A>> Predict<A> for FittedNeuralPredictor<E> {
    type Error = PredictError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, PredictError> {
        let raw = self.network.outputs(&inputs(&self.encode, self.trunk, archs)?)?;
        Ok(raw.into_iter().map(|raw| self.target.label(raw)).collect())
    }
}

/// Larger predictions first: for accuracy. Of equal ones, where a bounded output has reached its end, the larger output.
impl<A, E: Encode<A>> Rank<A> for FittedNeuralPredictor<E> {
    type Error = PredictError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, PredictError> {
        Ok(order_by_score(&self.network.outputs(&inputs(&self.encode, self.trunk, archs)?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trunk::Input;
    use candle_core::safetensors::load;
    use candle_core::{Device, Tensor};
    use cpu_ops::{AdamW, AdamWSettings};
    use gcn::{Rate, TwoWayBatch, TwoWayGcn, TwoWayGraph, TwoWaySettings};
    use std::path::Path;

    struct Padded;

    impl Encode<()> for Padded {
        type Error = arch_graph::GraphError;
        fn nodes(&self) -> usize {
            7
        }
        fn width(&self) -> usize {
            5
        }
        fn has_global(&self) -> bool {
            false
        }
        fn encode(&self, (): &()) -> Result<arch_graph::Encoding, Self::Error> {
            unreachable!("only its shape is asked for")
        }
    }

    fn list(tensor: &Tensor) -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[track_caller]
    fn close(found: &[f64], expected: &Tensor, what: &str) {
        let expected = list(expected);
        assert_eq!(found.len(), expected.len(), "{what}");
        let scale = expected.iter().fold(1e-300_f64, |m, v| m.max(v.abs()));
        for (f, e) in found.iter().zip(&expected) {
            assert!((f - e).abs() <= 1e-10 * scale, "{what}: {f} against {e}");
        }
    }

    fn graphs(a: &Tensor, x: &Tensor) -> Vec<TwoWayGraph> {
        let dense = |t: &Tensor| t.to_dtype(DType::F32).unwrap().to_vec3::<f32>().unwrap();
        let graph = |(a, x): (Vec<Vec<f32>>, Vec<Vec<f32>>)| {
            TwoWayGraph::new(x.len(), x[0].len(), &a.concat(), &x.concat(), Pads::Kept).unwrap()
        };
        dense(a).into_iter().zip(dense(x)).map(graph).collect()
    }

    #[test]
    fn the_neural_predictor_trains_as_in_pytorch() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let file = root.join("fixtures/predictors/neural_predictor/network.safetensors");
        let held = load(file, &Device::Cpu).unwrap();
        let shape = Shape { trunk: Trunk::Gcn(Pads::Kept), hidden: 12, layers: 3, dense: 16 };
        let network = Network::new(&Padded, shape, DType::F64, Seed(0)).unwrap();
        for (name, var) in network.parameters.iter() {
            var.set(&held[&format!("w0.{name}")]).unwrap();
        }
        let known: Vec<Input> =
            graphs(&held["adjacency"], &held["features"]).into_iter().map(Input::Graph).collect();
        let labels = list(&held["target"]);
        let target = Target::new(Output::ShiftedSigmoid, &labels).unwrap();
        close(&network.outputs(&known).unwrap(), &held["logit"], "logit");
        let batch: Vec<&Input> = known.iter().collect();
        let mut rng = Seed(0).stream("none");
        let mut optimiser =
            AdamW::new(network.parameters.vars().cloned(), AdamWSettings::with_decay(0.0)).unwrap();
        let mut rate = Rate::new(Schedule::CosineSteps { steps: 50 }, 1e-2, 1);
        for step in 0..10 {
            let judge = |raw: &[f64]| squared(&target, raw, labels.iter().copied());
            let (loss, grads) = network.step(&batch, (0.0, 1e-3), &mut rng, judge).unwrap();
            if step == 0 {
                let squares =
                    |(_, var): (&str, &candle_core::Var)| list(var).iter().map(|v| v * v).sum::<f64>();
                let kernels = network.parameters.iter().filter(|(name, _)| name.ends_with(".weight"));
                let penalty = 1e-3 * kernels.map(squares).sum::<f64>();
                close(&[list(&loss)[0] + penalty], &held["loss"], "loss");
                for (name, var) in network.parameters.iter() {
                    close(&list(grads.get(var).unwrap()), &held[&format!("g0.{name}")], name);
                }
            }
            optimiser.step(&grads, rate.get()).unwrap();
            rate.taken();
        }
        for (name, var) in network.parameters.iter() {
            close(&list(var), &held[&format!("w10.{name}")], name);
        }
    }

    #[test]
    fn the_reference_forward_where_it_is_present() {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/eccv_forward.safetensors");
        if !file.exists() {
            eprintln!("skipped: {} is not here", file.display());
            return;
        }
        let held = load(file, &Device::Cpu).unwrap();
        let graphs = graphs(&held["A"], &held["X"]);
        let settings = TwoWaySettings { width: 5, hidden: 8, layers: 3 };
        let gcn = TwoWayGcn::new(settings, DType::F64, Seed(0)).unwrap();
        for (name, var) in gcn.parameters().iter() {
            let parts: Vec<&str> = name.split('.').collect();
            let way = if parts[2] == "along" { "p" } else { "m" };
            let what = if parts[3] == "weight" { "w" } else { "b" };
            var.set(&held[&format!("l{}.{what}{way}", parts[1])]).unwrap();
        }
        let all: Vec<&TwoWayGraph> = graphs.iter().collect();
        let embedded = gcn.embed(&TwoWayBatch::new(&all, 3, DType::F64).unwrap()).unwrap();
        close(&list(&embedded), &held["pool"], "pool");
        let dense = cpu_ops::linear(&embedded, &held["fc1_w"], &held["fc1_b"]).unwrap();
        let raw = list(&cpu_ops::linear(&dense, &held["fc2_w"], &held["fc2_b"]).unwrap());
        close(&raw, &held["logit"], "logit");
        let value = |output| {
            let target = Target { output, fractions: false, scale: Scale::fit(Scaling::None, &[]) };
            raw.iter().map(|&raw| target.value(raw).0).collect::<Vec<_>>()
        };
        close(&value(Output::ShiftedSigmoid), &held["ss_sigmoid"], "ss_sigmoid");
        close(&value(Output::Sigmoid), &held["s_sigmoid"], "s_sigmoid");
        close(&raw.iter().map(|&raw| sigmoid(raw)).collect::<Vec<_>>(), &held["sigmoid_cls"], "sigmoid");
    }
}
