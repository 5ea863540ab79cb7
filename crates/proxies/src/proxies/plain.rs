use super::{by_layer, gradient};
use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// `sum weight * gradient`, with its sign: SNIP without the absolute value, a baseline of Zero-Cost NAS's code.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Proxy for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Gradient]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        by_layer(seen, |layer| {
            Ok(layer.weight.iter().zip(gradient(layer)?).map(|(weight, gradient)| weight * gradient).sum())
        })
    }
}
