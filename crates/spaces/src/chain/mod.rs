//! Chains: one choice a layer, each layer reading the one before.
//!
//! One description serves ProxylessNAS (Cai, Zhu and Han, ICLR 2019) as the Neural Predictor's re-implementation
//! has it, FBNet (Wu et al., CVPR 2019) and NAS-Bench-Macro (Su et al., CVPR 2021).

mod cost;
mod encoding;
mod text;

pub use encoding::ChainEncoding;

use crate::{ArchHash, Shuffled, SpaceError};
use arch_graph::Cost;
use nas_core::{Decisions, ParseArchError, SearchSpace, Stream};
use rand::RngExt;

/// The largest space that is enumerated.
const ENUMERATED: u64 = 10_000_000;

/// A space of chains: what a choice may be, and in each layer how many of the choices there are, the first ones.
///
/// ```
/// use nas_core::SearchSpace;
/// use spaces::chain;
/// assert_eq!(chain::NAS_BENCH_MACRO.len(), Some(6_561));
/// let arch = chain::NAS_BENCH_MACRO.parse("0_2_0_1_2_1_0_0")?;
/// assert_eq!((arch.choices()[1], arch.to_string().as_str()), (2, "0_2_0_1_2_1_0_0"));
/// assert_eq!(chain::PROXYLESS_NAS.choices()[6], "skip");
/// # Ok::<(), nas_core::ParseArchError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ChainSpace {
    name: &'static str,
    choices: &'static [&'static str],
    layers: &'static [u8],
    /// What the network costs with these choices, where the published definition says it.
    cost: Option<fn(&[u8]) -> Cost>,
}

/// ProxylessNAS as the Neural Predictor searches it: 22 layers of inverted bottlenecks with kernel 3, 5 or 7 and
/// expansion 3 or 6, or none: 6.64e17 chains.
///
/// The first layer has no expansion, so three choices; the first of each of the six stages that follow cannot be
/// left out, so six choices.
pub static PROXYLESS_NAS: ChainSpace = ChainSpace {
    name: "proxyless-nas",
    choices: &["k3_e3", "k5_e3", "k7_e3", "k3_e6", "k5_e6", "k7_e6", "skip"],
    layers: &[3, 6, 7, 7, 7, 6, 7, 7, 7, 6, 7, 7, 7, 6, 7, 7, 7, 6, 7, 7, 7, 6],
    cost: None,
};

/// FBNet as HW-NAS-Bench and HELP measured it: 22 layers, nine choices each, 9.85e20 chains.
pub static FB_NET: ChainSpace = ChainSpace {
    name: "fbnet",
    choices: &["k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip"],
    layers: &[9; 22],
    cost: None,
};

/// NAS-Bench-Macro: eight layers, three choices, all 6,561 trained.
pub static NAS_BENCH_MACRO: ChainSpace = ChainSpace {
    name: "nas-bench-macro",
    choices: &["identity", "k3_e3", "k5_e6"],
    layers: &[3; 8],
    cost: Some(cost::nas_bench_macro),
};

/// One architecture: the number of the choice in each layer. Prints them joined by `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain(Vec<u8>);

impl Chain {
    /// The choices, from the first layer to the last.
    pub fn choices(&self) -> &[u8] {
        &self.0
    }

    /// The MD5 of the text. Every chain is a network of its own, but for layers that compute nothing.
    pub fn hash(&self) -> ArchHash {
        ArchHash::of(self.to_string().as_bytes())
    }
}

impl ChainSpace {
    /// The chain with these choices.
    ///
    /// ```
    /// use spaces::chain::PROXYLESS_NAS;
    /// let mut choices = [0; 22];
    /// choices[1] = 6;
    /// let error = PROXYLESS_NAS.chain(&choices).unwrap_err();
    /// assert_eq!(error.to_string(), "layer 1 of proxyless-nas has choice 6: expected 0 to 5");
    /// ```
    ///
    /// # Errors
    /// Another number of layers, or a choice that a layer does not have.
    pub fn chain(&self, choices: &[u8]) -> Result<Chain, SpaceError> {
        let space = self.name;
        if choices.len() != self.layers.len() {
            return Err(SpaceError::Operations { space, found: choices.len(), expected: self.layers.len() });
        }
        match choices.iter().zip(self.layers).position(|(choice, count)| choice >= count) {
            Some(layer) => {
                Err(SpaceError::Choice { space, layer, found: choices[layer], most: self.layers[layer] - 1 })
            }
            None => Ok(Chain(choices.to_vec())),
        }
    }

