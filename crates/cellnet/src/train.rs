use crate::engine::{Engine, Settings, cross_entropy};
use crate::error::{NetworkError, Result};
use crate::network::Network;
use crate::weights::{Weights, readable, write};
use candle_core::{DType, Device, Tensor, Var};
use cpu_ops::{Sgd, SgdSettings};
use images::{Augment, Images, Normalise};
use nas_core::Seed;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How a network is trained: stochastic gradient descent with a learning rate that falls by half a cosine to 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// How often every image is seen.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// The learning rate of the first epoch.
    pub rate: f64,
    /// What of the last step is taken again.
    pub momentum: f64,
    /// Whether the step looks ahead.
    pub nesterov: bool,
    /// Weight decay of all parameters.
    pub weight_decay: f64,
    /// What of the target is spread over all classes.
    pub label_smoothing: f64,
    /// Pixels by which images are shifted at random, at most.
    pub crop: usize,
    /// Whether images are turned left to right at random.
    pub flip: bool,
    /// After how many epochs it stops, with the rate of one that went on; nothing is at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<usize>,
    /// How the rate moves.
    #[serde(default, skip_serializing_if = "Steps::is_epoch")]
    pub steps: Steps,
    /// Epochs, or parts of one, in which the rate rises to its largest value before it falls; with [`Steps::Batch`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warm_up: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// When the learning rate moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steps {
    /// From epoch to epoch, as NAS-Bench-201 has it.
    #[default]
    Epoch,
    /// From batch to batch, which few epochs need: only so does the rate come down to 0.
    Batch,
}

impl Steps {
    fn is_epoch(&self) -> bool {
        *self == Self::Epoch
    }
}

impl Recipe {
    /// The recipe of NAS-Bench-201 (Dong and Yang, ICLR 2020, table 1), for any number of epochs (there: 200).
    pub fn nas_bench_201(epochs: usize) -> Self {
        Self {
            epochs,
            batch: 256,
            rate: 0.1,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            label_smoothing: 0.0,
            crop: 4,
            flip: true,
            stop: None,
            steps: Steps::Epoch,
            warm_up: 0.0,
        }
    }

    /// Epochs that are trained.
    pub fn length(&self) -> usize {
        self.stop.map_or(self.epochs, |stop| stop.min(self.epochs))
    }

    /// The learning rate after so many epochs, whole ones unless it moves with the batches.
    pub fn rate_at(&self, epochs: f64) -> f64 {
        let falls = (self.epochs as f64 - self.warm_up).max(f64::MIN_POSITIVE);
        match epochs - self.warm_up {
            before if before < 0.0 => self.rate * epochs / self.warm_up,
            after => self.rate * 0.5 * (1.0 + (PI * (after / falls).min(1.0)).cos()),
        }
    }

    fn check(&self) -> Result<()> {
        let wrong =
            |setting, found: String, expected| Err(NetworkError::Setting { setting, found, expected });
        if self.batch == 0 {
            return wrong("batch", self.batch.to_string(), "at least 1");
        }
        if !(self.rate.is_finite() && self.rate > 0.0) {
            return wrong("rate", self.rate.to_string(), "a number above 0");
        }
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            return wrong("label-smoothing", self.label_smoothing.to_string(), "0 to 1");
        }
        let most = if self.steps == Steps::Batch { self.epochs as f64 } else { 0.0 };
        if !(0.0..=most).contains(&self.warm_up) {
            let expected = "0 to the number of epochs, and 0 where the rate moves from epoch to epoch";
            return wrong("warm-up", self.warm_up.to_string(), expected);
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return wrong("momentum", self.momentum.to_string(), "0 to 1, without 1");
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return wrong("weight-decay", self.weight_decay.to_string(), "a number from 0 on");
        }
        Ok(())
    }
}

/// What an epoch of training came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 0.
    pub epoch: usize,
    /// The mean loss over the images, as they were seen.
    pub loss: f64,
    /// Percent of the images that were classified right, as they were seen.
    pub accuracy: f64,
}

/// How a network does on images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Percent classified right.
    pub percent: f64,
    /// The mean cross entropy.
    pub loss: f64,
}

