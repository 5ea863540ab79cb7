//! `brp-nas score` as a user runs it.

use crate::documented;
use candle_core::{Device, Tensor};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn json(output: &Output) -> Value {
    documented("score", output)
}

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/proxies/scores"))
}

/// A small setting, recorded in `out` of a folder, with a store beside it.
fn score(folder: &Path, out: &str, extra: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brp-nas"));
    command
        .args(["score", "--channels", "2", "--cells", "1", "--format", "json", "--out"])
        .arg(folder.join(out));
    command.arg("--store").arg(folder.join("store.sqlite"));
    // a batch that is given is as it is
    if !extra.contains(&"--inputs") {
        command.args(["--image", "8", "--batch", "6"]);
    }
    command.args(extra);
    command
}

#[test]
fn scores_are_kept_and_only_what_is_missing_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let of = |out: &str, extra: &[&str]| json(&score(folder.path(), out, extra).output().unwrap());
    let first = of("first", &["--sample", "5", "--proxies", "snip,synflow"]);
    let rows = first["scores"].as_array().unwrap();
    assert_eq!((rows.len(), first["found"].as_u64()), (5, Some(0)));
    for row in rows {
        assert!(row["snip"].as_f64().unwrap() >= 0.0 && row.get("fisher").is_none(), "{row}");
    }
    assert!(first["seconds"]["snip"].as_f64().unwrap() > 0.0);
    let again = of("again", &["--sample", "5", "--proxies", "snip,synflow"]);
    assert_eq!((&again["scores"], again["found"].as_u64()), (&first["scores"], Some(5)));
    // another list, on another number of threads
    let more = of("more", &["--sample", "5", "--proxies", "all", "--threads", "1"]);
    for (row, known) in more["scores"].as_array().unwrap().iter().zip(rows) {
        assert_eq!((&row["snip"], &row["synflow_log"]), (&known["snip"], &known["synflow_log"]));
        assert!(row.get("az_nas").is_none() && row.get("trainability").is_some(), "{row}");
    }
}

/// The network and batch of PyTorch's fixtures, scored as they are.
#[test]
fn weights_and_inputs_of_ones_own_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let cases: Value = serde_json::from_slice(&fs::read(fixtures().join("cases.json")).unwrap()).unwrap();
    let held = candle_core::safetensors::load(fixtures().join("values.safetensors"), &Device::Cpu).unwrap();
    let case = &cases["cases"][1];
    let labels: Vec<i64> = case["labels"].as_array().unwrap().iter().map(|l| l.as_i64().unwrap()).collect();
    let inputs = folder.path().join("inputs.safetensors");
    let named = [
        ("input".to_owned(), held["1/x"].clone()),
        ("labels".to_owned(), Tensor::new(labels, &Device::Cpu).unwrap()),
    ];
    candle_core::safetensors::save(&named.into_iter().collect(), &inputs).unwrap();
    let weights = fixtures().join("weights_1.safetensors");
    let (inputs, weights) = (inputs.display().to_string(), weights.display().to_string());
    let flags = [
        "--arch",
        case["arch"].as_str().unwrap(),
        "--inputs",
        &inputs,
        "--weights",
        &weights,
        "--classes",
        "4",
        "--dtype",
        "f64",
    ];
    let result = json(&score(folder.path(), "run", &flags).output().unwrap());
    for name in ["grad_norm", "snip", "grasp", "fisher", "synflow", "jacob_cov", "nwot", "zico", "swap"] {
        let (found, expected) =
            (result["scores"][0][name].as_f64().unwrap(), case["totals"][name].as_f64().unwrap());
        assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{name}: {found} instead of {expected}");
    }
    let with_batch = [&flags[..], &["--batch", "8"]].concat();
    let output = score(folder.path(), "batch", &with_batch).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("--batch is used by nothing here"), "{said}");
    // of another cell
    let other = [
        "--arch",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "--weights",
        &weights,
        "--classes",
        "4",
    ];
    let output = score(folder.path(), "other", &other).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("not known"), "{said}");
}

