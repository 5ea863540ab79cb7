use crate::graph::bit;
use crate::paths::Paths;
use crate::{ArchGraph, CostTable, GraphError, Op};

impl ArchGraph {
    /// What is known of the whole graph without training it: `3 + 2 * vocabulary` numbers that a linear model can
    /// weigh, in this order:
    ///
    /// - 1 where a path joins input and output, else 0;
    /// - `ln(1 + multiply-adds)` of all that is live, the fixed cost included;
    /// - the same of the costliest path alone;
    /// - how many live nodes each operation has, by the vocabulary's order;
    /// - how many the path with the fewest of them has, for each operation.
    ///
    /// The ends and dead nodes are not counted, so that edits such as [`isolated`](ArchGraph::isolated) and
    /// [`bypassed`](ArchGraph::bypassed) come first. Counts and paths are in the manner of the graph features of
    /// Kadlecová et al. (Surprisingly strong performance prediction with neural graph features, ICML 2024).
    /// Time O(operations * (nodes + edges)).
    ///
    /// ```
    /// use arch_graph::{ArchGraph, Cost, CostTable, Op, Vocabulary};
    /// let words = Vocabulary::new(["conv", "pool"])?;
    /// let conv = Cost { parameters: 9, multiply_adds: 900 };
    /// let table = CostTable::new(&words, Cost::default(), [("conv", conv)])?;
    /// // one way through two convolutions, another through a pooling
    /// let ops = [None, Some(Op(0)), Some(Op(0)), Some(Op(1)), None];
    /// let graph = ArchGraph::new(&words, ops, [(0, 1), (1, 2), (2, 4), (0, 3), (3, 4)], 0, 4)?;
    /// let ln = f64::ln(1_801.0);
    /// assert_eq!(graph.descriptors(&table)?, [1.0, ln, ln, 2.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), arch_graph::GraphError>(())
    /// ```
    ///
    /// # Errors
    /// A table of another vocabulary.
    pub fn descriptors(&self, table: &CostTable) -> Result<Vec<f64>, GraphError> {
        self.same_vocabulary("cost table", table.vocabulary())?;
        let rows = self.rows();
        let live = self.live_bits(&rows);
        let inner = live & !bit(self.input()) & !bit(self.output());
        let ops: Vec<Option<Op>> =
            self.ops().enumerate().map(|(node, op)| op.filter(|_| inner & bit(node) != 0)).collect();
        let all = || (0..self.vocabulary().len()).filter_map(|op| u8::try_from(op).ok()).map(Op);
        let cost = |op: Option<Op>| op.map_or(0, |op| table.of(op).multiply_adds);
        let fixed = table.fixed().multiply_adds;
        let log = |cost: u64| (fixed.saturating_add(cost) as f64).ln_1p();
        let total = ops.iter().fold(0_u64, |sum, op| sum.saturating_add(cost(*op)));
        let paths = Paths::new(rows, live, self.input(), self.output());
        let costliest = paths.best(|node| cost(ops[node]), u64::max);

        let mut found = vec![f64::from(u8::from(live != 0)), log(total), log(costliest)];
        found.extend(all().map(|op| ops.iter().filter(|other| **other == Some(op)).count() as f64));
        let fewest = |op| paths.best(|node| u64::from(ops[node] == Some(op)), u64::min);
        found.extend(all().map(|op| fewest(op) as f64));
        Ok(found)
    }
}
