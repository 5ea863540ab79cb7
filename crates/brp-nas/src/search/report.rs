use super::args::Algorithm;
use super::data::Optimum;
use super::predictor::Learned;
use super::settings::Settings;
use crate::host::Stopwatch;
use crate::output::{Show, grid, number};
use crate::registry::Space;
use nas_core::{Evaluation, Trial, stats};
use search::{Point, Searched, Stopped, Summary, best_so_far, hypervolume, trials_front};
use serde::Serialize;
use std::fmt::Display;

/// What a search prints. Where it was repeated, numbers at the top are means over the runs.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    algorithm: Algorithm,
    space: Space,
    seed: u64,
    budget: usize,
    max_latency: Option<f64>,
    warmup: Option<usize>,
    /// Results were taken as they came, so that another run has another record.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    as_they_come: bool,
    moves: Option<usize>,
    proxy: Option<String>,
    /// Whether networks were trained, which takes processor time of their own.
    #[serde(skip)]
    trains: bool,
    #[serde(flatten)]
    first: Found,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<Mean>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<Found>,
}

/// Means over the runs.
#[derive(Debug, Serialize)]
struct Mean {
    repeats: usize,
    best_valid: Option<f64>,
    best_test: Option<f64>,
    best_latency: Option<f64>,
    failed: f64,
    kendall: Option<f64>,
    spearman: Option<f64>,
    cpu_s: f64,
    wall_s: f64,
    /// None where a run has nothing yet.
    largest_test_by_trained: Vec<Option<f64>>,
    best_valid_test_by_trained: Vec<Option<f64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regret_by_trained: Vec<Option<f64>>,
    /// In how many runs the best that meets the limit was found within so many trained.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    found_by_trained: Vec<usize>,
    /// In how many runs its network was trained, whatever the label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    network_trained_by_trained: Vec<usize>,
    /// In how many runs its network had the best value so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    network_first_by_trained: Vec<usize>,
}

/// What one run found.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Found {
    #[serde(rename = "run_seed")]
    seed: u64,
    trained: Vec<Trained>,
    best: Option<Trained>,
    failed: usize,
    /// Why there are no more trials.
    stopped: Stopped,
    /// What was scored before anything was trained, and how much of it has no score.
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_up_scored: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_up_unscored: Option<usize>,
    /// The trained networks that no other beats in both value and latency, from the fastest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    front: Vec<Trained>,
    /// What they dominate, in percent times ms, between value 0 and the slowest architecture of the table; not of values
    /// below 0, as of losses.
    #[serde(skip_serializing_if = "Option::is_none")]
    hypervolume: Option<f64>,
    /// Architectures that meet the limit by what was measured or predicted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    within_limit: Option<usize>,
    /// Trained networks that were predicted to meet the limit and, as measured, do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    false_positives: Option<usize>,
    /// Trained networks whose latency was never measured, so that nobody knows whether they meet it.
    #[serde(skip_serializing_if = "Option::is_none")]
    unmeasured: Option<usize>,
    /// What latencies are predicted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_predictor: Option<Learned>,
    /// The best value that meets the limit, where the tables know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    optimum_valid: Option<f64>,
    /// How many were trained when it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    optimum_after: Option<usize>,
    /// Architectures within the limit that are the network of the best, itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    optimum_equals: Option<usize>,
    /// How many were trained when one of them was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    network_after: Option<usize>,
    /// Whether the best value so far is of one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    network_first: Vec<bool>,
    /// How far the best value so far is below it; none before a network meets the limit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regret_by_trained: Vec<Option<f64>>,
    /// After each trained network, of those that meet the limit and were tested; none before the first of them, and nothing
    /// at all where none is tested.
    largest_test_by_trained: Vec<Option<f64>>,
    best_valid_test_by_trained: Vec<Option<f64>>,
    /// The largest value after each trained network.
    #[serde(skip)]
    largest_valid: Vec<Option<f64>>,
    kendall: Option<f64>,
    spearman: Option<f64>,
    cpu_s: f64,
    wall_s: f64,
}

