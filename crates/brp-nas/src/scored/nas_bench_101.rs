use super::{Around, Scored, fresh};
use candle_core::DType;
use cellnet::nas_bench_101;
use nas_core::Seed;
use proxies::{CellModel, ProxyError};
use spaces::NasBench101;
use spaces::nas_bench_101::{Skeleton, Spec};

/// Cells are modules of a stack.
impl Scored for NasBench101 {
    fn published(&self) -> (u64, Option<u64>) {
        let Skeleton { channels, modules, .. } = Skeleton::default();
        (channels, Some(modules))
    }

    fn model(&self, spec: &Spec, around: &Around, dtype: DType, seed: Seed) -> Result<CellModel, ProxyError> {
        let Around { channels, cells, classes, image, colours, .. } = *around;
        let default = Skeleton::default();
        let modules = cells.unwrap_or(default.modules);
        let skeleton = Skeleton { channels, modules, classes, image, ..default };
        fresh(nas_bench_101(spec, &skeleton, colours)?, dtype, seed)
    }
}
