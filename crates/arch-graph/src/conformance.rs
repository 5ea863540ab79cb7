//! What every encoder and the graphs of every space must hold, as functions to call from a test.

use crate::{ArchGraph, Encode};
use petgraph::algo::is_isomorphic_matching;

/// Checks an encoder on some architectures: the lengths are those it promises, every adjacency entry is 0 or
/// 1, every feature is finite, a global node reads every node and is read by none, and the same architecture
/// gives the same numbers again.
///
/// # Errors
/// The first thing that does not hold, in words, with the architecture's place that shows it.
pub fn encoder<A, E: Encode<A>>(encoder: &E, archs: &[A]) -> Result<(), String> {
    let (nodes, width) = (encoder.nodes(), encoder.width());
    for (place, arch) in archs.iter().enumerate() {
        let encode =
            || encoder.encode(arch).map_err(|error| format!("architecture {place} is not encoded: {error}"));
        let encoding = encode()?;
        if (encoding.nodes, encoding.width) != (nodes, width) {
            let (n, w) = (encoding.nodes, encoding.width);
            return Err(format!(
                "architecture {place} has {n} nodes x {w}, not the promised {nodes} x {width}"
            ));
        }
        for (what, found, expected) in [
            ("adjacency", encoding.adjacency.len(), nodes.saturating_mul(nodes)),
            ("features", encoding.features.len(), nodes.saturating_mul(width)),
        ] {
            if found != expected {
                return Err(format!(
                    "the {what} of architecture {place} has {found} entries, not {expected}"
                ));
            }
        }
        if let Some(at) = encoding.adjacency.iter().position(|&x| x != 0.0 && x != 1.0) {
            let value = encoding.adjacency[at];
            return Err(format!(
                "entry {at} of the adjacency of architecture {place} is {value}, not 0 or 1"
            ));
        }
        if let Some(at) = encoding.features.iter().position(|x| !x.is_finite()) {
            return Err(format!("feature {at} of architecture {place} is {}", encoding.features[at]));
        }
        if encoder.has_global() {
            if let Some(node) = encoding.adjacency.iter().take(nodes).position(|&x| x != 1.0) {
                return Err(format!("the global node of architecture {place} does not read node {node}"));
            }
            if let Some(node) = (1..nodes).find(|node| encoding.adjacency[node * nodes] != 0.0) {
                return Err(format!("node {node} of architecture {place} reads the global node"));
            }
        }
        if encode()? != encoding {
            return Err(format!("architecture {place} is encoded otherwise the second time"));
        }
    }
    Ok(())
}

/// Graphs of more nodes are not compared with each other: petgraph's search takes too long on some.
const SMALL: usize = 16;

/// Checks the canonical forms of some graphs: another numbering has the same form, and two graphs of up to 16 nodes
/// share one exactly where petgraph finds an isomorphism between them that keeps operations, input and output. All
/// pairs are compared, so a hundred graphs are enough.
///
/// # Errors
/// The first thing that does not hold, in words, with the places of the graphs that show it.
pub fn canonical(graphs: &[ArchGraph]) -> Result<(), String> {
    let forms: Vec<_> = graphs.iter().map(ArchGraph::canonical).collect();
    for (place, (graph, form)) in graphs.iter().zip(&forms).enumerate() {
        let reversed = reversed(graph)?;
        if reversed.canonical() != *form {
            return Err(format!(
                "graph {place} has another canonical form where its nodes are numbered backwards"
            ));
        }
    }
    let small = |place: &usize| graphs[*place].len() <= SMALL;
    for a in (0..graphs.len()).filter(small) {
        for b in (0..a).filter(small) {
            let same = isomorphic(&graphs[a], &graphs[b]);
            if same != (forms[a] == forms[b]) {
                let (is, has) = if same { ("are", "another") } else { ("are not", "the same") };
                return Err(format!(
                    "graphs {b} and {a} {is} isomorphic, but the second has {has} canonical form"
                ));
            }
        }
    }
    Ok(())
}

fn reversed(graph: &ArchGraph) -> Result<ArchGraph, String> {
    let at = |node: usize| graph.len() - 1 - node;
    let ops: Vec<_> = graph.ops().collect();
    let edges = graph.edges().into_iter().map(|(from, to)| (at(from), at(to)));
    ArchGraph::new(graph.vocabulary(), ops.into_iter().rev(), edges, at(graph.input()), at(graph.output()))
        .map_err(|error| error.to_string())
}

fn isomorphic(a: &ArchGraph, b: &ArchGraph) -> bool {
    let marked = |graph: &ArchGraph| {
        let role = |node: usize| u8::from(node == graph.input()) + 2 * u8::from(node == graph.output());
        let name = |op: Option<crate::Op>| op.and_then(|op| graph.vocabulary().name(op)).map(String::from);
        graph.petgraph().map(|node, op| (role(node.index()), name(*op)), |_, ()| ())
    };
    is_isomorphic_matching(&marked(a), &marked(b), |a, b| a == b, |(), ()| true)
}
