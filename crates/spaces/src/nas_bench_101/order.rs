//! The order in which the authors generate graphs, and with it the one of isomorphic graphs that stands for all.

use super::matrix::{INNER, MAX_EDGES, MAX_VERTICES, Matrix};
use super::{Operation, Spec};
use std::sync::LazyLock;

/// Where each inner vertex goes; by the number of inner vertices, the identity first.
static NUMBERINGS: LazyLock<[Vec<[u8; INNER]>; INNER + 1]> = LazyLock::new(|| {
    std::array::from_fn(|inner| {
        let mut all: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..inner {
            let longer = |list: &Vec<u8>| -> Vec<Vec<u8>> {
                let free = (0..inner as u8).filter(|at| !list.contains(at));
                free.map(|at| list.iter().copied().chain([at]).collect()).collect()
            };
            all = all.iter().flat_map(longer).collect();
        }
        let padded = |list: Vec<u8>| {
            let mut numbers = [0; INNER];
            numbers[..list.len()].copy_from_slice(&list);
            numbers
        };
        all.into_iter().map(padded).collect()
    })
});

/// The matrix under another numbering of the inner vertices, where its edges still go upwards.
fn renumbered(vertices: usize, edges: &[(usize, usize)], numbers: &[u8; INNER]) -> Option<Matrix> {
    let place = |vertex: usize| match vertex {
        0 => 0,
        inner if inner < vertices - 1 => usize::from(numbers[inner - 1]) + 1,
        _ => vertices - 1,
    };
    let mut matrix = Matrix::empty(vertices);
    for &(from, to) in edges {
        let (from, to) = (place(from), place(to));
        if from >= to {
            return None;
        }
        matrix.flip(from, to);
    }
    Some(matrix)
}

fn moved(ops: &[Operation], numbers: &[u8; INNER]) -> [Operation; INNER] {
    let mut places = [Operation::Conv3x3; INNER];
    ops.iter().zip(numbers).for_each(|(op, at)| places[usize::from(*at)] = *op);
    places
}

/// The first of the isomorphic specs, of an acyclic graph in any numbering that has the input first and the
/// output last, is whole and keeps the limits.
pub(super) fn least(vertices: usize, edges: &[(usize, usize)], ops: &[Operation]) -> Spec {
    let all = NUMBERINGS[vertices - 2].iter();
    let best = all
        .filter_map(|numbers| Some((renumbered(vertices, edges, numbers)?, numbers)))
        .map(|(matrix, numbers)| (matrix, moved(ops, numbers)))
        .min();
    let (matrix, ops) = best.expect("an acyclic graph has a numbering that goes upwards");
    Spec::of(matrix, ops)
}

/// All models up to a number of vertices, each as its [representative](Spec::representative), in the
/// generator's order: by number of vertices, adjacency as a number, operation numbers.
///
/// A spec is given where it is its own representative, so nothing has to be remembered: memory is constant, and
/// all 423,624 take a fraction of a second. The authors' generator keeps every hash.
///
/// ```
/// use spaces::nas_bench_101::Models;
/// assert_eq!(Models::up_to(4).count(), 91);
/// ```
#[derive(Debug, Clone)]
pub struct Models {
    most: usize,
    matrix: Matrix,
    /// The numberings that leave the matrix as it is; none where the matrix is passed over.
    symmetries: Vec<[u8; INNER]>,
    /// The next operations as digits base 3, the first vertex most significant.
    labels: u32,
}

impl Models {
    /// The models of at most `vertices` vertices; more than 7 are as good as 7.
    pub fn up_to(vertices: usize) -> Self {
        let matrix = Matrix::empty(2);
        Self { most: vertices.min(MAX_VERTICES), matrix, symmetries: Vec::new(), labels: 0 }
    }

    /// The next matrix that comes first among those it is isomorphic to.
    fn next_matrix(&mut self) -> Option<()> {
        loop {
            let n = self.matrix.vertices();
            let bits = self.matrix.bits() + 1;
            self.matrix = if bits >> (n * (n - 1) / 2) == 0 {
                Matrix::from_bits(n, bits)
            } else if n < self.most {
                Matrix::empty(n + 1)
            } else {
                return None;
            };
            let matrix = self.matrix;
            if matrix.edge_count() > MAX_EDGES || !matrix.is_whole() {
                continue;
            }
            let edges: Vec<_> = matrix.edges().collect();
            self.symmetries.clear();
            let first = NUMBERINGS[matrix.inner()].iter().all(|numbers| {
                let other = renumbered(matrix.vertices(), &edges, numbers).unwrap_or(matrix);
                other >= matrix
            });
            if first {
                let same =
                    |numbers: &&[u8; INNER]| renumbered(matrix.vertices(), &edges, numbers) == Some(matrix);
                self.symmetries.extend(NUMBERINGS[matrix.inner()].iter().filter(same));
                self.labels = 0;
                return Some(());
            }
        }
    }
}

impl Iterator for Models {
    type Item = Spec;

    fn next(&mut self) -> Option<Spec> {
        if self.most < 2 {
            return None;
        }
        loop {
            let inner = self.matrix.inner();
            if self.symmetries.is_empty() || self.labels == 3_u32.pow(inner as u32) {
                self.symmetries.clear();
                if self.next_matrix().is_none() {
                    // stay at the end
                    self.most = 0;
                    return None;
                }
                continue;
            }
            let mut ops = [Operation::Conv3x3; INNER];
            let mut rest = self.labels as usize;
            for op in ops[..inner].iter_mut().rev() {
                *op = Operation::ALL[rest % 3];
                rest /= 3;
            }
            self.labels += 1;
            if self.symmetries.iter().all(|numbers| moved(&ops[..inner], numbers) >= ops) {
                return Some(Spec::of(self.matrix, ops));
            }
        }
    }
}

impl std::iter::FusedIterator for Models {}

/// All representatives in order, 12 bytes each; made when an index is first asked for.
pub(super) static ALL: LazyLock<Vec<Spec>> = LazyLock::new(|| Models::up_to(MAX_VERTICES).collect());
