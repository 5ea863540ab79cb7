use super::{Around, Scored, Sizes};
use cellnet::{ChainSkeleton, Network, NetworkError, chain};
use spaces::chain::{Chain, ChainSpace};

/// The first stage is the stem; a chain is the whole network.
impl Scored for ChainSpace {
    fn sizes(&self) -> Sizes {
        // the program has no space without
        let published =
            ChainSkeleton::of(self).unwrap_or(ChainSkeleton { channels: 16, classes: 10, image: 32 });
        Sizes {
            published: (published.channels as u64, None),
            reduced: (8, None),
            image: published.image as u64,
            styled: false,
        }
    }

    fn network(&self, arch: &Chain, around: &Around) -> Result<Network, NetworkError> {
        let [channels, classes, image] = around.sizes();
        chain(self, arch, &ChainSkeleton { channels, classes, image }, around.colours)
    }
}
