use super::matrix::{INNER, MAX_VERTICES, Matrix};
use super::{Draft, NasBench101, Operation, Spec};
use nas_core::Decisions;

/// The edges that a graph of 7 vertices may have.
const EDGES: usize = MAX_VERTICES * (MAX_VERTICES - 1) / 2;

/// Of a graph of 7 vertices, as the benchmark's generator and its published searches draw it: whether each of the 21
/// edges is there, by target, then by source; then the operation of each vertex between input and output. What lies on
/// no path is dropped, so many choices make the same spec, which is its [representative](Spec::representative); those
/// without a path, or with more than 9 edges left, make none.
///
/// The choices of a spec of fewer vertices are those of its graph with vertices of 3x3 convolutions before the output
/// that have no edges.
impl Decisions for NasBench101 {
    fn decisions(&self) -> Vec<usize> {
        [[2; EDGES].as_slice(), &[Operation::ALL.len(); INNER]].concat()
    }

    fn choices_of(&self, spec: &Spec) -> Vec<usize> {
        let output = spec.vertices() - 1;
        let mut matrix = Matrix::empty(MAX_VERTICES);
        for (from, to) in spec.edges() {
            matrix.flip(from, if to == output { MAX_VERTICES - 1 } else { to });
        }
        let mut operations = [Operation::Conv3x3; INNER];
        operations.iter_mut().zip(spec.operations()).for_each(|(own, op)| *own = *op);
        let edges = (0..EDGES).map(|edge| (matrix.bits() >> edge & 1) as usize);
        edges.chain(operations.map(Operation::number)).collect()
    }

    fn arch_of(&self, choices: &[usize]) -> Option<Spec> {
        let (edges, operations) = choices.split_at_checked(EDGES)?;
        let numbers: [usize; INNER] = operations.try_into().ok()?;
        if edges.iter().any(|&there| there > 1) || numbers.iter().any(|&op| op >= Operation::ALL.len()) {
            return None;
        }
        let bits = (0..).zip(edges).fold(0, |bits, (edge, &there)| bits | (there as u32) << edge);
        let operations = numbers.map(|number| Operation::ALL[number]);
        let draft = Draft::of(Matrix::from_bits(MAX_VERTICES, bits), operations);
        draft.prune().ok().map(Spec::representative)
    }
}
