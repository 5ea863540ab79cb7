//! Batch norms: what they measure, and the vectors by channel that follow from it.

use super::plan::NormPlan;
use crate::forward::EPS;
use crate::weights::Running;
use cpu_ops::blocked::Real;
use cpu_ops::{BLOCK, BatchStatistics};

/// Vectors by channel, in blocks.
pub(super) type Vectors<T> = Vec<[T; BLOCK]>;

/// A batch norm with what it knows of the batch.
#[derive(Debug)]
pub(super) struct Norm<T> {
    pub(super) plan: NormPlan,
    /// Weight and bias.
    weight: Vec<f64>,
    bias: Vec<f64>,
    pub(super) mean: Vec<f64>,
    variance: Vec<f64>,
    /// `y = scale x + shift`.
    pub(super) factor: Vec<f64>,
    pub(super) shift: Vec<f64>,
    pub(super) scale: Vectors<T>,
    pub(super) from: Vectors<T>,
    /// The gradient by the input: of the gradient behind it, of the input, and a constant.
    pub(super) back: [Vectors<T>; 3],
    /// How that, the mean, the variance, and scale and shift move along a direction.
    pub(super) back_along: [Vectors<T>; 3],
    mean_along: Vec<f64>,
    variance_along: Vec<f64>,
    factor_along: Vec<f64>,
    pub(super) shift_along: Vec<f64>,
    pub(super) scale_along: Vectors<T>,
}

/// What images told a batch norm, added up in their order.
fn totals<'a>(images: impl Iterator<Item = &'a [[f64; 2]]>, channels: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut sums, mut dots) = (vec![0.0; channels], vec![0.0; channels]);
    for image in images {
        for ((sum, dot), &[grad, product]) in sums.iter_mut().zip(&mut dots).zip(&image[..channels]) {
            *sum += grad;
            *dot += product;
        }
    }
    (sums, dots)
}

impl<T: Real> Norm<T> {
    pub(super) fn new(plan: NormPlan) -> Self {
        let (ones, zeros) = (vec![1.0; plan.channels], vec![0.0; plan.channels]);
        let vectors = vec![[T::zero(); BLOCK]; plan.channels.div_ceil(BLOCK)];
        Self {
            weight: ones.clone(),
            bias: zeros.clone(),
            mean: zeros.clone(),
            mean_along: zeros.clone(),
            variance_along: zeros.clone(),
            factor_along: zeros.clone(),
            shift_along: zeros.clone(),
            scale_along: vectors.clone(),
            back_along: [vectors.clone(), vectors.clone(), vectors.clone()],
            variance: ones.clone(),
            factor: ones,
            shift: zeros,
            scale: vectors.clone(),
            from: vectors.clone(),
            back: [vectors.clone(), vectors.clone(), vectors],
            plan,
        }
    }

    /// Takes its weights, and where it does not measure its running statistics.
    pub(super) fn set(&mut self, weight: Option<(Vec<f64>, Vec<f64>)>, running: Option<&Running>) {
        if let Some((weight, bias)) = weight {
            (self.weight, self.bias) = (weight, bias);
        }
        if let (false, Some(running)) = (self.plan.measures, running) {
            self.mean.clone_from(&running.mean);
            self.variance.clone_from(&running.variance);
            self.update();
        }
    }

