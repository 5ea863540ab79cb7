//! The convolution kernels on plain buffers, an image at a time: for an engine that keeps its activations in blocks
//! and runs several operators over an image while it is in the cache.
//!
//! An image of `C` channels lies as `[C / 16][height * width][16]`, the last block filled up with zeros.

mod crop;
mod elementwise;
mod pool;

pub use crop::{crop, crop_gradient};
pub use elementwise::{Term, cap, cap_mask, combine, mask, moments, products};
pub use pool::{ImagePool, copy_channels, image_mean, image_mean_gradient};

use crate::conv::{
    Conv2d, ConvShape, Correlation, Depthwise, Plan, Source, Strip, Tiles, WeightGradient, Winograd, blocks,
};
use crate::conv::{FromBlocked, ToBlocked, WinogradWeightGradient};
use crate::element::Element;
use crate::simd::{BLOCK, InstructionSet};
use candle_core::{Result, bail};

/// f32 or f64.
#[expect(private_bounds, reason = "what the kernels need of a type is nobody else's business")]
pub trait Real: Element {}

impl Real for f32 {}
impl Real for f64 {}

/// One convolution as the engine sees it, of one group or depthwise: channels in and out, height and width, kernel,
/// settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// Channels in and out.
    pub channels: (usize, usize),
    /// Height and width of the input.
    pub size: (usize, usize),
    /// Rows and columns of the kernel.
    pub kernel: (usize, usize),
    /// Stride, padding and dilation; one group, or one a channel.
    pub settings: Conv2d,
}

impl ImageShape {
    fn check(&self) -> Result<ConvShape> {
        let (groups, (inputs, outputs)) = (self.settings.groups, self.channels);
        if groups != 1 && (inputs, outputs) != (groups, groups) {
            bail!(
                "blocked convolution: {groups} groups of {inputs} channels in and {outputs} out, expected 1 or one each"
            );
        }
        let input = [1, inputs, self.size.0, self.size.1];
        let weight = [outputs, inputs / groups.max(1), self.kernel.0, self.kernel.1];
        ConvShape::new("blocked convolution", &input, &weight, &self.settings)
    }

    /// Height and width of the result.
    ///
    /// # Errors
    /// As [`crate::conv2d`], and groups of several channels.
    pub fn output(&self) -> Result<(usize, usize)> {
        let shape = self.check()?;
        Ok((shape.rows.output, shape.columns.output))
    }
}

/// Copies an image of planes `(C, size)` into blocks. O(elements).
///
/// # Errors
/// Buffers of other sizes.
pub fn to_blocked<T: Real>(image: &[T], channels: usize, blocked: &mut [[T; BLOCK]]) -> Result<()> {
    let pixels = plane("to_blocked", image.len(), channels, blocked.len())?;
    let plane = pixels.len();
    T::run(InstructionSet::current(), ToBlocked { image, channels, pixels: &pixels, plane, blocked });
    Ok(())
}

/// Copies an image in blocks into planes `(C, size)`. O(elements).
///
/// # Errors
/// Buffers of other sizes.
pub fn from_blocked<T: Real>(blocked: &[[T; BLOCK]], channels: usize, image: &mut [T]) -> Result<()> {
    let pixels = plane("from_blocked", image.len(), channels, blocked.len())?;
    let plane = pixels.len();
    T::run(InstructionSet::current(), FromBlocked { blocked, channels, pixels: &pixels, plane, image });
    Ok(())
}

fn plane(name: &str, image: usize, channels: usize, blocked: usize) -> Result<Vec<usize>> {
    if channels == 0 || !image.is_multiple_of(channels) || blocked != image / channels * blocks(channels) {
        bail!("{name}: {image} elements in {channels} channels do not fit {blocked} pixels of blocks");
    }
    Ok((0..image / channels).collect())
}

