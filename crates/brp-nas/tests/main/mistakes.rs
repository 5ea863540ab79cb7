//! What a newcomer gets wrong, and what must not be lost or misleading then.

use crate::{Table, json, more, run, timeless};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const NONE: &str = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|";
const SOME: &str = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|";

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(String::from).collect()
}

/// Status 2 and this on stderr, with nothing on stdout.
fn refused(args: &[String], says: &str) {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    assert!(text.contains(says), "{args:?}: {text}");
    assert!(output.stdout.is_empty(), "{args:?}");
}

/// A run of `train` on 60 images, with these flags behind.
fn training(folder: &Path, more: &str) -> Vec<String> {
    let small = "--train-images 60 --test-part 40 --channels 2 --image 8 --epochs 1 --threads 1";
    let out = folder.display();
    [
        words(&format!("train {small} --out {out}/run --store {out}/store.sqlite {more}")),
        vec!["--arch".into(), SOME.into()],
    ]
    .concat()
}

#[test]
fn a_table_is_not_written_over_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.sqlite");
    let trained = json(&training(folder.path(), "--seed 0"));
    assert!(trained["trained"][0]["test"].is_number());
    let before = fs::read(&store).unwrap();
    let store = store.display();
    refused(&words(&format!("export {store} --to {store}")), "the name says no form of a table");
    let csv = folder.path().join("t.csv");
    fs::write(&csv, format!("arch,x\n{SOME},1\n")).unwrap();
    refused(&words(&format!("import {} --to {store}", csv.display())), "the name says no form of a table");
    assert_eq!(fs::read(folder.path().join("store.sqlite")).unwrap(), before);
    refused(
        &words(&format!("export {store} --to {} --metric none", csv.display())),
        "holds nothing that is asked for",
    );
}

#[test]
fn a_latency_of_minus_one_does_not_win() {
    let table = Table::new();
    let text = fs::read_to_string(table.path("table.csv")).unwrap();
    let failed = text.replacen(&format!(",{}\n", crate::values(&table.cells[0]).2), ",-1\n", 1);
    fs::write(table.path("table.csv"), failed).unwrap();
    let latency = table.column("device_ms");
    let limit = ["--latency", &latency, "--max-latency", "5", "--algorithm", "random"];
    let says = format!("column `device_ms`: -1 of {} is no cost", table.cells[0]);
    refused(&more(&table.search("never"), &limit), &says);
    for method in ["flops", "ours"] {
        let out = table.path("never").display().to_string();
        let args = ["predict", "--table", &latency, "--train", "90", "--method", method, "--out", &out];
        refused(&args.map(String::from), &says);
    }
    assert!(!table.path("never").exists());
}

#[test]
fn a_cost_of_nothing_is_refused_and_a_loss_is_said_to_be_one() {
    let table = Table::new();
    let text = fs::read_to_string(table.path("table.csv")).unwrap();
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line},3,0.5")).collect();
    lines[0] = "arch,valid,test,device_ms,train_s,valid_loss".into();
    lines[7] = lines[7].replace(",3,0.5", ",0,0.5");
    fs::write(table.path("table.csv"), lines.join("\n")).unwrap();
    let cost = table.column("train_s");
    refused(&more(&table.search("never"), &["--cost", &cost, "--algorithm", "random"]), "is no cost");
    let (loss, out) = (table.column("valid_loss"), table.path("loss").display().to_string());
    let said = run(&words(&format!("search --accuracy {loss} --algorithm random --budget 2 --out {out}")));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("the largest `valid_loss` is looked for"), "{said}");
    assert!(said.contains("table.csv:-valid_loss`"), "{said}");
}

