use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The one kind of generator of the project: ChaCha with 8 rounds, the same numbers on every machine.
pub type Stream = ChaCha8Rng;

/// The root of all randomness of a run.
///
/// A seed is a key of ChaCha8; a purpose selects one of its 2^64 independent streams.
/// So adding a consumer of randomness never changes what another one draws, and the number of threads does
/// not matter as long as every piece of work names its own purpose.
///
/// ```
/// use nas_core::Seed;
/// let seed = Seed(7);
/// assert_eq!(seed.derive("weights"), seed.derive("weights"));
/// assert_ne!(seed.derive("weights"), seed.derive("dropout"));
/// assert_ne!(seed.nth("repeat", 0), seed.nth("repeat", 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of random numbers for `purpose`.
    pub fn stream(self, purpose: &str) -> Stream {
        let mut stream = Stream::seed_from_u64(self.0);
        stream.set_stream(fnv1a(purpose.as_bytes()));
        stream
    }

    /// A child seed for `purpose`, for work that derives streams of its own.
    pub fn derive(self, purpose: &str) -> Self {
        Self(self.stream(purpose).next_u64())
    }

    /// The child seed number `n` for `purpose`: one a repeat, a model, an architecture.
    pub fn nth(self, purpose: &str, n: u64) -> Self {
        let mut stream = self.derive(purpose).stream("nth");
        stream.set_word_pos(u128::from(n) * 2);
        Self(stream.next_u64())
    }
}

/// 64-bit FNV-1a (Fowler, Noll, Vo): a fixed map from names to stream numbers.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