/// A convolution with its weights packed: [`ImageConv::forward`] from input to result, or
/// [`ImageConv::input_gradient`] from the gradient of the result to that of the input.
///
/// ```
/// use cpu_ops::blocked::{ImageConv, ImageShape};
/// use cpu_ops::Conv2d;
/// let shape =
///     ImageShape { channels: (1, 1), size: (1, 3), kernel: (1, 3), settings: Conv2d { padding: (0, 1), ..Conv2d::default() } };
/// let conv = ImageConv::forward(&shape, &[1f32, 2.0, 4.0])?;
/// let image = [1f32, 1.0, 1.0].map(|x| std::array::from_fn(|channel| if channel == 0 { x } else { 0.0 }));
/// let mut result = [[0f32; 16]; 3];
/// conv.run(&image, &mut result, false, &mut conv.scratch())?;
/// assert_eq!(result.map(|pixel| pixel[0]), [6.0, 7.0, 3.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageConv<T> {
    shape: ImageShape,
    transposed: bool,
    how: How<T>,
    /// Blocks and pixels of a plane, in and out.
    source: (usize, usize),
    target: (usize, usize),
}

#[derive(Debug, Clone)]
enum How<T> {
    Tiles { conv: Winograd<T>, from: Vec<usize>, to: Vec<usize> },
    Direct { conv: Correlation<T>, to: Vec<usize> },
    Depthwise { conv: Depthwise, set: InstructionSet, weights: Vec<[T; BLOCK]> },
}

/// Memory that an [`ImageConv`] or [`ImageWeightGradient`] works in; one a thread.
#[derive(Debug)]
pub struct Scratch<T> {
    source: Vec<[T; BLOCK]>,
    target: Vec<[T; BLOCK]>,
    strip: Option<Strip<T>>,
}

impl<T: Real> ImageConv<T> {
    /// The convolution; `weight` is `(O, C / groups, KH, KW)`.
    ///
    /// # Errors
    /// As [`crate::conv2d`], groups of several channels, a weight of another size.
    pub fn forward(shape: &ImageShape, weight: &[T]) -> Result<Self> {
        Self::new(shape, weight, false)
    }

    /// Its gradient by the input, from the gradient of its result.
    ///
    /// # Errors
    /// As [`ImageConv::forward`].
    pub fn input_gradient(shape: &ImageShape, weight: &[T]) -> Result<Self> {
        Self::new(shape, weight, true)
    }

    fn check(shape: &ImageShape, weight: &[T]) -> Result<ConvShape> {
        let checked = shape.check()?;
        let expected: usize = checked.weight_dims().iter().product();
        if weight.len() != expected {
            bail!("blocked convolution: {} weights, expected {expected} for {shape:?}", weight.len());
        }
        Ok(checked)
    }

    fn new(image: &ImageShape, weight: &[T], transposed: bool) -> Result<Self> {
        let shape = Self::check(image, weight)?.flattened();
        let (inputs, outputs) = image.channels;
        let channels = if transposed { (outputs, inputs) } else { (inputs, outputs) };
        let (rows, columns) = image.kernel;
        // place of a kernel, from the channels of what is written and what is read
        let kernel = move |target: usize, source: usize| {
            if transposed { source * inputs + target } else { target * inputs + source }
        };
        let set = InstructionSet::current();
        let (input, output) =
            (shape.rows.input * shape.columns.input, shape.rows.output * shape.columns.output);
        let (source, target) = if transposed { (output, input) } else { (input, output) };
        let how = match Tiles::fit::<T>(&shape, transposed) {
            _ if Depthwise::fits(&shape) => {
                let conv = Depthwise::new(&shape, transposed);
                let mut weights = vec![[T::zero(); BLOCK]; blocks(inputs) * conv.taps()];
                conv.pack(weight, &mut weights);
                How::Depthwise { conv, set, weights }
            }
            Some(tiles) => {
                let kernels = weight.as_chunks::<9>().0;
                let conv = Winograd::new(tiles, set, channels, transposed, |t, s| &kernels[kernel(t, s)]);
                How::Tiles { conv, from: tiles.source_pixels(), to: tiles.target_pixels() }
            }
            None => {
                let plan = if transposed { Plan::input_gradient(&shape) } else { Plan::forward(&shape) };
                let to = plan.target_pixels();
                let at = |t, s, r: usize, c| weight[(kernel(t, s) * rows + r) * columns + c];
                How::Direct { conv: Correlation::new(plan, set, channels, at), to }
            }
        };
        let (source, target) = ((blocks(channels.0), source), (blocks(channels.1), target));
        Ok(Self { shape: *image, transposed, how, source, target })
    }