#[derive(Debug, Clone, Serialize)]
struct Trained {
    arch: String,
    valid: Option<f64>,
    test: Option<f64>,
    latency: Option<f64>,
    /// Whether that is a prediction.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    predicted: bool,
    iteration: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// What a search came to, beside its trials.
pub(super) struct Outcome<A> {
    pub(super) seed: u64,
    pub(super) limit: Option<f64>,
    /// The best that meets it, where that is known.
    pub(super) optimum: Option<Optimum<A>>,
    pub(super) summary: Summary,
    /// Kendall and Spearman of the last ranking.
    pub(super) agreement: (Option<f64>, Option<f64>),
    pub(super) within_limit: Option<usize>,
    pub(super) learned: Option<Learned>,
    /// How many were to be scored before, and how many have no score.
    pub(super) warm_up: Option<[usize; 2]>,
    /// The largest latency that is known.
    pub(super) slowest: Option<f64>,
}

impl Found {
    pub(super) fn new<A: Clone + Display + Ord>(
        outcome: Outcome<A>,
        searched: &Searched<A>,
        test: impl Fn(&A) -> Option<f64>,
        measured: impl Fn(&A) -> bool,
        watch: &Stopwatch,
    ) -> Self {
        let Outcome { seed, limit, optimum, summary, agreement, within_limit, learned, warm_up, slowest } =
            outcome;
        let (kendall, spearman) = agreement;
        let row = |trial: &Trial<A>| {
            let latency = evaluated(trial).and_then(|e| e.latency_ms);
            Trained {
                arch: trial.arch.to_string(),
                valid: evaluated(trial).map(|e| e.value),
                test: evaluated(trial).and_then(|_| test(&trial.arch)),
                latency,
                predicted: latency.is_some() && !measured(&trial.arch),
                iteration: trial.iteration,
                failure: trial.result.as_ref().err().cloned(),
            }
        };
        let trained: Vec<Trained> = searched.trials.iter().map(row).collect();
        let meets = |trial: &Trained| limit.is_none_or(|limit| trial.latency.is_some_and(|ms| ms <= limit));
        let (mut largest, mut by_valid) = (Vec::new(), Vec::new());
        let (mut top, mut best): (Option<f64>, Option<(f64, f64)>) = (None, None);
        let tested = trained.iter().any(|trial| trial.test.is_some());
        for trial in trained.iter().filter(|_| tested) {
            if let (Some(valid), Some(test), true) = (trial.valid, trial.test, meets(trial)) {
                top = Some(top.map_or(test, |top| top.max(test)));
                best = best.filter(|(v, _)| *v >= valid).or(Some((valid, test)));
            }
            largest.push(top);
            by_valid.push(best.map(|(_, test)| test));
        }
        let judged = |measured: bool| {
            let of = trained.iter().filter(move |trial| trial.valid.is_some() && trial.predicted != measured);
            within_limit.map(|_| of)
        };
        let false_positives = judged(true).map(|of| of.filter(|trial| !meets(trial)).count());
        let unmeasured = judged(false).map(Iterator::count);
        let so_far = best_so_far(&searched.trials, limit);
        let regret_by_trained: Vec<Option<f64>> = optimum.as_ref().map_or_else(Vec::new, |optimum| {
            so_far.iter().map(|best| Some(optimum.value - (*best)?)).collect()
        });
        let found = |regret: &Option<f64>| regret.is_some_and(|regret| regret <= 0.0);
        let optimum_after = regret_by_trained.iter().position(found).map(|place| place + 1);
        let of_network = |trial: &Trial<A>| {
            evaluated(trial).is_some() && optimum.as_ref().is_some_and(|o| o.equal.contains(&trial.arch))
        };
        let network_after = searched.trials.iter().position(of_network).map(|place| place + 1);
        // whatever made the best value so far what it is
        let mut holder = (None, false);
        let network_first = so_far.iter().zip(&searched.trials).map(|(best, trial)| {
            if *best != holder.0 {
                holder = (*best, of_network(trial));
            }
            holder.1
        });
        let network_first = if optimum.is_some() { network_first.collect() } else { Vec::new() };
        let front =
            if slowest.is_some() { trials_front(&searched.trials).unwrap_or_default() } else { Vec::new() };
        let points: Vec<Point> = front.iter().filter_map(|&i| Point::of(&searched.trials[i])).collect();
        Self {
            seed,
            best: summary.best.map(|i| trained[i].clone()),
            failed: summary.failed,
            stopped: searched.stopped,
            warm_up_scored: warm_up.map(|[asked, unscored]| asked - unscored),
            warm_up_unscored: warm_up.map(|[_, unscored]| unscored),
            hypervolume: slowest
                .filter(|_| points.is_empty() || points.iter().any(|point| point.value > 0.0))
                .map(|latency_ms| hypervolume(&points, Point { value: 0.0, latency_ms })),
            front: front.into_iter().map(|i| trained[i].clone()).collect(),
            trained,
            within_limit,
            latency_predictor: learned,
            optimum_valid: optimum.as_ref().map(|optimum| optimum.value),
            optimum_after,
            optimum_equals: optimum.as_ref().map(|optimum| optimum.equal.len()),
            network_after,
            network_first,
            regret_by_trained,
            false_positives,
            unmeasured,
            largest_test_by_trained: largest,
            best_valid_test_by_trained: by_valid,
            largest_valid: so_far,
            kendall,
            spearman,
            cpu_s: watch.cpu_s(),
            wall_s: watch.wall_s(),
        }
    }

