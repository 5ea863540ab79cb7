use crate::{ParseArchError, Stream};
use std::fmt::{Debug, Display};
use std::hash::Hash;

/// A set of architectures that can be sampled and walked through.
///
/// [`conformance::space`](crate::conformance::space) checks what is said here.
pub trait SearchSpace {
    /// One architecture; its `Display` is the published text.
    type Arch: Clone + Debug + Display + Eq + Ord + Hash + Send + Sync;

    /// The name used in records and on the command line.
    fn name(&self) -> &str;

    /// How many architectures there are, where that fits in 64 bits.
    fn len(&self) -> Option<u64>;

    /// Whether there are none; no useful space is empty.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// A random architecture, uniform where the space says nothing else.
    fn sample(&self, rng: &mut Stream) -> Self::Arch;

    /// One random edit; never the architecture itself.
    fn mutate(&self, arch: &Self::Arch, rng: &mut Stream) -> Self::Arch;

    /// Every architecture that one edit reaches, each once, in a fixed order.
    fn neighbours(&self, arch: &Self::Arch) -> Vec<Self::Arch>;

    /// The architecture that prints as `text`.
    ///
    /// # Errors
    /// The place in the text, what was expected there and what was found.
    fn parse(&self, text: &str) -> Result<Self::Arch, ParseArchError>;

    /// All architectures in a fixed order, where that is feasible.
    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Self::Arch> + '_>>;
}
