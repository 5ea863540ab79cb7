use super::{Around, Scored, fresh};
use candle_core::DType;
use cellnet::{ChainSkeleton, chain};
use nas_core::Seed;
use proxies::{CellModel, ProxyError};
use spaces::chain::{Chain, ChainSpace};

/// The first stage is the stem; a chain is the whole network.
impl Scored for ChainSpace {
    fn published(&self) -> (u64, Option<u64>) {
        // the program has no space without
        (ChainSkeleton::of(self).map_or(0, |skeleton| skeleton.channels as u64), None)
    }

    fn model(
        &self,
        arch: &Chain,
        around: &Around,
        dtype: DType,
        seed: Seed,
    ) -> Result<CellModel, ProxyError> {
        let [channels, classes, image] = around.sizes();
        let skeleton = ChainSkeleton { channels, classes, image };
        fresh(chain(self, arch, &skeleton, around.colours)?, dtype, seed)
    }
}
