use crate::error::Result;
use crate::network::{Builder, Network, Operator};
use cpu_ops::{Conv2d, Padding, Pool2d};
use serde::{Deserialize, Serialize};
use spaces::nas_bench_201::{Cell, EDGES, Operation, Skeleton};

/// How the convolutions inside the cells are made; the rest of the network is the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellStyle {
    /// Whether they have a bias.
    pub bias: bool,
    /// Whether their batch norms have a weight and a bias.
    pub affine: bool,
    /// Whether their batch norms keep running statistics.
    pub tracked: bool,
}

impl CellStyle {
    /// The networks that NAS-Bench-201 trained (Dong and Yang, ICLR 2020), and whose parameters it counts.
    pub fn trained() -> Self {
        Self { bias: false, affine: true, tracked: true }
    }

    /// The networks that Zero-Cost NAS scored (Abdelfattah et al., ICLR 2021): the authors build them with biases
    /// and with batch norms that always use the batch's statistics.
    pub fn scored() -> Self {
        Self { bias: true, affine: false, tracked: false }
    }
}

/// The network of a NAS-Bench-201 cell in its skeleton (Dong and Yang 2020, figure 1): a stem, three stages of cells
/// at one, two and four times the channels, residual blocks that halve the image between them, batch norm, ReLU,
/// global mean and a linear layer. Names of parameters are `stem_conv`, `cells1.0.edge.0.conv`, `red1.conv_a.bn`,
/// `last_bn`, `fc` and so on; edges are numbered as in the cell's text. `channels` of the images is 3 for colour.
///
/// Every operation of every edge is built, also what no path reaches, as the authors do.
///
/// ```
/// use cellnet::{CellStyle, nas_bench_201};
/// use spaces::{NasBench201, nas_bench_201::Skeleton};
/// let (cell, skeleton) = (NasBench201.get(1462)?, Skeleton::default());
/// let net = nas_bench_201(&cell, &skeleton, 3, CellStyle::trained())?;
/// assert_eq!(net.cost().parameters, skeleton.cost(&cell)?.parameters);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A skeleton out of range.
pub fn nas_bench_201(cell: &Cell, skeleton: &Skeleton, channels: usize, style: CellStyle) -> Result<Network> {
    // checks the ranges, within which every number fits
    skeleton.cost(cell)?;
    let [first, cells, classes, image] =
        [skeleton.channels, skeleton.cells, skeleton.classes, skeleton.image].map(|n| n as usize);
    let mut net = Builder::new([channels, image, image]);
    let kept = Operator::BatchNorm { affine: true, tracked: true };
    let plain = |channels, kernel: usize, stride| Operator::Convolution {
        channels,
        kernel: (kernel, kernel),
        settings: Conv2d::new(stride, kernel / 2),
        bias: false,
    };
    let stem = net.add("stem_conv", plain(first, 3, 1), &[net.input()])?;
    let mut x = net.add("stem_bn", kept.clone(), &[stem])?;
    net.end_block(x);
    for stage in 1..=3 {
        let width = first << (stage - 1);
        if stage > 1 {
            let name = |what: &str| format!("red{}.{what}", stage - 1);
            let pool = Operator::AveragePool { window: Pool2d::new(2, 2, 0), padding: Padding::Counted };
            let pooled = net.add("", pool, &[x])?;
            let short = net.add(&name("short"), plain(width, 1, 1), &[pooled])?;
            for (part, stride) in [("conv_a", 2), ("conv_b", 1)] {
                let active = net.add("", Operator::Relu, &[x])?;
                let conv = net.add(&name(&format!("{part}.conv")), plain(width, 3, stride), &[active])?;
                x = net.add(&name(&format!("{part}.bn")), kept.clone(), &[conv])?;
            }
            x = net.add("", Operator::Sum, &[short, x])?;
            net.end_block(x);
        }
        for number in 0..cells {
            x = add_cell(&mut net, cell, &format!("cells{stage}.{number}"), (x, width), style)?;
            net.end_block(x);
        }
    }
    let last = net.add("last_bn", kept, &[x])?;
    let active = net.add("", Operator::Relu, &[last])?;
    let mean = net.add("", Operator::GlobalMean, &[active])?;
    net.add("fc", Operator::Linear { outputs: classes }, &[mean])?;
    net.finish()
}

fn add_cell(
    net: &mut Builder,
    cell: &Cell,
    name: &str,
    (input, width): (usize, usize),
    style: CellStyle,
) -> Result<usize> {
    let mut nodes = vec![input];
    for target in 1..4 {
        let mut parts = Vec::new();
        for (edge, (_, source)) in EDGES.iter().enumerate().filter(|(_, edge)| edge.0 == target) {
            let x = nodes[*source];
            let conv = |net: &mut Builder, kernel: usize| {
                let active = net.add("", Operator::Relu, &[x])?;
                let operator = Operator::Convolution {
                    channels: width,
                    kernel: (kernel, kernel),
                    settings: Conv2d::new(1, kernel / 2),
                    bias: style.bias,
                };
                let conv = net.add(&format!("{name}.edge.{edge}.conv"), operator, &[active])?;
                let norm = Operator::BatchNorm { affine: style.affine, tracked: style.tracked };
                net.add(&format!("{name}.edge.{edge}.bn"), norm, &[conv])
            };
            parts.push(match cell.operations()[edge] {
                Operation::None => net.add("", Operator::Zero, &[x])?,
                Operation::SkipConnect => x,
                Operation::Conv1x1 => conv(net, 1)?,
                Operation::Conv3x3 => conv(net, 3)?,
                Operation::AvgPool3x3 => {
                    let window = Pool2d::new(3, 1, 1);
                    net.add("", Operator::AveragePool { window, padding: Padding::Excluded }, &[x])?
                }
            });
        }
        nodes.push(net.add("", Operator::Sum, &parts)?);
    }
    Ok(nodes[3])
}
