//! What is drawn of runs and records.

use super::Picture;
use super::folders::{Record, Run};
use crate::failure::{Failure, OrFail};
use crate::registry::Space;
use charts::{Axis, Chart, Mark, Series};
use nas_core::stats;
use serde_json::Value;

/// More points than this are thinned out: nobody sees them, and a page has to be loaded.
const POINTS: usize = 1_000;

/// More curves than colours cannot be told apart.
const CURVES: usize = 7;

pub(super) fn of_run(run: &Run) -> Result<Vec<Picture>, Failure> {
    match (run.begun.command.as_str(), &run.result) {
        ("search", _) => search(run),
        ("predict", Some(_)) => predict(run),
        ("score", Some(result)) => score(run, result),
        ("train", Some(result)) => train(run, result),
        ("measure", Some(result)) => measure(run, result),
        _ => Ok(Vec::new()),
    }
}

fn picture(of: &str, name: &str, chart: &Chart) -> Result<Picture, Failure> {
    let svg = chart.svg().or_failed()?;
    Ok(Picture { name: format!("{of}-{name}"), title: chart.title.clone(), svg })
}

fn numbers(value: Option<&Value>) -> Vec<f64> {
    value
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |list| list.iter().filter_map(Value::as_f64).collect())
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key).and_then(Value::as_f64)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// From 1 on.
fn counted(values: &[f64]) -> Vec<[f64; 2]> {
    values.iter().enumerate().map(|(at, value)| [(at + 1) as f64, *value]).collect()
}

/// Every so many, so that few enough are left.
fn thinned<T: Copy>(all: &[T]) -> Vec<T> {
    all.iter().step_by(all.len().div_ceil(POINTS).max(1)).copied().collect()
}

/// The largest so far of a search, or of its repeats the mean and the standard deviation; whether of test accuracies.
fn curve(run: &Run) -> Option<(Vec<f64>, Vec<f64>, bool)> {
    let Some(result) = &run.result else {
        let values: Vec<f64> =
            run.trials.iter().filter_map(|trial| trial.pointer("/result/Ok/value")?.as_f64()).collect();
        return (!values.is_empty()).then(|| (largest(&values), Vec::new(), false));
    };
    let one = |found: &Value| match numbers(found.get("largest_test_by_trained")) {
        empty if empty.is_empty() => {
            let valid: Vec<f64> = list(found, "trained").iter().filter_map(|t| number(t, "valid")).collect();
            (largest(&valid), false)
        }
        test => (test, true),
    };
    let repeats = list(result, "runs");
    let all: Vec<(Vec<f64>, bool)> =
        if repeats.is_empty() { vec![one(result)] } else { repeats.iter().map(one).collect() };
    let length = all.iter().map(|(curve, _)| curve.len()).min().filter(|length| *length > 0)?;
    let at = |place: usize| -> Vec<f64> { all.iter().map(|(curve, _)| curve[place]).collect() };
    let means = (0..length).map(|place| stats::mean(&at(place))).collect();
    let spreads = (0..length).map(|place| spread(&at(place))).collect();
    Some((means, if all.len() > 1 { spreads } else { Vec::new() }, all[0].1))
}

fn largest(values: &[f64]) -> Vec<f64> {
    let mut best = f64::MIN;
    values
        .iter()
        .map(|value| {
            best = best.max(*value);
            best
        })
        .collect()
}

fn spread(values: &[f64]) -> f64 {
    let mean = stats::mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len().max(2) - 1) as f64).sqrt()
}

/// A curve with its band, without the first trials, which would make all others flat.
fn line(name: &str, means: &[f64], spreads: &[f64]) -> Series {
    let skipped = if means.len() > 20 { means.len() / 20 } else { 0 };
    let points: Vec<[f64; 2]> = counted(means).split_off(skipped);
    let band: Vec<[f64; 2]> =
        (means.iter().zip(spreads)).map(|(mean, s)| [mean - s, mean + s]).skip(skipped).collect();
    Series::new(name, Mark::Line, points).with_band(band)
}

