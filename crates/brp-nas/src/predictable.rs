//! What predictors see of the architectures of a space: one file a space.

mod chain;
mod darts;
mod nas_bench_101;
mod nas_bench_201;
mod nas_bench_asr;
mod nas_bench_nlp;

use crate::failure::{Failure, OrFail};
use crate::registry::{EncodingName, Proxy, different};
use anyhow::anyhow;
use arch_graph::{ArchGraph, Cost, Encode};
use nas_core::{Decisions, ParseArchError, SearchSpace, Seed, Stream};
use spaces::ArchHash;
use std::collections::BTreeSet;
use std::sync::Arc;
use surrogates::{Block, Described};

/// A space of which a class of equal architectures is one: what is drawn, mutated to or next to another is the first of its
/// class.
#[derive(Debug)]
pub(crate) struct ByClass<'a, S>(pub(crate) &'a S);

impl<S: Predictable> SearchSpace for ByClass<'_, S> {
    type Arch = S::Arch;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn len(&self) -> Option<u64> {
        self.0.whole().map(|all| all.len() as u64)
    }

    fn sample(&self, rng: &mut Stream) -> S::Arch {
        self.0.representative(&self.0.sample(rng))
    }

    fn mutate(&self, arch: &S::Arch, rng: &mut Stream) -> S::Arch {
        // an edit may change nothing but how the same network is written
        for _ in 0..EDITS {
            let child = self.0.representative(&self.0.mutate(arch, rng));
            if child != *arch {
                return child;
            }
        }
        self.0.mutate(arch, rng)
    }

    fn neighbours(&self, arch: &S::Arch) -> Vec<S::Arch> {
        let mut seen = BTreeSet::from([arch.clone()]);
        let all = self.0.neighbours(arch).into_iter().map(|next| self.0.representative(&next));
        all.filter(|next| seen.insert(next.clone())).collect()
    }

    fn parse(&self, text: &str) -> Result<S::Arch, ParseArchError> {
        Ok(self.0.representative(&self.0.parse(text)?))
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = S::Arch> + '_>> {
        Some(Box::new(self.0.whole()?.into_iter()))
    }
}

/// Edits that may change nothing before one is taken as it is.
const EDITS: usize = 100;

/// A space whose architectures the program describes and predicts something of.
///
/// Another space is an implementation of this trait in a file of its own, and a line in the registry.
pub(crate) trait Predictable: SearchSpace<Arch: 'static> + Sync + 'static {
    /// How the graph networks of BRP-NAS read an architecture: with a global node.
    type Encoding: Encode<Self::Arch> + Clone + Sync;

    /// How networks that average over nodes read one, as the Neural Predictor: without a global node.
    type Bare: Encode<Self::Arch> + Clone;

    /// Equal for architectures that are the same by the rule of the space.
    fn hash(&self, arch: &Self::Arch) -> ArchHash;

    /// The place in the order of the space, from 0, where there is one.
    fn number(&self, arch: &Self::Arch) -> Option<u64>;

    /// Of the published network: by its definition, or counted from what is built.
    fn cost(&self, arch: &Self::Arch) -> Option<Cost>;

    /// The encodings that it tells apart, at least one.
    fn encodings(&self) -> &'static [EncodingName];

    /// One of its encodings with a global node; any other name means the only one.
    fn encoding(&self, name: EncodingName) -> anyhow::Result<Self::Encoding>;

    /// The same without a global node.
    fn bare(&self, name: EncodingName) -> anyhow::Result<Self::Bare>;

    /// All that makes an architecture, as zeros and ones, as many for each: what baselines see.
    fn one_hot(&self, arch: &Self::Arch) -> Vec<f64>;

    /// The same of what has a part in the result, or would have one if its input were not zero.
    fn one_hot_live(&self, arch: &Self::Arch) -> Vec<f64> {
        self.one_hot(&self.stand_in(arch))
    }

    /// How many of each operation there are, wherever they stand.
    fn operations(&self, arch: &Self::Arch) -> anyhow::Result<Vec<f64>> {
        let (graph, _) = self.drawn(arch)?;
        let mut counts = vec![0.0; graph.vocabulary().len()];
        graph.ops().flatten().for_each(|op| counts[op.index()] += 1.0);
        Ok(counts)
    }

    /// What a table of latencies by operation is made of, where single operations can be measured.
    fn lookup(&self) -> Option<Lookup<Self::Arch>> {
        None
    }

    /// What surrogates see of the graph where accuracies are predicted.
    fn structure(&self) -> anyhow::Result<Seen<Self::Arch>>;

    /// What they see where costs are predicted, which dead parts may add to.
    fn costs(&self) -> anyhow::Result<Seen<Self::Arch>> {
        self.structure()
    }

    /// What a device's latencies are transferred to another one by.
    fn described(&self, arch: &Self::Arch) -> Described {
        let coarse = self.one_hot(arch);
        Described { fine: std::iter::once(1.0).chain(coarse.iter().copied()).collect(), coarse }
    }

