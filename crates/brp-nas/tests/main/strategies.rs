//! The strategies of `search` with their parts, watchers, real training, and going on after a kill.

use crate::{Table, json, more, run, timeless};
use nas_core::Seed;
use rand::RngExt;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

/// Algorithms with flags that make them do all they can on the made-up table.
fn parts(table: &Table) -> Vec<(&'static str, Vec<String>)> {
    let proxy = format!("{},params", table.column("device_ms"));
    let text = |flags: &str| flags.split_whitespace().map(String::from).collect::<Vec<_>>();
    let with = |flags: &str| [text(flags), vec!["--proxy".into(), proxy.clone()]].concat();
    vec![
        ("random", text("--algorithm random")),
        ("evolution", text("--algorithm evolution --pool 5 --tournament 2")),
        ("reinforce", text("--algorithm reinforce --at-once 3")),
        ("ours", text("--algorithm ours --scores none")),
        (
            "ours-parts",
            with("--algorithm ours --warmup 40 --acquisition thompson --surrogate ours --scores params"),
        ),
        ("random-parts", with("--algorithm random --warmup 6 --moves 4")),
        ("evolution-parts", with("--algorithm evolution --pool 5 --warmup 300 --moves 24")),
        ("reinforce-parts", with("--algorithm reinforce --warmup 100 --moves 9")),
        ("predictor-parts", with("--algorithm predictor --warmup 40 --moves 3 --transfer-from none")),
        ("brp-parts", with("--algorithm brp --warmup 40 --moves 3 --transfer-from none")),
    ]
}

fn trials(folder: &Path) -> String {
    fs::read_to_string(folder.join("trials.jsonl")).unwrap()
}

#[test]
fn every_strategy_goes_on_from_any_trial_as_if_nothing_had_happened() {
    let table = Table::new();
    for (name, flags) in parts(&table) {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let result = json(&more(&table.search(name), &flags));
        let folder = table.path(name);
        assert_eq!(result["trained"].as_array().unwrap().len(), 12, "{name}");
        assert_eq!(result["warmup"].is_null(), !flags.contains(&"--warmup"), "{name}");
        assert_eq!(result["moves"].is_null(), !flags.contains(&"--moves"), "{name}");
        let whole = trials(&folder);
        // cut in the middle of a line, as a kill may leave it
        fs::write(folder.join("trials.jsonl"), &whole[..whole.len() * 2 / 3]).unwrap();
        fs::remove_file(folder.join("result.json")).unwrap();
        let resume = ["search", "--resume", &folder.display().to_string()].map(String::from);
        assert_eq!(timeless(json(&resume)), timeless(result), "{name}");
        assert_eq!(trials(&folder), whole, "{name}");
    }
}

#[test]
fn a_search_that_is_killed_ten_times_gives_the_same_record() {
    let table = Table::new();
    let flags =
        ["--budget", "40", "--samples", "15", "--iterations", "3", "--seed", "3", "--transfer-from", "none"];
    let started = Instant::now();
    let whole = json(&more(&table.search("whole"), &flags));
    let takes = started.elapsed();
    let expected = trials(&table.path("whole"));
    let first = more(&table.search("killed"), &flags);
    let folder = table.path("killed");
    let resume = ["search", "--resume", &folder.display().to_string()].map(String::from).to_vec();
    let mut moments = Seed(0).stream("moments");
    let mut killed = 0;
    for _ in 0..100 {
        let begun = folder.join("settings.json").exists();
        let mut child = Command::new(env!("CARGO_BIN_EXE_brp-nas"))
            .args(if begun { &resume } else { &first })
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(takes.mul_f64(moments.random()));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        }
        child.wait().unwrap();
        let so_far = fs::read_to_string(folder.join("trials.jsonl")).unwrap_or_default();
        assert!(expected.starts_with(whole_lines(&so_far)), "after {killed} kills");
        if killed == 10 {
            break;
        }
    }
    assert_eq!(killed, 10);
    let args = if folder.join("settings.json").exists() { &resume } else { &first };
    assert_eq!(timeless(json(args)), timeless(whole));
    assert_eq!(trials(&folder), expected);
}

fn whole_lines(text: &str) -> &str {
    &text[..text.rfind('\n').map_or(0, |end| end + 1)]
}