#[test]
fn a_flag_that_nothing_looks_at_is_refused() {
    let table = Table::new();
    for (flags, says) in [
        (
            "--algorithm random --pool 4",
            "--pool is used by nothing here: it belongs to --algorithm evolution",
        ),
        ("--algorithm ours --tournament 4", "--tournament is used by nothing"),
        ("--algorithm random --samples 4", "--samples is used by nothing"),
        ("--algorithm random --transfer-from flops", "--transfer-from is used by nothing"),
        ("--algorithm brp --first 4", "--first is used by nothing"),
        ("--algorithm brp --scores params", "--scores is used by nothing"),
        ("--algorithm evolution --explore 0.5", "--explore is used by nothing"),
        ("--algorithm brp --at-once 2", "--at-once is used by nothing"),
        ("--limit-by predictor", "--limit-by is used by nothing here: it belongs to --max-latency"),
        ("--latency-train 5", "--latency-train is used by nothing"),
        ("--epochs 3", "--epochs is used by nothing here: it belongs to --train"),
        ("--algorithm brp --in-flight 2", "--in-flight is used by nothing"),
        ("--algorithm random --candidates 20", "--candidates is used by nothing"),
        ("--algorithm random --evaluate here", "--evaluate is used by nothing"),
        (
            "--algorithm random --warmup 9 --proxy params --proxy-images random",
            "--proxy-images is used by nothing",
        ),
        ("--samples 0", "--samples is 0"),
        ("--samples 13", "--samples is 13, and only 12 networks are trained"),
        ("--algorithm neural-predictor --samples 12", "all that is trained"),
        ("--algorithm two-stage --iterations 1 --alpha 0.2", "--alpha is used by nothing"),
        ("--transfer-train 1 --transfer-from flops", "there is nothing to start from"),
        ("--space nas-bench-nlp --algorithm all --compare random,reinforce", "take another algorithm"),
        ("--algorithm random --retries 1", "--retries is used by nothing here: it belongs to --train"),
        ("--algorithm random --as-they-come", "--as-they-come is used by nothing"),
        (
            "--algorithm random --warmup 9 --proxy params --proxy-store s.sqlite",
            "--proxy-store is used by nothing",
        ),
        ("--algorithm evolution --tournament 20", "--tournament is 20; it lies between 1 and the pool of 12"),
    ] {
        refused(
            &more(&table.search("never"), &words(flags).iter().map(String::as_str).collect::<Vec<_>>()),
            says,
        );
    }
    let column = table.column("valid");
    for (flags, says) in [
        ("--choose false", "--choose is used by nothing"),
        ("--transfer-train 20", "--transfer-train is used by nothing"),
        ("--method layers --encoding full", "--encoding is used by nothing"),
        ("--method forest --scores params", "--scores is used by nothing"),
        ("--method forest --transfer-from nowhere:x", "--transfer-from is used by nothing"),
        ("--method gcn --choose false --sources nowhere:x", "--sources is used by nothing"),
        ("--repeats 18446744073709551615", "at most 1000000 are done"),
    ] {
        refused(
            &words(&format!(
                "predict --table {column} --train 90 --out {} {flags}",
                table.path("never").display()
            )),
            says,
        );
    }
    let (valid, path) = (&column, table.path("table.csv").display().to_string());
    let never = table.path("never").display().to_string();
    let small = "--channels 2 --cells 1 --image 8";
    for (command, says) in [
        (format!("score --scores params --table {valid} --images nowhere"), "--images is used by nothing"),
        (format!("import {valid} --column test --store {never}"), "--column is used by nothing"),
        (format!("import {path} --store {never} --device phone"), "--device is used by nothing"),
        (format!("import {path} --store {never} --threads 2"), "--threads is used by nothing"),
        (
            format!("measure --sample 1 {small} --protocol published --reference-ms 3 --out {never}"),
            "--reference-ms is used by nothing",
        ),
        (
            format!("measure --sample 1 {small} --batch 1000000000000 --out {never}"),
            "at most 268435456 numbers",
        ),
        (format!("train --sample 1 --image 8 --crop 9 --out {never}"), "at most the side of the images"),
        (
            format!(
                "predict --table {valid} --train 24 --method gcn --transfer-from {path}:test --out {never}"
            ),
            "--transfer-train asks for 900 rows",
        ),
    ] {
        refused(&words(&command), says);
    }
    assert!(!table.path("never").exists());
}

