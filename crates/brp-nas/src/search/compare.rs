//! All algorithms in one table, each without and with its parts.

use super::args::Algorithm;
use super::report::Found;
use super::settings::{Plan, Settings};
use crate::failure::{Failure, OrFail};
use crate::output::{Show, grid, number};
use crate::registry::Space;
use nas_core::{Seed, stats};
use search::{Saved, saved};
use serde::Serialize;

/// Draws of the bootstrap.
const RESAMPLES: usize = 2_000;

/// The result of `--algorithm all`.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    algorithm: Algorithm,
    space: Space,
    seed: u64,
    budget: usize,
    repeats: usize,
    proxy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_latency: Option<f64>,
    rows: Vec<Row>,
    wall_s: f64,
}

/// One way of searching.
#[derive(Debug, Serialize)]
struct Row {
    algorithm: Algorithm,
    warmup: Option<usize>,
    moves: Option<usize>,
    /// The mean over the repeats, and how far they spread.
    largest_test_by_trained: Curve,
    largest_test_sd_by_trained: Curve,
    best_valid_test_by_trained: Curve,
    best_valid_test_sd_by_trained: Curve,
    /// Against the same algorithm without the part.
    saved: Option<Saved>,
    failed: usize,
    cpu_s: f64,
}

/// A number after each trained network; none before there is one.
type Curve = Vec<Option<f64>>;

/// Mean and standard deviation at every place that all curves have.
fn bands(curves: &[&[Option<f64>]]) -> (Curve, Curve) {
    let length = curves.iter().map(|curve| curve.len()).min().unwrap_or(0);
    let at = |place: usize| -> Option<Vec<f64>> { curves.iter().map(|curve| curve[place]).collect() };
    let band = |values: Vec<f64>| (stats::mean(&values), stats::sample_deviation(&values));
    (0..length).map(|place| at(place).map(band).unzip()).unzip()
}

/// The number at a place, where there is one.
fn at(curve: &[Option<f64>], place: usize) -> Option<f64> {
    curve.get(place).copied().flatten()
}

/// With less than everything before there is a number.
fn whole(curves: &[&[Option<f64>]]) -> Vec<Vec<f64>> {
    let number = |value: &Option<f64>| value.unwrap_or(f64::NEG_INFINITY);
    curves.iter().map(|curve| curve.iter().map(number).collect()).collect()
}

impl Comparison {
    /// `found` holds the repeats of each plan, one plan after another.
    pub(super) fn new(settings: &Settings, found: &[Found], wall_s: f64) -> Result<Self, Failure> {
        let of: Vec<(&Plan, &[Found])> = settings.plans.iter().zip(found.chunks(settings.repeats)).collect();
        let mut rows = Vec::new();
        for (plan, found) in &of {
            let largest: Vec<&[Option<f64>]> = found.iter().map(Found::largest).collect();
            let plain = of.iter().find(|(other, _)| {
                other.algorithm == plan.algorithm && other.warmup.is_none() && other.moves.is_none()
            });
            let saved = match plain {
                Some((other, without)) if other != plan => {
                    let without: Vec<&[Option<f64>]> = without.iter().map(Found::largest).collect();
                    // a mean that some run has nothing for is no target
                    let ended = |curve: &&[Option<f64>]| curve.last().is_some_and(Option::is_some);
                    let ends = without.iter().chain(&largest).all(ended);
                    let saved = || saved(&whole(&without), &whole(&largest), RESAMPLES, Seed(settings.seed));
                    ends.then(saved).transpose().or_failed()?
                }
                _ => None,
            };
            let by_valid: Vec<&[Option<f64>]> = found.iter().map(Found::best_valid_test).collect();
            let (largest_test_by_trained, largest_test_sd_by_trained) = bands(&largest);
            let (best_valid_test_by_trained, best_valid_test_sd_by_trained) = bands(&by_valid);
            rows.push(Row {
                algorithm: plan.algorithm,
                warmup: plan.warmup,
                moves: plan.moves,
                largest_test_by_trained,
                largest_test_sd_by_trained,
                best_valid_test_by_trained,
                best_valid_test_sd_by_trained,
                saved,
                failed: found.iter().map(|run| run.counts().1).sum(),
                cpu_s: stats::mean(&found.iter().map(|run| run.counts().2).collect::<Vec<_>>()),
            });
        }
        Ok(Self {
            algorithm: settings.algorithm,
            space: settings.space,
            seed: settings.seed,
            budget: settings.budget,
            repeats: settings.repeats,
            proxy: settings.proxy.as_ref().map(ToString::to_string),
            max_latency: settings.max_latency,
            rows,
            wall_s,
        })
    }
}

