use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Flow, Need, Seen};

fn score(need: Need, flow: Option<&Flow>) -> Result<Score> {
    let Flow { layers, exponent } = Seen::need(need, flow)?;
    let factor = 2_f64.powi(*exponent);
    let sum: f64 = layers.iter().map(|(_, value)| value).sum();
    let log = sum.ln() + f64::from(*exponent) * std::f64::consts::LN_2;
    // a layer without a share has none, beyond the range of numbers too
    let scaled = |value: f64| if value == 0.0 { 0.0 } else { value * factor };
    let layers = layers.iter().map(|(name, value)| (name.clone(), scaled(*value))).collect();
    Ok(Score { log: Some(log), ..Score::sum(layers) })
}

macro_rules! flow {
    ($(#[$doc:meta])* $type:ident, $name:literal, $need:ident, $field:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $type;

        impl Proxy for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn needs(&self) -> &'static [Need] {
                &[Need::$need]
            }

            fn score(&self, seen: &Seen) -> Result<Score> {
                score(Need::$need, seen.$field.as_ref())
            }
        }
    };
}

flow! {
    /// `sum |weight * dR/dweight|`, `R` the sum of logits of an image of ones when all parameters are absolute (Tanaka et
    /// al., SynFlow, NeurIPS 2020; as a proxy in Zero-Cost NAS, ICLR 2021, equation 1). In f64, with its logarithm, which
    /// stays finite however deep the network is.
    ///
    /// As published: batch norms are taken out, but the authors' code forgets those of NAS-Bench-201's reduction blocks,
    /// which go on with the statistics of the one image. [`CleanSynflow`] is without them.
    Synflow, "synflow", Flow, flow
}

flow! {
    /// [`Synflow`] without any batch norm.
    CleanSynflow, "synflow_clean", CleanFlow, clean_flow
}

flow! {
    /// [`Synflow`] with all batch norms: `synflow_bn` of Zero-Cost NAS's code.
    NormedSynflow, "synflow_bn", NormedFlow, normed_flow
}