#[test]
fn a_default_never_asks_for_more_than_there_is() {
    let table = Table::new();
    let flags = ["--algorithm", "all", "--compare", "random,evolution,random", "--pool", "4"];
    let found = json(&more(&table.search("all"), &flags));
    assert_eq!(found["rows"].as_array().unwrap().len(), 6);
    refused(
        &more(&more(&table.search("never"), &flags), &["--warmup", "500"]),
        "--warmup is 500, but the tables know",
    );
}

/// A run that goes on to a larger budget is an unfinished one until it ends, and goes on by the same words.
#[test]
fn a_longer_run_that_is_cut_off_goes_on() {
    let table = Table::new();
    let folder = table.path("run");
    json(&more(&table.search("run"), &["--algorithm", "random"]));
    let resume = ["search", "--resume", &folder.display().to_string()].map(String::from).to_vec();
    let whole = timeless(json(&more(&resume, &["--budget", "20"])));
    // as a kill leaves it after 15
    let lines = fs::read_to_string(folder.join("trials.jsonl")).unwrap();
    let cut: String = lines.lines().take(15).map(|line| format!("{line}\n")).collect();
    fs::write(folder.join("trials.jsonl"), cut).unwrap();
    fs::remove_file(folder.join("result.json")).unwrap();
    assert_eq!(timeless(json(&resume)), whole);
    // what is refused changes nothing
    let files =
        || ["settings.json", "result.json", "trials.jsonl"].map(|name| fs::read(folder.join(name)).unwrap());
    let before = files();
    refused(&more(&resume, &["--budget", "7"]), "the budget ends the search after 7 trials");
    refused(&more(&resume, &["--in-flight", "2"]), "in_flight is not there in it and 2 now");
    refused(&more(&resume, &["--config", "nowhere.toml"]), "leave out --config");
    refused(&more(&resume, &["--out", "elsewhere"]), "leave out --out");
    refused(&words(&format!("predict --resume {}", folder.display())), "the record is one of `search`");
    {
        let lock = fs::File::open(&folder).unwrap();
        lock.lock().unwrap();
        refused(&more(&resume, &["--budget", "30"]), "another process is at work in");
    }
    assert_eq!(files(), before);
    // as it was asked for is all that is kept, and nothing is thrown away for more of the same
    json(&more(&resume, &["--threads", "1"]));
    assert_eq!(fs::read(folder.join("settings.json")).unwrap(), before[0]);
    let two = json(&more(&table.search("two"), &["--algorithm", "random", "--in-flight", "2"]));
    assert_eq!(two["budget"], 12);
    let resume = format!("search --resume {} --in-flight 1", table.path("two").display());
    refused(&words(&resume), "in_flight is 2 in it and not there now");
}

#[test]
fn more_repeats_are_kept_until_they_are_done() {
    let table = Table::new();
    let folder = table.path("fits");
    let [out, column] = [folder.display().to_string(), table.column("valid")];
    let of = [
        "predict",
        "--table",
        &column,
        "--train",
        "90",
        "--method",
        "linear",
        "--repeats",
        "2",
        "--out",
        &out,
    ];
    json(&of.map(String::from));
    let resume = ["predict", "--resume", &out].map(String::from).to_vec();
    refused(&more(&resume, &["--repeats", "3", "--threads", "0"]), "--threads is 0");
    assert!(folder.join("result.json").exists());
    let three = timeless(json(&more(&resume, &["--repeats", "3"])));
    // as a kill leaves it
    let fits = fs::read_to_string(folder.join("fits.jsonl")).unwrap();
    let cut: String = fits.lines().take(2).map(|line| format!("{line}\n")).collect();
    fs::write(folder.join("fits.jsonl"), cut).unwrap();
    fs::remove_file(folder.join("result.json")).unwrap();
    assert_eq!(timeless(json(&resume)), three);
    assert_eq!(three["runs"].as_array().unwrap().len(), 3);
}

