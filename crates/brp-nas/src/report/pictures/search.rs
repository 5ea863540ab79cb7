//! What is drawn of searches.

use super::{CURVES, counted, curve, list, number, picture, text, thinned};
use crate::failure::{Failure, OrFail};
use crate::registry::Space;
use crate::report::Picture;
use crate::report::folders::Run;
use charts::{Axis, Chart, Mark, Series};
use nas_core::stats;
use search::running_best;
use serde_json::Value;

/// The largest accuracy so far of a search, after each trained network; not finite before there is one.
struct Curve {
    /// Of the repeats.
    mean: Vec<f64>,
    /// Their standard deviation; nothing of a single run.
    spread: Vec<f64>,
    /// Whether it is of test accuracies, and not of those that it searches by.
    test: bool,
}

impl Curve {
    /// As far as all of the repeats came.
    fn of(all: &[Vec<f64>], test: bool) -> Option<Self> {
        let length = all.iter().map(Vec::len).min().unwrap_or(0);
        let at = |place: usize| -> Vec<f64> { all.iter().map(|curve| curve[place]).collect() };
        let spread = |place: usize| (all.len() > 1).then(|| stats::sample_deviation(&at(place)));
        let mean: Vec<f64> = (0..length).map(|place| stats::mean(&at(place))).collect();
        let drawn = mean.iter().any(|mean| mean.is_finite());
        drawn.then(|| Self { mean, spread: (0..length).filter_map(spread).collect(), test })
    }
}

/// The largest after each trial; infinitely small before there is one.
fn largest(values: impl Iterator<Item = Option<f64>>) -> Vec<f64> {
    running_best(values.map(|value| value.unwrap_or(f64::NEG_INFINITY)))
}

/// Of a search and its repeats.
fn of_result(result: &Value) -> Option<Curve> {
    let one = |found: &Value| match curve(found.get("largest_test_by_trained")) {
        empty if empty.is_empty() => {
            (largest(list(found, "trained").iter().map(|trial| number(trial, "valid"))), false)
        }
        test => (test, true),
    };
    let repeats = list(result, "runs");
    let repeats = if repeats.is_empty() { std::slice::from_ref(result) } else { repeats };
    let (all, test): (Vec<Vec<f64>>, Vec<bool>) = repeats.iter().map(one).unzip();
    Curve::of(&all, test.into_iter().all(|test| test))
}

/// What a run without a result has come to, by what its searches are called; repeats that have not begun are left out.
fn so_far(run: &Run) -> Vec<(&str, Curve)> {
    let mut all: Vec<(&str, Vec<Vec<f64>>)> = Vec::new();
    for left in &run.left {
        let best = largest(left.trials.iter().map(|trial| trial.pointer("/result/Ok/value")?.as_f64()));
        match all.last_mut() {
            _ if best.is_empty() => {}
            Some((of, curves)) if *of == left.of => curves.push(best),
            _ => all.push((&left.of, vec![best])),
        }
    }
    all.into_iter().filter_map(|(of, curves)| Some((of, Curve::of(&curves, false)?))).collect()
}

/// A curve with its band, without the first trials, which would make all others flat.
fn line(name: &str, means: &[f64], spreads: &[f64]) -> Series {
    let skipped = if means.len() > 20 { means.len() / 20 } else { 0 };
    let points = counted(means).into_iter().skip(skipped).filter(|point| point[1].is_finite());
    let band = means.iter().zip(spreads).map(|(mean, s)| [mean - s, mean + s]);
    let band: Vec<[f64; 2]> = band.skip(skipped).filter(|ends| ends[0].is_finite()).collect();
    Series::new(name, Mark::Line, points.collect::<Vec<_>>()).with_band(band)
}

pub(super) fn search(run: &Run) -> Result<Vec<Picture>, Failure> {
    let Some(result) = &run.result else { return Ok(going_on(run)?.into_iter().collect()) };
    let rows = list(result, "rows");
    if !rows.is_empty() {
        return Ok(vec![compared(run, result, rows)?]);
    }
    let mut pictures = Vec::new();
    pictures.extend(ended(run, result)?);
    pictures.extend(front(run, result)?);
    let best = result.pointer("/best/arch").and_then(Value::as_str);
    if let (Some(arch), Ok(space)) = (best, serde_json::from_value::<Space>(result["space"].clone())) {
        let (graph, live) = space.graph(arch).or_input()?;
        let (name, title) = (format!("{}-best", run.name), format!("The best network: {arch}"));
        pictures.push(Picture { name, title, svg: graph.svg(&live) });
    }
    Ok(pictures)
}