    /// Merges what the images measured, in their order (Chan et al. 1979).
    pub(super) fn measured<'a>(&mut self, images: impl Iterator<Item = &'a [[f64; 2]]>) {
        let size = self.plan.plane as f64;
        let (mut count, channels) = (0.0, self.plan.channels);
        self.mean.fill(0.0);
        self.variance.fill(0.0);
        for image in images {
            let total = count + size;
            for ((mean, squares), &[here, spread]) in
                self.mean.iter_mut().zip(&mut self.variance).zip(&image[..channels])
            {
                let apart = here - *mean;
                *mean += apart * size / total;
                *squares += spread + apart * apart * count * size / total;
            }
            count = total;
        }
        // not `max`, which makes a 0 of a NaN
        let biased = |squares: f64| if squares < 0.0 { 0.0 } else { squares / count };
        self.variance.iter_mut().for_each(|squares| *squares = biased(*squares));
        self.update();
    }

    fn update(&mut self) {
        for c in 0..self.plan.channels {
            let scale = self.weight[c] / (self.variance[c] + EPS).sqrt();
            self.factor[c] = scale;
            self.shift[c] = self.bias[c] - self.mean[c] * scale;
        }
        fill(&mut self.scale, &self.factor);
        fill(&mut self.from, &self.mean);
        if !self.plan.measures {
            fill(&mut self.back[0], &self.factor);
        }
    }

    /// The gradients by weight and bias from the sums of the images, in their order; and the vectors by which the
    /// gradient by the input is made.
    pub(super) fn back<'a>(
        &mut self,
        images: impl ExactSizeIterator<Item = &'a [[f64; 2]]>,
    ) -> (Vec<f64>, Vec<f64>) {
        let channels = self.plan.channels;
        let count = (images.len() * self.plan.plane) as f64;
        let (sums, mut dots) = totals(images, channels);
        let root = |c: usize| 1.0 / (self.variance[c] + EPS).sqrt();
        dots.iter_mut().enumerate().for_each(|(c, dot)| *dot *= root(c));
        if self.plan.measures {
            // scale (g - mean(g) - z mean(g z)) with z = (x - mean) root
            let slope = |c: usize| -self.factor[c] * dots[c] / count * root(c);
            let slopes: Vec<f64> = (0..channels).map(slope).collect();
            let constants: Vec<f64> =
                (0..channels).map(|c| -self.factor[c] * sums[c] / count - slopes[c] * self.mean[c]).collect();
            fill(&mut self.back[0], &self.factor);
            fill(&mut self.back[1], &slopes);
            fill(&mut self.back[2], &constants);
        }
        (dots, sums)
    }

    /// How mean, variance, scale and shift move, from what the images told of how the input does.
    pub(super) fn moved<'a>(&mut self, images: impl ExactSizeIterator<Item = &'a [[f64; 2]]>) {
        let count = (images.len() * self.plan.plane) as f64;
        let (sums, dots) = totals(images, self.plan.channels);
        for c in 0..self.plan.channels {
            (self.mean_along[c], self.variance_along[c]) = (sums[c] / count, 2.0 * dots[c] / count);
            let slope = -0.5 * self.factor[c] * self.variance_along[c] / (self.variance[c] + EPS);
            self.factor_along[c] = slope;
            self.shift_along[c] = -self.mean_along[c] * self.factor[c] - self.mean[c] * slope;
        }
        fill(&mut self.scale_along, &self.factor_along);
    }

    /// How the vectors of the way back move, from what the images told: of the gradient, of how it moves, and of its
    /// product with how the input moves. The input moves as [`Norm::moved`] has it, or not at all.
    pub(super) fn back_moved<'a, I: ExactSizeIterator<Item = &'a [[f64; 2]]>>(&mut self, images: [I; 3]) {
        let channels = self.plan.channels;
        let count = (images[0].len() * self.plan.plane) as f64;
        let [(sums, dots), (sums_along, dots_along), (_, cross)] =
            images.map(|images| totals(images, channels));
        let (mut slopes, mut constants) = (vec![0.0; channels], vec![0.0; channels]);
        for c in 0..channels {
            let (factor, factor_along) = (self.factor[c], self.factor_along[c]);
            let (mean, mean_along) = (self.mean[c], self.mean_along[c]);
            let square = 1.0 / (self.variance[c] + EPS);
            let square_along = -self.variance_along[c] * square * square;
            let dots_along = dots_along[c] + cross[c] - mean_along * sums[c];
            let slope = -factor * dots[c] * square / count;
            slopes[c] = -(factor_along * dots[c] * square
                + factor * dots_along * square
                + factor * dots[c] * square_along)
                / count;
            constants[c] = -(factor_along * sums[c] + factor * sums_along[c]) / count
                - slopes[c] * mean
                - slope * mean_along;
        }
        fill(&mut self.back_along[0], &self.factor_along);
        fill(&mut self.back_along[1], &slopes);
        fill(&mut self.back_along[2], &constants);
    }

    /// What it measured on a batch of so many images.
    pub(super) fn statistics(&self, images: usize) -> BatchStatistics {
        let count = images * self.plan.plane;
        BatchStatistics { mean: self.mean.clone(), variance: self.variance.clone(), count }
    }
}

/// Numbers by channel into blocks; lanes beyond them stay as they are.
pub(super) fn fill<T: Real>(vectors: &mut [[T; BLOCK]], values: &[f64]) {
    for (lane, &value) in vectors.as_flattened_mut().iter_mut().zip(values) {
        *lane = T::from_f64(value);
    }
}