    /// Takes other weights of the same shape; nothing is allocated.
    ///
    /// # Errors
    /// A weight of another size.
    pub fn set_weight(&mut self, weight: &[T]) -> Result<()> {
        Self::check(&self.shape, weight)?;
        let ((inputs, _), (rows, columns)) = (self.shape.channels, self.shape.kernel);
        let transposed = self.transposed;
        let kernel = |target: usize, source: usize| {
            if transposed { source * inputs + target } else { target * inputs + source }
        };
        match &mut self.how {
            How::Tiles { conv, .. } => {
                let kernels = weight.as_chunks::<9>().0;
                conv.pack(transposed, |t, s| &kernels[kernel(t, s)]);
            }
            How::Direct { conv, .. } => {
                conv.pack(|t, s, r, c| weight[(kernel(t, s) * rows + r) * columns + c]);
            }
            How::Depthwise { conv, weights, .. } => conv.pack(weight, weights),
        }
        Ok(())
    }

    /// Memory for [`ImageConv::run`].
    pub fn scratch(&self) -> Scratch<T> {
        let zeros = |blocks: usize, plane: usize| vec![[T::zero(); BLOCK]; blocks * plane];
        match &self.how {
            How::Tiles { conv, .. } => Scratch {
                source: zeros(self.source.0, conv.tiles.source_plane()),
                target: zeros(self.target.0, conv.tiles.target_plane()),
                strip: Some(conv.strip()),
            },
            How::Direct { conv, .. } => Scratch {
                source: zeros(self.source.0, conv.plan.source.plane()),
                target: zeros(self.target.0, self.target.1),
                strip: None,
            },
            How::Depthwise { .. } => Scratch { source: Vec::new(), target: Vec::new(), strip: None },
        }
    }

    /// One image: the result is written to `target`, or added to it.
    ///
    /// # Errors
    /// Buffers, or a scratch, of other sizes.
    pub fn run(
        &self,
        source: &[[T; BLOCK]],
        target: &mut [[T; BLOCK]],
        accumulate: bool,
        scratch: &mut Scratch<T>,
    ) -> Result<()> {
        let wanted = (self.source.0 * self.source.1, self.target.0 * self.target.1);
        if (source.len(), target.len()) != wanted {
            bail!("blocked convolution: {} and {} pixels, expected {wanted:?}", source.len(), target.len());
        }
        match &self.how {
            How::Tiles { conv, from, to } => {
                let Some(strip) = &mut scratch.strip else { bail!("blocked convolution: another's scratch") };
                if scratch.source.len() != self.source.0 * conv.tiles.source_plane()
                    || scratch.target.len() != self.target.0 * conv.tiles.target_plane()
                {
                    bail!("blocked convolution: another's scratch");
                }
                place(source, from, conv.tiles.source_plane(), &mut scratch.source);
                if conv.tiles.is_whole() {
                    conv.run(&scratch.source, target, (None, accumulate), strip);
                } else {
                    conv.run(&scratch.source, &mut scratch.target, (None, false), strip);
                    collect(&scratch.target, to, conv.tiles.target_plane(), target, accumulate);
                }
            }
            How::Direct { conv, to } => {
                let layout = &conv.plan.source;
                if scratch.source.len() != self.source.0 * layout.plane()
                    || scratch.target.len() != target.len()
                {
                    bail!("blocked convolution: another's scratch");
                }
                let source = if layout.is_plain() {
                    source
                } else {
                    let rows = source
                        .chunks_exact(layout.columns)
                        .zip(scratch.source.chunks_exact_mut(layout.pitch));
                    rows.for_each(|(from, to)| to[layout.before..][..layout.columns].copy_from_slice(from));
                    &scratch.source
                };
                if conv.plan.phases.len() == 1 {
                    conv.run(Source::Blocks(source), target, accumulate);
                } else {
                    conv.run(Source::Blocks(source), &mut scratch.target, false);
                    collect(&scratch.target, to, self.target.1, target, accumulate);
                }
            }
            How::Depthwise { conv, set, weights } => conv.run(*set, weights, source, target, accumulate),
        }
        Ok(())
    }
}

