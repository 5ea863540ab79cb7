#![doc = include_str!("../README.md")]

mod cost;
mod error;
mod hash;
pub mod nas_bench_101;
pub mod nas_bench_201;
mod reader;

pub use error::SpaceError;
pub use hash::ArchHash;
pub use nas_bench_101::NasBench101;
pub use nas_bench_201::NasBench201;