/// Of accuracies, which are fractions where none is above 1.
fn unit<'a>(points: impl IntoIterator<Item = &'a [f64; 2]>) -> &'static str {
    if points.into_iter().any(|point| point[1] > 1.0) { ", %" } else { "" }
}

/// By trained networks.
fn by_trained(title: String, kind: &str, series: Vec<Series>) -> Chart {
    let first = series.iter().filter_map(|series| series.points.first()).map(|point| point[0]);
    let first = first.fold(f64::INFINITY, f64::min);
    // what `line` leaves out is said
    let from = if first > 1.0 && first.is_finite() { format!(", from {first} on") } else { String::new() };
    let unit = unit(series.iter().flat_map(|series| &series.points));
    let (x, y) = (Axis::linear(format!("networks trained{from}")), Axis::linear(format!("{kind}{unit}")));
    Chart { title, x, y, series, diagonal: false }
}

/// The curves of several algorithms.
fn compared(run: &Run, result: &Value, rows: &[Value]) -> Result<Picture, Failure> {
    let rows = rows.iter().take(CURVES).map(|row| {
        let part = match (number(row, "warmup"), number(row, "moves")) {
            (Some(count), _) => format!(", warm-up {count}"),
            (None, Some(count)) => format!(", moves {count}"),
            _ => String::new(),
        };
        let [mean, spread] =
            ["largest_test_by_trained", "largest_test_sd_by_trained"].map(|key| curve(row.get(key)));
        line(&format!("{}{part}", text(row, "algorithm")), &mean, &spread)
    });
    let repeats = number(result, "repeats").unwrap_or(1.0);
    let title = format!("Largest accuracy so far, mean and deviation of {repeats} runs");
    picture(&run.name, "curves", &by_trained(title, "accuracy", rows.collect()))
}

/// What a run without a result has come to.
fn going_on(run: &Run) -> Result<Option<Picture>, Failure> {
    let curves = so_far(run);
    let name = |of: &str| if of.is_empty() { "largest".to_owned() } else { of.to_owned() };
    let series: Vec<Series> =
        curves.iter().take(CURVES).map(|(of, curve)| line(&name(of), &curve.mean, &curve.spread)).collect();
    if series.is_empty() {
        return Ok(None);
    }
    let title = "Validation accuracy so far, of a run that has not ended".into();
    picture(&run.name, "curve", &by_trained(title, "validation accuracy", series)).map(Some)
}

/// The curve of a search and its repeats.
fn ended(run: &Run, result: &Value) -> Result<Option<Picture>, Failure> {
    let Some(Curve { mean, spread, test }) = of_result(result) else { return Ok(None) };
    let kind = if test { "test" } else { "validation" };
    let repeats = list(result, "runs").len();
    let of = if repeats > 0 { format!(", mean and deviation of {repeats} runs") } else { String::new() };
    let mut series = vec![line("largest", &mean, &spread)];
    let by_valid = match repeats {
        0 => curve(result.get("best_valid_test_by_trained")),
        _ => curve(result.pointer("/mean/best_valid_test_by_trained")),
    };
    if test && by_valid.len() == mean.len() {
        series.push(line("of the best by validation", &by_valid, &[]));
    }
    let title = format!("{}: {kind} accuracy so far{of}", text(result, "algorithm"));
    picture(&run.name, "curve", &by_trained(title, &format!("{kind} accuracy"), series)).map(Some)
}

