use crate::SearchError;
use nas_core::{SearchSpace, Stream};
use rand::RngExt;
use rand::seq::SliceRandom;
use std::collections::BTreeSet;
use std::fmt;

/// How often a random architecture may turn out unusable before those that are left are listed.
const TRIES: usize = 200;

/// The same where they cannot be listed: then the search is over.
const TRIES_IN_VAIN: usize = 100_000;

/// What a strategy may ask for: a space, or a list of its architectures, and of either those that a condition
/// allows.
///
/// ```
/// use nas_core::Seed;
/// use search::Domain;
/// # use nas_core::{ParseArchError, SearchSpace, Stream};
/// # #[derive(Debug)]
/// # struct Numbers;
/// # impl SearchSpace for Numbers {
/// #     type Arch = u32;
/// #     fn name(&self) -> &str { "numbers" }
/// #     fn len(&self) -> Option<u64> { Some(100) }
/// #     fn sample(&self, rng: &mut Stream) -> u32 { rand::RngExt::random_range(rng, 0..100) }
/// #     fn mutate(&self, arch: &u32, _: &mut Stream) -> u32 { (arch + 1) % 100 }
/// #     fn neighbours(&self, arch: &u32) -> Vec<u32> { vec![(arch + 1) % 100, (arch + 99) % 100] }
/// #     fn parse(&self, text: &str) -> Result<u32, ParseArchError> {
/// #         text.parse().map_err(|_| ParseArchError::at("numbers", text, 0, "a number"))
/// #     }
/// #     fn enumerate(&self) -> Option<Box<dyn Iterator<Item = u32> + '_>> { Some(Box::new(0..100)) }
/// # }
/// // the even ones of a space of numbers
/// let even = |number: &u32| number % 2 == 0;
/// let domain = Domain::of(&Numbers).only(&even);
/// let some = domain.sample(50, &mut Seed(0).stream("example"))?;
/// assert_eq!(some.iter().collect::<std::collections::BTreeSet<_>>().len(), 50);
/// assert!(domain.sample(51, &mut Seed(0).stream("example")).is_err());
/// let small = |number: &u32| *number < 10;
/// assert_eq!(domain.only(&small).enumerate(), Some(vec![0, 2, 4, 6, 8]));
/// # Ok::<(), search::SearchError>(())
/// ```
pub struct Domain<'a, S: SearchSpace> {
    space: &'a S,
    list: Option<List<S::Arch>>,
    /// All must be met.
    conditions: Vec<Condition<'a, S::Arch>>,
}

/// Architectures as they were given, and sorted.
#[derive(Debug, Clone)]
struct List<A> {
    archs: Vec<A>,
    sorted: Vec<A>,
}

/// Whether an architecture may be asked for.
type Condition<'a, A> = &'a (dyn Fn(&A) -> bool + Sync);

impl<S: SearchSpace> fmt::Debug for Domain<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = self.list.as_ref().map(|list| list.archs.len());
        let (space, conditions) = (self.space.name(), self.conditions.len());
        f.debug_struct("Domain")
            .field("space", &space)
            .field("listed", &listed)
            .field("conditions", &conditions)
            .finish()
    }
}

impl<S: SearchSpace> Clone for Domain<'_, S> {
    fn clone(&self) -> Self {
        Self { space: self.space, list: self.list.clone(), conditions: self.conditions.clone() }
    }
}

impl<'a, S: SearchSpace> Domain<'a, S> {
    /// All of a space.
    pub fn of(space: &'a S) -> Self {
        Self { space, list: None, conditions: Vec::new() }
    }

    /// These architectures of a space, which must be distinct: those of a table, or those within a limit.
    pub fn listed(space: &'a S, archs: Vec<S::Arch>) -> Self {
        let mut sorted = archs.clone();
        sorted.sort_unstable();
        Self { space, list: Some(List { archs, sorted }), conditions: Vec::new() }
    }

    /// Those of them that meet a condition, for instance a predicted latency within a limit.
    #[must_use]
    pub fn only(mut self, condition: &'a (dyn Fn(&S::Arch) -> bool + Sync)) -> Self {
        self.conditions.push(condition);
        self
    }

    fn allows(&self, arch: &S::Arch) -> bool {
        self.conditions.iter().all(|condition| condition(arch))
    }

