use crate::error::{NetworkError, Result};
use crate::network::{NetworkCost, Parameter, Role, sum};
use crate::pieces::in_range;
use crate::sequence::{Moment, Passing, SequenceNetwork, SequenceNorms, check, sigmoid};
use crate::weights::{HasParameters, Weights};
use candle_core::{Device, Tensor};
use cpu_ops::relu;
use serde::{Deserialize, Serialize};
use spaces::nas_bench_nlp::{Operation, Recipe, Source};

/// The encoder's weights begin within one over the root of it, .1, as the authors have it.
const ENCODER: usize = 100;
/// What is left of a negative number.
const LEAK: f64 = 0.01;

/// The network around the cell of NAS-Bench-NLP. The default is the paper's for Penn Treebank (Klyuchnikov et al., IEEE
/// Access 2022, after AWD-LSTM).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageSkeleton {
    /// Different tokens.
    pub tokens: usize,
    /// Numbers that a token is embedded in.
    pub width: usize,
    /// Width of the states of all layers but the last, whose states have that of a token.
    pub hidden: usize,
    /// Cells above each other.
    pub layers: usize,
    /// Tokens of a sequence.
    pub steps: usize,
}

impl Default for LanguageSkeleton {
    fn default() -> Self {
        Self { tokens: 10_000, width: 400, hidden: 600, layers: 3, steps: 70 }
    }
}

/// The network of a NAS-Bench-NLP recipe: cells above each other over embedded tokens, and a decoder with the encoder's
/// weights, as in the authors' `AWDRNNModel` and `CustomRNN` without dropout. States begin at 0; a cell gives its first
/// state on. Names of parameters are `layers.0.NODE.1.weight` of the second input of a linear node, `layers.0.NODE.bias`,
/// `decoder`.
///
/// Logits are those of the token behind the last one: one label a sequence, as proxies have it.
///
/// ```
/// use candle_core::DType;
/// use cellnet::{LanguageNetwork, LanguageSkeleton, SequenceNetwork, Weights};
/// use nas_core::Seed;
/// use spaces::nas_bench_nlp::Recipe;
/// let rnn: Recipe =
///     r#"{"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["f"]}}"#.parse()?;
/// let skeleton = LanguageSkeleton { tokens: 20, width: 4, hidden: 6, layers: 2, steps: 3 };
/// let net = LanguageNetwork::new(&rnn, &skeleton)?;
/// let weights = Weights::init(&net, DType::F32, Seed(0))?;
/// let embedded = net.embed(&weights, &[1, 2, 3, 17, 18, 19])?;
/// assert_eq!(embedded.dims(), [2, 4, 1, 3]);
/// assert_eq!(net.run(&weights, &embedded, &mut |_, x| Ok(x))?.dims(), [2, 20]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageNetwork {
    recipe: Recipe,
    skeleton: LanguageSkeleton,
}

impl LanguageNetwork {
    /// The network of a recipe.
    ///
    /// # Errors
    /// A skeleton out of range.
    pub fn new(recipe: &Recipe, skeleton: &LanguageSkeleton) -> Result<Self> {
        let LanguageSkeleton { tokens, width, hidden, layers, steps } = *skeleton;
        let settings =
            [("tokens", tokens), ("width", width), ("hidden", hidden), ("layers", layers), ("steps", steps)];
        in_range(settings)?;
        Ok(Self { recipe: recipe.clone(), skeleton: *skeleton })
    }

    /// Sequences `(N, width, 1, steps)` of tokens, sequence after sequence; differentiable by the encoder's weights.
    ///
    /// # Errors
    /// A token that is not there, a sequence that is not whole, none.
    pub fn embed(&self, weights: &Weights, tokens: &[u32]) -> Result<Tensor> {
        let LanguageSkeleton { width, steps, tokens: known, .. } = self.skeleton;
        if tokens.is_empty() || !tokens.len().is_multiple_of(steps) {
            let found = format!("{} in sequences of {steps}", tokens.len());
            return Err(NetworkError::Setting {
                setting: "tokens",
                found,
                expected: "whole sequences, at least 1",
            });
        }
        if let Some(token) = tokens.iter().find(|token| **token as usize >= known) {
            let found = format!("{token} of {known}");
            return Err(NetworkError::Setting { setting: "token", found, expected: "a number below theirs" });
        }
        let places = Tensor::new(tokens, &Device::Cpu)?;
        let rows = weights.need("decoder.weight")?.index_select(&places, 0)?;
        Ok(rows.reshape((tokens.len() / steps, steps, 1, width))?.transpose(1, 3)?.contiguous()?)
    }

    /// Widths of what each layer reads and of its states.
    fn widths(&self) -> Vec<(usize, usize)> {
        let LanguageSkeleton { width, hidden, layers, .. } = self.skeleton;
        let state = |layer| if layer + 1 == layers { width } else { hidden };
        (0..layers).map(|layer| (if layer == 0 { width } else { hidden }, state(layer))).collect()
    }

