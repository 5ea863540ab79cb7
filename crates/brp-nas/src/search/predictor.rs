//! The predictors of a search: of accuracies, of what they start from, and of latencies.

use super::args::{LimitBy, Source};
use super::data::{Data, in_order};
use super::mine;
use super::settings::Settings;
use crate::failure::{Failure, OrFail};
use crate::features::Features;
use crate::predictable::Predictable;
use crate::registry::{EncodingName, Setting};
use anyhow::{Context, anyhow};
use gcn::{EarlyStopping, Gcn, Training};
use nas_core::{Fit, FitFrom, Labelled, Predict, Seed, stats};
use predictors::{
    BinaryRelation, Committee, FittedRegressor, GcnRegressor, NeuralPredictor, NeuralPredictorSettings,
    PredictError, RegressorSettings, RelationSettings, Ridge, Scaling, Transferred, TwoStage,
    TwoStageSettings,
};
use search::{SearchError, Selection, WarmUp};
use serde::Serialize;
use std::sync::Arc;
use surrogates::Costs;

/// Share of the last ranking, from its top, that the network fills alone. It knows the top, where half of its
/// samples are from, and so it also chooses the samples; a line through descriptors knows the rest better.
const LEAD: f64 = 1.0 / 32.0;

/// Rows that a latency predictor learns from, where there are as many and nobody says otherwise.
const LATENCY_ROWS: usize = 900;

/// How strongly the weights of that line are held back.
const PENALTY: f64 = 0.1;

/// What a predictor is fitted with in a round, and what on the scores of a warm-up.
pub(super) struct Fits<'a, F> {
    pub(super) round: Box<dyn Fn(usize) -> F + 'a>,
    pub(super) warm: F,
}

/// Settings that the rows and their labels decide, for a predictor that begins anew in every round: the width of a
/// Neural Predictor goes by the number of rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anew<F>(pub(super) F);

impl<A, S: Fit<A>, F: Fn(&Labelled<A>) -> S> Fit<A> for Anew<F> {
    type Model = S::Model;
    type Error = S::Error;

    fn fit(&self, train: &Labelled<A>, validation: &Labelled<A>, seed: Seed) -> Result<S::Model, S::Error> {
        self.0(train).fit(train, validation, seed)
    }
}

impl<A, S: Fit<A>, F: Fn(&Labelled<A>) -> S> FitFrom<A> for Anew<F> {
    fn fit_from(
        &self,
        _: &S::Model,
        train: &Labelled<A>,
        validation: &Labelled<A>,
        seed: Seed,
    ) -> Result<S::Model, S::Error> {
        self.fit(train, validation, seed)
    }
}

/// The same in every round.
pub(super) fn always<'a, F: Clone + 'a>(settings: F) -> Fits<'a, F> {
    Fits { warm: settings.clone(), round: Box::new(move |_| settings.clone()) }
}

/// The Neural Predictor, on an encoding without a global node, as it averages over nodes.
pub(super) fn neural<A, E: Clone>(encode: E) -> Anew<impl Fn(&Labelled<A>) -> NeuralPredictor<E> + Clone> {
    Anew(move |known: &Labelled<A>| NeuralPredictor {
        encode: encode.clone(),
        settings: NeuralPredictorSettings::for_labels(known.values()),
    })
}

/// The same behind a classifier.
pub(super) fn two_stages<A, E: Clone>(encode: E) -> Anew<impl Fn(&Labelled<A>) -> TwoStage<E> + Clone> {
    Anew(move |known: &Labelled<A>| TwoStage {
        encode: encode.clone(),
        settings: TwoStageSettings::for_labels(known.values()),
    })
}

/// The binary relation network, and where it starts from.
pub(super) type Relation<'a, E> = Transferred<'a, BinaryRelation<E>>;

/// A graph network that predicts accuracies, and where it starts from.
pub(super) type Regressor<'a, E> = Transferred<'a, GcnRegressor<E>>;

/// Zero-Cost NAS pre-trains on scores for 50 epochs in batches of 256, stopped after 5 without progress.
fn warming(training: Training) -> Training {
    let stop = Some(EarlyStopping { patience: 5, after: 0, restore_best: true });
    Training { epochs: 50, batch: 256, stop, ..training }
}

pub(super) fn relation<'a, E: Clone + 'a>(
    encode: E,
    setting: Setting,
    rounds: usize,
    start: Option<&'a Gcn>,
) -> Fits<'a, Relation<'a, E>> {
    let relation = match setting {
        Setting::Ours => RelationSettings::searching(),
        Setting::Published => RelationSettings::published(),
    };
    let of =
        move |settings| Transferred { settings: BinaryRelation { encode: encode.clone(), settings }, start };
    let warm = warming(relation.training);
    let warm = match setting {
        // more steps than two an epoch
        Setting::Ours => Training { batch: relation.training.batch, ..warm },
        Setting::Published => warm,
    };
    Fits {
        warm: of(RelationSettings { training: warm, ..relation }),
        round: Box::new(move |round| of(relation.round(round, rounds))),
    }
}

