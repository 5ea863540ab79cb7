//! `predict` on every space, by every method, and what it refuses.

use super::{json, run, timeless};
use nas_core::{SearchSpace, Seed};
use rand::RngExt;
use spaces::chain::{FB_NET, NAS_BENCH_MACRO, PROXYLESS_NAS};
use spaces::{Darts, NasBench101, NasBench201, NasBenchAsr, NasBenchNlp};
use std::fs;
use tempfile::TempDir;

/// Every method.
const METHODS: [&str; 19] = [
    "gcn",
    "gcn-published",
    "relation",
    "ranker",
    "neural-predictor",
    "neural-predictor-clean",
    "two-stage",
    "mlp",
    "cnn",
    "flops",
    "flops-proportional",
    "layers",
    "layers-by-operation",
    "layers-live",
    "linear",
    "forest",
    "boosting",
    "gp",
    "ours",
];

const SLOW: [&str; 7] =
    ["gcn-published", "relation", "neural-predictor", "neural-predictor-clean", "two-stage", "mlp", "cnn"];

/// A made-up table of 40 architectures: each label is a count of letters of the text, so that it can be learned, and a
/// little noise, so that no two rows are alike.
pub(crate) fn table<S: SearchSpace>(space: &S, folder: &TempDir) -> String {
    let mut rng = Seed(5).stream("table");
    let mut archs: Vec<S::Arch> = Vec::new();
    while archs.len() < 40 {
        let arch = space.sample(&mut rng);
        if !archs.contains(&arch) {
            archs.push(arch);
        }
    }
    let mut text = String::from("arch,accuracy,fraction,device_ms,same\n");
    for (row, arch) in archs.iter().enumerate() {
        let arch = arch.to_string();
        let count = arch.chars().filter(|letter| matches!(letter, '1' | '3')).count() as f64;
        let noise = (row * 7 % 10) as f64 / 20.0;
        let (accuracy, ms) = (70.0 + (count + noise) / 2.0, 2.0 + count + noise);
        text += &format!("\"{}\",{accuracy},{},{ms},50\n", arch.replace('"', "\"\""), accuracy / 100.0);
    }
    let path = folder.path().join(format!("{}.csv", space.name()));
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn predict(folder: &TempDir, out: &str, space: &str, table: &str, more: &[&str]) -> Vec<String> {
    let out = folder.path().join(out).display().to_string();
    let args = ["predict", "--space", space, "--table", table, "--out", &out, "--train", "24"];
    args.iter().chain(more).map(ToString::to_string).collect()
}

/// All methods on one space: on accuracies, on fractions, on latencies; and whether it has a cost. The slow networks see
/// a space by its encoding alone, as `neural-predictor` and `gcn` do, so one space runs them all.
fn works<S: SearchSpace>(space: &S) {
    let folder = tempfile::tempdir().unwrap();
    let (path, name) = (table(space, &folder), space.name());
    let whole = name == "nas-bench-201";
    let methods = |found: &serde_json::Value| -> Vec<String> {
        let rows = found["rows"].as_array().unwrap();
        rows.iter().map(|row| row["method"].as_str().unwrap().to_owned()).collect()
    };
    let quick: Vec<&str> = METHODS.into_iter().filter(|method| !SLOW.contains(method)).collect();
    let fast = quick.join(",");

    let column = format!("{path}:accuracy");
    let all = ["--method", if whole { "all" } else { &fast }, "--validation", "6"];
    let found = json(&predict(&folder, "accuracy", name, &column, &all));
    assert_eq!(methods(&found), if whole { &METHODS } else { &quick[..] });
    assert_eq!(found["space"].as_str(), Some(name));
    assert_eq!((found["train"].as_u64(), found["test"].as_u64()), (Some(24), Some(10)));
    for row in found["rows"].as_array().unwrap() {
        assert!(row["kendall"].is_number() || row["method"] == "flops-proportional", "{row}");
        let orders = ["relation", "ranker"].contains(&row["method"].as_str().unwrap());
        assert_eq!(row["within_10pct"].is_number(), !orders, "{row}");
        assert!(row["half_width_95"].is_null(), "{row}");
    }

    let column = format!("{path}:device_ms");
    let found = json(&predict(&folder, "latency", name, &column, &["--method", &fast, "--validation", "6"]));
    assert_eq!(methods(&found), quick);

    let column = format!("{path}:fraction");
    let fractions = ["--method", "neural-predictor,two-stage,linear", "--validation", "0"];
    let found = json(&predict(&folder, "fraction", name, &column, &fractions));
    assert!(found["rows"][0]["chosen"].as_str().unwrap().contains("as fractions of 100 %"));
    let mse = found["rows"][0]["mse"].as_f64().unwrap();
    assert!(mse < 0.1, "an error in fractions, not percent: {mse}");
    assert_eq!(methods(&found), ["neural-predictor", "two-stage", "linear"]);

    // what is as good as the label is among the scores, so that surrogates must find it on any space
    let (column, same) = (format!("{path}:accuracy"), format!("{path}:fraction"));
    let told = ["--method", "ours,linear,forest", "--validation", "0", "--scores", &same, "--repeats", "3"];
    let found = json(&predict(&folder, "scores", name, &column, &told));
    assert!(found["kendall"].as_f64().unwrap() > 0.7, "{found}");
    for row in found["rows"].as_array().unwrap() {
        assert!(row["half_width_95"]["kendall"].as_f64().unwrap() >= 0.0, "{row}");
        assert!(row["half_width_95"]["within_10pct"].is_number(), "{row}");
    }
    assert_eq!(found["runs"].as_array().unwrap().len(), 9);

    let refused = |more: &[&str], column: &str, says: &str| {
        let args = predict(&folder, "never", name, column, more);
        let output = run(&args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text}");
        assert!(output.stdout.is_empty() && !folder.path().join("never").exists(), "{args:?}");
    };
    for rows in ["16", "40", "18446744073709551615"] {
        refused(&["--validation", rows], &column, "leave none of the 40");
    }
    let same = format!("{path}:same");
    for method in METHODS {
        refused(&["--method", method, "--validation", "0"], &same, "nothing to learn from equal values");
    }
    // a table of another space names its first row
    let (other, text) =
        if name == NasBench201::NAME { ("darts", "darts") } else { (NasBench201::NAME, "line 2") };
    let args = predict(&folder, "never", other, &column, &["--validation", "0"]);
    let output = run(&args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(text) && said.contains("arch"), "{said}");
}

#[test]
fn all_methods_work_on_nas_bench_201() {
    works(&NasBench201);
}

#[test]
fn all_methods_work_on_nas_bench_101() {
    works(&NasBench101);
}

#[test]
fn all_methods_work_on_darts() {
    works(&Darts);
}

#[test]
fn all_methods_work_on_fbnet() {
    works(&FB_NET);
}

#[test]
fn all_methods_work_on_nas_bench_macro() {
    works(&NAS_BENCH_MACRO);
}

#[test]
fn all_methods_work_on_nas_bench_asr() {
    works(&NasBenchAsr);
}

#[test]
fn all_methods_work_on_nas_bench_nlp() {
    works(&NasBenchNlp);
}

#[test]
fn several_methods_are_named_once_in_their_order_by_flag_and_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = table(&NAS_BENCH_MACRO, &folder);
    let column = format!("{path}:accuracy");
    let rows = |out: &str, more: &[&str]| -> Vec<(String, f64)> {
        let found = json(&predict(&folder, out, "nas-bench-macro", &column, more));
        let rows = found["rows"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| (row["method"].as_str().unwrap().to_owned(), row["kendall"].as_f64().unwrap()))
            .collect()
    };
    let flags = rows("flags", &["--validation", "0", "--method", "linear,forest,linear"]);
    assert_eq!(flags.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(), ["linear", "forest"]);
    for (number, text) in ["method = 'linear,forest'", "method = ['linear', 'forest']"].iter().enumerate() {
        let config = folder.path().join("predict.toml");
        fs::write(&config, format!("{text}\nvalidation = 0\n")).unwrap();
        let config = config.display().to_string();
        assert_eq!(rows(&format!("file{number}"), &["--config", &config]), flags);
    }
    // beside others a method gives what it gives alone
    assert_eq!(rows("alone", &["--validation", "0", "--method", "forest"]), flags[1..]);
    let config = folder.path().join("wrong.toml");
    fs::write(&config, "method = 'linaer'\n").unwrap();
    let config = config.display().to_string();
    let output = run(&predict(&folder, "wrong", "nas-bench-macro", &column, &["--config", &config]));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`linaer` is no method"));
    let asked = ["--encoding", "pruned", "--validation", "0"];
    let output = run(&predict(&folder, "encoding", "nas-bench-macro", &column, &asked));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has only full"));
}

