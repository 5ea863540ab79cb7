//! A space in the words of a table.

use nas_core::{Decisions, ParseArchError, SearchSpace, Stream};
use std::collections::BTreeMap;

/// A space that gives the rows of a table as these are written, which may be otherwise than the space writes them: in
/// another numbering of vertices, another order of inputs, or as the first of a class. So edits and policies find them.
pub(super) struct InWords<'a, S: SearchSpace> {
    space: &'a S,
    /// Rows that are not their own key, by their key; nothing where no rows are listed.
    rows: Option<BTreeMap<S::Arch, S::Arch>>,
    /// Equal for what is one row, in whatever words.
    key: &'a dyn Fn(&S::Arch) -> S::Arch,
}

impl<'a, S: SearchSpace> InWords<'a, S> {
    pub(super) fn new(space: &'a S, rows: Option<&[S::Arch]>, key: &'a dyn Fn(&S::Arch) -> S::Arch) -> Self {
        let otherwise = |rows: &[S::Arch]| {
            let keys = rows.iter().map(|row| (key(row), row)).filter(|(key, row)| key != *row);
            keys.map(|(key, row)| (key, row.clone())).collect()
        };
        Self { space, rows: rows.map(otherwise), key }
    }

    fn word(&self, arch: S::Arch) -> S::Arch {
        let Some(rows) = &self.rows else { return arch };
        let key = (self.key)(&arch);
        rows.get(&key).cloned().unwrap_or(key)
    }
}

impl<S: SearchSpace> SearchSpace for InWords<'_, S> {
    type Arch = S::Arch;

    fn name(&self) -> &str {
        self.space.name()
    }

    fn len(&self) -> Option<u64> {
        self.space.len()
    }

    fn sample(&self, rng: &mut Stream) -> S::Arch {
        self.word(self.space.sample(rng))
    }

    fn mutate(&self, arch: &S::Arch, rng: &mut Stream) -> S::Arch {
        self.word(self.space.mutate(arch, rng))
    }

    fn neighbours(&self, arch: &S::Arch) -> Vec<S::Arch> {
        self.space.neighbours(arch).into_iter().map(|next| self.word(next)).collect()
    }

    fn parse(&self, text: &str) -> Result<S::Arch, ParseArchError> {
        self.space.parse(text)
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = S::Arch> + '_>> {
        Some(Box::new(self.space.enumerate()?.map(|arch| self.word(arch))))
    }
}

impl<S: Decisions> Decisions for InWords<'_, S> {
    fn decisions(&self) -> Vec<usize> {
        self.space.decisions()
    }

    fn choices_of(&self, arch: &S::Arch) -> Vec<usize> {
        match &self.rows {
            Some(_) => self.space.choices_of(&(self.key)(arch)),
            None => self.space.choices_of(arch),
        }
    }

    fn arch_of(&self, choices: &[usize]) -> Option<S::Arch> {
        self.space.arch_of(choices).map(|arch| self.word(arch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nas_core::Seed;
    use spaces::NasBench101;
    use spaces::nas_bench_101::{Draft, Spec};

    #[test]
    fn rows_in_another_numbering_are_found() {
        let mut rng = Seed(0).stream("test");
        let drawn = (0..300).map(|_| Draft::sample(&mut rng).prune().unwrap());
        let rows: BTreeMap<Spec, Spec> = drawn.map(|spec| (spec.representative(), spec)).collect();
        let otherwise = rows.iter().filter(|(key, row)| key != row).count();
        assert!(otherwise > 20 && otherwise < rows.len(), "{otherwise}");
        let key = |spec: &Spec| spec.representative();
        let all: Vec<Spec> = rows.values().copied().collect();
        let space = InWords::new(&NasBench101, Some(&all), &key);
        for row in &all {
            assert_eq!(space.arch_of(&space.choices_of(row)), Some(*row));
            // edits lead there and back
            for near in NasBench101.neighbours(row).iter().take(5) {
                assert!(space.neighbours(near).contains(row), "{near} does not lead to {row}");
            }
        }
        // what is no row is as the space writes it
        let mut once = Seed(1).stream("edits");
        let mut again = Seed(1).stream("edits");
        let child = space.mutate(&all[0], &mut once);
        assert_eq!(child.representative(), NasBench101.mutate(&all[0], &mut again));
    }
}
