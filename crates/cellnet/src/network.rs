use crate::error::{NetworkError, Result};
use crate::weights::HasParameters;
use cpu_ops::{Conv2d, Padding, Pool2d};
use std::collections::BTreeSet;

/// What a layer does with what is put into it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Operator {
    /// The images.
    Input,
    /// A convolution to `channels`.
    Convolution {
        /// Channels of the result.
        channels: usize,
        /// Rows and columns of the kernel.
        kernel: (usize, usize),
        /// Stride, padding, dilation, groups.
        settings: Conv2d,
        /// Whether a bias is added.
        bias: bool,
    },
    /// Batch norm.
    BatchNorm {
        /// Whether it has a weight and a bias of its own.
        affine: bool,
        /// Whether it keeps running statistics, which evaluation uses; without them it always uses the batch's.
        tracked: bool,
    },
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// The average over windows.
    AveragePool {
        /// The window.
        window: Pool2d,
        /// What the padding counts for.
        padding: Padding,
    },
    /// The largest of windows.
    MaxPool {
        /// The window.
        window: Pool2d,
    },
    /// Zeros of the same shape.
    Zero,
    /// The sum of all that is put in.
    Sum,
    /// All that is put in, channel after channel.
    Concatenate,
    /// The first channels.
    Truncate {
        /// How many.
        channels: usize,
    },
    /// Channels taken in turn from each of so many equal groups, so that grouped convolutions mix (Zhang et al.,
    /// ShuffleNet, CVPR 2018).
    Shuffle {
        /// Groups that the channels are in.
        groups: usize,
    },
    /// Without the first rows and columns.
    Crop {
        /// Rows that are left out at the top.
        rows: usize,
        /// Columns that are left out at the left.
        columns: usize,
    },
    /// The mean of every channel.
    GlobalMean,
    /// A linear layer with bias.
    Linear {
        /// Width of the result.
        outputs: usize,
    },
}

/// A layer of a [`Network`].
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The prefix of its parameters' names; empty where it has none.
    pub name: String,
    /// What it does.
    pub operator: Operator,
    /// The layers it reads, each before it.
    pub inputs: Vec<usize>,
    /// Channels, height and width of its result for one image; height and width are 1 behind a global mean.
    pub shape: [usize; 3],
}

/// A trainable parameter: its name, its shape and how many inputs each of its outputs has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// As PyTorch names it.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// What it is, which decides how it begins.
    pub role: Role,
}

impl Parameter {
    /// How many numbers it has, at most the largest of 64 bits.
    pub fn size(&self) -> u64 {
        self.shape.iter().fold(1, |size: u64, &d| size.saturating_mul(d as u64))
    }
}

/// At most the largest number of 64 bits.
pub(crate) fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A weight or bias of a convolution or linear layer, with so many inputs an output.
    Connection {
        /// Inputs of an output.
        inputs: usize,
    },
    /// The factor of a norm.
    Scale,
    /// The summand of a norm, or another that begins at 0.
    Shift,
}

/// A network as a list of layers, each after those it reads; valid by construction. It holds no weights: see
/// [`Weights`](crate::Weights).
///
/// ```
/// use cellnet::{Builder, Operator};
/// use cpu_ops::Conv2d;
/// let mut net = Builder::new([3, 8, 8]);
/// let settings = Conv2d::new(2, 1);
/// let conv = Operator::Convolution { channels: 4, kernel: (3, 3), settings, bias: false };
/// let x = net.add("stem", conv, &[net.input()])?;
/// let x = net.add("", Operator::GlobalMean, &[x])?;
/// net.add("fc", Operator::Linear { outputs: 10 }, &[x])?;
/// let net = net.finish()?;
/// assert_eq!(net.cost().parameters, 4 * 3 * 9 + 4 * 10 + 10);
/// assert_eq!(net.cost().multiply_adds, 4 * 4 * 4 * 3 * 9 + 4 * 10);
/// # Ok::<(), cellnet::NetworkError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    layers: Vec<Layer>,
    blocks: Vec<usize>,
}

/// What a network has and does for one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkCost {
    /// Trainable numbers.
    pub parameters: u64,
    /// Multiplications with addition of convolutions and linear layers, without biases.
    pub multiply_adds: u64,
}

