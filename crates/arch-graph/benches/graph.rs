//! Canonical forms and encodings of a chain, of parallel branches and of a random graph.

use arch_graph::{ArchGraph, Global, GraphError, Layout, Op, Vocabulary};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// `branches` parallel chains of `length` operations between input and output.
fn parallel(words: &Vocabulary, branches: usize, length: usize) -> Result<ArchGraph, GraphError> {
    let inner = branches * length;
    let ops = std::iter::once(Op(0)).chain((0..inner).map(|_| Op(1))).chain([Op(2)]);
    let edges = (0..inner).flat_map(|i| {
        let from = if i % length == 0 { 0 } else { i };
        let end = (i % length == length - 1).then_some((i + 1, inner + 1));
        std::iter::once((from, i + 1)).chain(end)
    });
    ArchGraph::new(words, ops, edges, 0, inner + 1)
}

fn graphs(c: &mut Criterion) {
    let Ok(words) = Vocabulary::new(["input", "conv", "output"]) else { return };
    let layout = Layout::new(&words).global(Global::First).self_loops(true);
    for (branches, length) in [(1, 30), (30, 1), (6, 5)] {
        let Ok(graph) = parallel(&words, branches, length) else { continue };
        let name = format!("{branches}x{length}");
        c.bench_with_input(BenchmarkId::new("canonical", &name), &graph, |b, g| b.iter(|| g.canonical()));
        c.bench_with_input(BenchmarkId::new("encode", &name), &graph, |b, g| b.iter(|| g.encode(&layout)));
    }
}

criterion_group!(benches, graphs);
criterion_main!(benches);
