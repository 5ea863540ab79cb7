#![doc = include_str!("../README.md")]

mod acquisition;
mod believing;
mod brp_nas;
mod budget;
mod domain;
mod error;
mod evaluate;
mod evolution;
mod growth;
mod limit;
mod moves;
mod open;
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

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use nas_core;

pub use acquisition::{Acquisition, expected_improvement};
pub use believing::{Believing, BelievingSettings};
pub use brp_nas::{BrpNas, Selection};
pub use budget::{Budget, Stopped};
pub use domain::Domain;
pub use error::SearchError;
pub use evaluate::{Evaluate, Evaluated};
pub use evolution::{Evolution, EvolutionSettings, Goal};
pub use growth::{Chance, Growth};
pub use limit::{Limited, within_limit};
pub use moves::Moves;
pub use order::InOrder;
pub use pareto::{Point, front, hypervolume, trials_front};
pub use random::Random;
pub use reach::{Saved, reached, running_best, saved};
pub use reinforce::{Reinforce, ReinforceSettings};
pub use repeats::side_by_side;
pub use run::{Run, Searched, run};
pub use summary::{Summary, best_so_far, summarise};
pub use warm_up::WarmUp;