    /// The space.
    pub fn space(&self) -> &'a S {
        self.space
    }

    /// How many there are, where that is known without trying a condition, which may make them fewer.
    pub(crate) fn len(&self) -> Option<usize> {
        match &self.list {
            Some(list) => Some(list.archs.len()),
            None => usize::try_from(self.space.len()?).ok(),
        }
    }

    /// Whether an architecture may be asked for. O(log n) of a list.
    pub fn holds(&self, arch: &S::Arch) -> bool {
        self.list.as_ref().is_none_or(|list| list.sorted.binary_search(arch).is_ok()) && self.allows(arch)
    }

    /// All of them in a fixed order, where they can be listed.
    pub fn enumerate(&self) -> Option<Vec<S::Arch>> {
        let all = match &self.list {
            Some(list) => list.archs.clone(),
            None => self.space.enumerate()?.collect(),
        };
        Some(all.into_iter().filter(|arch| self.allows(arch)).collect())
    }

    /// The list in a random order, the first last; none where there is no list.
    pub(crate) fn shuffled(&self, rng: &mut Stream) -> Option<Vec<S::Arch>> {
        let mut order = self.list.as_ref()?.archs.clone();
        order.shuffle(rng);
        order.reverse();
        Some(order)
    }

    /// So many distinct ones at random. O(n log n) of the space where it can be listed, else of `count`.
    ///
    /// # Errors
    /// [`SearchError::TooFew`] where there are not so many, or where they are not found.
    pub fn sample(&self, count: usize, rng: &mut Stream) -> Result<Vec<S::Arch>, SearchError> {
        let too_few = |there| SearchError::TooFew { wanted: count, purpose: "to choose from", there };
        if let Some(mut all) = self.enumerate() {
            if all.len() < count {
                return Err(too_few(all.len()));
            }
            all.shuffle(rng);
            all.truncate(count);
            return Ok(all);
        }
        let mut unseen = Unseen::new(self.clone());
        let mut some = Vec::with_capacity(count.min(1 << 20));
        while some.len() < count {
            match unseen.draw(rng) {
                Some(arch) => {
                    unseen.take(&arch);
                    some.push(arch);
                }
                None => return Err(too_few(some.len())),
            }
        }
        Ok(some)
    }
}

/// A domain without what was asked for already.
#[derive(Debug)]
pub(crate) struct Unseen<'a, S: SearchSpace> {
    domain: Domain<'a, S>,
    seen: BTreeSet<S::Arch>,
    /// What was left when it was last listed.
    left: Option<Vec<S::Arch>>,
}

impl<'a, S: SearchSpace> Unseen<'a, S> {
    pub(crate) fn new(domain: Domain<'a, S>) -> Self {
        Self { domain, seen: BTreeSet::new(), left: None }
    }

    pub(crate) fn space(&self) -> &'a S {
        self.domain.space
    }

    /// Whether it may still be asked for.
    pub(crate) fn holds(&self, arch: &S::Arch) -> bool {
        !self.seen.contains(arch) && self.domain.holds(arch)
    }

    /// It is asked for.
    pub(crate) fn take(&mut self, arch: &S::Arch) {
        self.seen.insert(arch.clone());
    }

    /// A random one that may still be asked for; none where none is left. A few draws, or O(n log n) once they
    /// are used up to a small part.
    pub(crate) fn draw(&mut self, rng: &mut Stream) -> Option<S::Arch> {
        for _ in 0..TRIES {
            let arch = match (&self.left, &self.domain.list) {
                (Some(some), _) => some.get(rng.random_range(0..some.len().max(1)))?.clone(),
                (None, Some(list)) => list.archs.get(rng.random_range(0..list.archs.len().max(1)))?.clone(),
                (None, None) => self.domain.space.sample(rng),
            };
            if self.holds(&arch) {
                return Some(arch);
            }
        }
        match self.domain.enumerate() {
            Some(all) => {
                let left: Vec<S::Arch> = all.into_iter().filter(|arch| !self.seen.contains(arch)).collect();
                let drawn = left.get(rng.random_range(0..left.len().max(1))).cloned();
                self.left = Some(left);
                drawn
            }
            None => {
                let mut tries = (0..TRIES_IN_VAIN).map(|_| self.domain.space.sample(rng));
                tries.find(|arch| self.holds(arch))
            }
        }
    }

    /// An unseen one some edits away from `arch`; any other where the neighbourhood is used up.
    pub(crate) fn near(&mut self, arch: &S::Arch, rng: &mut Stream) -> Option<S::Arch> {
        let mut at = arch.clone();
        for step in 1..=TRIES {
            let next = self.domain.space.mutate(&at, rng);
            if self.holds(&next) {
                return Some(next);
            }
            // tries of one edit first, then a walk
            if step > TRIES / 2 {
                at = next;
            }
        }
        self.draw(rng)
    }
}
