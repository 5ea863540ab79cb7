use crate::error::{ProxyError, Result};
use crate::linear_algebra::Correlation;
use crate::model::Cost;
use nalgebra::DMatrix;

/// What a proxy has to see of a network. Proxies that need the same share it; see [`observe`](crate::observe).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// The gradient of the loss by every layer's weight: one forward and backward on images and labels.
    Gradient,
    /// How much the loss depends on every layer's channels; comes with the same backward.
    Saliency,
    /// The correlation of the images' Jacobians, the gradients of the sum of all logits by each image: one more
    /// backward. At least two images.
    Jacobian,
    /// In how many rectifiers each two images agree; comes with the forward.
    Agreement,
    /// How many patterns over the batch the rectifiers show; comes with the forward.
    Patterns,
    /// The gradient of the loss on both halves of the batch: a forward and backward of each. At least two images.
    Halves,
    /// `weight * (H g)` by layer, `g` the loss gradient and `H` its Hessian by the weights; images and labels.
    Curvature,
    /// How the sum of logits depends on absolute weights, on an image of ones, in f64 and without batch norm but for
    /// those that the authors forgot; no data.
    Flow,
    /// The same without any batch norm.
    CleanFlow,
    /// The same with all batch norms.
    NormedFlow,
    /// How far the features move when random images do, with random normal weights; no data.
    Perturbation,
    /// Features of every block and how gradients pass them, on random images with Kaiming's weights; no data.
    Blocks,
}

impl Need {
    /// How many images there must be.
    pub fn images(self) -> usize {
        match self {
            Self::Jacobian | Self::Halves => 2,
            _ => 1,
        }
    }

    /// What it is called in errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gradient => "the gradient of the loss",
            Self::Saliency => "the saliency of channels",
            Self::Jacobian => "the correlation of Jacobians",
            Self::Agreement => "the agreement of rectifiers",
            Self::Patterns => "the patterns of rectifiers",
            Self::Halves => "the gradients of two halves",
            Self::Curvature => "the Hessian product",
            Self::Flow | Self::CleanFlow | Self::NormedFlow => "the flow through absolute weights",
            Self::Perturbation => "the movement of features",
            Self::Blocks => "the features of blocks",
        }
    }
}

/// A convolution or linear layer as it was seen; vectors in the order of its weights, outputs first.
#[derive(Debug, Clone, Default)]
pub struct LayerSeen {
    /// Its name.
    pub name: String,
    /// Its weights.
    pub weight: Vec<f64>,
    /// How many weights an output has.
    pub inputs: usize,
    /// [`Need::Gradient`]; zeros where the loss does not depend on it.
    pub gradient: Option<Vec<f64>>,
    /// [`Need::Saliency`]: the sum over pixels of result times gradient, image by image and there output by output.
    pub saliency: Option<Vec<f64>>,
    /// [`Need::Halves`].
    pub halves: Option<[Vec<f64>; 2]>,
    /// [`Need::Curvature`]: the sum over its weights.
    pub curvature: Option<f64>,
}

/// The flow through a network: the sum of `|weight * dR/dweight|` of every layer over two to the power of `exponent`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flow {
    /// By layer, with its name.
    pub layers: Vec<(String, f64)>,
    /// Halvings on the way, by which it stays within f64.
    pub exponent: i32,
}

/// How a batch norm and the features moved: see [`Need::Perturbation`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Perturbation {
    /// The mean over images of the sum of absolute changes of the features.
    pub moved: f64,
    /// Of what each batch norm was given, the mean over channels of the variance.
    pub variances: Vec<f64>,
}

/// Blocks one after another: see [`Need::Blocks`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Blocks {
    /// Of the features of every block, the eigenvalues of the covariance of channels.
    pub spectra: Vec<Vec<f64>>,
    /// Of every block after the first, the largest singular value of the correlation between random signs at its
    /// result and what comes back at what it is given; none where the signs come back as they are.
    pub gains: Vec<Option<f64>>,
}

/// All that was seen of a network: what proxies are functions of.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Convolutions and linear layers.
    pub layers: Vec<LayerSeen>,
    /// Layers that are built and never run, with the norms of their weights.
    pub unused: Vec<(String, f64)>,
    /// Size of the network.
    pub cost: Cost,
    /// Labels of the batch.
    pub labels: Vec<u32>,
    /// How many classes the network tells apart; 0 where it was not run on images.
    pub classes: usize,
    /// [`Need::Jacobian`].
    pub jacobian: Option<Correlation>,
    /// [`Need::Agreement`]: by two images, the number of rectifiers at which they agree.
    pub agreement: Option<DMatrix<f64>>,
    /// [`Need::Patterns`]: the number of different patterns.
    pub patterns: Option<usize>,
    /// [`Need::Flow`].
    pub flow: Option<Flow>,
    /// [`Need::CleanFlow`].
    pub clean_flow: Option<Flow>,
    /// [`Need::NormedFlow`].
    pub normed_flow: Option<Flow>,
    /// [`Need::Perturbation`].
    pub perturbation: Option<Perturbation>,
    /// [`Need::Blocks`].
    pub blocks: Option<Blocks>,
}

impl Seen {
    /// What was seen, or that it was not.
    pub(crate) fn need<T>(need: Need, seen: Option<T>) -> Result<T> {
        seen.ok_or(ProxyError::NotObserved(need))
    }
}
