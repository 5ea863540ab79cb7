use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// The number of different patterns over the batch that rectifiers show: the SWAP score without regularisation by size
/// (Peng et al., SWAP-NAS, ICLR 2024, definition 3.3).
#[derive(Debug, Clone, Copy, Default)]
pub struct Swap;

impl Proxy for Swap {
    fn name(&self) -> &'static str {
        "swap"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Patterns]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        Ok(Score::of(Seen::need(Need::Patterns, seen.patterns)? as f64))
    }
}
