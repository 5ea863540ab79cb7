//! The program as a user runs it: results, records, repeats, bad input, a kill.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod benchmark;
mod elsewhere;
mod import;
mod measure;
mod mistakes;
mod predict;
mod report;
mod repro;
mod score;
mod searches;
mod spaces;
mod strategies;

use ::spaces::NasBench201;
use ::spaces::nas_bench_201::{Cell, Operation};
use nas_core::Seed;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A made-up table over 400 cells: convolutions help, and cost time.
struct Table {
    folder: TempDir,
    cells: Vec<Cell>,
}

impl Table {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut cells: Vec<Cell> = (0..15_625).map(|i| NasBench201.get(i).unwrap()).collect();
        cells.shuffle(&mut Seed(0).stream("table"));
        cells.truncate(400);
        let mut text = String::from("arch,valid,test,device_ms\n");
        for cell in &cells {
            let (valid, test, ms) = values(cell);
            text += &format!("{cell},{valid},{test},{ms}\n");
        }
        fs::write(folder.path().join("table.csv"), text).unwrap();
        // in a file, because it is for some algorithms alone
        fs::write(folder.path().join("base.toml"), "iterations = 2\n").unwrap();
        Self { folder, cells }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn column(&self, column: &str) -> String {
        format!("{}:{column}", self.path("table.csv").display())
    }

    /// The arguments of a small search, recorded in `out`.
    fn search(&self, out: &str) -> Vec<String> {
        let (valid, test) = (self.column("valid"), self.column("test"));
        let [out, base] = [out, "base.toml"].map(|name| self.path(name).display().to_string());
        let of = ["search", "--accuracy", &valid, "--test", &test, "--budget", "12"];
        of.into_iter().chain(["--config", &base, "--out", &out]).map(String::from).collect()
    }
}

fn values(cell: &Cell) -> (f64, f64, f64) {
    let (large, small) = (cell.count(Operation::Conv3x3) as f64, cell.count(Operation::Conv1x1) as f64);
    (50.0 + 3.0 * large + small, 51.0 + 3.0 * large + small, 1.0 + 2.0 * large + small)
}

fn run(args: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_brp-nas")).args(args).output().unwrap()
}

fn json(args: &[String]) -> Value {
    documented(&args[0], &run(&[args, &["--format".into(), "json".into()]].concat()))
}

/// What a command printed as json, all of whose keys README.md names.
fn documented(command: &str, output: &Output) -> Value {
    let value = parsed(output);
    check_documented(command, &value);
    value
}

