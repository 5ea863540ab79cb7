use super::{Around, Scored, Sizes};
use cellnet::{DartsSkeleton, Network, NetworkError, darts};
use spaces::Darts;
use spaces::darts::Genotype;

/// Cells are those of the whole network.
impl Scored for Darts {
    fn sizes(&self) -> Sizes {
        let DartsSkeleton { channels, cells, image, .. } = DartsSkeleton::default();
        Sizes {
            published: (channels as u64, Some(cells as u64)),
            reduced: (8, Some(5)),
            image: image as u64,
            styled: false,
        }
    }

    fn network(&self, genotype: &Genotype, around: &Around) -> Result<Network, NetworkError> {
        let [channels, classes, image] = around.sizes();
        let cells = around.cells.map_or(DartsSkeleton::default().cells, |cells| cells as usize);
        darts(genotype, &DartsSkeleton { channels, cells, classes, image }, around.colours)
    }
}
