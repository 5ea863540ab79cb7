use super::{Around, Scored, fresh};
use candle_core::DType;
use cellnet::{DartsSkeleton, darts};
use nas_core::Seed;
use proxies::{CellModel, ProxyError};
use spaces::Darts;
use spaces::darts::Genotype;

/// Cells are those of the whole network.
impl Scored for Darts {
    fn published(&self) -> (u64, Option<u64>) {
        let DartsSkeleton { channels, cells, .. } = DartsSkeleton::default();
        (channels as u64, Some(cells as u64))
    }

    fn model(
        &self,
        genotype: &Genotype,
        around: &Around,
        dtype: DType,
        seed: Seed,
    ) -> Result<CellModel, ProxyError> {
        let [channels, classes, image] = around.sizes();
        let cells = around.cells.map_or(DartsSkeleton::default().cells, |cells| cells as usize);
        let skeleton = DartsSkeleton { channels, cells, classes, image };
        fresh(darts(genotype, &skeleton, around.colours)?, dtype, seed)
    }
}