    /// The best value so far, of the test accuracy where it is known, else of what is searched by.
    pub(super) fn largest(&self) -> &[Option<f64>] {
        if self.largest_test_by_trained.is_empty() {
            &self.largest_valid
        } else {
            &self.largest_test_by_trained
        }
    }

    pub(super) fn best_valid_test(&self) -> &[Option<f64>] {
        &self.best_valid_test_by_trained
    }

    pub(super) fn counts(&self) -> (usize, usize, f64) {
        (self.trained.len(), self.failed, self.cpu_s)
    }
}

/// Why no network has a value, where none has one.
pub(super) fn why_nothing(runs: &[Found]) -> Option<String> {
    let failures: Option<Vec<_>> =
        runs.iter().flat_map(|run| &run.trained).map(|t| t.failure.as_ref()).collect();
    let why = || match runs.first().map(|run| run.stopped) {
        Some(Stopped::Wall) => "the time was up before one was trained: give it more by --max-wall".into(),
        _ => "none was trained".into(),
    };
    Some(failures?.first().map_or_else(why, |reason| format!("the first for: {reason}")))
}

/// A trial as it is reported.
fn evaluated<A>(trial: &Trial<A>) -> Option<&Evaluation> {
    trial.result.as_ref().ok()
}

/// The mean where every run has the number.
fn mean_of(runs: &[Found], of: impl Fn(&Found) -> Option<f64>) -> Option<f64> {
    let values: Option<Vec<f64>> = runs.iter().map(of).collect();
    values.map(|values| stats::mean(&values))
}

/// The mean of what every run has.
fn sure_mean(runs: &[Found], of: impl Fn(&Found) -> f64) -> f64 {
    stats::mean(&runs.iter().map(of).collect::<Vec<_>>())
}

/// The mean curve, as long as the shortest.
fn mean_curve(runs: &[Found], of: impl Fn(&Found) -> &Vec<Option<f64>>) -> Vec<Option<f64>> {
    let length = runs.iter().map(|run| of(run).len()).min().unwrap_or(0);
    (0..length).map(|place| mean_of(runs, |run| of(run)[place])).collect()
}

/// In how many runs something is so after so many trained, where there is a curve of regret.
fn runs_by_trained(runs: &[Found], is: impl Fn(&Found, usize) -> bool) -> Vec<usize> {
    let length = runs.iter().map(|run| run.regret_by_trained.len()).min().unwrap_or(0);
    (1..=length).map(|trained| runs.iter().filter(|run| is(run, trained)).count()).collect()
}

impl Report {
    /// Of at least one run.
    pub(super) fn new(settings: &Settings, runs: Vec<Found>) -> Self {
        let mean = (runs.len() > 1).then(|| Mean {
            repeats: runs.len(),
            best_valid: mean_of(&runs, |run| run.best.as_ref()?.valid),
            best_test: mean_of(&runs, |run| run.best.as_ref()?.test),
            best_latency: mean_of(&runs, |run| run.best.as_ref()?.latency),
            failed: sure_mean(&runs, |run| run.failed as f64),
            kendall: mean_of(&runs, |run| run.kendall),
            spearman: mean_of(&runs, |run| run.spearman),
            cpu_s: sure_mean(&runs, |run| run.cpu_s),
            wall_s: sure_mean(&runs, |run| run.wall_s),
            largest_test_by_trained: mean_curve(&runs, |run| &run.largest_test_by_trained),
            best_valid_test_by_trained: mean_curve(&runs, |run| &run.best_valid_test_by_trained),
            regret_by_trained: mean_curve(&runs, |run| &run.regret_by_trained),
            found_by_trained: runs_by_trained(&runs, |run, trained| {
                run.optimum_after.is_some_and(|after| after <= trained)
            }),
            network_trained_by_trained: runs_by_trained(&runs, |run, trained| {
                run.network_after.is_some_and(|after| after <= trained)
            }),
            network_first_by_trained: runs_by_trained(&runs, |run, trained| run.network_first[trained - 1]),
        });
        Self {
            algorithm: settings.algorithm,
            space: settings.space,
            seed: settings.seed,
            budget: settings.budget,
            max_latency: settings.max_latency,
            warmup: settings.plans.first().and_then(|plan| plan.warmup),
            as_they_come: settings.as_they_come,
            moves: settings.plans.first().and_then(|plan| plan.moves),
            proxy: settings.proxy.as_ref().map(ToString::to_string),
            trains: settings.train.is_some(),
            first: runs[0].clone(),
            runs: if mean.is_some() { runs } else { Vec::new() },
            mean,
        }
    }

