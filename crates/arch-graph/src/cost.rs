use crate::{ArchGraph, GraphError, Op, Vocabulary};
use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign};

/// Trainable parameters and multiply-adds. Sums stop at the largest number instead of overflowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Number of trainable parameters.
    pub parameters: u64,
    /// Number of multiply-adds of one image.
    pub multiply_adds: u64,
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            parameters: self.parameters.saturating_add(other.parameters),
            multiply_adds: self.multiply_adds.saturating_add(other.multiply_adds),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// What each operation costs, and what the network around the graph costs once.
///
/// ```
/// use arch_graph::{ArchGraph, Cost, CostTable, Op, Vocabulary};
/// let words = Vocabulary::new(["in", "conv", "out"])?;
/// let conv = Cost { parameters: 9, multiply_adds: 900 };
/// let table = CostTable::new(&words, Cost { parameters: 5, multiply_adds: 50 }, [("conv", conv)])?;
/// let graph = ArchGraph::new(&words, [Op(0), Op(1), Op(1), Op(2)], [(0, 1), (1, 2), (2, 3)], 0, 3)?;
/// assert_eq!(graph.cost(&table)?, Cost { parameters: 23, multiply_adds: 1_850 });
/// # Ok::<(), arch_graph::GraphError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostTable {
    vocabulary: Vocabulary,
    fixed: Cost,
    by_op: Vec<Cost>,
}

impl CostTable {
    /// A table of the operations that cost something; the others cost nothing.
    ///
    /// # Errors
    /// A name that is not in the vocabulary.
    pub fn new<'a>(
        vocabulary: &Vocabulary,
        fixed: Cost,
        costs: impl IntoIterator<Item = (&'a str, Cost)>,
    ) -> Result<Self, GraphError> {
        let mut by_op = vec![Cost::default(); vocabulary.len()];
        for (name, cost) in costs {
            by_op[vocabulary.op(name)?.index()] = cost;
        }
        Ok(Self { vocabulary: vocabulary.clone(), fixed, by_op })
    }

    /// The operations it is about.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// What is paid once, whatever the graph.
    pub fn fixed(&self) -> Cost {
        self.fixed
    }

    /// What one node of `op` costs; nothing where it is not in the vocabulary.
    pub fn of(&self, op: Op) -> Cost {
        self.by_op.get(op.index()).copied().unwrap_or_default()
    }

    /// The fixed cost and that of each operation.
    pub fn total(&self, ops: impl IntoIterator<Item = Op>) -> Cost {
        self.fixed + ops.into_iter().map(|op| self.of(op)).sum()
    }
}

impl ArchGraph {
    /// The fixed cost and the sum over all nodes, dead ones too; [`pruned`](ArchGraph::pruned) first where
    /// those are not to count. Null nodes cost nothing. Time O(nodes).
    ///
    /// # Errors
    /// A table of another vocabulary.
    pub fn cost(&self, table: &CostTable) -> Result<Cost, GraphError> {
        self.same_vocabulary("cost table", &table.vocabulary)?;
        Ok(table.total(self.ops().flatten()))
    }

    pub(crate) fn same_vocabulary(&self, what: &'static str, other: &Vocabulary) -> Result<(), GraphError> {
        if self.vocabulary().same(other) {
            return Ok(());
        }
        let (graph, other) = (self.vocabulary().names().to_vec(), other.names().to_vec());
        Err(GraphError::Vocabulary { what, graph, other })
    }
}
