use super::{by_layer, gradient, norm};
use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// The sum over layers of the Euclidean norm of the loss gradient by the layer's weights, after initialisation
/// (Abdelfattah et al., Zero-Cost NAS, ICLR 2021, section 3.3). A sum of norms, as the authors have it, not the norm of all.
#[derive(Debug, Clone, Copy, Default)]
pub struct GradNorm;

impl Proxy for GradNorm {
    fn name(&self) -> &'static str {
        "grad_norm"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Gradient]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        by_layer(seen, |layer| gradient(layer).map(norm))
    }
}