    fn all(&self) -> &[Found] {
        if self.runs.is_empty() { std::slice::from_ref(&self.first) } else { &self.runs }
    }

    /// Whether accuracies are in percent, and not fractions, losses or the like.
    fn in_percent(&self) -> bool {
        self.all()
            .iter()
            .flat_map(|run| &run.trained)
            .any(|trial| trial.valid.is_some_and(|valid| valid > 1.0))
    }

    /// What is to be said of runs that came to less than was asked for.
    pub(super) fn notes(&self) -> Vec<String> {
        let runs = self.all();
        let note = |is: &dyn Fn(&Found) -> bool, what: &str| {
            let count = runs.iter().filter(|run| is(run)).count();
            let of =
                if runs.len() > 1 { format!("in {count} of {} runs ", runs.len()) } else { String::new() };
            (count > 0).then(|| format!("{of}{what}"))
        };
        let no_front = |run: &Found| run.hypervolume.is_some() && run.front.is_empty();
        let none_meets = |run: &Found| self.max_latency.is_some() && run.best.is_none();
        let front = note(&no_front, "the front is empty: no trained network has both a value and a latency");
        front.into_iter().chain(note(&none_meets, "no trained network meets the limit")).collect()
    }
}

/// Where a curve of regret is shown: after two fifths, and at its end.
fn regret_places(length: usize) -> Vec<usize> {
    let mut places = vec![length * 2 / 5, length];
    places.retain(|place| *place > 0);
    places.dedup();
    places
}

/// Where latencies stand in such a table.
const LATENCY: usize = 4;

/// How many of the best architectures a table for people shows.
const SHOWN: usize = 10;

impl Show for Report {
    fn table(&self) -> String {
        let mut text = String::new();
        let (unit, digits) = if self.in_percent() { (" %", 2) } else { ("", 4) };
        if let Some(mean) = &self.mean {
            let rows = self.all().iter().map(|run| {
                let best = run.best.as_ref();
                vec![
                    run.seed.to_string(),
                    number(best.and_then(|b| b.valid), digits),
                    number(best.and_then(|b| b.test), digits),
                    number(best.and_then(|b| b.latency), 3),
                    number(run.kendall, 3),
                    number(run.spearman, 3),
                    number(Some(run.cpu_s), 1),
                ]
            });
            let means = [
                mean.best_valid,
                mean.best_test,
                mean.best_latency,
                mean.kendall,
                mean.spearman,
                Some(mean.cpu_s),
            ];
            let decimals = [digits, digits, 3, 3, 3, 1];
            let last = std::iter::once("mean".to_string())
                .chain(means.into_iter().zip(decimals).map(|(value, decimals)| number(value, decimals)));
            let [valid, test] = ["best valid", "its test"].map(|name| format!("{name}{unit}"));
            let header = ["seed", &valid, &test, "latency ms", "kendall", "spearman", "cpu s"];
            text += &grid(&header, rows.chain(std::iter::once(last.collect())));
            for trained in regret_places(mean.regret_by_trained.len()) {
                let (found, regret) =
                    (mean.found_by_trained[trained - 1], mean.regret_by_trained[trained - 1]);
                text += &format!(
                    "after {trained} trained the best that meets the limit was found in {found} of {} runs",
                    mean.repeats
                );
                if let Some(equals) = self.first.optimum_equals.filter(|&equals| equals > 1) {
                    let count = |curve: &[usize]| curve[trained - 1];
                    text += &format!(
                        ", its network ({equals} architectures within the limit) in {}, with the best value in {}",
                        count(&mean.network_trained_by_trained),
                        count(&mean.network_first_by_trained)
                    );
                }
                text += &format!(", mean regret {}\n", number(regret, 3));
            }
            return text;
        }
        let run = &self.first;
        let mut order: Vec<&Trained> = run.trained.iter().collect();
        let meets =
            |t: &Trained| self.max_latency.is_none_or(|limit| t.latency.is_some_and(|ms| ms <= limit));
        order.sort_by(|a, b| {
            meets(b).cmp(&meets(a)).then(b.valid.unwrap_or(f64::MIN).total_cmp(&a.valid.unwrap_or(f64::MIN)))
        });
        let latencies = order.iter().any(|t| t.latency.is_some());
        let rows = order.iter().take(SHOWN).enumerate().map(|(place, t)| {
            let mut row = vec![
                (place + 1).to_string(),
                t.arch.clone(),
                number(t.valid, digits),
                number(t.test, digits),
                t.iteration.to_string(),
            ];
            if latencies {
                let predicted = if t.predicted { " (predicted)" } else { "" };
                let over = if meets(t) { "" } else { " (over)" };
                row.insert(LATENCY, format!("{}{predicted}{over}", number(t.latency, 3)));
            }
            row
        });
        let [valid, test] = ["valid", "test"].map(|name| format!("{name}{unit}"));
        let mut header = vec!["", "architecture", &valid, &test, "iteration"];
        if latencies {
            header.insert(LATENCY, "latency ms");
        }
        text += &grid(&header, rows);
        let trained = run.trained.len();
        let failure = run.trained.iter().find_map(|trial| trial.failure.as_ref());
        let failed = failure.map_or_else(String::new, |reason| {
            format!(" ({} of them without a value, the first for: {reason})", run.failed)
        });
        let why = match run.stopped {
            Stopped::Trials => "",
            Stopped::Cost => ", then the cost was spent",
            Stopped::Wall => ", then the time was up",
            Stopped::Exhausted => ", then nothing was left to train",
        };
        let beside = if self.trains { " beside the trainings" } else { "" };
        text += &format!(
            "{trained} trained{failed}{why}, {:.1} s of processor time{beside}, {:.1} s in all",
            run.cpu_s, run.wall_s
        );
        if let (Some(kendall), Some(spearman)) = (run.kendall, run.spearman) {
            text += &format!("; final ranking of the space: Kendall {kendall:.3}, Spearman {spearman:.3}");
        }
        if let (Some(within), Some(wrong)) = (run.within_limit, run.false_positives) {
            text += &match run.latency_predictor {
                None => format!("; {within} meet the limit"),
                Some(learned) => format!(
                    "; {within} meet the limit or are predicted to, {wrong} trained that do not; {learned}"
                ),
            };
            if let Some(unmeasured) = run.unmeasured.filter(|&unmeasured| unmeasured > 0) {
                text += &format!("; {unmeasured} of the trained were never measured");
            }
        }
        if let Some(volume) = run.hypervolume {
            let count = run.front.len();
            text += &format!("; front of {count} in value and latency, hypervolume {volume:.1}{unit} ms");
        }
        text + "\n"
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header =
            ["seed", "trained", "arch", "valid", "test", "latency", "iteration", "failure", "predicted"];
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let rows = self.all().iter().flat_map(|run| {
            run.trained.iter().enumerate().map(move |(i, t)| {
                vec![
                    run.seed.to_string(),
                    (i + 1).to_string(),
                    t.arch.clone(),
                    text(t.valid),
                    text(t.test),
                    text(t.latency),
                    t.iteration.to_string(),
                    t.failure.clone().unwrap_or_default(),
                    t.latency.map_or_else(String::new, |_| t.predicted.to_string()),
                ]
            })
        });
        (header.map(String::from).to_vec(), rows.collect())
    }
}
