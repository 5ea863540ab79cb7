use crate::error::{NetworkError, Result};
use crate::network::{Parameter, Role};
use candle_core::{DType, Device, Tensor, Var};
use cpu_ops::BatchStatistics;
use nas_core::Seed;
use rand::RngExt;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// Something with parameters: what [`Weights`] are made for.
pub trait HasParameters {
    /// All trainable parameters, in the order in which they are used.
    fn parameters(&self) -> Vec<Parameter>;

    /// The names of the running statistics of every batch norm that keeps them, with its channels.
    fn tracked(&self) -> Vec<(String, usize)> {
        Vec::new()
    }
}

/// Running statistics of a batch norm, as PyTorch keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// Mean by channel.
    pub mean: Vec<f64>,
    /// Unbiased variance by channel.
    pub variance: Vec<f64>,
}

impl Running {
    /// Moves towards what a batch measured: by a tenth, with the variance made unbiased, as in PyTorch.
    pub fn update(&mut self, measured: &BatchStatistics) {
        const MOMENTUM: f64 = 0.1;
        let unbiased = measured.count as f64 / (measured.count as f64 - 1.0).max(1.0);
        for (mean, new) in self.mean.iter_mut().zip(&measured.mean) {
            *mean += MOMENTUM * (new - *mean);
        }
        for (variance, new) in self.variance.iter_mut().zip(&measured.variance) {
            *variance += MOMENTUM * (new * unbiased - *variance);
        }
    }
}

/// The numbers of a network: parameters and running statistics, by PyTorch's names, in the order of the names.
///
/// A clone shares the parameters, as clones of candle's variables do, and has running statistics of its own. What a
/// training has come to is kept by a [`copy`](Self::copy).
#[derive(Debug, Clone)]
pub struct Weights {
    parameters: BTreeMap<String, Var>,
    running: BTreeMap<String, Running>,
}

impl Weights {
    /// PyTorch's default initialisation, each parameter from a stream of its own, so that a parameter does not
    /// depend on what else is in the network: weights and biases of convolutions and linear layers uniform within
    /// one over the root of their inputs, batch norms at 1 and 0.
    ///
    /// # Errors
    /// A type that is neither f32 nor f64.
    pub fn init(network: &impl HasParameters, dtype: DType, seed: Seed) -> Result<Self> {
        Self::from_values(network, dtype, |parameter| {
            let count: usize = parameter.shape.iter().product();
            let values: Vec<f64> = match parameter.role {
                Role::Connection { inputs } => {
                    let bound = 1.0 / (inputs.max(1) as f64).sqrt();
                    let mut stream = seed.stream(&parameter.name);
                    (0..count).map(|_| stream.random_range(-bound..bound)).collect()
                }
                Role::Scale => vec![1.0; count],
                Role::Shift => vec![0.0; count],
            };
            Ok(Tensor::from_vec(values, parameter.shape.clone(), &Device::Cpu)?)
        })
    }

    /// Weights whose every parameter `values` gives, converted to `dtype`; running statistics begin afresh.
    ///
    /// # Errors
    /// A type that is neither f32 nor f64, a tensor of another shape than its parameter, what `values` refuses.
    pub fn from_values(
        network: &impl HasParameters,
        dtype: DType,
        mut values: impl FnMut(&Parameter) -> Result<Tensor>,
    ) -> Result<Self> {
        check(dtype)?;
        let mut parameters = BTreeMap::new();
        for parameter in network.parameters() {
            let tensor = values(&parameter)?;
            if tensor.dims() != parameter.shape {
                let Parameter { name, shape, .. } = &parameter;
                let problems = vec![format!("{name} is {:?}, expected {shape:?}", tensor.dims())];
                return Err(NetworkError::Weights { problems });
            }
            let var = Var::from_tensor(&tensor.to_dtype(dtype)?.detach().copy()?)?;
            parameters.insert(parameter.name, var);
        }
        Ok(Self { parameters, running: fresh(network) })
    }

