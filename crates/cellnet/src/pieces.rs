//! Layers that several spaces put together alike.

use crate::error::{NetworkError, Result};
use crate::network::{Builder, Operator};
use cpu_ops::Conv2d;

/// Refuses sizes of a skeleton that no network has, before numbers that follow from them overflow.
pub(crate) fn in_range(sizes: impl IntoIterator<Item = (&'static str, usize)>) -> Result<()> {
    match sizes.into_iter().find(|(_, size)| !(1..=1_000_000).contains(size)) {
        Some((setting, size)) => {
            Err(NetworkError::Setting { setting, found: size.to_string(), expected: "1 to 1,000,000" })
        }
        None => Ok(()),
    }
}

/// A convolution without bias.
pub(crate) fn convolution(channels: usize, kernel: usize, settings: Conv2d) -> Operator {
    Operator::Convolution { channels, kernel: (kernel, kernel), settings, bias: false }
}

/// A convolution without bias that keeps the size, or halves it at stride 2.
pub(crate) fn plain(channels: usize, kernel: usize, stride: usize) -> Operator {
    convolution(channels, kernel, Conv2d::new(stride, kernel / 2))
}

/// A convolution of each channel by itself, whose padding keeps the size or halves it at stride 2.
pub(crate) fn depthwise(channels: usize, kernel: usize, stride: usize, dilation: usize) -> Operator {
    let padding = kernel / 2 * dilation;
    let settings =
        Conv2d { groups: channels, dilation: (dilation, dilation), ..Conv2d::new(stride, padding) };
    convolution(channels, kernel, settings)
}

/// A batch norm with weight, bias and running statistics.
pub(crate) fn norm() -> Operator {
    Operator::BatchNorm { affine: true, tracked: true }
}

/// `name.conv` and `name.bn`.
pub(crate) fn conv_norm(net: &mut Builder, name: &str, x: usize, conv: Operator) -> Result<usize> {
    let x = net.add(&format!("{name}.conv"), conv, &[x])?;
    net.add(&format!("{name}.bn"), norm(), &[x])
}

/// `name.conv`, `name.bn` and a rectifier.
pub(crate) fn conv_norm_relu(net: &mut Builder, name: &str, x: usize, conv: Operator) -> Result<usize> {
    let x = conv_norm(net, name, x, conv)?;
    net.add("", Operator::Relu, &[x])
}

/// The global mean and `classifier`.
pub(crate) fn classify(net: &mut Builder, x: usize, classes: usize) -> Result<usize> {
    let mean = net.add("", Operator::GlobalMean, &[x])?;
    net.add("classifier", Operator::Linear { outputs: classes }, &[mean])
}
