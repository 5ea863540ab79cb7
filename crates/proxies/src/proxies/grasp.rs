use super::by_layer;
use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// `sum -weight * (H g)`: how much the gradient norm would change if weights were taken away (Wang et al., GraSP, ICLR
/// 2020; as a proxy in Zero-Cost NAS, ICLR 2021, equation 1). The Hessian product is exact, through the statistics of
/// the batch, as the authors' double backward.
#[derive(Debug, Clone, Copy, Default)]
pub struct Grasp;

impl Proxy for Grasp {
    fn name(&self) -> &'static str {
        "grasp"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Curvature]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        by_layer(seen, |layer| Seen::need(Need::Curvature, layer.curvature).map(|product| -product))
    }
}