#[test]
fn what_cannot_be_said_of_a_cell_of_nothing_is_null_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|";
    let result = json(&score(folder.path(), "run", &["--arch", nothing]).output().unwrap());
    let row = &result["scores"][0];
    assert!(row["jacob_cov"].is_null() && row["reasons"]["jacob_cov"].is_string(), "{row}");
    assert_eq!((row["snip"].as_f64(), result["failed"].as_u64()), (Some(0.0), Some(0)));
    // where that is all that was asked, the command has failed, and says so after what it found
    let alone = ["--arch", nothing, "--proxies", "jacob_cov"];
    let output = score(folder.path(), "alone", &alone).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("no architecture has a score"), "{said}");
    assert!(!output.stdout.is_empty());
}

#[test]
fn a_killed_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--sample", "60", "--proxies", "snip,nwot,synflow,grasp"];
    let mut killed =
        score(folder.path(), "killed", &flags).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let store = folder.path().join("store.sqlite");
    for _ in 0..2_000 {
        let counts = store::Store::open(&store).and_then(|s| s.counts(&store::Filter::default(), 0));
        if counts.is_ok_and(|counts| counts.done > 8) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    // what was leased when it died is free again after some seconds
    let again = json(&score(folder.path(), "again", &flags).output().unwrap());
    let alone = tempfile::tempdir().unwrap();
    let whole = json(&score(alone.path(), "whole", &flags).output().unwrap());
    assert!(again["found"].as_u64().unwrap() > 0);
    assert_eq!(again["scores"], whole["scores"]);
}

#[test]
fn scores_are_compared_with_a_column() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.csv");
    let mut text = String::from("arch,accuracy\n");
    for index in 0..400 {
        let cell = spaces::NasBench201.get(index).unwrap();
        text += &format!(
            "{cell},{}\n",
            spaces::nas_bench_201::Skeleton::default().cost(&cell).unwrap().parameters
        );
    }
    fs::write(&table, text).unwrap();
    let column = format!("{}:accuracy", table.display());
    let archs = table.display().to_string();
    let result = json(
        &score(
            folder.path(),
            "run",
            &["--archs", &archs, "--table", &column, "--proxies", "params,jacov,l2_norm"],
        )
        .output()
        .unwrap(),
    );
    let compared = result["compared"].as_array().unwrap();
    let row = |name: &str| compared.iter().find(|row| row["score"] == name).unwrap();
    // the column is the number of parameters itself, in another skeleton
    assert!(row("params")["spearman"].as_f64().unwrap() > 0.999);
    let interval = row("l2_norm");
    assert!(interval["spearman_low"].as_f64() <= interval["spearman"].as_f64());
    assert!(row("jacov + params")["kendall"].as_f64().is_some());
}

#[test]
fn scores_that_are_there_are_compared_without_computing() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("arch,test,mine\n");
    for index in (0..15_625).step_by(500) {
        let cell = spaces::NasBench201.get(index).unwrap();
        let convolutions = cell.count(spaces::nas_bench_201::Operation::Conv3x3);
        text += &format!("{cell},{},{}\n", 50 + convolutions, 3 * convolutions);
    }
    let table = folder.path().join("table.csv");
    fs::write(&table, text).unwrap();
    let column = |name: &str| format!("{}:{name}", table.display());
    let of = |out: &str, flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brp-nas"));
        command.args(["score", "--format", "json", "--out"]).arg(folder.path().join(out)).args(flags);
        command.output().unwrap()
    };
    let scores = format!("synflow,params,{}", column("mine"));
    let result = json(&of("there", &["--scores", &scores, "--table", &column("test")]));
    let compared = result["compared"].as_array().unwrap();
    let names: Vec<&str> = compared.iter().map(|row| row["score"].as_str().unwrap()).collect();
    assert_eq!(
        (names.as_slice(), result["column"].as_str()),
        (&["synflow", "params", "mine"][..], Some("test"))
    );
    // a multiple of the truth orders as it does
    assert!((compared[2]["spearman"].as_f64().unwrap() - 1.0).abs() < 1e-12);
    assert_eq!(compared[1]["architectures"].as_u64(), Some(32));
    for (flags, said) in [
        (&["--scores", "synflow"][..], "--table"),
        (&["--scores", "synflow", "--sample", "3", "--table", &column("test")], "leave out"),
        (&["--scores", "unheard", "--table", &column("test")], "unheard"),
        (&["--scores", "synflow", "--table", &column("absent")], "absent"),
    ] {
        let output = of("bad", flags);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(said), "{said}: {error}");
    }
}