/// Puts a [`Network`] together.
#[derive(Debug, Clone)]
pub struct Builder {
    layers: Vec<Layer>,
    blocks: Vec<usize>,
    names: BTreeSet<String>,
}

impl Builder {
    /// A network of images of `shape`: channels, height and width.
    pub fn new(shape: [usize; 3]) -> Self {
        let input = Layer { name: String::new(), operator: Operator::Input, inputs: Vec::new(), shape };
        Self { layers: vec![input], blocks: Vec::new(), names: BTreeSet::new() }
    }

    /// The images.
    pub fn input(&self) -> usize {
        0
    }

    /// Adds a layer and gives its place.
    ///
    /// # Errors
    /// A layer that is not there yet, or one whose shape the operator cannot take.
    pub fn add(&mut self, name: &str, operator: Operator, inputs: &[usize]) -> Result<usize> {
        let wrong = |reason: String| NetworkError::Layer { layer: name.to_owned(), reason };
        let given: Vec<[usize; 3]> = inputs
            .iter()
            .map(|&at| self.layers.get(at).map(|layer| layer.shape))
            .collect::<Option<_>>()
            .ok_or_else(|| {
                wrong(format!("reads one of {inputs:?}, but there are {} layers", self.layers.len()))
            })?;
        let shape = shape_of(&operator, &given).and_then(|shape| counted(&shape)).map_err(wrong)?;
        if has_parameters(&operator) && (name.is_empty() || !self.names.insert(name.to_owned())) {
            return Err(NetworkError::Layer {
                layer: name.to_owned(),
                reason: "a layer with parameters needs a name of its own".into(),
            });
        }
        self.layers.push(Layer { name: name.to_owned(), operator, inputs: inputs.to_vec(), shape });
        Ok(self.layers.len() - 1)
    }

    /// Says that a block ends with this layer: a stem, a cell, a reduction. Everything after it reads it alone, so that
    /// blocks follow each other as in a chain. A layer that is not there, or not behind the last block, is no end.
    pub fn end_block(&mut self, layer: usize) {
        if layer < self.layers.len() && self.blocks.last().is_none_or(|&last| last < layer) {
            self.blocks.push(layer);
        }
    }

    /// The shape of a layer's result.
    pub fn shape(&self, layer: usize) -> Option<[usize; 3]> {
        self.layers.get(layer).map(|layer| layer.shape)
    }

    /// The network, whose result is its last layer's.
    ///
    /// # Errors
    /// A last layer that does not give one number a class.
    pub fn finish(self) -> Result<Network> {
        match self.layers.last() {
            Some(Layer { operator: Operator::Linear { .. }, .. }) => {
                Ok(Network { layers: self.layers, blocks: self.blocks })
            }
            last => Err(NetworkError::Layer {
                layer: last.map(|layer| layer.name.clone()).unwrap_or_default(),
                reason: "the last layer must be linear".into(),
            }),
        }
    }
}

fn has_parameters(operator: &Operator) -> bool {
    matches!(operator, Operator::Convolution { .. } | Operator::BatchNorm { .. } | Operator::Linear { .. })
}

/// The same shape, if its elements can be counted.
fn counted<const N: usize>(shape: &[usize; N]) -> std::result::Result<[usize; N], String> {
    let elements = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
    match elements.filter(|&elements| isize::try_from(elements).is_ok()) {
        Some(_) => Ok(*shape),
        None => Err(format!("{shape:?} is more than can be held")),
    }
}

