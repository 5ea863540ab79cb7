use super::by_layer;
use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// Fisher pruning summed over channels: half the mean over images of the squared sum over pixels of activation times
/// gradient (Theis et al. 2018; Turner et al., BlockSwap, ICLR 2020; as a proxy in Zero-Cost NAS, ICLR 2021, equation 2).
///
/// Activations are results of convolutions and of the linear layer, before any norm. A channel counts once for every
/// weight that makes it, which is what the authors' code comes to; it adds up in f32, this in f64.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fisher;

impl Proxy for Fisher {
    fn name(&self) -> &'static str {
        "fisher"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Saliency]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        let images = seen.labels.len().max(1) as f64;
        by_layer(seen, |layer| {
            let saliency = Seen::need(Need::Saliency, layer.saliency.as_deref())?;
            let squares = saliency.iter().map(|sum| sum * sum).sum::<f64>();
            Ok(0.5 * squares / images * layer.inputs as f64)
        })
    }
}