#[test]
fn a_record_of_other_settings_is_not_gone_on_with() {
    let table = Table::new();
    let args = more(&table.search("run"), &["--algorithm", "random", "--seed", "1"]);
    json(&args);
    let folder = table.path("run");
    let before = trials(&folder);
    let resume = |extra: &[&str]| {
        let resume = ["search", "--resume", &folder.display().to_string()].map(String::from);
        let output = run(&more(&resume, extra));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (extra, says) in [
        (&["--seed", "2"][..], "seed is 1 in it and 2 now"),
        (&["--algorithm", "reinforce"], "the record is one of other settings"),
        (&["--budget", "5"], "the record goes on with trial 5"),
        (&["--test", &table.column("valid")], "the record is one of other settings: test is"),
    ] {
        let (code, text) = resume(extra);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(says), "{extra:?}: {text}");
        assert_eq!(trials(&folder), before);
    }
    // a longer budget goes on
    let (code, text) = resume(&["--budget", "20"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(trials(&folder).starts_with(&before) && trials(&folder).lines().count() == 20);
    // a trial that is not what is asked for, a line that is none, a table that has changed, no run at all
    let swapped: Vec<&str> = before.lines().rev().collect();
    fs::write(folder.join("trials.jsonl"), swapped.join("\n") + "\n").unwrap();
    assert!(resume(&[]).1.contains("trial 0 of the record"));
    fs::write(folder.join("trials.jsonl"), "nonsense\n").unwrap();
    assert!(resume(&[]).1.contains("trials.jsonl, line 1"));
    fs::write(folder.join("trials.jsonl"), &before).unwrap();
    let changed = fs::read_to_string(table.path("table.csv")).unwrap().replacen("5", "6", 1);
    fs::write(table.path("table.csv"), changed).unwrap();
    assert!(resume(&[]).1.contains("changed since"));
    let none = ["search", "--resume", &table.path("nowhere").display().to_string()].map(String::from);
    let output = run(&none);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("holds no run"));
}

#[test]
fn all_algorithms_stand_in_one_table() {
    let table = Table::new();
    let flags = "--algorithm all --repeats 2 --pool 5 --warmup 50 --moves 5 --transfer-from none";
    let flags: Vec<&str> = flags.split(' ').collect();
    let result = json(&more(&table.search("all"), &flags));
    let rows = result["rows"].as_array().unwrap();
    assert_eq!((rows.len(), result["proxy"].as_str()), (12, Some("params")));
    for (row, place) in rows.iter().zip(0..) {
        assert_eq!(row["largest_test_by_trained"].as_array().unwrap().len(), 12);
        assert_eq!(row["saved"].is_null(), place % 3 == 0);
    }
    let saved = &rows[1]["saved"];
    let [low, high] = ["low", "high"].map(|end| saved["interval"][end].as_f64().unwrap());
    assert!(low <= high && saved["evaluations"].is_number());
    // the proxy is nearly the objective, so that a warm-up finds the best at once
    assert!(rows[1]["largest_test_by_trained"][0].as_f64() > rows[0]["largest_test_by_trained"][5].as_f64());
    assert!(table.path("all").join("trials-evolution-moves-1.jsonl").exists());
    let text = String::from_utf8(run(&more(&table.search("text"), &flags)).stdout).unwrap();
    assert!(
        text.contains("largest at 12") && text.contains("warm-up 50") && text.contains("evaluations saved")
    );
    let csv = String::from_utf8(
        run(&more(&table.search("csv"), &[&flags[..], &["--format", "csv"]].concat())).stdout,
    );
    assert_eq!(csv.unwrap().lines().count(), 1 + 12 * 12);
}

#[test]
fn watchers_write_every_trial_and_are_whole_after_going_on() {
    let table = Table::new();
    let flags = ["--algorithm", "random", "--observe", "csv,tensorboard"];
    let result = json(&more(&table.search("run"), &flags));
    let folder = table.path("run");
    let csv = fs::read_to_string(folder.join("trials.csv")).unwrap();
    assert!(csv.starts_with("number,iteration,arch,value,latency_ms,cost_s,failure\n"));
    for (line, trial) in csv.lines().skip(1).zip(result["trained"].as_array().unwrap()) {
        assert!(line.contains(trial["arch"].as_str().unwrap()));
    }
    let events = folder.join("tensorboard/trials/events.out.tfevents.0.brp-nas");
    let size = fs::metadata(&events).unwrap().len();
    let whole = trials(&folder);
    fs::write(folder.join("trials.jsonl"), &whole[..whole.len() / 2]).unwrap();
    json(&["search", "--resume", &folder.display().to_string()].map(String::from));
    assert_eq!(fs::read_to_string(folder.join("trials.csv")).unwrap(), csv);
    assert_eq!(fs::metadata(&events).unwrap().len(), size);
    // what is refused leaves them as they were
    let fewer = ["search", "--resume", &folder.display().to_string(), "--budget", "5"].map(String::from);
    assert_eq!(run(&fewer).status.code(), Some(2));
    assert_eq!(fs::read_to_string(folder.join("trials.csv")).unwrap(), csv);
    assert_eq!(fs::metadata(&events).unwrap().len(), size);
}

#[test]
fn budgets_of_cost_and_time_and_a_front() {
    let table = Table::new();
    let (cost, latency) = (table.column("device_ms"), table.column("device_ms"));
    let random =
        |out: &str, flags: &[&str]| json(&more(&more(&table.search(out), &["--algorithm", "random"]), flags));
    let result = random("cost", &["--cost", &cost, "--max-cost", "20"]);
    assert_eq!(result["stopped"], "cost");
    assert!(result["trained"].as_array().unwrap().len() < 12);
    // nothing at all is no success, but the result says why
    let nothing = ["--algorithm", "random", "--max-wall", "0.000001", "--format", "json"];
    let output = run(&more(&table.search("wall"), &nothing));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((result["stopped"].as_str(), result["best"].is_null()), (Some("wall"), true));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && text.contains("the time was up before one was trained"),
        "{text}"
    );
    let result = random("front", &["--latency", &latency]);
    let front = result["front"].as_array().unwrap();
    let of = |row: &Value| (row["valid"].as_f64().unwrap(), row["latency"].as_f64().unwrap());
    // equal ones are all there
    let in_order = |a: (f64, f64), b: (f64, f64)| a == b || a.0 < b.0 && a.1 < b.1;
    assert!(front.windows(2).all(|pair| in_order(of(&pair[0]), of(&pair[1]))));
    assert!(result["hypervolume"].as_f64().unwrap() > 0.0);
    let goal = ["--algorithm", "evolution", "--pool", "4", "--latency", &latency, "--goal", "front"];
    assert!(!json(&more(&table.search("goal"), &goal))["front"].as_array().unwrap().is_empty());
    let limit = ["--latency", &latency, "--max-latency", "6.5", "--limit-by", "table", "--pool", "4"];
    let result = json(&more(&more(&table.search("table"), &["--algorithm", "evolution"]), &limit));
    assert_eq!(result["false_positives"], 0);
    assert!(result["best"]["latency"].as_f64().unwrap() <= 6.5);
}

