//! One image's memory, opened at the value that is written.

use super::schedule::Place;
use cpu_ops::BLOCK;

/// What an image keeps, and what the thread lends it.
#[derive(Debug)]
pub(super) struct Memory<'a, T> {
    pub(super) kept: &'a mut [[T; BLOCK]],
    pub(super) scratch: &'a mut [[T; BLOCK]],
}

/// Everything but what is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest<'a, T> {
    kept: Around<'a, T>,
    scratch: Around<'a, T>,
}

/// A slice with a hole in it.
#[derive(Debug, Clone, Copy)]
struct Around<'a, T> {
    before: &'a [[T; BLOCK]],
    after: &'a [[T; BLOCK]],
    /// Where `after` starts.
    from: usize,
}

impl<'a, T> Around<'a, T> {
    fn whole(all: &'a [[T; BLOCK]]) -> Self {
        Self { before: all, after: &[], from: all.len() }
    }

    fn read(&self, Place { start, len, .. }: Place) -> &'a [[T; BLOCK]] {
        if start < self.from {
            &self.before[start..start + len]
        } else {
            &self.after[start - self.from..][..len]
        }
    }
}

impl<T> Rest<'_, T> {
    pub(super) fn read(&self, place: Place) -> &[[T; BLOCK]] {
        if place.kept { self.kept.read(place) } else { self.scratch.read(place) }
    }
}

impl<T> Memory<'_, T> {
    /// What is written, and all else.
    pub(super) fn open(&mut self, place: Place) -> (&mut [[T; BLOCK]], Rest<'_, T>) {
        let Place { kept, start, len } = place;
        let (opened, whole) =
            if kept { (&mut *self.kept, &*self.scratch) } else { (&mut *self.scratch, &*self.kept) };
        let (before, rest) = opened.split_at_mut(start);
        let (target, after) = rest.split_at_mut(len);
        let holed = Around { before, after, from: start + len };
        let whole = Around::whole(whole);
        let (kept, scratch) = if kept { (holed, whole) } else { (whole, holed) };
        (target, Rest { kept, scratch })
    }

    pub(super) fn read(&self, place: Place) -> &[[T; BLOCK]] {
        let held = if place.kept { &*self.kept } else { &*self.scratch };
        &held[place.start..place.start + place.len]
    }
}
