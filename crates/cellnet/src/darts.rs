use crate::error::{NetworkError, Result};
use crate::network::{Builder, Network, Operator};
use crate::pieces::{classify, depthwise, in_range, norm, plain};
use cpu_ops::{Padding, Pool2d};
use serde::{Deserialize, Serialize};
use spaces::darts::{Cell, Genotype, Operation};

/// The network around the cells of DARTS. The default is the one that the paper trains on CIFAR-10 (Liu, Simonyan and
/// Yang, ICLR 2019, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DartsSkeleton {
    /// Channels of the first cells' nodes, at least 1; the stem has three times as many, a cell's result four times.
    pub channels: usize,
    /// Cells in all, at least 1. Those after one and two thirds of them halve the image.
    pub cells: usize,
    /// Number of classes, at least 1.
    pub classes: usize,
    /// Side of the image in pixels, a multiple of 4.
    pub image: usize,
}

impl Default for DartsSkeleton {
    fn default() -> Self {
        Self { channels: 36, cells: 20, classes: 10, image: 32 }
    }
}

impl DartsSkeleton {
    fn check(&self) -> Result<()> {
        let wrong = |setting, found: usize, expected| {
            Err(NetworkError::Setting { setting, found: found.to_string(), expected })
        };
        let Self { channels, cells, classes, image } = *self;
        in_range([("channels", channels), ("cells", cells), ("classes", classes), ("image", image)])?;
        if !self.image.is_multiple_of(4) {
            return wrong("image", self.image, "a multiple of 4");
        }
        Ok(())
    }
}

/// The network of a DARTS genotype for images of CIFAR's kind, without the auxiliary head and without dropped paths:
/// a 3x3 convolution with batch norm, cells, each of which reads the two before it, global mean and a linear layer.
/// `channels` of the images is 3 for colour. Names of parameters are those of the authors' `NetworkCIFAR`, such as
/// `stem.0`, `cells.3.preprocess0.op.1`, `cells.6._ops.2.op.5`, `classifier`, so that its checkpoints can be read.
///
/// ```
/// use cellnet::{DartsSkeleton, darts};
/// use spaces::Darts;
/// let skeleton = DartsSkeleton { channels: 4, cells: 3, image: 8, ..DartsSkeleton::default() };
/// let net = darts(&Darts.get(123_456_789)?, &skeleton, 3)?;
/// assert_eq!((net.input(), net.classes()), ([3, 8, 8], 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A skeleton out of range.
pub fn darts(genotype: &Genotype, skeleton: &DartsSkeleton, channels: usize) -> Result<Network> {
    skeleton.check()?;
    let DartsSkeleton { channels: first, cells, classes, image } = *skeleton;
    let mut net = Builder::new([channels, image, image]);
    let stem = net.add("stem.0", plain(3 * first, 3, 1), &[net.input()])?;
    let stem = net.add("stem.1", norm(), &[stem])?;
    net.end_block(stem);
    let mut states = [stem, stem];
    let (mut width, mut halved) = (first, false);
    for number in 0..cells {
        let reduces = number == cells / 3 || number == 2 * cells / 3;
        if reduces {
            width *= 2;
        }
        let of = if reduces { &genotype.reduce } else { &genotype.normal };
        let cell = Place { name: format!("cells.{number}"), width, reduces, halved };
        states = [states[1], cell.build(&mut net, of, states)?];
        halved = reduces;
    }
    net.end_block(states[1]);
    classify(&mut net, states[1], classes)?;
    net.finish()
}

/// A cell in its place.
struct Place {
    name: String,
    width: usize,
    /// Whether it halves the image.
    reduces: bool,
    /// Whether the cell before did.
    halved: bool,
}

