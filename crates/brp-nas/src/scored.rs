//! How networks over images are built to be scored: one file a space.

mod chain;
mod darts;
mod nas_bench_101;
mod nas_bench_201;

use crate::failure::{Failure, OrFail};
use crate::registry::different;
use anyhow::anyhow;
use candle_core::DType;
use cellnet::{CellStyle, Network, Weights};
use nas_core::{SearchSpace, Seed};
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

/// A space whose networks read images.
///
/// Another space is an implementation of this trait in a file of its own, and a line in the registry.
pub(crate) trait Scored: SearchSpace<Arch: 'static> + Sync + 'static {
    /// Whether the convolutions of its cells are made in several styles.
    const STYLED: bool = false;

    /// Channels of the first stage and cells, as published; no cells where the architecture is the whole network.
    fn published(&self) -> (u64, Option<u64>);

    /// The network with fresh weights.
    fn model(
        &self,
        arch: &Self::Arch,
        around: &Around,
        dtype: DType,
        seed: Seed,
    ) -> Result<CellModel, ProxyError>;

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
}

fn fresh(network: Network, dtype: DType, seed: Seed) -> Result<CellModel, ProxyError> {
    let weights = Weights::init(&network, dtype, seed)?;
    Ok(CellModel::new(network, weights))
}
