use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Blocks, Need, Seen};

/// Keeps logarithms finite, as in the published code.
const K: f64 = 1e-8;

/// The names of the four scores of AZ-NAS, which are combined by the sum of the logarithms of their ranks
/// ([`log_rank_sum`](crate::log_rank_sum); equation 9).
pub const AZ_NAS: [&str; 4] = ["expressivity", "progressivity", "trainability", "complexity"];

/// The entropy of the spectrum of a block's features. An eigenvalue of a covariance that rounding left below 0 is 0,
/// which the published code turns into NaN: behind grey images the stem has more channels than its features fill.
fn entropies(seen: &Seen) -> Result<Vec<f64>> {
    let Blocks { spectra, .. } = Seen::need(Need::Blocks, seen.blocks.as_ref())?;
    let entropy = |spectrum: &Vec<f64>| {
        let sum: f64 = spectrum.iter().sum();
        let share = |value: &f64| if *value < 0.0 { 0.0 } else { value / sum };
        -spectrum.iter().map(share).map(|p| p * (p + K).ln()).sum::<f64>()
    };
    Ok(spectra.iter().map(entropy).collect())
}

/// As the published code: what is not defined is the worst.
fn defined(value: f64) -> Score {
    Score::of(if value.is_nan() { f64::NEG_INFINITY } else { value })
}

macro_rules! of_blocks {
    ($(#[$doc:meta])* $type:ident, $name:literal, $score:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $type;

        impl Proxy for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn needs(&self) -> &'static [Need] {
                &[Need::Blocks]
            }

            fn score(&self, seen: &Seen) -> Result<Score> {
                let score: fn(&Seen) -> Result<f64> = $score;
                score(seen).map(defined)
            }
        }
    };
}

of_blocks! {
    /// The sum over blocks of the entropy of their features' principal components (Lee and Ham, AZ-NAS, CVPR 2024,
    /// equation 2). Blocks are the stem, every cell and every reduction.
    Expressivity, "expressivity", |seen| Ok(entropies(seen)?.iter().sum())
}

of_blocks! {
    /// The smallest growth of that entropy from a block to the next (equation 3).
    Progressivity, "progressivity", |seen| {
        let growth = entropies(seen)?.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<f64>>();
        // min() would pass over NaN
        Ok(growth.into_iter().fold(f64::INFINITY, |least, g| if g.is_nan() || g < least { g } else { least }))
    }
}

of_blocks! {
    /// The mean over blocks of `2 - s - 1 / s`, `s` the largest singular value of the correlation between random signs at
    /// a block's result and the gradient at what it is given (equation 6): 0 where gradients neither grow nor fade. A
    /// block that hands gradients through as they are scores minus infinity, as in the authors' code.
    Trainability, "trainability", |seen| {
        let Blocks { gains, .. } = Seen::need(Need::Blocks, seen.blocks.as_ref())?;
        let score = |gain: &Option<f64>| gain.map_or(f64::NEG_INFINITY, |s| 2.0 - s - 1.0 / (s + 1e-6));
        Ok(gains.iter().map(score).sum::<f64>() / gains.len() as f64)
    }
}

/// Multiply-adds of one image, under the name that AZ-NAS gives them (section 3.4).
#[derive(Debug, Clone, Copy, Default)]
pub struct Complexity;

impl Proxy for Complexity {
    fn name(&self) -> &'static str {
        "complexity"
    }

    fn needs(&self) -> &'static [Need] {
        &[]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        Ok(Score::of(seen.cost.multiply_adds as f64))
    }
}
