//! Convolutions with their weights packed.

use super::plan::ConvPlan;
use crate::error::{NetworkError, Result};
use cpu_ops::BLOCK;
use cpu_ops::Conv2d;
use cpu_ops::blocked::{ImageConv, ImageShape, ImageWeightGradient, Real, Scratch};

/// A convolution or linear layer. Groups of several channels are computed some at a time, as many as fill whole blocks of
/// channels, as one convolution with zeros between them.
#[derive(Debug)]
pub(super) struct Conv<T> {
    /// Of one piece.
    shape: ImageShape,
    pieces: Vec<Piece<T>>,
    gradient: ImageWeightGradient,
    /// Groups of a piece, and the channels of a group.
    groups: usize,
    group: (usize, usize),
    /// Where in a thread's memory its scratches are: there, back, gradient.
    scratch: [usize; 3],
    dense: Vec<T>,
    pub(super) bias: Vec<f64>,
}

#[derive(Debug)]
struct Piece<T> {
    there: ImageConv<T>,
    back: Option<ImageConv<T>>,
}

/// What a scratch is for: convolutions of one shape share theirs.
pub(super) type ScratchKey = (ImageShape, usize);

impl<T: Real> Conv<T> {
    /// With weights of zeros; `back` where its input has a gradient, `sums` where its weight has.
    pub(super) fn new(
        plan: &ConvPlan,
        (back, sums): (bool, bool),
        keys: &mut Vec<ScratchKey>,
    ) -> Result<Self> {
        let all = plan.settings.groups;
        let group = (plan.channels.0 / all, plan.channels.1 / all);
        let whole = |groups: &usize| {
            let filled = |channels: usize| (channels * groups).is_multiple_of(BLOCK);
            all.is_multiple_of(*groups) && filled(group.0) && filled(group.1)
        };
        let depthwise = all > 1 && group == (1, 1);
        let groups = if depthwise { all } else { (1..all).find(whole).unwrap_or(all) };
        let settings = Conv2d { groups: if depthwise { all } else { 1 }, ..plan.settings };
        let channels = (group.0 * groups, group.1 * groups);
        let shape = ImageShape { channels, size: plan.size, kernel: plan.kernel, settings };
        let reads = if depthwise { 1 } else { channels.0 };
        let dense = vec![T::zero(); channels.1 * reads * plan.kernel.0 * plan.kernel.1];
        let piece = || -> Result<Piece<T>> {
            let back = back.then(|| ImageConv::input_gradient(&shape, &dense)).transpose()?;
            Ok(Piece { there: ImageConv::forward(&shape, &dense)?, back })
        };
        let pieces = (0..all / groups).map(|_| piece()).collect::<Result<_>>()?;
        let mut key = |kind: usize| match keys.iter().position(|key| *key == (shape, kind)) {
            Some(at) => at,
            None => {
                keys.push((shape, kind));
                keys.len() - 1
            }
        };
        let scratch =
            [key(0), if back { key(1) } else { usize::MAX }, if sums { key(2) } else { usize::MAX }];
        let gradient = ImageWeightGradient::new::<T>(&shape)?;
        Ok(Self { shape, pieces, gradient, groups, group, scratch, dense, bias: Vec::new() })
    }

