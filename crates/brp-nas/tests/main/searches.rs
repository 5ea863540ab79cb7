//! What a search must not know, and what it says of what it found.

use crate::{Table, json, more, run, timeless, values};
use ::spaces::{NasBench201, NasBenchNlp};
use nas_core::{SearchSpace, Seed};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

fn refused(args: &[String], says: &str) {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && text.contains(says), "{args:?}: {text}");
}

fn numbers(curve: &Value) -> Vec<Option<f64>> {
    curve.as_array().unwrap().iter().map(Value::as_f64).collect()
}

/// Every other row has no test accuracy.
fn half_tested(table: &Table) -> String {
    let text = fs::read_to_string(table.path("table.csv")).unwrap();
    let row = |(at, line): (usize, &str)| {
        let cells: Vec<&str> = line.split(',').collect();
        let test = if at % 2 == 1 { "" } else { cells[2] };
        format!("{},{},{test},{}\n", cells[0], cells[1], cells[3])
    };
    fs::write(table.path("half.csv"), text.lines().enumerate().map(row).collect::<String>()).unwrap();
    table.path("half.csv").display().to_string()
}

#[test]
fn curves_have_a_place_for_every_trained_network() {
    let table = Table::new();
    let half = half_tested(&table);
    let of = format!("search --accuracy {half}:valid --test {half}:test --budget 30 --out");
    let found = json(&words(&format!("{of} {} --algorithm random", table.path("random").display())));
    let mut largest: Option<f64> = None;
    let expected: Vec<Option<f64>> = found["trained"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trial| {
            largest = largest.into_iter().chain(trial["test"].as_f64()).reduce(f64::max);
            largest
        })
        .collect();
    assert!(found["trained"].as_array().unwrap().iter().any(|trial| trial["test"].is_null()));
    assert_eq!((expected.len(), numbers(&found["largest_test_by_trained"])), (30, expected));
    let all = format!(
        "{of} {} --algorithm all --compare random,evolution --pool 8 --repeats 2",
        table.path("all").display()
    );
    let all = json(&words(&all));
    for row in all["rows"].as_array().unwrap() {
        for key in ["largest_test_by_trained", "largest_test_sd_by_trained", "best_valid_test_by_trained"] {
            let curve = numbers(&row[key]);
            assert!(curve.len() == 30 && curve[29].is_some(), "{key}: {curve:?}");
        }
    }
}

/// What is found does not hang on where the zero of the values is.
#[test]
fn values_below_zero_are_searched_as_any_others() {
    let table = Table::new();
    let text = fs::read_to_string(table.path("table.csv")).unwrap();
    // with latencies that no predictor gets right
    let write = |name: &str, less: f64| {
        let row = |(at, line): (usize, &str)| {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |place: usize| cells[place].parse::<f64>().unwrap();
            let ms = number(3) + (at * 37 % 11) as f64 / 2.0;
            format!("{},{},{},{ms}\n", cells[0], number(1) - less, number(2) - less)
        };
        let rows: String = text.lines().enumerate().skip(1).map(row).collect();
        fs::write(table.path(name), format!("arch,valid,test,device_ms\n{rows}")).unwrap();
    };
    write("above.csv", 0.0);
    write("below.csv", 128.0);
    let search = |name: &str| {
        let [file, out] =
            [format!("{name}.csv"), name.to_owned()].map(|name| table.path(&name).display().to_string());
        let of = format!(
            "search --accuracy {file}:valid --test {file}:test --latency {file}:device_ms --max-latency 5"
        );
        json(&words(&format!(
            "{of} --limit-by predictor --latency-train 12 --algorithm random --budget 30 --repeats 3 --out {out}"
        )))
    };
    let (above, below) = (search("above"), search("below"));
    let mut missed = false;
    for (above, below) in above["runs"].as_array().unwrap().iter().zip(below["runs"].as_array().unwrap()) {
        for key in ["optimum_after", "network_after", "regret_by_trained", "false_positives"] {
            assert_eq!(above[key], below[key], "{key}");
        }
        for key in ["largest_test_by_trained", "best_valid_test_by_trained"] {
            let less = numbers(&above[key]).into_iter().map(|value| Some(value? - 128.0));
            assert_eq!(less.collect::<Vec<_>>(), numbers(&below[key]));
        }
        missed |= numbers(&above["largest_test_by_trained"])[0].is_none();
        assert!(above["hypervolume"].is_number() && below["hypervolume"].is_null());
    }
    assert!(missed, "the first network of one of the runs is to miss the limit");
    assert_eq!(above["mean"]["found_by_trained"], below["mean"]["found_by_trained"]);
}

