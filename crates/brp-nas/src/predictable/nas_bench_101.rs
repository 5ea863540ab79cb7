use super::{Predictable, Seen};
use crate::registry::{EncodingName, Proxy};
use arch_graph::{ArchGraph, Cost, Encode, Features};
use nas_core::Decisions;
use spaces::nas_bench_101::{BareEncoding, MAX_VERTICES, Operation, PaddedEncoding, Skeleton, Spec};
use spaces::{ArchHash, NasBench101};
use surrogates::Block;

impl Predictable for NasBench101 {
    type Encoding = PaddedEncoding;
    type Bare = BareEncoding;

    fn hash(&self, spec: &Spec) -> ArchHash {
        spec.module_hash()
    }

    fn written(&self, spec: &Spec) -> Spec {
        spec.representative()
    }

    fn number(&self, spec: &Spec) -> Option<u64> {
        Some(self.index(spec) as u64)
    }

    fn cost(&self, spec: &Spec) -> Option<Cost> {
        Skeleton::default().cost(spec).ok()
    }

    /// A spec has no dead parts.
    fn encodings(&self) -> &'static [EncodingName] {
        &[EncodingName::Pruned]
    }

    fn encoding(&self, _: EncodingName) -> anyhow::Result<PaddedEncoding> {
        Ok(PaddedEncoding)
    }

    fn bare(&self, _: EncodingName) -> anyhow::Result<BareEncoding> {
        Ok(BareEncoding)
    }

    /// The operation of each vertex, and every edge that there may be.
    fn one_hot(&self, spec: &Spec) -> Vec<f64> {
        // a spec is never refused; an empty row would be
        let Ok(encoding) = BareEncoding.encode(spec) else { return Vec::new() };
        let edges = encoding.adjacency.chunks_exact(MAX_VERTICES).enumerate();
        let edges = edges.flat_map(|(from, row)| row.iter().skip(from + 1));
        encoding.features.iter().chain(edges).copied().map(f64::from).collect()
    }

    fn decisions(&self) -> Option<&dyn Decisions<Arch = Spec>> {
        Some(self)
    }

    fn structure(&self) -> anyhow::Result<Seen<Spec>> {
        let words = Spec::new(2, [(0, 1)], &[])?.graph();
        let graphs = Features::new(words.vocabulary(), Operation::ALL.map(Operation::name))?;
        let blocks = vec![Block::numbers(graphs.names().len())];
        Ok(Seen::new(blocks, move |spec: &Spec| graphs.of(&spec.graph()).unwrap_or_default()))
    }

    fn drawn(&self, spec: &Spec) -> anyhow::Result<(ArchGraph, Vec<bool>)> {
        let graph = spec.graph();
        let live = vec![true; graph.len()];
        Ok((graph, live))
    }

    fn scores(&self) -> Vec<Proxy> {
        vec![Proxy::Params, Proxy::Flops]
    }
}
