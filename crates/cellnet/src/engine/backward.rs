//! The way back.

use super::steps::Step;
use super::sweep::{Pass, parts};
use super::{Engine, Gradient, Noted, grow};
use crate::error::{NetworkError, Result};
use cpu_ops::blocked::Real;
use rayon::prelude::*;

impl<T: Real> Engine<T> {
    /// All gradients that the settings ask for, from that by the logits of the last batch. May be called again with
    /// another.
    ///
    /// # Errors
    /// A gradient of another size than the logits, no batch yet, settings that ask for no gradient.
    pub fn backward(&mut self, gradient: &[T]) -> Result<()> {
        self.backward_for(gradient, true)?;
        self.noted = Noted::Loss;
        Ok(())
    }

    /// The gradient by the images alone, without those by the parameters, which are left as they are.
    ///
    /// # Errors
    /// As [`Engine::backward`].
    pub fn backward_to_input(&mut self, gradient: &[T]) -> Result<()> {
        self.backward_for(gradient, false)
    }

    fn backward_for(&mut self, gradient: &[T], parameters: bool) -> Result<()> {
        let wrong = |found: String, expected| {
            Err(NetworkError::Setting { setting: "gradient of the logits", found, expected })
        };
        if self.images == 0 || gradient.len() != self.logits.len() {
            return wrong(gradient.len().to_string(), "as many numbers as the last batch has logits");
        }
        if self.schedule.back.is_empty() {
            return wrong("none".into(), "settings that ask for gradients");
        }
        let parameters = parameters && self.settings.gradients;
        if parameters {
            self.parameters.iter_mut().for_each(|parameter| parameter.reached = false);
        }
        self.noted = Noted::Nothing;
        for number in 0..self.schedule.back.len() {
            let parts = parts(self.images).len();
            grow(&mut self.sums, parts * self.sums_at[number].1.max(1), T::zero());
            self.sweep(Pass::Back(parameters), number, (self.images, [gradient, &[]]))?;
            self.finish_norms(number, parameters);
            if parameters {
                self.finish_convs(number, parts);
            }
        }
        (self.went_back, self.turned) = (true, false);
        Ok(())
    }

    fn finish_norms(&mut self, number: usize, parameters: bool) {
        let Self { norms, notes, notes_len, notes_at, schedule, images, gradients, parameters: all, .. } =
            self;
        for &norm in &schedule.back[number].finished {
            let images = notes[..*images * *notes_len].chunks_exact(*notes_len);
            let (weight, bias) = norms[norm].back(images.map(|notes| &notes[notes_at.0[norm][0]..]));
            if parameters && norms[norm].plan.affine {
                let layer = norms[norm].plan.layer;
                let held = all.iter_mut().filter(|parameter| parameter.layer == layer);
                for (parameter, values) in held.zip([weight, bias]) {
                    put(gradients, parameter, &values);
                }
            }
        }
    }

    fn finish_convs(&mut self, number: usize, parts: usize) {
        let (places, len) = &self.sums_at[number];
        let len = (*len).max(1);
        let steps = &self.schedule.back[number].steps;
        let summed: Vec<usize> = steps
            .iter()
            .filter_map(|(step, _)| match step {
                Step::WeightGradient { conv, .. } => Some(*conv),
                _ => None,
            })
            .collect();
        let weight = |conv: usize| {
            let (of, layer) = (&self.convs[conv], self.plan.convs[conv].layer);
            let mut total = self.sums[places[conv]..][..of.sums()].to_vec();
            for part in 1..parts {
                let part = &self.sums[part * len + places[conv]..][..of.sums()];
                total.iter_mut().zip(part).for_each(|(total, part)| *total += *part);
            }
            let parameter = self.parameters.iter().position(|parameter| parameter.layer == layer);
            let size = parameter.map_or(0, |at| self.parameters[at].range.len());
            let mut out = vec![T::zero(); size];
            of.finish(&total, &mut out);
            (parameter, out)
        };
        let weights: Vec<_> = if rayon::current_num_threads() == 1 {
            summed.iter().map(|&conv| weight(conv)).collect()
        } else {
            summed.par_iter().map(|&conv| weight(conv)).collect()
        };
        for (parameter, out) in weights {
            if let Some(parameter) = parameter.map(|at| &mut self.parameters[at]) {
                self.gradients[parameter.range.clone()].copy_from_slice(&out);
                parameter.reached = true;
            }
        }
        for &conv in summed.iter().filter(|&&conv| self.plan.convs[conv].bias) {
            let layer = self.plan.convs[conv].layer;
            let sums = self.channel_sums(conv, 0);
            if let Some(parameter) = self.parameters.iter_mut().filter(|p| p.layer == layer).nth(1) {
                put(&mut self.gradients, parameter, &sums);
            }
        }
    }

    /// The sum over images of what a convolution noted.
    pub(super) fn channel_sums(&self, conv: usize, which: usize) -> Vec<f64> {
        let channels = self.plan.convs[conv].channels.1;
        let mut sums = vec![0.0; channels];
        for notes in self.notes.chunks_exact(self.notes_len).take(self.images) {
            let notes = &notes[self.notes_at.1[conv]..][..channels];
            sums.iter_mut().zip(notes).for_each(|(sum, note)| *sum += note[which]);
        }
        sums
    }

    /// The gradient by a parameter, as the parameter lies; nothing where none flows, or before the last batch was gone
    /// back from.
    pub fn gradient(&self, parameter: &str) -> Option<&[T]> {
        let found = self.parameters.iter().find(|held| held.name == parameter && held.reached);
        found.and_then(|held| self.gradients.get(held.range.clone()))
    }

    /// The gradient by the images `(N, C, H, W)`, where it was asked for and the images count.
    ///
    /// # Errors
    /// None that a valid network could cause.
    pub fn input_gradient(&self) -> Result<Option<Vec<T>>> {
        let value = self.plan.input_gradient.filter(|_| self.went_back);
        value.map(|value| self.seen(value, self.images).planes()).transpose()
    }

    /// Of a convolution or linear layer, by image and channel `(N, C)`, the sum over pixels of its result times the
    /// gradient by it. Nothing where no gradient flows, and unless [`Engine::backward`] was the last way back.
    pub fn products(&self, layer: usize) -> Option<Vec<f64>> {
        let conv = self.plan.convs.iter().position(|conv| conv.layer == layer)?;
        let summed =
            self.plan.back.iter().any(|step| matches!(step, Step::Channels { conv: c, .. } if *c == conv));
        if !(self.settings.products && self.noted == Noted::Loss && summed) {
            return None;
        }
        let (at, channels) = (self.notes_at.1[conv], self.plan.convs[conv].channels.1);
        let images = self.notes.chunks_exact(self.notes_len).take(self.images);
        Some(images.flat_map(|notes| notes[at..at + channels].iter().map(|note| note[1])).collect())
    }
}

fn put<T: Real>(gradients: &mut [T], parameter: &mut Gradient, values: &[f64]) {
    for (to, &value) in gradients[parameter.range.clone()].iter_mut().zip(values) {
        *to = T::from_f64(value);
    }
    parameter.reached = true;
}
