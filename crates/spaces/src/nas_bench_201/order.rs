//! The order of the published tables: a list shuffled by CPython's generator with a fixed seed.

use super::LEN;
use std::sync::LazyLock;

/// The seed of NAS-Bench-201's `generate_meta_info` and NATS-Bench's `traverse_net`.
const SEED: u32 = 88;

struct Order {
    codes: Vec<u16>,
    indices: Vec<u16>,
}

static ORDER: LazyLock<Order> = LazyLock::new(|| {
    let mut codes: Vec<u16> = (0..LEN).collect();
    let mut random = MersenneTwister::new(SEED);
    for last in (1..codes.len()).rev() {
        codes.swap(last, random.below(last as u32 + 1) as usize);
    }
    let mut indices = vec![0; codes.len()];
    (0..LEN).zip(&codes).for_each(|(index, &code)| indices[usize::from(code)] = index);
    Order { codes, indices }
});

/// The lexicographic place of each cell, by index.
pub(super) fn codes() -> &'static [u16] {
    &ORDER.codes
}

/// The index of the cell at a lexicographic place below 15,625.
pub(super) fn index(code: u16) -> usize {
    usize::from(ORDER.indices[usize::from(code)])
}

const N: usize = 624;

/// MT19937 (Matsumoto and Nishimura, 1998), seeded and read as CPython's `random` does.
struct MersenneTwister {
    state: [u32; N],
    at: usize,
}

impl MersenneTwister {
    /// `init_by_array` with one word.
    fn new(seed: u32) -> Self {
        let mut state = [0_u32; N];
        state[0] = 19_650_218;
        for i in 1..N {
            state[i] = mixed(state[i - 1]).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        let mut i = 1;
        for _ in 0..N {
            state[i] = (state[i] ^ mixed(state[i - 1]).wrapping_mul(1_664_525)).wrapping_add(seed);
            i = advance(&mut state, i);
        }
        for _ in 1..N {
            state[i] = (state[i] ^ mixed(state[i - 1]).wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i = advance(&mut state, i);
        }
        state[0] = 0x8000_0000;
        Self { state, at: N }
    }

    fn next(&mut self) -> u32 {
        if self.at == N {
            for i in 0..N {
                let y = self.state[i] & 0x8000_0000 | self.state[(i + 1) % N] & 0x7fff_ffff;
                let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % N] ^ y >> 1 ^ twist;
            }
            self.at = 0;
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    /// `random._randbelow` for a positive bound: as many bits as the bound has, again until they are below.
    fn below(&mut self, bound: u32) -> u32 {
        loop {
            let drawn = self.next() >> bound.leading_zeros();
            if drawn < bound {
                return drawn;
            }
        }
    }
}

fn mixed(word: u32) -> u32 {
    word ^ word >> 30
}

/// The next place of seeding, which wraps around over place 0.
fn advance(state: &mut [u32; N], i: usize) -> usize {
    if i + 1 < N {
        return i + 1;
    }
    state[0] = state[N - 1];
    1
}