/// Copies every pixel to its place.
fn place<T: Copy>(from: &[[T; BLOCK]], pixels: &[usize], plane: usize, to: &mut [[T; BLOCK]]) {
    for (from, to) in from.chunks_exact(pixels.len()).zip(to.chunks_exact_mut(plane)) {
        for (from, &pixel) in from.iter().zip(pixels) {
            to[pixel] = *from;
        }
    }
}

/// Copies or adds every pixel from its place.
fn collect<T: Element>(
    from: &[[T; BLOCK]],
    pixels: &[usize],
    plane: usize,
    to: &mut [[T; BLOCK]],
    accumulate: bool,
) {
    for (from, to) in from.chunks_exact(plane).zip(to.chunks_exact_mut(pixels.len())) {
        for (to, &pixel) in to.iter_mut().zip(pixels) {
            for (to, &v) in to.iter_mut().zip(&from[pixel]) {
                *to = if accumulate { *to + v } else { v };
            }
        }
    }
}

/// The gradient of a convolution by its weight, summed over images.
#[derive(Debug, Clone)]
pub struct ImageWeightGradient {
    how: GradientHow,
    source: (usize, usize),
    target: (usize, usize),
    kernel: (usize, usize),
    /// In, of one group, and out.
    channels: (usize, usize),
}

#[derive(Debug, Clone)]
enum GradientHow {
    Tiles { gradient: WinogradWeightGradient, from: Vec<usize>, to: Vec<usize> },
    Direct { gradient: WeightGradient, to: Vec<usize> },
    Depthwise { conv: Depthwise, set: InstructionSet },
}

impl ImageWeightGradient {
    /// For images of type `T`.
    ///
    /// # Errors
    /// As [`crate::conv2d`], and groups of several channels.
    pub fn new<T: Real>(shape: &ImageShape) -> Result<Self> {
        let set = InstructionSet::current();
        let checked = shape.check()?.flattened();
        let how = match Tiles::fit::<T>(&checked, false) {
            _ if Depthwise::fits(&checked) => {
                GradientHow::Depthwise { conv: Depthwise::new(&checked, false), set }
            }
            Some(tiles) => GradientHow::Tiles {
                gradient: WinogradWeightGradient::new(tiles, set, shape.channels),
                from: tiles.source_pixels(),
                to: tiles.target_pixels(),
            },
            None => {
                let gradient = WeightGradient::new(&checked, set);
                let to = gradient.target_pixels();
                GradientHow::Direct { gradient, to }
            }
        };
        let (rows, columns) = (checked.rows, checked.columns);
        Ok(Self {
            how,
            source: (blocks(shape.channels.0), rows.input * columns.input),
            target: (blocks(shape.channels.1), rows.output * columns.output),
            kernel: shape.kernel,
            channels: (checked.in_channels, shape.channels.1),
        })
    }

    /// How many numbers an image's part is added to.
    pub fn sums_len(&self) -> usize {
        match &self.how {
            GradientHow::Tiles { gradient, .. } => gradient.sums_len(),
            GradientHow::Direct { gradient, .. } => gradient.sums_len(),
            GradientHow::Depthwise { conv, .. } => self.source.0 * conv.taps() * BLOCK,
        }
    }

    /// Zeros for [`ImageWeightGradient::add`] to add to.
    pub fn sums<T: Real>(&self) -> Vec<T> {
        match &self.how {
            GradientHow::Tiles { gradient, .. } => gradient.sums(),
            GradientHow::Direct { gradient, .. } => gradient.sums(),
            GradientHow::Depthwise { .. } => vec![T::zero(); self.sums_len()],
        }
    }

