use nas_core::Stream;
use rand::RngExt;

const ROUNDS: usize = 8;

/// The numbers from 0 to `len - 1` in a random order, each once, without a list of them: the order is computed
/// place by place, so memory is constant whatever `len`.
///
/// A Feistel network of 8 rounds (Luby and Rackoff, 1988) over the next even power of two, walked along until it
/// is below `len` (Black and Rogaway, 2002): at most four steps on average. Its keys are drawn from the stream.
/// Good for sampling without repetition; no cipher, and not every one of the `len!` orders is possible.
///
/// ```
/// use nas_core::Seed;
/// use spaces::Shuffled;
/// let mut order: Vec<u64> = Shuffled::new(10, &mut Seed(0).stream("order")).collect();
/// order.sort();
/// assert_eq!(order, (0..10).collect::<Vec<_>>());
/// ```
#[derive(Debug, Clone)]
pub struct Shuffled {
    len: u64,
    next: u64,
    /// Bits of either half.
    half: u32,
    keys: [u64; ROUNDS],
}

impl Shuffled {
    /// An order of `0..len`.
    pub fn new(len: u64, rng: &mut Stream) -> Self {
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        Self { len, next: 0, half: bits.div_ceil(2).max(1), keys: std::array::from_fn(|_| rng.random()) }
    }

    fn step(&self, value: u64) -> u64 {
        let mask = (1 << self.half) - 1;
        let (mut left, mut right) = (value >> self.half, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ mixed(right ^ key) & mask);
        }
        left << self.half | right
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mixed(mut word: u64) -> u64 {
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

impl Iterator for Shuffled {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.next == self.len {
            return None;
        }
        let mut value = self.step(self.next);
        while value >= self.len {
            value = self.step(value);
        }
        self.next += 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.len - self.next);
        (left.unwrap_or(usize::MAX), left.ok())
    }
}
