//! The one place that knows spaces, encodings and methods by name.

use crate::kept_scores;
use crate::predictable::Predictable;
use crate::scored::{Around, Scored, Sizes};
use anyhow::anyhow;
use arch_graph::{ArchGraph, Cost, Encode, Encoding};
use candle_core::DType;
use cellnet::Network;
use clap::ValueEnum;
use nas_core::{SearchSpace, Seed};
use proxies::CellModel;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use spaces::ArchHash;
use spaces::nas_bench_201::{FullEncoding, PrunedEncoding};
use std::collections::BTreeSet;

/// A search space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Space {
    /// 15,625 cells of 6 operations.
    #[default]
    #[value(name = "nas-bench-201")]
    #[serde(rename = "nas-bench-201")]
    NasBench201,
    /// 423,624 graphs of up to 7 vertices.
    #[value(name = "nas-bench-101")]
    #[serde(rename = "nas-bench-101")]
    NasBench101,
    /// 1.08e18 genotypes of two cells.
    Darts,
    /// 6.64e17 chains of 22 layers, up to 7 choices each.
    ProxylessNas,
    /// 9.85e20 chains of 22 layers, 9 choices each.
    #[value(name = "fbnet")]
    #[serde(rename = "fbnet")]
    FbNet,
    /// 6,561 chains of 8 layers, 3 choices each.
    NasBenchMacro,
    /// 13,824 cells of 3 nodes for speech.
    NasBenchAsr,
    /// Recurrent cells of up to 24 nodes for language.
    NasBenchNlp,
}

/// Does the same on whatever space has the name: `on_space!(name, space => space.len())`. What is done is compiled for
/// each of them; the spaces implement [`Predictable`].
macro_rules! on_space {
    ($name:expr, $space:ident => $work:expr) => {
        $crate::registry::on_space!($name, $space => $work, $space => $work)
    };
    // of what reads images, and of what reads sequences
    ($name:expr, $images:ident => $of_images:expr, $sequences:ident => $of_sequences:expr) => {
        match $name {
            $crate::registry::Space::NasBench201 => {
                let $images = &spaces::NasBench201;
                $of_images
            }
            $crate::registry::Space::NasBench101 => {
                let $images = &spaces::NasBench101;
                $of_images
            }
            $crate::registry::Space::Darts => {
                let $images = &spaces::Darts;
                $of_images
            }
            $crate::registry::Space::ProxylessNas => {
                let $images = &spaces::chain::PROXYLESS_NAS;
                $of_images
            }
            $crate::registry::Space::FbNet => {
                let $images = &spaces::chain::FB_NET;
                $of_images
            }
            $crate::registry::Space::NasBenchMacro => {
                let $images = &spaces::chain::NAS_BENCH_MACRO;
                $of_images
            }
            $crate::registry::Space::NasBenchAsr => {
                let $sequences = &spaces::NasBenchAsr;
                $of_sequences
            }
            $crate::registry::Space::NasBenchNlp => {
                let $sequences = &spaces::NasBenchNlp;
                $of_sequences
            }
        }
    };
}

pub(crate) use on_space;

/// The same for the spaces whose networks read images, which implement [`Scored`]; nothing for the
/// others.
macro_rules! on_images {
    ($name:expr, $space:ident => $work:expr) => {
        $crate::registry::on_space!($name, $space => Some($work), _space => None)
    };
}

impl Space {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        on_space!(self, space => space.name())
    }

    /// Number of architectures, where that fits in 64 bits.
    pub(crate) fn len(self) -> Option<u64> {
        on_space!(self, space => space.len())
    }

    /// Every architecture's hash, made as it is asked for, where the space is small enough to go through.
    pub(crate) fn hashes(self) -> Option<Hashes> {
        on_space!(self, space => hashes(space))
    }

    /// What the space says of the architecture that prints as `text`.
    pub(crate) fn describe(self, text: &str) -> anyhow::Result<Described> {
        on_space!(self, space => {
            let arch = space.parse(text)?;
            let (index, hash, cost) = (space.number(&arch), Predictable::hash(space, &arch), Predictable::cost(space, &arch));
            Ok(Described { index, hash, cost })
        })
    }
}

