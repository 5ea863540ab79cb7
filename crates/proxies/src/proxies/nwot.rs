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
        let agreement = Seen::need(Need::Agreement, seen.agreement.as_ref())?;
        let images = agreement.nrows();
        // elimination need not come to an exact 0
        let same = (0..images).any(|a| (0..a).any(|b| agreement[(a, b)] == agreement[(a, a)]));
        Ok(Score::of(if same { f64::NEG_INFINITY } else { log_determinant(agreement.clone()) }))
    }
}