#[test]
fn what_is_to_be_found_out_is_no_input() {
    let table = Table::new();
    let (valid, test) = (table.column("valid"), table.column("test"));
    for (flags, says) in [
        (format!("--algorithm random --warmup 9 --proxy {test}"), "--proxy names the column of --test"),
        (
            format!("--algorithm evolution --moves 9 --proxy {valid}"),
            "--proxy names the column of --accuracy",
        ),
        (format!("--algorithm ours --scores {valid}"), "--scores names the column of --accuracy"),
        (format!("--transfer-from {test}"), "--transfer-from names the column of --test"),
    ] {
        refused(&[table.search("never"), words(&flags)].concat(), says);
    }
    let predict =
        format!("predict --table {test} --train 90 --validation 0 --method ours --scores {test} --out");
    refused(&words(&format!("{predict} {}", table.path("never").display())), "--scores names");
    assert!(!table.path("never").exists());
}

/// Two tables of the same recipes, one with other names of nodes.
#[test]
fn the_same_architecture_in_other_words_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Seed(0).stream("recipes");
    let mut recipes: Vec<String> = (0..40).map(|_| NasBenchNlp.sample(&mut stream).to_string()).collect();
    recipes.sort();
    recipes.dedup();
    let write = |name: &str, column: &str, renamed: bool| {
        let mut table = csv::Writer::from_path(folder.path().join(name)).unwrap();
        table.write_record(["arch", column]).unwrap();
        for (at, recipe) in recipes.iter().enumerate() {
            let text = if renamed { recipe.replace("\"node_", "\"part_") } else { recipe.clone() };
            table.write_record([text, (at + 1).to_string()]).unwrap();
        }
        format!("{}:{column}", folder.path().join(name).display())
    };
    let (accuracy, latency) = (write("a.csv", "acc", false), write("b.csv", "ms", true));
    let out = folder.path().join("run");
    let found = json(&words(&format!(
        "search --space nas-bench-nlp --accuracy {accuracy} --latency {latency} --max-latency 15 --limit-by table \
         --algorithm random --budget 10 --out {}",
        out.display()
    )));
    assert_eq!(found["within_limit"], 15);
    for trial in found["trained"].as_array().unwrap() {
        assert_eq!(trial["latency"], trial["valid"]);
    }
}

#[test]
fn a_search_says_why_it_ended_before_its_budget() {
    let table = Table::new();
    let latency = table.column("device_ms");
    let few = ["--algorithm", "random", "--budget", "300", "--latency", &latency, "--max-latency", "3"];
    let found = json(&more(&table.search("few"), &few));
    let trained = found["trained"].as_array().unwrap().len();
    assert!(trained < 300 && found["within_limit"] == trained, "{found}");
    assert_eq!(found["stopped"], "exhausted");
}

#[test]
fn more_budget_goes_on_with_the_samples_that_it_began_with() {
    let table = Table::new();
    let short = json(&table.search("run"));
    let resume = format!("search --resume {} --budget 16", table.path("run").display());
    let longer = json(&words(&resume));
    let archs = |found: &Value| -> Vec<Value> {
        found["trained"].as_array().unwrap().iter().map(|trial| trial["arch"].clone()).collect()
    };
    assert_eq!((archs(&longer).len(), &archs(&longer)[..12]), (16, &archs(&short)[..]));
    // and then it is as it stands
    let resume = format!("search --resume {}", table.path("run").display());
    assert_eq!(archs(&json(&words(&resume))), archs(&longer));
}

