//! `brp-nas repro` on experiments of its own, and the experiments of the repository.

use crate::{Table, run};
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const EXPERIMENT: &str = r#"
title = "Random search on a made-up table"
paper = "nobody, figure 1"

[data.table]
file = "table.csv"
from = "nowhere"
make = "write it"

[data.other]
file = "other.csv"
from = "elsewhere"

[[row]]
name = "random"
run = "search --accuracy {table}:valid --test {table}:test --budget 20 --algorithm random --repeats 3"
quick = "--repeats 2"
value = [
  { name = "best", at = "/mean/best_test", published = 1.0 },
  { name = "worst", at = "/mean/best_valid", published = 1.0, spread = 0.5, better = "lower" },
]

[[row]]
name = "random, long"
run = "search --accuracy {table}:valid --test {table}:test --budget 30 --algorithm random"
value = [{ name = "Kendall", at = "/kendall" }]

[[row]]
name = "elsewhere"
run = "predict --table {other}:valid --train 10 --method linear"
value = [{ name = "Kendall", at = "/kendall", published = 0.5 }]
"#;

fn words(folder: &Path, name: &str, more: &[&str]) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut words = vec!["repro".into(), name.into(), "--experiments".into(), path("experiments")];
    words.extend(["--data".into(), folder.display().to_string(), "--results".into(), path("results")]);
    words.extend(more.iter().map(ToString::to_string));
    words
}

fn begun() -> Table {
    let table = Table::new();
    fs::create_dir(table.path("experiments")).unwrap();
    fs::write(table.path("experiments/made-up.toml"), EXPERIMENT).unwrap();
    table
}

fn repro(table: &Table, name: &str, more: &[&str]) -> (Value, String) {
    let more = [more, &["--format", "json"]].concat();
    let output = run(&words(table.folder.path(), name, &more));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (crate::documented("repro", &output), said)
}

