//! What an engine does, as a list: every step reads and writes images of values, one image at a time.

use cpu_ops::BLOCK;

/// A tensor of the batch, by its place in [`super::plan::Plan::values`].
pub(super) type Value = usize;

/// What a value is for one image: so many channels of so many pixels, in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) channels: usize,
    pub(super) size: (usize, usize),
}

impl Shape {
    pub(super) fn of([channels, height, width]: [usize; 3]) -> Self {
        Self { channels, size: (height, width) }
    }

    pub(super) fn plane(&self) -> usize {
        self.size.0 * self.size.1
    }

    pub(super) fn blocks(&self) -> usize {
        self.channels.div_ceil(BLOCK)
    }

    /// Pixels of all blocks.
    pub(super) fn pixels(&self) -> usize {
        self.blocks() * self.plane()
    }
}

/// What a summand is multiplied by, by channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Factor {
    One,
    /// A batch norm's own.
    Norm(usize),
    /// Of the gradient behind a batch norm, on the way back.
    BackGrad(usize),
    /// Of the input of a batch norm, on the way back.
    BackInput(usize),
    /// How one of these moves along the direction.
    Along(Moving, usize),
}

/// Which of a batch norm's factors moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moving {
    Norm,
    BackGrad,
    BackInput,
}

/// What is added by channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shift {
    None,
    /// The sum of shifts of several batch norms and biases.
    Sum(usize),
    /// Of a batch norm, on the way back.
    Back(usize),
    /// How that moves along the direction.
    BackAlong(usize),
}

/// Which sums over an image a batch norm is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sums {
    /// Of a gradient, and of its product with the input, counted from the mean.
    Gradient,
    /// The same of how a gradient or the input moves.
    Along,
    /// Of a gradient, and of its product with how the input moves.
    Cross,
}

/// One thing to do to one image. What is written for the first time in a pass is written, and added to afterwards.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// The images as they were given.
    Load {
        to: Value,
    },
    /// A convolution or linear layer, without its bias.
    Convolve {
        conv: usize,
        from: Value,
        to: Value,
    },
    /// The sum of scaled values and a shift.
    Combine {
        terms: Vec<(Value, Factor)>,
        shift: Shift,
        relu: bool,
        to: Value,
    },
    /// What a batch norm measures.
    Measure {
        norm: usize,
        of: Value,
    },
    Pool {
        pool: usize,
        from: Value,
        to: Value,
    },
    /// Some channels of one value become channels of another.
    Copy {
        from: (Value, usize),
        to: (Value, usize),
        channels: usize,
    },
    /// What lies behind the first rows and columns.
    Crop {
        from: Value,
        to: Value,
        first: (usize, usize),
    },
    /// Nothing above 6.
    Cap {
        to: Value,
    },
    Mean {
        from: Value,
        to: Value,
    },
    /// The gradient by the logits.
    Seed {
        to: Value,
    },
    /// How it moves along the direction.
    SeedAlong {
        to: Value,
    },
    /// No gradient where a ReLU gave nothing.
    Mask {
        gate: Value,
        grad: Value,
    },
    /// No gradient where a ReLU was capped.
    CapMask {
        gate: Value,
        grad: Value,
    },
    /// The sums that the gradient of a batch norm is made of.
    Products {
        norm: usize,
        sums: Sums,
        grad: Value,
        of: Value,
    },
    InputGradient {
        conv: usize,
        grad: Value,
        to: Value,
    },
    WeightGradient {
        conv: usize,
        from: Value,
        grad: Value,
    },
    /// Sums over pixels of the gradient, and of its product with the result.
    Channels {
        conv: usize,
        of: Value,
        grad: Value,
    },
    PoolGradient {
        pool: usize,
        image: Value,
        grad: Value,
        to: Value,
    },
    /// How a pooling moves when its image does.
    PoolAlong {
        pool: usize,
        image: Value,
        along: Value,
        to: Value,
    },
    CropGradient {
        grad: Value,
        to: Value,
        first: (usize, usize),
    },
    MeanGradient {
        grad: Value,
        to: Value,
    },
}

impl Step {
    /// What it writes or adds to.
    pub(super) fn writes(&self) -> Option<Value> {
        match *self {
            Self::Load { to }
            | Self::Convolve { to, .. }
            | Self::Combine { to, .. }
            | Self::Pool { to, .. }
            | Self::Copy { to: (to, _), .. }
            | Self::Crop { to, .. }
            | Self::Cap { to }
            | Self::Mean { to, .. }
            | Self::Seed { to }
            | Self::SeedAlong { to }
            | Self::PoolAlong { to, .. }
            | Self::InputGradient { to, .. }
            | Self::PoolGradient { to, .. }
            | Self::CropGradient { to, .. }
            | Self::MeanGradient { to, .. } => Some(to),
            Self::Mask { grad, .. } | Self::CapMask { grad, .. } => Some(grad),
            Self::Measure { .. }
            | Self::Products { .. }
            | Self::WeightGradient { .. }
            | Self::Channels { .. } => None,
        }
    }

    /// What it reads.
    pub(super) fn reads(&self) -> Vec<Value> {
        match self {
            Self::Load { .. } | Self::Seed { .. } | Self::SeedAlong { .. } => Vec::new(),
            Self::Combine { terms, .. } => terms.iter().map(|&(value, _)| value).collect(),
            &Self::Convolve { from, .. }
            | &Self::Pool { from, .. }
            | &Self::Copy { from: (from, _), .. }
            | &Self::Crop { from, .. }
            | &Self::Mean { from, .. } => vec![from],
            &Self::Cap { to } => vec![to],
            &Self::Measure { of, .. } => vec![of],
            &Self::Mask { gate, grad } | &Self::CapMask { gate, grad } => vec![gate, grad],
            &Self::Products { grad, of, .. } | &Self::Channels { of, grad, .. } => vec![of, grad],
            &Self::InputGradient { grad, .. }
            | &Self::CropGradient { grad, .. }
            | &Self::MeanGradient { grad, .. } => vec![grad],
            &Self::WeightGradient { from, grad, .. } => vec![from, grad],
            &Self::PoolGradient { image, grad, .. } => vec![image, grad],
            &Self::PoolAlong { image, along, .. } => vec![image, along],
        }
    }

    /// The batch norms that must have seen the whole batch before.
    pub(super) fn waits_for(&self) -> impl Iterator<Item = usize> {
        let terms = if let Self::Combine { terms, .. } = self { &terms[..] } else { &[] };
        terms.iter().filter_map(|&(_, factor)| match factor {
            Factor::One => None,
            Factor::Norm(norm)
            | Factor::BackGrad(norm)
            | Factor::BackInput(norm)
            | Factor::Along(_, norm) => Some(norm),
        })
    }

    /// The batch norm that sees the batch by it.
    pub(super) fn measures(&self) -> Option<usize> {
        match *self {
            Self::Measure { norm, .. } | Self::Products { norm, .. } => Some(norm),
            _ => None,
        }
    }
}
