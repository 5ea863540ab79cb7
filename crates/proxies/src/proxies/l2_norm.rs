use super::{by_layer, norm};
use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// The sum over the layers that run of the Euclidean norm of their weights: a baseline without data.
#[derive(Debug, Clone, Copy, Default)]
pub struct L2Norm;

impl Proxy for L2Norm {
    fn name(&self) -> &'static str {
        "l2_norm"
    }

    fn needs(&self) -> &'static [Need] {
        &[]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        by_layer(seen, |layer| Ok(norm(&layer.weight)))
    }
}

/// [`L2Norm`] as the code of Zero-Cost NAS has it: every edge of its networks holds the convolutions of all candidate
/// operations, and those that are never run count too. So it hardly depends on the architecture.
#[derive(Debug, Clone, Copy, Default)]
pub struct PublishedL2Norm;

impl Proxy for PublishedL2Norm {
    fn name(&self) -> &'static str {
        "l2_norm_published"
    }

    fn needs(&self) -> &'static [Need] {
        &[]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        let run = L2Norm.score(seen)?;
        Ok(Score::sum([run.layers, seen.unused.clone()].concat()))
    }
}
