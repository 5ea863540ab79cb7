#![doc = include_str!("../README.md")]

mod adamw;
mod batch_norm;
pub mod blocked;
mod channels;
mod conv;
mod cross_entropy;
mod element;
mod matmul;
mod norm;
mod parallel;
mod pool;
mod probe;
mod relu;
mod sgd;
mod simd;
mod tap;
mod unfold;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use candle_core;

pub use adamw::{AdamW, AdamWSettings};
pub use batch_norm::{BatchStatistics, batch_norm, batch_norm_inference, layer_norm};
pub use channels::{channel_affine, channel_dot, channel_sum};
pub use conv::{Conv2d, conv1d, conv2d, conv2d_input_gradient, conv2d_weight_gradient};
pub use cross_entropy::{cross_entropy, log_softmax};
pub use matmul::{linear, matmul, sum_rows};
pub use norm::{Kept, layer_norm_relu, layer_norm_relu_gradient};
pub use pool::{Padding, Pool2d, avg_pool2d, max_pool2d};
pub use probe::Probe;
pub use relu::{relu, relu_gradient};
pub use sgd::{Sgd, SgdSettings};
pub use simd::{BLOCK, InstructionSet};
pub use tap::Tap;
pub use unfold::unfold_rows;
