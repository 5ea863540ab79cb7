#![doc = include_str!("../README.md")]

mod body;
mod committee;
mod cost;
mod descriptors;
mod error;
mod forest;
#[cfg(test)]
mod golden;
mod neural_predictor;
mod ranker;
mod regressor;
mod relation;
mod ridge;
mod scale;
mod settings;
mod transferred;
mod trunk;
mod two_stage;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use {arch_graph, candle_core, gcn, nas_core};

pub use committee::{Committee, FittedCommittee};
pub use cost::{CostLine, FittedCostLine};
pub use error::PredictError;
pub use forest::{FittedForest, Forest, ForestSettings};
pub use neural_predictor::{FittedNeuralPredictor, NeuralPredictor, NeuralPredictorSettings, Output};
pub use ranker::{FittedRanker, GraphRanker, RankerSettings};
pub use regressor::{FittedRegressor, GcnRegressor};
pub use relation::{BinaryRelation, FittedRelation, RawComparator};
pub use ridge::{FittedRidge, Ridge};
pub use scale::{Scale, Scaling};
pub use settings::{Loss, RegressorSettings, RelationSettings};
pub use transferred::Transferred;
pub use trunk::Trunk;
pub use two_stage::{FittedTwoStage, Threshold, TwoStage, TwoStageSettings};
