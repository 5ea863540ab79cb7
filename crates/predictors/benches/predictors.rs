//! Scoring and ranking all of NAS-Bench-201, and a whole search of 100 trained networks.

use criterion::{Criterion, criterion_group, criterion_main};
use nas_core::{Evaluation, Fit, Labelled, Objective, Predict, Rank, Seed};
use predictors::{BinaryRelation, GcnRegressor, RegressorSettings, RelationSettings};
use search::{BrpNas, Selection, run};
use spaces::NasBench201;
use spaces::nas_bench_201::{Cell, Operation, PrunedEncoding};

fn space() -> Vec<Cell> {
    (0..15_625).map(|index| NasBench201.get(index).expect("an index of the space")).collect()
}

/// Convolutions help: enough to have something to rank.
fn accuracy(cell: &Cell) -> f64 {
    3.0 * cell.count(Operation::Conv3x3) as f64 + cell.count(Operation::Conv1x1) as f64
}

struct Convolutions;

impl Objective<Cell> for Convolutions {
    type Error = std::convert::Infallible;

    fn evaluate(&self, cell: &Cell) -> Result<Evaluation, Self::Error> {
        Ok(Evaluation::of(accuracy(cell)))
    }
}

fn models(c: &mut Criterion) {
    let (space, none) = (space(), Labelled::empty());
    let data = Labelled::new(space[..50].to_vec(), space[..50].iter().map(accuracy).collect());
    let data = data.expect("finite labels");
    let encode = PrunedEncoding;
    let mut settings = RegressorSettings::published_accuracy(50);
    settings.training.epochs = 1;
    let regressor = GcnRegressor { encode, settings }.fit(&data, &none, Seed(0)).expect("it fits");
    let mut settings = RelationSettings::published();
    settings.training.epochs = 1;
    let relation = BinaryRelation { encode, settings }.fit(&data, &none, Seed(0)).expect("it fits");
    let mut group = c.benchmark_group("space");
    group.sample_size(10);
    group.bench_function("score/15625", |b| b.iter(|| regressor.predict(&space)));
    group.bench_function("rank/15625", |b| b.iter(|| relation.rank(&space)));
    group.bench_function("rank-raw/15625", |b| {
        b.iter(|| relation.raw_comparator(&space).map(|raw| raw.rank()));
    });
    group.finish();
}

fn whole(c: &mut Criterion) {
    let space = space();
    let mut group = c.benchmark_group("search");
    group.sample_size(10);
    group.bench_function("brp/100", |b| {
        b.iter(|| {
            let settings = |round| RelationSettings::searching().round(round, 5);
            let predictor = |round| BinaryRelation { encode: PrunedEncoding, settings: settings(round) };
            let mut searcher = BrpNas::new(space.clone(), Selection::published(), predictor, Seed(0))?;
            run(&mut searcher, &Convolutions, 100, &mut [])
        });
    });
    group.finish();
}

criterion_group!(benches, models, whole);
criterion_main!(benches);
