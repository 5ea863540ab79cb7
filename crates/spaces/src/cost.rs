//! What layers cost, shared by the spaces.

use crate::SpaceError;
use arch_graph::Cost;

/// A convolution without bias whose output is `side` pixels wide.
pub(crate) fn convolution(kernel: u64, from: u64, to: u64, side: u64) -> Cost {
    let parameters = kernel * kernel * from * to;
    Cost { parameters, multiply_adds: parameters * side * side }
}

/// A convolution of each channel by itself, without bias.
pub(crate) fn depthwise(kernel: u64, channels: u64, side: u64) -> Cost {
    convolution(kernel, 1, channels, side)
}

/// Batch normalisation: a scale and a shift a channel.
pub(crate) fn norm(channels: u64) -> Cost {
    Cost { parameters: 2 * channels, multiply_adds: 0 }
}

/// A linear layer with bias.
pub(crate) fn linear(from: u64, to: u64) -> Cost {
    Cost { parameters: to * (from + 1), multiply_adds: from * to }
}

pub(crate) fn times(count: u64, cost: Cost) -> Cost {
    Cost {
        parameters: cost.parameters.saturating_mul(count),
        multiply_adds: cost.multiply_adds.saturating_mul(count),
    }
}

/// Refuses the first setting (name, value, whether it is allowed, what is) that is out of range.
pub(crate) fn check(settings: &[(&'static str, u64, bool, &'static str)]) -> Result<(), SpaceError> {
    match settings.iter().find(|setting| !setting.2) {
        Some(&(name, value, _, expected)) => Err(SpaceError::Setting { name, value, expected }),
        None => Ok(()),
    }
}
