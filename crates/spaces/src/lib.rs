#![doc = include_str!("../README.md")]

mod error;
pub mod nas_bench_201;

pub use error::SpaceError;
pub use nas_bench_201::NasBench201;