#[test]
fn a_table_of_operations_is_made_of_what_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (mut text, mut rng) = (String::from("arch,device_ms\n"), Seed(1).stream("cells"));
    let alone = |op: &str| format!("|none~0|+|none~0|none~1|+|{op}~0|none~1|none~2|");
    let cost = |arch: &str| {
        let count = |of: &str| arch.matches(of).count() as f64;
        7.0 + 3.0 * count("3x3~") - 2.5 * count("avg_pool") + count("1x1~")
    };
    // cells with nothing dead in them
    let archs: Vec<String> = (0..15_625)
        .map(|index| NasBench201.get(index).unwrap())
        .filter(|cell| cell.live() == *cell && !cell.to_string().contains("none"))
        .map(|cell| cell.to_string())
        .collect();
    let some = rand::seq::index::sample(&mut rng, archs.len(), 60).into_iter().map(|i| archs[i].clone());
    let single = ["skip_connect", "nor_conv_1x1", "nor_conv_3x3"].map(alone);
    for arch in single.into_iter().chain(some) {
        text += &format!("{arch},{}\n", cost(&arch));
    }
    let path = folder.path().join("devices.csv");
    fs::write(&path, &text).unwrap();
    let column = format!("{}:device_ms", path.display());
    let more = ["--method", "lookup,layers-by-operation", "--validation", "0"];
    let output = run(&predict(&folder, "none", "nas-bench-201", &column, &more));
    let said = String::from_utf8_lossy(&output.stderr);
    let pool = alone("avg_pool_3x3");
    assert!(
        output.status.code() == Some(2) && said.contains(&format!("needs the latency of {pool}")),
        "{said}"
    );
    text += &format!("{pool},{}\n", cost(&pool));
    fs::write(&path, &text).unwrap();
    let found = json(&predict(&folder, "found", "nas-bench-201", &column, &more));
    assert_eq!(found["rows"][0]["within_1pct"], 100.0, "{found}");
    assert!(found["rows"][1]["within_1pct"].as_f64().unwrap() > 90.0, "{found}");
    let output =
        run(&predict(&folder, "never", "darts", &column, &["--method", "lookup", "--validation", "0"]));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn labels_of_zero_and_tables_of_classes_are_no_end_of_a_table_of_methods() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("arch,acc\n");
    for index in (0..15_625).step_by(100) {
        let cell = NasBench201.get(index).unwrap();
        let count = cell.to_string().matches("3x3~").count();
        text += &format!("{cell},{}\n", 10 * count);
    }
    let path = folder.path().join("zeros.csv");
    fs::write(&path, text).unwrap();
    let column = format!("{}:acc", path.display());
    let methods = ["--train", "60", "--validation", "0", "--method", "flops-proportional,layers"];
    let found = json(&predict(&folder, "zeros", "nas-bench-201", &column, &methods));
    assert!(found["rows"][0]["kendall"].as_f64().unwrap() > 0.2, "{found}");
    assert!(found["rows"][1]["kendall"].as_f64().unwrap() > 0.8, "{found}");
    // the cells of single operations are not all the first of their classes
    let lookup = ["--train", "10", "--validation", "0", "--method", "lookup"];
    let found = json(&predict(&folder, "lookup", "nas-bench-201", "benchmark:engine_ms", &lookup));
    assert!(found["kendall"].as_f64().unwrap() > 0.7, "{found}");
}

