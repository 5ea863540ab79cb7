//! Properties of the surrogates as a user sees them, conformance, bad input.

use nas_core::{Believe, Fit, Labelled, Predict, Rank, Seed, conformance};
use rand::RngExt;
use surrogates::{
    Block, Boosting, BoostingSettings, Costs, Described, Doubt, GaussianProcess, GaussianSettings, Ours,
    SurrogateError, Transfer,
};

type Arch = [u8; 6];

fn features(arch: &Arch) -> Vec<f64> {
    let count = |op| arch.iter().filter(|other| **other == op).count() as f64;
    arch.iter().map(|&op| f64::from(op)).chain((0..4).map(count)).chain([7.0]).collect()
}

/// Random architectures with what a smooth function and a threshold say of them.
fn data(rows: usize, seed: u64) -> Labelled<Arch> {
    let mut rng = Seed(seed).stream("data");
    let archs: Vec<Arch> = (0..rows).map(|_| [0; 6].map(|_: u8| rng.random_range(0..4))).collect();
    let label = |a: &Arch| {
        let sum: f64 = a.iter().map(|&x| f64::from(x)).sum();
        90.0 - (sum - 10.0) * (sum - 10.0) / 4.0 - if a[0] == 0 { 5.0 } else { 0.0 }
    };
    let labels = archs.iter().map(label).collect();
    Labelled::new(archs, labels).expect("one finite label each")
}

fn quick() -> BoostingSettings {
    BoostingSettings { trees: 60, rate: 0.2, ..BoostingSettings::default() }
}

fn same_bytes<M: Predict<Arch>>(a: &M, b: &M, archs: &[Arch]) -> bool {
    let bits = |m: &M| m.predict(archs).map(|v| v.into_iter().map(f64::to_bits).collect::<Vec<_>>()).ok();
    bits(a).is_some() && bits(a) == bits(b)
}

#[test]
fn all_learn_conform_and_give_the_same_bytes_again() {
    let (train, test, none) = (data(80, 0), data(60, 1), Labelled::empty());
    let boosting = Boosting { features, settings: quick() };
    let fit = |seed| boosting.fit(&train, &none, Seed(seed)).unwrap();
    conformance::predictor(&fit(0), test.archs()).unwrap();
    conformance::ranker(&fit(0), &test, 0.8).unwrap();
    assert!(same_bytes(&fit(5), &fit(5), test.archs()));
    assert!(!same_bytes(&fit(5), &fit(6), test.archs()));

    let process = GaussianProcess::new(features, GaussianSettings::rank());
    let fit = |seed| process.fit(&train, &none, Seed(seed)).unwrap();
    conformance::predictor(&fit(0), test.archs()).unwrap();
    conformance::ranker(&fit(0), &test, 0.8).unwrap();
    assert!(same_bytes(&fit(5), &fit(5), test.archs()));

    let ours = Ours { features, blocks: vec![] };
    let fit = |seed| ours.fit(&train, &none, Seed(seed)).unwrap();
    let model = fit(0);
    conformance::predictor(&model, test.archs()).unwrap();
    conformance::ranker(&model, &test, 0.8).unwrap();
    assert!(same_bytes(&fit(5), &fit(5), test.archs()));
}

#[test]
fn what_is_ranked_higher_is_not_believed_worse() {
    for (rows, seed) in [5, 6, 8, 12].into_iter().flat_map(|rows| (0..6).map(move |seed| (rows, seed))) {
        let (train, test) = (data(rows, seed), data(40, 100 + seed));
        let model = Ours { features, blocks: vec![] }.fit(&train, &Labelled::empty(), Seed(seed)).unwrap();
        let order = model.rank(test.archs()).unwrap();
        let beliefs = model.believe(test.archs()).unwrap();
        let means: Vec<f64> = order.iter().map(|&row| beliefs[row].mean).collect();
        assert!(means.windows(2).all(|pair| pair[0] >= pair[1]), "{rows} rows, seed {seed}: {means:?}");
    }
}

#[test]
fn as_many_are_chosen_as_are_asked_for() {
    let describe = |x: &[f64; 2]| Described { fine: x.to_vec(), coarse: x.to_vec() };
    let transfer = Transfer::new(describe, &[]).unwrap();
    let pool: Vec<[f64; 2]> = (0..700).map(|i| [f64::from(i % 8), f64::from(i)]).collect();
    for (count, chosen) in [(3, 3), (650, 650), (900, 700)] {
        let rows = transfer.choose(&pool, count, Seed(0)).unwrap();
        assert_eq!(rows.iter().collect::<std::collections::BTreeSet<_>>().len(), chosen);
        assert_eq!(rows.len(), chosen);
    }
}

