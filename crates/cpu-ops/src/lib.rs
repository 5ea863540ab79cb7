#![doc = include_str!("../README.md")]

mod adamw;
mod element;
mod matmul;
mod norm;

pub use adamw::{AdamW, AdamWSettings};
pub use matmul::{linear, matmul, sum_rows};
pub use norm::{Kept, layer_norm_relu, layer_norm_relu_gradient};
