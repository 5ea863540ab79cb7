//! The fused engine: a network on plain buffers, image by image.

mod along;
mod back;
mod backward;
mod convs;
mod derivative;
mod forward;
mod loss;
mod memory;
mod norms;
mod plan;
mod run;
mod schedule;
mod seen;
mod steps;
mod sweep;

pub use loss::{cross_entropy, cross_entropy_along};
pub use seen::Seen;

use crate::error::{NetworkError, Result};
use crate::forward::Mode;
use crate::network::{Layer, Network};
use crate::weights::Weights;
use candle_core::{Storage, Var};
use convs::{Conv, ScratchKey};
use cpu_ops::BLOCK;
use cpu_ops::blocked::Real;
use norms::{Norm, Vectors, fill};
use plan::{Plan, Planner};
use run::Workspace;
use schedule::{Schedule, Sweep, schedule};
use std::ops::Range;
use std::sync::Mutex;
use steps::Step;

/// What an [`Engine`] is to be able to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which statistics batch norms use.
    pub mode: Mode,
    /// Whether gradients by the parameters can be asked for.
    pub gradients: bool,
    /// Whether the gradient by the images can be asked for.
    pub input_gradient: bool,
    /// Whether the way back sums up activation times gradient, see [`Engine::products`].
    pub products: bool,
    /// Whether derivatives along a direction of the weights can be asked for, see [`Engine::forward_along`]; with it
    /// gradients by the parameters always can.
    pub curvature: bool,
    /// Whether layers are run too that the logits do not depend on. Batch norms that keep running statistics always
    /// are in training.
    pub all_layers: bool,
    /// Layers whose results can be seen, see [`Engine::forward_seen`].
    pub watched: Vec<usize>,
}

impl Settings {
    /// Logits by running statistics, batch norms multiplied into the convolutions, memory used again and again.
    pub fn inference() -> Self {
        Self {
            mode: Mode::Evaluate,
            gradients: false,
            input_gradient: false,
            products: false,
            curvature: false,
            all_layers: false,
            watched: Vec::new(),
        }
    }

    /// Batch statistics, and gradients by the parameters.
    pub fn training() -> Self {
        Self { mode: Mode::Train, gradients: true, ..Self::inference() }
    }
}

/// Which way back what convolutions noted is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    /// None that anybody asks for.
    Nothing,
    /// [`Engine::backward`].
    Loss,
    /// [`Engine::backward_along`].
    Along,
}

/// A network on plain buffers: images are taken through several layers while they are in the cache, and the buffers
/// are used again batch after batch. Values and gradients are those of [`forward`](crate::forward) but for rounding,
/// and the same bits for any number of threads of the current rayon pool, and with every instruction set that fuses
/// multiplications and additions (all but [`cpu_ops::InstructionSet::Portable`]).
///
/// ```
/// use cellnet::{CellStyle, Engine, Settings, Weights, cross_entropy, nas_bench_201};
/// use candle_core::DType;
/// use nas_core::Seed;
/// use spaces::{NasBench201, nas_bench_201::Skeleton};
/// let skeleton = Skeleton { channels: 4, cells: 1, image: 8, ..Skeleton::default() };
/// let net = nas_bench_201(&NasBench201.get(7)?, &skeleton, 3, CellStyle::trained())?;
/// let mut engine = Engine::<f32>::new(&net, Settings::training())?;
/// engine.load(&Weights::init(&net, DType::F32, Seed(0))?)?;
/// let logits = engine.forward(&vec![0.5; 2 * 3 * 8 * 8])?;
/// let (loss, grad) = cross_entropy(logits, net.classes(), &[3, 5], 0.0)?;
/// assert!(loss > 0.0);
/// engine.backward(&grad)?;
/// assert_eq!(engine.gradient("fc.bias").map(<[f32]>::len), Some(10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Engine<T> {
    network: Network,
    settings: Settings,
    plan: Plan,
    schedule: Schedule,
    convs: Vec<Conv<T>>,
    norms: Vec<Norm<T>>,
    shifts: Vec<Vectors<T>>,
    zeros: Vectors<T>,
    keys: Vec<ScratchKey>,
    /// Of norms and of convolutions, where in an image's notes they write; and how long those are.
    notes_at: (Vec<[usize; 3]>, Vec<usize>),
    notes_len: usize,
    /// Of every sweep back, where each convolution adds, and how long that is.
    sums_at: Vec<(Vec<usize>, usize)>,
    parameters: Vec<Gradient>,
    kept: Vec<[T; BLOCK]>,
    notes: Vec<[f64; 2]>,
    sums: Vec<T>,
    workspaces: Mutex<Vec<Workspace<T>>>,
    gradients: Vec<T>,
    logits: Vec<T>,
    images: usize,
    loaded: bool,
    went_back: bool,
    noted: Noted,
    /// Whether the way there has been gone along a direction since.
    turned: bool,
    logits_along: Vec<T>,
}

