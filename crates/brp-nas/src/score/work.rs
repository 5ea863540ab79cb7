use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::registry::Space;
use crate::scored::Around;
use crate::units::{Work, ended};
use anyhow::Context;
use candle_core::DType;
use nas_core::Seed;
use proxies::{Batch, CellModel, Need, Proxy, ProxyError, Score, observe};
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use store::{Key, Lease, Measured, State, Store};

/// Everything that is to be scored, in one setting. Every proxy of every architecture is a unit of its own, so that
/// another list of proxies does again only what is missing; those of an architecture share their passes.
pub(super) struct Job<'a> {
    pub(super) space: Space,
    pub(super) fidelity: String,
    pub(super) archs: &'a [String],
    pub(super) proxies: &'a [&'static dyn Proxy],
    pub(super) around: &'a Around,
    pub(super) dtype: DType,
    pub(super) weights: Option<&'a [u8]>,
    pub(super) batch: &'a Batch,
    pub(super) seed: Seed,
}

/// What the proxies gave an architecture.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) arch: String,
    /// By proxy, in the order of the job.
    pub(super) scores: Vec<Kept>,
}

/// One score as the store keeps it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// None where it is not a finite number.
    pub(super) value: Option<f64>,
    /// Its logarithm, where it has one that is finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<f64>,
    /// Whether it is below all numbers, as the logarithm of 0 is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) lowest: bool,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// Of the passes that it needs; what is shared counts for each.
    #[serde(default)]
    pub(super) seconds: f64,
}

impl Kept {
    fn of(score: &Score, seconds: f64) -> Self {
        Self {
            value: score.value.is_finite().then_some(score.value),
            log: score.log.filter(|log| log.is_finite()),
            lowest: score.order() == f64::NEG_INFINITY,
            reason: score.flaw().map(String::from),
            seconds,
        }
    }

    /// What architectures are ordered by: the logarithm where there is one; NaN, which is the worst, where there is
    /// nothing.
    pub(super) fn order(&self) -> f64 {
        if self.lowest {
            return f64::NEG_INFINITY;
        }
        self.log.or(self.value).unwrap_or(f64::NAN)
    }
}

impl Job<'_> {
    /// The number behind the version rises where a score comes to something else, so that stores mix no two.
    fn key(&self, arch: &str, proxy: &dyn Proxy) -> Key {
        Key {
            space: self.space.name().into(),
            arch: arch.into(),
            metric: proxy.name().into(),
            device: "any".into(),
            fidelity: self.fidelity.clone(),
            seed: self.seed,
            code_version: concat!(env!("CARGO_PKG_VERSION"), "-4").into(),
        }
    }

    /// Layers of the same name begin with the same weights in all architectures, which makes them easier to compare.
    fn model(&self, arch: &str) -> anyhow::Result<CellModel> {
        let model = self.space.model(arch, self.around, self.dtype, self.seed.derive("weights"))?;
        match self.weights {
            Some(bytes) => model.load(bytes).context("--weights"),
            None => Ok(model),
        }
    }

    /// What would be wrong with every architecture.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.model(&self.archs[0]).or_input()?;
        for need in self.proxies.iter().flat_map(|proxy| proxy.needs()) {
            let (found, expected) = (self.batch.len(), need.images());
            if found < expected {
                return Err(ProxyError::Batch { needs: need.name(), found, expected }).or_input();
            }
        }
        let classes = self.around.classes as usize;
        match self.batch.labels().iter().position(|&label| label as usize >= classes) {
            Some(image) => {
                Err(ProxyError::Label { image, label: self.batch.labels()[image], classes }).or_input()
            }
            None => Ok(()),
        }
    }

    /// The scores of an architecture by the proxies that are still missing.
    fn scores(&self, arch: &str, missing: &[&'static dyn Proxy]) -> anyhow::Result<Vec<Kept>> {
        let model = self.model(arch)?;
        let needs: Vec<Need> = missing.iter().flat_map(|proxy| proxy.needs()).copied().collect();
        let mut seconds: BTreeMap<Need, f64> = BTreeMap::new();
        let mut last = Instant::now();
        let seed = self.seed.derive("random passes");
        let seen = observe(&model, self.batch, &needs, seed, &mut |need| {
            seconds.insert(need, last.elapsed().as_secs_f64());
            last = Instant::now();
        })?;
        let time = |proxy: &dyn Proxy| -> f64 {
            let passes = proxy.needs().iter().flat_map(|&need| passes(need));
            passes.filter_map(|pass| seconds.get(pass)).sum()
        };
        missing.iter().map(|&proxy| Ok(Kept::of(&proxy.score(&seen)?, time(proxy)))).collect()
    }
}

