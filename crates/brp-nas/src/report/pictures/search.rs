//! What is drawn of searches.

use super::{CURVES, counted, list, number, numbers, picture, text, thinned};
use crate::failure::{Failure, OrFail};
use crate::registry::Space;
use crate::report::Picture;
use crate::report::folders::Run;
use charts::{Axis, Chart, Mark, Series};
use nas_core::stats;
use search::running_best;
use serde_json::Value;

/// The largest accuracy so far of a search, after each trained network.
struct Curve {
    /// Of the repeats.
    mean: Vec<f64>,
    /// Their standard deviation; nothing of a single run.
    spread: Vec<f64>,
    /// Whether it is of test accuracies, and not of those that it searches by.
    test: bool,
}

fn curve(run: &Run) -> Option<Curve> {
    let Some(result) = &run.result else {
        let values: Vec<f64> =
            run.trials.iter().filter_map(|trial| trial.pointer("/result/Ok/value")?.as_f64()).collect();
        return (!values.is_empty()).then(|| Curve {
            mean: running_best(values),
            spread: Vec::new(),
            test: false,
        });
    };
    let one = |found: &Value| match numbers(found.get("largest_test_by_trained")) {
        empty if empty.is_empty() => {
            let valid: Vec<f64> = list(found, "trained").iter().filter_map(|t| number(t, "valid")).collect();
            (running_best(valid), false)
        }
        test => (test, true),
    };
    let repeats = list(result, "runs");
    let all: Vec<(Vec<f64>, bool)> =
        if repeats.is_empty() { vec![one(result)] } else { repeats.iter().map(one).collect() };
    let length = all.iter().map(|(curve, _)| curve.len()).min().filter(|length| *length > 0)?;
    let at = |place: usize| -> Vec<f64> { all.iter().map(|(curve, _)| curve[place]).collect() };
    let mean = (0..length).map(|place| stats::mean(&at(place))).collect();
    let spread = if all.len() > 1 {
        (0..length).map(|place| stats::sample_deviation(&at(place))).collect()
    } else {
        Vec::new()
    };
    Some(Curve { mean, spread, test: all[0].1 })
}

/// A curve with its band, without the first trials, which would make all others flat.
fn line(name: &str, means: &[f64], spreads: &[f64]) -> Series {
    let skipped = if means.len() > 20 { means.len() / 20 } else { 0 };
    let points: Vec<[f64; 2]> = counted(means).split_off(skipped);
    let band: Vec<[f64; 2]> =
        (means.iter().zip(spreads)).map(|(mean, s)| [mean - s, mean + s]).skip(skipped).collect();
    Series::new(name, Mark::Line, points).with_band(band)
}

pub(super) fn search(run: &Run) -> Result<Vec<Picture>, Failure> {
    let mut pictures = Vec::new();
    let trained = Axis::linear("networks trained");
    let result = run.result.clone().unwrap_or_default();
    let compared = list(&result, "rows");
    if !compared.is_empty() {
        let rows = compared.iter().take(CURVES).map(|row| {
            let part = match (number(row, "warmup"), number(row, "moves")) {
                (Some(count), _) => format!(", warm-up {count}"),
                (None, Some(count)) => format!(", moves {count}"),
                _ => String::new(),
            };
            let [mean, spread] =
                ["largest_test_by_trained", "largest_test_sd_by_trained"].map(|key| numbers(row.get(key)));
            line(&format!("{}{part}", text(row, "algorithm")), &mean, &spread)
        });
        let repeats = number(&result, "repeats").unwrap_or(1.0);
        let chart = Chart {
            title: format!("Largest accuracy so far, mean and deviation of {repeats} runs"),
            x: trained,
            y: Axis::linear("accuracy, %"),
            series: rows.collect(),
            diagonal: false,
        };
        pictures.push(picture(&run.name, "curves", &chart)?);
        return Ok(pictures);
    }
    if let Some(Curve { mean, spread, test }) = curve(run) {
        let kind = if test { "test" } else { "validation" };
        let repeats = list(&result, "runs").len();
        let of = if repeats > 0 { format!(", mean and deviation of {repeats} runs") } else { String::new() };
        let mut series = vec![line("largest", &mean, &spread)];
        let by_valid = match repeats {
            0 => numbers(result.get("best_valid_test_by_trained")),
            _ => numbers(result.pointer("/mean/best_valid_test_by_trained")),
        };
        if test && by_valid.len() == mean.len() {
            series.push(line("of the best by validation", &by_valid, &[]));
        }
        let chart = Chart {
            title: format!("{}: {kind} accuracy so far{of}", text(&result, "algorithm")),
            x: trained,
            y: Axis::linear(format!("{kind} accuracy, %")),
            series,
            diagonal: false,
        };
        pictures.push(picture(&run.name, "curve", &chart)?);
    }
    pictures.extend(front(run, &result)?);
    let best = result.pointer("/best/arch").and_then(Value::as_str);
    if let (Some(arch), Ok(space)) = (best, serde_json::from_value::<Space>(result["space"].clone())) {
        let (graph, live) = space.graph(arch).or_input()?;
        let (name, title) = (format!("{}-best", run.name), format!("The best network: {arch}"));
        pictures.push(Picture { name, title, svg: graph.svg(&live) });
    }
    Ok(pictures)
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
        y: Axis::linear("validation accuracy, %"),
        series,
        diagonal: false,
    };
    picture(&run.name, "front", &chart).map(Some)
}

/// All searches on the same axes, where there are several.
pub(in crate::report) fn together(runs: &[Run]) -> Result<Vec<Picture>, Failure> {
    let searches = runs.iter().filter(|run| run.begun.command == "search");
    let curves: Vec<(&Run, Curve)> = searches.filter_map(|run| Some((run, curve(run)?))).collect();
    let mut pictures = Vec::new();
    for (kind, test) in [("test", true), ("validation", false)] {
        let some: Vec<_> = curves.iter().filter(|(_, curve)| curve.test == test).take(CURVES).collect();
        if some.len() < 2 {
            continue;
        }
        let chart = Chart {
            title: format!("Searches side by side: largest {kind} accuracy so far"),
            x: Axis::linear("networks trained"),
            y: Axis::linear(format!("{kind} accuracy, %")),
            series: some.iter().map(|(run, curve)| line(&run.name, &curve.mean, &curve.spread)).collect(),
            diagonal: false,
        };
        pictures.push(picture("searches", kind, &chart)?);
    }
    Ok(pictures)
}
