use crate::error::Result;
use crate::model::{Cost, Model, Norms, Parameter, Place, Watch, Weighted};
use crate::replaced::replaced;
use candle_core::{DType, Tensor};
use cellnet::{Moment, Role, SequenceNetwork, SequenceNorms, Weights};

/// A sequence network of `cellnet` with its weights: of NAS-Bench-ASR or NAS-Bench-NLP. Its images are sequences
/// `(N, features, 1, steps)`.
///
/// What reads a state of the step before shows no result, so that `fisher` counts it as 0.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use cellnet::{LanguageNetwork, LanguageSkeleton, Weights};
/// use nas_core::Seed;
/// use proxies::{Batch, Proxy, SequenceModel, observe};
/// use spaces::nas_bench_nlp::Recipe;
/// let rnn: Recipe =
///     r#"{"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["f"]}}"#.parse()?;
/// let skeleton = LanguageSkeleton { tokens: 20, width: 4, hidden: 6, layers: 2, steps: 3 };
/// let network = LanguageNetwork::new(&rnn, &skeleton)?;
/// let weights = Weights::init(&network, DType::F64, Seed(0))?;
/// let batch = Batch::new(network.embed(&weights, &[1, 2, 3, 17, 18, 19])?.detach(), vec![4, 0])?;
/// let snip = proxies::by_name("snip")?;
/// let model = SequenceModel::new(network, weights);
/// let seen = observe(&model, &batch, snip.needs(), Seed(0), &mut |_| {})?;
/// assert!(snip.score(&seen)?.value > 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SequenceModel<S> {
    network: S,
    weights: Weights,
}

impl<S: SequenceNetwork> SequenceModel<S> {
    /// A network and its weights.
    pub fn new(network: S, weights: Weights) -> Self {
        Self { network, weights }
    }

    /// The network.
    pub fn network(&self) -> &S {
        &self.network
    }

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }
}

/// The name of the layer whose weight has this name, where a parameter is one.
fn layer(parameter: &cellnet::Parameter) -> Option<&str> {
    parameter.name.strip_suffix(".weight").filter(|_| matches!(parameter.role, Role::Connection { .. }))
}

impl<S: SequenceNetwork> Model for SequenceModel<S> {
    fn layers(&self) -> Vec<Weighted> {
        let of = |parameter: cellnet::Parameter| {
            let name = layer(&parameter)?.to_owned();
            Some(Weighted { name, weight: self.weights.get(&parameter.name)?.clone() })
        };
        self.network.parameters().into_iter().filter_map(of).collect()
    }

    fn cost(&self) -> Cost {
        let cost = self.network.cost();
        Cost { parameters: cost.parameters, multiply_adds: cost.multiply_adds }
    }

    fn forward(&self, sequences: &Tensor, watch: Watch<'_>) -> Result<Tensor> {
        let names: Vec<String> =
            self.network.parameters().iter().filter_map(|p| layer(p).map(String::from)).collect();
        let each = &mut |moment: Moment<'_>, x: Tensor| match moment {
            Moment::Result(name) => match names.iter().position(|layer| layer == name) {
                Some(at) => watch(Place::Layer(at), x),
                None => Ok(x),
            },
            Moment::Rectifier => watch(Place::Rectifier, x),
            Moment::Norm => watch(Place::Norm, x),
        };
        Ok(self.network.run(&self.weights, sequences, each)?)
    }

    fn with(
        &self,
        dtype: DType,
        norms: Norms,
        values: &mut dyn FnMut(Parameter<'_>) -> Result<Tensor>,
    ) -> Result<Self> {
        let network = self.network.with_norms(match norms {
            Norms::Kept => SequenceNorms::Kept,
            Norms::Forgotten => SequenceNorms::Between,
            Norms::Removed => SequenceNorms::Removed,
        });
        let weights = replaced(&network, &self.weights, dtype, values)?;
        Ok(Self { network, weights })
    }
}
