use crate::GcnError;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use nas_core::Stream;
use rand::RngExt;

/// Named trainable tensors in a fixed order (candle's `VarMap` has none). A clone is the same tensors, as one of a variable
/// is: [`snapshot`](Self::snapshot) keeps values.
#[derive(Debug, Clone)]
pub struct Parameters {
    dtype: DType,
    named: Vec<(String, Var)>,
}

impl Parameters {
    /// None yet, of type `dtype`.
    pub fn new(dtype: DType) -> Self {
        Self { dtype, named: Vec::new() }
    }

    /// Adds one drawn uniformly from `-bound..bound` and hands it out.
    ///
    /// # Errors
    /// An error of candle's.
    pub fn uniform(
        &mut self,
        name: &str,
        shape: &[usize],
        bound: f64,
        rng: &mut Stream,
    ) -> Result<Var, GcnError> {
        let count = shape.iter().product();
        let values: Vec<f64> = (0..count).map(|_| (2.0 * rng.random::<f64>() - 1.0) * bound).collect();
        self.add(name, Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// Adds a matrix `(inputs, outputs)` drawn uniformly within `sqrt(6 / (inputs + outputs))` and hands it out (Glorot and
    /// Bengio 2010, equation 16; the default of Keras).
    ///
    /// # Errors
    /// An error of candle's.
    pub fn glorot(&mut self, name: &str, shape: [usize; 2], rng: &mut Stream) -> Result<Var, GcnError> {
        let bound = (6.0 / (shape[0] + shape[1]).max(1) as f64).sqrt();
        self.uniform(name, &shape, bound, rng)
    }

    /// Adds one whose elements all are `value` and hands it out.
    ///
    /// # Errors
    /// An error of candle's.
    pub fn constant(&mut self, name: &str, shape: &[usize], value: f64) -> Result<Var, GcnError> {
        self.add(name, Tensor::full(value, shape, &Device::Cpu)?)
    }

    fn add(&mut self, name: &str, value: Tensor) -> Result<Var, GcnError> {
        let var = Var::from_tensor(&value.to_dtype(self.dtype)?)?;
        self.named.push((name.to_string(), var.clone()));
        Ok(var)
    }

    /// All of these and then all of `other`.
    pub fn chain(&self, other: &Self) -> Self {
        let named = self.named.iter().chain(&other.named).cloned().collect();
        Self { dtype: self.dtype, named }
    }

    /// The tensors in their order.
    pub fn vars(&self) -> impl Iterator<Item = &Var> {
        self.named.iter().map(|(_, var)| var)
    }

    /// Names and tensors in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.named.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Number of trainable numbers.
    pub fn count(&self) -> usize {
        self.vars().map(|var| var.elem_count()).sum()
    }

    /// The gradients in the order of the tensors, zero where there is none.
    ///
    /// # Errors
    /// An error of candle's.
    pub fn gradients(&self, grads: &GradStore) -> Result<Vec<Tensor>, GcnError> {
        let of = |var: &Var| grads.get(var.as_tensor()).cloned().map_or_else(|| var.zeros_like(), Ok);
        Ok(self.vars().map(of).collect::<candle_core::Result<_>>()?)
    }

    /// A copy of all values.
    ///
    /// # Errors
    /// An error of candle's.
    pub fn snapshot(&self) -> Result<Vec<Tensor>, GcnError> {
        Ok(self.vars().map(|var| var.copy()).collect::<candle_core::Result<_>>()?)
    }

    /// Sets all values to those of a snapshot.
    ///
    /// # Errors
    /// A snapshot of other parameters.
    pub fn restore(&self, snapshot: &[Tensor]) -> Result<(), GcnError> {
        if snapshot.len() != self.named.len() {
            let (found, expected) = (snapshot.len(), self.named.len());
            return Err(GcnError::Weights(format!("a snapshot of {found} tensors for {expected}")));
        }
        self.vars().zip(snapshot).try_for_each(|(var, value)| Ok(var.set(value)?))
    }

    /// All values as a safetensors file, with the authors' names (`gc.0.weight`, `bn.0.weight`, `fc.weight`).
    ///
    /// # Errors
    /// An error of the serialiser.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, GcnError> {
        let views = self.iter().map(|(name, var)| (name, var.as_tensor()));
        safetensors::serialize(views, None).map_err(|error| GcnError::Weights(error.to_string()))
    }

    /// Sets all values from a safetensors file, converting its type.
    ///
    /// # Errors
    /// A file that cannot be read; names or shapes that do not fit, each named with what was expected.
    pub fn load_safetensors(&self, bytes: &[u8]) -> Result<(), GcnError> {
        let file = safetensors::SafeTensors::deserialize(bytes)
            .map_err(|error| GcnError::Weights(format!("not a safetensors file: {error}")))?;
        let mut wrong = Vec::new();
        for (name, var) in self.iter() {
            match file.tensor(name) {
                Ok(view) if view.shape() == var.dims() => {}
                Ok(view) => wrong.push(format!("{name} is {:?}, expected {:?}", view.shape(), var.dims())),
                Err(_) => wrong.push(format!("{name} {:?} is missing", var.dims())),
            }
        }
        let unknown = file.names().into_iter().filter(|name| self.iter().all(|(known, _)| known != *name));
        wrong.extend(unknown.map(|name| format!("{name} is not part of this network")));
        if !wrong.is_empty() {
            return Err(GcnError::Weights(wrong.join("; ")));
        }
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        self.iter().try_for_each(|(name, var)| Ok(var.set(&tensors[name].to_dtype(self.dtype)?)?))
    }
}