/// A parameter and its gradient.
#[derive(Debug)]
struct Gradient {
    name: String,
    layer: usize,
    range: Range<usize>,
    /// Whether there is one.
    reached: bool,
}

impl<T: Real> Engine<T> {
    /// An engine for a network, without weights yet.
    ///
    /// # Errors
    /// A watched layer that is not there, a layer that no kernel can run.
    pub fn new(network: &Network, mut settings: Settings) -> Result<Self> {
        settings.gradients |= settings.curvature;
        let plan = Planner::new(network, &settings)?.run()?;
        let schedule = schedule(&plan);
        let has_back = |conv: usize| {
            let mut steps = plan.back.iter().chain(&plan.back_along);
            steps.any(|step| matches!(step, Step::InputGradient { conv: c, .. } if *c == conv))
        };
        let mut keys = Vec::new();
        let convs =
            plan.convs.iter().enumerate().map(|(at, conv)| {
                Conv::new(conv, (has_back(at), settings.gradients && !conv.along), &mut keys)
            });
        let convs = convs.collect::<Result<Vec<Conv<T>>>>()?;
        let norms: Vec<Norm<T>> = plan.norms.iter().cloned().map(Norm::new).collect();
        let mut notes_len = 0;
        let mut note = |channels: usize| {
            notes_len += channels.div_ceil(BLOCK) * BLOCK;
            notes_len - channels.div_ceil(BLOCK) * BLOCK
        };
        let of_norms = plan.norms.iter().map(|norm| {
            let first = note(norm.channels);
            if settings.curvature { [first, note(norm.channels), note(norm.channels)] } else { [first; 3] }
        });
        let of_norms = of_norms.collect();
        let noted = settings.gradients || settings.products;
        let of_convs = plan.convs.iter().map(|conv| if noted { note(conv.channels.1) } else { 0 }).collect();
        let sums_at = schedule.back.iter().map(|sweep| sums_of(sweep, &convs)).collect();
        let mut count = 0;
        let mut parameters = Vec::new();
        for (layer, held) in network.layers().iter().enumerate() {
            for parameter in network.parameters_of(held) {
                let len: usize = parameter.shape.iter().product();
                let range = count..count + len;
                parameters.push(Gradient { name: parameter.name, layer, range, reached: false });
                count += len;
            }
        }
        let widest = plan.values.iter().map(steps::Shape::blocks).max().unwrap_or(1);
        Ok(Self {
            network: network.clone(),
            shifts: plan.shifts.iter().map(|shift| vec![[T::zero(); BLOCK]; shift.blocks]).collect(),
            zeros: vec![[T::zero(); BLOCK]; widest],
            gradients: vec![T::zero(); if settings.gradients { count } else { 0 }],
            settings,
            plan,
            schedule,
            convs,
            norms,
            keys,
            notes_at: (of_norms, of_convs),
            notes_len: notes_len.max(1),
            sums_at,
            parameters,
            kept: Vec::new(),
            notes: Vec::new(),
            sums: Vec::new(),
            workspaces: Mutex::new(Vec::new()),
            logits: Vec::new(),
            images: 0,
            loaded: false,
            went_back: false,
            noted: Noted::Nothing,
            turned: false,
            logits_along: Vec::new(),
        })
    }

