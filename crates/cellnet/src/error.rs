use candle_core::DType;

/// What can go wrong with a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A layer that does not fit what it is put on.
    #[error("layer {layer}: {reason}")]
    Layer {
        /// Its name.
        layer: String,
        /// What does not fit.
        reason: String,
    },
    /// Weights of another network.
    #[error("weights of another network: {}", list(problems))]
    Weights {
        /// Every tensor that is missing, too many or of another shape.
        problems: Vec<String>,
    },
    /// Input that the network cannot take.
    #[error(
        "a batch {found:?} for a network of images {expected:?}: (N, C, H, W) with N above 0 is expected"
    )]
    Input {
        /// The batch's dimensions.
        found: Vec<usize>,
        /// Channels, height and width.
        expected: [usize; 3],
    },
    /// A type that networks do not run in.
    #[error("networks run in f32 or f64, not in {0:?}")]
    Type(DType),
    /// A file or checkpoint that cannot be read.
    #[error("not a saved training: {0}")]
    Checkpoint(String),
    /// A setting that makes no sense.
    #[error("{setting} is {found}, expected {expected}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The loss is no longer a number.
    #[error("the training diverged in epoch {epoch}: the loss is {loss}")]
    Diverged {
        /// From 0.
        epoch: usize,
        /// What it became.
        loss: f64,
    },
    /// Images that do not fit.
    #[error(transparent)]
    Images(#[from] images::ImageError),
    /// A setting of the space that does not fit.
    #[error(transparent)]
    Space(#[from] spaces::SpaceError),
    /// An error of an operator.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

fn list(problems: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = problems[..problems.len().min(SHOWN)].join("; ");
    let more = problems.len().saturating_sub(SHOWN);
    if more > 0 { format!("{shown}; and {more} more") } else { shown }
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, NetworkError>;
