//! Steps on images.

use super::convs::Conv;
use super::memory::{Memory, Rest};
use super::norms::{Norm, Vectors};
use super::plan::Plan;
use super::schedule::{Place, Sweep};
use super::steps::{Factor, Moving, Shift, Step, Sums, Value};
use crate::error::Result;
use cpu_ops::BLOCK;
use cpu_ops::blocked::{
    ImagePool, Real, Scratch, Term, cap, cap_mask, combine, copy_channels, crop, crop_gradient, image_mean,
    image_mean_gradient, mask, moments, products, to_blocked,
};

/// Where a ReLU6 is capped.
const CAP: f64 = 6.0;

/// What all images share.
#[derive(Debug)]
pub(super) struct Shared<'a, T> {
    pub(super) plan: &'a Plan,
    pub(super) places: &'a [Place],
    pub(super) convs: &'a [Conv<T>],
    pub(super) norms: &'a [Norm<T>],
    pub(super) shifts: &'a [Vectors<T>],
    /// Where in an image's notes a norm and a convolution write.
    pub(super) notes: (&'a [[usize; 3]], &'a [usize]),
    /// Where in the sums of a part a convolution adds.
    pub(super) sums: &'a [usize],
    /// The mean of nothing.
    pub(super) zeros: &'a [[T; BLOCK]],
    /// What is read of outside: images, or gradients by the logits and how they move.
    pub(super) outside: [&'a [T]; 2],
    /// Whether gradients by parameters are wanted this time.
    pub(super) parameters: bool,
}

/// What a thread works in.
#[derive(Debug)]
pub(super) struct Workspace<T> {
    pub(super) memory: Vec<[T; BLOCK]>,
    pub(super) scratches: Vec<Scratch<T>>,
}

/// What belongs to an image.
#[derive(Debug)]
pub(super) struct Image<'a, T> {
    pub(super) number: usize,
    pub(super) kept: &'a mut [[T; BLOCK]],
    pub(super) notes: &'a mut [[f64; 2]],
    pub(super) sums: &'a mut [T],
}

