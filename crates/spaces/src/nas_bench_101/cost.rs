use super::matrix::MAX_VERTICES;
use super::{Operation, Spec};
use crate::SpaceError;
use crate::cost::{check, convolution, linear, norm, times};
use arch_graph::Cost;
use serde::{Deserialize, Serialize};

/// The network around the module. The default is the paper's for CIFAR-10 (Ying et al., section 2.1).
///
/// A 3x3 convolution to `channels`; `stacks` of `modules` modules, the channels doubled and the image halved by
/// max pooling before each stack but the first; global mean, linear layer. Every convolution is without bias and
/// followed by batch normalisation and ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Skeleton {
    /// Channels of the stem and of the first stack, 8 to 1,024.
    pub channels: u64,
    /// Number of stacks, 1 to 8.
    pub stacks: u64,
    /// Modules a stack, 1 to 1,000.
    pub modules: u64,
    /// Number of classes, 1 to 1,000,000.
    pub classes: u64,
    /// Side of the image in pixels, 1 to 4,096; odd sides are halved upwards.
    pub image: u64,
}

impl Default for Skeleton {
    fn default() -> Self {
        Self { channels: 128, stacks: 3, modules: 3, classes: 10, image: 32 }
    }
}

impl Skeleton {
    /// Trainable parameters, as the published files count them, and multiply-adds of one image, of convolutions
    /// and the linear layer alone. The parameters are those of this numbering of the vertices: see
    /// [`Spec::channels`].
    ///
    /// ```
    /// use spaces::nas_bench_101::{Skeleton, Spec};
    /// let pooling: Spec = "010001000:input,maxpool3x3,output".parse()?;
    /// assert_eq!(Skeleton::default().cost(&pooling)?.parameters, 882_570);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A setting out of range.
    pub fn cost(&self, spec: &Spec) -> Result<Cost, SpaceError> {
        let Self { channels, stacks, modules, classes, image } = *self;
        check(&[
            ("channels", channels, (8..=1_024).contains(&channels), "8 to 1,024"),
            ("stacks", stacks, (1..=8).contains(&stacks), "1 to 8"),
            ("modules", modules, (1..=1_000).contains(&modules), "1 to 1,000"),
            ("classes", classes, (1..=1_000_000).contains(&classes), "1 to 1,000,000"),
            ("image", image, (1..=4_096).contains(&image), "1 to 4,096"),
        ])?;
        let (mut from, mut to, mut side) = (channels, channels, image);
        let mut total = convolution(3, 3, channels, side) + norm(channels);
        for stack in 0..stacks {
            if stack > 0 {
                to *= 2;
                side = side.div_ceil(2);
            }
            total += module(spec, from, to, side) + times(modules - 1, module(spec, to, to, side));
            from = to;
        }
        Ok(total + linear(to, classes))
    }
}

impl Spec {
    /// The channels of each vertex of a module, by the published rule (`compute_vertex_channels`).
    ///
    /// The output's channels are divided evenly among the inner vertices that lead into it, whose results are
    /// concatenated; where that does not come out even, the first of them have one more. Another vertex has as
    /// many as the widest that it feeds; a wider input is cut off. The input feeds through a 1x1 projection, to
    /// the output by addition.
    ///
    /// ```
    /// use spaces::nas_bench_101::{Operation, Spec};
    /// let edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)];
    /// let spec = Spec::new(5, edges, &[Operation::Conv1x1; 3])?;
    /// assert_eq!(spec.channels(128, 128), [128, 43, 43, 42, 128]);
    /// # Ok::<(), spaces::SpaceError>(())
    /// ```
    pub fn channels(self, input: u64, output: u64) -> Vec<u64> {
        let n = self.vertices();
        let mut channels = vec![0; n];
        (channels[0], channels[n - 1]) = (input, output);
        let ends: Vec<usize> = (1..n - 1).filter(|&vertex| self.has_edge(vertex, n - 1)).collect();
        for (rank, &vertex) in ends.iter().enumerate() {
            let (each, rest) = (output / ends.len() as u64, output % ends.len() as u64);
            channels[vertex] = each + u64::from((rank as u64) < rest);
        }
        for vertex in (1..n - 1).rev().filter(|vertex| !ends.contains(vertex)) {
            let fed = (vertex + 1..n - 1).filter(|&to| self.has_edge(vertex, to));
            channels[vertex] = fed.map(|to| channels[to]).max().unwrap_or_default();
        }
        channels
    }
}

/// One module from `input` to `output` channels on images of `side` pixels.
fn module(spec: &Spec, input: u64, output: u64, side: u64) -> Cost {
    let channels = spec.channels(input, output);
    debug_assert!(channels.len() <= MAX_VERTICES);
    let layer = |kernel, from, to| convolution(kernel, from, to, side) + norm(to);
    let projections =
        (1..channels.len()).filter(|&to| spec.has_edge(0, to)).map(|to| layer(1, input, channels[to]));
    let operations = spec.operations().iter().zip(&channels[1..]).map(|(op, &width)| match op {
        Operation::Conv3x3 => layer(3, width, width),
        Operation::Conv1x1 => layer(1, width, width),
        Operation::MaxPool3x3 => Cost::default(),
    });
    projections.chain(operations).sum()
}