/// Draws in vain before a space is taken for used up.
const VAIN: usize = 10_000;

impl Space {
    /// All texts in the space's order; none where there are too many.
    pub(crate) fn texts(self) -> Option<Box<dyn Iterator<Item = String>>> {
        on_space!(self, space => Some(Box::new(space.enumerate()?.map(|arch| arch.to_string()))))
    }

    /// Random architectures, each once, at most so many: fewer where the space has no more.
    pub(crate) fn sample(self, count: usize, seed: Seed) -> Vec<String> {
        on_space!(self, space => different(space, count, seed).iter().map(ToString::to_string).collect())
    }

    /// What networks of the space are made with where nobody says otherwise; an error where they read no images, or
    /// where somebody asks for `cells` and they have no such number.
    pub(crate) fn sizes(self, cells: Option<u64>) -> anyhow::Result<Sizes> {
        let sizes = on_images!(self, space => Scored::sizes(space)).ok_or_else(|| self.reads_sequences())?;
        if cells.is_some() && sizes.published.1.is_none() {
            return Err(anyhow!("--cells says nothing of {}: leave it out", self.name()));
        }
        Ok(sizes)
    }

    /// The network of the architecture that prints as `text`.
    pub(crate) fn network(self, text: &str, around: &Around) -> anyhow::Result<Network> {
        on_images!(self, space => Ok(Scored::network(space, &space.parse(text)?, around)?))
            .unwrap_or_else(|| Err(self.reads_sequences()))
    }

    /// The same without what does not count for its result.
    pub(crate) fn pruned_network(self, text: &str, around: &Around) -> anyhow::Result<Network> {
        on_images!(self, space => {
            let arch = Predictable::stand_in(space, &space.parse(text)?);
            Ok(Scored::network(space, &arch, around)?.pruned())
        })
        .unwrap_or_else(|| Err(self.reads_sequences()))
    }

    /// The same with fresh weights, to be scored.
    pub(crate) fn model(
        self,
        text: &str,
        around: &Around,
        dtype: DType,
        seed: Seed,
    ) -> anyhow::Result<CellModel> {
        on_images!(self, space => Ok(space.model(&space.parse(text)?, around, dtype, seed)?))
            .unwrap_or_else(|| Err(self.reads_sequences()))
    }

    /// Why its networks are neither trained nor measured nor scored by a command.
    fn reads_sequences(self) -> anyhow::Error {
        anyhow!(
            "networks of {} read sequences, and this command works on images; the library scores them: \
             `proxies::SequenceModel`",
            self.name()
        )
    }

    /// The whole graph of an architecture, and which of its nodes its result depends on.
    pub(crate) fn graph(self, text: &str) -> anyhow::Result<(ArchGraph, Vec<bool>)> {
        on_space!(self, space => space.drawn(&space.parse(text)?))
    }

    /// The encoding of an architecture, with a global node. A space that has one alone has it under both names.
    pub(crate) fn encode(self, text: &str, name: EncodingName) -> anyhow::Result<Encoding> {
        on_space!(self, space => Ok(space.encoding(name)?.encode(&space.parse(text)?)?))
    }
}

/// The largest space that is gone through.
pub(crate) const LISTED: u64 = 500_000;

/// Random architectures, each once, at most so many: fewer where the space has no more.
pub(crate) fn different<S: SearchSpace + ?Sized>(space: &S, count: usize, seed: Seed) -> Vec<S::Arch> {
    let (mut rng, mut seen) = (seed.stream("sample"), BTreeSet::new());
    let most = |len: &u64| *len <= LISTED && count as u64 > len / 2;
    if let Some(all) = space.len().filter(most).and_then(|_| space.enumerate()) {
        // the last few of a space are hardly ever drawn
        let mut all: Vec<S::Arch> = all.collect();
        all.shuffle(&mut rng);
        all.truncate(count);
        return all;
    }
    let (mut found, mut vain) = (Vec::new(), 0);
    while found.len() < count && vain < VAIN {
        let arch = space.sample(&mut rng);
        vain = if seen.insert(arch.clone()) { 0 } else { vain + 1 };
        if vain == 0 {
            found.push(arch);
        }
    }
    found
}

