#![doc = include_str!("../README.md")]

mod bare;
mod canonical;
pub mod conformance;
mod cost;
mod descriptors;
mod draw;
mod encoding;
mod error;
mod features;
mod graph;
mod paths;
mod prune;
#[cfg(feature = "proptest")]
pub mod strategies;
mod vocabulary;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use petgraph;

pub use bare::Bare;
pub use canonical::Canonical;
pub use cost::{Cost, CostTable};
pub use encoding::{Encode, Encoding, Global, Layout};
pub use error::GraphError;
pub use features::Features;
pub use graph::{ArchGraph, Builder, MAX_NODES};
pub use vocabulary::{Op, Vocabulary};
