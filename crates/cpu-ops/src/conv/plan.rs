use super::shape::{Axis, ConvShape};
use crate::simd::BLOCK;

/// How the rows of a source lie: `before` zeros, the columns, and zeros up to `pitch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Padded {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) before: usize,
    pub(crate) pitch: usize,
}

impl Padded {
    /// Pixels of one plane.
    pub(crate) fn plane(&self) -> usize {
        self.rows * self.pitch
    }

    /// Whether there are no zeros at all.
    pub(crate) fn is_plain(&self) -> bool {
        self.pitch == self.columns
    }
}

/// Consecutive taps of a row whose source pixels are neighbours, so that one broadcast pixel feeds all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Index of the first tap in the plan's order.
    pub(crate) slot: usize,
    /// How many: 1 or 3.
    pub(crate) taps: usize,
    /// Source pixel of the first tap for the first output, from the start of a source row.
    pub(crate) offset: usize,
}

/// Outputs of a row that use the same taps: every `stride`-th column of the target, next to each other in its
/// buffer.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) start: usize,
    pub(crate) len: usize,
    pub(crate) runs: Vec<Run>,
}

/// A correlation: every target pixel is the sum over some rows and runs of weight times source. A convolution and
/// its gradient by the input are both of this form.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) source: Padded,
    /// Source pixels between one target pixel of a phase and the next.
    pub(crate) stride: usize,
    pub(crate) target_rows: usize,
    pub(crate) target_columns: usize,
    /// Of every target row: the kernel rows that reach it, with their source row.
    pub(crate) rows: Vec<Vec<(usize, usize)>>,
    pub(crate) phases: Vec<Phase>,
    /// Kernel column of every slot.
    pub(crate) slots: Vec<usize>,
    pub(crate) kernel_rows: usize,
}

impl Plan {
    /// The convolution itself: from input to output.
    pub(crate) fn forward(shape: &ConvShape) -> Self {
        let ConvShape { rows, columns, .. } = shape;
        let Axis { kernel, stride, dilation, padding, input, output } = *columns;
        let taps: Vec<(usize, usize)> = (0..kernel).map(|k| (k, k * dilation)).collect();
        let mut slots = Vec::new();
        let phase = Phase { start: 0, len: output, runs: runs(&taps, stride, &mut slots) };
        let reach = |o| (0..rows.kernel).filter_map(|k| Some((k, rows.source(o, k)?))).collect();
        let end = (output - 1) * stride + (kernel - 1) * dilation + 1;
        Self {
            source: Padded {
                rows: rows.input,
                columns: input,
                before: padding,
                pitch: end.max(padding + input),
            },
            stride,
            target_rows: rows.output,
            target_columns: output,
            rows: (0..rows.output).map(reach).collect(),
            phases: vec![phase],
            slots,
            kernel_rows: rows.kernel,
        }
    }

    /// The gradient by the input: from the gradient of the output to that of the input.
    pub(crate) fn input_gradient(shape: &ConvShape) -> Self {
        let ConvShape { rows, columns, .. } = shape;
        let Axis { input, output, kernel, stride, padding, dilation } = *columns;
        // input column a + j stride is reached by tap k from output column (a + padding - k dilation) / stride + j
        let first = |a: usize, k: usize| {
            let at = (a + padding) as isize - (k * dilation) as isize;
            (at.rem_euclid(stride as isize) == 0).then(|| at.div_euclid(stride as isize))
        };
        let outputs = |a: usize| input.saturating_sub(a).div_ceil(stride);
        let phases = || (0..stride).filter(|&a| outputs(a) > 0);
        let reads: Vec<(isize, usize)> = phases()
            .flat_map(|a| (0..kernel).filter_map(move |k| Some((first(a, k)?, outputs(a)))))
            .collect();
        let before = reads.iter().map(|&(at, _)| (-at).max(0)).max().unwrap_or(0);
        let end = reads.iter().map(|&(at, len)| at + len as isize).max().unwrap_or(0);
        let pitch = (end.max(output as isize) + before) as usize;
        let mut slots = Vec::new();
        let mut start = 0;
        let phases = phases()
            .map(|a| {
                // places grow as the tap falls, so the taps are taken from the last
                let taps = (0..kernel).rev().filter_map(|k| Some((k, (first(a, k)? + before) as usize)));
                let runs = runs(&taps.collect::<Vec<_>>(), 1, &mut slots);
                let phase = Phase { start, len: outputs(a), runs };
                start += outputs(a);
                phase
            })
            .collect();
        let reach = |i: usize| {
            let from = |k: usize| {
                let at = (i + rows.padding).checked_sub(k * rows.dilation)?;
                (at.is_multiple_of(rows.stride) && at / rows.stride < rows.output)
                    .then_some((k, at / rows.stride))
            };
            (0..rows.kernel).filter_map(from).collect()
        };
        Self {
            source: Padded { rows: rows.output, columns: output, before: before as usize, pitch },
            stride: 1,
            target_rows: rows.input,
            target_columns: input,
            rows: (0..rows.input).map(reach).collect(),
            phases,
            slots,
            kernel_rows: rows.kernel,
        }
    }

    /// Pixels of a target plane.
    pub(crate) fn target_plane(&self) -> usize {
        self.target_rows * self.target_columns
    }

    /// The pixel of every element of a target plane, in its order.
    pub(crate) fn target_pixels(&self) -> Vec<usize> {
        let stride = self.phases.len();
        let column = |c: usize| self.phases[c % stride].start + c / stride;
        let row = |r| (0..self.target_columns).map(move |c| r * self.target_columns + column(c));
        (0..self.target_rows).flat_map(row).collect()
    }
}

/// Groups taps `(kernel column, source pixel)` into runs of three neighbours and single ones, and numbers them.
fn runs(taps: &[(usize, usize)], stride: usize, slots: &mut Vec<usize>) -> Vec<Run> {
    let mut rest = taps;
    let mut runs = Vec::new();
    while let [(_, offset), ..] = *rest {
        let neighbours = stride == 1 && rest.len() >= 3 && (1..3).all(|i| rest[i].1 == offset + i);
        let taps = if neighbours { 3 } else { 1 };
        runs.push(Run { slot: slots.len(), taps, offset });
        slots.extend(rest[..taps].iter().map(|&(k, _)| k));
        rest = &rest[taps..];
    }
    runs
}

/// Blocks that hold so many channels.
pub(crate) fn blocks(channels: usize) -> usize {
    channels.div_ceil(BLOCK)
}