/// A unit that somebody began and could not do is free for others at once.
#[test]
fn what_is_refused_holds_no_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let small = "measure --sample 1 --channels 2 --cells 1 --image 8 --precision 1000";
    let store = path("s.sqlite");
    refused(&words(&format!("{small} --core 9999 --store {store} --out {}", path("shared"))), "9999");
    let info = json(&words(&format!("info {store}")));
    let running = |row: &Value| row["running"].as_u64().unwrap();
    assert_eq!(info["metrics"].as_array().unwrap().iter().map(running).sum::<u64>(), 0, "{info}");
    // a store of its own is gone with the folder
    refused(&words(&format!("{small} --core 9999 --out {}", path("own"))), "9999");
    assert!(!Path::new(&path("own")).exists());
}

#[test]
fn a_sample_may_be_nearly_the_whole_space() {
    let sample = |count: usize| words(&format!("enumerate --space nas-bench-macro --sample {count}"));
    assert_eq!(json(&sample(6_561))["unique"], 6_561);
    refused(&sample(6_562), "only 6561 different architectures");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let search = "search --train --space nas-bench-macro --candidates 6562 --budget 2 --channels 2";
    refused(&words(&format!("{search} --out {}", out.display())), "ask for at most as many");
    assert!(!out.exists());
}

#[test]
fn candidates_that_are_drawn_grow_near_the_best_and_a_kill_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut text = String::from("arch,valid\n");
    for cell in (0..15_625).map(|i| NasBench201.get(i).unwrap()) {
        text += &format!("{cell},{}\n", values(&cell).0);
    }
    fs::write(path("whole.csv"), text).unwrap();
    // a flag may belong to what a file says
    fs::write(path("drawn.toml"), "candidates = 60\n").unwrap();
    for algorithm in ["ours", "predictor --samples 12 --iterations 2 --transfer-from none"] {
        let name = algorithm.split(' ').next().unwrap();
        let (table, config) = (path("whole.csv"), path("drawn.toml"));
        let of = |flags: &str, out: &str| {
            let line = format!(
                "search --accuracy {table}:valid --config {config} --budget 20 --algorithm {algorithm}"
            );
            json(&words(&format!("{line} {flags} --out {}", path(out))))
        };
        let grown = of("--grow 6", name);
        let drawn = of("--grow 0", &format!("{name}-drawn"));
        let best = |found: &Value| found["best"]["valid"].as_f64().unwrap();
        assert!(best(&grown) > best(&drawn), "{algorithm}: {} {}", best(&grown), best(&drawn));
        // cut off in the middle of the second half
        fs::remove_file(folder.path().join(name).join("result.json")).unwrap();
        let trials = folder.path().join(name).join("trials.jsonl");
        let kept: Vec<String> =
            fs::read_to_string(&trials).unwrap().lines().take(13).map(String::from).collect();
        fs::write(&trials, kept.join("\n") + "\n{").unwrap();
        let again = json(&words(&format!("search --resume {}", path(name))));
        assert_eq!(timeless(again), timeless(grown), "{algorithm}");
    }
    let (never, part) = (path("never"), Table::new());
    let costs = format!("--candidates 60 --cost {}", part.column("device_ms"));
    for (flags, says) in [
        ("--algorithm brp --grow 3", "candidates that are drawn"),
        ("--algorithm random --candidates 60 --grow 3", "candidates that are drawn"),
        ("--candidates 15625", "fewer than all"),
        (costs.as_str(), "--cost knows 400"),
    ] {
        let table = path("whole.csv");
        refused(&words(&format!("search --accuracy {table}:valid {flags} --out {never}")), says);
    }
    refused(&words(&format!("search --train --grow 3 --out {never}")), "all of nas-bench-201");
}