#[test]
fn the_loss_of_training_never_rises_where_every_tree_sees_everything() {
    let settings = BoostingSettings { rows: 1.0, columns: 1.0, ..quick() };
    let model = Boosting { features, settings }.fit(&data(70, 2), &Labelled::empty(), Seed(0)).unwrap();
    assert_eq!(model.losses().count(), 4);
    for losses in model.losses() {
        assert!(losses.windows(2).all(|pair| pair[1] <= pair[0] + 1e-12));
        assert!(losses[0] < 1.0 && losses[59] < 0.1, "{losses:?}");
    }
}

#[test]
fn the_unit_of_the_label_does_not_change_the_order() {
    let (train, test, none) = (data(50, 3), data(50, 4), Labelled::empty());
    let shares = train.values().iter().map(|v| v / 128.0).collect();
    let other = Labelled::new(train.archs().to_vec(), shares).unwrap();
    let ours = Ours { features, blocks: vec![] };
    let (a, b) = (ours.fit(&train, &none, Seed(0)).unwrap(), ours.fit(&other, &none, Seed(0)).unwrap());
    assert_eq!(a.rank(test.archs()).unwrap(), b.rank(test.archs()).unwrap());
    for (a, b) in a.predict(test.archs()).unwrap().iter().zip(b.predict(test.archs()).unwrap()) {
        assert!((a / 128.0 - b).abs() < 1e-9);
    }
}

#[test]
fn the_deviation_covers_what_it_says() {
    let (train, test) = (data(120, 5), data(200, 6));
    let process = GaussianProcess::new(features, GaussianSettings::value());
    let model = process.fit(&train, &Labelled::empty(), Seed(0)).unwrap();
    let mean = train.values().iter().sum::<f64>() / 120.0;
    let variance = train.values().iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 120.0;
    let rows = model.believe(test.archs()).unwrap().into_iter().zip(test.values());
    let inside = rows.filter(|(n, v)| ((*v - mean) / variance.sqrt() - n.mean).abs() < 2.0 * n.of_label());
    let inside = inside.count();
    assert!((170..=200).contains(&inside), "{inside} of 200");
    assert_eq!(model.leave_one_out().len(), 120);
}

#[test]
fn relative_noise_goes_with_what_is_predicted() {
    let archs: Vec<f64> = (0..60).map(f64::from).collect();
    let labels = archs.iter().map(|x| (10.0 + x) * (1.0 + 0.05 * (x * 1.7).sin())).collect();
    let train = Labelled::new(archs, labels).unwrap();
    let process = GaussianProcess::new(|x: &f64| vec![*x], GaussianSettings::cost());
    let model = process.fit(&train, &Labelled::empty(), Seed(0)).unwrap();
    let (said, beliefs) = (model.predict(&[5.0, 50.0]).unwrap(), model.believe(&[5.0, 50.0]).unwrap());
    assert!(said[1] > 3.0 * said[0]);
    assert!((beliefs[1].noise / beliefs[0].noise - said[1] / said[0]).abs() < 1e-9);
}

#[test]
fn ours_takes_what_orders_the_held_out_rows_best() {
    let model = Ours { features, blocks: vec![] }.fit(&data(60, 7), &Labelled::empty(), Seed(0)).unwrap();
    let choice = model.choice();
    // another share than the usual one stands only for what it orders better
    let together = choice.together.unwrap();
    assert!(together + 0.09 / 60_f64.sqrt() >= choice.boosting.unwrap());
    assert!(together + 0.49 / 60_f64.sqrt() >= choice.gaussian.unwrap());
    assert!((0.0..=1.0).contains(&choice.process));
    let seen = model.believe(&[[0; 6]]).unwrap();
    assert!(seen[0].deviation > 0.0);
}