    /// The same numbers, which no training of these changes.
    ///
    /// # Errors
    /// An error of a tensor.
    ///
    /// ```
    /// use candle_core::{DType, Tensor};
    /// use cellnet::{CellStyle, Weights, nas_bench_201};
    /// use nas_core::Seed;
    /// use spaces::{NasBench201, nas_bench_201::Skeleton};
    /// let skeleton = Skeleton { channels: 4, cells: 1, image: 8, ..Skeleton::default() };
    /// let net = nas_bench_201(&NasBench201.get(7)?, &skeleton, 3, CellStyle::trained())?;
    /// let weights = Weights::init(&net, DType::F32, Seed(0))?;
    /// let (kept, bias) = (weights.copy()?, |weights: &Weights| weights.get("fc.bias").cloned().ok_or("no bias"));
    /// let before = bias(&kept)?.to_vec1::<f32>()?;
    /// bias(&weights)?.set(&Tensor::zeros(10, DType::F32, &candle_core::Device::Cpu)?)?;
    /// assert_eq!(bias(&kept)?.to_vec1::<f32>()?, before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy(&self) -> Result<Self> {
        let copied = |(name, var): (&String, &Var)| Ok((name.clone(), Var::from_tensor(&var.copy()?)?));
        let parameters = self.parameters.iter().map(copied).collect::<Result<_>>()?;
        Ok(Self { parameters, running: self.running.clone() })
    }

    /// A parameter by name.
    pub fn get(&self, name: &str) -> Option<&Var> {
        self.parameters.get(name)
    }

    /// A parameter that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&Var> {
        self.get(name).ok_or_else(|| NetworkError::Weights { problems: vec![format!("{name} is missing")] })
    }

    /// All parameters, in the order of their names.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.parameters.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// The running statistics of a batch norm by the name of its layer.
    pub fn running(&self, layer: &str) -> Option<&Running> {
        self.running.get(layer)
    }

    /// Moves the running statistics towards what batches measured.
    pub fn update(&mut self, measured: &[(String, BatchStatistics)]) {
        for (layer, measured) in measured {
            if let Some(running) = self.running.get_mut(layer) {
                running.update(measured);
            }
        }
    }

    /// From safetensors with PyTorch's names, converted to `dtype`; counters such as `num_batches_tracked` are
    /// skipped.
    ///
    /// # Errors
    /// Bytes that are not safetensors; tensors that are missing, unknown or of another shape: all of them.
    pub fn from_safetensors(network: &impl HasParameters, bytes: &[u8], dtype: DType) -> Result<Self> {
        check(dtype)?;
        let mut given = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?
            .into_iter()
            .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
            .collect::<BTreeMap<String, Tensor>>();
        let mut problems = Vec::new();
        let mut take = |name: &str, shape: &[usize]| match given.remove(name) {
            None => {
                problems.push(format!("{name} {shape:?} is missing"));
                None
            }
            Some(tensor) if tensor.dims() != shape => {
                problems.push(format!("{name} is {:?}, expected {shape:?}", tensor.dims()));
                None
            }
            Some(tensor) => Some(tensor),
        };
        let mut weights = Self { parameters: BTreeMap::new(), running: fresh(network) };
        for parameter in network.parameters() {
            if let Some(tensor) = take(&parameter.name, &parameter.shape) {
                weights.parameters.insert(parameter.name, Var::from_tensor(&tensor.to_dtype(dtype)?)?);
            }
        }
        for (layer, running) in &mut weights.running {
            for (what, values) in [("mean", &mut running.mean), ("var", &mut running.variance)] {
                if let Some(tensor) = take(&format!("{layer}.running_{what}"), &[values.len()]) {
                    *values = tensor.to_dtype(DType::F64)?.to_vec1()?;
                }
            }
        }
        problems
            .extend(given.iter().map(|(name, tensor)| format!("{name} {:?} is not known", tensor.dims())));
        if problems.is_empty() { Ok(weights) } else { Err(NetworkError::Weights { problems }) }
    }

    /// As safetensors with PyTorch's names. The same weights give the same bytes.
    ///
    /// # Errors
    /// None that a valid network could cause.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        write(&self.tensors(self.dtype())?)
    }

    /// Parameters, and running statistics in a type of their own, by name.
    pub(crate) fn tensors(&self, running: DType) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors: BTreeMap<String, Tensor> =
            self.parameters.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
        let dtype = running;
        for (layer, running) in &self.running {
            for (what, values) in [("mean", &running.mean), ("var", &running.variance)] {
                let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)?.to_dtype(dtype)?;
                tensors.insert(format!("{layer}.running_{what}"), tensor);
            }
        }
        Ok(tensors)
    }

    /// The type of all parameters.
    pub fn dtype(&self) -> DType {
        self.parameters.values().next().map_or(DType::F32, |var| var.dtype())
    }
}

fn check(dtype: DType) -> Result<()> {
    if matches!(dtype, DType::F32 | DType::F64) { Ok(()) } else { Err(NetworkError::Type(dtype)) }
}

fn fresh(network: &impl HasParameters) -> BTreeMap<String, Running> {
    let running = |channels| Running { mean: vec![0.0; channels], variance: vec![1.0; channels] };
    network.tracked().into_iter().map(|(layer, channels)| (layer, running(channels))).collect()
}

/// The numbers of a tensor of f32 or f64, row by row.
pub(crate) fn little_endian(tensor: &Tensor) -> Result<Vec<u8>> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F64 => flat.to_vec1::<f64>()?.iter().flat_map(|v| v.to_le_bytes()).collect(),
        _ => flat.to_vec1::<f32>()?.iter().flat_map(|v| v.to_le_bytes()).collect(),
    })
}

/// Tensors of f32 or f64 as safetensors, in the order of their names.
pub(crate) fn write(tensors: &BTreeMap<String, Tensor>) -> Result<Vec<u8>> {
    let mut data: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, tensor) in tensors {
        let dtype = if tensor.dtype() == DType::F64 { Dtype::F64 } else { Dtype::F32 };
        let bytes = little_endian(tensor)?;
        data.push((name, dtype, tensor.dims().to_vec(), bytes));
    }
    let views = data
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .and_then(|views| safetensors::serialize(views, None));
    views.map_err(|error| NetworkError::Checkpoint(error.to_string()))
}

/// Whether bytes are safetensors at all.
pub(crate) fn readable(bytes: &[u8]) -> Result<()> {
    SafeTensors::deserialize(bytes).map(drop).map_err(|error| NetworkError::Checkpoint(error.to_string()))
}
