/// Why a network cannot be scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// A batch that a proxy cannot work with.
    #[error("a batch of {found} images; {needs} needs at least {expected}")]
    Batch {
        /// What needs them.
        needs: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// Images and labels that do not fit each other.
    #[error("images {images:?} with {labels} labels; expected (N, C, H, W) with N labels, N above 0")]
    Shape {
        /// Dimensions of the images.
        images: Vec<usize>,
        /// Number of labels.
        labels: usize,
    },
    /// A label that the network has no logit for.
    #[error("image {image} has label {label}, but the network tells {classes} classes apart, from 0")]
    Label {
        /// Which image, from 0.
        image: usize,
        /// Its label.
        label: u32,
        /// Number of logits.
        classes: usize,
    },
    /// Weights that are no numbers.
    #[error("the weights of {layer} hold {value}; a network can be scored with finite weights only")]
    Weights {
        /// Name of the layer.
        layer: String,
        /// The first value that is not finite.
        value: f64,
    },
    /// A network that does not show what a proxy looks at.
    #[error("the network shows no {what}; {needs} needs at least {expected}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// What needs it.
        needs: &'static str,
        /// How many it needs.
        expected: usize,
    },
    /// Something that was not observed before a proxy asked for it.
    #[error("{0:?} was not observed: pass the needs of every proxy to `observe`")]
    NotObserved(crate::Need),
    /// A name without a proxy.
    #[error("there is no proxy {name:?}; there are {}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// All names.
        known: Vec<&'static str>,
    },
    /// Scores of different lengths, or none.
    #[error(
        "scores of {lengths:?} architectures cannot be combined: as many of each are expected, and at least one"
    )]
    Lengths {
        /// Their lengths.
        lengths: Vec<usize>,
    },
    /// Accuracies no two of which differ.
    #[error("no two of {architectures} architectures have different accuracies: there is no pair to order")]
    NoPairs {
        /// How many architectures there are.
        architectures: usize,
    },
    /// Second derivatives that candle was not asked to keep.
    #[error(
        "second derivatives of this network go through candle's backward, which forgets how gradients were made \
         unless CANDLE_GRAD_DO_NOT_DETACH=1 is set in the environment before the first backward of the thread"
    )]
    Detached,
    /// An error of the network.
    #[error(transparent)]
    Network(#[from] cellnet::NetworkError),
    /// An error of an operator.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, ProxyError>;
