use super::by_layer;
use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// `sum over layers log(sum over weights mean |g| / deviation of g)` over the gradients of two batches (Li et al., ZiCo,
/// ICLR 2023, equation 17). The two batches are the halves of the one that all proxies see, without the last image where
/// their number is odd; weights whose gradients do not differ are left out, and a layer of none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Zico;

impl Proxy for Zico {
    fn name(&self) -> &'static str {
        "zico"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Halves]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        by_layer(seen, |layer| {
            let [first, second] = Seen::need(Need::Halves, layer.halves.as_ref())?;
            let pairs = first.iter().zip(second).filter(|(a, b)| a != b);
            let sum: f64 = pairs.map(|(a, b)| (a.abs() + b.abs()) / (a - b).abs()).sum();
            Ok(if sum == 0.0 { 0.0 } else { sum.ln() })
        })
    }
}
