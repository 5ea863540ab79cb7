use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::registry::Space;
use crate::scored::Around;
use crate::units::{Work, ended};
use anyhow::{Context, anyhow};
use cellnet::{Accuracy, NetworkError, Recipe, Trainer};
use images::Images;
use nas_core::Seed;
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::{Key, Lease, Measured, State, Store, StoreError};

/// Everything that is to be trained, in one setting.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) space: Space,
    pub(crate) fidelity: String,
    pub(crate) archs: &'a [String],
    pub(crate) around: &'a Around,
    pub(crate) recipe: Recipe,
    /// How often it is evaluated on the way, at equal distances, the end included.
    pub(crate) curve: usize,
    pub(crate) train: &'a Images,
    pub(crate) validation: Option<&'a Images>,
    pub(crate) test: &'a Images,
    pub(crate) seed: Seed,
}

impl Work for Job<'_> {
    type Row = Trained;

    const DONE: &'static str = "trained";

    const HOLD: Duration = Duration::from_secs(10);

    fn keys(&self) -> Vec<Vec<Key>> {
        self.archs.iter().map(|arch| vec![self.key(arch)]).collect()
    }

    fn row(&self, item: usize, store: &Store) -> Result<Option<Trained>, Failure> {
        let key = self.key(&self.archs[item]);
        Ok(store.get(&key, now_ms()).or_failed()?.and_then(|row| trained(&key, &row.state)))
    }

    fn act(
        &self,
        item: usize,
        leases: Vec<Lease>,
        store: &Store,
        pool: &ThreadPool,
        stop: &AtomicBool,
    ) -> Result<bool, Failure> {
        leases
            .into_iter()
            .try_fold(true, |all, lease| Ok(one(self, store, &self.archs[item], lease, (pool, stop))? && all))
    }
}

/// How a network does in the middle of its training, or at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Epochs that are done.
    pub(crate) epochs: usize,
    /// The mean of the last of them, over the images as they were seen.
    pub(crate) train_loss: f64,
    /// Percent of the validation images.
    pub(crate) valid: Option<f64>,
    pub(crate) valid_loss: Option<f64>,
    /// Percent of the test images.
    pub(crate) test: f64,
    pub(crate) test_loss: f64,
}

/// What is kept of a training beside its weights.
#[derive(Debug, Default, Serialize, Deserialize)]
struct SoFar {
    seconds: f64,
    curve: Vec<Mark>,
}

/// What a training came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Trained {
    pub(crate) arch: String,
    /// Percent of the validation images.
    pub(crate) valid: Option<f64>,
    /// Percent of the test images.
    pub(crate) test: Option<f64>,
    pub(crate) epochs: usize,
    pub(crate) seconds: Option<f64>,
    /// On the way, and at the end.
    #[serde(default)]
    pub(crate) curve: Vec<Mark>,
    /// Why there is no result.
    pub(crate) reason: Option<String>,
}

