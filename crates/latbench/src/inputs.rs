use nas_core::Seed;
use rand::RngExt;

/// Inputs that take turns, so that nothing is measured that depends on one of them.
#[derive(Debug)]
pub(crate) struct Inputs {
    inputs: Vec<Vec<f32>>,
    next: usize,
}

impl Inputs {
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
