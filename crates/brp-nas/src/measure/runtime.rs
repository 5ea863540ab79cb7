//! What a network is run by.

use crate::failure::{Failure, OrFail};
use crate::registry::Space;
use crate::scored::Around;
use anyhow::{Context, anyhow};
use candle_core::DType;
use cellnet::{CellStyle, Network, Weights, to_onnx};
use clap::ValueEnum;
use latbench::{CandleWorkload, EngineWorkload, LatencyError, OnnxRuntime, Workload};
use nas_core::Seed;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Runtime {
    /// The fused engine of this program.
    #[default]
    Engine,
    /// candle, operator by operator.
    Candle,
    /// ONNX Runtime, whose library must be installed.
    #[value(name = "onnxruntime")]
    #[serde(rename = "onnxruntime")]
    Ort,
    /// tract, where the program is built with `--features tract`.
    Tract,
}

/// Which layers a network has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Layers {
    /// Without operations that lie on no path from input to output, as LatBench measured.
    #[default]
    Pruned,
    /// As the architecture is written: zeros are computed and added.
    Written,
}

/// The file of a library, as the loader of this system looks for it.
const LIBRARY: &str = if cfg!(target_os = "windows") {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};

/// A runtime that is ready.
#[derive(Debug)]
pub(super) enum Ready {
    Engine,
    Candle,
    OnnxRuntime(OnnxRuntime),
    Tract,
}

/// What is measured.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// Of the space, as text.
    Arch(String),
    /// An ONNX file: where it is, what it holds, its digest.
    File { path: PathBuf, bytes: Vec<u8>, sha256: String },
}

impl Subject {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Arch(text) => text.clone(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }
}

/// How an architecture becomes a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Build {
    pub(super) layers: Layers,
    pub(super) channels: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cells: Option<u64>,
    pub(super) classes: u64,
    pub(super) image: u64,
    pub(super) batch: usize,
}

impl Build {
    pub(super) fn network(&self, space: Space, text: &str) -> anyhow::Result<Network> {
        let around = Around {
            channels: self.channels,
            cells: self.cells,
            classes: self.classes,
            image: self.image,
            colours: 3,
            style: CellStyle::trained(),
        };
        match self.layers {
            Layers::Pruned => space.pruned_network(text, &around),
            Layers::Written => space.network(text, &around),
        }
    }
}

impl Ready {
    pub(super) fn new(runtime: Runtime, library: Option<&Path>) -> Result<Self, Failure> {
        Ok(match runtime {
            Runtime::Engine => Self::Engine,
            Runtime::Candle => Self::Candle,
            Runtime::Ort => {
                let named = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
                let library = library.map(Path::to_path_buf).or(named).unwrap_or_else(|| LIBRARY.into());
                let advice = "name its library with --library or ORT_DYLIB_PATH; `pip install onnxruntime` brings \
                              one, onnxruntime/capi/libonnxruntime.so.*";
                Self::OnnxRuntime(OnnxRuntime::load(&library).context(advice).or_input()?)
            }
            Runtime::Tract if cfg!(feature = "tract") => Self::Tract,
            Runtime::Tract => {
                let how = "cargo build --release -p brp-nas --features tract";
                return Err(anyhow!("this program is built without tract; build it with `{how}`")).or_input();
            }
        })
    }

    /// The runtime's own version, where it is not the program's.
    pub(super) fn version(&self) -> Option<String> {
        match self {
            Self::OnnxRuntime(runtime) => Some(runtime.version().to_owned()),
            _ => None,
        }
    }

    /// Ready to run. The weights come from the seed; what a network takes does not depend on them.
    pub(super) fn workload(
        &self,
        subject: &Subject,
        (space, build): (Space, &Build),
        threads: usize,
        seed: Seed,
    ) -> Result<Box<dyn Workload>, LatencyError> {
        let refused = |reason: String| LatencyError::Runtime {
            runtime: match self {
                Self::Engine => "the engine",
                Self::Candle => "candle",
                Self::OnnxRuntime(_) => "ONNX Runtime",
                Self::Tract => "tract",
            },
            what: subject.text(),
            reason,
        };
        let text = match subject {
            Subject::Arch(text) => text,
            Subject::File { bytes, .. } => return self.onnx(bytes, threads, seed, &refused),
        };
        let network = build.network(space, text).map_err(|error| refused(format!("{error:#}")))?;
        let weights =
            Weights::init(&network, DType::F32, seed).map_err(|error| refused(error.to_string()))?;
        match self {
            Self::Engine => Ok(Box::new(EngineWorkload::new(&network, &weights, build.batch, seed)?)),
            Self::Candle => Ok(Box::new(CandleWorkload::new(&network, &weights, build.batch, seed)?)),
            Self::OnnxRuntime(_) | Self::Tract => {
                let onnx = to_onnx(&network, &weights, Some(build.batch));
                self.onnx(&onnx.map_err(|error| refused(error.to_string()))?, threads, seed, &refused)
            }
        }
    }

    fn onnx(
        &self,
        bytes: &[u8],
        threads: usize,
        seed: Seed,
        refused: &dyn Fn(String) -> LatencyError,
    ) -> Result<Box<dyn Workload>, LatencyError> {
        match self {
            Self::OnnxRuntime(runtime) => Ok(Box::new(runtime.workload(bytes, threads, seed)?)),
            #[cfg(feature = "tract")]
            Self::Tract => Ok(Box::new(latbench::TractWorkload::new(bytes, seed)?)),
            _ => Err(refused("it reads no ONNX files; use --runtime onnxruntime or tract".into())),
        }
    }
}
