use crate::error::Result;
use crate::linear_algebra::log_determinant;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// The logarithm of the absolute determinant of the matrix that counts at how many rectifiers two images agree (Mellor et
/// al., Neural Architecture Search without Training, ICML 2021, equation 2). Minus infinity where two images agree
/// everywhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nwot;

impl Proxy for Nwot {
    fn name(&self) -> &'static str {
        "nwot"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Agreement]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        Ok(Score::of(log_determinant(Seen::need(Need::Agreement, seen.agreement.clone())?)))
    }
}
