//! One training step on random cells of NAS-Bench-201, in the published encoding: 4 layers of 600 units.

use arch_graph::Encode;
use candle_core::DType;
use cpu_ops::{AdamW, AdamWSettings};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gcn::{Gcn, GcnError, GcnSettings, Graph, GraphBatch, Readout};
use nas_core::{SearchSpace, Seed};
use spaces::NasBench201;
use spaces::nas_bench_201::PrunedEncoding;

fn graphs(count: usize) -> Vec<Graph> {
    let mut rng = Seed(0).stream("cells");
    let graph = |_| {
        let encoding = PrunedEncoding.encode(&NasBench201.sample(&mut rng)).expect("a cell has an encoding");
        Graph::new(encoding.nodes, encoding.width, &encoding.adjacency, &encoding.features)
    };
    (0..count).map(graph).collect::<Result<_, _>>().expect("an encoding is a graph")
}

fn step(network: &Gcn, optimiser: &mut AdamW, graphs: &[&Graph]) -> Result<(), GcnError> {
    let batch = GraphBatch::separate(graphs, 4, Readout::GlobalNode, DType::F32)?;
    let pass = network.pass(&batch, &mut Seed(0).stream("dropout"))?;
    let mut grads = pass.embedding().abs()?.sum_all()?.backward()?;
    pass.backward(&mut grads)?;
    Ok(optimiser.step(&grads, 3.5e-4)?)
}

fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("training-step");
    for count in [16, 64] {
        let graphs = graphs(count);
        let graphs: Vec<&Graph> = graphs.iter().collect();
        let network =
            Gcn::new(GcnSettings::brp_nas(6, 0.2), DType::F32, Seed(0)).expect("published settings");
        let vars = network.parameters().vars().cloned();
        let mut optimiser = AdamW::new(vars, AdamWSettings::with_decay(5e-4)).expect("f32 on the CPU");
        group.bench_with_input(BenchmarkId::from_parameter(count), &count, |b, _| {
            b.iter(|| step(&network, &mut optimiser, &graphs));
        });
    }
    group.finish();
}

criterion_group!(benches, training);
criterion_main!(benches);
