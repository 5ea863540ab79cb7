use crate::error::{NetworkError, Result};
use crate::network::{Builder, Network, Operator};
use crate::pieces::{classify, conv_norm_relu, plain};
use cpu_ops::Pool2d;
use spaces::nas_bench_101::{Operation, Skeleton, Spec};

/// The network of a NAS-Bench-101 module in its skeleton (Ying et al., ICML 2019, figure 1): a stem, stacks of modules
/// with a 2x2 max pooling before each stack but the first, global mean and a linear layer. `channels` of the images is 3
/// for colour.
///
/// Within a module a vertex adds up what leads into it: other vertices, cut off to its own channels, and the input
/// through a 1x1 projection; the output is what leads into it, channel after channel, and the projected input added
/// ([`Spec::channels`], the published rule). Every convolution is followed by batch norm and ReLU. Names of parameters
/// are `stem.conv`, `stacks.0.1.vertex.2.bn`, `stacks.0.1.input.2.conv` of the projection into vertex 2, `classifier`.
///
/// The authors' batch norms forget by .003 a batch, ours by .1 as in PyTorch.
///
/// ```
/// use cellnet::nas_bench_101;
/// use spaces::nas_bench_101::{Skeleton, Spec};
/// let pooling: Spec = "010001000:input,maxpool3x3,output".parse()?;
/// let net = nas_bench_101(&pooling, &Skeleton::default(), 3)?;
/// assert_eq!(net.cost().parameters, 882_570);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A skeleton out of range; a side that cannot be halved before every stack but the first.
pub fn nas_bench_101(spec: &Spec, skeleton: &Skeleton, channels: usize) -> Result<Network> {
    // checks the ranges, within which every number fits
    skeleton.cost(spec)?;
    let Skeleton { stacks, modules, .. } = *skeleton;
    let [first, classes, image] = [skeleton.channels, skeleton.classes, skeleton.image].map(|n| n as usize);
    if !image.is_multiple_of(1 << (stacks - 1)) {
        return Err(NetworkError::Setting {
            setting: "image",
            found: format!("{image} with {stacks} stacks"),
            expected: "a side that is halved evenly before every stack but the first",
        });
    }
    let mut net = Builder::new([channels, image, image]);
    let input = net.input();
    let mut x = conv_norm_relu(&mut net, "stem", input, plain(first, 3, 1))?;
    net.end_block(x);
    for stack in 0..stacks {
        if stack > 0 {
            x = net.add("", Operator::MaxPool { window: Pool2d::new(2, 2, 0) }, &[x])?;
            net.end_block(x);
        }
        for number in 0..modules {
            x = module(&mut net, spec, &format!("stacks.{stack}.{number}"), x, first << stack)?;
            net.end_block(x);
        }
    }
    classify(&mut net, x, classes)?;
    net.finish()
}

fn module(net: &mut Builder, spec: &Spec, name: &str, input: usize, output: usize) -> Result<usize> {
    let given = net.shape(input).map_or(0, |shape| shape[0]);
    let widths = spec.channels(given as u64, output as u64);
    let last = widths.len() - 1;
    let projected = |net: &mut Builder, to: usize| {
        conv_norm_relu(net, &format!("{name}.input.{to}"), input, plain(widths[to] as usize, 1, 1))
    };
    let mut vertices = vec![input];
    for (to, operation) in (1..last).zip(spec.operations()) {
        let width = widths[to] as usize;
        let mut parts = Vec::new();
        for from in (1..to).filter(|&from| spec.has_edge(from, to)) {
            let wider = widths[from] > widths[to];
            let cut = Operator::Truncate { channels: width };
            parts.push(if wider { net.add("", cut, &[vertices[from]])? } else { vertices[from] });
        }
        if spec.has_edge(0, to) {
            parts.push(projected(net, to)?);
        }
        let sum = sum(net, &parts)?;
        let vertex = format!("{name}.vertex.{to}");
        vertices.push(match operation {
            Operation::Conv3x3 => conv_norm_relu(net, &vertex, sum, plain(width, 3, 1))?,
            Operation::Conv1x1 => conv_norm_relu(net, &vertex, sum, plain(width, 1, 1))?,
            Operation::MaxPool3x3 => {
                net.add("", Operator::MaxPool { window: Pool2d::new(3, 1, 1) }, &[sum])?
            }
        });
    }
    let ends: Vec<usize> =
        (1..last).filter(|&from| spec.has_edge(from, last)).map(|from| vertices[from]).collect();
    let mut parts = match ends[..] {
        [] => Vec::new(),
        [end] => vec![end],
        _ => vec![net.add("", Operator::Concatenate, &ends)?],
    };
    if spec.has_edge(0, last) {
        parts.push(projected(net, last)?);
    }
    sum(net, &parts)
}

/// Their sum; itself where it is one alone.
fn sum(net: &mut Builder, parts: &[usize]) -> Result<usize> {
    match parts {
        [one] => Ok(*one),
        _ => net.add("", Operator::Sum, parts),
    }
}