#[test]
fn a_search_trains_for_real_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let args = |out: &str| {
        let text = format!(
            "search --train --algorithm evolution --pool 3 --tournament 2 --at-once 2 --budget 5 --epochs 1 \
             --channels 1 --image 4 --train-images 100 --threads 2 --moves 4 --out {}",
            path(out)
        );
        text.split_whitespace().map(String::from).collect::<Vec<_>>()
    };
    let result = json(&args("run"));
    let trained = result["trained"].as_array().unwrap();
    assert!(
        trained.len() == 5 && trained.iter().all(|row| row["valid"].is_number() && row["test"].is_number())
    );
    // without its last trials it trains what the store has not, and finds the rest there
    let lines = trials(&folder.path().join("run"));
    let kept: String = lines.lines().take(2).map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join("run/trials.jsonl"), kept).unwrap();
    let again = json(&["search", "--resume", &path("run")].map(String::from));
    assert_eq!(timeless(again)["trained"], result["trained"]);
    assert_eq!(trials(&folder.path().join("run")), lines);
    // the same on one thread, from nothing
    let one = json(&more(&args("one"), &["--threads", "1"]));
    assert_eq!(one["trained"], result["trained"]);
    let no_images = run(&more(&args("none"), &["--validation", "0"]));
    assert!(String::from_utf8_lossy(&no_images.stderr).contains("--validation must not be 0"));
}