/// A ridge regression on descriptors of the architecture.
pub(super) fn line<S: Predictable>(
    space: &S,
) -> Result<Ridge<impl Fn(&S::Arch) -> Vec<f64> + Clone>, Failure> {
    let descriptors = space.descriptors().or_failed()?;
    Ok(Ridge { describe: move |arch: &S::Arch| descriptors(arch), penalty: PENALTY })
}

/// That network, and in the last ranking another predictor beside it.
pub(super) fn committee<'a, E: Clone + 'a, G: Clone + 'a>(
    encode: E,
    rounds: usize,
    start: Option<&'a Gcn>,
    second: G,
) -> Fits<'a, Committee<Relation<'a, E>, G>> {
    let Fits { round, warm } = relation(encode, Setting::Ours, rounds, start);
    let warm = Committee { first: warm, second: second.clone(), lead: 1.0 };
    let round = move |number| Committee {
        first: round(number),
        second: second.clone(),
        lead: if number + 1 < rounds { 1.0 } else { LEAD },
    };
    Fits { round: Box::new(round), warm }
}

pub(super) fn regressor<'a, E: Clone + 'a>(
    encode: E,
    setting: Setting,
    selection: Selection,
    start: Option<&'a Gcn>,
) -> Fits<'a, Regressor<'a, E>> {
    let accuracy = RegressorSettings::published_accuracy(selection.samples);
    let of = move |training, scaling| Transferred {
        settings: GcnRegressor {
            encode: encode.clone(),
            settings: RegressorSettings { training, scaling, ..accuracy },
        },
        start,
    };
    let epochs = move |round: usize| accuracy.training.epochs * (round + 1) / selection.iterations;
    // the authors' batches grow with the rounds too: 10, 20, .. 50
    let batch = move |round: usize| match setting {
        Setting::Ours => accuracy.training.batch,
        Setting::Published => (accuracy.training.batch / selection.iterations).max(1) * (round + 1),
    };
    Fits {
        // places among scores lie in 0 to 1 as scaled accuracies do, and are none
        warm: of(Training { batch: accuracy.training.batch, ..warming(accuracy.training) }, Scaling::None),
        round: Box::new(move |round| {
            let training = Training { epochs: epochs(round), batch: batch(round), ..accuracy.training };
            of(training, accuracy.scaling)
        }),
    }
}

/// Fits to the scores of a warm-up, by their places: scores have no unit, and some have a long tail.
pub(super) fn warmed<A: Clone, F: FitFrom<A, Error = PredictError>>(
    fit: &F,
    warm_up: &WarmUp<A>,
    seed: Seed,
) -> Result<F::Model, Failure> {
    let (archs, scores): (Vec<A>, Vec<f64>) = warm_up.scored.iter().cloned().unzip();
    let count = archs.len() as f64;
    let places = stats::average_ranks(&scores).into_iter().map(|rank| rank / count).collect();
    let known = Labelled::new(archs, places).or_failed()?;
    match fit.fit(&known, &Labelled::empty(), seed) {
        Err(error @ (PredictError::TooFew { .. } | PredictError::Constant { .. })) => {
            Err(error).context("the predictor cannot learn from the scores of the warm-up").or_input()
        }
        other => other.or_failed(),
    }
}

/// The network that the predictor starts from.
pub(super) fn pre_trained<S: Predictable>(
    settings: &Settings,
    data: &Data<S>,
    encode: S::Encoding,
    seed: Seed,
) -> Result<Option<FittedRegressor<S::Encoding>>, Failure> {
    let rows = |known: usize| settings.transfer_train.min(known);
    let train = match (&settings.transfer_from, &data.source) {
        (Source::None, _) => return Ok(None),
        (Source::Table(_), Some(column)) => {
            let known = in_order(data.space, column.labelled());
            known.split(rows(known.len()), 0, seed).or_input()?.train
        }
        _ => {
            let all = Labelled::new(data.archs.clone(), vec![0.0; data.archs.len()]).or_failed()?;
            let chosen = all.split(rows(all.len()), 0, seed).or_input()?.train;
            let unknown = |arch| anyhow!("--transfer-from flops: the multiply-adds of {arch} are not known");
            let cost = |arch| data.space.multiply_adds(arch).ok_or_else(|| unknown(arch));
            let costs = chosen.archs().iter().map(cost).collect::<Result<_, _>>().or_input()?;
            Labelled::new(chosen.archs().to_vec(), costs).or_failed()?
        }
    };
    let source = GcnRegressor { encode, settings: RegressorSettings::pre_training() };
    match Fit::fit(&source, &train, &Labelled::empty(), seed) {
        // nothing to learn from a table of one row or of equal costs
        Err(error @ (PredictError::TooFew { .. } | PredictError::Constant { .. })) => {
            if settings.transfer_asked {
                let from = String::from(settings.transfer_from.clone());
                let what = format!("--transfer-from {from}: there is nothing to start from");
                return Err(error).context(what).or_input();
            }
            Ok(None)
        }
        other => other.map(Some).or_failed(),
    }
}

