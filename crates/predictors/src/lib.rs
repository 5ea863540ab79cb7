#![doc = include_str!("../README.md")]

mod body;
mod committee;
mod cost;
mod error;
#[cfg(test)]
mod golden;
mod regressor;
mod relation;
mod ridge;
mod scale;
mod settings;
mod transferred;

pub use committee::{Committee, FittedCommittee};
pub use cost::{CostLine, FittedCostLine};
pub use error::PredictError;
pub use regressor::{FittedRegressor, GcnRegressor};
pub use relation::{BinaryRelation, FittedRelation, RawComparator};
pub use ridge::{FittedRidge, Ridge};
pub use scale::{Scale, Scaling};
pub use settings::{Loss, RegressorSettings, RelationSettings};
pub use transferred::Transferred;
