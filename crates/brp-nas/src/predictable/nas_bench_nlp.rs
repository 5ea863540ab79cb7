use super::{Predictable, Seen, counted};
use crate::registry::{EncodingName, Proxy};
use arch_graph::{ArchGraph, Cost, Encode, Features, Global};
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

    /// The features of the graph, then how many states it has.
    fn structure(&self) -> anyhow::Result<Seen<Recipe>> {
        let words = self.parse(SMALLEST)?.graph();
        let graphs = Features::new(words.vocabulary(), Operation::ALL.map(Operation::name))?;
        let blocks = vec![Block::numbers(graphs.names().len() + 1)];
        Ok(Seen::new(blocks, move |recipe: &Recipe| {
            let mut row = graphs.of(&recipe.graph()).unwrap_or_default();
            row.push(recipe.hidden() as f64);
            row
        }))
    }

    fn scores(&self) -> Vec<Proxy> {
        vec![Proxy::Params, Proxy::Flops]
    }

    /// Not measured yet as features.
    fn seen(&self) -> Vec<Proxy> {
        Vec::new()
    }

    fn drawn(&self, recipe: &Recipe) -> anyhow::Result<(ArchGraph, Vec<bool>)> {
        let graph = recipe.graph();
        let live = vec![true; graph.len()];
        Ok((graph, live))
    }
}
