use super::{Predictable, Seen, counted};
use crate::registry::{EncodingName, Proxy};
use arch_graph::{ArchGraph, Cost, Encode, Features, Global, Op};
use cellnet::{LanguageNetwork, LanguageSkeleton, SequenceNetwork};
use nas_core::SearchSpace;
use spaces::nas_bench_nlp::{Operation, Recipe, RecipeEncoding};
use spaces::{ArchHash, NasBenchNlp};
use surrogates::Block;

/// The smallest recipe, for its vocabulary.
const SMALLEST: &str = r#"{"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["f"]}}"#;

impl Predictable for NasBenchNlp {
    type Encoding = RecipeEncoding;
    type Bare = RecipeEncoding;

    fn hash(&self, recipe: &Recipe) -> ArchHash {
        recipe.graph_hash()
    }

    fn written(&self, recipe: &Recipe) -> Recipe {
        recipe.representative()
    }

    /// Nobody has counted them.
    fn number(&self, _: &Recipe) -> Option<u64> {
        None
    }

    /// Of 70 tokens of Penn Treebank.
    fn cost(&self, recipe: &Recipe) -> Option<Cost> {
        LanguageNetwork::new(recipe, &LanguageSkeleton::default()).ok().map(|network| counted(network.cost()))
    }

    /// A recipe has no dead parts.
    fn encodings(&self) -> &'static [EncodingName] {
        &[EncodingName::Pruned]
    }

    fn encoding(&self, _: EncodingName) -> anyhow::Result<RecipeEncoding> {
        Ok(RecipeEncoding::new(Global::First))
    }

    fn bare(&self, _: EncodingName) -> anyhow::Result<RecipeEncoding> {
        Ok(RecipeEncoding::new(Global::Without))
    }

    /// The operation of each node and every edge, in the order of the encoding; a recipe of more than 25 vertices, for
    /// which there is no place, has zeros.
    fn one_hot(&self, recipe: &Recipe) -> Vec<f64> {
        let encode = RecipeEncoding::new(Global::Without);
        let (nodes, width) = (encode.nodes(), encode.width());
        let Ok(encoding) = encode.encode(recipe) else { return vec![0.0; nodes * (nodes + width)] };
        encoding.features.iter().chain(&encoding.adjacency).copied().map(f64::from).collect()
    }

    /// The features of the graph and how many states it has; then those of what lies between the token and the state that
    /// is read out, and between the states before and that one, which decide whether the cell reads and remembers.
    fn structure(&self) -> anyhow::Result<Seen<Recipe>> {
        let words = self.parse(SMALLEST)?.graph().vocabulary().clone();
        let graphs = Features::new(&words, Operation::ALL.map(Operation::name))?;
        let ops = |names: &[&str]| names.iter().map(|name| words.op(name)).collect::<Result<Vec<Op>, _>>();
        let by_token = ops(&["h_prev_0", "h_prev_1", "h_prev_2", "h_new_1", "h_new_2"])?;
        let by_state = ops(&["x", "h_new_1", "h_new_2"])?;
        let width = graphs.names().len();
        let blocks = [width + 1, width, width].map(Block::numbers).to_vec();
        Ok(Seen::new(blocks, move |recipe: &Recipe| {
            let graph = recipe.graph();
            let of = |graph: &ArchGraph| graphs.of(graph).unwrap_or_default();
            let without = |cut: &[Op]| of(&cut.iter().fold(graph.clone(), |graph, &op| graph.isolated(op)));
            [of(&graph), vec![recipe.hidden() as f64], without(&by_token), without(&by_state)].concat()
        }))
    }

    fn scores(&self) -> Vec<Proxy> {
        vec![Proxy::Params, Proxy::Flops]
    }

    /// They add nothing (Kendall of `ours` from 171 recipes .551 with, .560 without, seeds from 900 on).
    fn seen(&self) -> Vec<Proxy> {
        Vec::new()
    }

    fn drawn(&self, recipe: &Recipe) -> anyhow::Result<(ArchGraph, Vec<bool>)> {
        let graph = recipe.graph();
        let live = vec![true; graph.len()];
        Ok((graph, live))
    }
}