/// A training under way, taken an epoch at a time. Weights, the order of images and their augmentation come from
/// streams of the seed, one an epoch, so a training that is taken up again goes on as if it had not stopped, and the
/// number of threads changes nothing.
#[derive(Debug)]
pub struct Trainer {
    network: Network,
    recipe: Recipe,
    normalise: Normalise,
    seed: Seed,
    weights: Weights,
    sgd: Sgd,
    engine: Engine<f32>,
    done: usize,
}

impl Trainer {
    /// A network with fresh weights; images are normalised as given, usually by the training images' own statistics.
    ///
    /// # Errors
    /// A recipe out of range, and one whose crops are moved further than the images are wide.
    pub fn new(network: Network, recipe: Recipe, normalise: Normalise, seed: Seed) -> Result<Self> {
        recipe.check()?;
        let [_, height, width] = network.input();
        if recipe.crop > height.min(width) {
            let (found, expected) = (recipe.crop.to_string(), "at most the side of the images");
            return Err(NetworkError::Setting { setting: "crop", found, expected });
        }
        let weights = Weights::init(&network, DType::F32, seed.derive("weights"))?;
        let sgd = optimiser(&weights, &recipe)?;
        let engine = Engine::new(&network, Settings::training())?;
        Ok(Self { network, recipe, normalise, seed, weights, sgd, engine, done: 0 })
    }

    /// Epochs that are done.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Whether no epoch is left.
    pub fn is_finished(&self) -> bool {
        self.done >= self.recipe.length()
    }

    /// The weights as they are.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The network that is trained.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// One epoch over the images.
    ///
    /// # Errors
    /// Images of another size or with more classes than the network has; a loss that is no longer a number.
    pub fn epoch(&mut self, images: &Images) -> Result<Epoch> {
        check(&self.network, images)?;
        let epoch = self.done;
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.shuffle(&mut self.seed.nth("order", epoch as u64).stream("order"));
        let mut stream = self.seed.nth("augment", epoch as u64).stream("augment");
        let augment = Augment { pad: self.recipe.crop, flip: self.recipe.flip };
        let (mut total, mut right) = (0.0, 0);
        let chunks = order.chunks(self.recipe.batch);
        let batches = chunks.len() as f64;
        for (batch, rows) in chunks.enumerate() {
            let done = match self.recipe.steps {
                Steps::Epoch => 0.0,
                // the middle of the batch: no step has the rate 0
                Steps::Batch => (batch as f64 + 0.5) / batches,
            };
            let rate = self.recipe.rate_at(epoch as f64 + done);
            let pixels = images.augmented_batch(rows, &self.normalise, augment, &mut stream)?;
            let targets = targets(images, rows);
            self.engine.load(&self.weights)?;
            let logits = self.engine.forward(&pixels)?;
            let classes = self.network.classes();
            let (value, gradient) = cross_entropy(logits, classes, &targets, self.recipe.label_smoothing)?;
            right += hits(logits, classes, &targets);
            if !value.is_finite() {
                return Err(NetworkError::Diverged { epoch, loss: value });
            }
            self.engine.backward(&gradient)?;
            self.step(rate)?;
            self.weights.update(&self.engine.measured());
            total += value * rows.len() as f64;
        }
        self.done += 1;
        let count = images.len() as f64;
        Ok(Epoch { epoch, loss: total / count, accuracy: 100.0 * right as f64 / count })
    }

    fn step(&mut self, rate: f64) -> Result<()> {
        let names: Vec<&str> = self.weights.parameters().map(|(name, _)| name).collect();
        let gradient = |place: usize, var: &Var| {
            let values = names.get(place).and_then(|name| self.engine.gradient(name));
            values.map(|values| Tensor::from_slice(values, var.shape(), var.device())).transpose()
        };
        Ok(self.sgd.step_with(gradient, rate)?)
    }

