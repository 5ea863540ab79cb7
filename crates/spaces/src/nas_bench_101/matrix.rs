//! Upper-triangular adjacency matrices as one number, in the published order of bits.

/// The largest number of vertices, input and output included.
pub const MAX_VERTICES: usize = 7;

/// The largest number of edges of a pruned graph.
pub const MAX_EDGES: usize = 9;

/// The largest number of vertices between input and output.
pub(super) const INNER: usize = MAX_VERTICES - 2;

/// The edge from x to y > x is bit x + y (y - 1) / 2, so the predecessors of y stand side by side.
///
/// That is the order in which the authors generate graphs (`gen_is_edge_fn` of NAS-Bench-101).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Matrix {
    vertices: u8,
    bits: u32,
}

impl Matrix {
    /// No edges yet.
    pub(super) fn empty(vertices: usize) -> Self {
        debug_assert!((2..=MAX_VERTICES).contains(&vertices));
        Self { vertices: vertices as u8, bits: 0 }
    }

    pub(super) fn from_bits(vertices: usize, bits: u32) -> Self {
        Self { bits, ..Self::empty(vertices) }
    }

    pub(super) fn bits(self) -> u32 {
        self.bits
    }

    pub(super) fn vertices(self) -> usize {
        usize::from(self.vertices)
    }

    /// The vertices between input and output.
    pub(super) fn inner(self) -> usize {
        self.vertices() - 2
    }

    pub(super) fn output(self) -> usize {
        self.vertices() - 1
    }

    /// Puts the edge in or takes it out; `from < to`.
    pub(super) fn flip(&mut self, from: usize, to: usize) {
        self.bits ^= 1 << place(from, to);
    }

    pub(super) fn has(self, from: usize, to: usize) -> bool {
        from < to && self.bits >> place(from, to) & 1 == 1
    }

    /// The predecessors of `to`, one bit each.
    pub(super) fn into(self, to: usize) -> u32 {
        if to == 0 { 0 } else { self.bits >> place(0, to) & ((1 << to) - 1) }
    }

    /// The edges by target, then by source.
    pub(super) fn edges(self) -> impl Iterator<Item = (usize, usize)> {
        (1..self.vertices())
            .flat_map(move |to| (0..to).map(move |from| (from, to)))
            .filter(move |e| self.has(e.0, e.1))
    }

    pub(super) fn edge_count(self) -> usize {
        self.bits.count_ones() as usize
    }

    /// The vertices on a path from input to output; without such a path not even input and output.
    pub(super) fn live(self) -> u32 {
        let mut forward = 1_u32;
        for vertex in 1..self.vertices() {
            forward |= u32::from(self.into(vertex) & forward != 0) << vertex;
        }
        let mut backward = 1_u32 << self.output();
        for vertex in (1..self.vertices()).rev().filter(|&vertex| forward >> vertex & 1 == 1) {
            if backward >> vertex & 1 == 1 {
                backward |= self.into(vertex);
            }
        }
        let live = forward & backward;
        if live & 1 == 1 { live } else { 0 }
    }

    /// Whether every vertex is on a path from input to output.
    pub(super) fn is_whole(self) -> bool {
        self.live() + 1 == 1 << self.vertices()
    }

    /// The matrix of the vertices of `kept`, which close up in order.
    pub(super) fn restricted(self, kept: u32) -> Self {
        let rank = |vertex: usize| (kept & ((1 << vertex) - 1)).count_ones() as usize;
        let mut small = Self::empty(kept.count_ones() as usize);
        let kept = |vertex: usize| kept >> vertex & 1 == 1;
        self.edges().filter(|e| kept(e.0) && kept(e.1)).for_each(|e| small.flip(rank(e.0), rank(e.1)));
        small
    }
}

fn place(from: usize, to: usize) -> usize {
    from + to * (to - 1) / 2
}
