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

/// A space whose architectures are made by one choice after another, independent of each other: what a policy
/// draws from.
///
/// [`conformance::decisions`](crate::conformance::decisions) checks what is said here.
pub trait Decisions: SearchSpace {
    /// How many choices each decision has, at least one.
    fn decisions(&self) -> Vec<usize>;

    /// The choices that make an architecture, one a decision.
    fn choices_of(&self, arch: &Self::Arch) -> Vec<usize>;

    /// The architecture that these choices make; none for another number of choices, one out of range, or a
    /// combination that is no architecture of the space.
    fn arch_of(&self, choices: &[usize]) -> Option<Self::Arch>;
}

/// A borrowed space is a space.
impl<S: SearchSpace + ?Sized> SearchSpace for &S {
    type Arch = S::Arch;

    fn name(&self) -> &str {
        (**self).name()
    }

    fn len(&self) -> Option<u64> {
        (**self).len()
    }

    fn sample(&self, rng: &mut Stream) -> Self::Arch {
        (**self).sample(rng)
    }

    fn mutate(&self, arch: &Self::Arch, rng: &mut Stream) -> Self::Arch {
        (**self).mutate(arch, rng)
    }

    fn neighbours(&self, arch: &Self::Arch) -> Vec<Self::Arch> {
        (**self).neighbours(arch)
    }

    fn parse(&self, text: &str) -> Result<Self::Arch, ParseArchError> {
        (**self).parse(text)
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Self::Arch> + '_>> {
        (**self).enumerate()
    }
}

/// A borrowed space has the decisions of the space.
impl<S: Decisions + ?Sized> Decisions for &S {
    fn decisions(&self) -> Vec<usize> {
        (**self).decisions()
    }

    fn choices_of(&self, arch: &Self::Arch) -> Vec<usize> {
        (**self).choices_of(arch)
    }

    fn arch_of(&self, choices: &[usize]) -> Option<Self::Arch> {
        (**self).arch_of(choices)
    }
}
