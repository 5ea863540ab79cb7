//! The paths from input to output, without naming them one by one.

use crate::MAX_NODES;
use crate::graph::{bit, bits};

/// What is known of the paths through some nodes: zeros without a path.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ways {
    pub(crate) count: u64,
    /// Steps.
    pub(crate) shortest: u64,
    /// Steps.
    pub(crate) longest: u64,
}

/// The live paths from input to output. 64 nodes have at most 2^62 of them.
pub(crate) struct Paths {
    /// The live nodes, each after its predecessors.
    order: Vec<usize>,
    /// The live predecessors of each node, one bit each.
    pub(crate) before: [u64; MAX_NODES],
    /// The live successors.
    pub(crate) after: [u64; MAX_NODES],
    input: usize,
    output: usize,
}

impl Paths {
    pub(crate) fn new(rows: [u64; MAX_NODES], live: u64, input: usize, output: usize) -> Self {
        let (mut before, mut after) = ([0; MAX_NODES], [0; MAX_NODES]);
        for from in bits(live) {
            after[from] = rows[from] & live;
            bits(after[from]).for_each(|to| before[to] |= bit(from));
        }
        let mut order = Vec::with_capacity(live.count_ones() as usize);
        let mut todo = live;
        while todo != 0 {
            let ready = bits(todo).filter(|&node| before[node] & todo == 0);
            let ready = ready.fold(0, |set, node| set | bit(node));
            order.extend(bits(ready));
            todo &= !ready;
        }
        Self { order, before, after, input, output }
    }

    /// The paths whose nodes between the ends are all in `set`.
    pub(crate) fn only(&self, set: u64) -> Ways {
        let mut ways = [Ways::default(); MAX_NODES];
        // the nodes so far that a path reaches
        let mut reached = 0_u64;
        for &node in &self.order {
            if node == self.input {
                ways[node].count = 1;
                reached |= bit(node);
            } else if (set | bit(self.output)) & bit(node) != 0 {
                let from = self.before[node] & reached;
                if from == 0 {
                    continue;
                }
                let mut sum = Ways { count: 0, shortest: u64::MAX, longest: 0 };
                for from in bits(from) {
                    let way = ways[from];
                    sum.count += way.count;
                    sum.shortest = sum.shortest.min(way.shortest + 1);
                    sum.longest = sum.longest.max(way.longest + 1);
                }
                ways[node] = sum;
                reached |= bit(node);
            }
        }
        if reached & bit(self.output) == 0 { Ways::default() } else { ways[self.output] }
    }

    /// The better, over all paths, of the sum of `weight`; 0 without a path.
    pub(crate) fn best(&self, weight: impl Fn(usize) -> u64, better: fn(u64, u64) -> u64) -> u64 {
        let mut sums = [0_u64; MAX_NODES];
        for &node in &self.order {
            let before = bits(self.before[node]).map(|from| sums[from]).reduce(better).unwrap_or(0);
            sums[node] = before.saturating_add(weight(node));
        }
        if self.order.is_empty() { 0 } else { sums[self.output] }
    }

    /// How many nodes of `set` all paths have together.
    pub(crate) fn through(&self, set: u64) -> u64 {
        if set == 0 {
            return 0;
        }
        let (mut from_input, mut to_output) = ([0_u64; MAX_NODES], [0_u64; MAX_NODES]);
        for &node in &self.order {
            let sum: u64 = bits(self.before[node]).map(|from| from_input[from]).sum();
            from_input[node] = if node == self.input { 1 } else { sum };
        }
        for &node in self.order.iter().rev() {
            let sum: u64 = bits(self.after[node]).map(|to| to_output[to]).sum();
            to_output[node] = if node == self.output { 1 } else { sum };
        }
        bits(set)
            .fold(0, |sum: u64, node| sum.saturating_add(from_input[node].saturating_mul(to_output[node])))
    }
}