fn shape_of(operator: &Operator, given: &[[usize; 3]]) -> std::result::Result<[usize; 3], String> {
    let one = || match given {
        [shape] => Ok(*shape),
        _ => Err(format!("takes one input, has {}", given.len())),
    };
    let window = |size: usize, kernel: usize, stride: usize, padding: usize, dilation: usize| {
        if dilation == 0 {
            return None;
        }
        let span = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
        let left = padding.checked_mul(2)?.checked_add(size)?.checked_sub(span)?;
        Some(left.checked_div(stride)? + 1)
    };
    let slid = |[_, h, w]: [usize; 3], kernel: (usize, usize), settings: &Conv2d| {
        let Conv2d { stride, padding, dilation, .. } = settings;
        let rows = window(h, kernel.0, stride.0, padding.0, dilation.0);
        let columns = window(w, kernel.1, stride.1, padding.1, dilation.1);
        rows.zip(columns)
            .ok_or_else(|| format!("a window {kernel:?} with {settings:?} does not fit {h} x {w}"))
    };
    let pooled = |pool: &Pool2d| {
        let settings = Conv2d { stride: pool.stride, padding: pool.padding, ..Conv2d::default() };
        let shape = one()?;
        if pool.padding.0 > pool.kernel.0 / 2 || pool.padding.1 > pool.kernel.1 / 2 {
            return Err(format!("the padding of {pool:?} is more than half of its window"));
        }
        let (h, w) = slid(shape, pool.kernel, &settings)?;
        Ok([shape[0], h, w])
    };
    match operator {
        Operator::Input => Err("the input is there already".into()),
        Operator::Convolution { channels, kernel, settings, .. } => {
            let shape = one()?;
            let groups = settings.groups;
            if groups == 0
                || !shape[0].is_multiple_of(groups)
                || !channels.is_multiple_of(groups)
                || *channels == 0
            {
                return Err(format!(
                    "{groups} groups do not divide {} channels in and {channels} out",
                    shape[0]
                ));
            }
            let (h, w) = slid(shape, *kernel, settings)?;
            counted(&[*channels, shape[0] / groups, kernel.0, kernel.1])?;
            Ok([*channels, h, w])
        }
        Operator::AveragePool { window, .. } | Operator::MaxPool { window } => pooled(window),
        Operator::BatchNorm { .. } | Operator::Relu | Operator::Relu6 | Operator::Zero => one(),
        Operator::Sum => match given {
            [first, rest @ ..] if rest.iter().all(|shape| shape == first) => Ok(*first),
            _ => Err(format!("cannot add {given:?}")),
        },
        Operator::Concatenate => match given {
            [first, rest @ ..] if rest.iter().all(|shape| shape[1..] == first[1..]) => {
                let channels = given.iter().try_fold(0_usize, |sum, shape| sum.checked_add(shape[0]));
                Ok([channels.ok_or("more channels than can be counted")?, first[1], first[2]])
            }
            _ => Err(format!("cannot concatenate {given:?}")),
        },
        Operator::Truncate { channels } => match one()? {
            [there, h, w] if (1..=there).contains(channels) => Ok([*channels, h, w]),
            [there, ..] => Err(format!("cannot take the first {channels} of {there} channels")),
        },
        Operator::Shuffle { groups } => match one()? {
            shape if *groups > 0 && shape[0].is_multiple_of(*groups) => Ok(shape),
            [channels, ..] => Err(format!("{groups} groups do not divide {channels} channels")),
        },
        Operator::Crop { rows, columns } => match one()? {
            [channels, h, w] if *rows < h && *columns < w => Ok([channels, h - rows, w - columns]),
            [_, h, w] => Err(format!("cannot leave {rows} rows and {columns} columns out of {h} x {w}")),
        },
        Operator::GlobalMean => one().map(|[channels, ..]| [channels, 1, 1]),
        Operator::Linear { outputs } => match one()? {
            [channels, 1, 1] if *outputs > 0 => {
                counted(&[*outputs, channels])?;
                Ok([*outputs, 1, 1])
            }
            shape => {
                Err(format!("cannot be put on {shape:?}; a global mean comes first, and {outputs} outputs"))
            }
        },
    }
}

impl HasParameters for Network {
    /// In the order of the layers.
    fn parameters(&self) -> Vec<Parameter> {
        self.layers.iter().flat_map(|layer| self.parameters_of(layer)).collect()
    }

    fn tracked(&self) -> Vec<(String, usize)> {
        let keeps = |layer: &&Layer| matches!(layer.operator, Operator::BatchNorm { tracked: true, .. });
        self.layers.iter().filter(keeps).map(|layer| (layer.name.clone(), layer.shape[0])).collect()
    }
}

impl Network {
    /// The layers, the images first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Where blocks end: see [`Builder::end_block`].
    pub fn blocks(&self) -> &[usize] {
        &self.blocks
    }

