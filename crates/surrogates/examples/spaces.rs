//! The table of methods by number of samples on spaces other than NAS-Bench-201, means of five seeds with their 95 %
//! intervals: Kendall's tau-b with accuracies, Spearman's rho and percent within a tenth for latencies, on all rows that
//! were not fitted to. `cargo run --release -p surrogates --example spaces FOLDER [FIRST_SEED]`.

#![allow(clippy::print_stdout, reason = "it shows what it found")]

use arch_graph::Features;
use flate2::read::GzDecoder;
use nas_core::{Fit, Labelled, Predict, SearchSpace, Seed, stats};
use spaces::NasBench101;
use std::error::Error;
use std::fs::File;
use std::path::Path;
use surrogates::{
    Block, Boosting, BoostingSettings, Costs, GaussianProcess, GaussianSettings, Ours, SurrogateError,
};

/// Features of all rows of a table, what they are, and the columns to predict.
struct Known {
    rows: Vec<Vec<f64>>,
    blocks: Vec<Block>,
    labels: Labels,
}

/// Names and values of columns.
type Labels = Vec<(String, Vec<f64>)>;

type Table = Vec<Vec<(String, String)>>;

fn read(folder: &Path, name: &str) -> Result<Table, Box<dyn Error>> {
    let mut reader = csv::Reader::from_reader(GzDecoder::new(File::open(folder.join(name))?));
    let header: Vec<String> = reader.headers()?.iter().map(String::from).collect();
    let row =
        |record: csv::StringRecord| header.iter().cloned().zip(record.iter().map(String::from)).collect();
    Ok(reader.records().map(|record| record.map(row)).collect::<Result<_, _>>()?)
}

fn field<'a>(row: &'a [(String, String)], name: &str) -> Result<&'a str, Box<dyn Error>> {
    let found = row.iter().find(|(column, _)| column == name);
    Ok(&found.ok_or_else(|| format!("no column {name}"))?.1)
}

fn numbers(table: &Table, names: &[&str]) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let row = |row: &Vec<(String, String)>| -> Result<Vec<f64>, Box<dyn Error>> {
        names.iter().map(|name| Ok(field(row, name)?.parse()?)).collect()
    };
    table.iter().map(row).collect()
}

fn labels(table: &Table, names: &[&str]) -> Result<Labels, Box<dyn Error>> {
    let columns = numbers(table, names)?;
    let column = |(i, name): (usize, &&str)| (name.to_string(), columns.iter().map(|row| row[i]).collect());
    Ok(names.iter().enumerate().map(column).collect())
}

/// Chains: how often each choice stands, whether it stands in a layer, and the choice by layer.
fn chains(folder: &Path, file: &str, choices: usize, names: &[&str]) -> Result<Known, Box<dyn Error>> {
    let table = read(folder, file)?;
    let mut rows = Vec::with_capacity(table.len());
    for row in &table {
        let text = field(row, "arch")?;
        let codes: Vec<usize> = if text.contains('_') {
            text.split('_').map(str::parse).collect::<Result<_, _>>()?
        } else {
            text.chars().map(|digit| digit.to_digit(10).map_or(0, |digit| digit as usize)).collect()
        };
        let mut found: Vec<f64> =
            (0..choices).map(|choice| codes.iter().filter(|code| **code == choice).count() as f64).collect();
        found
            .extend(codes.iter().flat_map(|&code| (0..choices).map(move |c| f64::from(u8::from(c == code)))));
        found.extend(codes.iter().map(|&code| code as f64));
        rows.push(found);
    }
    let layers = (rows.first().map_or(0, Vec::len) - choices) / (choices + 1);
    let blocks = vec![Block::numbers(choices + layers * choices), Block::choices(layers)];
    Ok(Known { rows, blocks, labels: labels(&table, names)? })
}

/// DARTS: how often each operation stands in a cell and behind which source, costs and scores.
fn darts(folder: &Path) -> Result<Known, Box<dyn Error>> {
    let table = read(folder, "darts_nas_bench_301_surrogate_725.csv.gz")?;
    let names = [
        "flops",
        "params",
        "synflow",
        "grasp",
        "fisher",
        "grad_norm",
        "l2_norm",
        "plain",
        "nwot",
        "epe_nas",
        "jacov",
        "snip",
    ];
    let scores = numbers(&table, &names)?;
    let mut rows = Vec::with_capacity(table.len());
    for (row, scores) in table.iter().zip(scores) {
        let digits = field(row, "naslib_key")?.chars().filter_map(|c| c.to_digit(10)).map(f64::from);
        let digits: Vec<f64> = digits.collect();
        let mut found = Vec::new();
        for cell in digits.chunks(16) {
            for op in 0..7 {
                let of = |pair: &[f64], source: Option<f64>| {
                    pair[1] == f64::from(op) && source.is_none_or(|source| pair[0] == source)
                };
                for source in [None, Some(0.0), Some(1.0)] {
                    found.push(cell.chunks(2).filter(|pair| of(pair, source)).count() as f64);
                }
            }
            // how deep the cell is
            let mut depth = vec![0.0; 2];
            for pairs in cell.chunks(4) {
                depth.push(1.0 + pairs.chunks(2).map(|pair| depth[pair[0] as usize]).fold(0.0, f64::max));
            }
            found.extend(&depth[2..]);
        }
        found.extend(&scores);
        found.extend(&digits);
        rows.push(found);
    }
    let blocks = vec![Block::numbers(2 * (21 + 4)), Block::numbers(names.len()), Block::choices(32)];
    Ok(Known { rows, blocks, labels: labels(&table, &["surrogate_val_accuracy"])? })
}

