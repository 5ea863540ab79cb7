use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};

/// Keeps logarithms and inverses finite, as in the published code.
const K: f64 = 1e-5;

/// `-sum (log(v + k) + 1 / (v + k))` over the eigenvalues `v` of the correlation between the images' Jacobians
/// (Mellor et al., Neural Architecture Search without Training, first version, 2020; as a proxy in Zero-Cost NAS, ICLR
/// 2021, section 3.3).
///
/// NaN where an image has a constant Jacobian, as behind a cell of nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct JacobCov;

impl Proxy for JacobCov {
    fn name(&self) -> &'static str {
        "jacob_cov"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Jacobian]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        let correlation = Seen::need(Need::Jacobian, seen.jacobian.as_ref())?;
        let score = |values: Vec<f64>| -values.into_iter().map(|v| (v + K).ln() + 1.0 / (v + K)).sum::<f64>();
        Ok(Score::of(correlation.eigenvalues().map_or(f64::NAN, score)))
    }
}

/// [`JacobCov`] under the name that NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022) gives it; its published
/// scores are of networks whose convolutions have no bias.
#[derive(Debug, Clone, Copy, Default)]
pub struct Jacov;

impl Proxy for Jacov {
    fn name(&self) -> &'static str {
        "jacov"
    }

    fn needs(&self) -> &'static [Need] {
        JacobCov.needs()
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        JacobCov.score(seen)
    }
}
