#![doc = include_str!("../README.md")]

mod engine;
mod error;
mod forward;
mod nas_bench_201;
mod network;
mod onnx;
mod reduced;
mod train;
mod weights;

pub use engine::{Engine, Seen, Settings, cross_entropy, cross_entropy_along};
pub use error::{NetworkError, Result};
pub use forward::{EPS, Mode, Outcome, forward};
pub use nas_bench_201::{CellStyle, nas_bench_201};
pub use network::{Builder, Layer, Network, NetworkCost, Operator, Parameter, Role};
pub use onnx::to_onnx;
pub use reduced::Reduced;
pub use train::{Accuracy, Epoch, Recipe, Steps, Trainer};
pub use weights::{Running, Weights};
