//! Published files in, units in and out, and what is said of a file.

use crate::{Table, json, run};
use nas_core::Seed;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use store::{Filter, Key, Measured, Store};

fn fixture(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tables");
    folder.join(name).display().to_string()
}

fn args(args: &[&str]) -> Vec<String> {
    args.iter().map(ToString::to_string).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_published_folder_becomes_a_table_that_commands_read() {
    let folder = tempfile::tempdir().unwrap();
    let (to, curves) = (folder.path().join("t.parquet"), folder.path().join("c.parquet"));
    let said =
        json(&args(&["import", &fixture("nats_bench/data"), "--to", text(&to), "--curves", text(&curves)]));
    assert_eq!((said["format"].as_str(), said["rows"].as_u64()), (Some("nats-bench"), Some(2)));
    assert_eq!((said["source"].as_str(), said["licence"].as_str()), (Some("NATS-Bench"), Some("MIT")));
    // 4 runs of 3 epochs and 12 of 4, of two networks; the first schedule has one run more
    assert_eq!(said["curve_rows"].as_u64(), Some(2 * (5 * 3 + 12 * 4)));
    let accuracy = &said["columns"].as_array().unwrap()[9];
    assert_eq!(accuracy["unit"], "%");

    let info = json(&args(&["info", text(&to)]));
    assert_eq!(info["format"], "parquet, imported from nats-bench");
    for key in ["rows", "columns", "source", "file", "sha256", "licence", "version"] {
        assert_eq!(info[key], said[key], "{key}");
    }
    let raw = json(&args(&["info", &fixture("nats_bench/data")]));
    assert_eq!((&raw["rows"], &raw["columns"]), (&said["rows"], &said["columns"]));
}

#[test]
fn parquet_gives_what_csv_gives() {
    let table = Table::new();
    let parquet = table.path("table.parquet");
    let said = json(&args(&["import", text(&table.path("table.csv")), "--to", text(&parquet)]));
    assert_eq!((said["format"].as_str(), said["rows"].as_u64()), (Some("csv"), Some(400)));
    let predict = |file: &Path, out: &str| {
        let column = format!("{}:device_ms", file.display());
        let out = table.path(out);
        let said = json(&args(&[
            "predict",
            "--table",
            &column,
            "--train",
            "40",
            "--validation",
            "0",
            "--method",
            "flops",
            "--out",
            text(&out),
        ]));
        (said["spearman"].clone(), said["test"].clone(), said["mse"].clone())
    };
    assert_eq!(predict(&table.path("table.csv"), "a"), predict(&parquet, "b"));
    let missing =
        run(&args(&["predict", "--table", &format!("{}:none", parquet.display()), "--train", "40"]));
    assert_eq!(missing.status.code(), Some(2));
    let stderr = String::from_utf8(missing.stderr).unwrap();
    assert!(stderr.contains("no column `none`; there are `arch`, `valid`, `test`, `device_ms`"), "{stderr}");
}

#[test]
fn units_go_out_and_in_through_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.sqlite");
    let store = Store::open_or_create(&file).unwrap();
    let key = |arch: &str, seed: u64| Key {
        space: "letters".into(),
        arch: arch.into(),
        metric: "acc".into(),
        device: "a \"device\", with a comma".into(),
        fidelity: String::new(),
        seed: Seed(seed),
        code_version: "1".into(),
    };
    let all = [key("done", u64::MAX), key("diverged", 1), key("failed", 2), key("open", 3)];
    store.submit(&all, 0).unwrap();
    let measured = Measured { value: 0.1 + 0.2, payload: Some("{\"a\": [1,\n2]}".into()), cost_s: Some(1.5) };
    store.finish(&all[0], &measured, 7).unwrap();
    let minute = std::time::Duration::from_secs(60);
    let hold = |key: &Key| store.claim("w", &Filter::from(key), 1, 0, minute).unwrap().remove(0);
    store.diverge(&hold(&all[1]), "NaN in epoch 2", 8).unwrap();
    store.fail(&hold(&all[2]), "no \"memory\"", 9).unwrap();
    for end in ["csv", "csv.gz", "jsonl", "parquet"] {
        let to = folder.path().join(format!("units.{end}"));
        let said = json(&args(&["export", text(&file), "--to", text(&to)]));
        assert_eq!(said["rows"], 4);
        let copy = folder.path().join(format!("{end}.sqlite"));
        let take = || json(&args(&["import", text(&to), "--store", text(&copy)]));
        assert_eq!(take()["taken"], 4, "{end}");
        let again = take();
        assert_eq!((&again["taken"], &again["there"]), (&Value::from(0), &Value::from(4)), "{end}");
        let copy = Store::open(&copy).unwrap();
        for key in &all {
            let of = |store: &Store| store.get(key, u64::MAX / 4).unwrap().unwrap().state;
            assert_eq!(of(&copy), of(&store), "{end}");
        }
    }
    let info = json(&args(&["info", text(&file)]));
    assert_eq!((&info["format"], &info["rows"]), (&Value::from("run store"), &Value::from(4)));
    let metric = &info["metrics"][0];
    assert_eq!([&metric["done"], &metric["diverged"], &metric["failed"], &metric["missing"]], [1, 1, 1, 1]);
}

