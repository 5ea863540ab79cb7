//! Derivatives along a direction of the weights.

use super::sweep::Pass;
use super::{Engine, Noted};
use crate::error::{NetworkError, Result};
use cpu_ops::blocked::Real;

impl<T: Real> Engine<T> {
    /// How the logits of the last batch move, `(N, classes)`, when every weight of a convolution or linear layer moves
    /// by what `direction` says of the layer, as the weight lies; biases and batch norms' own weights do not. Costs
    /// two forward.
    ///
    /// # Errors
    /// Settings without curvature, no batch yet, a direction of another size than the weight.
    pub fn forward_along<'d>(&mut self, direction: impl Fn(usize) -> Option<&'d [T]>) -> Result<&[T]>
    where
        T: 'd,
    {
        if self.images == 0 || !self.settings.curvature {
            return Err(wrong(
                "derivative along a direction",
                "none",
                "settings with curvature, and a batch",
            ));
        }
        let mut still = Vec::new();
        for (conv, plan) in self.convs.iter_mut().zip(&self.plan.convs).filter(|(_, plan)| plan.along) {
            let taps = plan.kernel.0 * plan.kernel.1;
            let size = plan.channels.0 / plan.settings.groups * plan.channels.1 * taps;
            still.resize(size, T::zero());
            conv.set(direction(plan.layer).unwrap_or(&still), None)?;
        }
        self.turned = false;
        for number in 0..self.schedule.there_along.len() {
            for at in self.open_shifts(Pass::ThereAlong, number) {
                self.shift(at);
            }
            self.sweep(Pass::ThereAlong, number, (self.images, [&[], &[]]))?;
            let Self { norms, notes, notes_len, notes_at, schedule, images, .. } = self;
            for &norm in &schedule.there_along[number].finished {
                let images = notes[..*images * *notes_len].chunks_exact(*notes_len);
                norms[norm].moved(images.map(|notes| &notes[notes_at.0[norm][1]..]));
            }
        }
        let mut along = std::mem::take(&mut self.logits_along);
        along.clear();
        match self.plan.logits_along {
            Some(value) => self.rows(value, self.images, &mut along),
            None => along.resize(self.logits.len(), T::zero()),
        }
        (self.logits_along, self.turned) = (along, true);
        Ok(&self.logits_along)
    }

    /// How all gradients move along the direction of [`Engine::forward_along`], from the `gradient` by the logits and
    /// how that moves, `along`. Costs three backward without gradients by weights. See [`Engine::curvature`].
    ///
    /// # Errors
    /// Numbers of another size than the logits, no [`Engine::backward`] since the last batch, no
    /// [`Engine::forward_along`] since that.
    pub fn backward_along(&mut self, gradient: &[T], along: &[T]) -> Result<()> {
        if !self.turned
            || !self.went_back
            || gradient.len() != self.logits.len()
            || along.len() != gradient.len()
        {
            let found = format!("{} and {}", gradient.len(), along.len());
            return Err(wrong(
                "gradients of the logits",
                &found,
                "as many as logits, behind backward and forward_along",
            ));
        }
        self.noted = Noted::Nothing;
        for number in 0..self.schedule.back_along.len() {
            self.sweep(Pass::BackAlong, number, (self.images, [gradient, along]))?;
            let Self { norms, notes, notes_len, notes_at, schedule, images, .. } = self;
            for &norm in &schedule.back_along[number].finished {
                let of = |which: usize| {
                    let images = notes[..*images * *notes_len].chunks_exact(*notes_len);
                    images.map(move |notes| &notes[which..])
                };
                norms[norm].back(of(notes_at.0[norm][0]));
                norms[norm].back_moved(notes_at.0[norm].map(of));
            }
        }
        self.noted = Noted::Along;
        Ok(())
    }

    /// `sum(weight * (H d))` of a convolution or linear layer, where `d` is the direction and `H` the second derivative
    /// of what was gone back from, by all those weights; 0 where no gradient flows. Nothing unless
    /// [`Engine::backward_along`] was the last way back.
    ///
    /// No second derivative by a weight is made. `sum(weight * gradient)` is, with `y = W x`, the sum of `y` times the
    /// gradient by `y`; this is how that moves, less `sum(d * gradient)`. Behind a batch norm that swallows the scale
    /// of the weight it is nearly `-sum(d * gradient)` alone.
    pub fn curvature(&self, layer: usize, direction: &[T]) -> Option<f64> {
        if self.noted != Noted::Along {
            return None;
        }
        let is = |along: bool| {
            let held = |conv: &super::plan::ConvPlan| conv.layer == layer && conv.along == along;
            self.plan.convs.iter().position(held)
        };
        let (Some(conv), Some(along)) = (is(false), is(true)) else { return Some(0.0) };
        let name = format!("{}.weight", self.network.layers()[layer].name);
        let Some(gradient) = self.gradient(&name) else { return Some(0.0) };
        let moved: f64 = self.channel_sums(conv, 1).iter().chain(&self.channel_sums(along, 1)).sum();
        // the result has its bias in it
        let bias = &self.convs[conv].bias;
        let constant: f64 = self.channel_sums(along, 0).iter().zip(bias).map(|(sum, bias)| sum * bias).sum();
        let dot: f64 = direction.iter().zip(gradient).map(|(d, g)| d.to_f64() * g.to_f64()).sum();
        Some(moved - constant - dot)
    }
}

fn wrong(setting: &'static str, found: &str, expected: &'static str) -> NetworkError {
    NetworkError::Setting { setting, found: found.into(), expected }
}