#[test]
fn an_experiment_is_done_once_kept_and_compared() {
    let table = begun();
    let (shown, said) = repro(&table, "made-up", &[]);
    let rows = shown[0]["rows"].as_array().unwrap();
    let verdicts: Vec<&str> = rows.iter().map(|row| row["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["reached", "short", "", ""]);
    assert!(rows[0]["measured"].as_f64().unwrap() > 50.0 && rows[2]["measured"].is_null());
    assert!(said.contains("it comes from elsewhere"), "{said}");
    assert!(said.contains("made-up, elsewhere: not done, other.csv is missing"), "{said}");
    // the same again: nothing is done, and the same is shown
    let record = fs::read(table.path("results/made-up.json")).unwrap();
    let (again, said) = repro(&table, "all", &[]);
    assert_eq!(again, shown);
    assert!(!said.contains("made-up, random"), "{said}");
    assert_eq!(fs::read(table.path("results/made-up.json")).unwrap(), record);
    // another command line is another row, and only that is done
    let other = EXPERIMENT.replace("--budget 30", "--budget 31");
    fs::write(table.path("experiments/made-up.toml"), other).unwrap();
    let (_, said) = repro(&table, "all", &[]);
    assert!(said.contains("made-up, random, long") && !said.contains("made-up, random\n"), "{said}");
    // the same seed, the same numbers
    let (kept, _) = repro(&table, "made-up", &["--kept"]);
    fs::remove_dir_all(table.path("results")).unwrap();
    let (anew, _) = repro(&table, "made-up", &[]);
    let measured = |shown: &Value| -> Vec<Value> {
        shown[0]["rows"].as_array().unwrap().iter().map(|row| row["measured"].clone()).collect()
    };
    assert_eq!(measured(&anew), measured(&kept));
    let (quick, _) = repro(&table, "made-up", &["--quick"]);
    assert_eq!(
        (quick[0]["quick"].as_bool(), quick[0]["rows"].as_array().map(Vec::len)),
        (Some(true), Some(2))
    );
    assert!(table.path("results/made-up-quick.json").exists());
}

/// A folder that nobody named is of this revision alone, and what another process adds is not lost.
#[test]
fn rows_of_another_revision_are_done_again_and_others_stay() {
    let table = begun();
    let two = EXPERIMENT.replace("name = \"random\"\n", "name = \"random, short\"\n");
    fs::write(table.path("experiments/made-up.toml"), two).unwrap();
    let here = || {
        let mut words = words(table.folder.path(), "made-up", &[]);
        let named = words.iter().position(|word| word == "--results").unwrap();
        words.drain(named..named + 2);
        let output = Command::new(env!("CARGO_BIN_EXE_brp-nas"))
            .args(words)
            .current_dir(table.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    here();
    let folder = fs::read_dir(table.path("results")).unwrap().next().unwrap().unwrap().path();
    let file = folder.join("made-up.json");
    let mut record: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert!(!here().contains("made-up, random"));
    let host = record["host"].clone();
    record["rows"][0]["revision"] = "0000000".into();
    record["host"]["system"] = "of another day".into();
    fs::write(&file, record.to_string()).unwrap();
    let said = here();
    assert!(said.contains("made-up, random, short") && !said.contains("made-up, random, long"), "{said}");
    let again: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(again["host"], host);
    // where somebody names the folder, it is as it was, and said
    fs::create_dir(table.path("results/named")).unwrap();
    fs::write(table.path("results/named/made-up.json"), record.to_string()).unwrap();
    let mut words_of_named = words(table.folder.path(), "made-up", &[]);
    let named = words_of_named.iter().position(|word| word == "--results").unwrap();
    words_of_named[named + 1] = table.path("results/named").display().to_string();
    let said = String::from_utf8_lossy(&run(&words_of_named).stderr).into_owned();
    assert!(said.contains("made-up, random, short: as revision 0000000 did it"), "{said}");
    // two processes on one experiment
    let rows = ["long", "short"].map(|rows| {
        let words = words(table.folder.path(), "made-up", &["--rows", rows]);
        Command::new(env!("CARGO_BIN_EXE_brp-nas")).args(words).stderr(Stdio::piped()).spawn().unwrap()
    });
    let ended = rows.map(|child| child.wait_with_output().unwrap());
    let kept: Value =
        serde_json::from_str(&fs::read_to_string(table.path("results/made-up.json")).unwrap()).unwrap();
    assert_eq!(kept["rows"].as_array().unwrap().len(), 2, "{kept} {ended:?}");
    assert!(!table.path("results/.at-work").exists());
}

/// A row that is killed with everything that it started goes on where it was.
#[test]
fn a_killed_row_goes_on() {
    let table = begun();
    let rows = r#"
title = "Forests on a made-up table"
paper = "nobody, figure 2"

[data.table]
file = "table.csv"
from = "nowhere"

[[row]]
name = "forests"
run = "predict --table {table}:valid --train 200 --validation 0 --method forest --repeats 40 --threads 1"
value = [{ name = "Kendall", at = "/kendall" }]

[[row]]
name = "search"
run = "search --accuracy {table}:valid --budget 20 --algorithm random"
value = [{ name = "best", at = "/best/valid" }]
"#;
    fs::write(table.path("experiments/forests.toml"), rows).unwrap();
    let (whole, _) = repro(&table, "forests", &[]);
    assert!(whole[0]["rows"][0]["gone_on"].is_null());
    assert!(!table.path("results/.at-work").exists());
    fs::remove_dir_all(table.path("results")).unwrap();

    let mut child = Command::new(env!("CARGO_BIN_EXE_brp-nas"))
        .args(words(table.folder.path(), "forests", &[]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let fits = table.path("results/.at-work/forests/0/run/fits.jsonl");
    let lines = || fs::read_to_string(&fits).map_or(0, |text| text.lines().count());
    while lines() < 2 {
        std::thread::yield_now();
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
    }
    // the shell's own, which is there where no program of that name is
    let kill = format!("kill -s KILL -- -{}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    child.wait().unwrap();
    assert!((2..40).contains(&lines()));
    // the killed process may hold its file for a moment after it is gone for us
    let file = fs::OpenOptions::new().append(true).open(&fits).unwrap();
    file.lock().unwrap();
    drop(file);
    let (gone_on, _) = repro(&table, "forests", &[]);
    let measured = |shown: &Value| shown[0]["rows"][0]["measured"].clone();
    assert_eq!(measured(&gone_on), measured(&whole));
    let record = fs::read_to_string(table.path("results/forests.json")).unwrap();
    assert_eq!(record.matches("\"gone_on\": true").count(), 1, "{record}");
    assert!(!table.path("results/.at-work").exists());

    // a record of another row in its place is not gone on with
    fs::remove_dir_all(table.path("results")).unwrap();
    fs::create_dir_all(fits.parent().unwrap()).unwrap();
    fs::write(table.path("results/.at-work/forests/0/row"), "of another revision\n").unwrap();
    fs::write(fits.with_file_name("settings.json"), "{}").unwrap();
    fs::write(&fits, "not a fit\n").unwrap();
    let (anew, _) = repro(&table, "forests", &[]);
    assert_eq!(measured(&anew), measured(&whole));
}

/// A store is handed to what computes, and to nothing else, for that would be refused.
#[test]
fn rows_may_compute_scores_and_look_them_up() {
    let table = begun();
    let rows = r#"
title = "Scores on a made-up table"
paper = "nobody, figure 3"

[data.table]
file = "table.csv"
from = "nowhere"

[[row]]
name = "looked up"
run = "score --scores synflow,params --table {table}:valid"
value = [{ name = "Spearman", at = "/compared/0/spearman" }]

[[row]]
name = "computed"
run = "score --sample 3 --proxies synflow --image 8 --channels 4 --cells 1 --batch 2"
value = [{ name = "failed", at = "/failed" }]
"#;
    fs::write(table.path("experiments/scores.toml"), rows).unwrap();
    let (shown, said) = repro(&table, "scores", &[]);
    let rows = shown[0]["rows"].as_array().unwrap();
    assert!(rows[0]["measured"].as_f64().is_some(), "{said}");
    assert_eq!(rows[1]["measured"].as_f64(), Some(0.0), "{said}");
}

/// What takes long is done by its name alone; values stand once for all rows, and side by side in a text.
#[test]
fn an_experiment_apart_has_values_of_all_its_rows() {
    let table = begun();
    let row = |name: &str, train: usize| {
        let run =
            format!("predict --table {{table}}:valid --train {train} --validation 0 --method linear,forest");
        format!("[[row]]\nname = \"{name}\"\nrun = \"{run}\"\n")
    };
    let experiment = [
        "title = \"t\"\npaper = \"p\"\napart = true\n[data.table]\nfile = \"table.csv\"\nfrom = \"nowhere\"\n",
        "[[value]]\nname = \"Kendall of linear\"\nat = \"/rows/0/kendall\"\n",
        "[[value]]\nname = \"Kendall of forest\"\nat = \"/rows/1/kendall\"\n",
        "[[value]]\nname = \"MSE of forest\"\nat = \"/rows/1/mse\"\nbetter = \"lower\"\n",
        &row("few", 20),
        &row("more", 60),
    ];
    fs::write(table.path("experiments/made-up.toml"), experiment.concat()).unwrap();
    assert_eq!(repro(&table, "all", &[]).0, serde_json::json!([]));
    let (shown, _) = repro(&table, "made-up", &[]);
    let rows = shown[0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    let text = table.path("text.md");
    fs::write(&text, "<!-- repro made-up Kendall of -->\n<!-- end -->\n").unwrap();
    let output = run(&words(table.folder.path(), "all", &["--into", &text.display().to_string()]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let of = |row: usize| format!("{:.3}", rows[row]["measured"].as_f64().unwrap());
    let lines = [
        "| Kendall of | linear | forest |".to_owned(),
        "|---|---|---|".to_owned(),
        format!("| few | {} | {} |", of(0), of(1)),
        format!("| more | {} | {} |", of(3), of(4)),
    ];
    let expected = format!("<!-- repro made-up Kendall of -->\n{}\n<!-- end -->\n", lines.join("\n"));
    assert_eq!(fs::read_to_string(&text).unwrap(), expected);
}

#[test]
fn what_is_wrong_with_an_experiment_is_named() {
    let table = begun();
    let fails = |name: &str, said: &[&str]| {
        let output = run(&words(table.folder.path(), name, &[]));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        said.iter().for_each(|part| assert!(error.contains(part), "{part:?} is not in {error}"));
    };
    fails("made-down", &["no experiment `made-down`", "made-up"]);
    let output = run(&words(table.folder.path(), "made-up", &["--rows", "nosuch"]));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains("no row of made-up has `nosuch`"), "{error}");
    let file = table.path("experiments/made-up.toml");
    for (from, to, said) in [
        ("title", "titel", "titel"),
        ("{table}:valid", "{tabel}:valid", "{tabel}"),
        ("/mean/best_test", "/mean/beste", "there is no /mean/beste"),
        ("better = \"lower\"", "better = \"low\"", "low"),
        ("value = [{ name = \"Kendall\", at = \"/kendall\" }]", "", "row `random, long` has no"),
    ] {
        fs::write(&file, EXPERIMENT.replacen(from, to, 1)).unwrap();
        fails("made-up", &["made-up.toml", said]);
    }
    fs::write(&file, EXPERIMENT).unwrap();
    fs::create_dir_all(table.path("results")).unwrap();
    fs::write(table.path("results/made-up.json"), "{\"format\": 1, \"experiment\": ").unwrap();
    fails("made-up", &["results/made-up.json"]);
    fs::remove_dir_all(table.path("experiments")).unwrap();
    fails("all", &["cannot list the experiments", "--experiments"]);
}

#[test]
fn the_experiments_of_the_repository_are_read() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let args = [
        "repro",
        "list",
        "--experiments",
        &root.join("experiments").display().to_string(),
        "--format",
        "json",
    ];
    let output = run(&args.map(String::from));
    let list = crate::documented("repro", &output);
    let list = list.as_array().unwrap();
    assert!(list.len() >= 5);
    assert!(list.iter().all(|experiment| experiment["rows"].as_u64() > Some(0)));
}

/// Tables of the texts are those of the newest record of every experiment.
#[test]
fn tables_of_the_texts_are_those_of_the_records() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let folder = tempfile::tempdir().unwrap();
    let results = fs::read_to_string(root.join("results/CURRENT")).unwrap();
    for name in ["LIMITS.md", "README.md"] {
        let copy = folder.path().join(name);
        fs::copy(root.join(name), &copy).unwrap();
        let path = |path: PathBuf| path.display().to_string();
        let mut args = vec!["repro".into(), "all".into(), "--into".into(), path(copy.clone())];
        args.extend(["--experiments".into(), path(root.join("experiments"))]);
        args.extend(["--results".into(), path(root.join("results").join(results.trim()))]);
        let output = run(&args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let advice = "run `cargo xtask repro all --into FILE --results results/$(cat results/CURRENT)`";
        assert!(
            fs::read(&copy).unwrap() == fs::read(root.join(name)).unwrap(),
            "{name} is not its records: {advice}"
        );
    }
}

/// Where a file is not there, the benchmark that comes with the program stands in, marked, until it is.
#[test]
fn what_is_not_there_is_done_on_the_benchmark() {
    let table = begun();
    let experiment = "title = \"t\"\npaper = \"p\"\n[data.absent]\nfile = \"later.csv\"\nfrom = \"nowhere\"\n\
        instead = { valid = \"valid\", test = \"test\" }\n[[row]]\nname = \"random\"\n\
        run = \"search --accuracy {absent}:valid --test {absent}:test --budget 5 --algorithm random\"\n\
        value = [{ name = \"best\", at = \"/best/test\", published = 1.0 }]\n\
        [[row]]\nname = \"more than it has\"\n\
        run = \"search --accuracy {absent}:valid --budget 20000 --algorithm random\"\n\
        value = [{ name = \"best\", at = \"/best/test\" }]\n";
    fs::write(table.path("experiments/made-up.toml"), experiment).unwrap();
    let (shown, said) = repro(&table, "made-up", &[]);
    let row = &shown[0]["rows"][0];
    assert!(
        row["setting"].as_str().unwrap().contains("own benchmark") && said.contains("own benchmark"),
        "{row}"
    );
    assert_eq!((row["verdict"].as_str(), row["measured"].is_number()), (Some(""), true));
    // what asks for more than it has is said, and does not keep the others from being done
    assert!(said.contains("more than it has: not done, the benchmark does not do"), "{said}");
    assert_eq!(
        (shown[0]["rows"].as_array().map(Vec::len), shown[0]["rows"][1]["measured"].is_null()),
        (Some(2), true)
    );
    // done once, and again on the file
    assert!(!repro(&table, "made-up", &[]).1.contains("made-up, random"));
    fs::copy(table.path("table.csv"), table.path("later.csv")).unwrap();
    let (shown, _) = repro(&table, "made-up", &["--rows", "random"]);
    let row = &shown[0]["rows"][0];
    assert_eq!((row["setting"].as_str(), row["verdict"].as_str()), (Some("random"), Some("reached")));
}
