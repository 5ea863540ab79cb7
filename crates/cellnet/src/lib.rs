#![doc = include_str!("../README.md")]

mod chain;
mod darts;
mod engine;
mod error;
mod forward;
mod nas_bench_101;
mod nas_bench_201;
mod nas_bench_asr;
mod nas_bench_nlp;
mod network;
mod onnx;
mod pieces;
mod reduced;
mod sequence;
mod train;
mod weights;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use {candle_core, cpu_ops, images, nas_core, spaces};

pub use chain::{ChainSkeleton, chain};
pub use darts::{DartsSkeleton, darts};
pub use engine::{Engine, Seen, Settings, cross_entropy, cross_entropy_along};
pub use error::{NetworkError, Result};
pub use forward::{EPS, Mode, Outcome, forward};
pub use nas_bench_101::nas_bench_101;
pub use nas_bench_201::{CellStyle, nas_bench_201};
pub use nas_bench_asr::{SpeechBlock, SpeechNetwork, SpeechSkeleton};
pub use nas_bench_nlp::{LanguageNetwork, LanguageSkeleton};
pub use network::{Builder, Layer, Network, NetworkCost, Operator, Parameter, Role};
pub use onnx::to_onnx;
pub use reduced::Reduced;
pub use sequence::{Moment, Passing, SequenceNetwork, SequenceNorms};
pub use train::{Accuracy, Epoch, Recipe, Steps, Trainer};
pub use weights::{HasParameters, Running, Weights};
