use crate::error::{NetworkError, Result};
use crate::network::{Builder, Network, Operator};
use crate::pieces::{classify, conv_norm, convolution, depthwise, in_range, plain};
use cpu_ops::Conv2d;
use nas_core::SearchSpace;
use serde::{Deserialize, Serialize};
use spaces::chain::{Chain, ChainSpace, FB_NET, NAS_BENCH_MACRO, PROXYLESS_NAS};

/// The network around the layers of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSkeleton {
    /// Channels of the stem, at least 1; of FBNet rounded up to an even number. All others keep their published ratio to
    /// it, rounded up to even numbers, so that two groups divide them.
    pub channels: usize,
    /// Number of classes, at least 1.
    pub classes: usize,
    /// Side of the image in pixels, at least 1.
    pub image: usize,
}

impl ChainSkeleton {
    /// As published: of NAS-Bench-Macro for CIFAR-10, of FBNet for CIFAR-100 as HW-NAS-Bench measured it, of ProxylessNAS
    /// for ImageNet.
    ///
    /// # Errors
    /// A space without a known network.
    pub fn of(space: &ChainSpace) -> Result<Self> {
        let channels = description(space, 0)?.stem.0;
        let (classes, image) = match space.name() {
            name if name == NAS_BENCH_MACRO.name() => (10, 32),
            name if name == FB_NET.name() => (100, 32),
            _ => (1_000, 224),
        };
        Ok(Self { channels, classes, image })
    }
}

/// What the published definition of a space says of its networks.
struct Description {
    /// Channels and stride.
    stem: (usize, usize),
    /// Layers, channels, and the stride of the first layer.
    stages: Vec<(usize, usize, usize)>,
    head: usize,
    rectifier: Operator,
    /// Whether bottlenecks that do not widen begin with a 1x1 convolution all the same.
    always_expands: bool,
    /// Whether the first layer widens nothing, whatever its choice says.
    narrow_start: bool,
    /// Whether a rectifier follows the 1x1 convolution of a skip that changes the shape.
    rectified_skip: bool,
}

/// Below this side, FBNet's strides are those for CIFAR.
const SMALL: usize = 64;

fn description(space: &ChainSpace, image: usize) -> Result<Description> {
    let stages = |layers: &[usize], channels: &[usize], strides: &[usize]| {
        let stages = layers.iter().zip(channels).zip(strides);
        stages.map(|((&layers, &channels), &stride)| (layers, channels, stride)).collect()
    };
    let name = space.name();
    if name == NAS_BENCH_MACRO.name() {
        return Ok(Description {
            stem: (32, 1),
            stages: stages(&[2, 3, 3], &[64, 128, 256], &[2, 2, 2]),
            head: 1_280,
            rectifier: Operator::Relu,
            always_expands: false,
            narrow_start: false,
            rectified_skip: false,
        });
    }
    if name == FB_NET.name() {
        let first = if image < SMALL { 1 } else { 2 };
        return Ok(Description {
            stem: (16, first),
            stages: stages(
                &[1, 4, 4, 4, 4, 4, 1],
                &[16, 24, 32, 64, 112, 184, 352],
                &[1, first, 2, 2, 1, 2, 1],
            ),
            head: if image < SMALL { 1_504 } else { 1_984 },
            rectifier: Operator::Relu,
            always_expands: true,
            narrow_start: false,
            rectified_skip: true,
        });
    }
    if name == PROXYLESS_NAS.name() {
        return Ok(Description {
            stem: (32, 2),
            stages: stages(&[1, 4, 4, 4, 4, 4, 1], &[16, 32, 40, 80, 96, 192, 320], &[1, 2, 2, 2, 1, 2, 1]),
            head: 1_280,
            rectifier: Operator::Relu6,
            always_expands: false,
            narrow_start: true,
            rectified_skip: false,
        });
    }
    Err(NetworkError::Setting {
        setting: "space",
        found: name.to_owned(),
        expected: "nas-bench-macro, fbnet or proxyless-nas",
    })
}

/// An inverted bottleneck.
struct Bottleneck {
    kernel: usize,
    expansion: usize,
    groups: usize,
}

/// What a choice is by its name, such as `k5_e1_g2`; nothing for a skip.
fn bottleneck(name: &str) -> Option<Bottleneck> {
    let mut found = Bottleneck { kernel: 0, expansion: 0, groups: 1 };
    for part in name.split('_') {
        let (what, number) = part.split_at_checked(1)?;
        let number = number.parse().ok()?;
        match what {
            "k" => found.kernel = number,
            "e" => found.expansion = number,
            "g" => found.groups = number,
            _ => return None,
        }
    }
    Some(found)
}

