use crate::error::Result;
use crate::model::{Kind, Parameter};
use candle_core::{DType, Tensor};
use cellnet::{HasParameters, NetworkError, Role, Weights};

/// Weights of a network, each from what it was.
pub(crate) fn replaced(
    network: &impl HasParameters,
    old: &Weights,
    dtype: DType,
    values: &mut dyn FnMut(Parameter<'_>) -> Result<Tensor>,
) -> Result<Weights> {
    let mut failed = None;
    let weights = Weights::from_values(network, dtype, |parameter| {
        let name = parameter.name.as_str();
        let Some(var) = old.get(name) else {
            return Err(NetworkError::Weights { problems: vec![format!("{name} is missing")] });
        };
        let kind = match parameter.role {
            Role::Connection { inputs } if name.ends_with(".weight") => Kind::Weight { inputs },
            Role::Connection { .. } => Kind::Bias,
            Role::Scale => Kind::Scale,
            Role::Shift => Kind::Shift,
        };
        let value = var.as_detached_tensor();
        values(Parameter { name, kind, value: &value }).or_else(|error| {
            failed = Some(error);
            Ok(value.zeros_like()?)
        })
    })?;
    failed.map_or(Ok(weights), Err)
}
