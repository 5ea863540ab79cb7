//! How networks over images are built, to be scored, trained or measured: one file a space.

mod chain;
mod darts;
mod nas_bench_101;
mod nas_bench_201;

use crate::predictable::Predictable;
use candle_core::DType;
use cellnet::{CellStyle, Network, NetworkError, Weights};
use nas_core::Seed;
use proxies::{CellModel, ProxyError};

/// What an architecture stands in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    /// Of the first stage.
    pub(crate) channels: u64,
    /// As many as the space counts: a stage, or in all. None for a space without.
    pub(crate) cells: Option<u64>,
    pub(crate) classes: u64,
    /// Side of the images.
    pub(crate) image: u64,
    /// Channels of the images.
    pub(crate) colours: usize,
    /// For a space that tells styles apart.
    pub(crate) style: CellStyle,
}

impl Around {
    /// Channels of the first stage, classes, and the side of the images.
    fn sizes(&self) -> [usize; 3] {
        [self.channels, self.classes, self.image].map(|number| number as usize)
    }
}

/// What networks of a space are made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Channels of the first stage and cells, as published; no cells where the architecture is the whole network.
    pub(crate) published: (u64, Option<u64>),
    /// The same, so small that thousands are trained.
    pub(crate) reduced: (u64, Option<u64>),
    /// Side of the published images.
    pub(crate) image: u64,
    /// Whether the convolutions of cells are made in several styles.
    pub(crate) styled: bool,
}

/// A space whose networks read images.
///
/// Another space is an implementation of this trait in a file of its own, and a line in the registry.
pub(crate) trait Scored: Predictable {
    /// What its networks are made with where nobody says otherwise.
    fn sizes(&self) -> Sizes;

    /// What the architecture stands for.
    fn network(&self, arch: &Self::Arch, around: &Around) -> Result<Network, NetworkError>;

    /// The same with fresh weights.
    fn model(
        &self,
        arch: &Self::Arch,
        around: &Around,
        dtype: DType,
        seed: Seed,
    ) -> Result<CellModel, ProxyError> {
        let network = self.network(arch, around)?;
        let weights = Weights::init(&network, dtype, seed)?;
        Ok(CellModel::new(network, weights))
    }
}