fn search(run: &Run) -> Result<Vec<Picture>, Failure> {
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
    if let Some((means, spreads, test)) = curve(run) {
        let kind = if test { "test" } else { "validation" };
        let repeats = list(&result, "runs").len();
        let of = if repeats > 0 { format!(", mean and deviation of {repeats} runs") } else { String::new() };
        let mut series = vec![line("largest", &means, &spreads)];
        let by_valid = match repeats {
            0 => numbers(result.get("best_valid_test_by_trained")),
            _ => numbers(result.pointer("/mean/best_valid_test_by_trained")),
        };
        if test && by_valid.len() == means.len() {
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

/// Predicted against true, and the places that both give.
fn predict(run: &Run) -> Result<Vec<Picture>, Failure> {
    let Some(((_, truth), methods)) = run.predictions.split_first() else { return Ok(Vec::new()) };
    let column = run.result.as_ref().map_or("", |result| text(result, "column"));
    let mut pictures = Vec::new();
    for (method, said) in methods {
        let pairs: Vec<[f64; 2]> = truth
            .iter()
            .zip(said)
            .map(|(truth, said)| [*truth, *said])
            .filter(|pair| pair.iter().all(|value| value.is_finite()))
            .collect();
        if pairs.is_empty() {
            continue;
        }
        let of = |axis: usize| -> Vec<f64> { pairs.iter().map(|pair| pair[axis]).collect() };
        let (x, y) = (of(0), of(1));
        let kendall =
            stats::kendall_tau_b(&y, &x).map_or_else(|_| String::new(), |k| format!(", Kendall {k:.3}"));
        let name = method.trim_end_matches(" (score)");
        let file = name.replace([' ', '(', ')'], "");
        let count = pairs.len();
        if name == method {
            let chart = Chart {
                title: format!("{name}: {count} networks that it never saw{kendall}"),
                x: Axis::linear(format!("{column}, true")),
                y: Axis::linear(format!("{column}, predicted")),
                series: vec![Series::new("", Mark::Points, thinned(&pairs))],
                diagonal: true,
            };
            pictures.push(picture(&run.name, &format!("{file}-values"), &chart)?);
        }
        let places = |values: &[f64]| stats::average_ranks(values);
        let ranks: Vec<[f64; 2]> = places(&x).into_iter().zip(places(&y)).map(|(x, y)| [x, y]).collect();
        let chart = Chart {
            title: format!("{name}: places of {count} networks that it never saw{kendall}"),
            x: Axis::linear(format!("place by {column}")),
            y: Axis::linear("predicted place"),
            series: vec![Series::new("", Mark::Points, thinned(&ranks))],
            diagonal: true,
        };
        pictures.push(picture(&run.name, &format!("{file}-places"), &chart)?);
    }
    Ok(pictures)
}

/// What a score costs, and what it is worth.
fn score(run: &Run, result: &Value) -> Result<Vec<Picture>, Failure> {
    let scored = list(result, "scores").len().max(1) as f64;
    let mut points = Vec::new();
    for row in list(result, "compared") {
        let seconds = result.pointer(&format!("/seconds/{}", text(row, "score"))).and_then(Value::as_f64);
        if let (Some(seconds), Some(spearman)) = (seconds.filter(|s| *s > 0.0), number(row, "spearman")) {
            let ends = ["spearman_low", "spearman_high"].map(|key| number(row, key).unwrap_or(spearman));
            points.push((text(row, "score").to_owned(), [seconds / scored, spearman], ends));
        }
    }
    if points.is_empty() {
        return Ok(Vec::new());
    }
    let series = Series::new("", Mark::Points, points.iter().map(|(_, point, _)| *point))
        .with_band(points.iter().map(|(_, _, ends)| *ends))
        .with_labels(points.iter().map(|(name, _, _)| name.clone()));
    let chart = Chart {
        title: format!("What scores cost and how they order {scored} networks (95 %)"),
        x: Axis::logarithmic("seconds a network"),
        y: Axis::linear("Spearman's correlation with the table"),
        series: vec![series],
        diagonal: false,
    };
    Ok(vec![picture(&run.name, "costs", &chart)?])
}

fn train(run: &Run, result: &Value) -> Result<Vec<Picture>, Failure> {
    let mut curves: Vec<(f64, Vec<f64>)> = list(result, "trained")
        .iter()
        .filter_map(|trained| {
            let valid = list(trained, "curve").iter().map(|epoch| number(epoch, "valid"));
            Some((number(trained, "test")?, valid.collect::<Option<Vec<f64>>>()?))
        })
        .filter(|(_, curve)| curve.len() > 1)
        .collect();
    if curves.is_empty() {
        return Ok(Vec::new());
    }
    curves.sort_by(|a, b| b.0.total_cmp(&a.0));
    let series = curves.iter().take(CURVES);
    let series =
        series.map(|(test, curve)| Series::new(format!("test {test:.2} %"), Mark::Line, counted(curve)));
    let chart = Chart {
        title: format!(
            "Validation accuracy of the best {} of {} networks",
            curves.len().min(CURVES),
            curves.len()
        ),
        x: Axis::linear("epochs, or marks that were kept"),
        y: Axis::linear("validation accuracy, %"),
        series: series.collect(),
        diagonal: false,
    };
    Ok(vec![picture(&run.name, "training", &chart)?])
}

fn measure(run: &Run, result: &Value) -> Result<Vec<Picture>, Failure> {
    let mut rows: Vec<[f64; 3]> = list(result, "measured")
        .iter()
        .filter_map(|row| Some([number(row, "latency_ms")?, number(row, "low_ms")?, number(row, "high_ms")?]))
        .collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let rows: Vec<(usize, [f64; 3])> = thinned(&rows.into_iter().enumerate().collect::<Vec<_>>());
    let points = rows.iter().map(|(place, row)| [(place + 1) as f64, row[0]]);
    let chart = Chart {
        title: "Latency from the fastest to the slowest, with its 95 % interval".into(),
        x: Axis::linear("networks"),
        y: Axis::linear("latency, ms"),
        series: vec![
            Series::new("", Mark::Points, points).with_band(rows.iter().map(|(_, row)| [row[1], row[2]])),
        ],
        diagonal: false,
    };
    Ok(vec![picture(&run.name, "latencies", &chart)?])
}

/// All searches on the same axes, where there are several.
pub(super) fn together(runs: &[Run]) -> Result<Vec<Picture>, Failure> {
    let curves: Vec<(&Run, (Vec<f64>, Vec<f64>, bool))> = runs
        .iter()
        .filter(|run| run.begun.command == "search")
        .filter_map(|run| Some((run, curve(run)?)))
        .collect();
    let mut pictures = Vec::new();
    for (kind, test) in [("test", true), ("validation", false)] {
        let some: Vec<_> = curves.iter().filter(|(_, curve)| curve.2 == test).take(CURVES).collect();
        if some.len() < 2 {
            continue;
        }
        let chart = Chart {
            title: format!("Searches side by side: largest {kind} accuracy so far"),
            x: Axis::linear("networks trained"),
            y: Axis::linear(format!("{kind} accuracy, %")),
            series: some.iter().map(|(run, (means, spreads, _))| line(&run.name, means, spreads)).collect(),
            diagonal: false,
        };
        pictures.push(picture("searches", kind, &chart)?);
    }
    Ok(pictures)
}

/// Here against published, shares and percentages apart.
pub(super) fn of_record(record: &Record) -> Result<Vec<Picture>, Failure> {
    let (name, title, ..) = record.shown.described();
    let pairs = record.shown.pairs();
    let mut pictures = Vec::new();
    for (kind, small) in [("shares", true), ("numbers", false)] {
        let some: Vec<_> = pairs.iter().filter(|pair| (pair.0.abs() < 2.0) == small).collect();
        if some.len() < 3 {
            continue;
        }
        let of = |reached: bool, name: &str| {
            let points = some.iter().filter(|pair| pair.2 == reached).map(|pair| [pair.0, pair.1]);
            Series::new(name, Mark::Points, points)
        };
        let chart = Chart {
            title: title.to_owned(),
            x: Axis::linear("published"),
            y: Axis::linear("here"),
            series: vec![of(true, "reached"), of(false, "short")],
            diagonal: true,
        };
        pictures.push(picture(name, kind, &chart)?);
    }
    Ok(pictures)
}
