use crate::schema::{IS, MATCHES};
use nas_core::Seed;
use rusqlite::types::Value;
use rusqlite::{Error, ParamsFromIter, Row, params_from_iter};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a result is the result of: one unit of work.
///
/// Two units with equal keys are the same unit. Every part is the caller's text; the store compares it byte
/// by byte and knows nothing else of it. The derived order is the order of every listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The search space, for instance `nas-bench-201`.
    pub space: String,
    /// The architecture, as its space prints it.
    pub arch: String,
    /// What is measured, its unit in the name, for instance `valid_acc` or `latency_ms`.
    pub metric: String,
    /// On what it is measured; empty where that does not matter.
    pub device: String,
    /// Under which settings, for instance `cifar10 epochs=20 channels=16 cells=1`.
    pub fidelity: String,
    /// The seed of the work.
    pub seed: Seed,
    /// The version of the code whose change would change the result.
    pub code_version: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { space, arch, metric, device, fidelity, seed: Seed(seed), code_version } = self;
        let arch: String = arch.chars().take(200).collect();
        write!(f, "{metric} of {arch} ({space}, device `{device}`, {fidelity}, seed {seed}, {code_version})")
    }
}

/// Which units are meant: those whose parts are the ones given. The default means all.
///
/// ```
/// let filter = store::Filter { metric: Some("valid_acc".into()), ..Default::default() };
/// # drop(filter);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// The search space.
    pub space: Option<String>,
    /// The architecture.
    pub arch: Option<String>,
    /// What is measured.
    pub metric: Option<String>,
    /// On what.
    pub device: Option<String>,
    /// Under which settings.
    pub fidelity: Option<String>,
    /// The seed.
    pub seed: Option<Seed>,
    /// The version of the code.
    pub code_version: Option<String>,
}

impl From<&Key> for Filter {
    /// The one unit of this key.
    fn from(key: &Key) -> Self {
        let Key { space, arch, metric, device, fidelity, seed, code_version } = key.clone();
        Self {
            space: Some(space),
            arch: Some(arch),
            metric: Some(metric),
            device: Some(device),
            fidelity: Some(fidelity),
            seed: Some(seed),
            code_version: Some(code_version),
        }
    }
}

impl Key {
    /// The parts as `?1` to `?7` of a statement, and what comes behind.
    pub(crate) fn values<const N: usize>(&self, more: [Value; N]) -> ParamsFromIter<Vec<Value>> {
        Filter::from(self).values(more)
    }
}

impl Filter {
    /// The condition of a statement. One unit is looked up by its key, whatever else there is.
    pub(crate) fn condition(&self) -> &'static str {
        let Self { space, arch, metric, device, fidelity, seed, code_version } = self;
        let texts = [space, arch, metric, device, fidelity, code_version];
        if seed.is_some() && texts.iter().all(|text| text.is_some()) { IS } else { MATCHES }
    }

    /// As [`Key::values`]; what may be anything is NULL.
    pub(crate) fn values<const N: usize>(&self, more: [Value; N]) -> ParamsFromIter<Vec<Value>> {
        let Self { space, arch, metric, device, fidelity, seed, code_version } = self.clone();
        let seed = Value::from(seed.map(|Seed(seed)| seed.cast_signed()));
        let texts = [space, arch, metric, device, fidelity].into_iter().map(Value::from);
        params_from_iter(texts.chain([seed, code_version.into()]).chain(more).collect())
    }
}

/// The key in the first seven columns of a row.
pub(crate) fn read_key(row: &Row<'_>) -> Result<Key, Error> {
    Ok(Key {
        space: row.get(0)?,
        arch: row.get(1)?,
        metric: row.get(2)?,
        device: row.get(3)?,
        fidelity: row.get(4)?,
        seed: Seed(row.get::<_, i64>(5)?.cast_unsigned()),
        code_version: row.get(6)?,
    })
}