impl Place {
    fn build(&self, net: &mut Builder, cell: &Cell, states: [usize; 2]) -> Result<usize> {
        let Self { name, width, .. } = self;
        let before = format!("{name}.preprocess0");
        let first = if self.halved {
            halve(net, &before, states[0], *width)?
        } else {
            relu_conv_norm(net, &before, states[0], *width)?
        };
        let mut nodes = vec![first, relu_conv_norm(net, &format!("{name}.preprocess1"), states[1], *width)?];
        for (node, inputs) in cell.inputs().into_iter().enumerate() {
            let mut parts = Vec::new();
            for (part, (operation, source)) in inputs.into_iter().enumerate() {
                let stride = if self.reduces && source < 2 { 2 } else { 1 };
                let name = format!("{name}._ops.{}", 2 * node + part);
                parts.push(operate(net, &name, operation, (nodes[source], stride), *width)?);
            }
            nodes.push(net.add("", Operator::Sum, &parts)?);
        }
        net.add("", Operator::Concatenate, &nodes[2..])
    }
}

fn operate(
    net: &mut Builder,
    name: &str,
    operation: Operation,
    (x, stride): (usize, usize),
    width: usize,
) -> Result<usize> {
    let window = Pool2d::new(3, stride, 1);
    match operation {
        Operation::MaxPool3x3 => net.add("", Operator::MaxPool { window }, &[x]),
        Operation::AvgPool3x3 => {
            net.add("", Operator::AveragePool { window, padding: Padding::Excluded }, &[x])
        }
        Operation::SkipConnect if stride == 1 => Ok(x),
        Operation::SkipConnect => halve(net, name, x, width),
        Operation::SepConv3x3 => separable(net, name, (x, stride), width, 3),
        Operation::SepConv5x5 => separable(net, name, (x, stride), width, 5),
        Operation::DilConv3x3 => part(net, name, 1, x, depthwise(width, 3, stride, 2)),
        Operation::DilConv5x5 => part(net, name, 1, x, depthwise(width, 5, stride, 2)),
    }
}

/// Two parts, of which the first takes the stride.
fn separable(
    net: &mut Builder,
    name: &str,
    (x, stride): (usize, usize),
    width: usize,
    kernel: usize,
) -> Result<usize> {
    let x = part(net, name, 1, x, depthwise(width, kernel, stride, 1))?;
    part(net, name, 5, x, depthwise(width, kernel, 1, 1))
}

/// ReLU, a convolution of each channel, one over channels, batch norm: `first` is the place of the depthwise convolution
/// in the authors' sequence.
fn part(net: &mut Builder, name: &str, first: usize, x: usize, depthwise: Operator) -> Result<usize> {
    let width = net.shape(x).map_or(0, |shape| shape[0]);
    let x = net.add("", Operator::Relu, &[x])?;
    let x = net.add(&format!("{name}.op.{first}"), depthwise, &[x])?;
    let x = net.add(&format!("{name}.op.{}", first + 1), plain(width, 1, 1), &[x])?;
    net.add(&format!("{name}.op.{}", first + 2), norm(), &[x])
}

fn relu_conv_norm(net: &mut Builder, name: &str, x: usize, width: usize) -> Result<usize> {
    let x = net.add("", Operator::Relu, &[x])?;
    let x = net.add(&format!("{name}.op.1"), plain(width, 1, 1), &[x])?;
    net.add(&format!("{name}.op.2"), norm(), &[x])
}

/// The authors' `FactorizedReduce`: half of the channels from the pixels at even places, half from those at odd ones.
fn halve(net: &mut Builder, name: &str, x: usize, width: usize) -> Result<usize> {
    let x = net.add("", Operator::Relu, &[x])?;
    let even = net.add(&format!("{name}.conv_1"), plain(width / 2, 1, 2), &[x])?;
    let shifted = net.add("", Operator::Crop { rows: 1, columns: 1 }, &[x])?;
    let odd = net.add(&format!("{name}.conv_2"), plain(width / 2, 1, 2), &[shifted])?;
    let both = net.add("", Operator::Concatenate, &[even, odd])?;
    net.add(&format!("{name}.bn"), norm(), &[both])
}
