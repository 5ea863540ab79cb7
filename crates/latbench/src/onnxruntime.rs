use crate::error::{LatencyError, WorkloadError};
use crate::inputs::Inputs;
use crate::workload::Workload;
use nas_core::Seed;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::{TensorElementType, TensorRef, ValueType};
use std::fmt::Display;
use std::hint::black_box;
use std::path::Path;

const NAME: &str = "ONNX Runtime";

/// ONNX Runtime, whose library is loaded when it is asked for: it need not be there to build, nor on a machine that
/// measures by something else.
#[derive(Debug, Clone)]
pub struct OnnxRuntime {
    environment: Environment,
}

/// An ONNX file on ONNX Runtime's CPU, with all of its optimisations.
#[derive(Debug)]
pub struct OnnxWorkload {
    session: Session,
    shape: Vec<usize>,
    inputs: Inputs,
}

fn refused(what: &str, error: impl Display) -> LatencyError {
    LatencyError::Runtime { runtime: NAME, what: what.into(), reason: error.to_string() }
}

impl OnnxRuntime {
    /// Loads `libonnxruntime.so` (`.dylib`, `.dll`) from this place; a bare name is looked for where the system looks for
    /// libraries. The first library that a process loads stays.
    ///
    /// # Errors
    /// No such library, or one that is too old.
    pub fn load(library: &Path) -> Result<Self, LatencyError> {
        let what = format!("the library {}", library.display());
        let environment = ort::init_from(library).map_err(|error| refused(&what, error))?;
        Ok(Self { environment: environment.build().map_err(|error| refused(&what, error))? })
    }

    /// What the library says of its build.
    pub fn version(&self) -> &'static str {
        ort::info()
    }

    /// A network in the bytes of an ONNX file with one input of f32, on so many threads. Open dimensions, as a batch's,
    /// are 1.
    ///
    /// # Errors
    /// What ONNX Runtime says of a file that it does not take; more than one input, or one of another type.
    pub fn workload(&self, onnx: &[u8], threads: usize, seed: Seed) -> Result<OnnxWorkload, LatencyError> {
        let refused = |error: &dyn Display| refused("the network", error);
        let session = Session::builder(&self.environment)
            .map_err(|e| refused(&e))?
            .with_intra_threads(threads)
            .map_err(|e| refused(&e))?
            .with_inter_threads(1)
            .map_err(|e| refused(&e))?
            .with_intra_op_spinning(threads > 1)
            .map_err(|e| refused(&e))?
            .commit_from_memory(onnx)
            .map_err(|e| refused(&e))?;
        let [input] = session.inputs() else {
            let found = session.inputs().len();
            return Err(refused(&format!("it has {found} inputs, one is expected")));
        };
        let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = input.dtype() else {
            return Err(refused(&format!("its input is {}, a tensor of f32 is expected", input.dtype())));
        };
        let shape: Vec<usize> = shape.iter().map(|&d| usize::try_from(d).unwrap_or(1)).collect();
        let inputs = Inputs::of(&shape, seed).map_err(|error| refused(&error))?;
        Ok(OnnxWorkload { session, shape, inputs })
    }
}

impl OnnxWorkload {
    /// What comes of an input: the numbers of the first output.
    ///
    /// # Errors
    /// An input of another size; what the runtime fails with.
    pub fn output(&mut self, input: &[f32]) -> Result<Vec<f32>, WorkloadError> {
        let input = TensorRef::from_array_view((self.shape.clone(), input))?;
        let outputs = self.session.run(ort::inputs![input])?;
        let (_, numbers) = outputs[0].try_extract_tensor::<f32>()?;
        Ok(numbers.to_vec())
    }
}

impl Workload for OnnxWorkload {
    fn run(&mut self) -> Result<(), WorkloadError> {
        let input = TensorRef::from_array_view((self.shape.clone(), self.inputs.next()))?;
        black_box(self.session.run(ort::inputs![input])?);
        Ok(())
    }
}
