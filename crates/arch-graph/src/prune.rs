use crate::graph::{bit, bits};
use crate::{ArchGraph, MAX_NODES, Op};

impl ArchGraph {
    /// Which nodes lie on a path from input to output. Where there is no such path, none does, not even the
    /// input. Time O(nodes + edges).
    ///
    /// ```
    /// # use arch_graph::{ArchGraph, Op, Vocabulary};
    /// let words = Vocabulary::new(["in", "conv", "out"])?;
    /// let graph = ArchGraph::new(&words, [Op(0), Op(1), Op(2)], [(0, 1), (0, 2)], 0, 2)?;
    /// assert_eq!(graph.live(), [true, false, true]);
    /// # Ok::<(), arch_graph::GraphError>(())
    /// ```
    pub fn live(&self) -> Vec<bool> {
        let live = self.live_bits(&self.rows());
        (0..self.len()).map(|node| live & bit(node) != 0).collect()
    }

    /// The graph without its dead nodes. The others keep their order and close up. Input and output stay
    /// even where no path joins them.
    pub fn pruned(&self) -> Self {
        self.restricted(self.live_bits(&self.rows()) | bit(self.input()) | bit(self.output()))
    }

    /// The graph with its dead nodes made null: they lose their edges and operation but keep their place.
    /// Input and output keep their operation even where no path joins them.
    pub fn masked(&self) -> Self {
        let mut rows = self.rows();
        let live = self.live_bits(&rows);
        for (from, row) in rows.iter_mut().enumerate() {
            *row = if live & bit(from) != 0 { *row & live } else { 0 };
        }
        self.with_rows(&rows, !live)
    }

    /// The graph in which every node with `op` is null and has lost its edges: what an operation that gives
    /// zero does to a graph whose nodes sum. Input and output are left alone.
    pub fn isolated(&self, op: Op) -> Self {
        let gone = self.with_op(op);
        let mut rows = self.rows();
        for (from, row) in rows.iter_mut().enumerate() {
            *row = if gone & bit(from) != 0 { 0 } else { *row & !gone };
        }
        self.with_rows(&rows, gone)
    }

    /// The graph in which every node with `op` is null and an edge from each of its predecessors to each of
    /// its successors takes its place: what the identity does. Two parallel ways become one edge. Input and
    /// output are left alone. Time O(nodes^2).
    pub fn bypassed(&self, op: Op) -> Self {
        let gone = self.with_op(op);
        let mut rows = self.rows();
        for node in bits(gone) {
            let successors = std::mem::take(&mut rows[node]);
            for row in rows.iter_mut().filter(|row| **row & bit(node) != 0) {
                *row = *row & !bit(node) | successors;
            }
        }
        self.with_rows(&rows, gone)
    }

    fn with_op(&self, op: Op) -> u64 {
        let all = self.ops().enumerate().filter(|(_, other)| *other == Some(op));
        all.fold(0, |set, (node, _)| set | bit(node)) & !bit(self.input()) & !bit(self.output())
    }

    pub(crate) fn live_bits(&self, rows: &[u64; MAX_NODES]) -> u64 {
        let mut forward = bit(self.input());
        let mut todo = forward;
        while todo != 0 {
            let node = todo.trailing_zeros() as usize;
            let new = rows[node] & !forward;
            forward |= new;
            todo = todo & (todo - 1) | new;
        }
        let mut backward = bit(self.output());
        loop {
            let reached =
                (0..self.len()).filter(|&n| rows[n] & backward != 0).fold(backward, |set, n| set | bit(n));
            if reached == backward {
                return forward & backward;
            }
            backward = reached;
        }
    }
}