    /// How the network does on images, by its running statistics.
    ///
    /// # Errors
    /// Images of another size or with more classes than the network has.
    pub fn evaluate(&self, images: &Images) -> Result<Accuracy> {
        check(&self.network, images)?;
        let rows: Vec<usize> = (0..images.len()).collect();
        let mut engine = Engine::<f32>::new(&self.network, Settings::inference())?;
        engine.load(&self.weights)?;
        let (mut total, mut right) = (0.0, 0);
        for rows in rows.chunks(self.recipe.batch) {
            let targets = targets(images, rows);
            let logits = engine.forward(&images.batch(rows, &self.normalise)?)?;
            let classes = self.network.classes();
            total += cross_entropy(logits, classes, &targets, 0.0)?.0 * rows.len() as f64;
            right += hits(logits, classes, &targets);
        }
        let count = images.len() as f64;
        Ok(Accuracy { percent: 100.0 * right as f64 / count, loss: total / count })
    }

    /// All that is needed to go on, as safetensors.
    ///
    /// # Errors
    /// None that a valid training could cause.
    pub fn checkpoint(&self) -> Result<Vec<u8>> {
        // running statistics are kept in f64
        let mut tensors = self.weights.tensors(DType::F64)?;
        for ((name, _), velocity) in self.weights.parameters().zip(self.sgd.velocities()?) {
            tensors.insert(format!("{VELOCITY}{name}"), velocity);
        }
        tensors.insert(DONE.to_owned(), Tensor::new(&[self.done as f64], &Device::Cpu)?);
        write(&tensors)
    }

    /// Goes on from a checkpoint of the same network, recipe and seed.
    ///
    /// # Errors
    /// Bytes that are not a checkpoint of this network.
    pub fn resume(&mut self, checkpoint: &[u8]) -> Result<()> {
        readable(checkpoint)?;
        let mut tensors = candle_core::safetensors::load_buffer(checkpoint, &Device::Cpu)?;
        let missing = |name: &str| NetworkError::Checkpoint(format!("{name} is missing"));
        let done = tensors.remove(DONE).ok_or_else(|| missing("the number of epochs"))?;
        let done = done.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let mut velocities = Vec::new();
        for (name, _) in self.weights.parameters() {
            let name = format!("{VELOCITY}{name}");
            velocities.push(tensors.remove(&name).ok_or_else(|| missing(&name))?);
        }
        let rest = write(&tensors.into_iter().collect())?;
        let weights = Weights::from_safetensors(&self.network, &rest, DType::F32)?;
        let mut sgd = optimiser(&weights, &self.recipe)?;
        sgd.set_velocities(&velocities)?;
        (self.weights, self.sgd) = (weights, sgd);
        self.done = done.first().copied().unwrap_or(0.0) as usize;
        Ok(())
    }
}

/// Names in a checkpoint beside the weights'.
const VELOCITY: &str = "velocity/";
const DONE: &str = "epochs/done";

fn optimiser(weights: &Weights, recipe: &Recipe) -> Result<Sgd> {
    let Recipe { momentum, nesterov, weight_decay, .. } = *recipe;
    let vars = weights.parameters().map(|(_, var)| var.clone());
    Ok(Sgd::new(vars, SgdSettings { momentum, nesterov, weight_decay })?)
}

fn check(network: &Network, images: &Images) -> Result<()> {
    if images.shape() != network.input() {
        let found = [&[images.len()][..], &images.shape()].concat();
        return Err(NetworkError::Input { found, expected: network.input() });
    }
    if images.classes() > network.classes() {
        return Err(NetworkError::Setting {
            setting: "classes",
            found: network.classes().to_string(),
            expected: "at least as many as the images have",
        });
    }
    Ok(())
}

/// The classes of rows of images.
fn targets(images: &Images, rows: &[usize]) -> Vec<u32> {
    rows.iter().filter_map(|&row| images.labels().get(row)).map(|&label| u32::from(label)).collect()
}

/// How many rows have their largest logit at their class; a NaN is no hit.
fn hits(logits: &[f32], classes: usize, targets: &[u32]) -> usize {
    let hit = |(row, &target): (&[f32], &u32)| {
        let at = target as usize;
        row.iter().enumerate().all(|(i, v)| *v < row[at] || (i >= at && *v <= row[at]))
    };
    logits.chunks_exact(classes.max(1)).zip(targets).filter(|&pair| hit(pair)).count()
}
