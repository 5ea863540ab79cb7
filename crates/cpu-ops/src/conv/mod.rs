//! Convolution and its two gradients: a family closed under differentiation.

mod buffers;
mod correlate;
mod depthwise;
mod layout;
mod op;
mod plan;
mod pointwise;
mod product;
mod shape;
mod weight_gradient;
mod winograd;

pub(crate) use correlate::{Correlation, Source};
pub(crate) use depthwise::Depthwise;
pub(crate) use layout::{FromBlocked, ToBlocked};
pub use op::{conv1d, conv2d, conv2d_input_gradient, conv2d_weight_gradient};
pub(crate) use plan::{Plan, blocks};
pub use shape::Conv2d;
pub(crate) use shape::{Axis, ConvShape};
pub(crate) use weight_gradient::WeightGradient;
pub(crate) use winograd::{Strip, Tiles, Winograd, WinogradWeightGradient};
