//! Every command on every space that it can work on.

use crate::predict::table;
use crate::{json, run};
use nas_core::SearchSpace;
use serde_json::Value;
use spaces::chain::{FB_NET, NAS_BENCH_MACRO, PROXYLESS_NAS};
use spaces::{Darts, NasBench101, NasBenchAsr, NasBenchNlp};
use std::collections::BTreeSet;
use tempfile::TempDir;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

fn out(folder: &TempDir, name: &str) -> String {
    folder.path().join(name.replace(' ', "")).display().to_string()
}

fn trained(found: &Value) -> Vec<String> {
    let trained = found["trained"].as_array().unwrap().iter();
    trained.map(|row| row["arch"].as_str().unwrap().to_owned()).collect()
}

fn refused(args: &[String], says: &str) {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    assert!(text.contains(says), "{args:?}: {text}");
}

/// A search of a table by each kind of strategy, and one under a limit that a predictor keeps.
fn searched<S: SearchSpace>(space: &S, decides: bool, limit: f64) {
    let folder = tempfile::tempdir().unwrap();
    let (path, name) = (table(space, &folder), space.name());
    let start = format!("search --space {name} --accuracy {path}:accuracy --budget 12");
    let search = |flags: &str| words(&format!("{start} {flags} --out {}", out(&folder, flags)));
    for flags in [
        "--algorithm random",
        "--algorithm evolution --warmup 20",
        "--algorithm ours",
        "--algorithm neural-predictor",
        "--algorithm brp --samples 6 --iterations 1 --moves 3",
    ] {
        let found = json(&search(flags));
        assert_eq!((found["space"].as_str(), found["failed"].as_u64()), (Some(name), Some(0)), "{flags}");
        let trained = trained(&found);
        assert_eq!(trained.len(), 12, "{name}, {flags}");
        assert_eq!(trained.iter().collect::<BTreeSet<_>>().len(), 12, "{name}, {flags}: twice the same");
        assert!(trained.iter().all(|arch| space.parse(arch).is_ok()), "{name}, {flags}");
        if !flags.contains("random") && !flags.contains("evolution") {
            assert!(found["kendall"].is_number(), "{name}, {flags}: no ranking of the table");
        }
    }
    let policy = search("--algorithm reinforce");
    if decides {
        assert_eq!(trained(&json(&policy)).len(), 12);
    } else {
        refused(&policy, "not made of independent choices");
    }
    let limited = search(&format!("--algorithm ours --max-latency {limit}"));
    let found = json(&[limited, words(&format!("--latency {path}:device_ms"))].concat());
    assert!(found["within_limit"].as_u64().unwrap() > 0, "{name}");
    assert!(found["optimum_valid"].is_number() && found["regret_by_trained"].is_array(), "{name}");
}

#[test]
fn searches_of_cells() {
    searched(&NasBench101, true, 10.0);
    searched(&Darts, true, 27.0);
}

#[test]
fn searches_of_chains() {
    searched(&PROXYLESS_NAS, true, 10.0);
    searched(&FB_NET, true, 8.0);
    searched(&NAS_BENCH_MACRO, true, 5.0);
}

#[test]
fn searches_of_what_reads_sequences() {
    searched(&NasBenchAsr, true, 6.0);
    searched(&NasBenchNlp, false, 20.0);
}

/// As little as can be trained.
const SMALL: &str = "--train-images 60 --test-part 20 --image 8 --epochs 1 --batch 20";

#[test]
fn a_search_trains_networks_of_any_space_of_images() {
    let folder = tempfile::tempdir().unwrap();
    for (space, flags) in [
        ("nas-bench-101", "--algorithm evolution --pool 2 --tournament 1"),
        ("darts", "--candidates 30 --algorithm ours --first 2"),
        ("nas-bench-macro", "--algorithm reinforce"),
        ("fbnet", "--candidates 20 --algorithm random --proxy synflow,params --warmup 4"),
        ("proxyless-nas", "--candidates 20 --algorithm brp --samples 2 --iterations 1"),
    ] {
        let least = if space == "nas-bench-101" { 8 } else { 4 };
        let small = format!("{SMALL} --channels {least}");
        let folder = out(&folder, space);
        let line = format!("search --space {space} --train --budget 3 {small} {flags} --out {folder}");
        let found = json(&words(&line));
        assert_eq!((trained(&found).len(), found["failed"].as_u64()), (3, Some(0)), "{space}");
        assert!(found["best"]["test"].is_number(), "{space}");
        // what was trained is found in the store
        let best = found["best"]["arch"].as_str().unwrap();
        let args = words(&format!(
            "train --space {space} {small} --store {folder}/store.sqlite --out {folder}/again"
        ));
        let again = json(&[args, vec!["--arch".into(), best.into()]].concat());
        assert_eq!(again["found"].as_u64(), Some(1), "{space}");
        assert_eq!(again["trained"][0]["test"], found["best"]["test"], "{space}");
    }
}

#[test]
fn networks_of_other_spaces_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    for (space, flags) in [
        ("nas-bench-101", "--channels 8 --cells 1"),
        ("darts", "--channels 4 --cells 3"),
        ("nas-bench-macro", "--channels 4"),
        ("fbnet", "--channels 4 --layers written"),
        ("proxyless-nas", "--channels 4"),
    ] {
        let out = out(&folder, space);
        let line =
            format!("measure --space {space} --sample 2 --image 8 --precision 1000 {flags} --out {out}");
        let found = json(&words(&line));
        assert_eq!((found["measured"].as_array().unwrap().len(), found["failed"].as_u64()), (2, Some(0)));
        assert!(found["measured"][0]["latency_ms"].as_f64().unwrap() > 0.0, "{space}");
    }
}

#[test]
fn what_a_space_has_not_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let out = out(&folder, "never");
    for (line, says) in [
        ("train --space nas-bench-asr --sample 1", "read sequences"),
        ("measure --space nas-bench-nlp --sample 1", "read sequences"),
        ("score --space nas-bench-nlp --sample 1", "read sequences"),
        ("search --space nas-bench-nlp --train --candidates 5 --budget 2", "read sequences"),
        ("search --space nas-bench-asr --train --budget 2", "read sequences"),
        ("train --space fbnet --cells 2 --sample 1", "--cells says nothing of fbnet"),
        ("measure --space fbnet --cells 2 --sample 1", "--cells says nothing of fbnet"),
        ("train --space darts --all true", "too many"),
        ("search --space fbnet", "not of fbnet"),
        ("search --space fbnet --train --budget 2 --algorithm ours --scores zen", "not known of fbnet"),
    ] {
        refused(&words(&format!("{line} --out {out}")), says);
    }
    assert!(!folder.path().join("never").exists());
}