#[test]
fn few_rows_of_a_device_beside_the_tables_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let (mut text, mut rng) = (String::from("arch,new_ms,old_ms,other_ms,acc\n"), Seed(1).stream("cells"));
    for index in rand::seq::index::sample(&mut rng, 15_625, 400) {
        let cell = NasBench201.get(index).unwrap();
        let count = |of: &str| cell.to_string().matches(of).count() as f64;
        let (large, small, pool) = (count("3x3~"), count("1x1~"), count("avg_pool"));
        let old = 5.0 + 3.0 * large + small;
        let other = 4.0 + large + 2.0 * pool + small;
        text += &format!("{cell},{},{old},{other},50\n", 2.0 + 0.5 * old + 0.2 * other);
    }
    let path = folder.path().join("devices.csv");
    fs::write(&path, text).unwrap();
    let column = format!("{}:new_ms", path.display());
    let sources = format!("{}:old_ms,other_ms", path.display());
    let few = |out: &str, more: &[&str]| {
        let args = [&["--method", "few,ours", "--train", "10", "--sources", &sources], more].concat();
        predict(&folder, out, "nas-bench-201", &column, &args)
    };
    let found = json(&few("few", &[]));
    let row = |method: usize, key: &str| found["rows"][method][key].as_f64().unwrap();
    assert_eq!((found["train"].as_u64(), found["validation"].as_u64()), (Some(10), Some(0)));
    assert!(row(0, "spearman") > 0.99 && row(0, "within_10pct") > 95.0, "{found}");
    let drawn = json(&few("drawn", &["--choose", "false", "--validation", "5"]));
    assert_eq!(drawn["test"].as_u64(), Some(385));

    let refused = |args: Vec<String>, says: &str| {
        let output = run(&args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && text.contains(says), "{args:?}: {text}");
    };
    refused(few("held", &["--validation", "5"]), "rows are chosen and none held out");
    let unnamed = ["--method", "few", "--sources", "devices"];
    refused(predict(&folder, "none", "nas-bench-201", &column, &unnamed), "--sources devices: ");
    let alone = ["--method", "few"];
    refused(predict(&folder, "alone", "nas-bench-201", &column, &alone), "name them with --sources");
    let accuracy = format!("{}:acc", path.display());
    let args = ["--method", "few", "--sources", &sources];
    refused(predict(&folder, "acc", "nas-bench-201", &accuracy, &args), "--label latency says otherwise");
}