    /// The names of the choices, each at its number.
    pub fn choices(&self) -> &'static [&'static str] {
        self.choices
    }

    /// How many choices each layer has: the first so many.
    pub fn layers(&self) -> &'static [u8] {
        self.layers
    }

    /// Parameters and multiply-adds of one image, where the published definition of the space says them: of
    /// NAS-Bench-Macro, equal to its table. None for a chain of another space.
    ///
    /// ```
    /// use nas_core::SearchSpace;
    /// use spaces::chain::NAS_BENCH_MACRO;
    /// let cost = NAS_BENCH_MACRO.cost(&NAS_BENCH_MACRO.parse("0_2_0_1_2_1_0_0")?);
    /// assert_eq!(cost.map(|cost| (cost.parameters, cost.multiply_adds)), Some((890_666, 47_327_744)));
    /// # Ok::<(), nas_core::ParseArchError>(())
    /// ```
    pub fn cost(&self, chain: &Chain) -> Option<Cost> {
        self.chain(chain.choices()).ok()?;
        Some(self.cost?(chain.choices()))
    }

    /// The place of a chain in lexicographic order; none where that does not fit in 64 bits, or for a chain of
    /// another space.
    pub fn index(&self, chain: &Chain) -> Option<u64> {
        self.len()?;
        self.chain(chain.choices()).ok()?;
        Some(
            chain
                .0
                .iter()
                .zip(self.layers)
                .fold(0, |index, (&choice, &count)| index * u64::from(count) + u64::from(choice)),
        )
    }

    /// The chain at this place in lexicographic order.
    ///
    /// # Errors
    /// A number that no chain has; every number where there are more than 2^64 chains.
    pub fn get(&self, index: u64) -> Result<Chain, SpaceError> {
        let len = self.len().ok_or(SpaceError::Unnumbered { space: self.name })?;
        if index >= len {
            return Err(SpaceError::Number { space: self.name, number: index, len });
        }
        let mut rest = index;
        let mut choices = vec![0; self.layers.len()];
        for (choice, &count) in choices.iter_mut().zip(self.layers).rev() {
            *choice = (rest % u64::from(count)) as u8;
            rest /= u64::from(count);
        }
        Ok(Chain(choices))
    }

    /// Random chains without repetition, up to all of them, in constant memory; none where there are more than
    /// 2^64.
    pub fn distinct(&self, rng: &mut Stream) -> impl Iterator<Item = Chain> + use<> {
        let space = *self;
        let numbers = Shuffled::new(self.len().unwrap_or(0), rng);
        numbers.filter_map(move |index| space.get(index).ok())
    }
}

impl SearchSpace for ChainSpace {
    type Arch = Chain;

    fn name(&self) -> &str {
        self.name
    }

    fn len(&self) -> Option<u64> {
        self.layers.iter().try_fold(1_u64, |len, &count| len.checked_mul(u64::from(count)))
    }

    /// Uniform.
    fn sample(&self, rng: &mut Stream) -> Chain {
        Chain(self.layers.iter().map(|&count| rng.random_range(0..count)).collect())
    }

    /// Another choice in one layer, uniform over the neighbours.
    fn mutate(&self, chain: &Chain, rng: &mut Stream) -> Chain {
        let near = self.neighbours(chain);
        near[rng.random_range(0..near.len())].clone()
    }

    /// The chains that differ in one layer: by layer, then by choice.
    fn neighbours(&self, chain: &Chain) -> Vec<Chain> {
        let other = |(layer, &count): (usize, &u8)| {
            (0..count).filter(move |choice| chain.0.get(layer) != Some(choice)).map(move |choice| {
                let mut changed = chain.clone();
                changed.0.iter_mut().skip(layer).take(1).for_each(|place| *place = choice);
                changed
            })
        };
        self.layers.iter().enumerate().flat_map(other).collect()
    }

    fn parse(&self, text: &str) -> Result<Chain, ParseArchError> {
        text::parse(self, text)
    }

    /// In lexicographic order, up to ten million.
    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Chain> + '_>> {
        let len = self.len().filter(|&len| len <= ENUMERATED)?;
        Some(Box::new((0..len).filter_map(|index| self.get(index).ok())))
    }
}

/// One decision a layer.
impl Decisions for ChainSpace {
    fn decisions(&self) -> Vec<usize> {
        self.layers.iter().map(|&count| usize::from(count)).collect()
    }

    fn choices_of(&self, chain: &Chain) -> Vec<usize> {
        chain.0.iter().map(|&choice| usize::from(choice)).collect()
    }

    fn arch_of(&self, choices: &[usize]) -> Option<Chain> {
        let small: Option<Vec<u8>> = choices.iter().map(|&choice| u8::try_from(choice).ok()).collect();
        self.chain(&small?).ok()
    }
}
