use crate::{Encode, Encoding};

/// An encoding without its global node and that node's feature: what networks read that average over nodes, as the Neural
/// Predictor. Encodings that have none stay as they are.
///
/// ```
/// use arch_graph::{ArchGraph, Bare, Encode, Encoding, Global, GraphError, Layout, Op, Vocabulary};
/// struct Two(Vocabulary, Layout);
/// impl Encode<()> for Two {
///     type Error = GraphError;
///     fn nodes(&self) -> usize { self.1.nodes(2) }
///     fn width(&self) -> usize { self.1.width() }
///     fn has_global(&self) -> bool { self.1.has_global() }
///     fn encode(&self, (): &()) -> Result<Encoding, GraphError> {
///         ArchGraph::new(&self.0, [Op(0), Op(1)], [(0, 1)], 0, 1)?.encode(&self.1)
///     }
/// }
/// let words = Vocabulary::new(["in", "out"])?;
/// let layout = Layout::new(&words).global(Global::First);
/// let bare = Bare(Two(words, layout)).encode(&())?;
/// assert_eq!((bare.nodes, bare.width), (2, 2));
/// assert_eq!((bare.adjacency, bare.features), (vec![0.0, 1.0, 0.0, 0.0], vec![1.0, 0.0, 0.0, 1.0]));
/// # Ok::<(), GraphError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bare<E>(pub E);

impl<A, E: Encode<A>> Encode<A> for Bare<E> {
    type Error = E::Error;

    fn nodes(&self) -> usize {
        self.0.nodes() - usize::from(self.0.has_global())
    }

    fn width(&self) -> usize {
        self.0.width() - usize::from(self.0.has_global())
    }

    fn has_global(&self) -> bool {
        false
    }

    fn encode(&self, arch: &A) -> Result<Encoding, E::Error> {
        let whole = self.0.encode(arch)?;
        if !self.0.has_global() {
            return Ok(whole);
        }
        let rows = |numbers: &[f32], row: usize, columns: std::ops::Range<usize>| -> Vec<f32> {
            numbers.chunks_exact(row.max(1)).skip(1).flat_map(|row| &row[columns.clone()]).copied().collect()
        };
        Ok(Encoding {
            nodes: whole.nodes - 1,
            width: whole.width - 1,
            adjacency: rows(&whole.adjacency, whole.nodes, 1..whole.nodes),
            features: rows(&whole.features, whole.width, 0..whole.width - 1),
        })
    }
}
