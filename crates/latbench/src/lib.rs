#![doc = include_str!("../README.md")]

mod clock;
mod error;
pub mod fake;
#[cfg(any(feature = "cellnet", feature = "onnxruntime", feature = "tract"))]
mod inputs;
mod interleaved;
mod pin;
mod published;
mod timing;
mod workload;

#[cfg(feature = "cellnet")]
mod network;
#[cfg(feature = "onnxruntime")]
mod onnxruntime;
#[cfg(feature = "tract")]
mod tract;

// what stands in signatures here, so that one dependency is enough
#[cfg(feature = "cellnet")]
#[doc(no_inline)]
pub use cellnet;
#[doc(no_inline)]
pub use nas_core;

pub use clock::{Clock, SystemClock};
pub use error::{LatencyError, WorkloadError};
#[cfg(any(feature = "cellnet", feature = "onnxruntime", feature = "tract"))]
pub use inputs::MOST_INPUTS;
pub use interleaved::{Interleaved, Latency, Reference};
#[cfg(feature = "cellnet")]
pub use network::{CandleWorkload, EngineWorkload};
#[cfg(feature = "onnxruntime")]
pub use onnxruntime::{OnnxRuntime, OnnxWorkload};
pub use pin::{cores, pin_to};
pub use published::Published;
#[cfg(feature = "tract")]
pub use tract::TractWorkload;
pub use workload::Workload;
