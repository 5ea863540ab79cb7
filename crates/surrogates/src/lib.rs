#![doc = include_str!("../README.md")]

mod boosting;
mod error;
mod gaussian;
mod ours;
mod rows;
mod target;
mod trees;

pub use boosting::{Boosting, BoostingSettings, FittedBoosting};
pub use error::SurrogateError;
pub use gaussian::{FittedGaussian, GaussianProcess, Kernel, Normal};
pub use ours::{Choice, FittedOurs, Method, Ours};
pub use target::Target;
