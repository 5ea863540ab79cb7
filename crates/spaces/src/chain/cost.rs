use crate::cost::{convolution, depthwise, linear, norm};
use arch_graph::Cost;

/// Channels after each layer of NAS-Bench-Macro, and the side of its image.
const MACRO: [(u64, u64); 8] =
    [(64, 16), (64, 16), (128, 8), (128, 8), (128, 8), (256, 4), (256, 4), (256, 4)];

/// The network of NAS-Bench-Macro (Su et al., CVPR 2021, table 1) on 32 x 32 pixels and 10 classes: a 3x3
/// convolution to 32 channels; eight layers, of which the first, third and sixth halve the image; a 1x1
/// convolution to 1,280 channels, global mean, linear layer.
///
/// Choices 1 and 2 are inverted bottlenecks: 1x1 convolution to 3 or 6 times the channels, depthwise 3x3 or 5x5,
/// which takes the stride, 1x1 convolution. The identity is a 1x1 convolution where the channels change. All
/// are without bias and followed by batch normalisation.
pub(super) fn nas_bench_macro(choices: &[u8]) -> Cost {
    let mut total = convolution(3, 3, 32, 32) + norm(32);
    let (mut from, mut before) = (32, 32);
    for (&choice, (to, side)) in choices.iter().zip(MACRO) {
        let bottleneck = |kernel, expansion: u64| {
            let wide = expansion * from;
            let first = convolution(1, from, wide, before) + norm(wide);
            first + depthwise(kernel, wide, side) + norm(wide) + convolution(1, wide, to, side) + norm(to)
        };
        total += match choice {
            1 => bottleneck(3, 3),
            2 => bottleneck(5, 6),
            _ if from == to => Cost::default(),
            _ => convolution(1, from, to, side) + norm(to),
        };
        (from, before) = (to, side);
    }
    total + convolution(1, 256, 1_280, 4) + norm(1_280) + linear(1_280, 10)
}
