//! The way there.

use super::norms::Norm;
use super::schedule::last_write;
use super::steps::{Shift, Step, Value};
use super::sweep::Pass;
use super::{Engine, Seen, grow};
use crate::error::{NetworkError, Result};
use cpu_ops::blocked::Real;
use cpu_ops::{BLOCK, BatchStatistics};

impl<T: Real> Engine<T> {
    /// The logits `(N, classes)` of images `(N, C, H, W)`.
    ///
    /// # Errors
    /// Images that are not whole, none, no weights yet.
    pub fn forward(&mut self, images: &[T]) -> Result<&[T]> {
        self.forward_seen(images, |_, _| {})
    }

    /// The same, with what every watched layer gave shown to `see` as soon as the whole batch has it: in a fixed
    /// order, and only then; what no other layer needs is gone afterwards.
    ///
    /// # Errors
    /// As [`Engine::forward`].
    pub fn forward_seen(&mut self, images: &[T], mut see: impl FnMut(usize, Seen<'_, T>)) -> Result<&[T]> {
        let expected = self.network.input();
        let size: usize = expected.iter().product();
        if images.is_empty() || !images.len().is_multiple_of(size) {
            return Err(NetworkError::Input { found: vec![images.len()], expected });
        }
        if !self.loaded {
            return Err(NetworkError::Weights { problems: vec!["no weights are loaded".into()] });
        }
        let count = images.len() / size;
        self.forget();
        grow(&mut self.kept, count * self.schedule.kept.max(1), [T::zero(); BLOCK]);
        grow(&mut self.notes, count * self.notes_len, [0.0; 2]);
        for number in 0..self.schedule.there.len() {
            for at in self.open_shifts(Pass::There, number) {
                self.shift(at);
            }
            self.sweep(Pass::There, number, (count, [images, &[]]))?;
            let Self { norms, notes, notes_len, notes_at, schedule, .. } = self;
            for &norm in &schedule.there[number].finished {
                let images = notes[..count * *notes_len].chunks_exact(*notes_len);
                norms[norm].measured(images.map(|notes| &notes[notes_at.0[norm][0]..]));
            }
            for &(layer, value) in &self.plan.watched {
                if last_write(value, &self.schedule.there) == Some(number) {
                    see(layer, self.seen(value, count));
                }
            }
        }
        let mut logits = std::mem::take(&mut self.logits);
        self.rows(self.plan.logits, count, &mut logits);
        (self.logits, self.images) = (logits, count);
        Ok(&self.logits)
    }

    /// A value of one pixel an image, as rows.
    pub(super) fn rows(&self, value: Value, images: usize, rows: &mut Vec<T>) {
        let classes = self.network.classes();
        rows.resize(images * classes, T::zero());
        let held = self.seen(value, images);
        for (image, row) in rows.chunks_exact_mut(classes).enumerate() {
            if let Some(blocks) = held.blocked(image) {
                row.copy_from_slice(&blocks.as_flattened()[..classes]);
            }
        }
    }

    /// The shifts that a sweep needs and that depend on the batch.
    pub(super) fn open_shifts(&self, pass: Pass, sweep: usize) -> Vec<usize> {
        let steps = self.sweeps(pass)[sweep].steps.iter();
        let shifts = steps.filter_map(|(step, _)| match step {
            Step::Combine { shift: Shift::Sum(at), .. } => Some(*at),
            _ => None,
        });
        let depends =
            |at: &usize| self.plan.shifts[*at].norms.iter().any(|&norm| self.plan.norms[norm].measures);
        shifts.filter(depends).collect()
    }

    pub(super) fn seen(&self, value: Value, images: usize) -> Seen<'_, T> {
        let (shape, start) = (self.plan.values[value], self.schedule.places[value].start);
        let shape = [shape.channels, shape.size.0, shape.size.1];
        Seen { kept: &self.kept, pitch: self.schedule.kept.max(1), start, shape, images }
    }

    /// The logits of the last batch.
    pub fn logits(&self) -> &[T] {
        &self.logits
    }

    /// What every batch norm with running statistics measured on the last batch, by the name of its layer; empty in
    /// evaluation, and where there was no batch since the weights were loaded.
    pub fn measured(&self) -> Vec<(String, BatchStatistics)> {
        let norms = self.norms.iter().filter(|norm| norm.plan.tracked && norm.plan.measures);
        let norms = norms.filter(|_| self.images > 0);
        let name = |norm: &Norm<T>| self.network.layers()[norm.plan.layer].name.clone();
        norms.map(|norm| (name(norm), norm.statistics(self.images))).collect()
    }
}
