//! The one place that knows spaces, encodings and methods by name.

use crate::kept_scores;
use anyhow::anyhow;
use arch_graph::{Cost, Encode, Encoding, GraphError};
use clap::ValueEnum;
use nas_core::SearchSpace;
use serde::{Deserialize, Serialize};
use spaces::chain::{ChainSpace, FB_NET, NAS_BENCH_MACRO, PROXYLESS_NAS};
use spaces::nas_bench_201::{Cell, FullEncoding, PrunedEncoding, Skeleton};
use spaces::{
    ArchHash, Darts, NasBench101, NasBench201, NasBenchAsr, NasBenchNlp, SpaceError, nas_bench_101,
};

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

impl Space {
    /// The space that predictors and searches work on so far.
    pub(crate) fn cells(self) -> anyhow::Result<NasBench201> {
        match self {
            Self::NasBench201 => Ok(NasBench201),
            _ => Err(anyhow!(
                "this command knows only nas-bench-201 so far; `enumerate` knows the other spaces"
            )),
        }
    }

    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NasBench201 => NasBench201::NAME,
            Self::NasBench101 => NasBench101::NAME,
            Self::Darts => Darts::NAME,
            Self::ProxylessNas => PROXYLESS_NAS.name(),
            Self::FbNet => FB_NET.name(),
            Self::NasBenchMacro => NAS_BENCH_MACRO.name(),
            Self::NasBenchAsr => NasBenchAsr::NAME,
            Self::NasBenchNlp => NasBenchNlp::NAME,
        }
    }

    /// Number of architectures, where that fits in 64 bits.
    pub(crate) fn len(self) -> Option<u64> {
        match self {
            Self::NasBench201 => NasBench201.len(),
            Self::NasBench101 => NasBench101.len(),
            Self::Darts => Darts.len(),
            Self::ProxylessNas => PROXYLESS_NAS.len(),
            Self::FbNet => FB_NET.len(),
            Self::NasBenchMacro => NAS_BENCH_MACRO.len(),
            Self::NasBenchAsr => NasBenchAsr.len(),
            Self::NasBenchNlp => NasBenchNlp.len(),
        }
    }

    /// Every architecture's hash, made as it is asked for, where the space is small enough to go through.
    pub(crate) fn hashes(self) -> Option<Hashes> {
        match self {
            Self::NasBench201 => Some(hashes(&NasBench201, |cell| cell.class_hash())),
            Self::NasBench101 => Some(hashes(&NasBench101, |spec| spec.module_hash())),
            Self::NasBenchMacro => Some(hashes(&NAS_BENCH_MACRO, |chain| chain.hash())),
            Self::NasBenchAsr => Some(hashes(&NasBenchAsr, |cell| cell.graph_hash())),
            Self::Darts | Self::ProxylessNas | Self::FbNet | Self::NasBenchNlp => None,
        }
    }

    /// What the space says of the architecture that prints as `text`.
    pub(crate) fn describe(self, text: &str) -> anyhow::Result<Described> {
        match self {
            Self::NasBench201 => {
                let cell = NasBench201.parse(text)?;
                Ok(Described::new(cell.index(), cell.class_hash(), Skeleton::default().cost(&cell)?))
            }
            Self::NasBench101 => {
                let spec = NasBench101.parse(text)?;
                let cost = nas_bench_101::Skeleton::default().cost(&spec)?;
                Ok(Described::new(NasBench101.index(&spec), spec.module_hash(), cost))
            }
            Self::Darts => {
                let genotype = Darts.parse(text)?;
                Ok(Described { index: Some(Darts.index(&genotype)), hash: genotype.graph_hash(), cost: None })
            }
            Self::ProxylessNas => describe_chain(&PROXYLESS_NAS, text),
            Self::FbNet => describe_chain(&FB_NET, text),
            Self::NasBenchMacro => describe_chain(&NAS_BENCH_MACRO, text),
            Self::NasBenchAsr => {
                let cell = NasBenchAsr.parse(text)?;
                let index = Some(NasBenchAsr.index(&cell) as u64);
                Ok(Described { index, hash: cell.graph_hash(), cost: None })
            }
            Self::NasBenchNlp => {
                let recipe = NasBenchNlp.parse(text)?;
                Ok(Described { index: None, hash: recipe.graph_hash(), cost: None })
            }
        }
    }
}

fn describe_chain(space: &ChainSpace, text: &str) -> anyhow::Result<Described> {
    let chain = space.parse(text)?;
    Ok(Described { index: space.index(&chain), hash: chain.hash(), cost: space.cost(&chain) })
}

/// Takes the next architectures, at most so many, and gives their hashes in order; none at the end.
pub(crate) type Hashes = Box<dyn FnMut(usize, usize) -> Vec<ArchHash>>;

/// Of all architectures of a space, on so many threads.
fn hashes<S: SearchSpace>(space: &'static S, hash: fn(&S::Arch) -> ArchHash) -> Hashes {
    let mut all = space.enumerate().into_iter().flatten();
    Box::new(move |block, threads| {
        let archs: Vec<S::Arch> = all.by_ref().take(block).collect();
        let parts = archs.chunks(archs.len().div_ceil(threads).max(1));
        std::thread::scope(|scope| {
            let work = parts.map(|part| scope.spawn(move || part.iter().map(hash).collect::<Vec<_>>()));
            let work: Vec<_> = work.collect();
            work.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
        })
    })
}

/// What is known of an architecture without training it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described {
    pub(crate) index: Option<u64>,
    pub(crate) hash: ArchHash,
    /// Of the published network, where the space has one.
    pub(crate) cost: Option<Cost>,
}

impl Described {
    fn new(index: usize, hash: ArchHash, cost: Cost) -> Self {
        Self { index: Some(index as u64), hash, cost: Some(cost) }
    }
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

/// Multiply-adds of a cell in the published network: known without training it.
pub(crate) fn multiply_adds(cell: &Cell) -> f64 {
    Skeleton::default().cost(cell).map_or(0.0, |cost| cost.multiply_adds as f64)
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

    /// Larger is better; none where it is not defined, or has to be computed.
    pub(crate) fn score(self, cell: &Cell) -> Option<f64> {
        match self {
            Self::Params => Skeleton::default().cost(cell).ok().map(|cost| cost.parameters as f64),
            Self::Flops => Some(multiply_adds(cell)),
            Self::Kept(name) => kept_scores::get(name, cell),
            Self::Computed(_) => None,
        }
    }
}

/// What is known of a whole cell without training it: costs, counts and paths of what it computes.
pub(crate) fn descriptors() -> Result<impl Fn(&Cell) -> Vec<f64> + Clone, SpaceError> {
    let table = Skeleton::default().table()?;
    // the table is of the cells' own vocabulary
    Ok(move |cell: &Cell| cell.pruned_graph().descriptors(&table).unwrap_or_default())
}

/// An encoding of NAS-Bench-201 chosen at run time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellEncoding(pub(crate) EncodingName);

macro_rules! either {
    ($this:expr, $encoding:ident => $call:expr) => {
        match $this.0 {
            EncodingName::Full => {
                let $encoding = &FullEncoding;
                $call
            }
            EncodingName::Pruned => {
                let $encoding = &PrunedEncoding;
                $call
            }
        }
    };
}

impl Encode<Cell> for CellEncoding {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        either!(self, e => e.nodes())
    }

    fn width(&self) -> usize {
        either!(self, e => e.width())
    }

    fn has_global(&self) -> bool {
        either!(self, e => e.has_global())
    }

    fn encode(&self, arch: &Cell) -> Result<Encoding, GraphError> {
        either!(self, e => e.encode(arch))
    }
}
