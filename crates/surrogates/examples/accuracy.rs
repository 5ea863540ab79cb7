//! Kendall's tau-b with a column of NAS-Bench-201 on all cells that were not fitted to, ten seeds:
//! `cargo run --release -p surrogates --example accuracy FILE:COLUMN [FIRST_SEED [SEEDS [METHOD]]]`, with METHOD
//! `boosting`, `gp` or `ours`, or all of them.

#![allow(clippy::print_stdout, reason = "it shows what it found")]

use arch_graph::Features;
use nas_core::{Fit, Labelled, Seed, stats};
use rustix::time::{ClockId, clock_gettime};
use spaces::NasBench201;
use spaces::nas_bench_201::{Cell, Operation};
use std::error::Error;
use surrogates::{Boosting, BoostingSettings, GaussianProcess, Ours, Target};
use tables::TableRef;

/// Counts, degrees and paths of the cell, with what gives zero cut off.
fn features() -> Result<impl Fn(&Cell) -> Vec<f64> + Clone, Box<dyn Error>> {
    let working = ["skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    let graphs = Features::new(NasBench201.get(0)?.graph().vocabulary(), working)?;
    // a cell has the vocabulary of another, so none is refused; an empty row would be
    Ok(move |cell: &Cell| graphs.of(&cell.graph().isolated(Operation::None.op())).unwrap_or_default())
}

fn seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let table: TableRef = args.next().ok_or("name the values to predict: FILE:COLUMN")?.parse()?;
    let first: u64 = args.next().map_or(Ok(100), |text| text.parse())?;
    let seeds: u64 = args.next().map_or(Ok(10), |text| text.parse())?;
    let only = args.next();
    let column = tables::read_column(&NasBench201, &table)?;
    let features = features()?;
    let start = seconds();
    let width = column.labelled().archs().iter().map(|cell| features(cell).len()).max().unwrap_or(0);
    let per = (seconds() - start) / column.labelled().len() as f64;
    println!("{}: {width} features, {:.2} us a cell", table.column, per * 1e6);
    let none = Labelled::empty();
    for method in ["boosting", "gp", "ours"].into_iter().filter(|m| only.as_ref().is_none_or(|o| o == m)) {
        for rows in [46, 78, 156, 469] {
            let (mut taus, mut fit_s, mut score_s, mut chosen) = (Vec::new(), 0.0_f64, 0.0_f64, Vec::new());
            for seed in (first..first + seeds).map(Seed) {
                let split = column.labelled().split(rows, 0, seed)?;
                let (train, archs, features) = (&split.train, split.test.archs(), features.clone());
                let start = seconds();
                let fitted;
                let scores = match method {
                    "boosting" => {
                        let settings = BoostingSettings::default();
                        let model = Boosting { features, settings }.fit(train, &none, seed)?;
                        fitted = seconds();
                        model.scores(archs)?
                    }
                    "gp" => {
                        let model = GaussianProcess { features, target: Target::Rank };
                        let model = model.fit(train, &none, seed)?;
                        fitted = seconds();
                        model.scores(archs)?
                    }
                    _ => {
                        let model = Ours { features }.fit(train, &none, seed)?;
                        fitted = seconds();
                        chosen.push(format!("{:?}", model.choice().method));
                        model.scores(archs)?
                    }
                };
                fit_s = fit_s.max(fitted - start);
                score_s = score_s.max(seconds() - fitted);
                taus.push(stats::kendall_tau_b(&scores, split.test.values())?);
            }
            let middle = stats::mean(&taus);
            let spread: f64 = taus.iter().map(|t| (t - middle) * (t - middle)).sum();
            let deviation = (spread / (taus.len() as f64 - 1.0).max(1.0)).sqrt();
            chosen.sort();
            let counts: Vec<String> =
                chosen.chunk_by(|a, b| a == b).map(|same| format!("{} {}", same.len(), same[0])).collect();
            println!(
                "{method:8} {rows:3}: {middle:.4} +- {deviation:.4}; fit {fit_s:.2} s, score {score_s:.2} s at most {}",
                counts.join(", ")
            );
        }
    }
    Ok(())
}