#[test]
fn a_failure_of_everything_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&training(folder.path(), "--rate 1e30 --batch 8"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no training has a result, the first for:"), "{text}");
    let out = folder.path().display();
    let small = "--train-images 60 --test-part 40 --channels 2 --image 8 --epochs 1 --threads 1 --rate 1e30 --batch 8";
    let output =
        run(&words(&format!("search --train --algorithm random --budget 2 {small} --out {out}/search")));
    let [said, text] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no network has a value, the first for:"), "{text}");
    assert!(said.contains("2 trained (2 of them without a value, the first for:"), "{said}");
    refused(
        &training(folder.path(), "--seed 1"),
        &format!(
            "already holds a run; name another folder with --out, and take what it has done: --store {out}/store"
        ),
    );
    let other = words(&format!("score --arch {SOME} --out {out}/run"));
    refused(&other, &format!("{out}/run already holds a run; name another folder with --out\n"));
    let output = run(&words(&format!(
        "search --train --algorithm all --compare random --budget 2 {small} --proxy params --out {out}/all"
    )));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no network has a value, the first for:"), "{text}");
    // a store that cannot be made leaves no folder behind
    let args = format!("train --arch {SOME} --store {out}/nowhere/x.sqlite --out {out}/never");
    assert_eq!(run(&words(&args)).status.code(), Some(2));
    let evolved = format!("search --algorithm evolution --out {out}/never");
    for args in [
        format!("search --train {small} --budget 2 --store {out}/nowhere/x.sqlite --out {out}/never"),
        format!("{evolved} --moves 24 --proxy zico --proxy-store {out}/nowhere/x.sqlite"),
    ] {
        refused(&words(&args), "nowhere/x.sqlite");
    }
    assert!(!folder.path().join("never").exists());
}

/// What goes wrong with a store in the middle of a search is no outcome of a network.
#[test]
fn a_store_that_breaks_ends_the_search_and_is_no_trial() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display();
    let small = "--train-images 60 --test-part 40 --channels 2 --image 8 --epochs 1 --threads 1";
    let search = format!("search --train --algorithm random --budget 30 {small} --out {out}/run");
    // no file may grow further than some trainings go
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 180; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_brp-nas")])
        .args(words(&search))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the search cannot go on"), "{said}");
    let lines = fs::read_to_string(folder.path().join("run/trials.jsonl")).unwrap();
    let trials: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(trials.len() < 30 && trials.iter().all(|trial| trial["result"]["Ok"].is_object()), "{lines}");
    let whole = json(&words(&format!("search --resume {out}/run")));
    assert_eq!(whole["trained"].as_array().map(Vec::len), Some(30), "{whole}");
    // before anything is trained it is a mistake like any other
    fs::write(folder.path().join("run/store.sqlite"), "SQLite format 3\0").unwrap();
    refused(&words(&format!("search --resume {out}/run --budget 31")), "store.sqlite");
}

/// A network whose weights are too large for its loss has diverged, whatever its accuracy.
#[test]
fn what_is_infinite_is_not_kept_as_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = training(folder.path(), "--rate 1000 --curve 4");
    args[10] = "4".into();
    assert_eq!(args[9], "--epochs");
    for seed in 0..6 {
        let args = more(&args, &["--seed", &seed.to_string(), "--format", "json"]);
        let args: Vec<String> = args.iter().map(|arg| arg.replace("/run", &format!("/run{seed}"))).collect();
        let output = run(&args);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let row = &found["trained"][0];
        assert_eq!(output.status.success(), row["reason"].is_null(), "{row}");
        match row["reason"].as_str() {
            Some(reason) => assert!(reason.contains("loss"), "{reason}"),
            None => {
                assert!(row["curve"].as_array().unwrap().iter().all(|mark| mark["test_loss"].is_number()))
            }
        }
    }
}

#[test]
fn a_score_that_is_not_defined_is_exported_as_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let small = "--proxies nwot,params --channels 2 --cells 1 --batch 16 --image 8";
    let args = format!("score --arch {NONE} {small} --store {} --out {}", path("s.sqlite"), path("run"));
    json(&words(&args));
    for (from, to) in [("s.sqlite", "a.csv"), ("again.sqlite", "b.csv")] {
        if from != "s.sqlite" {
            json(&words(&format!("import {} --store {}", path("a.csv"), path(from))));
        }
        json(&words(&format!("export {} --to {}", path(from), path(to))));
        let table = tables::read_table(path(to), tables::Limits::default()).unwrap();
        let of = |name: &str| [0, 1].map(|row| table.column(name).unwrap().text(row));
        assert_eq!(of("metric"), ["nwot", "params"].map(|name| Some(name.to_owned())));
        let [nwot, params] = of("value");
        assert!(nwot.is_none() && params.is_some(), "{nwot:?} {params:?}");
    }
}