/// The network of a chain: a stem, its layers, a 1x1 convolution, global mean and a linear layer. `channels` of the images
/// is 3 for colour.
///
/// A layer is an inverted bottleneck (1x1 convolution that widens, depthwise convolution, 1x1 convolution, a batch norm
/// after each and a rectifier after the first two), to which its input is added where the shapes are the same; or a skip,
/// which is a 1x1 convolution with batch norm where the shape changes and nothing elsewhere. No convolution has a bias.
/// Names of parameters are `stem.conv`, `layers.3.expand.conv`, `.depthwise`, `.project`, `layers.0.skip.bn`, `head.conv`,
/// `classifier`.
///
/// - NAS-Bench-Macro (Su et al., CVPR 2021, and the authors' code): ReLU; parameters and multiply-adds are the table's.
/// - FBNet (Wu et al., CVPR 2019, table 1) as HW-NAS-Bench (Li et al., ICLR 2021) measured it: 1x1 convolutions of two
///   groups are followed by a shuffle, the 1x1 convolution of a skip by ReLU. Images of less than 64 pixels keep their
///   size in the stem and the second stage, and the head has 1,504 channels instead of 1,984.
/// - ProxylessNAS (Cai, Zhu and Han, ICLR 2019) with the widths of the Neural Predictor's re-implementation: ReLU6, and
///   the first layer widens nothing. That re-implementation halves the image in every layer of a stage; here, as in the
///   paper, the first layer of a stage does.
///
/// ```
/// use cellnet::{ChainSkeleton, chain};
/// use nas_core::SearchSpace;
/// use spaces::chain::NAS_BENCH_MACRO;
/// let skeleton = ChainSkeleton::of(&NAS_BENCH_MACRO)?;
/// let net = chain(&NAS_BENCH_MACRO, &NAS_BENCH_MACRO.parse("0_2_0_1_2_1_0_0")?, &skeleton, 3)?;
/// assert_eq!((net.cost().parameters, net.cost().multiply_adds), (890_666, 47_327_744));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A skeleton out of range, a chain of another space, a space without a known network.
pub fn chain(
    space: &ChainSpace,
    chain: &Chain,
    skeleton: &ChainSkeleton,
    channels: usize,
) -> Result<Network> {
    let ChainSkeleton { channels: first, classes, image } = *skeleton;
    in_range([("channels", first), ("classes", classes), ("image", image)])?;
    let chain = space.chain(chain.choices())?;
    let of = description(space, image)?;
    let width = |published: usize| (published * first).div_ceil(of.stem.0).next_multiple_of(2);
    let mut net = Builder::new([channels, image, image]);
    let input = net.input();
    // two groups divide it too, where the first layer has them
    let grouped = |name: &&'static str| bottleneck(name).is_some_and(|of| of.groups > 1);
    let stem = if space.choices().iter().any(grouped) { first.next_multiple_of(2) } else { first };
    let stem = conv_norm(&mut net, "stem", input, plain(stem, 3, of.stem.1))?;
    let mut x = net.add("", of.rectifier.clone(), &[stem])?;
    net.end_block(x);
    let layers = of.stages.iter().flat_map(|&(layers, channels, stride)| {
        (0..layers).map(move |layer| (channels, if layer == 0 { stride } else { 1 }))
    });
    for (number, ((published, stride), &choice)) in layers.zip(chain.choices()).enumerate() {
        let name = format!("layers.{number}");
        let to = (width(published), stride);
        x = match space.choices().get(usize::from(choice)).and_then(|name| bottleneck(name)) {
            Some(bottleneck) => {
                let expansion = if number == 0 && of.narrow_start { 1 } else { bottleneck.expansion };
                inverted(&mut net, &name, &of, &Bottleneck { expansion, ..bottleneck }, (x, to))?
            }
            None => skip(&mut net, &name, &of, (x, to))?,
        };
        net.end_block(x);
    }
    x = conv_norm(&mut net, "head", x, plain(width(of.head), 1, 1))?;
    x = net.add("", of.rectifier.clone(), &[x])?;
    classify(&mut net, x, classes)?;
    net.finish()
}

/// From a layer to so many channels at a stride.
type Step = (usize, (usize, usize));

fn inverted(
    net: &mut Builder,
    name: &str,
    of: &Description,
    bottleneck: &Bottleneck,
    (input, (channels, stride)): Step,
) -> Result<usize> {
    let &Bottleneck { kernel, expansion, groups } = bottleneck;
    let from = net.shape(input).map_or(0, |shape| shape[0]);
    let wide = from * expansion;
    let pointwise = |channels| convolution(channels, 1, Conv2d { groups, ..Conv2d::default() });
    let mut x = input;
    if expansion > 1 || of.always_expands {
        x = conv_norm(net, &format!("{name}.expand"), x, pointwise(wide))?;
        x = net.add("", of.rectifier.clone(), &[x])?;
        if groups > 1 {
            x = net.add("", Operator::Shuffle { groups }, &[x])?;
        }
    }
    x = conv_norm(net, &format!("{name}.depthwise"), x, depthwise(wide, kernel, stride, 1))?;
    x = net.add("", of.rectifier.clone(), &[x])?;
    x = conv_norm(net, &format!("{name}.project"), x, pointwise(channels))?;
    if from == channels && stride == 1 { net.add("", Operator::Sum, &[x, input]) } else { Ok(x) }
}

fn skip(net: &mut Builder, name: &str, of: &Description, (input, (channels, stride)): Step) -> Result<usize> {
    let from = net.shape(input).map_or(0, |shape| shape[0]);
    if from == channels && stride == 1 {
        return Ok(input);
    }
    let x = conv_norm(net, &format!("{name}.skip"), input, plain(channels, 1, stride))?;
    if of.rectified_skip { net.add("", of.rectifier.clone(), &[x]) } else { Ok(x) }
}
