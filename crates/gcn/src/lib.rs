#![doc = include_str!("../README.md")]

mod aggregate;
mod batch;
mod error;
mod graph;
mod model;
mod parameters;
mod schedule;
mod train;
mod two_way;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use {candle_core, nas_core};

pub use batch::{GraphBatch, Readout};
pub use error::GcnError;
pub use graph::Graph;
pub use model::{Gcn, GcnSettings, Mode, Pass};
pub use parameters::Parameters;
pub use schedule::{Rate, Schedule};
pub use train::{EarlyStopping, Epoch, History, Training, train};
pub use two_way::{Pads, TwoWayBatch, TwoWayGcn, TwoWayGraph, TwoWayPass, TwoWaySettings};
