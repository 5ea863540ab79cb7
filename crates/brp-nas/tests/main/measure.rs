//! `brp-nas measure` as a user runs it. Nothing here asks for a latency to be this or that: the machine may be busy.

use nas_core::Seed;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use store::{Filter, Key, Store};

const CELL: &str = "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|skip_connect~1|none~2|";

/// A small setting that any machine is quiet enough for, with a store beside its record.
fn measure(folder: &Path, out: &str, extra: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brp-nas"));
    command.args(["measure", "--channels", "4", "--cells", "1", "--image", "8", "--format", "json"]);
    command.arg("--out").arg(folder.join(out)).arg("--store").arg(folder.join("store.sqlite"));
    command.args(["--precision", "1000"]).args(extra).env_remove("ORT_DYLIB_PATH").output().unwrap()
}

fn json(output: &Output) -> Value {
    crate::documented("measure", output)
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_in_the_store_is_not_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = json(&measure(folder.path(), "first", &["--sample", "3", "--group", "2"]));
    let rows = first["measured"].as_array().unwrap();
    assert_eq!((rows.len(), first["found"].as_u64(), first["failed"].as_u64()), (3, Some(0), Some(0)));
    for row in rows {
        let of = |key: &str| row[key].as_f64().unwrap();
        assert!(0.0 < of("low_ms") && of("low_ms") <= of("latency_ms") && of("latency_ms") <= of("high_ms"));
        // fewer than six readings have no interval
        assert!(of("rounds") >= 6.0 && of("rounds") + of("discarded") >= 25.0, "{row}");
        assert!(of("runs") >= of("rounds") && of("mad_ms") >= 0.0, "{row}");
    }
    assert!(first["reference_ms"].as_f64().unwrap() > 0.0 && first["layers"] == "pruned");
    let again = json(&measure(folder.path(), "again", &["--sample", "3", "--group", "3"]));
    assert_eq!((&again["measured"], again["found"].as_u64()), (&first["measured"], Some(3)));
    assert_eq!(again["reference_ms"], first["reference_ms"]);
    // another seed is another measuring of the same networks, by the same reference
    let other = json(&measure(folder.path(), "other", &["--arch", CELL, "--seed", "1"]));
    assert_eq!((other["found"].as_u64(), &other["reference_ms"]), (Some(0), &first["reference_ms"]));
}

/// What failed is done again where it is asked for, and nothing of another setting.
#[test]
fn another_try_is_of_this_setting_alone() {
    let folder = tempfile::tempdir().unwrap();
    json(&measure(folder.path(), "first", &["--arch", CELL]));
    let store = Store::open(folder.path().join("store.sqlite")).unwrap();
    let known = Filter { metric: Some("latency_ms".into()), ..Filter::default() };
    let key = store.rows(&known, 0).unwrap().remove(0).key;
    let [own, other] = [key.fidelity.clone(), "another setting".into()].map(|fidelity| Key {
        fidelity,
        seed: Seed(3),
        ..key.clone()
    });
    for key in [&own, &other] {
        store.submit(std::slice::from_ref(key), 0).unwrap();
        let lease =
            store.claim("another", &Filter::from(key), 1, 0, Duration::from_secs(1)).unwrap().remove(0);
        assert!(store.fail(&lease, "no reason", 0).unwrap());
    }
    let failed = || store.counts(&Filter::default(), 0).unwrap().failed;
    let kept = measure(folder.path(), "kept", &["--arch", CELL, "--seed", "3"]);
    assert_eq!((kept.status.code(), failed()), (Some(1), 2));
    json(&measure(folder.path(), "again", &["--arch", CELL, "--seed", "3", "--retry", "true"]));
    assert_eq!(failed(), 1);
}

#[test]
fn both_protocols_both_kinds_of_layers_and_the_operators_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let of = |out: &str, extra: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brp-nas"));
        command.args(["measure", "--channels", "4", "--cells", "1", "--image", "8", "--arch", CELL]);
        json(
            &command
                .args(["--format", "json", "--out"])
                .arg(folder.path().join(out))
                .args(extra)
                .output()
                .unwrap(),
        )
    };
    let published = of("published", &["--protocol", "published", "--layers", "written"]);
    let row = &published["measured"][0];
    assert_eq!((row["rounds"].as_u64(), row["runs"].as_u64()), (Some(100), Some(1_000)), "{row}");
    assert_eq!((&published["layers"], &published["reference_ms"]), (&Value::from("written"), &Value::Null));
    let candle = of("candle", &["--runtime", "candle", "--precision", "1000", "--batch", "2"]);
    assert!(candle["measured"][0]["latency_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(candle["fidelity"]["batch"], 2);
}

#[test]
fn bad_usage_is_said_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let bad = |extra: &[&str], said: &str| {
        let error = refused(&measure(folder.path(), "bad", extra));
        assert!(error.contains(said), "{error}");
        assert!(!folder.path().join("bad").exists());
    };
    bad(&[], "no architecture is named");
    bad(&["--arch", CELL, "--batch", "0"], "--batch and --group are at least 1");
    bad(&["--arch", CELL, "--limit", "0"], "--limit is 0; expected a number above 0");
    bad(&["--arch", CELL, "--reference", "|none~0|"], "--reference");
    bad(&["--arch", CELL, "--onnx", "x.onnx"], "--onnx names files, and architectures are named too");
    bad(&["--onnx", "x.onnx"], "cannot read x.onnx");
    bad(&["--arch", CELL, "--runtime", "onnxruntime", "--library", "/nowhere.so"], "pip install onnxruntime");
    bad(
        &["--arch", CELL, "--protocol", "published"],
        "--precision is used by nothing here: it belongs to --protocol interleaved",
    );
}

#[test]
fn a_limit_that_nothing_keeps() {
    let folder = tempfile::tempdir().unwrap();
    // nothing runs within a microsecond, not even the reference
    let output = measure(folder.path(), "short", &["--arch", CELL, "--limit", "0.000001"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("the reference") && error.contains("the limit is"), "{error}");
}

#[test]
fn an_onnx_file_that_no_runtime_here_reads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.onnx");
    fs::write(&file, b"not a network").unwrap();
    let path = file.to_str().unwrap();
    let output = measure(folder.path(), "engine", &["--onnx", path, "--runtime", "engine"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("it reads no ONNX files; use --runtime onnxruntime or tract"), "{error}");
    if cfg!(feature = "tract") {
        let output = measure(folder.path(), "tract", &["--onnx", path, "--runtime", "tract"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("tract does not take the network"), "{error}");
    }
}