    /// The scores of nearly all architectures that are known without a table.
    fn scores(&self) -> Vec<Proxy>;

    /// Those of them that predictors see where none are named.
    fn seen(&self) -> Vec<Proxy> {
        self.scores()
    }

    /// The whole graph of an architecture, and which of its nodes its result depends on.
    fn drawn(&self, arch: &Self::Arch) -> anyhow::Result<(ArchGraph, Vec<bool>)>;

    /// A score of the table that comes with the program.
    fn kept(&self, _name: &str, _arch: &Self::Arch) -> Option<f64> {
        None
    }

    /// So many, drawn at random without repetition.
    fn draw(&self, count: usize, seed: Seed) -> Result<Vec<Self::Arch>, Failure> {
        let found = different(self, count, seed);
        if found.len() < count {
            let (space, there) = (self.name(), found.len());
            let said =
                anyhow!("--sample {count}: only {there} different architectures of {space} were drawn");
            return Err(said).or_input();
        }
        Ok(found)
    }

    /// Every class of equal architectures, by the first of it; none where there are too many.
    fn whole(&self) -> Option<Vec<Self::Arch>> {
        Some(self.enumerate()?.collect())
    }

    /// Whether the space knows classes of equal architectures.
    fn has_classes(&self) -> bool {
        false
    }

    /// The first of its class of equal architectures, where the space knows classes: whatever is trained or scored
    /// once does for all of them.
    fn representative(&self, arch: &Self::Arch) -> Self::Arch {
        arch.clone()
    }

    /// The same as the space itself writes it: of texts that differ in order or names alone, one.
    fn written(&self, arch: &Self::Arch) -> Self::Arch {
        arch.clone()
    }

    /// Independent choices that make an architecture, where there are such: what a policy draws from.
    fn decisions(&self) -> Option<&dyn Decisions<Arch = Self::Arch>> {
        None
    }

    /// What a straight line predicts accuracies by.
    fn descriptors(&self) -> anyhow::Result<Descriptors<Self::Arch>> {
        let seen = self.structure()?;
        Ok(Arc::new(move |arch| seen.of(arch)))
    }

    /// The architectures among which scores are ranked: those of the table, or all of a small space.
    fn pool(&self, table: &[Self::Arch]) -> Vec<Self::Arch> {
        table.to_vec()
    }

    /// One that computes the same, whose score will do where an architecture has none.
    fn stand_in(&self, arch: &Self::Arch) -> Self::Arch {
        arch.clone()
    }

    /// A score without training: larger is better; none where it is not defined, or has to be computed.
    fn score(&self, proxy: Proxy, arch: &Self::Arch) -> Option<f64> {
        match proxy {
            Proxy::Params => self.cost(arch).map(|cost| cost.parameters as f64),
            Proxy::Flops => self.multiply_adds(arch),
            Proxy::Kept(name) => self.kept(name, arch),
            Proxy::Computed(_) => None,
        }
    }

    /// Of one image, where the space has a cost.
    fn multiply_adds(&self, arch: &Self::Arch) -> Option<f64> {
        self.cost(arch).map(|cost| cost.multiply_adds as f64)
    }
}

/// A table of latencies by operation (as in ProxylessNAS, Cai et al., ICLR 2019): an architecture with as little in it as
/// runs, and for each operation one that has it beside that; nothing is fitted.
pub(crate) struct Lookup<A> {
    pub(crate) base: A,
    pub(crate) parts: Vec<A>,
    /// How many of each part an architecture runs.
    pub(crate) counts: fn(&A) -> Vec<f64>,
}

/// Numbers of an architecture, as many for each.
pub(crate) type Descriptors<A> = Arc<Row<A>>;

/// As many for each architecture.
type Row<A> = dyn Fn(&A) -> Vec<f64> + Send + Sync;

/// Features of an architecture, and of what kind they are.
pub(crate) struct Seen<A> {
    of: Box<Row<A>>,
    pub(crate) blocks: Vec<Block>,
}

impl<A> Seen<A> {
    fn new(blocks: Vec<Block>, of: impl Fn(&A) -> Vec<f64> + Send + Sync + 'static) -> Self {
        Self { of: Box::new(of), blocks }
    }

    /// As many as the blocks say.
    pub(crate) fn of(&self, arch: &A) -> Vec<f64> {
        (self.of)(arch)
    }
}

/// Channels of the images that costs are counted for.
const COLOURS: usize = 3;

/// What a network is counted as.
fn counted(cost: cellnet::NetworkCost) -> Cost {
    Cost { parameters: cost.parameters, multiply_adds: cost.multiply_adds }
}

/// A one for each choice that makes the architecture, zeros for the others.
fn one_hot<S: Decisions>(space: &S, arch: &S::Arch) -> Vec<f64> {
    let decisions = space.decisions().into_iter().zip(space.choices_of(arch));
    decisions.flat_map(|(count, choice)| (0..count).map(move |c| f64::from(u8::from(c == choice)))).collect()
}
