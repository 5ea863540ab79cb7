//! What every encoder must hold, as a function to call from a test.

use crate::Encode;

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