/// How the final ranking of the whole space agrees with the test accuracy, or the validation accuracy where
/// there is no test.
pub(super) fn agreement<S: Predictable>(
    data: &Data<S>,
    ranking: Option<&[usize]>,
) -> Result<(Option<f64>, Option<f64>), Failure> {
    let (Some(ranking), Some(truth)) = (ranking, data.test.as_ref().or(data.accuracy.as_ref())) else {
        return Ok((None, None));
    };
    let (mut predicted, mut known) = (Vec::new(), Vec::new());
    for (place, &i) in ranking.iter().enumerate() {
        if let Some(value) = truth.get(&data.ranked()[i]) {
            predicted.push(-(place as f64));
            known.push(value);
        }
    }
    let defined = |result: Result<f64, stats::StatsError>| match result {
        Err(stats::StatsError::Constant(_) | stats::StatsError::TooFew { .. }) => Ok(None),
        other => other.map(Some).or_failed(),
    };
    Ok((defined(stats::kendall_tau_b(&predicted, &known))?, defined(stats::spearman(&predicted, &known))?))
}

/// What may meet a limit.
pub(super) struct Within<A> {
    pub(super) archs: Vec<A>,
    /// In ms.
    pub(super) latencies: Vec<f64>,
    /// That each does.
    pub(super) chances: Vec<f64>,
}

/// What a predictor of latencies learned from.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Learned {
    rows: usize,
    /// How far their latencies are from what the others say of them, in percent, in the median; not known of networks.
    off_pct: Option<f64>,
}

impl std::fmt::Display for Learned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "latencies predicted from {} measured ones", self.rows)?;
        self.off_pct.map_or(Ok(()), |off| write!(f, ", off by {off:.1} % in the median of what was left out"))
    }
}

/// What is less likely to meet a limit is no candidate.
const UNLIKELY: f64 = 0.1;

/// A latency in ms, and the chance that it meets the limit.
type Latency = (f64, f64);

/// Latencies that were not measured, by what the measured ones teach.
type Guess<'a, A> = Box<dyn Fn(&[A]) -> Result<Vec<Latency>, Failure> + Sync + 'a>;

/// Latencies beside a limit: of the table where it is asked and knows an architecture, and else by what its rows teach.
pub(super) struct Latencies<'a, S: Predictable> {
    data: &'a Data<S>,
    limit: f64,
    by: LimitBy,
    guess: Option<Guess<'a, S::Arch>>,
    /// Nothing where all latencies are looked up.
    pub(super) learned: Option<Learned>,
}

impl<'a, S: Predictable> Latencies<'a, S> {
    /// A predictor is fitted where the table does not know all that may be trained: the candidates, and where these grow
    /// all that may join. What is `doubtful` has a chance to meet the limit, and not only a yes or no.
    pub(super) fn new(
        data: &'a Data<S>,
        grows: bool,
        (limit, doubtful): (f64, bool),
        settings: &Settings,
        seed: Seed,
    ) -> Result<Self, Failure> {
        let of = Self { data, limit, by: settings.limit_by, guess: None, learned: None };
        let unknown = |archs: &[S::Arch]| archs.iter().any(|arch| of.known(arch).is_none());
        let some = match data.reach(grows) {
            Some(all) => unknown(all),
            // what no table knows is no candidate where the table alone decides
            None => of.by != LimitBy::Table || unknown(&data.candidates),
        };
        match &data.latency_rows {
            Some(rows) if some => {
                let (guess, learned) = learn(data.space, rows, (limit, doubtful), settings, seed)?;
                Ok(Self { guess: Some(guess), learned: Some(learned), ..of })
            }
            _ => Ok(of),
        }
    }

    fn known(&self, arch: &S::Arch) -> Option<f64> {
        match self.by {
            LimitBy::Predictor => None,
            LimitBy::Known | LimitBy::Table => self.data.latency.as_ref()?.get(arch),
        }
    }