#[test]
fn a_label_of_chance_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("arch,accuracy\n");
    let mut rng = Seed(9).stream("chance");
    let mut labels = Seed(3).stream("labels");
    for _ in 0..60 {
        text += &format!("{},{}\n", PROXYLESS_NAS.sample(&mut rng), labels.random_range(20.0..80.0));
    }
    fs::write(folder.path().join("chance.csv"), text).unwrap();
    let column = format!("{}:accuracy", folder.path().join("chance.csv").display());
    let args = ["--method", "linear,forest", "--validation", "0", "--repeats", "2", "--format", "table"];
    let output = run(&predict(&folder, "chance", "proxyless-nas", &column, &args));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains('±') && said.contains("includes 0, as for chance: "), "{said}");
}

#[test]
fn a_killed_run_goes_on_behind_its_last_fit() {
    let folder = tempfile::tempdir().unwrap();
    let column = format!("{}:accuracy", table(&NasBench201, &folder));
    let flags = ["--method", "flops,linear,forest", "--validation", "0", "--repeats", "4", "--threads", "1"];
    let args = predict(&folder, "run", NasBench201::NAME, &column, &flags);
    let whole = json(&args);
    let path = |name: &str| folder.path().join("run").join(name);
    let fits = fs::read_to_string(path("fits.jsonl")).unwrap();
    assert_eq!(fits.lines().count(), 12);
    let predictions = fs::read_to_string(path("predictions.csv")).unwrap();
    assert_eq!(predictions.lines().next(), Some("arch,truth,flops,linear,forest"));
    assert_eq!(predictions.lines().count(), 1 + 16);

    // a kill in the middle of a line, and one before the first
    for left in [fits.len() * 2 / 3, 0] {
        fs::write(path("fits.jsonl"), &fits[..left]).unwrap();
        fs::remove_file(path("result.json")).unwrap();
        fs::remove_file(path("predictions.csv")).unwrap();
        let resume = ["predict", "--resume", &path("").display().to_string()].map(String::from);
        assert_eq!(timeless(json(&resume)), timeless(whole.clone()));
        let again = fs::read_to_string(path("fits.jsonl")).unwrap();
        let kept = fits[..left].rfind('\n').map_or(0, |end| end + 1);
        assert!(again.starts_with(&fits[..kept]), "what is kept is not done again");
        assert_eq!(again.lines().count(), 12);
        assert_eq!(fs::read_to_string(path("predictions.csv")).unwrap(), predictions);
    }

    // more of the same is taken up, other settings are not
    let resume = |more: &[&str]| {
        let run = path("").display().to_string();
        let args = ["predict", "--resume", &run];
        args.iter().chain(more).map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(json(&resume(&["--repeats", "5"]))["runs"].as_array().unwrap().len(), 15);
    for (more, says) in [
        (["--train", "20"], "train is 24 in it and 20 now"),
        (["--seed", "1"], "seed is 0 in it and 1 now"),
        (["--method", "gp"], "methods is [\"flops\",\"linear\",\"forest\"] in it"),
    ] {
        let output = run(&resume(&more));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }

    let settings = fs::read_to_string(path("settings.json")).unwrap();
    let mut other: serde_json::Value = serde_json::from_str(&settings).unwrap();
    other["host"]["revision"] = "another".into();
    fs::write(path("settings.json"), other.to_string()).unwrap();
    let output = run(&resume(&[]));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the record is of revision \"another\""));
    fs::write(path("settings.json"), settings).unwrap();

    // two at once would each write what the other does
    let held = fs::OpenOptions::new().append(true).open(path("fits.jsonl")).unwrap();
    held.lock().unwrap();
    let output = run(&resume(&[]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("another process is at work"), "{said}");
}
