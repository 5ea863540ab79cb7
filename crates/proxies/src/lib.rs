#![doc = include_str!("../README.md")]

mod batch;
mod cell;
mod combine;
mod engine;
mod error;
mod first_order;
mod flow;
mod linear_algebra;
mod model;
mod observe;
mod proxies;
mod proxy;
mod random;
mod rectifiers;
mod replaced;
mod seen;
mod sequence;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use {candle_core, cellnet, nalgebra, nas_core, spaces};

pub use batch::Batch;
pub use cell::CellModel;
pub use combine::{log_rank_sum, ordered_pairs, rank_sum, vote};
pub use error::{ProxyError, Result};
pub use first_order::FirstOrder;
pub use linear_algebra::Correlation;
pub use model::{Cost, Kind, Model, Norms, Parameter, Place, Watch, Weighted};
pub use observe::observe;
pub use proxies::*;
pub use proxy::{Proxy, Score};
pub use seen::{Blocks, Flow, LayerSeen, Need, Perturbation, Seen};
pub use sequence::SequenceModel;