    /// All that may meet the limit.
    pub(super) fn within(&self, archs: Vec<S::Arch>) -> Result<Within<S::Arch>, Failure> {
        let of = archs.len();
        let told: Vec<Option<f64>> = archs.iter().map(|arch| self.known(arch)).collect();
        let unknown = archs.iter().zip(&told).filter(|(_, told)| told.is_none());
        let unknown: Vec<S::Arch> = unknown.map(|(arch, _)| arch.clone()).collect();
        let guessed = match &self.guess {
            Some(guess) if !unknown.is_empty() => guess(&unknown)?,
            _ => Vec::new(),
        };
        let mut guessed = guessed.into_iter();
        let mut lowest = f64::INFINITY;
        let mut within = Within { archs: Vec::new(), latencies: Vec::new(), chances: Vec::new() };
        for (arch, told) in archs.into_iter().zip(told) {
            let known = told.map(|ms| certain(ms, self.limit));
            let Some((ms, chance)) = known.or_else(|| guessed.next()) else { continue };
            lowest = lowest.min(ms);
            if chance >= UNLIKELY {
                within.archs.push(arch);
                within.latencies.push(ms);
                within.chances.push(chance);
            }
        }
        if within.archs.is_empty() {
            return Err(mine(SearchError::NothingMeets { limit: self.limit, lowest, candidates: of }));
        }
        Ok(within)
    }

    /// Of one architecture; nothing where nobody knows, or it cannot be predicted.
    fn one(&self, arch: &S::Arch) -> Option<Latency> {
        let known = self.known(arch).map(|ms| certain(ms, self.limit));
        known.or_else(|| self.guess.as_ref()?(std::slice::from_ref(arch)).ok()?.pop())
    }

    /// In ms, of one architecture.
    pub(super) fn ms(&self, arch: &S::Arch) -> Option<f64> {
        Some(self.one(arch)?.0)
    }

    /// That one architecture meets the limit, where that is likely enough.
    pub(super) fn chance(&self, arch: &S::Arch) -> Option<f64> {
        self.one(arch).map(|(_, chance)| chance).filter(|chance| *chance >= UNLIKELY)
    }
}

/// A latency, and whether it meets the limit as a chance.
fn certain(ms: f64, limit: f64) -> Latency {
    (ms, if ms <= limit { 1.0 } else { 0.0 })
}

/// Learns from known latencies, by [`Costs`] on what decides them, or in the published setting by a graph network that a
/// ninth as many rows stop.
fn learn<'a, S: Predictable>(
    space: &'a S,
    known: &Labelled<S::Arch>,
    (limit, doubtful): (f64, bool),
    settings: &Settings,
    seed: Seed,
) -> Result<(Guess<'a, S::Arch>, Learned), Failure> {
    let published = settings.setting == Setting::Published;
    let rows = known.len();
    let held = |train: usize| if published { train / 9 } else { 0 };
    // a ninth is held beside them
    let all = if published { rows * 9 / 10 } else { rows };
    let train = settings.latency_train.unwrap_or_else(|| LATENCY_ROWS.min(all));
    let split = known
        .split(train, held(train), seed)
        .context("--latency-train asks for too many rows of the latency table")
        .or_input()?;
    let failed = "the latency predictor cannot be fitted";
    if published {
        let encode = space.encoding(EncodingName::Full).or_failed()?;
        let predictor = GcnRegressor { encode, settings: RegressorSettings::fast_latency(train) };
        let model =
            Fit::fit(&predictor, &split.train, &split.validation, seed).context(failed).or_failed()?;
        let guess = move |archs: &[S::Arch]| {
            let predicted = model.predict(archs).or_failed()?;
            Ok(predicted.into_iter().map(|ms| certain(ms, limit)).collect())
        };
        return Ok((Box::new(guess), Learned { rows: train, off_pct: None }));
    }
    let features = Arc::new(Features::of_costs(space)?);
    let blocks = features.blocks();
    let costs = Costs { features: move |arch: &S::Arch| features.of(arch), blocks };
    let model = costs.fit(&split.train, &Labelled::empty(), seed).context(failed).or_input()?;
    let learned = Learned { rows: train, off_pct: Some(model.off_pct()) };
    let guess = move |archs: &[S::Arch]| {
        let likely = |ms: f64| if doubtful { (ms, model.chance(ms, limit)) } else { certain(ms, limit) };
        Ok(model.predict(archs).or_failed()?.into_iter().map(likely).collect())
    };
    Ok((Box::new(guess), learned))
}

#[cfg(test)]
mod tests {
    use super::regressor;
    use crate::registry::Setting;
    use search::Selection;

    #[test]
    fn batches_of_the_published_predictor_grow_from_round_to_round() {
        let batches = |setting| {
            let fits = regressor((), setting, Selection::published(), None);
            (0..5).map(|round| (fits.round)(round).settings.settings.training.batch).collect::<Vec<_>>()
        };
        assert_eq!(batches(Setting::Published), [10, 20, 30, 40, 50]);
        assert_eq!(batches(Setting::Ours), [50; 5]);
    }
}
