//! The loop's own cost an evaluation: an evaluation here costs nothing.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nas_core::{Decisions, Evaluation, ParseArchError, SearchSpace, Seed, Stream};
use rand::RngExt;
use search::{
    Domain, Evolution, EvolutionSettings, InOrder, Moves, Random, Reinforce, ReinforceSettings, Run, run,
};
use std::fmt;

/// As many architectures, neighbours and decisions as NAS-Bench-201 has.
#[derive(Debug)]
struct Cells;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Cell([u8; 6]);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl SearchSpace for Cells {
    type Arch = Cell;

    fn name(&self) -> &str {
        "cells"
    }

    fn len(&self) -> Option<u64> {
        Some(15_625)
    }

    fn sample(&self, rng: &mut Stream) -> Cell {
        Cell([0; 6].map(|_: u8| rng.random_range(0..5)))
    }

    fn mutate(&self, cell: &Cell, rng: &mut Stream) -> Cell {
        let (edge, step) = (rng.random_range(0..6), rng.random_range(1..5));
        let mut ops = cell.0;
        ops[edge] = (ops[edge] + step) % 5;
        Cell(ops)
    }

    fn neighbours(&self, cell: &Cell) -> Vec<Cell> {
        let other = |edge: usize| {
            (0..5).filter(move |&op| op != cell.0[edge]).map(move |op| {
                let mut ops = cell.0;
                ops[edge] = op;
                Cell(ops)
            })
        };
        (0..6).flat_map(other).collect()
    }

    fn parse(&self, text: &str) -> Result<Cell, ParseArchError> {
        Err(ParseArchError::at("cells", text, 0, "nothing"))
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Cell> + '_>> {
        None
    }
}

impl Decisions for Cells {
    fn decisions(&self) -> Vec<usize> {
        vec![5; 6]
    }

    fn choices_of(&self, cell: &Cell) -> Vec<usize> {
        cell.0.iter().map(|&op| usize::from(op)).collect()
    }

    fn arch_of(&self, choices: &[usize]) -> Option<Cell> {
        let ops: Vec<u8> = choices.iter().map(|&choice| choice as u8).collect();
        Some(Cell(ops.try_into().ok()?))
    }
}

fn value(cell: &Cell) -> f64 {
    cell.0.iter().map(|&op| f64::from(op)).sum()
}

fn evaluate(cell: &Cell) -> Result<Evaluation, std::io::Error> {
    Ok(Evaluation::of(value(cell)))
}

fn overhead(c: &mut Criterion) {
    let mut group = c.benchmark_group("run");
    let in_order = |x: &u32| Ok::<_, std::io::Error>(Evaluation::of(f64::from(*x)));
    for budget in [100, 1_000] {
        group.throughput(Throughput::Elements(budget as u64));
        let id = |name: &str| BenchmarkId::new(name, budget);
        group.bench_with_input(id("in-order"), &budget, |b, &budget| {
            b.iter(|| run(&mut InOrder::new(0..u32::MAX), &in_order, budget, &mut []));
        });
        let domain = || Domain::of(&Cells);
        group.bench_with_input(id("random"), &budget, |b, &budget| {
            b.iter(|| run(&mut Random::new(domain(), Seed(0)), &evaluate, budget, &mut []));
        });
        let evolution = || Evolution::new(domain(), EvolutionSettings::published(), Seed(0));
        group.bench_with_input(id("evolution"), &budget, |b, &budget| {
            b.iter(|| evolution().and_then(|mut evolution| run(&mut evolution, &evaluate, budget, &mut [])));
        });
        let reinforce = || Reinforce::new(domain(), ReinforceSettings::standard(), Seed(0));
        group.bench_with_input(id("reinforce"), &budget, |b, &budget| {
            b.iter(|| reinforce().and_then(|mut policy| run(&mut policy, &evaluate, budget, &mut [])));
        });
        group.bench_with_input(id("evolution-moves"), &budget, |b, &budget| {
            b.iter(|| {
                let mut evolution = evolution()?.moves(Moves::new(24, &value)?);
                run(&mut evolution, &evaluate, budget, &mut [])
            });
        });
        let recorded = Run::new(budget).search(&mut Random::new(domain(), Seed(0)), &evaluate, &mut []);
        let recorded = recorded.map_or_else(|_| Vec::new(), |searched| searched.trials);
        group.bench_with_input(id("replay"), &budget, |b, &budget| {
            b.iter(|| {
                let mut random = Random::new(domain(), Seed(0));
                Run::new(budget).go_on_from(recorded.clone()).search(&mut random, &evaluate, &mut [])
            });
        });
    }
    group.finish();
}

criterion_group!(benches, overhead);
criterion_main!(benches);
