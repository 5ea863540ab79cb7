//! Small files in published layouts, made by scripts in `fixtures/tables`.

use crate::{complaint, expected, fixture};
use nas_core::stats::interquartile_mean;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tables::published::{hw_nas_bench, nas_bench_101, nats_bench};
use tables::{Format, Import, ParquetTable, Table, masked_crc32c};
use tempfile::TempDir;

fn read(file: &Path) -> Table {
    let mut parquet = ParquetTable::open(file, Default::default()).unwrap();
    let all: Vec<usize> = (0..parquet.columns().len()).collect();
    parquet.read(&all).unwrap()
}

/// The table and the curves of a file.
fn import(file: &str, format: &str) -> (Table, Table) {
    let dir = TempDir::new().unwrap();
    let (to, curves) = (dir.path().join("t.parquet"), dir.path().join("c.parquet"));
    let kept = Format::ALL.into_iter().find(|known| known.name() == format);
    let how = Import {
        curves: kept.is_some_and(Format::has_curves).then(|| curves.clone()),
        threads: 3,
        column: kept
            .is_some_and(|format| [Format::Eagle, Format::EagleRaw, Format::Help].contains(&format))
            .then(|| "value".into()),
        ..Import::default()
    };
    let imported = tables::import(&fixture(file), &to, &how).unwrap();
    assert_eq!(imported.format.name(), format);
    let curves = if curves.exists() { read(&curves) } else { Table { columns: vec![], values: vec![] } };
    assert_eq!(curves.rows() as u64, imported.curve_rows);
    (read(&to), curves)
}

fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[test]
fn nats_bench_keeps_every_number() {
    let (table, curves) = import("nats_bench/data", "nats-bench");
    assert_eq!(table.rows(), 2);
    let known = expected("nats_bench/expected.json");
    let text = |name: &str, row: usize| curves.column(name).unwrap().text(row).unwrap_or_default();
    let mut compared = 0;
    for run in known.as_array().unwrap() {
        let dataset = run["dataset"].as_str().unwrap();
        let ours = |row: &usize| {
            ["arch", "dataset"].iter().all(|key| text(key, *row) == run[*key].as_str().unwrap())
                && ["schedule", "seed"].iter().all(|key| text(key, *row).parse().ok() == run[*key].as_u64())
        };
        let rows: Vec<usize> = (0..curves.rows()).filter(ours).collect();
        assert_eq!(rows.len() as u64, run["schedule"].as_u64().unwrap());
        assert_eq!(text("params", rows[0]), format!("{:?}", run["params"].as_f64().unwrap()));
        let latencies: Vec<f64> = serde_json::from_str(&text("latencies_s", rows[0])).unwrap();
        assert_eq!(serde_json::to_value(latencies).unwrap(), run["latencies"]);
        let columns = [("acc1es", "acc"), ("acc5es", "acc5"), ("losses", "loss"), ("times", "time_s")];
        for row in rows {
            let epoch = text("epoch", row);
            for (theirs, ours) in columns {
                let value = |name: &str| curves.column(name).unwrap().number(row);
                let train = run[format!("train_{theirs}")].get(&epoch).and_then(Value::as_f64);
                assert_eq!(value(&format!("train_{ours}")), train);
                let both = if dataset.starts_with("cifar10-") || dataset == "cifar10" {
                    "test"
                } else {
                    "valid_and_test"
                };
                for (key, split) in [("x-valid", "valid"), ("x-test", "test"), ("ori-test", both)] {
                    let Some(known) = run.get(format!("eval_{theirs}")) else { continue };
                    if let Some(known) = known.get(format!("{key}@{epoch}")).and_then(Value::as_f64) {
                        assert_eq!(value(&format!("{split}_{ours}")), Some(known));
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");

    // means over seeds, of cifar10 and of cifar10-valid
    for dataset in ["cifar10", "cifar10-valid"] {
        let runs = known
            .as_array()
            .unwrap()
            .iter()
            .filter(|run| run["index"] == 2 && run["schedule"] == 4 && run["dataset"] == dataset);
        let last = runs.map(|run| run["eval_acc1es"]["ori-test@3"].as_f64().unwrap());
        let ours = table.column(&format!("{dataset}_test_acc_4ep")).unwrap().number(1);
        assert!((ours.unwrap() - mean(last).unwrap()).abs() < 1e-12);
        let column =
            table.columns.iter().find(|column| column.name == format!("{dataset}_test_acc_4ep")).unwrap();
        assert_eq!((column.unit.as_deref(), column.split.as_deref()), (Some("%"), Some("ori-test")));
    }
    assert_eq!(table.column("cifar10_seeds_3ep").unwrap().number(0), Some(1.0));
    // the sum of the seconds of its epochs
    assert_eq!(table.column("cifar10_train_time_s_4ep").unwrap().number(0), Some(12.5));
}

/// The folder of the fixture with one file changed inside.
fn changed(from: &str, to: &str) -> (TempDir, PathBuf) {
    use std::io::{Read, Write};
    let dir = TempDir::new().unwrap();
    for name in ["000000", "000002", "meta"] {
        let name = format!("{name}.pickle.pbz2");
        let packed = fs::read(fixture("nats_bench/data").join(&name)).unwrap();
        let mut bytes = Vec::new();
        bzip2::read::BzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
        if name.starts_with("000002") {
            assert_eq!(from.len(), to.len());
            let at = bytes.windows(from.len()).position(|piece| piece == from.as_bytes()).unwrap();
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        let mut zip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        zip.write_all(&bytes).unwrap();
        fs::write(dir.path().join(name), zip.finish().unwrap()).unwrap();
    }
    let to = dir.path().join("t.parquet");
    (dir, to)
}

#[test]
fn what_contradicts_itself_is_refused() {
    let cases = [
        // the first name inside is that of the first run: cifar10-valid
        ("\u{d}cifar10-valid", "\u{d}cifar10-vaXid", "one of cifar10-valid, cifar10"),
        ("0777", "0778", "key 'seed': expected 777, found '0778'"),
        (
            "|avg_pool_3x3~0|+|nor_conv_3x3~0|n",
            "|avg_pool_3x3~0|+|nor_conv_1x1~0|n",
            "as meta.pickle.pbz2 says of 2, found",
        ),
    ];
    for (from, to, said) in cases {
        let (dir, target) = changed(from, to);
        let error = tables::import(dir.path(), &target, &Import::default()).unwrap_err();
        let found = complaint(&error, dir.path());
        assert!(found.starts_with("DIR/000002.pickle.pbz2, ") && found.contains(said), "{found}");
        assert!(!target.exists());
    }
    for key in [i64::MIN, -1, 0] {
        let pickle = format!("(dS'{key}'\n(ds.");
        let said = nats_bench::read_unpacked(pickle.as_bytes()).unwrap_err().to_string();
        assert!(said.contains("a number of epochs as key"), "{said}");
    }
    let (dir, target) = changed("0777", "0777");
    fs::rename(dir.path().join("000002.pickle.pbz2"), dir.path().join("000001.pickle.pbz2")).unwrap();
    fs::copy(dir.path().join("000001.pickle.pbz2"), dir.path().join("000003.pickle.pbz2")).unwrap();
    let imported = tables::import(dir.path(), &target, &Import::default()).unwrap();
    let notes = ["2 files are not named by the index inside, which counts", "1 rows repeat an architecture"];
    assert_eq!((imported.rows, imported.origin.notes), (3, notes.map(str::to_owned).to_vec()));
}

/// A text of protocol 2.
fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// The pickle of a network with one result, which stands under one key so many times, and has so many keys more.
fn network(runs: usize, keys: usize) -> Vec<u8> {
    // what is kept: 0 a text, 1 the result, 2 its key
    let mut bytes = [b"\x80\x02", &text("z")[..], b"q\x000}q\x01("].concat();
    let one = [b"G", &1.0_f64.to_be_bytes()[..]].concat();
    let entries = [("name", text("cifar10")), ("seed", b"K\x07".to_vec()), ("arch_config", b"}".to_vec())];
    for (key, value) in entries.into_iter().chain([("params", one.clone()), ("flop", one)]) {
        bytes.extend([text(key), value].concat());
    }
    bytes.extend(b"h\0N".repeat(keys));
    bytes.extend([b"u0", &text("cifar10")[..], b"K\x07\x86q\x020}(", &text("12"), b"}("].concat());
    bytes.extend([text("arch_index"), b"K\0".to_vec(), text("arch_str"), text("a")].concat());
    bytes
        .extend([text("all_results"), b"}(".to_vec(), b"h\x02h\x01".repeat(runs), b"uuu.".to_vec()].concat());
    bytes
}

/// Every look-up in a dict goes through all of its keys, and a dict that is kept once can be the result of many runs.
#[test]
fn a_network_of_many_keys_or_one_run_twice_is_refused() {
    let read = |runs, keys| nats_bench::read_unpacked(&network(runs, keys)).map_err(|flaw| flaw.to_string());
    assert_eq!(read(1, 995).unwrap().runs.len(), 1);
    let said = read(1, 996).unwrap_err();
    let place = "key '12', run ('cifar10', 7)";
    assert_eq!(said, format!("{place}: expected a dict of at most 1000 keys, found a dict of 1001"));
    let said = read(2, 0).unwrap_err();
    assert_eq!(said, format!("{place}: expected each data set and seed once, found one again"));
}

#[test]
fn nas_bench_101_with_the_hash_compared() {
    let (table, curves) = import("nas_bench_101/full.tfrecord", "nas-bench-101");
    let known = expected("nas_bench_101/expected.json");
    let known = known.as_array().unwrap();
    assert_eq!((table.rows(), curves.rows()), (3, 3 * known.len()));
    for row in 0..3 {
        let hash = table.column("hash").unwrap().text(row).unwrap();
        let ours: Vec<&Value> = known.iter().filter(|training| training["hash"] == hash).collect();
        assert_eq!(table.column("arch").unwrap().text(row).unwrap(), ours[0]["arch"]);
        assert_eq!(table.column("parameters").unwrap().text(row).unwrap(), ours[0]["parameters"].to_string());
        for (epochs, half, place, column) in [
            (108, 2, 3, "valid_acc_108ep"),
            (108, 1, 4, "half_test_acc_108ep"),
            (4, 2, 1, "training_s_4ep"),
            (4, 2, 2, "train_acc_4ep"),
        ] {
            let of = ours.iter().filter(|training| training["epochs"] == epochs);
            let value =
                mean(of.map(|training| training["evaluations"][half][place].as_f64().unwrap())).unwrap();
            let found = table.column(column).unwrap().number(row).unwrap();
            assert!((found - value).abs() <= 1e-12 * value.abs(), "{column}: {found} and {value}");
        }
    }
    // three trainings of each length, told apart
    let seeds: Vec<_> =
        (0..curves.rows()).filter_map(|row| curves.column("seed").unwrap().number(row)).collect();
    assert_eq!(seeds.iter().filter(|seed| **seed == 2.0).count(), curves.rows() / 3);
}

#[test]
fn a_record_that_is_damaged_or_lies_is_refused() {
    let dir = TempDir::new().unwrap();
    let whole = fs::read(fixture("nas_bench_101/full.tfrecord")).unwrap();
    let said = |bytes: &[u8]| {
        let file = dir.path().join("x.tfrecord");
        fs::write(&file, bytes).unwrap();
        let how = Import { format: Some(Format::NasBench101), ..Import::default() };
        complaint(&tables::import(&file, &dir.path().join("t.parquet"), &how).unwrap_err(), dir.path())
    };
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    assert!(said(&flipped).starts_with("DIR/x.tfrecord, record 1 at byte 0: expected the checksum"));
    let mut long = whole.clone();
    long[7] = 1;
    assert!(said(&long).contains("of the length"));
    assert!(said(&whole[..whole.len() - 3]).contains("expected a whole record, found the end"));
    assert!(said(&whole[..5]).contains("record 1 at byte 0"));

    let framed = |payload: &[u8]| {
        let len = (payload.len() as u64).to_le_bytes();
        [&len[..], &masked_crc32c(&len).to_le_bytes(), payload, &masked_crc32c(payload).to_le_bytes()]
            .concat()
    };
    let len = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let payload = String::from_utf8(whole[12..12 + len].to_vec()).unwrap();
    let (hash, rest) = (&payload[2..34], &payload[34..]);
    let other =
        format!("[\"{}{rest}", hash.replace(&hash[..1], if hash.starts_with('0') { "1" } else { "0" }));
    let found = said(&framed(other.as_bytes()));
    assert!(
        found.contains("record 1, the hash: expected ") && found.contains("that of the graph"),
        "{found}"
    );
    assert!(said(&framed(b"[1,2]")).contains("record 1, the JSON: expected [hash, epochs"));
    let base64 = payload.replace("Ci0", "C*0");
    let found = said(&framed(base64.as_bytes()));
    assert!(found.contains("record 1, the metrics: expected base64, found Invalid symbol 42"), "{found}");
    assert!(nas_bench_101::read(&vec![b'['; 100_000]).is_err(), "nesting ends");
}

#[test]
fn latencies_of_eagle() {
    let known = expected("published/expected.json");
    let (table, _) = import("published/eagle_raw.pickle", "eagle-raw");
    let column = table.column("value").unwrap();
    for (row, pair) in known["eagle_raw"].as_array().unwrap().iter().enumerate() {
        match (column.number(row), pair[1].as_f64()) {
            (Some(ours), Some(theirs)) => assert!((ours - theirs).abs() <= 1e-14 * theirs, "{row}"),
            (ours, theirs) => assert_eq!(ours, theirs),
        }
    }
    let times: Vec<Vec<f64>> =
        serde_json::from_str(&table.column("times_s").unwrap().text(0).unwrap()).unwrap();
    let means: Vec<f64> = times.iter().map(|run| interquartile_mean(run)).collect();
    assert_eq!(Some(interquartile_mean(&means)), column.number(0));
    let (averaged, _) = import("published/eagle.pickle", "eagle");
    for (row, pair) in known["eagle"].as_array().unwrap().iter().enumerate() {
        assert_eq!(averaged.column("value").unwrap().number(row), pair[1].as_f64());
    }
}

#[test]
fn hw_nas_bench_with_values_that_are_missing() {
    let known = expected("published/expected.json");
    let (table, _) = import("published/hw_nas_bench.pickle", "hw-nas-bench");
    let column = table.column("cifar10_edgetpu_latency").unwrap();
    assert_eq!((column.len(), column.present()), (15_625, 15_622));
    for (row, value) in known["edgetpu"].as_array().unwrap().iter().enumerate() {
        assert_eq!(column.number(row), value.as_f64());
    }
    let dir = TempDir::new().unwrap();
    let to = dir.path().join("t.parquet");
    let how = Import { format: Some(Format::HwNasBenchBlocks), ..Import::default() };
    tables::import(&fixture("published/hw_nas_bench.pickle"), &to, &how).unwrap();
    let blocks = read(&to);
    for (row, block) in known["blocks"].as_array().unwrap().iter().enumerate() {
        assert_eq!(blocks.column("arch").unwrap().text(row).unwrap(), block[0]);
        assert_eq!(blocks.column("edgegpu_latency").unwrap().number(row), block[1].as_f64());
        assert_eq!(blocks.column("edgegpu_energy").unwrap().number(row), block[2].as_f64());
    }
}

#[test]
fn blocks_of_hw_nas_bench_are_all_read_or_refused() {
    let read = |blocks: &[u8]| {
        let bytes = [b"\x80\x02}(", &text("fbnet")[..], b"}(", &text("ms"), b"}(", blocks, b"uuu."].concat();
        hw_nas_bench::read_blocks(&bytes).map_err(|flaw| flaw.to_string())
    };
    let block = |name: &str, value: &[u8]| [&text(name), value].concat();
    assert_eq!(read(&block("a", b"K\x01")).unwrap().rows(), 1);
    let said = read(&[block("a", b"K\x01"), block("b", b"\x88")].concat()).unwrap_err();
    assert_eq!(said, "key 'fbnet', key 'ms', key 'b': expected a number, found true");
    let many: Vec<u8> = (0..100_001).flat_map(|i| block(&i.to_string(), b"K\x01")).collect();
    let said = read(&many).unwrap_err();
    assert_eq!(said, "key 'fbnet', key 'ms': expected at most 100000 blocks, found 100001");
}

#[test]
fn scores_of_suite_zero_without_what_is_no_number() {
    let (table, _) = import("published/zc_nasbench201.json", "suite-zero");
    let arch =
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|";
    assert_eq!(table.column("arch").unwrap().text(0).unwrap(), arch);
    let rows = |name: &str| [0, 1].map(|row| table.column(name).unwrap().number(row));
    assert_eq!(rows("index"), [Some(0.0), Some(1.0)]);
    assert_eq!(rows("cifar10_synflow"), [Some(1.5), None]);
    assert_eq!(rows("cifar10_synflow_s"), [Some(0.1), Some(0.3)]);
    assert_eq!(rows("cifar10_nwot"), [None, None]);
    assert_eq!(rows("cifar10_val_accuracy"), [Some(81.5), Some(90.5)]);
    assert_eq!(rows("cifar100_synflow"), [Some(2.5), None]);
}

/// Its vectors are six numbers from 0 to 3 too.
#[test]
fn transnas_bench_101_is_not_taken_for_nas_bench_201() {
    let dir = TempDir::new().unwrap();
    let (file, to) = (dir.path().join("zc_transbench101_micro.json"), dir.path().join("t.jsonl"));
    let text = fs::read_to_string(fixture("published/zc_nasbench201.json")).unwrap();
    fs::write(&file, text.replace("cifar100", "jigsaw")).unwrap();
    tables::import(&file, &to, &Import::default()).unwrap();
    let table = tables::read_table(&to, Default::default()).unwrap();
    assert_eq!(table.column("arch").unwrap().text(0).unwrap(), "(4, 3, 3, 0, 0, 0)");
    assert!(table.column("index").is_none());
}

/// A recipe stands in every row of the curves.
#[test]
fn a_log_of_nas_bench_nlp_cannot_be_made_to_fill_the_memory() {
    use tables::published::nas_bench_nlp;
    let log = |recipe: usize, epochs: usize| {
        let losses = vec!["0"; epochs].join(",");
        let text = format!(r#"{{"recepie": "{}", "train_losses": [{losses}]}}"#, "a".repeat(recipe));
        nas_bench_nlp::read(text.as_bytes()).map_err(|flaw| flaw.to_string())
    };
    assert!(log(1_000, 50).is_ok());
    assert!(log(1_000_000, 50).unwrap_err().contains("key 'recepie': expected at most 10000 bytes"));
    assert!(log(1_000, 1_000_000).unwrap_err().contains("at most 4096 epochs"));
}

#[test]
fn logs_of_nas_bench_nlp() {
    let (table, curves) = import("published/logs", "nlp");
    let text = |name: &str, row: usize| table.column(name).unwrap().text(row).unwrap_or_default();
    assert_eq!(text("arch", 0), r#"{"node_0": {"op": "linear", "input": ["x"]}}"#);
    assert_eq!(text("arch", 1), r#"{"says": "NaN \" -Infinity"}"#);
    assert_eq!(
        [text("recipe_id", 0), text("parameters", 0), text("status", 1)],
        ["7", "1234", "loss is nan!"]
    );
    let expected = [
        ("best_valid_loss", "6.25"),
        ("test_loss_at_best_valid", "6.0"),
        ("last_train_loss", "5.5"),
        ("wall_s", "4.0"),
    ];
    for (column, value) in expected {
        assert_eq!(text(column, 0), value, "{column}");
    }
    assert_eq!((text("best_valid_loss", 1), text("last_valid_loss", 1)), ("5.0".into(), String::new()));
    let losses: Vec<_> = (0..4).map(|row| curves.column("valid_loss").unwrap().number(row)).collect();
    assert_eq!(losses, [Some(6.25), Some(6.5), Some(5.0), None]);
}

#[test]
fn a_format_is_told_by_its_bytes_or_refused() {
    let dir = TempDir::new().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        fs::write(&file, bytes).unwrap();
        tables::detect(&file).map(Format::name).map_err(|error| complaint(&error, dir.path()))
    };
    assert_eq!(put("a", b"arch,ms\na,1\n"), Ok("csv"));
    assert_eq!(put("b", b"{\"arch\":\"a\",\"ms\":1}\n"), Ok("jsonl"));
    let error = put("c", b"\x7fELF\x02\x01\x01").unwrap_err();
    assert!(
        error.starts_with("DIR/c is of no format that is known (7f 45 4c 46 02 01 01): name the format"),
        "{error}"
    );
    let error = complaint(&tables::detect(dir.path()).unwrap_err(), dir.path());
    assert!(error.contains("a folder without NNNNNN.pickle.pbz2"), "{error}");
    assert!(nats_bench::read(b"BZh9").is_err());
}
