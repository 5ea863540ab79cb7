//! One file a proxy.

mod az_nas;
mod epe_nas;
mod fisher;
mod grad_norm;
mod grasp;
mod jacob_cov;
mod l2_norm;
mod nwot;
mod plain;
mod size;
mod snip;
mod swap;
mod synflow;
mod zen;
mod zico;

pub use az_nas::{AZ_NAS, Complexity, Expressivity, Progressivity, Trainability};
pub use epe_nas::EpeNas;
pub use fisher::Fisher;
pub use grad_norm::GradNorm;
pub use grasp::Grasp;
pub use jacob_cov::{JacobCov, Jacov};
pub use l2_norm::{L2Norm, PublishedL2Norm};
pub use nwot::Nwot;
pub use plain::Plain;
pub use size::{Flops, Params};
pub use snip::Snip;
pub use swap::Swap;
pub use synflow::{CleanSynflow, NormedSynflow, Synflow};
pub use zen::Zen;
pub use zico::Zico;

use crate::error::{ProxyError, Result};
use crate::proxy::{Proxy, Score};
use crate::seen::{LayerSeen, Need, Seen};

/// All proxies: those of Zero-Cost NAS first, later ones behind them.
pub const ALL: &[&dyn Proxy] = &[
    &GradNorm,
    &Snip,
    &Grasp,
    &Fisher,
    &Synflow,
    &JacobCov,
    &Plain,
    &L2Norm,
    &NormedSynflow,
    &CleanSynflow,
    &PublishedL2Norm,
    &Nwot,
    &Zen,
    &Jacov,
    &EpeNas,
    &Zico,
    &Swap,
    &Expressivity,
    &Progressivity,
    &Trainability,
    &Complexity,
    &Params,
    &Flops,
];

/// The proxy of a name.
///
/// # Errors
/// [`ProxyError::Unknown`], which lists all names.
///
/// ```
/// assert_eq!(proxies::by_name("synflow")?.name(), "synflow");
/// let error = proxies::by_name("sinflow").err().map(|error| error.to_string()).unwrap_or_default();
/// assert!(error.contains("synflow"), "{error}");
/// # Ok::<(), proxies::ProxyError>(())
/// ```
pub fn by_name(name: &str) -> Result<&'static dyn Proxy> {
    let found = ALL.iter().find(|proxy| proxy.name() == name).copied();
    found.ok_or_else(|| {
        let known = ALL.iter().map(|proxy| proxy.name()).collect();
        ProxyError::Unknown { name: name.to_owned(), known }
    })
}

/// A sum over layers of what each contributes.
fn by_layer(seen: &Seen, f: impl Fn(&LayerSeen) -> Result<f64>) -> Result<Score> {
    let layers = seen.layers.iter().map(|layer| Ok((layer.name.clone(), f(layer)?)));
    layers.collect::<Result<_>>().map(Score::sum)
}

fn gradient(layer: &LayerSeen) -> Result<&[f64]> {
    Seen::need(Need::Gradient, layer.gradient.as_deref())
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