#[test]
fn scores_on_the_folder_of_a_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("{}/../../fixtures/images/pickled", env!("CARGO_MANIFEST_DIR"));
    let of = |name: &str| {
        let images = format!("{data}/{name}");
        let flags = ["--sample", "2", "--proxies", "grad_norm", "--batch", "4", "--images", &images];
        let mut command = Command::new(env!("CARGO_BIN_EXE_brp-nas"));
        command.args(["score", "--channels", "2", "--cells", "1", "--format", "json", "--image", "8"]);
        command.arg("--out").arg(folder.path().join(name.replace('/', "-"))).args(flags);
        json(&command.output().unwrap())["scores"].clone()
    };
    let pickled = of("cifar-10-batches-py");
    assert!(pickled[0]["grad_norm"].as_f64().unwrap() > 0.0, "{pickled}");
    assert_eq!(of("cifar-10-batches-bin"), pickled);
    assert!(of("ImageNet16")[0]["grad_norm"].is_number());
}

#[test]
fn bad_input_of_a_score_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = ["--sample", "2"];
    let cases: [(&[&str], &str); 8] = [
        (&["--proxies", "sinflow"], "there is no proxy \"sinflow\"; there are grad_norm"),
        (&["--batch", "0"], "--batch"),
        (&["--batch", "1"], "at least 2"),
        (&["--classes", "4"], "label"),
        (&["--images", "missing.bin"], "missing.bin"),
        (&["--weights", "missing.safetensors"], "missing.safetensors"),
        (&["--inputs", "missing.safetensors"], "missing.safetensors"),
        (&["--image", "6"], "multiple of 4"),
    ];
    for (extra, says) in cases {
        let output = score(folder.path(), "run", &[&good[..], extra].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{extra:?}: {said}");
        assert!(said.contains(says), "{extra:?} should say {says:?}: {said}");
        assert!(!folder.path().join("run").exists(), "{extra:?} left something behind");
    }
}

#[test]
fn every_space_with_networks_over_images_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let run = |space: &str, extra: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brp-nas"));
        command.args(["score", "--space", space, "--image", "16", "--batch", "6", "--format", "json"]);
        command.arg("--out").arg(folder.path().join(space)).args(extra).output().unwrap()
    };
    let proxies = ["--proxies", "synflow,snip,jacob_cov,params,nwot,fisher"];
    for (space, channels, cells) in [
        ("nas-bench-101", "8", Some("1")),
        ("darts", "2", Some("3")),
        ("nas-bench-macro", "4", None),
        ("fbnet", "4", None),
        ("proxyless-nas", "4", None),
    ] {
        let cells = cells.map_or(vec![], |cells| vec!["--cells", cells]);
        let flags = [&["--sample", "2", "--channels", channels][..], &proxies, &cells].concat();
        let result = json(&run(space, &flags));
        assert_eq!(result["space"].as_str(), Some(space));
        for row in result["scores"].as_array().unwrap() {
            for name in ["synflow_log", "snip", "jacob_cov", "params", "nwot", "fisher"] {
                assert!(row[name].is_number(), "{space}, {name}: {row}");
            }
        }
    }
    // 14, 7, 4: sides that do not divide each other
    let flags = ["--sample", "1", "--channels", "4", "--proxies", "all", "--image", "14"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_brp-nas"));
    command.args(["score", "--space", "nas-bench-macro", "--batch", "6", "--format", "json"]).args(flags);
    let result = json(&command.arg("--out").arg(folder.path().join("odd")).output().unwrap());
    assert!(result["scores"][0]["trainability"].is_number(), "{result}");
    let refused = |space: &str, extra: &[&str], says: &str| {
        let output = run(space, extra);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(says), "{space}: {said}");
    };
    refused("fbnet", &["--sample", "1", "--cells", "2"], "--cells says nothing of fbnet");
    refused("darts", &["--sample", "1", "--style", "scored"], "--style says nothing of darts");
    refused("darts", &["--all", "true"], "darts has too many");
    refused("nas-bench-macro", &["--sample", "7000", "--channels", "4"], "only 6561 different architectures");
    refused("nas-bench-asr", &["--sample", "1"], "read sequences");
}
