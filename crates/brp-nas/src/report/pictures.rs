//! What is drawn of runs and records.

mod search;

pub(super) use search::together;

use super::Picture;
use super::folders::{Record, Run};
use crate::failure::{Failure, OrFail};
use charts::{Axis, Chart, Mark, Series};
use nas_core::stats;
use serde_json::Value;

/// More points than this are thinned out: nobody sees them, and a page has to be loaded.
const POINTS: usize = 1_000;

/// More curves than colours cannot be told apart.
const CURVES: usize = 7;

pub(super) fn of_run(run: &Run) -> Result<Vec<Picture>, Failure> {
    match (run.begun.command.as_str(), &run.result) {
        ("search", _) => search::search(run),
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

/// Numbers by place, not one where there is none.
fn curve(value: Option<&Value>) -> Vec<f64> {
    let list = value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
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
        .filter_map(|row| {
            let ms = number(row, "latency_ms")?;
            Some([ms, number(row, "low_ms").unwrap_or(ms), number(row, "high_ms").unwrap_or(ms)])
        })
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

/// Here against published, shares and percentages apart.
pub(super) fn of_record(record: &Record) -> Result<Vec<Picture>, Failure> {
    let (name, (_, title, ..)) = (record.shown.place(), record.shown.described());
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
        pictures.push(picture(&name, kind, &chart)?);
    }
    Ok(pictures)
}
