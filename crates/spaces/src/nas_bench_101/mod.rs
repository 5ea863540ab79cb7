//! NAS-Bench-101 (Ying et al., ICML 2019).
//!
//! A module is a graph of up to 7 vertices and 9 edges; each vertex between input and output is one of three
//! operations, every vertex lies on a path. There are 423,624 up to isomorphism.

mod cost;
mod decisions;
mod edits;
mod encoding;
mod hash;
mod matrix;
mod order;
mod spec;
mod text;

pub use cost::Skeleton;
pub use encoding::{BareEncoding, PaddedEncoding};
pub use matrix::{MAX_EDGES, MAX_VERTICES};
pub use order::Models;
pub use spec::{Draft, Operation, Spec};

use crate::SpaceError;
use nas_core::{ParseArchError, SearchSpace, Stream};
use rand::RngExt;

/// Number of models up to isomorphism.
const LEN: u64 = 423_624;

/// The space. What it samples, finds as neighbours and enumerates are [representatives](Spec::representative):
/// the specs that the benchmark holds, so that equal models are equal specs. What it parses is pruned, but keeps
/// its numbering.
///
/// ```
/// use nas_core::{SearchSpace, Seed};
/// use spaces::NasBench101;
/// let spec = NasBench101.sample(&mut Seed(0).stream("example"));
/// assert_eq!(spec.representative(), spec);
/// assert!(NasBench101.neighbours(&spec).len() > 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NasBench101;

impl NasBench101 {
    /// The name in records and errors.
    pub const NAME: &'static str = "nas-bench-101";

    /// The representative with this place in [`Models`]. The benchmark itself numbers nothing: its key is
    /// [`Spec::module_hash`].
    ///
    /// The first call makes the list of all: 5 MB.
    ///
    /// # Errors
    /// An index past 423,623.
    pub fn get(&self, index: usize) -> Result<Spec, SpaceError> {
        let (space, len) = (Self::NAME, order::ALL.len());
        order::ALL.get(index).copied().ok_or(SpaceError::Index { space, index, len })
    }

    /// The place of a spec's representative in [`Models`], from 0 to 423,623; the first call as for
    /// [`get`](Self::get), then O(log n).
    ///
    /// ```
    /// # use spaces::NasBench101;
    /// let spec = NasBench101.get(90)?;
    /// assert_eq!((spec.vertices(), NasBench101.index(&spec)), (4, 90));
    /// # Ok::<(), spaces::SpaceError>(())
    /// ```
    pub fn index(&self, spec: &Spec) -> usize {
        // every representative is in the list
        order::ALL.binary_search(&spec.representative()).unwrap_or_default()
    }
}

impl SearchSpace for NasBench101 {
    type Arch = Spec;

    fn name(&self) -> &str {
        Self::NAME
    }

    /// Models up to isomorphism.
    fn len(&self) -> Option<u64> {
        Some(LEN)
    }

    /// As the benchmark does it ([`Draft::sample`]), pruned, as its representative. Not uniform over the models:
    /// those that many matrices prune to are drawn more often. For a uniform one take
    /// [`get`](NasBench101::get) of a random index.
    fn sample(&self, rng: &mut Stream) -> Spec {
        loop {
            if let Ok(spec) = Draft::sample(rng).prune() {
                return spec.representative();
            }
        }
    }

    /// Uniform over the neighbours, all of which it makes: about a tenth of a millisecond. [`Draft::mutate`] is
    /// the published mutation.
    fn mutate(&self, spec: &Spec, rng: &mut Stream) -> Spec {
        let near = edits::neighbours(spec);
        near[rng.random_range(0..near.len())]
    }

    /// The representatives that one edit reaches, sorted. An edit gives an inner vertex another operation; puts
    /// in or takes out an edge; or puts in or takes out a vertex with one predecessor and one successor, with
    /// the direct edge between these two left as it is or flipped. Every vertex stays on a path.
    fn neighbours(&self, spec: &Spec) -> Vec<Spec> {
        edits::neighbours(spec)
    }

    fn parse(&self, text: &str) -> Result<Spec, ParseArchError> {
        text.parse()
    }

    /// [`Models::up_to`] 7 vertices.
    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Spec> + '_>> {
        Some(Box::new(Models::up_to(MAX_VERTICES)))
    }
}