#[test]
fn a_store_of_latencies_has_one_scale() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let args = |out: &str, scale: &str| {
        let small = "--channels 2 --cells 1 --image 8 --precision 1000 --format json";
        let text =
            format!("measure --sample 1 {small} --store {} --out {} {scale}", path("s.sqlite"), path(out));
        words(text.trim())
    };
    // the scale is there also where the machine is too noisy for a latency
    let scale = |args: &[String]| {
        let found: Value = serde_json::from_slice(&run(args).stdout).unwrap();
        found["reference_ms"].as_f64()
    };
    assert_eq!(scale(&args("first", "--reference-ms 0.5")), Some(0.5));
    refused(
        &args("never", "--reference-ms 5"),
        "--reference-ms is 5, but the latencies of this store are on the scale of 0.5 ms",
    );
    assert!(!Path::new(&path("never")).exists());
    // without it, the scale of the store holds, whatever precision is asked for
    assert_eq!(scale(&args("second", "")), Some(0.5));
    assert_eq!(scale(&args("third", "--limit 20")), Some(0.5));
}

/// Flags win over a setting that is named.
#[test]
fn epochs_that_are_asked_for_are_trained() {
    let folder = tempfile::tempdir().unwrap();
    let small = "--train-images 40 --test-part 20 --channels 2 --cells 1 --threads 1";
    let of = |epochs: &str, out: &str| {
        let out = folder.path().join(out).display().to_string();
        let found = json(&words(&format!("train --setting r8c4 {small} {epochs} --arch {SOME} --out {out}")));
        found["trained"][0]["epochs"].as_u64()
    };
    assert_eq!(of("--curve 1", "usual"), Some(20));
    assert_eq!(of("--epochs 23", "asked"), Some(23));
}

/// One row that no network can see is said before others are fitted.
#[test]
fn an_architecture_that_cannot_be_encoded_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    // a chain of so many nodes, of which 24 with token and state are one more than an encoding has
    let chain = |nodes: usize| {
        let mut text = String::from(r#"{"a0": {"op": "linear", "input": ["x", "h_prev_0"]}"#);
        for node in 1..nodes - 1 {
            text += &format!(r#", "a{node}": {{"op": "activation_tanh", "input": ["a{}"]}}"#, node - 1);
        }
        text + &format!(r#", "h_new_0": {{"op": "activation_tanh", "input": ["a{}"]}}}}"#, nodes - 2)
    };
    let mut out = csv::Writer::from_path(path("t.csv")).unwrap();
    out.write_record(["arch", "loss"]).unwrap();
    for nodes in 2..=24 {
        out.write_record([chain(nodes), nodes.to_string()]).unwrap();
    }
    out.flush().unwrap();
    let predict = "predict --space nas-bench-nlp --train 10 --validation 5 --method";
    let line = |method: &str| {
        words(&format!("{predict} {method} --table {}:loss --out {}", path("t.csv"), path("never")))
    };
    refused(&line("linear,gcn"), "cannot be encoded");
    assert!(!folder.path().join("never").exists());
}

#[test]
fn a_column_is_not_its_own_source() {
    let table = Table::new();
    let column = table.column("device_ms");
    let out = table.path("never").display().to_string();
    let few = [
        "predict",
        "--table",
        &column,
        "--train",
        "10",
        "--method",
        "few",
        "--sources",
        &column,
        "--out",
        &out,
    ];
    refused(&few.map(String::from), "--sources names");
    let network = ["--train", "90", "--method", "gcn", "--transfer-from", &column, "--out", &out];
    refused(&more(&["predict", "--table", &column].map(String::from), &network), "--transfer-from names");
}
