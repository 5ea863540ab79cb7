use nas_core::Seed;
use rand::RngExt;

/// Numbers that the input of a network may have.
pub const MOST_INPUTS: usize = 1 << 28;

/// Inputs that take turns, so that nothing is measured that depends on one of them.
#[derive(Debug)]
pub(crate) struct Inputs {
    inputs: Vec<Vec<f32>>,
    next: usize,
}

impl Inputs {
    /// Noise of this shape, whose sizes a file may say.
    pub(crate) fn of(shape: &[usize], seed: Seed) -> Result<Self, String> {
        let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
        match count.filter(|count| *count <= MOST_INPUTS) {
            Some(count) => Ok(Self::noise(count, seed)),
            None => Err(format!("its input is {shape:?}; at most {MOST_INPUTS} numbers are expected")),
        }
    }

    /// Noise of so many numbers.
    pub(crate) fn noise(len: usize, seed: Seed) -> Self {
        const TURNS: usize = 4;
        let mut stream = seed.stream("inputs");
        let mut one = || (0..len).map(|_| stream.random_range(-1.0..1.0)).collect();
        Self { inputs: (0..TURNS).map(|_| one()).collect(), next: 0 }
    }

    pub(crate) fn next(&mut self) -> &[f32] {
        self.next = (self.next + 1) % self.inputs.len();
        &self.inputs[self.next]
    }
}