/// Whose time a need takes: its own, and of what it comes with or builds on.
fn passes(need: Need) -> &'static [Need] {
    match need {
        Need::Gradient => &[Need::Agreement, Need::Patterns, Need::Gradient],
        Need::Saliency => &[Need::Agreement, Need::Patterns, Need::Gradient, Need::Saliency],
        Need::Curvature => {
            &[Need::Agreement, Need::Patterns, Need::Gradient, Need::Saliency, Need::Curvature]
        }
        Need::Jacobian => &[Need::Agreement, Need::Patterns, Need::Jacobian],
        Need::Agreement | Need::Patterns => &[Need::Agreement, Need::Patterns],
        Need::Halves => &[Need::Halves],
        Need::Flow => &[Need::Flow],
        Need::CleanFlow => &[Need::CleanFlow],
        Need::NormedFlow => &[Need::NormedFlow],
        Need::Perturbation => &[Need::Perturbation],
        Need::Blocks => &[Need::Blocks],
    }
}

impl Work for Job<'_> {
    type Row = Row;

    const DONE: &'static str = "scored";

    const HOLD: Duration = Duration::from_secs(20);

    fn keys(&self) -> Vec<Vec<Key>> {
        let keys = |arch: &String| self.proxies.iter().map(|&proxy| self.key(arch, proxy)).collect();
        self.archs.iter().map(keys).collect()
    }

    fn row(&self, item: usize, store: &Store) -> Result<Option<Row>, Failure> {
        let arch = &self.archs[item];
        let mut scores = Vec::new();
        for &proxy in self.proxies {
            let Some(row) = store.get(&self.key(arch, proxy), now_ms()).or_failed()? else { return Ok(None) };
            scores.push(match row.state {
                State::Done(Measured { payload: Some(payload), .. }) => {
                    serde_json::from_str(&payload).or_failed()?
                }
                State::Done(Measured { value, .. }) => Kept { value: Some(value), ..Kept::default() },
                State::Failed { reason } | State::Diverged { reason } => {
                    Kept { reason: Some(reason), ..Kept::default() }
                }
                _ => return Ok(None),
            });
        }
        Ok(Some(Row { arch: arch.into(), scores }))
    }

    fn act(
        &self,
        item: usize,
        leases: Vec<Lease>,
        store: &Store,
        pool: &ThreadPool,
        _: &AtomicBool,
    ) -> Result<bool, Failure> {
        let named = |lease: &Lease| proxies::by_name(&lease.key.metric);
        let missing = leases.iter().map(named).collect::<Result<Vec<_>, _>>().or_failed()?;
        match pool.install(|| self.scores(&self.archs[item], &missing)) {
            Ok(scores) => {
                let measured = |kept: &Kept| -> Result<Measured, Failure> {
                    let payload = Some(serde_json::to_string(kept).or_failed()?);
                    let value = kept.log.or(kept.value).unwrap_or(0.0);
                    Ok(Measured { value, payload, cost_s: Some(kept.seconds) })
                };
                let measured = scores.iter().map(measured).collect::<Result<Vec<_>, _>>()?;
                let results: Vec<(&Key, &Measured)> =
                    leases.iter().map(|lease| &lease.key).zip(&measured).collect();
                store.finish_all(&results, now_ms()).or_failed()?;
                Ok(true)
            }
            // one architecture that cannot be scored is no end of thousands
            Err(error) => leases.iter().try_fold(true, |all, lease| {
                Ok(ended(store.fail(lease, &format!("{error:#}"), now_ms()))? && all)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kept, Score};

    /// A store knows no infinity, and a score of 0 is below all others that have a logarithm.
    #[test]
    fn what_is_lowest_stays_so_in_a_store() {
        let order = |value: f64, log: Option<f64>| {
            let kept = Kept::of(&Score { value, log, layers: Vec::new() }, 0.0);
            let text = serde_json::to_string(&kept).unwrap();
            serde_json::from_str::<Kept>(&text).unwrap().order()
        };
        assert_eq!(order(0.0, Some(f64::NEG_INFINITY)), f64::NEG_INFINITY);
        assert_eq!(order(f64::NEG_INFINITY, None), f64::NEG_INFINITY);
        assert_eq!((order(0.0, None), order(1e-9, Some(-20.0))), (0.0, -20.0));
        assert!(order(f64::NAN, None).is_nan());
    }
}
