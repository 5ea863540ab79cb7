//! Golden values of the pairwise loss, conformance of every predictor, ranking, transfer, bad input.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use arch_graph::{Encode, Encoding};
use nas_core::{Fit, FitFrom, Labelled, Predict, Rank, SearchSpace, Seed, conformance, stats};
use predictors::{
    BinaryRelation, CostLine, FittedRelation, GcnRegressor, PredictError, RegressorSettings, RelationSettings,
};
use spaces::NasBench201;
use spaces::nas_bench_201::{Cell, FullEncoding, Operation, PrunedEncoding, Skeleton};

fn cells(count: usize, seed: u64) -> Vec<Cell> {
    let mut rng = Seed(seed).stream("cells");
    let mut cells: Vec<Cell> = (0..4 * count).map(|_| NasBench201.sample(&mut rng)).collect();
    cells.sort();
    cells.dedup();
    cells.truncate(count);
    cells
}

/// A latency that counts every operation, dead or not.
fn latency(cell: &Cell) -> f64 {
    1.0 + 2.0 * cell.count(Operation::Conv3x3) as f64 + cell.count(Operation::Conv1x1) as f64
}

fn labelled(cells: &[Cell]) -> Labelled<Cell> {
    Labelled::new(cells.to_vec(), cells.iter().map(latency).collect()).unwrap()
}

fn small_regressor() -> RegressorSettings {
    let mut settings = RegressorSettings { hidden: 32, ..RegressorSettings::fast_latency(150) };
    settings.training.epochs = 120;
    settings
}

fn small_relation() -> RelationSettings {
    let mut settings = RelationSettings { hidden: 24, ..RelationSettings::published() };
    settings.training.epochs = 40;
    settings.training.rate = 3e-3;
    settings
}

fn fitted_relation(seed: u64) -> FittedRelation<FullEncoding> {
    let data = labelled(&cells(60, 1));
    let relation = BinaryRelation { encode: FullEncoding, settings: small_relation() };
    relation.fit(&data, &Labelled::empty(), Seed(seed)).unwrap()
}

#[test]
fn regressor_learns_and_conforms() {
    let (train, test) = (labelled(&cells(150, 1)), labelled(&cells(200, 2)));
    let regressor = GcnRegressor { encode: FullEncoding, settings: small_regressor() };
    let validation = labelled(&cells(30, 3));
    let model = regressor.fit(&train, &validation, Seed(0)).unwrap();
    conformance::predictor(&model, &cells(70, 4)).unwrap();
    let predicted = model.predict(test.archs()).unwrap();
    let within = stats::within(&predicted, test.values(), 0.1).unwrap();
    assert!(within > 80.0, "{within} % within 10 %");
    conformance::ranker(&model, &test, 0.9).unwrap();
    // the same seed gives the same model, also on another thread
    let again = std::thread::scope(|scope| {
        scope
            .spawn(|| regressor.fit(&train, &validation, Seed(0)).unwrap().predict(test.archs()).unwrap())
            .join()
    });
    assert_eq!(again.unwrap(), predicted);
    assert_ne!(
        regressor.fit(&train, &validation, Seed(1)).unwrap().predict(test.archs()).unwrap(),
        predicted
    );
    // the best epoch was kept, not the last
    let history = model.history();
    let losses: Vec<f64> = history.epochs.iter().map(|e| e.validation_loss.unwrap()).collect();
    assert!(losses.iter().all(|&loss| loss >= losses[history.kept]));
}

#[test]
fn relation_learns_and_its_order_is_antisymmetric() {
    let model = fitted_relation(0);
    let test = labelled(&cells(200, 2));
    conformance::ranker(&model, &test, 0.85).unwrap();
    let (scores, raw) = (model.score(test.archs()).unwrap(), model.raw_comparator(test.archs()).unwrap());
    for i in 0..60 {
        for j in 0..60 {
            let difference = raw.compare(i, j) - raw.compare(j, i);
            assert!((difference - (scores[i] - scores[j])).abs() < 1e-4 * (1.0 + difference.abs()));
        }
    }
    let order = model.rank(test.archs()).unwrap();
    assert!(order.windows(2).all(|pair| scores[pair[0]] >= scores[pair[1]]));
}

#[test]
fn the_raw_comparator_contradicts_itself_and_the_score_cannot() {
    let test = labelled(&cells(200, 2));
    let mut contradictions = Vec::new();
    for seed in 0..3 {
        let raw = fitted_relation(seed).raw_comparator(test.archs()).unwrap();
        contradictions.push(raw.contradictions());
        let mut order = raw.rank();
        order.sort_unstable();
        assert_eq!(order, (0..200).collect::<Vec<_>>());
    }
    eprintln!("share of pairs that contradict themselves when swapped: {contradictions:.3?}");
    assert!(contradictions.iter().all(|&share| share > 0.0 && share < 0.5), "{contradictions:?}");
}

