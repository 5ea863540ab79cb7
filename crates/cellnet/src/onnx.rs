//! A network as an ONNX file.

mod messages;

use crate::error::{NetworkError, Result};
use crate::forward::EPS;
use crate::network::{Layer, Network, Operator};
use crate::weights::{Weights, little_endian};
use candle_core::{DType, Device, Tensor};
use cpu_ops::{Padding, Pool2d};
use messages::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Size, TensorData, TensorType, Type,
    ValueInfo,
};
use prost::Message;

/// The version of ONNX's operators that is written: every runtime since 2024 knows it, and none of the operators that
/// networks are made of has changed its meaning since.
const OPSET: i64 = 21;
const IR_VERSION: i64 = 10;

/// Numbers of types of attributes and of tensors.
const FLOAT_ATTRIBUTE: i32 = 1;
const INT_ATTRIBUTE: i32 = 2;
const INTS_ATTRIBUTE: i32 = 7;
const FLOAT: i32 = 1;
const INT64: i32 = 7;
const DOUBLE: i32 = 11;

/// The name of the output.
const LOGITS: &str = "logits";

/// The network with its weights as the bytes of an ONNX file, as it evaluates: batch norms by their running statistics.
///
/// The input is `images` `(N, C, H, W)`, the output `logits` `(N, classes)`, of the type of the weights. `batch` is
/// `N`; without it, it is left open by the name `batch`. Tensors have PyTorch's names. Every layer is written, and a
/// zero operation as a product with 0, as the authors of NAS-Bench-201 run it: see [`Network::pruned`] for a network
/// without them. The same network and weights give the same bytes.
///
/// ```
/// use candle_core::DType;
/// use cellnet::{CellStyle, Weights, nas_bench_201, to_onnx};
/// use nas_core::Seed;
/// use spaces::{NasBench201, nas_bench_201::Skeleton};
/// let skeleton = Skeleton { channels: 4, cells: 1, image: 8, ..Skeleton::default() };
/// let net = nas_bench_201(&NasBench201.get(7)?, &skeleton, 3, CellStyle::trained())?;
/// let bytes = to_onnx(&net, &Weights::init(&net, DType::F32, Seed(0))?, Some(1))?;
/// assert!(bytes.len() as u64 > 4 * net.cost().parameters);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A batch norm without running statistics, which ONNX cannot evaluate by (build the network in the trained style);
/// weights of another network.
pub fn to_onnx(network: &Network, weights: &Weights, batch: Option<usize>) -> Result<Vec<u8>> {
    let dtype = weights.dtype();
    let elem_type = if dtype == DType::F64 { DOUBLE } else { FLOAT };
    let mut writer = Writer { network, weights, dtype, elem_type, nodes: Vec::new(), tensors: Vec::new() };
    for (at, layer) in network.layers().iter().enumerate().skip(1) {
        writer.layer(at, layer)?;
    }
    let first = Dimension {
        value: Some(batch.map_or_else(|| Size::Name("batch".into()), |batch| Size::Value(batch as i64))),
    };
    let value = |name: String, rest: &[usize]| {
        let rest = rest.iter().map(|&d| Dimension { value: Some(Size::Value(d as i64)) });
        let shape = Shape { dim: std::iter::once(first.clone()).chain(rest).collect() };
        let tensor_type = Some(TensorType { elem_type, shape: Some(shape) });
        ValueInfo { name, r#type: Some(Type { tensor_type }) }
    };
    let Writer { nodes, tensors, .. } = writer;
    let graph = Graph {
        input: vec![value(writer_name(network, 0), &network.input())],
        output: vec![value(LOGITS.into(), &[network.classes()])],
        node: nodes,
        name: "network".into(),
        initializer: tensors,
    };
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
    };
    Ok(model.encode_to_vec())
}

/// What a layer's result is called: by its name where it has one, and by its place, for several may have one name.
fn writer_name(network: &Network, at: usize) -> String {
    match &network.layers()[at] {
        _ if at == 0 => "images".into(),
        _ if at + 1 == network.layers().len() => LOGITS.into(),
        layer if layer.name.is_empty() => format!("layer{at}"),
        layer => format!("{}:{at}", layer.name),
    }
}

struct Writer<'a> {
    network: &'a Network,
    weights: &'a Weights,
    dtype: DType,
    elem_type: i32,
    nodes: Vec<Node>,
    tensors: Vec<TensorData>,
}