/// That README.md names every key that a command prints. A name with `{}` behind it holds keys that are data.
fn check_documented(command: &str, printed: &Value) {
    let section = include_str!("../../../../README.md").split("### What the json holds").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let quoted = |text: &'static str| text.split('`').skip(1).step_by(2);
    let of_command = |block: &&'static str| {
        let heading = block.lines().next().unwrap();
        quoted(heading).any(|name| name.split(' ').next() == Some(command))
    };
    let (mut names, mut data) = (BTreeSet::new(), BTreeSet::new());
    for text in section.split("\n**").filter(of_command).flat_map(quoted) {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        names.extend(text.split(|c| !word(c)));
        data.extend(text.match_indices("{}").filter_map(|(end, _)| text[..end].rsplit(|c| !word(c)).next()));
    }
    // the columns of `score` are those that it was asked for
    let asked = printed["seconds"].as_object().map(|seconds| seconds.keys().cloned().collect::<Vec<_>>());
    let mut left = vec![printed];
    while let Some(value) = left.pop() {
        left.extend(value.as_array().into_iter().flatten());
        for (key, value) in value.as_object().into_iter().flatten() {
            let score = asked.iter().flatten().any(|name| name == key.trim_end_matches("_log"));
            assert!(
                score || names.contains(key.as_str()),
                "README.md does not say what {key} of {command} is"
            );
            left.extend((!data.contains(key.as_str())).then_some(value));
        }
    }
}

fn parsed(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn more(args: &[String], extra: &[&str]) -> Vec<String> {
    args.iter().cloned().chain(extra.iter().map(ToString::to_string)).collect()
}

/// Without what differs from run to run: times.
fn timeless(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|key, _| !["cpu_s", "wall_s", "fit_s", "score_s"].contains(&key.as_str()));
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}

#[test]
fn a_search_finds_reports_and_records() {
    let table = Table::new();
    let result = json(&table.search("run"));
    let trained = result["trained"].as_array().unwrap();
    assert_eq!((trained.len(), result["budget"].as_u64()), (12, Some(12)));
    for trial in trained {
        let cell: Cell = trial["arch"].as_str().unwrap().parse().unwrap();
        let (valid, test, _) = values(&cell);
        assert_eq!((trial["valid"].as_f64(), trial["test"].as_f64()), (Some(valid), Some(test)));
    }
    let valid = |trial: &Value| trial["valid"].as_f64().unwrap();
    let best = trained.iter().map(valid).fold(0.0, f64::max);
    assert_eq!(valid(&result["best"]), best);
    assert_eq!(result["best_valid_test_by_trained"][11].as_f64(), Some(best + 1.0));
    assert_eq!(result["largest_test_by_trained"].as_array().unwrap().len(), 12);
    assert!(result["kendall"].as_f64().unwrap().abs() <= 1.0);
    // the record holds the same, trial by trial and as a whole
    let record = |name: &str| fs::read_to_string(table.path("run").join(name)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&record("result.json")).unwrap(), result);
    let settings: Value = serde_json::from_str(&record("settings.json")).unwrap();
    assert_eq!(settings["settings"]["budget"], 12);
    assert_eq!(settings["inputs"].as_array().unwrap().len(), 2);
    assert!(settings["host"]["revision"].is_string() && settings["inputs"][0]["sha256"].is_string());
    let lines: Vec<Value> =
        record("trials.jsonl").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 12);
    assert!(lines.iter().zip(trained).all(|(line, trial)| line["arch"] == trial["arch"]));
    // and a page shows the best of them
    let page = record("report.html");
    assert!(page.contains("<svg") && page.contains(result["best"]["arch"].as_str().unwrap()));
}

#[test]
fn the_same_seed_gives_the_same_result_whatever_the_threads() {
    let table = Table::new();
    let repeats = |out: &str, threads: &str| {
        timeless(json(&more(&table.search(out), &["--repeats", "3", "--threads", threads, "--seed", "4"])))
    };
    let one = repeats("one", "1");
    assert_eq!(one, repeats("three", "3"));
    assert_eq!(one["mean"]["repeats"], 3);
    let single = timeless(json(&more(&table.search("single"), &["--seed", "5"])));
    assert_eq!(one["runs"][1]["trained"], single["trained"]);
    assert_ne!(one["runs"][0]["trained"], single["trained"]);
}

#[test]
fn every_algorithm_and_form_of_output_works() {
    let table = Table::new();
    for algorithm in ["random", "predictor"] {
        let result = json(&more(&table.search(algorithm), &["--algorithm", algorithm]));
        assert_eq!(result["trained"].as_array().unwrap().len(), 12);
        assert_eq!(result["kendall"].is_null(), algorithm == "random");
    }
    let random = |out: &str, format: &str| {
        let output = run(&more(&table.search(out), &["--algorithm", "random", "--format", format]));
        String::from_utf8(output.stdout).unwrap()
    };
    let csv = random("csv", "csv");
    assert!(csv.starts_with("seed,trained,arch,valid,test,latency,iteration,failure,predicted\n"));
    assert_eq!(csv.lines().count(), 13);
    assert!(random("table", "table").contains("12 trained"));
}

#[test]
fn a_latency_limit_is_met_by_what_is_returned() {
    let table = Table::new();
    let latency = table.column("device_ms");
    let limit = ["--latency", &latency, "--max-latency", "6.5", "--latency-train", "180"];
    let result = json(&more(&table.search("limit"), &limit));
    assert!(result["best"]["latency"].as_f64().unwrap() <= 6.5);
    let over = |trial: &&Value| trial["latency"].as_f64().unwrap() > 6.5;
    let wrong = result["trained"].as_array().unwrap().iter().filter(over).count() as u64;
    assert_eq!(result["false_positives"].as_u64(), Some(wrong));
    assert!(result["within_limit"].as_u64().unwrap() < 400);
    assert_eq!(result["latency_predictor"]["rows"], 180);
}

#[test]
fn another_of_the_same_network_as_the_best_counts_by_itself() {
    let table = Table::new();
    let class = "#+#+#+(0)@nor_conv_3x3";
    let (same, others): (Vec<Cell>, Vec<Cell>) =
        (0..6_000).map(|i| NasBench201.get(i).unwrap()).partition(|cell| cell.class() == class);
    // ten that are the same network, the best of them too slow, and ten others
    let cells: Vec<&Cell> = same.iter().take(10).chain(others.iter().step_by(500).take(10)).collect();
    assert_eq!(cells.len(), 20);
    let mut text = String::from("arch,valid,device_ms\n");
    for (i, cell) in cells.iter().enumerate() {
        let (valid, ms) = (60 - i, if i == 0 { 9 } else { 2 });
        text += &format!("{cell},{valid},{ms}\n");
    }
    fs::write(table.path("same.csv"), text).unwrap();
    let column = |name: &str| format!("{}:{name}", table.path("same.csv").display());
    let search = |out: &str, format: &str| {
        let (valid, ms, out) = (column("valid"), column("device_ms"), table.path(out).display().to_string());
        let flags = "--max-latency 5 --limit-by table --algorithm random --budget 15 --repeats 4";
        let named = ["search", "--accuracy", &valid, "--latency", &ms, "--out", &out, "--format", format];
        run(&named.into_iter().chain(flags.split(' ')).map(String::from).collect::<Vec<_>>())
    };
    let found = parsed(&search("json", "json"));
    let runs = found["runs"].as_array().unwrap();
    let after = |run: &Value, some: &[&Cell]| {
        let trained = run["trained"].as_array().unwrap();
        let is = |trial: &Value| some.iter().any(|cell| trial["arch"] == cell.to_string());
        trained.iter().position(is).map(|place| place + 1)
    };
    let network = &cells[1..10];
    let first = |run: &Value, trained: usize| {
        let some =
            run["trained"].as_array().unwrap()[..trained].iter().filter(|trial| trial["latency"] == 2.0);
        let best = some.max_by(|a, b| a["valid"].as_f64().unwrap().total_cmp(&b["valid"].as_f64().unwrap()));
        best.is_some_and(|best| network.iter().any(|cell| best["arch"] == cell.to_string()))
    };
    for run in runs {
        assert_eq!((&run["optimum_valid"], &run["optimum_equals"]), (&json!(59.0), &json!(9)));
        assert_eq!(run["optimum_after"], json!(after(run, &network[..1])));
        assert_eq!(run["network_after"], json!(after(run, network)));
        assert_eq!(
            run["network_first"],
            json!((1..=15).map(|trained| first(run, trained)).collect::<Vec<_>>())
        );
    }
    assert!(runs.iter().any(|run| run["network_after"] != run["optimum_after"]));
    let curve = |is: &dyn Fn(&Value, usize) -> bool| {
        json!((1..=15).map(|trained| runs.iter().filter(|run| is(run, trained)).count()).collect::<Vec<_>>())
    };
    let within =
        |some: &[&Cell], run: &Value, trained| after(run, some).is_some_and(|place| place <= trained);
    let mean = &found["mean"];
    assert_eq!(mean["found_by_trained"], curve(&|run, trained| within(&network[..1], run, trained)));
    assert_eq!(mean["network_trained_by_trained"], curve(&|run, trained| within(network, run, trained)));
    assert_eq!(mean["network_first_by_trained"], curve(&first));
    let text = String::from_utf8(search("table", "table").stdout).unwrap();
    assert!(
        text.contains("its network (9 architectures within the limit) in 4, with the best value in 4"),
        "{text}"
    );
}

#[test]
fn a_limit_is_checked_by_what_was_measured_and_else_by_a_prediction() {
    let table = Table::new();
    let whole = table.column("device_ms");
    let limited = |out: &str, latency: &str, more_flags: &[&str]| {
        let flags = ["--latency", latency, "--max-latency", "6.5", "--algorithm", "ours"];
        json(&more(&more(&table.search(out), &flags), more_flags))
    };
    let trained = |result: &Value| result["trained"].as_array().unwrap().clone();
    let meets = |trial: &Value| trial["latency"].as_f64().unwrap() <= 6.5;
    let meeting = table.cells.iter().filter(|cell| values(cell).2 <= 6.5).count() as u64;
    let known = limited("known", &whole, &[]);
    assert!(known["latency_predictor"].is_null() && known["false_positives"] == 0);
    assert_eq!(known["within_limit"].as_u64(), Some(meeting));
    assert!(trained(&known).iter().all(meets));
    // the same search with the rows of the even lines alone
    let text = fs::read_to_string(table.path("table.csv")).unwrap();
    let half: Vec<&str> = text.lines().step_by(2).collect();
    fs::write(table.path("half.csv"), half.join("\n") + "\n").unwrap();
    let half = format!("{}:device_ms", table.path("half.csv").display());
    let some = limited("some", &half, &[]);
    assert_eq!(some["latency_predictor"]["rows"], 200);
    let (guessed, measured): (Vec<_>, Vec<_>) =
        trained(&some).into_iter().partition(|trial| trial["predicted"] == true);
    assert!(!guessed.is_empty() && !measured.is_empty() && measured.iter().all(meets));
    assert_eq!(some["unmeasured"].as_u64(), Some(guessed.len() as u64));
    assert_eq!((&some["false_positives"], &known["unmeasured"]), (&json!(0), &json!(0)));
    let alone = limited("alone", &half, &["--limit-by", "table"]);
    assert!(alone["latency_predictor"].is_null());
    assert!(trained(&alone).iter().all(|trial| trial["predicted"].is_null() && meets(trial)));
    // though all of them are measured
    let predicted = limited("predicted", &whole, &["--limit-by", "predictor"]);
    assert_eq!(predicted["latency_predictor"]["rows"], 400);
}

#[test]
fn a_configuration_file_gives_what_flags_do_not() {
    let table = Table::new();
    let config = table.path("search.toml");
    fs::write(&config, format!("accuracy = '{}'\nbudget = 7\nalgorithm = 'random'\n", table.column("valid")))
        .unwrap();
    let (config, out) = (config.display().to_string(), table.path("run").display().to_string());
    let args = ["search", "--config", &config, "--budget", "5", "--out", &out].map(String::from);
    let result = json(&args);
    assert_eq!(result["trained"].as_array().unwrap().len(), 5);
    assert_eq!(result["algorithm"], "random");
    fs::write(table.path("search.toml"), "bugdet = 7\n").unwrap();
    let output = run(&args);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("bugdet"));
}

#[test]
fn predict_judges_on_the_rest() {
    let table = Table::new();
    let column = table.column("device_ms");
    let args = |out: &str, method: &str| {
        let out = table.path(out).display().to_string();
        let args =
            ["predict", "--table", &column, "--train", "100", "--validation", "20", "--method", method];
        more(&args.map(String::from), &["--out", &out])
    };
    let flops = json(&args("flops", "flops"));
    assert_eq!((flops["test"].as_u64(), flops["column"].as_str()), (Some(280), Some("device_ms")));
    assert!(flops["spearman"].as_f64().unwrap() > 0.9);
    let gcn = json(&args("gcn", "gcn"));
    assert!(gcn["spearman"].as_f64().unwrap() > 0.95, "{gcn}");
    for method in ["flops-proportional", "layers", "boosting", "gp", "ours"] {
        let found = json(&args(method, method));
        assert!(found["within_10pct"].is_number(), "{found}");
    }
    assert!(json(&args("chosen", "ours"))["chosen"].as_str().unwrap().contains("doubt"));
    let accuracy = table.column("valid");
    let scores = format!("params,{}", table.column("test"));
    for method in ["boosting", "gp", "ours"] {
        let flags = ["--table", &accuracy, "--scores", &scores];
        let mut args = args(&format!("{method}-accuracy"), method);
        args.drain(1..3);
        let found = json(&more(&args, &flags));
        // what is as good as the label is among the scores
        assert!(found["kendall"].as_f64().unwrap() > 0.7, "{found}");
        assert_eq!(found["believed_50_80_95"].is_array(), method != "boosting");
    }
    let refused = run(&more(&args("refused", "ours"), &["--scores", "params"]));
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("--scores is used by nothing here: it belongs to")
    );
    let extra =
        ["--transfer-from", &accuracy, "--transfer-train", "30", "--label", "accuracy", "--repeats", "2"];
    let mut few = args("transfer", "relation");
    few[4] = "30".into();
    let transfer = json(&more(&few, &extra));
    assert_eq!(transfer["train"], 30);
    assert_eq!(transfer["rows"].as_array().unwrap().len(), 2);
    assert_eq!(transfer["runs"].as_array().unwrap().len(), 4);
    assert_eq!(transfer["rows"][0]["transfer"], true);
}

#[test]
fn bad_input_is_named_and_leaves_nothing_behind() {
    let table = Table::new();
    let write = |name: &str, text: &str| {
        fs::write(table.path(name), text).unwrap();
        format!("{}:valid", table.path(name).display())
    };
    let (a, b) = (table.cells[0], table.cells[1]);
    let duplicate = write("duplicate.csv", &format!("arch,valid\n{a},1\n{b},2\n{a},3\n"));
    let unknown = write("unknown.csv", "arch,valid\n|conv_9x9~0|+|none~0|none~1|+|none~0|none~1|none~2|,1\n");
    let nan = write("nan.csv", &format!("arch,valid\n{a},NaN\n"));
    let few = write("few.csv", &format!("arch,valid\n{a},1\n{b},2\n"));
    let whole = {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&fs::read(table.path("table.csv")).unwrap()).unwrap();
        packed.finish().unwrap()
    };
    fs::write(table.path("cut.csv.gz"), &whole[..whole.len() / 2]).unwrap();
    let cut = format!("{}:valid", table.path("cut.csv.gz").display());
    let (good, latency) = (table.column("valid"), table.column("device_ms"));
    let (missing, column) = (format!("{}:valid", table.path("no.csv").display()), table.column("vaild"));
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec!["--budget", "20000"], "--budget is 20000, but the tables know only"),
        (vec!["--accuracy", &missing], "no.csv"),
        (vec!["--accuracy", &column], "vaild"),
        (vec!["--accuracy", &duplicate], "line 4"),
        (vec!["--accuracy", &unknown], "conv_9x9"),
        (vec!["--accuracy", &nan], "NaN"),
        (vec!["--accuracy", &cut], "cut.csv.gz"),
        (vec!["--accuracy", &few, "--budget", "3"], "only 2 architectures"),
        (vec!["--accuracy", &good, "--budget", "401"], "only 400 architectures"),
        (vec!["--accuracy", &good, "--budget", "0"], "--budget is 0"),
        (vec!["--accuracy", &good, "--alpha", "1.5"], "--alpha is 1.5"),
        (vec!["--accuracy", &good, "--iterations", "0"], "--iterations is 0"),
        (vec!["--accuracy", &good, "--max-latency", "3"], "needs both"),
        (vec!["--accuracy", &good, "--latency", &latency, "--max-latency", "-3"], "--max-latency is -3"),
        (vec!["--accuracy", &good, "--algorithm", "ours", "--first", "0"], "--first is 0"),
        (vec!["--accuracy", &good, "--algorithm", "ours", "--moves", "3"], "--moves is used by nothing"),
        (vec!["--accuracy", &good, "--repeats", "0"], "--repeats is 0"),
        (vec!["--accuracy", &good, "--space", "nas-bench-999"], "nas-bench-999"),
        (vec!["--accuracy", "table.csv"], "FILE:COLUMN"),
    ];
    for (args, says) in cases {
        let out = table.path("never").display().to_string();
        let args = more(&["search".into(), "--out".into(), out.clone()], &args);
        let output = run(&args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text}");
        assert!(output.stdout.is_empty() && !Path::new(&out).exists(), "{args:?}");
    }
}

#[test]
fn a_limit_that_nothing_meets_says_how_low_it_would_have_to_be() {
    let table = Table::new();
    let latency = table.column("device_ms");
    let limit = ["--latency", &latency, "--max-latency", "0.01", "--latency-train", "45"];
    let output = run(&more(&table.search("nothing"), &limit));
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("none of 400 architectures meets a latency of 0.01 ms, or is predicted to"),
        "{text}"
    );
    assert!(!table.path("nothing").exists(), "the mended command may have the folder");
}

#[test]
fn a_killed_search_leaves_a_record_of_how_far_it_came() {
    let table = Table::new();
    let args = more(&table.search("killed"), &["--budget", "100", "--iterations", "100"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_brp-nas"))
        .args(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let trials = table.path("killed").join("trials.jsonl");
    let lines = || fs::read_to_string(&trials).map_or(0, |text| text.lines().count());
    while lines() < 3 {
        std::thread::yield_now();
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let text = fs::read_to_string(&trials).unwrap();
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(lines() < 100 && table.path("killed").join("settings.json").exists());
    assert!(!table.path("killed").join("result.json").exists());
    // what is there is never written over
    let again = run(&args);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("already holds a run"));
}

/// The arguments of a training of tiny networks.
fn training(folder: &Path, out: &str, count: usize, epochs: usize) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let (count, epochs) = (count.to_string(), epochs.to_string());
    let (store, out) = (path("store.sqlite"), path(out));
    let text = format!(
        "train --sample {count} --epochs {epochs} --channels 1 --image 4 --train-images 100 --threads 1 --store {store} --out {out}"
    );
    text.split(' ').map(String::from).collect()
}

/// What of every training does not depend on when and where it was done.
fn accuracies(result: &Value) -> Vec<Value> {
    let of = |row: &Value| {
        serde_json::json!([row["arch"], row["valid"], row["test"], row["epochs"], row["reason"]])
    };
    result["trained"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn a_training_is_kept_and_not_done_twice() {
    let folder = tempfile::tempdir().unwrap();
    let first = json(&training(folder.path(), "first", 3, 2));
    let trained = first["trained"].as_array().unwrap();
    assert_eq!((trained.len(), first["found"].as_u64()), (3, Some(0)));
    for row in trained {
        let (valid, test) = (row["valid"].as_f64().unwrap(), row["test"].as_f64().unwrap());
        assert!((0.0..=100.0).contains(&valid) && (0.0..=100.0).contains(&test) && row["epochs"] == 2);
    }
    let again = json(&training(folder.path(), "again", 3, 2));
    assert_eq!((again["found"].as_u64(), accuracies(&again)), (Some(3), accuracies(&first)));
    // more of them, in another store, one a thread: the same ones come out the same
    let mut other = training(folder.path(), "other", 3, 2);
    let store = other.iter().position(|arg| arg == "--store").unwrap() + 1;
    other[store] = folder.path().join("other.sqlite").display().to_string();
    let threads = other.iter().position(|arg| arg == "--threads").unwrap() + 1;
    other[threads] = "3".into();
    assert_eq!(accuracies(&json(&other)), accuracies(&first));
    assert!(folder.path().join("first/result.json").exists());
    // how they are ordered: as a table of what came out has it, and not at all by one that has none of them
    let row = |row: &Value| format!("{},{},1\n", row["arch"].as_str().unwrap(), row["test"]);
    let rows: String = trained.iter().map(row).collect();
    fs::write(folder.path().join("truth.csv"), format!("arch,test,same\n{rows}")).unwrap();
    let table = |column: &str| format!("{}:{column}", folder.path().join("truth.csv").display());
    let judged = |column: &str| {
        let args = training(folder.path(), &format!("judged-{column}"), 3, 2);
        json(&more(&args, &["--table", &table(column)]))
    };
    let found = judged("test");
    let of = |at: usize| (&found["compared"][at]["score"], found["compared"][at]["kendall"].as_f64());
    assert_eq!((of(0).0.as_str(), found["compared"][0]["architectures"].as_u64()), (Some("test"), Some(3)));
    assert!(of(0).1.is_none_or(|kendall| kendall == 1.0) && found["mean_s"].as_f64() > Some(0.0));
    assert!(judged("same")["compared"][0]["kendall"].is_null());
}

#[test]
fn four_processes_share_a_store_and_one_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let alone = json(&training(folder.path(), "alone", 40, 2));
    let shared = tempfile::tempdir().unwrap();
    let start = |out: &str| {
        let args = training(shared.path(), out, 40, 2);
        let mut command = Command::new(env!("CARGO_BIN_EXE_brp-nas"));
        command.args(more(&args, &["--format", "json"])).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut killed = start("killed");
    let others: Vec<_> = ["a", "b", "c"].into_iter().map(start).collect();
    // until it has trained something, so that it is killed at work
    let store = shared.path().join("store.sqlite");
    for _ in 0..2_000 {
        let done = store::Store::open(&store)
            .and_then(|s| s.counts(&store::Filter::default(), 0))
            .map_or(0, |c| c.done);
        if done > 4 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    for other in others {
        let output = other.wait_with_output().unwrap();
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(accuracies(&result), accuracies(&alone));
    }
    let rows = store::Store::open(&store).unwrap().rows(&store::Filter::default(), 0).unwrap();
    assert_eq!(rows.len(), 40);
    assert!(rows.iter().all(|row| matches!(row.state, store::State::Done(_))));
}

#[test]
fn bad_input_of_a_training_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = training(folder.path(), "run", 2, 1);
    fs::write(
        folder.path().join("archs.txt"),
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|\n|none~0|+\n",
    )
    .unwrap();
    let archs = folder.path().join("archs.txt").display().to_string();
    fs::write(folder.path().join("cut.bin"), vec![3_u8; 5_000]).unwrap();
    let cut = folder.path().join("cut.bin").display().to_string();
    let cases: [(&[&str], &str); 15] = [
        (&["--space", "nas-bench-asr"], "nas-bench-asr"),
        (&["--archs", &archs], "archs.txt, line 2"),
        (&["--arch", "nonsense"], "nonsense"),
        (&["--sample", "20000"], "15625"),
        (&["--images", &cut, "--test-images", &cut], "cut.bin"),
        (&["--images", &cut], "--test-images"),
        (&["--image", "6"], "multiple of 4"),
        (&["--train-images", "5000"], "--train-images"),
        (&["--validation", "100"], "--validation"),
        (&["--validation-more", "5000"], "--validation-more"),
        (&["--clutter-others", "2"], "--clutter"),
        (&["--clutter", "1", "--clutter-others", "0"], "--clutter-others"),
        (&["--batch", "0"], "batch"),
        (&["--rate=-1"], "rate"),
        (&["--threads", "0"], "--threads"),
    ];
    for (extra, says) in cases {
        let output = run(&more(&good, extra));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{extra:?}: {said}");
        assert!(said.contains(says), "{extra:?} should say {says:?}: {said}");
        assert!(!folder.path().join("run").exists(), "{extra:?} left something behind");
    }
}

#[test]
fn a_training_takes_the_folder_of_a_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("{}/../../fixtures/images/pickled", env!("CARGO_MANIFEST_DIR"));
    // what it was trained on
    let of = |name: &str, extra: &[&str]| {
        let images = format!("{data}/{name}");
        let out = folder.path().join(format!("{name}{}", extra.len()));
        let flags = ["train", "--sample", "1", "--epochs", "1", "--channels", "1", "--image", "4"];
        let all = [&flags[..], &["--out", out.to_str().unwrap(), "--images", &images], extra].concat();
        let result = json(&all.into_iter().map(String::from).collect::<Vec<_>>());
        assert!(result["trained"][0]["test"].is_number(), "{result}");
        let settings: Value = serde_json::from_slice(&fs::read(out.join("settings.json")).unwrap()).unwrap();
        settings["settings"]["fidelity"].clone()
    };
    let pickled = of("cifar-10-batches-py", &[]);
    assert_eq!((pickled["train"].as_u64(), pickled["test"].as_u64()), (Some(5), Some(2)), "{pickled}");
    assert!(pickled["images_sha256"].is_string(), "{pickled}");
    let file = format!("{data}/cifar-10-batches-bin/test_batch.bin");
    assert_eq!(of("cifar-10-batches-bin", &[]), pickled);
    assert_eq!(of("cifar-10-batches-py", &["--test-images", &file]), pickled);
    assert_eq!(of("ImageNet16", &[])["classes"].as_u64(), Some(120));
    let nowhere = ["train", "--sample", "1", "--images", "nowhere"].map(String::from);
    assert!(String::from_utf8_lossy(&run(&nowhere).stderr).contains("nowhere: cannot open ("));
}

#[test]
fn more_images_to_validate_on_leave_the_training_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let more_of = |out: &str, extra: &[&str]| {
        let result = json(&more(&training(folder.path(), out, 1, 1), extra));
        let settings: Value =
            serde_json::from_slice(&fs::read(folder.path().join(out).join("settings.json")).unwrap())
                .unwrap();
        let sizes =
            ["train", "validation", "test"].map(|name| settings["settings"]["fidelity"][name].clone());
        let end = result["trained"][0]["curve"][0].clone();
        (sizes, end["train_loss"].clone(), end["valid_loss"].clone(), end["test_loss"].clone())
    };
    for clutter in [&[][..], &["--clutter", "1"]] {
        let name = |part: &str| format!("{part}-{}", clutter.len());
        let few = more_of(&name("few"), &[&["--test-part", "30"], clutter].concat());
        let many =
            more_of(&name("many"), &[&["--test-part", "30", "--validation-more", "50"], clutter].concat());
        let copies = if clutter.is_empty() { 1 } else { 4 };
        assert_eq!(few.0, [80, 20 * copies, 30 * copies].map(Value::from));
        assert_eq!(many.0, [80, 70 * copies, 30 * copies].map(Value::from));
        // the same but for what is validated on
        assert_eq!((&few.1, &few.3), (&many.1, &many.3));
        assert_ne!(few.2, many.2);
    }
    let others = more_of("others", &["--test-part", "30", "--clutter", "1", "--clutter-others", "2"]);
    assert_eq!(others.0, [80, 40, 60].map(Value::from));
    let none_left = run(&more(&training(folder.path(), "never", 1, 1), &["--validation-more", "1"])
        .into_iter()
        .map(|word| if word == "100" { "2000".into() } else { word })
        .collect::<Vec<_>>());
    assert_eq!(none_left.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none_left.stderr).contains("--train-images"));
}

fn enumerate(space: &str, extra: &[&str]) -> Vec<String> {
    more(&["enumerate".into(), "--space".into(), space.into()], extra)
}

#[test]
fn a_space_is_counted() {
    let result = json(&enumerate("nas-bench-201", &[]));
    assert_eq!(result, serde_json::json!({"space": "nas-bench-201", "count": 15_625, "unique": 6_466}));
    assert_eq!(json(&enumerate("nas-bench-201", &["--threads", "3"])), result);
    let csv = run(&enumerate("nas-bench-201", &["--format", "csv"])).stdout;
    assert_eq!(String::from_utf8(csv).unwrap(), "space,count,unique\nnas-bench-201,15625,6466\n");
}

#[test]
fn the_other_spaces_say_what_they_can() {
    let result = json(&enumerate("nas-bench-macro", &[]));
    assert_eq!((result["count"].as_u64(), result["unique"].as_u64()), (Some(6_561), Some(6_561)));
    let darts = json(&enumerate("darts", &[]));
    assert_eq!((darts["count"].as_u64(), &darts["unique"]), (Some(1_076_746_950_455_072_400), &Value::Null));
    let fbnet = json(&enumerate("fbnet", &[]));
    assert_eq!((&fbnet["count"], &fbnet["unique"]), (&Value::Null, &Value::Null));
    assert!(String::from_utf8(run(&enumerate("fbnet", &[])).stdout).unwrap().contains("more than 2^64"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chains.txt");
    fs::write(&file, "02012100\n0_0_0_0_0_0_0_0\n").unwrap();
    let path = file.display().to_string();
    let rows = json(&enumerate("nas-bench-macro", &["--archs", &path]));
    assert_eq!(
        (&rows["archs"][0]["arch"], &rows["archs"][0]["parameters"]),
        (&"02012100".into(), &890_666.into())
    );
    assert_eq!((&rows["archs"][1]["index"], &rows["archs"][1]["flops"]), (&0.into(), &7_713_280.into()));
    // counted from the networks that are built
    for space in ["darts", "proxyless-nas", "fbnet", "nas-bench-asr", "nas-bench-nlp"] {
        let rows = json(&enumerate(space, &["--sample", "2"]));
        for row in rows["archs"].as_array().unwrap() {
            let (parameters, flops) = (row["parameters"].as_u64().unwrap(), row["flops"].as_u64().unwrap());
            assert!(parameters > 300_000 && flops > parameters, "{space}: {row}");
        }
    }
}

const SPECS: [&str; 3] = [
    "0101001000010000:input,conv3x3-bn-relu,conv1x1-bn-relu,output",
    "0100:input,output",
    "0110000001000110000100000:input,conv3x3-bn-relu,conv3x3-bn-relu,conv1x1-bn-relu,output",
];

#[test]
fn the_architectures_of_a_file_are_described_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).unwrap();
        folder.path().join(name).display().to_string()
    };
    let plain = file("plain.txt", format!("{}\n\n", SPECS.join("\n")).as_bytes());
    let result = json(&enumerate("nas-bench-101", &["--archs", &plain]));
    let archs = result["archs"].as_array().unwrap();
    assert_eq!((result["count"].as_u64(), result["unique"].as_u64(), archs.len()), (Some(3), Some(3), 3));
    let hashes = [
        "66ea4e36f994d4bf11102cbef10a3cb1",
        "043721b9c7fe8c5fad811d47d83132ec",
        "f50f9ba3776d5711cfd291624b0b11cc",
    ];
    for ((row, text), hash) in archs.iter().zip(SPECS).zip(hashes) {
        assert_eq!((row["arch"].as_str(), row["hash"].as_str()), (Some(text), Some(hash)));
        assert!(row["parameters"].as_u64().unwrap() >= 227_274 && row["flops"].as_u64().unwrap() > 0);
    }
    assert_eq!(archs[1]["index"], 0);
    // a table with a column `arch`, gzipped
    let rows = SPECS.map(|text| format!("7,\"{text}\"\n")).concat();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(format!("x,arch\n{rows}").as_bytes()).unwrap();
    let table = file("table.csv.gz", &packed.finish().unwrap());
    let out = folder.path().join("run");
    let args = enumerate("nas-bench-101", &["--archs", &table, "--out", &out.display().to_string()]);
    assert_eq!(json(&args), result);
    let written = fs::read_to_string(out.join("result.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), result);
    // NAS-Bench-201 alike
    let cell = NasBench201.get(7).unwrap().to_string();
    let cells = file("cells.txt", cell.as_bytes());
    let row = &json(&enumerate("nas-bench-201", &["--archs", &cells]))["archs"][0];
    assert_eq!((row["index"].as_u64(), row["arch"].as_str()), (Some(7), Some(cell.as_str())));
}

#[test]
fn a_line_that_is_no_architecture_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("bad.txt", "0100:input,output\n\n0110:input,output\n", "line 3"),
        ("bad.txt", "0100:input,output\nlstm\n", "line 2"),
        ("bad.csv", "arch,x\n\"0100:input,output\",1\n\"0100:input\",2\n", "line 3"),
        ("ragged.csv", "arch,x\n0100\n", "ragged.csv"),
        ("empty.txt", "\n \n", "one a line"),
    ];
    for (name, text, says) in cases {
        fs::write(folder.path().join(name), text).unwrap();
        let path = folder.path().join(name).display().to_string();
        let output = run(&enumerate("nas-bench-101", &["--archs", &path]));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(says) && error.contains(name) && error.contains("expected"), "{error}");
        assert!(output.stdout.is_empty());
    }
    let missing = run(&enumerate("nas-bench-101", &["--archs", "no/such.txt"]));
    assert_eq!(missing.status.code(), Some(2));
    let threads = run(&enumerate("nas-bench-101", &["--threads", "0"]));
    assert_eq!(threads.status.code(), Some(2));
}
