//! The files that benchmarks publish, one format a module: from the bytes of a file to rows.

pub mod help;
pub mod hw_nas_bench;
pub mod latbench;
pub mod nas_bench_101;
pub mod nas_bench_nlp;
pub mod nats_bench;
pub mod suite_zero;

mod curves;
mod index;
mod mean;
mod tfrecord;

pub use curves::{curve_columns, no_curves};
pub use tfrecord::Records;
