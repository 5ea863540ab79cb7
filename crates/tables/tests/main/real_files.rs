//! The files in `../shared/data/formats`, and the CSVs beside them that say what they hold.

use crate::shared;
use nas_core::SearchSpace;
use spaces::NasBench201;
use std::path::Path;
use tables::{Import, Imported, ParquetTable, Table};
use tempfile::TempDir;

fn import(file: &Path, how: &Import) -> (Imported, Table, TempDir) {
    let dir = TempDir::new().unwrap();
    let to = dir.path().join("t.parquet");
    let imported = tables::import(file, &to, how).unwrap();
    let mut parquet = ParquetTable::open(&to, Default::default()).unwrap();
    assert_eq!(parquet.columns(), imported.columns);
    assert_eq!(parquet.origin(), Some(&imported.origin));
    let all: Vec<usize> = (0..imported.columns.len()).collect();
    let table = parquet.read(&all).unwrap();
    assert_eq!(table.rows() as u64, imported.rows);
    (imported, table, dir)
}

/// The column of a table that was imported, and of the CSV: equal for every architecture of the first.
fn equal(dir: &TempDir, column: &str, csv: &Path, name: &str, scale: f64) -> usize {
    let ours = tables::read_columns(&NasBench201, dir.path().join("t.parquet"), &[column]).unwrap().remove(0);
    let theirs = tables::read_columns(&NasBench201, csv, &[name]).unwrap().remove(0);
    for (cell, value) in ours.labelled().iter() {
        let expected = theirs.get(cell).unwrap();
        let near = (value * scale - expected).abs() <= 1e-12 * expected.abs();
        assert!(near, "{column} of {cell}: {value} times {scale} is not {expected}");
    }
    ours.labelled().len()
}

#[test]
fn three_networks_of_nats_bench() {
    let Some(data) = shared() else { return };
    let folder = data.join("formats/NATS-tss-v1_0-3ffb9-simple");
    let dir = TempDir::new().unwrap();
    let curves = dir.path().join("curves.parquet");
    let how = Import { curves: Some(curves.clone()), threads: 2, ..Import::default() };
    let (imported, table, imported_dir) = import(&folder, &how);
    assert_eq!((imported.rows, imported.format.name()), (3, "nats-bench"));
    assert_eq!((imported.origin.version.as_str(), imported.origin.licence.as_str()), ("v1_0", "MIT"));
    assert!(imported.origin.notes.is_empty(), "{:?}", imported.origin.notes);

    let csv = data.join("nas_bench_201_accuracy.csv.gz");
    let pairs = [
        ("cifar10-valid_valid_acc_200ep", "cifar10_valid_acc"),
        ("cifar10-valid_test_acc_200ep", "cifar10_valid_test_acc"),
        ("cifar10_test_acc_200ep", "cifar10_test_acc"),
        ("cifar100_test_acc_200ep", "cifar100_test_acc"),
        ("cifar10-valid_valid_acc_12ep", "cifar10_valid_acc_12ep"),
        ("cifar10_test_acc_12ep", "cifar10_test_acc_12ep"),
        ("cifar100_valid_acc_12ep", "cifar100_valid_acc_12ep"),
        ("cifar100_test_acc_12ep", "cifar100_test_acc_12ep"),
        ("cifar10_params_200ep", "params_m"),
    ];
    for (ours, theirs) in pairs {
        assert_eq!(equal(&imported_dir, ours, &csv, theirs, 1.0), 3);
    }
    let mut read = ParquetTable::open(&curves, Default::default()).unwrap();
    let all: Vec<usize> = (0..read.columns().len()).collect();
    let read = read.read(&all).unwrap();
    // five runs of 12 and twelve of 200 epochs each
    assert_eq!((read.rows() as u64, read.rows()), (imported.curve_rows, 3 * (5 * 12 + 12 * 200)));
    let at = |name: &str, row: usize| read.column(name).unwrap().text(row).unwrap_or_default();
    // a value of each kind, as Python's pickle reads it
    let first = |dataset: &str, seed: &str| {
        (0..read.rows()).find(|&row| {
            at("arch", row).starts_with("|nor_conv_3x3~0|+|nor_conv_3x3~0|avg")
                && (at("schedule", row) == "12" && at("dataset", row) == dataset && at("seed", row) == seed)
        })
    };
    let row = first("cifar10-valid", "777").unwrap();
    let expected = [
        ("train_acc", "26.00399999267578"),
        ("train_acc5", "79.89600001464844"),
        ("train_loss", "1.9461993957901"),
        ("train_time_s", "12.462056795756022"),
        ("valid_acc", "27.508"),
        ("valid_loss", "2.019713755493164"),
        ("valid_time_s", "4.151251713434855"),
        ("test_acc", "27.79"),
        ("test_loss", "2.0135050373077394"),
        ("test_time_s", "1.6605006853739421"),
        ("params", "0.802426"),
        ("flops", "113.95137"),
        ("latencies_s", "[0.016163252947623268]"),
    ];
    for (column, value) in expected {
        assert_eq!(at(column, row), value, "{column}");
    }
    assert_eq!(at("train_acc", first("cifar10", "111").unwrap()), "30.282");
    let index = table.column("index").unwrap();
    assert_eq!([0, 1, 2].map(|row| index.number(row)), [Some(0.0), Some(11.0), Some(284.0)]);
}