/// What was trained by latency and accuracy, the front of it, and what was chosen.
fn front(run: &Run, result: &Value) -> Result<Option<Picture>, Failure> {
    let point = |trial: &Value| Some([number(trial, "latency")?, number(trial, "valid")?]);
    let all: Vec<[f64; 2]> = list(result, "trained").iter().filter_map(point).collect();
    if all.is_empty() {
        return Ok(None);
    }
    let front: Vec<[f64; 2]> = list(result, "front").iter().filter_map(point).collect();
    let best = result.get("best").and_then(point);
    let ends = |side: fn(f64, f64) -> f64| all.iter().map(|point| point[1]).reduce(side).unwrap_or_default();
    let mut series =
        vec![Series::new("trained", Mark::Points, thinned(&all)), Series::new("front", Mark::Steps, front)];
    if let Some(limit) = number(result, "max_latency") {
        series.push(Series::new("limit", Mark::Line, [[limit, ends(f64::min)], [limit, ends(f64::max)]]));
    }
    series.extend(best.map(|best| Series::new("chosen", Mark::Chosen, [best])));
    let positive = all.iter().all(|point| point[0] > 0.0);
    let wide = all.iter().map(|point| point[0]).fold(f64::MIN, f64::max)
        > 20.0 * all.iter().map(|point| point[0]).fold(f64::MAX, f64::min);
    let chart = Chart {
        title: "Accuracy against latency of all that was trained".into(),
        x: Axis { label: "latency, ms".into(), logarithmic: positive && wide },
        y: Axis::linear(format!("validation accuracy{}", unit(&all))),
        series,
        diagonal: false,
    };
    picture(&run.name, "front", &chart).map(Some)
}

/// Equal for searches of the same values: space, tables or training, and limit, whatever the seed.
fn comparable(run: &Run) -> String {
    let setting = |name: &str| run.begun.settings.get(name).cloned().unwrap_or_default();
    let mut train = setting("train");
    if let Some(train) = train.as_object_mut() {
        // of the images that the seed draws
        train.remove("images_sha256");
    }
    let of_limit = ["max_latency", "limit_by"].map(setting);
    let limit = (!of_limit[0].is_null()).then(|| (of_limit, run.flag("latency")));
    let files = ["accuracy", "test", "images", "test-images"].map(|name| run.flag(name));
    format!("{:?} {train:?} {files:?} {limit:?}", setting("space"))
}

/// Searches whose curves are comparable.
struct Group<'a> {
    /// The space, the tables or the training, and the limit, in full.
    key: String,
    /// The values that they look for the best of.
    of: String,
    /// Whether the curves are of test accuracies.
    test: bool,
    curves: Vec<(&'a Run, Curve)>,
}

impl<'a> Group<'a> {
    fn all(runs: &'a [Run]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for run in runs.iter().filter(|run| run.begun.command == "search") {
            let curve = match &run.result {
                Some(result) => of_result(result),
                None => so_far(run).into_iter().map(|(_, curve)| curve).next(),
            };
            let Some(curve) = curve else { continue };
            let (key, test) = (comparable(run), curve.test);
            match groups.iter_mut().find(|group| group.key == key && group.test == test) {
                Some(group) => group.curves.push((run, curve)),
                None => groups.push(Self { key, of: run.searched(), test, curves: vec![(run, curve)] }),
            }
        }
        groups.retain(|group| group.curves.len() > 1);
        groups
    }

    fn kind(&self) -> &'static str {
        if self.test { "test" } else { "validation" }
    }

    fn chart(&self) -> Chart {
        let named = |run: &Run| match run.algorithm() {
            Some(algorithm) if !run.name.contains(algorithm) => format!("{algorithm}, {}", run.name),
            _ => run.name.clone(),
        };
        let drawn = self.curves.iter().take(CURVES);
        let series = drawn.map(|(run, curve)| line(&named(run), &curve.mean, &curve.spread)).collect();
        let count = self.curves.len();
        let left = if count > CURVES { format!(" (the first {CURVES} of {count})") } else { String::new() };
        let title = format!("Largest {} accuracy so far, {}{left}", self.kind(), self.of);
        by_trained(title, &format!("{} accuracy", self.kind()), series)
    }
}

/// All searches of the same tables on the same axes, where there are several.
pub(in crate::report) fn together(runs: &[Run]) -> Result<Vec<Picture>, Failure> {
    let groups = Group::all(runs);
    let one = |(at, group): (usize, &Group<'_>)| {
        let before = groups[..at].iter().filter(|other| other.test == group.test).count();
        let number = if before > 0 { format!("-{}", before + 1) } else { String::new() };
        picture("searches", &format!("{}{number}", group.kind()), &group.chart())
    };
    groups.iter().enumerate().map(one).collect()
}