impl Writer<'_> {
    fn layer(&mut self, at: usize, layer: &Layer) -> Result<()> {
        let inputs: Vec<String> = layer.inputs.iter().map(|&from| writer_name(self.network, from)).collect();
        let output = writer_name(self.network, at);
        let one = |this: &mut Self, op: &str, attributes| this.node(op, inputs.clone(), &output, attributes);
        match &layer.operator {
            Operator::Input => {}
            Operator::Convolution { kernel, settings, bias, .. } => {
                let mut inputs = inputs;
                inputs.push(self.parameter(layer, "weight")?);
                if *bias {
                    inputs.push(self.parameter(layer, "bias")?);
                }
                let attributes = vec![
                    ints("kernel_shape", &[kernel.0, kernel.1]),
                    ints("strides", &[settings.stride.0, settings.stride.1]),
                    pads(settings.padding),
                    ints("dilations", &[settings.dilation.0, settings.dilation.1]),
                    int("group", settings.groups),
                ];
                self.node("Conv", inputs, &output, attributes);
            }
            Operator::BatchNorm { affine, tracked } => {
                let mut inputs = inputs;
                inputs.extend(self.norm(layer, *affine, *tracked)?);
                let epsilon = Attribute {
                    name: "epsilon".into(),
                    f: EPS as f32,
                    r#type: FLOAT_ATTRIBUTE,
                    ..Attribute::default()
                };
                self.node("BatchNormalization", inputs, &output, vec![epsilon]);
            }
            Operator::Relu => one(self, "Relu", vec![]),
            Operator::Relu6 => {
                let mut inputs = inputs;
                for (bound, value) in [("least", 0.0), ("most", 6.0)] {
                    let name = format!("{output}.{bound}");
                    self.tensor(&name, &Tensor::new(value, &Device::Cpu)?.to_dtype(self.dtype)?)?;
                    inputs.push(name);
                }
                self.node("Clip", inputs, &output, vec![]);
            }
            Operator::AveragePool { window, padding } => {
                let counted = usize::from(*padding == Padding::Counted);
                let mut attributes = pool(window);
                attributes.push(int("count_include_pad", counted));
                one(self, "AveragePool", attributes);
            }
            Operator::MaxPool { window } => one(self, "MaxPool", pool(window)),
            Operator::Zero => {
                let zero = format!("{output}.zero");
                self.tensor(&zero, &Tensor::zeros((), self.dtype, &Device::Cpu)?)?;
                let mut inputs = inputs;
                inputs.push(zero);
                self.node("Mul", inputs, &output, vec![]);
            }
            Operator::Sum => one(self, if layer.inputs.len() == 1 { "Identity" } else { "Sum" }, vec![]),
            Operator::Concatenate => one(self, "Concat", vec![int("axis", 1)]),
            Operator::Truncate { .. } => self.slice(inputs, &output, [(1, 0, layer.shape[0])]),
            Operator::Crop { rows, columns } => {
                let [_, h, w] = layer.shape;
                self.slice(inputs, &output, [(2, *rows, rows + h), (3, *columns, columns + w)]);
            }
            Operator::Shuffle { groups } => {
                let [channels, h, w] = layer.shape;
                let (grouped, turned) = (format!("{output}.grouped"), format!("{output}.turned"));
                // 0 is the size that is there already: the batch's
                self.reshape(inputs, &grouped, &[0, *groups, channels / groups, h, w]);
                let order = ints("perm", &[0, 2, 1, 3, 4]);
                self.node("Transpose", vec![grouped], &turned, vec![order]);
                self.reshape(vec![turned], &output, &[0, channels, h, w]);
            }
            Operator::GlobalMean => one(self, "GlobalAveragePool", vec![]),
            Operator::Linear { .. } => {
                let flat = format!("{output}.flat");
                self.node("Flatten", inputs, &flat, vec![int("axis", 1)]);
                let inputs = vec![flat, self.parameter(layer, "weight")?, self.parameter(layer, "bias")?];
                // the last layer is linear
                if output == LOGITS {
                    self.node("Gemm", inputs, &output, vec![int("transB", 1)]);
                } else {
                    let product = format!("{output}.product");
                    self.node("Gemm", inputs, &product, vec![int("transB", 1)]);
                    self.reshape(vec![product], &output, &[0, layer.shape[0], 1, 1]);
                }
            }
        }
        Ok(())
    }

    fn node(&mut self, op: &str, input: Vec<String>, output: &str, attribute: Vec<Attribute>) {
        self.nodes.push(Node {
            input,
            output: vec![output.to_owned()],
            name: format!("{output}.{op}"),
            op_type: op.to_owned(),
            attribute,
        });
    }

    /// Of some axes what lies between two places.
    fn slice<const N: usize>(
        &mut self,
        mut inputs: Vec<String>,
        output: &str,
        axes: [(usize, usize, usize); N],
    ) {
        let lists = [
            ("starts", axes.map(|axis| axis.1)),
            ("ends", axes.map(|axis| axis.2)),
            ("axes", axes.map(|axis| axis.0)),
        ];
        for (what, values) in lists {
            inputs.push(self.integers(&format!("{output}.{what}"), &values));
        }
        self.node("Slice", inputs, output, vec![]);
    }

    fn reshape(&mut self, mut inputs: Vec<String>, output: &str, shape: &[usize]) {
        inputs.push(self.integers(&format!("{output}.shape"), shape));
        self.node("Reshape", inputs, output, vec![]);
    }

    /// A list of integers under this name, which it gives back.
    fn integers(&mut self, name: &str, values: &[usize]) -> String {
        self.tensors.push(TensorData {
            dims: vec![values.len() as i64],
            data_type: INT64,
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|&value| (value as i64).to_le_bytes()).collect(),
        });
        name.to_owned()
    }

    fn parameter(&mut self, layer: &Layer, what: &str) -> Result<String> {
        let name = format!("{}.{what}", layer.name);
        let weights = self.weights;
        let tensor = weights.need(&name)?.as_tensor();
        let expected = self.network.parameters_of(layer).into_iter().find(|parameter| parameter.name == name);
        if let Some(parameter) = expected.filter(|parameter| parameter.shape != tensor.dims()) {
            let found = tensor.dims();
            let problems = vec![format!("{name} is {found:?}, the network has {:?}", parameter.shape)];
            return Err(NetworkError::Weights { problems });
        }
        self.tensor(&name, tensor)?;
        Ok(name)
    }

    /// Scale, shift, mean and variance.
    fn norm(&mut self, layer: &Layer, affine: bool, tracked: bool) -> Result<[String; 4]> {
        let running = tracked.then(|| self.weights.running(&layer.name)).flatten();
        let Some(running) = running.cloned() else {
            return Err(NetworkError::Layer {
                layer: layer.name.clone(),
                reason: "a batch norm without running statistics cannot be written as ONNX; build the network in the \
                         trained style"
                    .into(),
            });
        };
        let channels = layer.shape[0];
        let names =
            ["weight", "bias", "running_mean", "running_var"].map(|what| format!("{}.{what}", layer.name));
        if affine {
            self.parameter(layer, "weight")?;
            self.parameter(layer, "bias")?;
        } else {
            self.tensor(&names[0], &Tensor::ones(channels, self.dtype, &Device::Cpu)?)?;
            self.tensor(&names[1], &Tensor::zeros(channels, self.dtype, &Device::Cpu)?)?;
        }
        for (name, values) in names[2..].iter().zip([running.mean, running.variance]) {
            self.tensor(name, &Tensor::from_vec(values, channels, &Device::Cpu)?.to_dtype(self.dtype)?)?;
        }
        Ok(names)
    }

    fn tensor(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        self.tensors.push(TensorData {
            dims: tensor.dims().iter().map(|&d| d as i64).collect(),
            data_type: self.elem_type,
            name: name.to_owned(),
            raw_data: little_endian(tensor)?,
        });
        Ok(())
    }
}

fn int(name: &str, value: usize) -> Attribute {
    Attribute { name: name.into(), i: value as i64, r#type: INT_ATTRIBUTE, ..Attribute::default() }
}

fn ints(name: &str, values: &[usize]) -> Attribute {
    let ints = values.iter().map(|&value| value as i64).collect();
    Attribute { name: name.into(), ints, r#type: INTS_ATTRIBUTE, ..Attribute::default() }
}

/// The same on both sides.
fn pads((rows, columns): (usize, usize)) -> Attribute {
    ints("pads", &[rows, columns, rows, columns])
}

fn pool(window: &Pool2d) -> Vec<Attribute> {
    let Pool2d { kernel, stride, padding } = window;
    vec![ints("kernel_shape", &[kernel.0, kernel.1]), ints("strides", &[stride.0, stride.1]), pads(*padding)]
}
