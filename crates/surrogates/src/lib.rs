#![doc = include_str!("../README.md")]

mod block;
mod boosting;
mod costs;
mod error;
mod gaussian;
mod kernel;
mod linear;
mod nonnegative;
mod ours;
mod part;
mod rows;
mod score;
mod shares;
mod target;
mod transfer;
mod trees;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use nas_core;

pub use block::{Block, Kind};
pub use boosting::{Boosting, BoostingSettings, FittedBoosting, Member};
pub use costs::{Costs, Doubt, FittedCosts, Judged};
pub use error::SurrogateError;
pub use gaussian::{FittedGaussian, GaussianProcess, GaussianSettings, Noise, Robust};
pub use kernel::{Kernel, Weights};
pub use ours::{Choice, FittedOurs, Ours};
pub use score::by_rank;
pub use target::Target;
pub use transfer::{Described, FittedTransfer, Transfer};