    /// The new states of a layer from what it reads `(N, width)` and those of the step before.
    fn step(
        &self,
        weights: &Weights,
        layer: usize,
        x: &Tensor,
        before: &[Tensor],
        watch: Passing<'_>,
    ) -> Result<Vec<Tensor>> {
        let (nodes, names) = (self.recipe.nodes(), self.recipe.names());
        let mut results: Vec<Option<Tensor>> = vec![None; nodes.len()];
        for place in self.recipe.order() {
            let read = |source: &Source| match *source {
                Source::Token => Some(x.clone()),
                Source::Previous(state) => before.get(usize::from(state)).cloned(),
                Source::Node(node) => results.get(usize::from(node)).cloned().flatten(),
            };
            // a recipe is valid: all is there, in this order
            let inputs: Vec<Tensor> = nodes[place].inputs.iter().filter_map(read).collect();
            let result = match (nodes[place].op, &inputs[..]) {
                (Operation::Linear, inputs) => {
                    let name = format!("layers.{layer}.{}", names[place]);
                    let mut sum: Option<Tensor> = None;
                    for (number, input) in inputs.iter().enumerate() {
                        let weight = weights.need(&format!("{name}.{number}.weight"))?.t()?;
                        let part = cpu_ops::matmul(input, &weight, (false, false))?;
                        sum = Some(sum.map_or_else(|| Ok(part.clone()), |sum| sum + &part)?);
                    }
                    let bias = weights.need(&format!("{name}.bias"))?;
                    sum.map_or_else(|| bias.as_tensor().copy(), |sum| sum.broadcast_add(bias))?
                }
                (Operation::Product, [a, b]) => (a * b)?,
                (Operation::Sum, [a, b]) => (a + b)?,
                (Operation::Blend, [gate, a, b]) => ((gate * a)? + (gate.affine(-1.0, 1.0)? * b)?)?,
                (Operation::Tanh, [a]) => a.tanh()?,
                (Operation::Sigmoid, [a]) => sigmoid(a)?,
                (Operation::LeakyRelu, [a]) => {
                    let a = watch(Moment::Rectifier, a.clone())?;
                    ((&a * LEAK)? + (relu(&a)? * (1.0 - LEAK))?)?
                }
                (op, _) => {
                    let reason = format!("{op} with {} inputs", inputs.len());
                    return Err(NetworkError::Layer { layer: names[place].clone(), reason });
                }
            };
            results[place] = Some(result);
        }
        let mut states: Vec<(u8, Tensor)> =
            nodes.iter().zip(results).filter_map(|(node, result)| Some((node.hidden?, result?))).collect();
        states.sort_by_key(|state| state.0);
        Ok(states.into_iter().map(|state| state.1).collect())
    }
}

impl HasParameters for LanguageNetwork {
    fn parameters(&self) -> Vec<Parameter> {
        let LanguageSkeleton { tokens, width, .. } = self.skeleton;
        let mut all = Vec::new();
        for (layer, (read, hidden)) in self.widths().into_iter().enumerate() {
            let role = Role::Connection { inputs: hidden };
            for (node, name) in self.recipe.nodes().iter().zip(self.recipe.names()) {
                if node.op != Operation::Linear {
                    continue;
                }
                for (number, source) in node.inputs.iter().enumerate() {
                    let inputs = if *source == Source::Token { read } else { hidden };
                    let name = format!("layers.{layer}.{name}.{number}.weight");
                    all.push(Parameter { name, shape: vec![hidden, inputs], role });
                }
                all.push(Parameter {
                    name: format!("layers.{layer}.{name}.bias"),
                    shape: vec![hidden],
                    role,
                });
            }
        }
        let role = Role::Connection { inputs: ENCODER };
        all.push(Parameter { name: "decoder.weight".into(), shape: vec![tokens, width], role });
        all.push(Parameter { name: "decoder.bias".into(), shape: vec![tokens], role: Role::Shift });
        all
    }
}

impl SequenceNetwork for LanguageNetwork {
    fn input(&self) -> (usize, usize) {
        (self.skeleton.width, self.skeleton.steps)
    }

    fn classes(&self) -> usize {
        self.skeleton.tokens
    }

    fn cost(&self) -> NetworkCost {
        let (all, steps) = (self.parameters(), self.skeleton.steps as u64);
        let products = |parameter: &Parameter| match parameter.shape.len() {
            1 => 0,
            // logits are wanted behind the last token alone
            _ if parameter.name == "decoder.weight" => parameter.size(),
            _ => parameter.size().saturating_mul(steps),
        };
        let parameters = sum(all.iter().map(Parameter::size));
        NetworkCost { parameters, multiply_adds: sum(all.iter().map(products)) }
    }

    fn run(&self, weights: &Weights, sequences: &Tensor, watch: Passing<'_>) -> Result<Tensor> {
        check(self, sequences)?;
        let (n, width, _, steps) = sequences.dims4()?;
        let zeros =
            |&(_, hidden): &(usize, usize)| Tensor::zeros((n, hidden), sequences.dtype(), sequences.device());
        let mut states = Vec::new();
        for widths in &self.widths() {
            states.push(vec![zeros(widths)?; self.recipe.hidden()]);
        }
        let mut x = zeros(&(0, width))?;
        for step in 0..steps {
            x = sequences.narrow(3, step, 1)?.reshape((n, width))?;
            for (layer, states) in states.iter_mut().enumerate() {
                *states = self.step(weights, layer, &x, states, watch)?;
                x = states[0].clone();
            }
        }
        let weight = weights.need("decoder.weight")?.t()?;
        let logits = cpu_ops::linear(&x, &weight, weights.need("decoder.bias")?)?;
        let shown = watch(Moment::Result("decoder"), logits.reshape((n, self.skeleton.tokens, 1, 1))?)?;
        Ok(shown.reshape((n, self.skeleton.tokens))?)
    }

    /// It has none.
    fn with_norms(&self, _: SequenceNorms) -> Self {
        self.clone()
    }
}
