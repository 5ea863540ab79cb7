#![doc = include_str!("../README.md")]

mod dispatch;
mod elsewhere;
mod engine;
mod ranges;
mod slurm;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use search;

pub use dispatch::{Dispatch, Look, Patience};
pub use elsewhere::{Desk, Elsewhere, ElsewhereError};
pub use engine::{Engine, EngineError, Phase, Submitted};
pub use ranges::{RangesError, ranges, read_ranges};
pub use slurm::{Queued, Slurm, SlurmJob};