#[test]
fn few_equal_and_repeated_rows_are_fitted_or_refused_in_words() {
    let none = Labelled::empty();
    let ours = Ours { features, blocks: vec![] };
    let error = ours.fit(&data(1, 0), &none, Seed(0)).err().unwrap();
    assert_eq!(error.to_string(), "1 labelled architectures; at least 2 are needed to fit: label more");
    let archs = data(9, 0).archs().to_vec();
    let equal = Labelled::new(archs.clone(), vec![3.0; 9]).unwrap();
    assert_eq!(
        ours.fit(&equal, &none, Seed(0)).err().unwrap(),
        SurrogateError::Constant { rows: 9, value: 3.0 }
    );
    let twins = Labelled::new(vec![archs[0]; 4], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    let error = ours.fit(&twins, &none, Seed(0)).err().unwrap();
    assert_eq!(error, SurrogateError::NoFeature { features: 11, rows: 4 });
    // fewer rows than features, one label apart from all others, every row twice
    for rows in 2..8 {
        let few = data(rows, 8);
        if few.values().iter().any(|v| *v != few.values()[0]) {
            let model = ours.fit(&few, &none, Seed(0)).unwrap();
            conformance::predictor(&model, &archs).unwrap();
        }
    }
    let mut labels = vec![1.0; 9];
    labels[4] = 2.0;
    let model = ours.fit(&Labelled::new(archs.clone(), labels).unwrap(), &none, Seed(0)).unwrap();
    conformance::predictor(&model, &archs).unwrap();
    let both = [archs.clone(), archs.clone()].concat();
    let labels = (0..18).map(f64::from).collect();
    let model = ours.fit(&Labelled::new(both, labels).unwrap(), &none, Seed(0)).unwrap();
    conformance::predictor(&model, &archs).unwrap();
}

#[test]
fn features_that_are_no_numbers_or_of_other_lengths_are_named() {
    let data = Labelled::new(vec![0_usize, 1, 2], vec![1.0, 2.0, 3.0]).unwrap();
    let none = Labelled::empty();
    let nan = |i: &usize| vec![*i as f64, if *i == 2 { f64::NAN } else { 0.0 }];
    let error = Ours { features: nan, blocks: vec![] }.fit(&data, &none, Seed(0)).err().unwrap();
    assert!(matches!(error, SurrogateError::Feature { index: 2, feature: 1, .. }));
    assert!(error.to_string().starts_with("feature 1 of architecture 2 is NaN, expected a finite number"));
    let ragged = |i: &usize| vec![*i as f64; 1 + i % 2];
    let error = Ours { features: ragged, blocks: vec![] }.fit(&data, &none, Seed(0)).err().unwrap();
    assert_eq!(error, SurrogateError::Width { index: 1, found: 2, expected: 1 });
    let late = |i: &usize| if *i < 3 { vec![*i as f64] } else { vec![] };
    let model = Ours { features: late, blocks: vec![] }.fit(&data, &none, Seed(0)).unwrap();
    let error = model.predict(&[0, 3]).err().unwrap();
    assert_eq!(error, SurrogateError::Width { index: 1, found: 0, expected: 1 });
}

#[test]
fn settings_outside_their_range_are_named() {
    for (settings, name) in [
        (BoostingSettings { trees: 0, ..quick() }, "trees"),
        (BoostingSettings { rate: 0.0, ..quick() }, "rate"),
        (BoostingSettings { rows: f64::NAN, ..quick() }, "rows"),
        (BoostingSettings { columns: 1.5, ..quick() }, "columns"),
        (BoostingSettings { leaves: 1, ..quick() }, "leaves"),
        (BoostingSettings { leaves: 9, ..quick() }, "leaves"),
        (BoostingSettings { members: vec![], ..quick() }, "members"),
    ] {
        let error =
            Boosting { features, settings }.fit(&data(20, 0), &Labelled::empty(), Seed(0)).err().unwrap();
        assert!(matches!(error, SurrogateError::Setting { name: found, .. } if found == name), "{error}");
    }
}

#[test]
fn costs_are_positive_and_wild_rows_are_doubted() {
    let mut rng = Seed(11).stream("costs");
    let archs: Vec<Arch> = (0..120).map(|_| [0; 6].map(|_: u8| rng.random_range(0..4))).collect();
    let cost = |a: &Arch| 3.0 + a.iter().map(|&x| f64::from(x)).sum::<f64>();
    let wild = |i: usize| if i % 12 == 5 { 1.6 } else { 1.0 };
    let labels: Vec<f64> = archs.iter().enumerate().map(|(i, a)| cost(a) * wild(i)).collect();
    let blocks = vec![Block::choices(6), Block::counts(4), Block::numbers(1)];
    let costs = Costs { features, blocks };
    let train = Labelled::new(archs.clone(), labels.clone()).unwrap();
    let model = costs.fit(&train, &Labelled::empty(), Seed(0)).unwrap();
    conformance::predictor(&model, &archs).unwrap();
    let right = model.predict(&archs).unwrap();
    let right = right.iter().zip(&archs).filter(|(found, a)| (*found / cost(a) - 1.0).abs() < 0.05).count();
    assert!(right > 110, "{right} of 120");
    let (doubt, judged) = model.choice();
    assert!(doubt != Doubt::None && judged.len() == 5);
    for wrong in [0.0, -1.0] {
        let mut labels = labels.clone();
        labels[7] = wrong;
        let train = Labelled::new(archs.clone(), labels).unwrap();
        let expected = SurrogateError::NotPositive { index: 7, value: wrong };
        assert_eq!(costs.fit(&train, &Labelled::empty(), Seed(0)).err().unwrap(), expected);
        let trees =
            Boosting { features, settings: BoostingSettings { trees: 20, ..BoostingSettings::cost() } };
        assert_eq!(trees.fit(&train, &Labelled::empty(), Seed(0)).err().unwrap(), expected);
    }
}

#[test]
fn what_lies_far_off_costs_more_than_nothing() {
    let archs: Vec<f64> = (0..40).map(|i| 1.0 + f64::from(i % 20)).collect();
    let data = Labelled::new(archs.clone(), archs.iter().map(|x| 3.0 * x).collect()).unwrap();
    let far = [-4.0, -40.0, -400.0];
    let costs = Costs { features: |x: &f64| vec![*x], blocks: vec![Block::numbers(1)] };
    let said = costs.fit(&data, &Labelled::empty(), Seed(0)).unwrap().predict(&far).unwrap();
    assert!(said.iter().all(|&said| said > 0.0), "{said:?}");
    let describe = |x: &f64| Described { fine: vec![1.0, *x], coarse: vec![*x] };
    let transfer = Transfer::new(describe, std::slice::from_ref(&data)).unwrap();
    let said = transfer.fit(&data, &Labelled::empty(), Seed(0)).unwrap().predict(&far).unwrap();
    assert!(said.iter().all(|&said| said > 0.0), "{said:?}");
}

/// Costs that jump are what trees are for, and what is a sum is what the process is for.
#[test]
fn trees_have_a_share_of_costs_where_they_help() {
    let mut rng = Seed(12).stream("jumps");
    let mut draw = |count: usize| -> Vec<Arch> {
        (0..count).map(|_| [0; 6].map(|_: u8| rng.random_range(0..4))).collect()
    };
    let (archs, rest) = (draw(160), draw(400));
    let sums = |a: &Arch| 3.0 + a.iter().map(|&x| f64::from(x)).sum::<f64>();
    // another kernel where two things come together
    let jumps = |a: &Arch| if a[0] >= 2 && a[3] < 2 { 9.0 } else { 4.0 + f64::from(a[5]) };
    let numbers = |a: &Arch| a.map(f64::from).to_vec();
    let costs = Costs { features: numbers, blocks: vec![Block::numbers(6)] };
    let fitted = |cost: &dyn Fn(&Arch) -> f64| {
        let train = Labelled::new(archs.clone(), archs.iter().map(cost).collect()).unwrap();
        let model = costs.fit(&train, &Labelled::empty(), Seed(0)).unwrap();
        conformance::predictor(&model, &rest).unwrap();
        let off = |said: Vec<f64>| -> f64 {
            said.iter().zip(&rest).map(|(said, a)| (said / cost(a) - 1.0).abs()).sum::<f64>() / 400.0
        };
        let settings = GaussianSettings::cost();
        let alone = GaussianProcess { features: numbers, blocks: vec![Block::numbers(6)], settings };
        let alone = alone.fit(&train, &Labelled::empty(), Seed(0)).unwrap().predict(&rest).unwrap();
        (model.share(), off(model.predict(&rest).unwrap()), off(alone))
    };
    assert_eq!(fitted(&sums).0, 1.0);
    let (share, together, alone) = fitted(&jumps);
    assert!(share < 0.9 && together < alone, "{share}: {together} together, {alone} alone");
}

#[test]
fn blocks_that_do_not_cover_the_features_are_refused() {
    let settings = GaussianSettings::rank();
    let process = GaussianProcess { features, blocks: vec![Block::numbers(4)], settings };
    let error = process.fit(&data(20, 0), &Labelled::empty(), Seed(0)).err().unwrap();
    assert_eq!(error, SurrogateError::Blocks { described: 4, features: 11 });
}

#[test]
fn ours_with_scores_beside_the_graph_conforms_and_knows_how_sure_it_is() {
    let (train, test) = (data(90, 12), data(150, 13));
    let blocks = vec![Block::choices(6), Block::numbers(5)];
    let ours = Ours { features, blocks };
    let model = ours.fit(&train, &Labelled::empty(), Seed(0)).unwrap();
    conformance::ranker(&model, &test, 0.8).unwrap();
    let beliefs = model.believe(test.archs()).unwrap();
    let inside = beliefs.iter().zip(test.values()).filter(|(belief, label)| {
        (Believe::<Arch>::scaled(&model, **label) - belief.mean).abs() < 2.0 * belief.of_label()
    });
    let inside = inside.count();
    assert!(inside > 120, "{inside} of 150");
    let drawn = model.draw(&test.archs()[..20], Seed(1)).unwrap();
    assert_eq!(drawn, model.draw(&test.archs()[..20], Seed(1)).unwrap());
    assert_ne!(drawn, model.draw(&test.archs()[..20], Seed(2)).unwrap());
}