    /// Channels, height and width of the images.
    pub fn input(&self) -> [usize; 3] {
        self.layers[0].shape
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.shape[0])
    }

    fn source(&self, layer: &Layer) -> [usize; 3] {
        layer.inputs.first().map_or([0; 3], |&at| self.layers[at].shape)
    }

    /// The trainable parameters of a layer.
    pub fn parameters_of(&self, layer: &Layer) -> Vec<Parameter> {
        let channels = self.source(layer)[0];
        let parameter = |what: &str, shape: Vec<usize>, role| Parameter {
            name: format!("{}.{what}", layer.name),
            shape,
            role,
        };
        match &layer.operator {
            Operator::Convolution { channels: out, kernel, settings, bias } => {
                let per_group = channels / settings.groups;
                let role = Role::Connection { inputs: per_group * kernel.0 * kernel.1 };
                let weight = parameter("weight", vec![*out, per_group, kernel.0, kernel.1], role);
                let bias = bias.then(|| parameter("bias", vec![*out], role));
                std::iter::once(weight).chain(bias).collect()
            }
            Operator::Linear { outputs } => {
                let role = Role::Connection { inputs: channels };
                vec![
                    parameter("weight", vec![*outputs, channels], role),
                    parameter("bias", vec![*outputs], role),
                ]
            }
            Operator::BatchNorm { affine: true, .. } => vec![
                parameter("weight", vec![channels], Role::Scale),
                parameter("bias", vec![channels], Role::Shift),
            ],
            _ => Vec::new(),
        }
    }

    /// The same function without what it does not need: sums have no zeros among their parts, and every layer is one
    /// that another reads, down to the logits. What a sum of nothing but zeros is made of stays, for its shape. O(layers).
    ///
    /// ```
    /// use cellnet::{CellStyle, nas_bench_201};
    /// use spaces::{NasBench201, nas_bench_201::Skeleton};
    /// let cell: spaces::nas_bench_201::Cell =
    ///     "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|".parse()?;
    /// let net = nas_bench_201(&cell, &Skeleton::default(), 3, CellStyle::trained())?;
    /// // the 3 by 3 convolution leads nowhere
    /// assert!(net.pruned().cost().parameters < net.cost().parameters);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pruned(&self) -> Self {
        let parts = |layer: &Layer| {
            let zero = |&&from: &&usize| self.layers[from].operator == Operator::Zero;
            let all_zero = layer.inputs.iter().all(|from| zero(&from));
            match layer.operator {
                Operator::Sum if all_zero => layer.inputs.iter().take(1).copied().collect(),
                Operator::Sum => layer.inputs.iter().filter(|from| !zero(from)).copied().collect(),
                _ => layer.inputs.clone(),
            }
        };
        let mut layers: Vec<Layer> =
            self.layers.iter().map(|layer| Layer { inputs: parts(layer), ..layer.clone() }).collect();
        let mut needed = vec![false; layers.len()];
        needed[0] = true;
        needed.iter_mut().last().into_iter().for_each(|last| *last = true);
        for at in (0..layers.len()).rev() {
            if needed[at] {
                layers[at].inputs.iter().for_each(|&from| needed[from] = true);
            }
        }
        let mut places = Vec::with_capacity(layers.len());
        let mut place = 0;
        for &needed in &needed {
            places.push(place);
            place += usize::from(needed);
        }
        for layer in &mut layers {
            layer.inputs.iter_mut().for_each(|from| *from = places[*from]);
        }
        let mut keep = needed.iter();
        layers.retain(|_| keep.next().copied().unwrap_or_default());
        let blocks = self.blocks.iter().filter(|&&end| needed[end]).map(|&end| places[end]).collect();
        Self { layers, blocks }
    }

    /// Parameters and multiply-adds of what is built, at most the largest number of 64 bits. O(layers).
    pub fn cost(&self) -> NetworkCost {
        let products = |layer: &Layer| match layer.operator {
            Operator::Convolution { .. } | Operator::Linear { .. } => {
                let pixels = (layer.shape[1] as u64).saturating_mul(layer.shape[2] as u64);
                self.parameters_of(layer).first().map_or(0, Parameter::size).saturating_mul(pixels)
            }
            _ => 0,
        };
        NetworkCost {
            parameters: sum(self.parameters().iter().map(Parameter::size)),
            multiply_adds: sum(self.layers.iter().map(products)),
        }
    }
}
