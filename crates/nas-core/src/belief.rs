use crate::Seed;
use serde::{Deserialize, Serialize};
use std::error::Error;

/// What a model knows of an architecture, on its own scale, which rises with the label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Belief {
    /// The mean.
    pub mean: f64,
    /// How unsure the mean is: a standard deviation that goes to 0 where enough is known.
    pub deviation: f64,
    /// The standard deviation of labels about the true mean: what training it again would change.
    pub noise: f64,
}

impl Belief {
    /// The deviation of a label that is not known yet.
    ///
    /// ```
    /// let belief = nas_core::Belief { mean: 0.0, deviation: 3.0, noise: 4.0 };
    /// assert_eq!(belief.of_label(), 5.0);
    /// ```
    pub fn of_label(&self) -> f64 {
        self.deviation.hypot(self.noise)
    }
}

/// A fitted model that knows how sure it is: what an acquisition needs.
pub trait Believe<A> {
    /// Why it can fail.
    type Error: Error + Send + Sync + 'static;

    /// One belief an architecture; belief `i` depends on `archs[i]` alone.
    ///
    /// # Errors
    /// An architecture that cannot be encoded.
    fn believe(&self, archs: &[A]) -> Result<Vec<Belief>, Self::Error>;

    /// A label on the scale of beliefs.
    fn scaled(&self, label: f64) -> f64;

    /// Values that the architectures may have together, drawn at random: alike ones get alike values. The same seed
    /// gives the same draw.
    ///
    /// # Errors
    /// As [`believe`](Believe::believe).
    fn draw(&self, archs: &[A], seed: Seed) -> Result<Vec<f64>, Self::Error>;
}
