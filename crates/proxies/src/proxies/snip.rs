use super::{by_layer, gradient};
use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// `sum |weight * gradient|`: how much the loss would change if single weights were taken away, to first order
/// (Lee et al., SNIP, ICLR 2019; as a proxy in Zero-Cost NAS, ICLR 2021, equation 1). The authors differentiate by a
/// mask of ones, which is the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct Snip;

impl Proxy for Snip {
    fn name(&self) -> &'static str {
        "snip"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Gradient]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        by_layer(seen, |layer| {
            let pairs = layer.weight.iter().zip(gradient(layer)?);
            Ok(pairs.map(|(weight, gradient)| (weight * gradient).abs()).sum())
        })
    }
}