#[test]
fn bad_input_of_the_strategies_is_named() {
    let table = Table::new();
    let good = table.column("valid");
    let nan = table.path("nan.csv").display().to_string();
    fs::write(&nan, "arch,score\n|none~0|+|none~0|none~1|+|none~0|none~1|none~2|,NaN\n").unwrap();
    let nan = format!("{nan}:score");
    let few = table.path("few.csv").display().to_string();
    fs::write(&few, "arch,score\n|none~0|+|none~0|none~1|+|none~0|none~1|none~2|,1\n").unwrap();
    let few = format!("{few}:score");
    let cases: [(&[&str], &str); 24] = [
        (&["--compare", "random"], "--compare belongs to --algorithm all"),
        (&["--algorithm", "all", "--compare", "random,all"], "--compare names the algorithms"),
        (&["--algorithm", "evolution", "--budget", "10", "--pool", "64"], "--pool is 64"),
        (&["--algorithm", "evolution", "--pool", "0"], "--pool is 0"),
        (&["--algorithm", "evolution", "--pool", "4", "--tournament", "5"], "--tournament is 5"),
        (&["--algorithm", "all", "--budget", "20", "--pool", "64"], "--pool is 64"),
        (&["--explore=-1"], "--explore is -1"),
        (&["--warmup", "0"], "--warmup is 0"),
        (&["--moves", "0"], "--moves is 0"),
        (&["--warmup", "401"], "--warmup is 401, but the tables know only 400 architectures"),
        (&["--proxy", "params"], "--proxy is used by nothing"),
        (&["--warmup", "5", "--proxy", "nonsense"], "`nonsense` is no proxy: expected params, flops"),
        (&["--warmup", "5", "--proxy-images", "random"], "--proxy-images and --proxy-store belong to"),
        (&["--warmup", "5", "--proxy", "zico", "--proxy-images", "nowhere.bin"], "nowhere.bin"),
        (&["--warmup", "5", "--proxy", &nan], "NaN"),
        (&["--warmup", "5", "--proxy", &few], "scores none of the 400 architectures"),
        (&["--goal", "front"], "--goal front needs latencies"),
        (&["--goal", "neither"], "neither"),
        (&["--max-cost", "5"], "--max-cost needs to know"),
        (&["--max-cost=-5", "--cost", &good], "--max-cost is -5"),
        (&["--max-wall", "0"], "--max-wall is 0"),
        (&["--at-once", "0"], "--at-once is 0"),
        (&["--train"], "--accuracy and --train exclude each other"),
        (&["--observe", "print"], "print"),
    ];
    for (extra, says) in cases {
        let output = run(&more(&table.search("never"), extra));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{extra:?}: {text}");
        assert!(text.contains(says), "{extra:?}: {text}");
        assert!(output.stdout.is_empty() && !table.path("never").exists(), "{extra:?}");
    }
}

#[test]
fn a_score_that_no_table_has_is_computed_once() {
    let table = Table::new();
    let store = table.path("scores.sqlite");
    let store = store.to_str().unwrap();
    let flags = ["--algorithm", "random", "--budget", "2", "--warmup", "2", "--proxy", "params,zico"];
    let flags = [&flags[..], &["--proxy-images", "random", "--proxy-store", store]].concat();
    let first = json(&more(&table.search("first"), &flags));
    assert_eq!(first["proxy"], "params,zico");
    let archs: Vec<&str> =
        first["trained"].as_array().unwrap().iter().map(|trial| trial["arch"].as_str().unwrap()).collect();
    let list = table.path("archs.txt");
    fs::write(&list, archs.join("\n")).unwrap();
    // what was computed is what `score` says, and is in the store for it
    let args =
        ["--archs", list.to_str().unwrap(), "--proxies", "zico", "--images", "random", "--store", store];
    let out = table.path("scored");
    let scored =
        json(&more(&["score".to_string()], &[&args[..], &["--out", out.to_str().unwrap()]].concat()));
    let values: Vec<f64> = (0..2).map(|i| scored["scores"][i]["zico"].as_f64().unwrap()).collect();
    // the other one's class was scored under the first cell of it
    assert_eq!(scored["found"], 1, "{scored}");
    assert!(values[0] != values[1]);
    // scores of other images are other scores
    let images = table.path("images.bin");
    let picture =
        |label: u8| std::iter::once(label).chain((0..3_072).map(move |at| (at % 251) as u8 ^ label));
    fs::write(&images, (0..100).flat_map(|at| picture(at % 10)).collect::<Vec<u8>>()).unwrap();
    let resume = [
        "search",
        "--resume",
        &table.path("first").display().to_string(),
        "--proxy-images",
        images.to_str().unwrap(),
    ];
    let output = run(&resume.map(String::from));
    assert!(String::from_utf8_lossy(&output.stderr).contains("scored is"), "{output:?}");
    let again = json(&more(&table.search("again"), &flags));
    assert_eq!(timeless(again)["trained"], timeless(first)["trained"]);
}
