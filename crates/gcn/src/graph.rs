use crate::GcnError;

/// One graph as plain numbers: for each node the nodes that it sums, and its features.
///
/// `A[i][j]` is the weight with which node `i` sums node `j`; it is used as it is, neither normalised nor
/// symmetrised (eagle does neither).
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    width: usize,
    features: Vec<f32>,
    /// Per node its (source, weight), by rising source.
    sources: Vec<Vec<(u32, f64)>>,
}

impl Graph {
    /// A graph from its adjacency `(N, N)` and features `(N, F)`, both row by row. O(N^2).
    ///
    /// # Errors
    /// Another number of numbers than `nodes` and `width` say, or one that is not finite.
    ///
    /// ```
    /// let graph = gcn::Graph::new(2, 3, &[1.0, 1.0, 0.0, 1.0], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])?;
    /// assert_eq!((graph.nodes(), graph.width()), (2, 3));
    /// assert!(gcn::Graph::new(2, 3, &[1.0; 4], &[1.0; 5]).is_err());
    /// # Ok::<(), gcn::GcnError>(())
    /// ```
    pub fn new(nodes: usize, width: usize, adjacency: &[f32], features: &[f32]) -> Result<Self, GcnError> {
        for (what, numbers, expected) in
            [("adjacency entries", adjacency, nodes * nodes), ("features", features, nodes * width)]
        {
            if numbers.len() != expected {
                return Err(GcnError::Shape { nodes, width, what, expected, found: numbers.len() });
            }
            if let Some(index) = numbers.iter().position(|v| !v.is_finite()) {
                return Err(GcnError::NotFinite { what, index, value: numbers[index] });
            }
        }
        let row = |row: &[f32]| {
            let entries = (0_u32..).zip(row).filter(|(_, weight)| **weight != 0.0);
            entries.map(|(source, &weight)| (source, f64::from(weight))).collect()
        };
        let sources = adjacency.chunks_exact(nodes.max(1)).map(row).collect();
        Ok(Self { width, features: features.to_vec(), sources })
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.sources.len()
    }

    /// Features a node.
    pub fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn sources(&self, node: usize) -> &[(u32, f64)] {
        &self.sources[node]
    }

    pub(crate) fn features(&self, node: usize) -> &[f32] {
        &self.features[node * self.width..][..self.width]
    }
}