/// Takes the next architectures, at most so many, and gives their hashes in order; none at the end.
pub(crate) type Hashes = Box<dyn FnMut(usize, usize) -> Vec<ArchHash>>;

/// Of all architectures of a space, on so many threads.
fn hashes<S: Predictable>(space: &'static S) -> Option<Hashes> {
    let mut all = space.enumerate()?;
    Some(Box::new(move |block, threads| {
        let archs: Vec<S::Arch> = all.by_ref().take(block).collect();
        let parts = archs.chunks(archs.len().div_ceil(threads).max(1));
        std::thread::scope(|scope| {
            let hash = |part: &[S::Arch]| part.iter().map(|arch| space.hash(arch)).collect::<Vec<_>>();
            let work: Vec<_> = parts.map(|part| scope.spawn(move || hash(part))).collect();
            work.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
        })
    }))
}

/// What is known of an architecture without training it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described {
    pub(crate) index: Option<u64>,
    pub(crate) hash: ArchHash,
    /// Of the published network, where the space has one.
    pub(crate) cost: Option<Cost>,
}

/// How architectures become graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EncodingName {
    /// Every operation is kept: for devices on which dead operations cost time.
    Full,
    /// As published: dead operations and skips leave no trace.
    Pruned,
}

/// Whose settings a predictor is trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Setting {
    /// Our own: better and faster.
    #[default]
    Ours,
    /// As published.
    Published,
}

/// A score that the program has or works out itself, without training: every other name is a column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// Parameters of the published network.
    Params,
    /// Its multiply-adds.
    Flops,
    /// A column of the table of zero-cost scores that comes with the program.
    Kept(&'static str),
    /// Any other zero-cost score, which is computed when it is asked for.
    Computed(&'static str),
}

impl Proxy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Flops => "flops",
            Self::Kept(name) | Self::Computed(name) => name,
        }
    }

    /// All names.
    pub(crate) fn names() -> Vec<&'static str> {
        let computed = proxies::ALL.iter().map(|proxy| proxy.name());
        let mut names = [Self::Params, Self::Flops].map(Self::name).to_vec();
        for name in kept_scores::names().chain(computed) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The one of this name.
    pub(crate) fn known(name: &str) -> Option<Self> {
        match name {
            "params" => Some(Self::Params),
            "flops" => Some(Self::Flops),
            _ => match kept_scores::names().find(|kept| *kept == name) {
                Some(kept) => Some(Self::Kept(kept)),
                None => proxies::by_name(name).ok().map(|proxy| Self::Computed(proxy.name())),
            },
        }
    }
}

/// One of two encodings, chosen at run time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByName<F, P> {
    name: EncodingName,
    full: F,
    pruned: P,
}

/// Of NAS-Bench-201.
pub(crate) type CellEncoding = ByName<FullEncoding, PrunedEncoding>;

impl<F: Default, P: Default> ByName<F, P> {
    pub(crate) fn new(name: EncodingName) -> Self {
        Self { name, full: F::default(), pruned: P::default() }
    }
}

macro_rules! either {
    ($this:expr, $encoding:ident => $call:expr) => {
        match $this.name {
            EncodingName::Full => {
                let $encoding = &$this.full;
                $call
            }
            EncodingName::Pruned => {
                let $encoding = &$this.pruned;
                $call
            }
        }
    };
}

impl<A, F: Encode<A>, P: Encode<A, Error = F::Error>> Encode<A> for ByName<F, P> {
    type Error = F::Error;

    fn nodes(&self) -> usize {
        either!(self, e => e.nodes())
    }

    fn width(&self) -> usize {
        either!(self, e => e.width())
    }

    fn has_global(&self) -> bool {
        either!(self, e => e.has_global())
    }

    fn encode(&self, arch: &A) -> Result<Encoding, F::Error> {
        either!(self, e => e.encode(arch))
    }
}