#[test]
fn every_latency_of_help_eagle_and_hw_nas_bench() {
    let Some(data) = shared() else { return };
    let (formats, csv) = (data.join("formats"), data.join("nas_bench_201_latency.csv.gz"));
    let how = Import { column: Some("latency".into()), ..Import::default() };
    let (imported, _, dir) = import(&formats.join("help_gold_6226.pt"), &how);
    assert_eq!(imported.format.name(), "help");
    assert_eq!(equal(&dir, "latency", &csv, "gold_6226_ms", 1.0), 15_625);
    let (imported, _, dir) = import(&formats.join("eagle_gold_6226.pickle"), &how);
    assert_eq!(imported.format.name(), "eagle");
    assert_eq!(equal(&dir, "latency", &csv, "gold_6226_ms", 1e3), 15_625);

    let (imported, table, dir) = import(&formats.join("hw_nas_bench_cifar10.pickle"), &Import::default());
    assert_eq!((imported.format.name(), imported.columns.len()), ("hw-nas-bench", 8));
    for (ours, theirs) in [
        ("cifar10_edgegpu_latency", "edgegpu_ms"),
        ("cifar10_edgegpu_energy", "edgegpu_energy_mj"),
        ("cifar10_raspi4_latency", "raspi4_ms"),
        ("cifar10_pixel3_latency", "pixel3_ms"),
        ("cifar10_eyeriss_latency", "eyeriss_ms"),
        ("cifar10_fpga_latency", "fpga_ms"),
    ] {
        assert_eq!(equal(&dir, ours, &csv, theirs, 1.0), 15_625);
    }
    assert_eq!(imported.columns[3].unit.as_deref(), Some("mJ"));
    assert_eq!(table.column("index").unwrap().number(15_624), Some(15_624.0));
}

#[test]
fn raw_times_of_eagle() {
    let Some(data) = shared() else { return };
    let file = data.join("formats/eagle_raw_results0.pickle");
    let (imported, table, _dir) =
        import(&file, &Import { column: Some("latency".into()), ..Import::default() });
    assert_eq!((imported.format.name(), imported.rows), ("eagle-raw", 200));
    assert_eq!(table.column("times").unwrap().number(0), Some(100.0));
    // a fixed spread around the value: the quartile mean is near it, and within the spread
    let csv = data.join("nas_bench_201_latency.csv.gz");
    let theirs = tables::read_columns(&NasBench201, &csv, &["gold_6226_ms"]).unwrap().remove(0);
    for row in 0..200 {
        let cell = NasBench201.parse(&table.column("arch").unwrap().text(row).unwrap()).unwrap();
        let (ours, theirs) =
            (table.column("latency").unwrap().number(row).unwrap(), theirs.get(&cell).unwrap());
        assert!((ours * 1e3 / theirs - 1.0).abs() < 0.01, "{cell}: {ours} and {theirs}");
    }
}

#[test]
fn scores_of_suite_zero() {
    let Some(data) = shared() else { return };
    let file = data.join("formats/suite_zero_nas_bench_201.json");
    let (imported, _, dir) = import(&file, &Import::default());
    assert_eq!((imported.format.name(), imported.rows), ("suite-zero", 195));
    let csv = data.join("nas_bench_201_zero_cost_cifar10.csv.gz");
    let mut compared = 0;
    for proxy in [
        "epe_nas",
        "fisher",
        "flops",
        "grad_norm",
        "grasp",
        "jacov",
        "l2_norm",
        "nwot",
        "params",
        "plain",
        "snip",
        "synflow",
        "zen",
    ] {
        let name = format!("cifar10_{proxy}");
        if imported.columns.iter().any(|column| column.name == name) {
            assert_eq!(equal(&dir, &name, &csv, proxy, 1.0), 195);
            compared += 1;
        }
    }
    assert_eq!(compared, 7);
    let accuracies = data.join("nas_bench_201_accuracy.csv.gz");
    assert_eq!(equal(&dir, "cifar10_val_accuracy", &accuracies, "cifar10_valid_acc", 1.0), 195);
}

#[test]
fn tables_of_the_folder_go_through_every_form() {
    let Some(data) = shared() else { return };
    let csv = data.join("nas_bench_201_latency.csv.gz");
    let dir = TempDir::new().unwrap();
    let mut from = csv.clone();
    for end in ["parquet", "jsonl", "csv.gz", "jsonl.gz", "parquet"] {
        let to = dir.path().join(format!("latency.{end}"));
        let imported = tables::import(&from, &to, &Import::default()).unwrap();
        assert_eq!((imported.rows, imported.columns.len()), (15_625, 16), "{end}");
        for column in ["gold_6226_ms", "edgegpu_energy_mj"] {
            let read = |file: &Path| tables::read_columns(&NasBench201, file, &[column]).unwrap().remove(0);
            assert_eq!(read(&to).labelled(), read(&csv).labelled(), "{end}");
        }
        from = to;
    }
}
