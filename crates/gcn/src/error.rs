use thiserror::Error;

/// Why a graph network cannot be built, trained, loaded or run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GcnError {
    /// The numbers of a graph do not fit together.
    #[error("a graph of {nodes} nodes and {width} features needs {expected} {what}, found {found}")]
    Shape {
        /// Number of nodes.
        nodes: usize,
        /// Features a node.
        width: usize,
        /// Which numbers.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A number of a graph is NaN or infinite.
    #[error("{what} {index} of a graph is {value}: it must be finite")]
    NotFinite {
        /// Which numbers.
        what: &'static str,
        /// Position among them.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A batch of graphs that do not go together, or with the network.
    #[error("{0}")]
    Batch(String),
    /// A setting outside its range.
    #[error("{name} is {value}; {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// Stored weights that do not fit the network.
    #[error("these weights do not fit: {0}")]
    Weights(String),
    /// Training diverged.
    #[error(
        "the {what} loss became {value} in epoch {epoch}: lower the learning rate, or look at the labels"
    )]
    Diverged {
        /// Which loss.
        what: &'static str,
        /// Epoch, from 0.
        epoch: usize,
        /// Its value.
        value: f64,
    },
    /// An error of candle's.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
