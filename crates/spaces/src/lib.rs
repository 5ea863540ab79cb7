#![doc = include_str!("../README.md")]

pub mod chain;
#[cfg(feature = "proptest")]
pub mod conformance;
mod cost;
pub mod darts;
mod error;
mod hash;
pub mod nas_bench_101;
pub mod nas_bench_201;
pub mod nas_bench_asr;
pub mod nas_bench_nlp;
mod reader;
mod shuffled;
#[cfg(feature = "proptest")]
pub mod strategies;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use {arch_graph, nas_core};

pub use chain::ChainSpace;
pub use darts::Darts;
pub use error::SpaceError;
pub use hash::ArchHash;
pub use nas_bench_101::NasBench101;
pub use nas_bench_201::NasBench201;
pub use nas_bench_asr::NasBenchAsr;
pub use nas_bench_nlp::NasBenchNlp;
pub use shuffled::Shuffled;