#[test]
fn later_rounds_go_on_from_the_weights() {
    let data = labelled(&cells(60, 1));
    let mut settings = small_relation();
    settings.training.epochs = 0;
    let model = fitted_relation(0);
    let relation = BinaryRelation { encode: FullEncoding, settings };
    let same = relation.fit_from(&model, &data, &Labelled::empty(), Seed(9)).unwrap();
    assert_eq!(same.to_safetensors().unwrap(), model.to_safetensors().unwrap());
    settings.hidden = 25;
    let error = BinaryRelation { encode: FullEncoding, settings }
        .fit_from(&model, &data, &Labelled::empty(), Seed(9))
        .unwrap_err();
    let text = "cannot go on from this model: it has 8 features, 4 layers of 24 units, but the settings say 8, 4 of 25";
    assert_eq!(error.to_string(), text);
}

#[test]
fn transfer_starts_from_another_label() {
    let target = labelled(&cells(25, 1));
    let source: Vec<Cell> = cells(400, 5);
    let flops = |cell: &Cell| Skeleton::default().cost(cell).unwrap().multiply_adds as f64;
    let source = Labelled::new(source.clone(), source.iter().map(flops).collect()).unwrap();
    let mut regressor = GcnRegressor { encode: FullEncoding, settings: small_regressor() };
    let start = regressor.fit(&source, &Labelled::empty(), Seed(0)).unwrap();
    let test = labelled(&cells(300, 2));
    // a short training, so that the start shows
    regressor.settings.training.epochs = 20;
    let spearman = |seed: u64, transfer: bool| {
        let model = if transfer {
            regressor.transfer(start.gcn(), &target, &Labelled::empty(), Seed(seed))
        } else {
            regressor.fit(&target, &Labelled::empty(), Seed(seed))
        };
        stats::spearman(&model.unwrap().predict(test.archs()).unwrap(), test.values()).unwrap()
    };
    let mean = |transfer| stats::mean(&[0, 1, 2].map(|seed| spearman(seed, transfer)));
    assert!(mean(true) > mean(false), "{} with, {} without", mean(true), mean(false));
    let relation = BinaryRelation {
        encode: FullEncoding,
        settings: RelationSettings { hidden: 32, ..small_relation() },
    };
    let model = relation.transfer(start.gcn(), &target, Seed(0)).unwrap();
    conformance::ranker(&model, &test, 0.8).unwrap();
}

#[test]
fn a_cost_line_is_least_squares() {
    let data = labelled(&cells(50, 1));
    let line =
        CostLine { cost: |cell: &Cell| 3.0 * latency(cell) - 5.0 }.fit(&data, &Labelled::empty(), Seed(0));
    let line = line.unwrap();
    for (predicted, expected) in line.predict(data.archs()).unwrap().iter().zip(data.values()) {
        assert!((predicted - expected).abs() < 1e-9);
    }
    conformance::predictor(&line, data.archs()).unwrap();
}

/// Refuses one cell.
#[derive(Debug, Clone)]
struct Refuses(Cell);

#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl Encode<Cell> for Refuses {
    type Error = Refused;

    fn nodes(&self) -> usize {
        Encode::<Cell>::nodes(&PrunedEncoding)
    }

    fn width(&self) -> usize {
        Encode::<Cell>::width(&PrunedEncoding)
    }

    fn has_global(&self) -> bool {
        true
    }

    fn encode(&self, arch: &Cell) -> Result<Encoding, Refused> {
        if *arch == self.0 { Err(Refused) } else { PrunedEncoding.encode(arch).map_err(|_| Refused) }
    }
}

#[test]
fn data_that_cannot_be_fitted_says_why() {
    let cells = cells(20, 1);
    let regressor = GcnRegressor { encode: Refuses(cells[7]), settings: small_regressor() };
    let fit = |data: &Labelled<Cell>| regressor.fit(data, &Labelled::empty(), Seed(0)).unwrap_err();
    assert!(matches!(fit(&labelled(&cells)), PredictError::Encode { index: 7, .. }));
    let error = fit(&labelled(&cells[..1]));
    assert_eq!(error.to_string(), "1 labelled architectures; at least 2 are needed to fit");
    let constant = Labelled::new(cells.clone(), vec![3.0; 20]).unwrap();
    assert_eq!(
        fit(&constant).to_string(),
        "all 20 labels are 3: there is nothing to learn from equal labels"
    );
    let relation = BinaryRelation { encode: PrunedEncoding, settings: small_relation() };
    assert!(matches!(
        relation.fit(&constant, &Labelled::empty(), Seed(0)),
        Err(PredictError::Constant { .. })
    ));
}
