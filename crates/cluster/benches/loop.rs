//! What a look costs with many open tasks: nothing comes, all come.

use cluster::{Dispatch, Engine, EngineError, Patience, Phase, Submitted};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use std::collections::BTreeMap;

/// Has everything.
struct Patient(BTreeMap<u64, Phase>);

impl Engine for Patient {
    fn submit(&mut self, tasks: &[u64]) -> Submitted {
        self.0.extend(tasks.iter().map(|task| (*task, Phase::Running)));
        Submitted { taken: tasks.to_vec(), refused: None }
    }

    fn tasks(&mut self) -> Result<BTreeMap<u64, Phase>, EngineError> {
        Ok(self.0.clone())
    }
}

fn looks(c: &mut Criterion) {
    let mut group = c.benchmark_group("look");
    for open in [1_000_u64, 10_000] {
        let ready = || {
            let (mut engine, mut dispatch) = (Patient(BTreeMap::new()), Dispatch::new(Patience::default()));
            (0..open).for_each(|task| dispatch.open(task));
            assert!(dispatch.look(&mut engine, |_| None::<u64>).is_ok());
            (engine, dispatch)
        };
        for (name, comes) in [("nothing", false), ("all", true)] {
            group.bench_function(BenchmarkId::new(name, open), |b| {
                let look = |(mut engine, mut dispatch): (Patient, Dispatch)| {
                    dispatch.look(&mut engine, |task| comes.then_some(task)).map(|look| look.done.len())
                };
                b.iter_batched(ready, look, BatchSize::LargeInput);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, looks);
criterion_main!(benches);
