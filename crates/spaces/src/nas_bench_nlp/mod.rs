//! NAS-Bench-NLP (Klyuchnikov et al., IEEE Access 2022).
//!
//! A recurrent cell as a recipe: up to 24 nodes, each an operation on the token, on the states of the step before, or
//! on other nodes; one to three nodes are the new states. There is no list of all: some 10^53 by the authors' count.

mod edits;
mod encoding;
mod recipe;
mod sample;
mod text;

pub use encoding::RecipeEncoding;
pub use recipe::{Entry, MAX_HIDDEN, MAX_NODES, Node, Operation, Recipe, RecipeError, Source};

use nas_core::{ParseArchError, SearchSpace, Stream};

/// The most that the space samples, mutates to and encodes: nodes, the token and the previous states together.
pub const MAX_VERTICES: usize = 25;

/// The space. What it samples and finds as neighbours are [representatives](Recipe::representative), so that equal
/// cells are equal recipes, of at most [`MAX_VERTICES`]. What it parses keeps its names and order.
///
/// ```
/// use nas_core::{SearchSpace, Seed};
/// use spaces::NasBenchNlp;
/// let recipe = NasBenchNlp.sample(&mut Seed(0).stream("example"));
/// assert_eq!(recipe.representative(), recipe);
/// assert_eq!(NasBenchNlp.parse(&recipe.to_string())?, recipe);
/// # Ok::<(), nas_core::ParseArchError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NasBenchNlp;

impl NasBenchNlp {
    /// The name in records and errors.
    pub const NAME: &'static str = "nas-bench-nlp";
}

impl SearchSpace for NasBenchNlp {
    type Arch = Recipe;

    fn name(&self) -> &str {
        Self::NAME
    }

    /// None: not counted.
    fn len(&self) -> Option<u64> {
        None
    }

    /// As the benchmark's generator draws them, with one to three states and 7, 14 or 21 other nodes before those
    /// that no state needs are left out. So in no sample a new state reads a previous one directly, though recipes in
    /// which one does are in the space.
    fn sample(&self, rng: &mut Stream) -> Recipe {
        sample::sample(rng)
    }

    /// One edit, drawn evenly from all: a neighbour that several edits reach comes more often. A recipe of so much
    /// more than [`MAX_VERTICES`] that no edit leads back among them gives a sample, and has no neighbours.
    fn mutate(&self, recipe: &Recipe, rng: &mut Stream) -> Recipe {
        edits::mutate(recipe, rng)
    }

    /// The representatives that one edit reaches, sorted. An edit gives a node another operation or reads another
    /// source; makes another node a new state; gives a linear node a third input or takes one; puts a node of one or
    /// two inputs on an edge, or takes out one that a single node reads, which then reads one of its inputs.
    fn neighbours(&self, recipe: &Recipe) -> Vec<Recipe> {
        edits::neighbours(recipe)
    }

    fn parse(&self, text: &str) -> Result<Recipe, ParseArchError> {
        text.parse()
    }

    /// None: there are too many.
    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Recipe> + '_>> {
        None
    }
}
