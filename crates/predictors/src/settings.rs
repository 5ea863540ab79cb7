use crate::Scaling;
use gcn::{EarlyStopping, Schedule, Training};
use serde::{Deserialize, Serialize};

/// What a regressor minimises, summed over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The absolute error of scaled labels (eagle).
    Absolute,
    /// The absolute error over the larger of the label and `floor` (scaled): what "within 10 %" counts.
    Relative {
        /// Labels below it count as it.
        floor: f64,
    },
}

/// Settings of a graph network that predicts a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RegressorSettings {
    /// Units of every layer.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Share of units dropped while training.
    pub dropout: f64,
    /// How labels are scaled.
    pub scaling: Scaling,
    /// What is minimised.
    pub loss: Loss,
    /// The training.
    pub training: Training,
    /// Epochs in which a transfer trains the new head alone (weight decay 0) before all weights.
    pub warm_up: usize,
}

const PUBLISHED_STOP: EarlyStopping = EarlyStopping { patience: 35, after: 20, restore_best: true };

impl RegressorSettings {
    /// Latency as in BRP-NAS (eagle's `lat_gcn`): batches of 1, 250 epochs, rate 4e-4 halved on plateaus.
    ///
    /// The best weights are put back at the end, as the authors meant to (their code keeps the last).
    pub fn published_latency() -> Self {
        Self {
            hidden: 600,
            layers: 4,
            dropout: 0.002,
            scaling: Scaling::MinMax,
            loss: Loss::Absolute,
            training: Training {
                epochs: 250,
                batch: 1,
                rate: 4e-4,
                weight_decay: 5e-4,
                schedule: Schedule::Plateau { factor: 0.5, patience: 10, threshold: 0.01, after: 20 },
                stop: Some(PUBLISHED_STOP),
            },
            warm_up: 50,
        }
    }

    /// Accuracy as in BRP-NAS: 250 epochs, rate 3.5e-4 by cosine, dropout 0.2, batches of 50 (32 for at most
    /// 50 samples, 16 for at most 25).
    pub fn published_accuracy(samples: usize) -> Self {
        let batch = match samples {
            0..=25 => 16,
            26..=50 => 32,
            _ => 50,
        };
        let published = Self::published_latency();
        let training = Training { batch, rate: 3.5e-4, schedule: Schedule::Cosine, ..published.training };
        Self { dropout: 0.2, training, ..published }
    }

    /// Our own setting for a network to transfer from: a cost that is known of every architecture, such as its
    /// multiply-adds, in 20 epochs over about a thousand of them. No dropout, so that equal states are shared.
    pub fn pre_training() -> Self {
        let published = Self::published_accuracy(100);
        let training = Training { epochs: 20, batch: 32, rate: 1e-3, stop: None, ..published.training };
        Self { dropout: 0.0, training, ..published }
    }

    /// Our own setting for latency: relative loss, a higher rate by cosine, batches of a 28th of the samples
    /// (4 to 32), so that a fit takes about 3,400 steps and seconds.
    pub fn fast_latency(samples: usize) -> Self {
        let batch = (samples / 28).clamp(4, 32);
        Self {
            hidden: 160,
            layers: 4,
            dropout: 0.0,
            scaling: Scaling::Mean,
            loss: Loss::Relative { floor: 0.2 },
            training: Training {
                epochs: 120,
                batch,
                rate: 3e-3,
                weight_decay: 5e-4,
                schedule: Schedule::Cosine,
                stop: Some(EarlyStopping { patience: 120, after: 0, restore_best: true }),
            },
            warm_up: 20,
        }
    }
}

/// Settings of the binary relation predictor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RelationSettings {
    /// Units of every layer.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Share of units dropped while training.
    pub dropout: f64,
    /// Labels are scaled to 0..1 and multiplied by this before the softmax pair; 1 as published, where targets
    /// lie between .269 and .731.
    pub sharpness: f64,
    /// The training; `batch` counts architectures, and a step takes all ordered pairs among them.
    pub training: Training,
    /// Epochs in which a transfer trains the new head alone (weight decay 0) before all weights.
    pub warm_up: usize,
}

impl RelationSettings {
    /// BRP-NAS: 250 epochs, rate 3.5e-4 by cosine, dropout 0.2, stopped by the training loss.
    ///
    /// eagle draws batches of 64 of all ordered pairs and embeds both graphs of each pair anew, 128 graphs a
    /// step. Here a step embeds `batch` architectures and takes all their pairs: 16 give 240 pairs for an
    /// eighth of the work.
    pub fn published() -> Self {
        let accuracy = RegressorSettings::published_accuracy(100);
        Self {
            hidden: 600,
            layers: 4,
            dropout: 0.2,
            sharpness: 1.0,
            training: Training { batch: 16, ..accuracy.training },
            warm_up: 50,
        }
    }

    /// Our own setting for searches: 200 epochs, none stopped early, because the training loss with its dropout
    /// is too noisy to stop by.
    pub fn searching() -> Self {
        let published = Self::published();
        Self { training: Training { epochs: 200, stop: None, ..published.training }, ..published }
    }

    /// Round `round` (from 0) of `rounds` of iterative data selection, as published: 50 epochs more each round.
    pub fn round(self, round: usize, rounds: usize) -> Self {
        let epochs = self.training.epochs * (round + 1) / rounds.max(1);
        Self { training: Training { epochs, ..self.training }, ..self }
    }
}
