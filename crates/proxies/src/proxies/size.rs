use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// The number of trainable parameters: the baseline that a proxy has to beat.
#[derive(Debug, Clone, Copy, Default)]
pub struct Params;

impl Proxy for Params {
    fn name(&self) -> &'static str {
        "params"
    }

    fn needs(&self) -> &'static [Need] {
        &[]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        Ok(Score::of(seen.cost.parameters as f64))
    }
}

/// The number of multiply-adds of one image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flops;

impl Proxy for Flops {
    fn name(&self) -> &'static str {
        "flops"
    }

    fn needs(&self) -> &'static [Need] {
        &[]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        Ok(Score::of(seen.cost.multiply_adds as f64))
    }
}
