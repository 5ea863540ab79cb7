#![doc = include_str!("../README.md")]

mod belief;
pub mod conformance;
mod error;
mod labelled;
mod learn;
mod score;
mod search;
mod seed;
mod space;
pub mod stats;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use rand;

pub use belief::{Belief, Believe};
pub use error::{LabelError, ParseArchError};
pub use labelled::{Labelled, Split};
pub use learn::{Fit, FitFrom, Predict, Rank, order_by_score};
pub use score::Scorer;
pub use search::{Evaluation, Objective, Observe, Searcher, Trial};
pub use seed::{Seed, Stream};
pub use space::{Decisions, SearchSpace};