impl<T: Real> Shared<'_, T> {
    fn note<'n>(&self, notes: &'n mut [[f64; 2]], at: usize, value: Value) -> &'n mut [[f64; 2]] {
        &mut notes[at..at + self.plan.values[value].blocks() * BLOCK]
    }

    /// All steps of a sweep on one image.
    pub(super) fn image(&self, sweep: &Sweep, image: Image<'_, T>, work: &mut Workspace<T>) -> Result<()> {
        let Image { number, kept, notes, sums } = image;
        let mut memory = Memory { kept, scratch: &mut work.memory };
        let scratches = &mut work.scratches;
        let place = |value: Value| self.places[value];
        for (step, adds) in &sweep.steps {
            let shape = |value: Value| self.plan.values[value];
            match *step {
                Step::Load { to } | Step::Seed { to } | Step::SeedAlong { to } => {
                    let outside = self.outside[usize::from(matches!(step, Step::SeedAlong { .. }))];
                    let channels = shape(to).channels;
                    let size = channels * shape(to).plane();
                    let (target, _) = memory.open(place(to));
                    to_blocked(&outside[number * size..][..size], channels, target)?;
                }
                Step::Convolve { conv, from, to } => {
                    let (target, rest) = memory.open(place(to));
                    self.convs[conv].run(false, rest.read(place(from)), target, *adds, scratches)?;
                }
                Step::InputGradient { conv, grad, to } => {
                    let (target, rest) = memory.open(place(to));
                    self.convs[conv].run(true, rest.read(place(grad)), target, *adds, scratches)?;
                }
                Step::WeightGradient { conv, from, grad } => {
                    if self.parameters {
                        let (from, grad) = (memory.read(place(from)), memory.read(place(grad)));
                        let sums = &mut sums[self.sums[conv]..][..self.convs[conv].sums()];
                        self.convs[conv].add(from, grad, sums, scratches)?;
                    }
                }
                Step::Combine { ref terms, shift, relu, to } => {
                    let (target, rest) = memory.open(place(to));
                    self.combine(terms, shift, shape(to).plane(), (relu, *adds), (target, rest))?;
                }
                Step::Measure { norm, of } => {
                    let note = self.note(notes, self.notes.0[norm][0], of);
                    moments(memory.read(place(of)), shape(of).plane(), note)?;
                }
                Step::Products { norm, sums, grad, of } => {
                    let note = self.note(notes, self.notes.0[norm][sums as usize], of);
                    let (grad, image) = (memory.read(place(grad)), memory.read(place(of)));
                    let from = match sums {
                        Sums::Gradient | Sums::Along => &self.norms[norm].from[..],
                        Sums::Cross => &self.zeros[..shape(of).blocks()],
                    };
                    products(grad, image, from, shape(of).plane(), note)?;
                }
                Step::Channels { conv, of, grad } => {
                    let (plane, blocks) = (shape(of).plane(), shape(of).blocks());
                    let note = self.note(notes, self.notes.1[conv], of);
                    let (grad, image) = (memory.read(place(grad)), memory.read(place(of)));
                    products(grad, image, &self.zeros[..blocks], plane, note)?;
                }
                Step::Pool { pool, from, to } => {
                    let (target, rest) = memory.open(place(to));
                    self.pool(pool).run(rest.read(place(from)), target)?;
                }
                Step::PoolGradient { pool, image, grad, to } => {
                    let (target, rest) = memory.open(place(to));
                    let (image, grad) = (rest.read(place(image)), rest.read(place(grad)));
                    self.pool(pool).gradient(image, grad, target, *adds)?;
                }
                Step::PoolAlong { pool, image, along, to } => {
                    let (target, rest) = memory.open(place(to));
                    let (image, along) = (rest.read(place(image)), rest.read(place(along)));
                    self.pool(pool).tangent(image, along, target)?;
                }
                Step::Copy { from: (from, first), to: (to, at), channels } => {
                    let plane = shape(to).plane();
                    let (target, rest) = memory.open(place(to));
                    if !adds {
                        target.fill([T::zero(); BLOCK]);
                    }
                    copy_channels((rest.read(place(from)), first), (target, at), channels, plane, true)?;
                }
                Step::Crop { from, to, first } => {
                    let (target, rest) = memory.open(place(to));
                    crop(rest.read(place(from)), shape(from).size, first, target)?;
                }
                Step::CropGradient { grad, to, first } => {
                    let (target, rest) = memory.open(place(to));
                    crop_gradient(rest.read(place(grad)), target, shape(to).size, first, *adds)?;
                }
                Step::Cap { to } => cap(CAP, memory.open(place(to)).0),
                Step::CapMask { gate, grad } => {
                    let (target, rest) = memory.open(place(grad));
                    cap_mask(CAP, rest.read(place(gate)), target)?;
                }
                Step::Mean { from, to } => {
                    let (target, rest) = memory.open(place(to));
                    image_mean(rest.read(place(from)), target)?;
                }
                Step::MeanGradient { grad, to } => {
                    let (target, rest) = memory.open(place(to));
                    image_mean_gradient(rest.read(place(grad)), target, *adds)?;
                }
                Step::Mask { gate, grad } => {
                    let (target, rest) = memory.open(place(grad));
                    mask(rest.read(place(gate)), target)?;
                }
            }
        }
        Ok(())
    }

    fn pool(&self, pool: usize) -> &ImagePool {
        &self.plan.pools[pool]
    }

    fn combine(
        &self,
        terms: &[(Value, Factor)],
        shift: Shift,
        plane: usize,
        (relu, adds): (bool, bool),
        (target, rest): (&mut [[T; BLOCK]], Rest<'_, T>),
    ) -> Result<()> {
        /// Summands that are handed over at a time.
        const MOST: usize = 8;
        let mut shift = match shift {
            Shift::None => None,
            Shift::Sum(at) => Some(&self.shifts[at][..]),
            Shift::Back(norm) => Some(&self.norms[norm].back[2][..]),
            Shift::BackAlong(norm) => Some(&self.norms[norm].back_along[2][..]),
        };
        let mut adds = adds;
        let mut left = terms;
        loop {
            let (now, later) = left.split_at(left.len().min(MOST));
            let mut held = [Term { image: &[][..], scale: None }; MOST];
            for (held, &(value, factor)) in held.iter_mut().zip(now) {
                let scale = match factor {
                    Factor::One => None,
                    Factor::Norm(norm) => Some(&self.norms[norm].scale[..]),
                    Factor::BackGrad(norm) => Some(&self.norms[norm].back[0][..]),
                    Factor::BackInput(norm) => Some(&self.norms[norm].back[1][..]),
                    Factor::Along(Moving::Norm, norm) => Some(&self.norms[norm].scale_along[..]),
                    Factor::Along(Moving::BackGrad, norm) => Some(&self.norms[norm].back_along[0][..]),
                    Factor::Along(Moving::BackInput, norm) => Some(&self.norms[norm].back_along[1][..]),
                };
                *held = Term { image: rest.read(self.places[value]), scale };
            }
            combine(&held[..now.len()], shift.take(), plane, (relu && later.is_empty(), adds), target)?;
            if later.is_empty() {
                return Ok(());
            }
            (left, adds) = (later, true);
        }
    }
}