    /// Memory for [`ImageWeightGradient::add`].
    pub fn scratch<T: Real>(&self) -> Scratch<T> {
        let zeros = |blocks: usize, plane: usize| vec![[T::zero(); BLOCK]; blocks * plane];
        match &self.how {
            GradientHow::Tiles { gradient, .. } => Scratch {
                source: zeros(self.source.0, gradient.tiles.source_plane()),
                target: zeros(self.target.0, gradient.tiles.target_plane()),
                strip: Some(gradient.strip()),
            },
            GradientHow::Direct { gradient, .. } => Scratch {
                source: Vec::new(),
                target: zeros(self.target.0, gradient.target_plane()),
                strip: None,
            },
            GradientHow::Depthwise { .. } => Scratch { source: Vec::new(), target: Vec::new(), strip: None },
        }
    }

    /// Adds one image's part, from the input and the gradient of the result.
    ///
    /// # Errors
    /// Buffers, sums or a scratch of other sizes.
    pub fn add<T: Real>(
        &self,
        x: &[[T; BLOCK]],
        grad: &[[T; BLOCK]],
        sums: &mut [T],
        scratch: &mut Scratch<T>,
    ) -> Result<()> {
        let wanted = (self.source.0 * self.source.1, self.target.0 * self.target.1);
        if (x.len(), grad.len()) != wanted {
            bail!("blocked weight gradient: {} and {} pixels, expected {wanted:?}", x.len(), grad.len());
        }
        let fits = |source: usize, target: usize, sums_len: usize, scratch: &Scratch<T>| {
            scratch.source.len() == self.source.0 * source
                && scratch.target.len() == self.target.0 * target
                && sums.len() == sums_len
        };
        match &self.how {
            GradientHow::Tiles { gradient, from, to } => {
                let (source, target) = (gradient.tiles.source_plane(), gradient.tiles.target_plane());
                if !fits(source, target, gradient.sums_len(), scratch) {
                    bail!("blocked weight gradient: another's scratch or sums");
                }
                let Some(strip) = &mut scratch.strip else {
                    bail!("blocked weight gradient: another's scratch")
                };
                place(x, from, source, &mut scratch.source);
                if gradient.tiles.is_whole() {
                    gradient.add(&scratch.source, grad, sums, strip);
                } else {
                    place(grad, to, target, &mut scratch.target);
                    gradient.add(&scratch.source, &scratch.target, sums, strip);
                }
            }
            GradientHow::Direct { gradient, to } => {
                if !fits(0, gradient.target_plane(), gradient.sums_len(), scratch) {
                    bail!("blocked weight gradient: another's scratch or sums");
                }
                place(grad, to, gradient.target_plane(), &mut scratch.target);
                gradient.add(Source::Blocks(x), &scratch.target, sums);
            }
            GradientHow::Depthwise { conv, set } => {
                if sums.len() != self.sums_len() {
                    bail!("blocked weight gradient: another's sums");
                }
                conv.add_weight_gradient(*set, x, grad, sums.as_chunks_mut().0);
            }
        }
        Ok(())
    }

    /// The gradient `(O, C / groups, KH, KW)` from the sums; sums of several parts are added up element by element before.
    pub fn finish<T: Real>(&self, sums: &[T]) -> Vec<T> {
        let ((inputs, outputs), (rows, columns)) = (self.channels, self.kernel);
        let mut out = vec![T::zero(); outputs * inputs * rows * columns];
        let put = |o: usize, i: usize, r: usize, c: usize, sum| {
            out[((o * inputs + i) * rows + r) * columns + c] = sum;
        };
        match &self.how {
            GradientHow::Tiles { gradient, .. } => gradient.unpack(sums, put),
            GradientHow::Direct { gradient, .. } => gradient.unpack(sums, put),
            GradientHow::Depthwise { conv, .. } => conv.unpack(sums.as_chunks().0, &mut out),
        }
        out
    }
}