#[test]
fn a_column_goes_into_a_store() {
    let table = Table::new();
    let store = table.path("s.sqlite");
    let said =
        json(&args(&["import", &table.column("device_ms"), "--store", text(&store), "--device", "phone"]));
    assert_eq!((&said["taken"], &said["without_value"]), (&Value::from(400), &Value::from(0)));
    let found = Store::open(&store).unwrap().results(&Filter::default()).unwrap();
    assert_eq!(
        (found.len(), found[0].0.device.as_str(), found[0].0.metric.as_str()),
        (400, "phone", "device_ms")
    );
}

#[test]
fn what_cannot_be_imported_ends_with_status_2_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("t.parquet");
    fs::write(folder.path().join("rubbish"), b"\x7fELF rubbish").unwrap();
    fs::write(folder.path().join("cut"), b"\x80\x04]\x94(").unwrap();
    let (rubbish, cut) = (folder.path().join("rubbish"), folder.path().join("cut"));
    for (command, said) in [
        (vec!["import", text(&rubbish), "--to", text(&to)], "is of no format that is known"),
        (vec!["import", text(&cut), "--to", text(&to)], "cut, byte 5: expected more bytes, found the end"),
        (
            vec!["import", text(&cut), "--to", text(&to), "--from", "none"],
            "no such format; there are nats-bench",
        ),
        (vec!["import", text(&cut)], "name either --to TABLE or --store STORE"),
        (vec!["import"], "no file is named"),
        (vec!["info", text(&rubbish)], "is of no format that is known"),
        (vec!["export", text(&rubbish), "--to", text(&to)], "is not an SQLite file"),
    ] {
        let output = run(&args(&command));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
        assert!(!to.exists());
    }
}

#[test]
fn tables_of_every_form_name_architectures() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let words = |text: String| text.split_whitespace().map(String::from).collect::<Vec<_>>();
    fs::write(path("some.csv"), "arch,acc\n00000000,1\n01201201,2\n").unwrap();
    let archs = |name: &str| {
        let found = json(&words(format!("enumerate --space nas-bench-macro --archs {}", path(name))));
        found["archs"].as_array().unwrap().iter().map(|row| row["arch"].clone()).collect::<Vec<_>>()
    };
    let expected = archs("some.csv");
    assert_eq!(expected.len(), 2);
    for name in ["some.parquet", "some.jsonl", "some.jsonl.gz"] {
        assert!(run(&words(format!("import {} --to {}", path("some.csv"), path(name)))).status.success());
        assert_eq!(archs(name), expected, "{name}");
    }
}
