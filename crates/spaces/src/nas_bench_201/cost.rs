use super::{Cell, Operation, encoding};
use crate::SpaceError;
use crate::cost::{check, convolution, linear, norm, times};
use arch_graph::{Cost, CostTable};
use serde::{Deserialize, Serialize};

/// The network around the cell. The default is the paper's for CIFAR-10 (Dong and Yang, section 2.1).
///
/// A 3x3 convolution to `channels`; three stages of `cells` cells at one, two and four times the channels;
/// between them residual blocks that halve the image; batch normalisation, global mean, linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Skeleton {
    /// Channels of the first stage, 1 to 4,096.
    pub channels: u64,
    /// Cells a stage, 1 to 10,000.
    pub cells: u64,
    /// Number of classes, 1 to 1,000,000.
    pub classes: u64,
    /// Side of the image in pixels: a multiple of 4 up to 4,096.
    pub image: u64,
}

impl Default for Skeleton {
    fn default() -> Self {
        Self { channels: 16, cells: 5, classes: 10, image: 32 }
    }
}

impl Skeleton {
    /// Trainable parameters and multiply-adds of one image, as the published tables count them: convolutions
    /// without bias, batch normalisation with scale and shift; multiply-adds of convolutions and the linear
    /// layer alone. Operations that no path reaches count too.
    ///
    /// For the default: 73,306 parameters, 28,000 more for each 1x1 and 243,040 for each 3x3 convolution of the
    /// cell; 7,783,040 multiply-adds, 3,932,160 more for each 1x1 and 35,389,440 for each 3x3.
    ///
    /// # Errors
    /// A setting out of range.
    pub fn cost(&self, cell: &Cell) -> Result<Cost, SpaceError> {
        Ok(self.table()?.total(cell.operations().map(Operation::op)))
    }

    /// The costs as a table, for many cells: what surrounds them, and what each operation adds over all cells
    /// of the network.
    ///
    /// ```
    /// use spaces::{NasBench201, nas_bench_201::Skeleton};
    /// let table = Skeleton { classes: 100, ..Skeleton::default() }.table()?;
    /// let cell = NasBench201.get(7)?;
    /// assert_eq!(cell.graph().cost(&table).ok(), Some(table.total(cell.operations().map(|op| op.op()))));
    /// # Ok::<(), spaces::SpaceError>(())
    /// ```
    ///
    /// # Errors
    /// A setting out of range.
    pub fn table(&self) -> Result<CostTable, SpaceError> {
        let Self { channels, cells, classes, image } = *self;
        check(&[
            ("channels", channels, (1..=4_096).contains(&channels), "1 to 4,096"),
            ("cells", cells, (1..=10_000).contains(&cells), "1 to 10,000"),
            ("classes", classes, (1..=1_000_000).contains(&classes), "1 to 1,000,000"),
            ("image", image, (4..=4_096).contains(&image) && image % 4 == 0, "a multiple of 4 up to 4,096"),
        ])?;
        // (channels, side) of each stage
        let stages = [(channels, image), (2 * channels, image / 2), (4 * channels, image / 4)];
        let stem = convolution(3, 3, channels, image) + norm(channels);
        let reductions = stages.windows(2).map(|pair| {
            let ((before, _), (after, side)) = (pair[0], pair[1]);
            let shortcut = convolution(1, before, after, side);
            let first = convolution(3, before, after, side) + norm(after);
            shortcut + first + convolution(3, after, after, side) + norm(after)
        });
        let fixed = stem + reductions.sum() + norm(4 * channels) + linear(4 * channels, classes);
        let everywhere = |kernel| {
            let stage = |(width, side)| times(cells, convolution(kernel, width, width, side) + norm(width));
            stages.into_iter().map(stage).sum()
        };
        let names = [(Operation::Conv1x1.name(), everywhere(1)), (Operation::Conv3x3.name(), everywhere(3))];
        Ok(CostTable::new(encoding::vocabulary(), fixed, names).expect("the names of the vocabulary"))
    }
}
