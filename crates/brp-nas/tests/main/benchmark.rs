//! The benchmark that comes with the program: whole, used where no table is named, and what the trainings give again.

use crate::{json, parsed, run};
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use spaces::NasBench201;
use spaces::nas_bench_201::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/brp-nas/benchmark").join(name)
}

fn about() -> Value {
    serde_json::from_slice(&fs::read(fixture("about.json")).unwrap()).unwrap()
}

/// Rows of the table, by column.
fn rows() -> Vec<BTreeMap<String, String>> {
    let file = fs::File::open(fixture("accuracy.csv.gz")).unwrap();
    let mut reader = csv::Reader::from_reader(GzDecoder::new(file));
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn the_table_is_what_it_says_it_is() {
    let (about, bytes) = (about(), fs::read(fixture("accuracy.csv.gz")).unwrap());
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(about["sha256"].as_str(), Some(sum.as_str()));
    assert!(bytes.len() < 1_500_000);
    let (rows, class) = (rows(), NasBench201.classes());
    let count = |name: &str| rows.iter().filter(|row| !row[name].is_empty()).count();
    let (once, again, wide) = (count("test"), count("again_test"), count("wide_test"));
    // other images would tell classes apart, not networks, until all have a third training
    let compared: &[&str] = if wide == once { &["", "again_", "wide_"] } else { &["", "again_"] };
    let mut seen = vec![false; 6_466];
    for row in &rows {
        let cell: Cell = row["arch"].parse().unwrap();
        assert!(
            !std::mem::replace(&mut seen[class[cell.index()]], true),
            "{cell} is of a class that was there"
        );
        let number = |name: &str| row[name].parse::<f64>().ok();
        if let Some(test) = number("test") {
            assert!(
                (0.0..=100.0).contains(&test) && number("valid").is_some() && number("train_loss").is_some()
            );
        }
        for kind in ["valid", "test", "train_loss", "valid_loss", "test_loss"] {
            let found: Vec<f64> =
                compared.iter().filter_map(|start| number(&format!("{start}{kind}"))).collect();
            let mean = number(&format!("mean_{kind}"));
            assert_eq!(mean.is_some(), !found.is_empty(), "{cell}");
            let off = |mean: f64| (mean - found.iter().sum::<f64>() / found.len() as f64).abs();
            assert!(mean.is_none_or(|mean| off(mean) < 1e-5), "{cell}: {kind}");
        }
    }
    assert!(seen.iter().all(|seen| *seen), "a class has no row");
    let trained = once + count("reason");
    let said = ["classes", "of", "again", "wide"].map(|name| about[name].as_u64().unwrap() as usize);
    assert_eq!(said, [trained, 6_466, again, wide]);
}

#[test]
fn a_search_without_a_table_is_one_of_the_benchmark() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name).display().to_string();
    let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
    let result = json(&words(&format!("search --algorithm random --budget 20 --out {}", out("whole"))));
    let best = &result["best"];
    assert!(best["test"].as_f64().unwrap() > 10.0 && best["latency"].as_f64().unwrap() > 0.0, "{best}");
    assert!(!result["front"].as_array().unwrap().is_empty());
    // what is searched is what the table says, a class once
    let class = NasBench201.classes();
    let of = |text: &str| class[text.parse::<Cell>().unwrap().index()];
    let rows = rows();
    let trained = result["trained"].as_array().unwrap().iter();
    let classes: BTreeSet<usize> = trained.map(|row| of(row["arch"].as_str().unwrap())).collect();
    assert_eq!(classes.len(), 20, "a class was trained twice");
    let row = rows.iter().find(|row| of(&row["arch"]) == of(best["arch"].as_str().unwrap())).unwrap();
    assert_eq!(row["mean_test"].parse::<f64>().ok(), best["test"].as_f64());
    // a column of it is a column of any command, and another space has none
    let report = json(&words(&format!(
        "predict --table benchmark:engine_ms --train 50 --validation 0 --method linear --out {}",
        out("predict")
    )));
    // a class once, as equal cells have the same label
    assert_eq!(report["test"], 6_466 - 50);
    for (command, said) in [
        ("predict --table benchmark:absent --train 50 --method linear", "no column `absent`"),
        ("predict --space fbnet --table benchmark:valid --train 50 --method linear", "not of fbnet"),
    ] {
        let output = run(&words(&format!("{command} --out {}", out("bad"))));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains(said), "{said}: {error}");
    }
}

/// Trains a few classes again, where Debian's package dataset-fashion-mnist is there: to the last bit where
/// multiplications and additions are fused, nearly the same elsewhere.
#[test]
fn trainings_give_again_what_the_table_says() {
    let images = Path::new("/usr/share/datasets/fashion-mnist");
    if !images.exists() {
        eprintln!("skipped: dataset-fashion-mnist is not installed");
        return;
    }
    let (about, rows) = (about(), rows());
    let made = fs::read_to_string(fixture("make.py")).unwrap();
    let flags = made.lines().find_map(|line| line.strip_prefix("FLAGS = \"")?.strip_suffix('"')).unwrap();
    assert_eq!(about["flags"].as_str(), Some(flags), "the table was made with other flags");
    for (start, flags, seed, classes) in [("", "flags", 0, 2), ("wide_", "wide_flags", 2, 1)] {
        let trained: Vec<_> =
            rows.iter().filter(|row| !row[&format!("{start}train_loss")].is_empty()).collect();
        let some: Vec<_> = trained.iter().step_by(trained.len().div_ceil(classes).max(1)).copied().collect();
        if !some.is_empty() {
            compare_again(images, &some, (start, about[flags].as_str().unwrap(), seed));
        }
    }
}

/// Trains these rows with the flags and the seed of the columns that begin so.
fn compare_again(images: &Path, some: &[&BTreeMap<String, String>], (start, flags, seed): (&str, &str, u64)) {
    let folder = tempfile::tempdir().unwrap();
    let archs: Vec<&str> = some.iter().map(|row| row["arch"].as_str()).collect();
    fs::write(folder.path().join("archs.txt"), archs.join("\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_brp-nas"))
        .args(["train", "--format", "json", "--seed", &seed.to_string(), "--archs"])
        .arg(folder.path().join("archs.txt"))
        .arg("--out")
        .arg(folder.path().join("run"))
        .args(flags.split_whitespace())
        .arg("--images")
        .arg(images.join("train-images-idx3-ubyte.gz"))
        .arg("--test-images")
        .arg(images.join("t10k-images-idx3-ubyte.gz"))
        .output()
        .unwrap();
    let result = parsed(&output);
    let fused = cpu_ops::InstructionSet::current() != cpu_ops::InstructionSet::Portable;
    for (row, again) in some.iter().zip(result["trained"].as_array().unwrap()) {
        let number = |kind: &str| row[&format!("{start}{kind}")].parse::<f64>().unwrap();
        let kept = number("train_loss");
        let loss = again["curve"].as_array().unwrap().last().unwrap()["train_loss"].as_f64().unwrap();
        // the mean of logarithms is in f64, whose last digit is that of the system's library
        assert!((loss - kept).abs() < if fused { 1e-12 } else { 0.1 }, "{again}: {loss} instead of {kept}");
        let off = (again["test"].as_f64().unwrap() - number("test")).abs();
        assert!(off < if fused { 1e-3 } else { 5.0 });
    }
}