    /// Takes weights `(O, C / groups, KH, KW)`, each output's times its `scale`.
    pub(super) fn set(&mut self, weight: &[T], scale: Option<&[f64]>) -> Result<()> {
        let Self { dense, pieces, groups, group, shape, .. } = self;
        let taps = shape.kernel.0 * shape.kernel.1;
        let (inputs, outputs) = shape.channels;
        let expected = inputs / *groups * outputs * pieces.len() * taps;
        if weight.len() != expected {
            let problems = vec![format!("a weight of {} numbers, expected {expected}", weight.len())];
            return Err(NetworkError::Weights { problems });
        }
        let size = group.0 * taps;
        for (number, (piece, weight)) in
            pieces.iter_mut().zip(weight.chunks_exact(outputs * size)).enumerate()
        {
            // what no other group lies beside
            let whole = dense.len() == weight.len() && scale.is_none();
            if !whole {
                let wide = dense.len() / outputs;
                for (o, (weight, row)) in
                    weight.chunks_exact(size).zip(dense.chunks_exact_mut(wide)).enumerate()
                {
                    let first = o / group.1 * size % wide;
                    match scale {
                        Some(scale) => {
                            let scale = scale[number * outputs + o];
                            let scaled = weight.iter().map(|w| T::from_f64(w.to_f64() * scale));
                            row[first..first + size].iter_mut().zip(scaled).for_each(|(row, w)| *row = w);
                        }
                        None => row[first..first + size].copy_from_slice(weight),
                    }
                }
            }
            let weight = if whole { weight } else { &dense[..] };
            piece.there.set_weight(weight)?;
            if let Some(back) = &mut piece.back {
                back.set_weight(weight)?;
            }
        }
        Ok(())
    }

    /// From input to result, or with `back` from the result's gradient to the input's.
    pub(super) fn run(
        &self,
        back: bool,
        source: &[[T; BLOCK]],
        target: &mut [[T; BLOCK]],
        adds: bool,
        scratches: &mut [Scratch<T>],
    ) -> Result<()> {
        let count = self.pieces.len();
        let parts = source.chunks(source.len() / count).zip(target.chunks_mut(target.len() / count));
        let scratch = &mut scratches[self.scratch[usize::from(back)]];
        for (piece, (source, target)) in self.pieces.iter().zip(parts) {
            let conv = if back { piece.back.as_ref() } else { Some(&piece.there) };
            if let Some(conv) = conv {
                conv.run(source, target, adds, scratch)?;
            }
        }
        Ok(())
    }

    /// Numbers that the gradient by the weight is summed up in.
    pub(super) fn sums(&self) -> usize {
        self.gradient.sums_len() * self.pieces.len()
    }

    /// Adds an image's part to the gradient by the weight.
    pub(super) fn add(
        &self,
        source: &[[T; BLOCK]],
        grad: &[[T; BLOCK]],
        sums: &mut [T],
        scratches: &mut [Scratch<T>],
    ) -> Result<()> {
        let count = self.pieces.len();
        let parts = source.chunks(source.len() / count).zip(grad.chunks(grad.len() / count));
        for ((source, grad), sums) in parts.zip(sums.chunks_mut(self.gradient.sums_len())) {
            self.gradient.add(source, grad, sums, &mut scratches[self.scratch[2]])?;
        }
        Ok(())
    }

    /// The gradient by the weight, as the weight is, from the sums.
    pub(super) fn finish(&self, sums: &[T], out: &mut [T]) {
        let taps = self.shape.kernel.0 * self.shape.kernel.1;
        let outputs = self.shape.channels.1;
        let size = self.group.0 * taps;
        let pieces = sums.chunks(self.gradient.sums_len()).zip(out.chunks_exact_mut(outputs * size));
        for (sums, out) in pieces {
            let dense = self.gradient.finish(sums);
            let wide = dense.len() / outputs;
            for (o, (out, row)) in out.chunks_exact_mut(size).zip(dense.chunks_exact(wide)).enumerate() {
                out.copy_from_slice(&row[o / self.group.1 * size % wide..][..size]);
            }
        }
    }

    /// Memory for one of the keys.
    pub(super) fn scratch(&self, kind: usize) -> Option<Scratch<T>> {
        let piece = self.pieces.first()?;
        match kind {
            0 => Some(piece.there.scratch()),
            1 => piece.back.as_ref().map(ImageConv::scratch),
            _ => Some(self.gradient.scratch::<T>()),
        }
    }

    pub(super) fn scratch_places(&self) -> [usize; 3] {
        self.scratch
    }
}