    /// The network that it runs.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Takes the weights, and in evaluation the running statistics, and packs them for the kernels. O(parameters).
    ///
    /// # Errors
    /// Weights of another network, or of another type.
    pub fn load(&mut self, weights: &Weights) -> Result<()> {
        if weights.dtype() != T::DTYPE {
            return Err(NetworkError::Type(weights.dtype()));
        }
        let layers = self.network.layers();
        for norm in &mut self.norms {
            let layer = &layers[norm.plan.layer];
            let numbers = |what: &str| with_values(weights, layer, what, |values: &[T]| Ok(as_f64(values)));
            let own = norm.plan.affine.then(|| Ok::<_, NetworkError>((numbers("weight")?, numbers("bias")?)));
            let running = weights.running(&layer.name);
            let fits = |numbers: &[f64]| numbers.len() == norm.plan.channels;
            let own = own.transpose()?;
            if own.as_ref().is_some_and(|(weight, bias)| !fits(weight) || !fits(bias))
                || (!norm.plan.measures && !running.is_some_and(|r| fits(&r.mean) && fits(&r.variance)))
            {
                let problems = vec![format!("{} does not fit", layer.name)];
                return Err(NetworkError::Weights { problems });
            }
            norm.set(own, running);
        }
        for (conv, plan) in self.convs.iter_mut().zip(&self.plan.convs).filter(|(_, plan)| !plan.along) {
            let layer = &layers[plan.layer];
            let scale = plan.folded.map(|norm| &self.norms[norm].factor[..]);
            with_values(weights, layer, "weight", |values| conv.set(values, scale))?;
            if plan.bias {
                conv.bias = with_values(weights, layer, "bias", |values: &[T]| Ok(as_f64(values)))?;
                if let Some(scale) = scale {
                    conv.bias.iter_mut().zip(scale).for_each(|(bias, scale)| *bias *= scale);
                }
            }
        }
        for at in 0..self.shifts.len() {
            self.shift(at);
        }
        self.loaded = true;
        self.forget();
        Ok(())
    }

    /// Knows nothing of a batch any more.
    fn forget(&mut self) {
        self.images = 0;
        (self.went_back, self.noted, self.turned) = (false, Noted::Nothing, false);
        self.parameters.iter_mut().for_each(|parameter| parameter.reached = false);
    }

    /// Adds up a shift from what is known now.
    fn shift(&mut self, at: usize) {
        let plan = &self.plan.shifts[at];
        let norms = plan.norms.iter().map(|&norm| &self.norms[norm]);
        let norms = norms.map(|norm| if plan.along { &norm.shift_along } else { &norm.shift });
        let biases = plan.biases.iter().map(|&conv| &self.convs[conv].bias);
        let mut sum = vec![0.0; plan.blocks * BLOCK];
        for part in norms.chain(biases) {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        fill(&mut self.shifts[at], &sum);
    }
}

/// Of every convolution of a sweep, where its gradient by the weight is summed up, and how long all are.
fn sums_of<T: Real>(sweep: &Sweep, convs: &[Conv<T>]) -> (Vec<usize>, usize) {
    let (mut at, mut len) = (vec![0; convs.len()], 0);
    for (step, _) in &sweep.steps {
        if let Step::WeightGradient { conv, .. } = *step {
            at[conv] = len;
            len += convs[conv].sums();
        }
    }
    (at, len)
}

/// At least so long; what is there already stays.
fn grow<T: Clone>(buffer: &mut Vec<T>, len: usize, value: T) {
    if buffer.len() < len {
        buffer.resize(len, value);
    }
}

fn as_f64<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

/// The numbers of a layer's parameter.
fn with_values<T: Real, R>(
    weights: &Weights,
    layer: &Layer,
    what: &str,
    f: impl FnOnce(&[T]) -> Result<R>,
) -> Result<R> {
    let name = format!("{}.{what}", layer.name);
    let problem = |what: &str| NetworkError::Weights { problems: vec![format!("{name} {what}")] };
    let var: &Var = weights.get(&name).ok_or_else(|| problem("is missing"))?;
    let (storage, layout) = var.storage_and_layout();
    let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets()) else {
        return Err(problem("does not lie in the memory as it should"));
    };
    f(&T::cpu_storage_as_slice(storage)?[start..end])
}
