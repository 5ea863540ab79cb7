use super::matrix::{INNER, MAX_EDGES, MAX_VERTICES, Matrix};
use super::{Draft, Operation, Spec, order};
use crate::SpaceError;
use nas_core::Stream;
use rand::RngExt;
use std::collections::BTreeSet;

impl Draft {
    /// A graph of 7 vertices as the benchmark's `random_spec` draws it: every edge with probability 1/2, every
    /// operation uniform, again until what is left after pruning is valid (Ying et al., section 4).
    pub fn sample(rng: &mut Stream) -> Self {
        loop {
            let bits = rng.random_range(0..1_u32 << (MAX_VERTICES * (MAX_VERTICES - 1) / 2));
            let ops = std::array::from_fn(|_| Operation::ALL[rng.random_range(0..Operation::ALL.len())]);
            let draft = Self::of(Matrix::from_bits(MAX_VERTICES, bits), ops);
            if draft.prune().is_ok() {
                return draft;
            }
        }
    }

    /// The published mutation (`mutate_spec` of NAS-Bench-101's regularized evolution, where `rate` is 1):
    /// every possible edge is flipped with probability `rate / vertices` and every operation replaced by another
    /// with probability `rate / inner vertices`, again until what is left after pruning is valid. It may give
    /// the same graph, or one that prunes to the same.
    ///
    /// # Errors
    /// A rate that is not in 0 to 1, or a graph that is itself not valid.
    pub fn mutate(self, rate: f64, rng: &mut Stream) -> Result<Self, SpaceError> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(SpaceError::Rate { found: format!("{rate}"), most: 1 });
        }
        self.prune()?;
        let n = self.matrix().vertices();
        let inner = self.matrix().inner();
        loop {
            let (mut matrix, mut ops) = (self.matrix(), self.ops());
            for from in 0..n - 1 {
                for to in from + 1..n {
                    if rng.random::<f64>() < rate / n as f64 {
                        matrix.flip(from, to);
                    }
                }
            }
            for op in &mut ops[..inner] {
                if rng.random::<f64>() < rate / inner as f64 {
                    *op = another(*op, rng);
                }
            }
            let child = Self::of(matrix, ops);
            if child.prune().is_ok() {
                return Ok(child);
            }
        }
    }
}

fn another(op: Operation, rng: &mut Stream) -> Operation {
    Operation::ALL[(op.number() + rng.random_range(1..Operation::ALL.len())) % Operation::ALL.len()]
}

/// A graph under construction: any numbering, the input first, the output last.
struct Sketch {
    vertices: usize,
    edges: Vec<(usize, usize)>,
    ops: Vec<Operation>,
}

impl Sketch {
    /// Its representative where every vertex is on a path and the limits are kept. It is acyclic.
    fn finish(&self) -> Option<Spec> {
        let n = self.vertices;
        let all = |inner: fn(&(usize, usize)) -> usize, but: usize| {
            (0..n).filter(|&v| v != but).all(|v| self.edges.iter().any(|edge| inner(edge) == v))
        };
        // without cycles, a way in and a way out of each vertex are enough
        let whole = all(|edge| edge.1, 0) && all(|edge| edge.0, n - 1);
        (whole && n <= MAX_VERTICES && self.edges.len() <= MAX_EDGES)
            .then(|| order::least(n, &self.edges, &self.ops))
    }

    fn flipped(&self, edge: (usize, usize)) -> Self {
        let mut edges: Vec<_> = self.edges.iter().copied().filter(|other| *other != edge).collect();
        if edges.len() == self.edges.len() {
            edges.push(edge);
        }
        Self { vertices: self.vertices, edges, ops: self.ops.clone() }
    }

    /// With one more vertex between `from` and `to`.
    fn grown(&self, from: usize, to: usize, op: Operation) -> Self {
        let new = self.vertices - 1;
        let up = |vertex: usize| if vertex == new { new + 1 } else { vertex };
        let mut edges: Vec<_> = self.edges.iter().map(|edge| (edge.0, up(edge.1))).collect();
        edges.extend([(from, new), (new, up(to))]);
        let ops = self.ops.iter().copied().chain([op]).collect();
        Self { vertices: self.vertices + 1, edges, ops }
    }

    /// Without an inner vertex and its edges.
    fn shrunk(&self, gone: usize) -> Self {
        let down = |vertex: usize| vertex - usize::from(vertex > gone);
        let edges = self.edges.iter().filter(|edge| edge.0 != gone && edge.1 != gone);
        let edges = edges.map(|edge| (down(edge.0), down(edge.1))).collect();
        let ops = self.ops.iter().enumerate().filter(|(at, _)| at + 1 != gone).map(|(_, op)| *op).collect();
        Self { vertices: self.vertices - 1, edges, ops }
    }
}

/// The representatives that one edit reaches, sorted, without that of `spec`.
///
/// An edit gives an inner vertex another operation; puts in or takes out an edge; or puts in or takes out a
/// vertex that has one predecessor and one successor, leaving the direct edge between these two as it is or
/// flipping it. Each can be undone by another, so neighbourhood is symmetric.
pub(super) fn neighbours(spec: &Spec) -> Vec<Spec> {
    let start = spec.representative();
    let n = start.vertices();
    let sketch = Sketch { vertices: n, edges: start.edges().collect(), ops: start.operations().to_vec() };
    // the vertices that each reaches, itself included
    let mut reach = [0_u32; MAX_VERTICES];
    for from in (0..n).rev() {
        let after = (from + 1..n).filter(|&to| start.has_edge(from, to));
        reach[from] = after.fold(1 << from, |set, to| set | reach[to]);
    }
    // where an edge closes no cycle, enters no input and leaves no output
    let free = |from: usize, to: usize| from + 1 < n && to > 0 && reach[to] >> from & 1 == 0;
    let pairs: Vec<_> =
        (0..n).flat_map(|from| (0..n).map(move |to| (from, to))).filter(|p| free(p.0, p.1)).collect();
    let mut found = BTreeSet::new();
    for at in 0..start.operations().len() {
        for op in Operation::ALL {
            let mut ops = [Operation::Conv3x3; INNER];
            ops[..start.operations().len()].copy_from_slice(start.operations());
            ops[at] = op;
            found.insert(Spec::of(start.matrix(), ops).representative());
        }
    }
    for &(from, to) in &pairs {
        let flipped = sketch.flipped((from, to));
        found.extend(flipped.finish());
        if n < MAX_VERTICES {
            for op in Operation::ALL {
                found.extend(sketch.grown(from, to, op).finish());
                found.extend(flipped.grown(from, to, op).finish());
            }
        }
    }
    for gone in 1..n - 1 {
        let before: Vec<_> = sketch.edges.iter().filter(|edge| edge.1 == gone).collect();
        let after: Vec<_> = sketch.edges.iter().filter(|edge| edge.0 == gone).collect();
        if let ([(from, _)], [(_, to)]) = (before.as_slice(), after.as_slice()) {
            found.extend(sketch.shrunk(gone).finish());
            found.extend(sketch.flipped((*from, *to)).shrunk(gone).finish());
        }
    }
    found.remove(&start);
    found.into_iter().collect()
}
