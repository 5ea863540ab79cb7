use crate::{GcnError, Parameters, Rate, Schedule};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};
use cpu_ops::{AdamW, AdamWSettings};
use nas_core::{Seed, Stream};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// When to stop before the last epoch, and which weights to end with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// Epochs without a lower loss that are tolerated.
    pub patience: usize,
    /// Last epoch, from 0, that is not looked at.
    pub after: usize,
    /// Whether the weights of the best epoch are put back at the end. eagle means to, but keeps a reference to
    /// the live weights, and so ends with those of the last epoch.
    pub restore_best: bool,
}

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Passes over the data.
    pub epochs: usize,
    /// Items a step.
    pub batch: usize,
    /// Learning rate at the start.
    pub rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// How the rate moves.
    pub schedule: Schedule,
    /// When to stop.
    pub stop: Option<EarlyStopping>,
}

/// One epoch of a training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Sum of the losses of its steps.
    pub train_loss: f64,
    /// Validation loss after it, where there is one.
    pub validation_loss: Option<f64>,
    /// Learning rate of its first step.
    pub rate: f64,
}

/// A whole training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The epochs that were run.
    pub epochs: Vec<Epoch>,
    /// The epoch, from 0, whose weights the parameters now have.
    pub kept: usize,
}

/// Trains `parameters` on items `0..items` with AdamW.
///
/// `step` gives the loss (a scalar tensor) of a batch of items and its gradients, drawing its dropout from the
/// stream.
/// `validate` gives the loss that schedule and early stopping look at; where it gives none, they look at the
/// training loss, as eagle does for the binary relation. The order of the items is shuffled anew each epoch
/// from `seed`; the same seed gives the same weights to the last bit.
///
/// # Errors
/// No items or no batch, a loss that is not finite, whatever `step` and `validate` meet.
pub fn train(
    parameters: &Parameters,
    training: &Training,
    items: usize,
    seed: Seed,
    mut step: impl FnMut(&[usize], &mut Stream) -> Result<(Tensor, GradStore), GcnError>,
    mut validate: impl FnMut() -> Result<Option<f64>, GcnError>,
) -> Result<History, GcnError> {
    for (name, value) in [("batch", training.batch), ("items", items)] {
        if value == 0 {
            return Err(GcnError::Setting { name, value: 0.0, expected: "training needs at least 1" });
        }
    }
    let settings = AdamWSettings::with_decay(training.weight_decay);
    let mut optimiser = AdamW::new(parameters.vars().cloned(), settings)?;
    let mut rate = Rate::new(training.schedule, training.rate, training.epochs);
    let (mut order, mut dropout) = (seed.stream("order"), seed.stream("dropout"));
    let mut indices: Vec<usize> = (0..items).collect();
    let mut history = History::default();
    let mut best = (f64::INFINITY, 0, None);
    for epoch in 0..training.epochs {
        indices.shuffle(&mut order);
        let (mut train_loss, first_rate) = (0.0, rate.get());
        for batch in indices.chunks(training.batch) {
            let (loss, grads) = step(batch, &mut dropout)?;
            train_loss += loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            optimiser.step(&grads, rate.get())?;
            rate.taken();
        }
        let validation_loss = validate()?;
        history.epochs.push(Epoch { train_loss, validation_loss, rate: first_rate });
        history.kept = epoch;
        let loss = validation_loss.unwrap_or(train_loss);
        for (what, value) in [("training", train_loss), ("validation", loss)] {
            if !value.is_finite() {
                return Err(GcnError::Diverged { what, epoch, value });
            }
        }
        rate.step(epoch, loss);
        let Some(stop) = training.stop.filter(|stop| epoch > stop.after) else { continue };
        if loss < best.0 {
            best = (loss, epoch, stop.restore_best.then(|| parameters.snapshot()).transpose()?);
        } else if epoch - best.1 > stop.patience {
            break;
        }
    }
    if let (_, epoch, Some(snapshot)) = best {
        parameters.restore(&snapshot)?;
        history.kept = epoch;
    }
    Ok(history)
}
