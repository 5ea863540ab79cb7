use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Perturbation, Seen};

/// The logarithm of how far features move with random images, times the deviation that every batch norm takes away (Lin
/// et al., Zen-NAS, ICCV 2021, equation 9), with normal weights and one draw of as many images as the batch has.
///
/// The deviations are the batch's. The authors' code takes running variances, which after two batches are still mostly
/// the 1 that they begin with. A norm that is given nothing but zeros, behind an edge that is cut, takes none away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Zen;

impl Proxy for Zen {
    fn name(&self) -> &'static str {
        "zen"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Perturbation]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        let Perturbation { moved, variances } = Seen::need(Need::Perturbation, seen.perturbation.as_ref())?;
        let taken = variances.iter().filter(|variance| **variance != 0.0);
        Ok(Score::of(moved.ln() + taken.map(|variance| 0.5 * variance.ln()).sum::<f64>()))
    }
}
