use super::{Around, Scored, Sizes};
use candle_core::DType;
use cellnet::{Network, NetworkError, nas_bench_201};
use nas_core::Seed;
use proxies::{CellModel, ProxyError};
use spaces::NasBench201;
use spaces::nas_bench_201::{Cell, Skeleton};

fn skeleton(around: &Around) -> Skeleton {
    let Around { channels, cells, classes, image, .. } = *around;
    Skeleton { channels, cells: cells.unwrap_or(Skeleton::default().cells), classes, image }
}

impl Scored for NasBench201 {
    fn sizes(&self) -> Sizes {
        let Skeleton { channels, cells, image, .. } = Skeleton::default();
        Sizes { published: (channels, Some(cells)), reduced: (8, Some(1)), image, styled: true }
    }

    fn network(&self, cell: &Cell, around: &Around) -> Result<Network, NetworkError> {
        nas_bench_201(cell, &skeleton(around), around.colours, around.style)
    }

    /// A model that knows its cell, which some scores build anew.
    fn model(&self, cell: &Cell, around: &Around, dtype: DType, seed: Seed) -> Result<CellModel, ProxyError> {
        CellModel::nas_bench_201(cell, &skeleton(around), around.colours, around.style, dtype, seed)
    }
}
