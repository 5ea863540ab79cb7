use serde::{Deserialize, Serialize};

/// How the learning rate moves from epoch to epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Half a cosine from the full rate to 0 over all epochs, stepped once an epoch (PyTorch's
    /// `CosineAnnealingLR` with `T_max` the number of epochs).
    Cosine,
    /// Half a cosine from the full rate to 0 over so many optimiser steps, then 0 (Keras's `CosineDecay`).
    CosineSteps {
        /// Steps until it is 0.
        steps: usize,
    },
    /// Multiplied by `factor` when the validation loss has not fallen by the relative `threshold` for more than
    /// `patience` epochs (PyTorch's `ReduceLROnPlateau`); epochs up to `after` are not looked at.
    Plateau {
        /// What the rate is multiplied by.
        factor: f64,
        /// Epochs without improvement that are tolerated.
        patience: usize,
        /// Relative improvement that counts.
        threshold: f64,
        /// Last epoch, from 0, that is not looked at.
        after: usize,
    },
}

/// The learning rate of a training under way.
#[derive(Debug, Clone)]
pub struct Rate {
    schedule: Schedule,
    base: f64,
    epochs: usize,
    rate: f64,
    best: f64,
    bad: usize,
    taken: usize,
}

impl Rate {
    /// The rate at epoch 0 of `epochs`.
    pub fn new(schedule: Schedule, base: f64, epochs: usize) -> Self {
        Self { schedule, base, epochs, rate: base, best: f64::INFINITY, bad: 0, taken: 0 }
    }

    /// The rate now.
    pub fn get(&self) -> f64 {
        self.rate
    }

    /// Moves on after a step of the optimiser.
    ///
    /// ```
    /// use gcn::{Rate, Schedule};
    /// let mut rate = Rate::new(Schedule::CosineSteps { steps: 2 }, 1.0, 5);
    /// let rates = [(); 4].map(|()| { let now = rate.get(); rate.taken(); now });
    /// assert_eq!(rates.map(|rate| (rate * 1e9).round() / 1e9), [1.0, 0.5, 0.0, 0.0]);
    /// ```
    pub fn taken(&mut self) {
        self.taken += 1;
        if let Schedule::CosineSteps { steps } = self.schedule {
            let part = (self.taken as f64 / steps.max(1) as f64).min(1.0);
            self.rate = self.base * 0.5 * (1.0 + (std::f64::consts::PI * part).cos());
        }
    }

    /// Moves on after `epoch` (from 0) ended with `loss`.
    ///
    /// ```
    /// use gcn::{Rate, Schedule};
    /// let mut rate = Rate::new(Schedule::Cosine, 1.0, 2);
    /// rate.step(0, f64::NAN);
    /// assert!((rate.get() - 0.5).abs() < 1e-12);
    /// ```
    pub fn step(&mut self, epoch: usize, loss: f64) {
        match self.schedule {
            Schedule::Constant | Schedule::CosineSteps { .. } => {}
            Schedule::Cosine => {
                let part = (epoch + 1) as f64 / self.epochs.max(1) as f64;
                self.rate = self.base * 0.5 * (1.0 + (std::f64::consts::PI * part).cos());
            }
            Schedule::Plateau { factor, patience, threshold, after } => {
                if epoch <= after {
                    return;
                }
                if loss < self.best * (1.0 - threshold) {
                    self.best = loss;
                    self.bad = 0;
                } else {
                    self.bad += 1;
                }
                if self.bad > patience {
                    self.rate *= factor;
                    self.bad = 0;
                }
            }
        }
    }
}
