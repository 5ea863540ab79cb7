//! Steps on all images, part by part.

use super::Engine;
use super::run::{Image, Shared, Workspace};
use super::schedule::Sweep;
use crate::error::Result;
use cpu_ops::blocked::Real;
use cpu_ops::{BLOCK, InstructionSet};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::PoisonError;

/// Into how many parts a batch is cut, whatever the number of threads, so that sums over parts are always the same.
const PARTS: usize = 8;

/// The images of every part, all but the last as many.
pub(super) fn parts(count: usize) -> Vec<Range<usize>> {
    let size = count.div_ceil(PARTS).max(1);
    (0..count).step_by(size).map(|start| start..(start + size).min(count)).collect()
}

/// Which steps are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    There,
    /// With or without gradients by parameters.
    Back(bool),
    ThereAlong,
    BackAlong,
}

impl<T: Real> Engine<T> {
    pub(super) fn sweeps(&self, pass: Pass) -> &[Sweep] {
        match pass {
            Pass::There => &self.schedule.there,
            Pass::Back(_) => &self.schedule.back,
            Pass::ThereAlong => &self.schedule.there_along,
            Pass::BackAlong => &self.schedule.back_along,
        }
    }

    /// Takes all images through a sweep, in parts, each on one thread.
    pub(super) fn sweep(
        &mut self,
        pass: Pass,
        number: usize,
        (count, outside): (usize, [&[T]; 2]),
    ) -> Result<()> {
        // taken out, so that all else can be shared meanwhile
        let (mut kept, mut notes, mut sums) =
            (std::mem::take(&mut self.kept), std::mem::take(&mut self.notes), std::mem::take(&mut self.sums));
        let done = self.shared_sweep(pass, number, (count, outside), (&mut kept, &mut notes, &mut sums));
        (self.kept, self.notes, self.sums) = (kept, notes, sums);
        done
    }

    fn shared_sweep(
        &self,
        pass: Pass,
        number: usize,
        (count, outside): (usize, [&[T]; 2]),
        (kept, notes, sums): (&mut [[T; BLOCK]], &mut [[f64; 2]], &mut [T]),
    ) -> Result<()> {
        let none = (Vec::new(), 0);
        let sweep = &self.sweeps(pass)[number];
        let (sums_at, sums_len) = if let Pass::Back(_) = pass { &self.sums_at[number] } else { &none };
        let parameters = pass == Pass::Back(true);
        let shared = Shared {
            plan: &self.plan,
            places: &self.schedule.places,
            convs: &self.convs,
            norms: &self.norms,
            shifts: &self.shifts,
            notes: (&self.notes_at.0, &self.notes_at.1),
            sums: sums_at,
            zeros: &self.zeros,
            outside,
            parameters,
        };
        let (pitch, notes_len) = (self.schedule.kept.max(1), self.notes_len);
        let parts = parts(count);
        let size = parts.first().map_or(1, Range::len);
        // what was chosen for this thread holds for all that it calls
        let set = InstructionSet::current();
        let part = |number: usize, kept: &mut [[T; BLOCK]], notes: &mut [[f64; 2]], sums: &mut [T]| {
            let lent = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut work = lent.unwrap_or_else(|| self.workspace());
            sums.fill(T::zero());
            let images = kept.chunks_exact_mut(pitch).zip(notes.chunks_exact_mut(notes_len));
            let done = images.enumerate().try_for_each(|(at, (kept, notes))| {
                let image = Image { number: number * size + at, kept, notes, sums };
                set.run(|| shared.image(sweep, image, &mut work))
            });
            self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).push(work);
            done
        };
        let (kept, notes) = (&mut kept[..count * pitch], &mut notes[..count * notes_len]);
        if *sums_len == 0 || !parameters {
            let chunks = (size * pitch, size * notes_len);
            return if rayon::current_num_threads() == 1 || parts.len() == 1 {
                let both = kept.chunks_mut(chunks.0).zip(notes.chunks_mut(chunks.1));
                both.enumerate().try_for_each(|(number, (kept, notes))| part(number, kept, notes, &mut []))
            } else {
                let both = kept.par_chunks_mut(chunks.0).zip(notes.par_chunks_mut(chunks.1));
                both.enumerate().try_for_each(|(number, (kept, notes))| part(number, kept, notes, &mut []))
            };
        }
        let sums = &mut sums[..parts.len() * sums_len];
        let chunks = (size * pitch, size * notes_len);
        if rayon::current_num_threads() == 1 || parts.len() == 1 {
            let all =
                kept.chunks_mut(chunks.0).zip(notes.chunks_mut(chunks.1)).zip(sums.chunks_mut(*sums_len));
            all.enumerate().try_for_each(|(number, ((kept, notes), sums))| part(number, kept, notes, sums))
        } else {
            let both = kept.par_chunks_mut(chunks.0).zip(notes.par_chunks_mut(chunks.1));
            let all = both.zip(sums.par_chunks_mut(*sums_len));
            all.enumerate().try_for_each(|(number, ((kept, notes), sums))| part(number, kept, notes, sums))
        }
    }

    fn workspace(&self) -> Workspace<T> {
        let scratch = |at: usize| {
            let kind = self.keys[at].1;
            let owner = self.convs.iter().find(|conv| conv.scratch_places()[kind] == at);
            owner.and_then(|conv| conv.scratch(kind))
        };
        Workspace {
            memory: vec![[T::zero(); BLOCK]; self.schedule.scratch],
            scratches: (0..self.keys.len()).filter_map(scratch).collect(),
        }
    }
}