impl Job<'_> {
    /// Whether it is evaluated after so many epochs.
    fn marks(&self, done: usize) -> bool {
        let all = self.recipe.length();
        let parts = self.curve.min(all).max(1);
        (1..=parts).any(|part| (part * all).div_ceil(parts) == done)
    }

    fn mark(&self, trainer: &Trainer, train_loss: f64) -> Result<Mark, NetworkError> {
        // a network that learned nothing any more may still give numbers, but none that can be kept
        let evaluate = |images: &Images| match trainer.evaluate(images)? {
            found if found.loss.is_finite() => Ok(found),
            Accuracy { loss, .. } => {
                Err(NetworkError::Diverged { epoch: trainer.done().saturating_sub(1), loss })
            }
        };
        let valid = self.validation.map(evaluate).transpose()?;
        let test = evaluate(self.test)?;
        Ok(Mark {
            epochs: trainer.done(),
            train_loss,
            valid: valid.map(|valid| valid.percent),
            valid_loss: valid.map(|valid| valid.loss),
            test: test.percent,
            test_loss: test.loss,
        })
    }

    fn key(&self, arch: &str) -> Key {
        Key {
            space: self.space.name().into(),
            arch: arch.into(),
            metric: "accuracy".into(),
            device: "any".into(),
            fidelity: self.fidelity.clone(),
            seed: self.seed,
            code_version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// The same weights wherever and whenever it is trained: they come from the seed and the architecture.
    fn trainer(&self, arch: &str) -> anyhow::Result<Trainer> {
        let network = self.space.network(arch, self.around)?;
        Ok(Trainer::new(network, self.recipe, self.train.statistics(), self.seed.derive(arch))?)
    }
}

fn trained(key: &Key, state: &State) -> Option<Trained> {
    let none = |reason: &str| Trained {
        arch: key.arch.clone(),
        valid: None,
        test: None,
        epochs: 0,
        seconds: None,
        curve: Vec::new(),
        reason: Some(reason.to_owned()),
    };
    match state {
        State::Done(Measured { payload: Some(payload), .. }) => Some(
            serde_json::from_str(payload)
                .unwrap_or_else(|error| none(&format!("an unknown payload: {error}"))),
        ),
        State::Done(Measured { value, cost_s, .. }) => {
            Some(Trained { test: Some(*value), seconds: *cost_s, reason: None, ..none("") })
        }
        State::Failed { reason } | State::Diverged { reason } => Some(none(reason)),
        _ => None,
    }
}

/// The length of what is kept beside the weights, that, and the weights.
fn pack(so_far: &SoFar, weights: &[u8]) -> Result<Vec<u8>, Failure> {
    let text = serde_json::to_vec(so_far).or_failed()?;
    Ok([&(text.len() as u64).to_le_bytes()[..], &text, weights].concat())
}

fn unpack(saved: &[u8]) -> anyhow::Result<(SoFar, &[u8])> {
    let (length, rest) = saved.split_first_chunk::<8>().context("it is cut off")?;
    let length = usize::try_from(u64::from_le_bytes(*length))?;
    let (text, weights) = rest.split_at_checked(length).context("it is cut off")?;
    Ok((serde_json::from_slice(text)?, weights))
}

/// One training, epoch by epoch, each kept in the store before the next; whether it came to an end, and was not
/// stopped or taken over by somebody else.
fn one(
    job: &Job<'_>,
    store: &Store,
    arch: &str,
    lease: Lease,
    (pool, stop): (&ThreadPool, &AtomicBool),
) -> Result<bool, Failure> {
    let mut trainer = job.trainer(arch).or_failed()?;
    let mut so_far = SoFar::default();
    if let Some(saved) = store.checkpoint(&lease.key).or_failed()? {
        let unreadable =
            || format!("{arch}: a checkpoint that cannot be read; train it into another --store");
        let (known, weights) = unpack(&saved).with_context(unreadable).or_failed()?;
        so_far = known;
        trainer.resume(weights).or_failed()?;
    }
    let (before, start) = (so_far.seconds, Instant::now());
    while !trainer.is_finished() {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let done = pool.install(|| {
            let epoch = trainer.epoch(job.train)?;
            let marked = job.marks(trainer.done());
            marked.then(|| job.mark(&trainer, epoch.loss)).transpose()
        });
        match done {
            Ok(mark) => so_far.curve.extend(mark),
            Err(error @ NetworkError::Diverged { .. }) => {
                return ended(store.diverge(&lease, &error.to_string(), now_ms()));
            }
            Err(error) => {
                ended(store.fail(&lease, &error.to_string(), now_ms()))?;
                return Err(anyhow!(error).context(lease.key.arch.clone())).or_failed();
            }
        }
        so_far.seconds = before + start.elapsed().as_secs_f64();
        let checkpoint = pack(&so_far, &trainer.checkpoint().or_failed()?)?;
        match store.save(&lease, &checkpoint) {
            Ok(()) => {}
            // somebody else goes on with it
            Err(StoreError::LeaseLost { .. }) => return Ok(false),
            Err(error) => return Err(error).or_failed(),
        }
    }
    let end = match so_far.curve.last() {
        Some(mark) => mark.clone(),
        // of no epoch at all
        None => pool.install(|| job.mark(&trainer, 0.0)).or_failed()?,
    };
    let result = Trained {
        arch: lease.key.arch.clone(),
        valid: end.valid,
        test: Some(end.test),
        epochs: trainer.done(),
        seconds: Some(so_far.seconds),
        curve: so_far.curve,
        reason: None,
    };
    let measured = Measured {
        value: result.valid.unwrap_or(end.test),
        payload: Some(serde_json::to_string(&result).or_failed()?),
        cost_s: result.seconds,
    };
    ended(store.finish(&lease.key, &measured, now_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::ThreadPoolBuilder;
    use spaces::NasBench201;
    use store::Filter;

    const LEASE: Duration = Duration::from_secs(120);

    #[test]
    fn a_lease_lost_in_the_middle_is_somebody_elses_training_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.sqlite");
        let (train, test) = images::fashion_mnist().unwrap();
        let small = |images: Images| images.take(40, Seed(0)).unwrap().resize(8, 8).unwrap();
        let (train, test) = (small(train), small(test));
        let archs = [NasBench201.get(1462).unwrap().to_string()];
        let style = cellnet::CellStyle::trained();
        let around = Around { channels: 4, cells: Some(1), classes: 10, image: 8, colours: 1, style };
        let job = Job {
            space: Space::NasBench201,
            fidelity: "test".into(),
            archs: &archs,
            around: &around,
            recipe: Recipe { batch: 20, crop: 1, ..Recipe::nas_bench_201(60) },
            curve: 3,
            train: &train,
            validation: None,
            test: &test,
            seed: Seed(0),
        };
        let key = job.key(&archs[0]);
        let (pool, stop) = (ThreadPoolBuilder::new().num_threads(1).build().unwrap(), AtomicBool::new(false));
        let store = Store::open_or_create(&file).unwrap();
        store.submit(std::slice::from_ref(&key), now_ms()).unwrap();
        let claim = |owner: &str, now| {
            let leases = store.claim(owner, &Filter::from(&key), 1, now, LEASE).unwrap();
            leases.into_iter().next().unwrap()
        };
        let first = claim("first", now_ms());
        let taken = std::thread::scope(|scope| {
            let slow = scope.spawn(|| {
                let store = Store::open(&file).unwrap();
                one(&job, &store, &archs[0], first, (&pool, &stop)).unwrap()
            });
            // once an epoch is kept, somebody whose clock is far ahead takes the unit
            while store.checkpoint(&key).unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let second = claim("second", now_ms() + 10 * u64::try_from(LEASE.as_millis()).unwrap());
            assert!(!slow.join().unwrap(), "a training without a lease came to an end");
            second
        });
        assert!(one(&job, &store, &archs[0], taken, (&pool, &stop)).unwrap());
        let found = trained(&key, &store.get(&key, now_ms()).unwrap().unwrap().state).unwrap();
        assert_eq!((found.epochs, &found.reason), (60, &None));
        let mut alone = job.trainer(&archs[0]).unwrap();
        while !alone.is_finished() {
            alone.epoch(&train).unwrap();
        }
        assert_eq!(found.test, Some(alone.evaluate(&test).unwrap().percent));
        // what was seen on the way is kept by whoever goes on
        assert_eq!(found.curve.iter().map(|mark| mark.epochs).collect::<Vec<_>>(), [20, 40, 60]);
    }
}