/// NAS-Bench-101: features of the graph, costs and scores.
fn nas_bench_101(folder: &Path) -> Result<Known, Box<dyn Error>> {
    let table = read(folder, "nas_bench_101_sample_250.csv.gz")?;
    let names = ["params_m", "flops_m", "synflow", "snip", "grasp", "fisher", "grad_norm", "jacov"];
    let scores = numbers(&table, &names)?;
    let mut features: Option<Features> = None;
    let mut rows = Vec::with_capacity(table.len());
    for (row, scores) in table.iter().zip(scores) {
        let text = format!("{}:{}", field(row, "adjacency")?, field(row, "operations")?.replace(' ', ","));
        let graph = NasBench101.parse(&text)?.graph();
        let words = graph.vocabulary();
        let working = words.names().iter().filter(|name| name.contains('3') || name.contains('1')).cloned();
        let known = match features.take() {
            Some(known) => known,
            None => Features::new(words, working.collect::<Vec<String>>())?,
        };
        let mut found = known.of(&graph)?;
        found.extend(scores);
        rows.push(found);
        features = Some(known);
    }
    let width = features.map_or(0, |features| features.names().len());
    let blocks = vec![Block::numbers(width), Block::numbers(names.len())];
    Ok(Known { rows, blocks, labels: labels(&table, &["valid_acc"])? })
}

/// Predictions of the archs by each method.
fn methods(
    train: &Labelled<Vec<f64>>,
    archs: &[Vec<f64>],
    blocks: &[Block],
    cost: bool,
    seed: Seed,
) -> Result<Vec<(&'static str, Vec<f64>)>, SurrogateError> {
    let (features, none, blocks) = (Vec::<f64>::clone, Labelled::empty(), blocks.to_vec());
    let settings = if cost { BoostingSettings::cost() } else { BoostingSettings::default() };
    let trees = Boosting { features, settings }.fit(train, &none, seed)?;
    let settings = if cost { GaussianSettings::cost() } else { GaussianSettings::rank() };
    let process = GaussianProcess { features, blocks: blocks.clone(), settings }.fit(train, &none, seed)?;
    let (trees, process, ours) = if cost {
        let ours = Costs { features, blocks }.fit(train, &none, seed)?;
        (trees.predict(archs)?, process.predict(archs)?, ours.predict(archs)?)
    } else {
        let ours = Ours { features, blocks }.fit(train, &none, seed)?;
        (trees.scores(archs)?, process.scores(archs)?, ours.scores(archs)?)
    };
    Ok(vec![("boosting", trees), ("gp", process), ("ours", ours)])
}

/// The mean and half of its 95 % interval by Student's t over five.
fn interval(values: &[f64]) -> String {
    let mean = stats::mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let n = values.len() as f64;
    format!("{mean:.3} +- {:.3}", 2.776 * (squares / (n - 1.0) / n).sqrt())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("name the folder of the tables")?;
    let first: u64 = args.next().map_or(Ok(300), |text| text.parse())?;
    let folder = Path::new(&folder);
    let devices =
        ["1080ti_1_ms", "eyeriss_ms", "fpga_ms", "gold_6226_ms", "pixel3_ms", "raspi4_ms", "titan_rtx_32_ms"];
    let known = [
        ("NAS-Bench-101", nas_bench_101(folder)?, vec![46, 100, 150], false),
        ("DARTS (surrogate)", darts(folder)?, vec![46, 100, 400], false),
        (
            "NAS-Bench-Macro",
            chains(folder, "nas_bench_macro_cifar10.csv.gz", 3, &["mean_acc"])?,
            vec![46, 100, 300],
            false,
        ),
        ("FBNet", chains(folder, "fbnet_latency.csv.gz", 9, &devices)?, vec![100, 900], true),
    ];
    for (space, Known { rows, blocks, labels }, sizes, cost) in known {
        for (name, values) in labels {
            let data = Labelled::new(rows.clone(), values)?;
            for &size in &sizes {
                let mut found: Vec<(&str, Vec<f64>, Vec<f64>)> = Vec::new();
                for seed in (first..first + 5).map(Seed) {
                    let split = data.split(size, 0, seed)?;
                    let truth = split.test.values();
                    for (place, (method, said)) in
                        methods(&split.train, split.test.archs(), &blocks, cost, seed)?
                            .into_iter()
                            .enumerate()
                    {
                        if found.len() <= place {
                            found.push((method, Vec::new(), Vec::new()));
                        }
                        if cost {
                            found[place].1.push(stats::spearman(&said, truth)?);
                            found[place].2.push(stats::within(&said, truth, 0.1)?);
                        } else {
                            found[place].1.push(stats::kendall_tau_b(&said, truth)?);
                        }
                    }
                }
                for (method, order, within) in found {
                    let tenth =
                        if cost { format!(", within 10 % {}", interval(&within)) } else { String::new() };
                    println!("{space} {name} {size:3} {method:8}: {}{tenth}", interval(&order));
                }
            }
        }
    }
    Ok(())
}
