/// Scores architectures without training them: a zero-cost proxy, a column of a table, a cost.
///
/// A score has no unit, and larger is better. Any function from an architecture to a number is a scorer; where it
/// gives NaN, the architecture has no score.
///
/// ```
/// use nas_core::Scorer;
/// let length = |text: &&str| text.len() as f64;
/// assert_eq!(length.scores(&["a", "abc"]), [Ok(1.0), Ok(3.0)]);
/// ```
pub trait Scorer<A> {
    /// One score an architecture, in their order; score `i` depends on `archs[i]` alone. Where there is none, the
    /// text says why: the others are scored all the same.
    fn scores(&self, archs: &[A]) -> Vec<Result<f64, String>>;
}

impl<A, F: Fn(&A) -> f64> Scorer<A> for F {
    fn scores(&self, archs: &[A]) -> Vec<Result<f64, String>> {
        archs.iter().map(|arch| Ok(self(arch))).collect()
    }
}
