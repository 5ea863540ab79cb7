#![doc = include_str!("../README.md")]

mod brp_nas;
mod budget;
mod domain;
mod error;
mod evaluate;
mod evolution;
mod limit;
mod moves;
mod order;
mod pareto;
mod policy;
mod random;
mod reach;
mod reinforce;
mod repeats;
mod run;
mod summary;
mod warm_up;

pub use brp_nas::{BrpNas, Selection};
pub use budget::{Budget, Stopped};
pub use domain::Domain;
pub use error::SearchError;
pub use evolution::{Evolution, EvolutionSettings, Goal};
pub use limit::{Limited, within_limit};
pub use moves::Moves;
pub use order::InOrder;
pub use pareto::{Point, front, hypervolume, trials_front};
pub use random::Random;
pub use reach::{Saved, reached, running_best, saved};
pub use reinforce::{Reinforce, ReinforceSettings};
pub use repeats::side_by_side;
pub use run::{Run, Searched, run};
pub use summary::{Summary, summarise};
pub use warm_up::WarmUp;
