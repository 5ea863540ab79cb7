use super::{Around, Scored, Sizes};
use cellnet::{Network, NetworkError, nas_bench_101};
use spaces::NasBench101;
use spaces::nas_bench_101::{Skeleton, Spec};

/// Cells are modules of a stack.
impl Scored for NasBench101 {
    fn sizes(&self) -> Sizes {
        let Skeleton { channels, modules, image, .. } = Skeleton::default();
        Sizes { published: (channels, Some(modules)), reduced: (16, Some(1)), image, styled: false }
    }

    fn network(&self, spec: &Spec, around: &Around) -> Result<Network, NetworkError> {
        let Around { channels, cells, classes, image, colours, .. } = *around;
        let default = Skeleton::default();
        let modules = cells.unwrap_or(default.modules);
        nas_bench_101(spec, &Skeleton { channels, modules, classes, image, ..default }, colours)
    }
}