/// The places at which a table for people shows the curves: a fifth, two fifths and so on of what was trained.
fn places(trained: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (1..=5).map(|fifth| (trained * fifth / 5).max(1)).collect();
    places.dedup();
    places
}

impl Row {
    fn part(&self) -> String {
        match (self.warmup, self.moves) {
            (Some(count), _) => format!("warm-up {count}"),
            (None, Some(count)) => format!("moves {count}"),
            (None, None) => String::new(),
        }
    }

    /// What every repeat has trained.
    fn trained(&self) -> usize {
        self.largest_test_by_trained.len()
    }

    fn cells(&self, trained: usize) -> Vec<String> {
        let band = |mean: &[Option<f64>], spread: &[Option<f64>], place: usize| {
            let (Some(mean), Some(spread)) = (at(mean, place), at(spread, place)) else {
                return String::new();
            };
            format!("{mean:.2} ±{spread:.2}")
        };
        let mut cells = vec![self.algorithm.name().to_owned(), self.part()];
        for place in places(trained) {
            cells.push(band(&self.largest_test_by_trained, &self.largest_test_sd_by_trained, place - 1));
        }
        let last = self.best_valid_test_by_trained.len().max(1) - 1;
        cells.push(band(&self.best_valid_test_by_trained, &self.best_valid_test_sd_by_trained, last));
        cells.push(self.saved.map_or_else(String::new, |saved| {
            let Saved { target, evaluations, interval, .. } = saved;
            format!("{evaluations:.0} ({:.0} to {:.0}) at {target:.2}", interval.low, interval.high)
        }));
        cells.push(number(Some(self.cpu_s), 1));
        cells
    }
}

impl Comparison {
    /// The most that all repeats of one way have trained.
    fn trained(&self) -> usize {
        self.rows.iter().map(Row::trained).max().unwrap_or(0)
    }

    fn header(&self) -> Vec<String> {
        let largest = places(self.trained()).into_iter().map(|place| format!("largest at {place}"));
        ["algorithm", "part"]
            .map(String::from)
            .into_iter()
            .chain(largest)
            .chain(["best by valid", "evaluations saved", "cpu s"].map(String::from))
            .collect()
    }
}

impl Show for Comparison {
    fn table(&self) -> String {
        let header = self.header();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let trained = self.trained();
        let rows = self.rows.iter().map(|row| row.cells(trained));
        let (repeats, seconds, budget) = (self.repeats, self.wall_s, self.budget);
        let least = self.rows.iter().map(Row::trained).min().unwrap_or(0);
        let early = if least < budget {
            format!(", from {least} to {trained} trained of a budget of {budget}")
        } else {
            String::new()
        };
        format!("{}mean ±deviation of {repeats} repeats{early}, {seconds:.1} s in all\n", grid(&header, rows))
    }

    /// A row a trained network of every way: the curves.
    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = [
            "algorithm",
            "warmup",
            "moves",
            "trained",
            "largest_test",
            "largest_test_sd",
            "best_valid_test",
            "best_valid_test_sd",
        ];
        let count = |value: Option<usize>| value.map_or_else(String::new, |value| value.to_string());
        let at = |curve: &[Option<f64>], place: usize| {
            at(curve, place).map_or_else(String::new, |value| value.to_string())
        };
        let rows = self.rows.iter().flat_map(|row| {
            (0..row.largest_test_by_trained.len()).map(move |place| {
                vec![
                    row.algorithm.name().to_owned(),
                    count(row.warmup),
                    count(row.moves),
                    (place + 1).to_string(),
                    at(&row.largest_test_by_trained, place),
                    at(&row.largest_test_sd_by_trained, place),
                    at(&row.best_valid_test_by_trained, place),
                    at(&row.best_valid_test_sd_by_trained, place),
                ]
            })
        });
        (header.map(String::from).to_vec(), rows.collect())
    }
}
