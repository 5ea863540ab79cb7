use crate::error::{LatencyError, WorkloadError};
use crate::inputs::Inputs;
use crate::workload::Workload;
use nas_core::Seed;
use std::fmt;
use std::hint::black_box;
use tract_onnx::prelude::{DatumExt, Framework, InferenceModelExt, IntoRunnable, Tensor, TractResult, tvec};
use tract_onnx::tract_hir::infer::{Factoid, InferenceModel};

/// An ONNX file on tract, which is Rust alone and runs on one thread.
pub struct TractWorkload {
    run: Box<dyn FnMut(Tensor) -> TractResult<Vec<f32>> + Send>,
    shape: Vec<usize>,
    inputs: Inputs,
}

fn refused(reason: impl fmt::Display) -> LatencyError {
    LatencyError::Runtime { runtime: "tract", what: "the network".into(), reason: reason.to_string() }
}

impl TractWorkload {
    /// A network in the bytes of an ONNX file with one input of f32. Open dimensions, as a batch's, are 1.
    ///
    /// # Errors
    /// Bytes that are no ONNX file, operators that tract does not know (all of them named), more than one input, or
    /// one whose number of dimensions is open.
    pub fn new(onnx: &[u8], seed: Seed) -> Result<Self, LatencyError> {
        let mut bytes = onnx;
        let mut model =
            tract_onnx::onnx().model_for_read(&mut bytes).map_err(|e| refused(format!("{e:#}")))?;
        let unknown = unknown(&model);
        if !unknown.is_empty() {
            return Err(refused(format!("it does not know the operators {}", unknown.join(", "))));
        }
        let [input] = model.inputs[..] else {
            return Err(refused(format!("it has {} inputs, one is expected", model.inputs.len())));
        };
        let fact = model.outlet_fact(input).map_err(|e| refused(format!("{e:#}")))?;
        let shape: Vec<usize> = fact
            .shape
            .dims()
            .map(|dim| {
                dim.concretize().and_then(|dim| dim.to_i64().ok()).map_or(1, |dim| dim.max(0) as usize)
            })
            .collect();
        if fact.shape.is_open() || shape.is_empty() {
            return Err(refused("the number of dimensions of its input is not given"));
        }
        let inputs = Inputs::of(&shape, seed).map_err(refused)?;
        model.set_input_fact(0, f32::fact(&shape).into()).map_err(|e| refused(format!("{e:#}")))?;
        let plan = model.into_optimized().and_then(|model| model.into_runnable());
        let plan = plan.map_err(|e| refused(format!("{e:#}")))?;
        let mut state = plan.spawn().map_err(|e| refused(format!("{e:#}")))?;
        let run = move |input: Tensor| {
            let outputs = state.run(tvec!(input.into()))?;
            Ok(outputs[0].try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
        };
        Ok(Self { run: Box::new(run), shape, inputs })
    }

    /// What comes of an input: the numbers of the first output.
    ///
    /// # Errors
    /// An input of another size; what tract fails with.
    pub fn output(&mut self, input: &[f32]) -> Result<Vec<f32>, WorkloadError> {
        let tensor = Tensor::from_shape(&self.shape, input).map_err(text)?;
        (self.run)(tensor).map_err(text)
    }
}

/// Operators that tract has only the name of.
fn unknown(model: &InferenceModel) -> Vec<String> {
    let mut names: Vec<String> = model.nodes.iter().map(|node| node.op.name().to_string()).collect();
    names.retain(|name| name.starts_with("Unimplemented"));
    names.sort();
    names.dedup();
    names
}

fn text(error: impl fmt::Debug) -> WorkloadError {
    format!("{error:?}").into()
}

impl Workload for TractWorkload {
    fn run(&mut self) -> Result<(), WorkloadError> {
        let tensor = Tensor::from_shape(&self.shape, self.inputs.next()).map_err(text)?;
        black_box((self.run)(tensor).map_err(text)?);
        Ok(())
    }
}

impl fmt::Debug for TractWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TractWorkload").field("shape", &self.shape).finish_non_exhaustive()
    }
}
