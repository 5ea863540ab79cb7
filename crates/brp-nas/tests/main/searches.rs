//! What a search must not know, and what it says of what it found.

use crate::{Table, json, more, run, timeless, values};
use ::spaces::{NasBench101, NasBench201, NasBenchNlp};
use nas_core::{SearchSpace, Seed};
use serde_json::Value;
use std::collections::BTreeSet;
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
fn a_minus_before_a_column_looks_for_its_smallest_value() {
    let table = Table::new();
    let all = format!("--algorithm random --budget 400 --out {}", table.path("all").display());
    let of = |column: &str| json(&words(&format!("search --accuracy {} {all}", table.column(column))));
    let smallest = table.cells.iter().map(|cell| values(cell).0).fold(f64::INFINITY, f64::min);
    assert_eq!(of("-valid")["best"]["valid"], -smallest);
    // what is called so is what is meant
    let path = table.path("table.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("device_ms", "-valid", 1)).unwrap();
    let largest = table.cells.iter().map(|cell| values(cell).2).fold(0.0, f64::max);
    fs::remove_dir_all(table.path("all")).unwrap();
    assert_eq!(of("-valid")["best"]["valid"], largest);
    // what the search looks for cannot be what it knows beforehand, whatever its sign
    let (loss, proxy) = (table.column("-test"), table.column("test"));
    let out = table.path("never").display().to_string();
    let known = format!("search --accuracy {loss} --algorithm random --warmup 9 --proxy {proxy} --out {out}");
    refused(&words(&known), "--proxy names the column of --accuracy");
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
    let mut text = String::from("arch,valid,device_ms\n");
    for cell in (0..15_625).map(|i| NasBench201.get(i).unwrap()) {
        let (valid, _, ms) = values(&cell);
        text += &format!("{cell},{valid},{ms}\n");
    }
    fs::write(path("whole.csv"), text).unwrap();
    // a flag may belong to what a file says
    fs::write(path("drawn.toml"), "candidates = 60\n").unwrap();
    let predictor = "predictor --samples 12 --iterations 2 --transfer-from none";
    let limit = format!("--latency {}:device_ms --max-latency 10", path("whole.csv"));
    let predicted = format!("{limit} --limit-by predictor --latency-train 60");
    for (name, algorithm) in [
        ("ours", "ours".to_owned()),
        ("predictor", predictor.to_owned()),
        ("ours-within", format!("ours {predicted}")),
        ("predictor-within", format!("{predictor} {limit}")),
    ] {
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
        let within = name.ends_with("-within");
        let better = best(&grown) > best(&drawn) || (within && best(&grown) == best(&drawn));
        assert!(
            better && grown["trained"] != drawn["trained"],
            "{algorithm}: {} {}",
            best(&grown),
            best(&drawn)
        );
        if name == "predictor-within" {
            // what joins meets the limit as all others do
            let trained = grown["trained"].as_array().unwrap();
            let regret = numbers(&grown["regret_by_trained"]);
            assert!(regret.len() == 20 && regret.iter().flatten().all(|regret| *regret >= 0.0), "{grown}");
            assert!(trained.iter().all(|trial| trial["latency"].as_f64().unwrap() <= 10.0), "{grown}");
        }
        // cut off in the middle of the second half
        fs::remove_file(folder.path().join(name).join("result.json")).unwrap();
        let trials = folder.path().join(name).join("trials.jsonl");
        let kept: Vec<String> =
            fs::read_to_string(&trials).unwrap().lines().take(13).map(String::from).collect();
        fs::write(&trials, kept.join("\n") + "\n{").unwrap();
        let again = json(&words(&format!("search --resume {}", path(name))));
        assert_eq!(timeless(again), timeless(grown), "{algorithm}");
    }
    // what other tables do not know is neither drawn nor grown
    let (never, part) = (path("never"), Table::new());
    let costs = format!("--cost {} --candidates 60 --grow 20 --budget 40", part.column("device_ms"));
    let (table, out) = (path("whole.csv"), path("costs"));
    let found =
        json(&words(&format!("search --accuracy {table}:valid {costs} --algorithm ours --out {out}")));
    assert_eq!((found["failed"].as_u64(), found["trained"].as_array().unwrap().len()), (Some(0), 40));
    for (flags, says) in [
        ("--algorithm brp --grow 3", "candidates that are drawn"),
        ("--algorithm random --candidates 60 --grow 3", "candidates that are drawn"),
        ("--candidates 15625", "know only 15625"),
        ("--candidates 60 --budget 61", "--candidates draws only 60"),
    ] {
        let table = path("whole.csv");
        refused(&words(&format!("search --accuracy {table}:valid {flags} --out {never}")), says);
    }
    refused(&words(&format!("search --train --grow 3 --out {never}")), "all of nas-bench-201");
}

#[test]
fn no_latency_is_predicted_where_no_others_join() {
    let table = Table::new();
    let path = |name: &str| table.path(name).display().to_string();
    let search = |out: &str, flags: &str| {
        let all =
            format!("search --accuracy {} --algorithm ours --first 4 --candidates 20", table.column("valid"));
        json(&words(&format!("{all} {flags} --out {}", path(out))))
    };
    let all = search("all", "--grow 0 --budget 20");
    let drawn: Vec<&str> =
        all["trained"].as_array().unwrap().iter().map(|row| row["arch"].as_str().unwrap()).collect();
    assert_eq!(drawn.len(), 20);
    // latencies of these, and of a third of the others
    let text = fs::read_to_string(table.path("table.csv")).unwrap();
    let known = |(at, line): &(usize, &str)| {
        *at == 0 || at % 3 == 0 || drawn.contains(&line.split(',').next().unwrap())
    };
    let some: Vec<&str> = text.lines().enumerate().filter(known).map(|(_, line)| line).collect();
    fs::write(table.path("some.csv"), some.join("\n")).unwrap();
    let limited = |grow: usize| {
        let latency = format!("--latency {}:device_ms --max-latency 9", path("some.csv"));
        search(&format!("grown{grow}"), &format!("--grow {grow} --budget 8 {latency}"))
    };
    assert!(limited(0)["latency_predictor"].is_null());
    assert_eq!(limited(2)["latency_predictor"]["rows"].as_u64(), Some(some.len() as u64 - 1));
}

/// Where a space knows classes of equal architectures, a class is drawn and grown once.
#[test]
fn candidates_that_are_trained_are_of_different_classes() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display();
    let small = "--train-images 40 --test-part 20 --channels 2 --image 8 --epochs 1 --batch 8 --threads 1";
    let search = format!("search --train --candidates 60 --grow 30 --budget 12 {small}");
    for algorithm in ["predictor --samples 6 --iterations 2", "ours", "evolution --warmup 20 --pool 4"] {
        let grow = if algorithm.starts_with("evolution") {
            search.replace(" --grow 30", "")
        } else {
            search.clone()
        };
        let name = algorithm.split(' ').next().unwrap();
        let found = json(&words(&format!("{grow} --algorithm {algorithm} --out {out}/{name}")));
        let archs = found["trained"].as_array().unwrap().iter().map(|trial| trial["arch"].as_str().unwrap());
        let classes: BTreeSet<String> = archs.map(|arch| NasBench201.parse(arch).unwrap().class()).collect();
        assert_eq!(classes.len(), 12, "{algorithm}");
    }
    refused(
        &words(&format!("search --train --candidates 6466 {small} --out {out}/never")),
        "only 6466 that differ",
    );
}

/// The same cell of NAS-Bench-101 with two vertices in the other order, where it has two that can change.
fn renumbered(text: &str) -> String {
    let (matrix, ops) = text.split_once(':').unwrap();
    let (cells, mut ops): (Vec<&str>, Vec<&str>) =
        (matrix.split("").filter(|cell| !cell.is_empty()).collect(), ops.split(',').collect());
    let of = ops.len();
    let free = |k: &usize| cells[k * of + k + 1] == "0";
    let Some(k) = (1..of - 2).find(free) else { return text.into() };
    let other = |i: usize| {
        if i == k {
            k + 1
        } else if i == k + 1 {
            k
        } else {
            i
        }
    };
    let swapped = (0..of * of).map(|at| cells[other(at / of) * of + other(at % of)]).collect::<String>();
    ops.swap(k, k + 1);
    format!("{swapped}:{}", ops.join(","))
}

#[test]
fn the_order_of_rows_is_nothing_to_a_search() {
    the_order_is_nothing("--algorithm ours --max-latency 9");
    the_order_is_nothing("--samples 6 --max-latency 9 --limit-by predictor --latency-train 40");
}

fn the_order_is_nothing(flags: &str) {
    let table = Table::new();
    let latency = table.column("device_ms");
    let flags: Vec<&str> = flags.split(' ').chain(["--repeats", "2", "--latency", &latency]).collect();
    let found = json(&more(&table.search("run"), &flags));
    let mean = &found["mean"];
    let of = |key: &str| -> f64 {
        let runs = found["runs"].as_array().unwrap();
        runs.iter().map(|run| run["best"][key].as_f64().unwrap()).sum::<f64>() / 2.0
    };
    assert!((mean["best_latency"].as_f64().unwrap() - of("latency")).abs() < 1e-9, "{mean}");
    let text = fs::read_to_string(table.path("table.csv")).unwrap();
    let (header, rows) = text.trim().split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().rev().collect();
    fs::write(table.path("table.csv"), format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    assert_eq!(timeless(json(&more(&table.search("again"), &flags))), timeless(found));
}

#[test]
fn a_training_that_failed_is_tried_again_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let small =
        "--train --algorithm random --budget 2 --image 8 --channels 2 --cells 1 --epochs 1 --train-images 40";
    let search = |out: &str, store: &str, flags: &str| {
        let line = format!("search {small} --batch 20 --store {} --out {} {flags}", path(store), path(out));
        run(&words(&line))
    };
    assert!(search("first", "first.sqlite", "").status.success());
    assert!(
        run(&words(&format!("export {} --to {}", path("first.sqlite"), path("all.csv")))).status.success()
    );
    let mut reader = csv::Reader::from_path(path("all.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let mut writer = csv::Writer::from_path(path("failed.csv")).unwrap();
    writer.write_record(&header).unwrap();
    for row in reader.records().map(Result::unwrap) {
        let cell = |(name, cell): (&str, &str)| match name {
            "state" => "failed".to_owned(),
            "reason" => "the power was off".to_owned(),
            "value" | "payload" | "cost_s" => String::new(),
            _ => cell.to_owned(),
        };
        writer.write_record(header.iter().zip(row.iter()).map(cell)).unwrap();
    }
    writer.flush().unwrap();
    let import = format!("import {} --store {}", path("failed.csv"), path("failed.sqlite"));
    assert!(run(&words(&import)).status.success());
    let once = search("once", "failed.sqlite", "");
    assert!(String::from_utf8_lossy(&once.stderr).contains("the power was off"), "{once:?}");
    let again = search("again", "failed.sqlite", "--retries 1");
    assert!(again.status.success(), "{again:?}");
}

#[test]
fn children_are_rows_of_the_table_in_whatever_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let space = NasBench101;
    let mut rng = Seed(5).stream("first");
    let vertices = |spec: &String| spec.split(',').count();
    let large = (0..200).map(|_| space.sample(&mut rng)).find(|spec| vertices(&spec.to_string()) == 7);
    let first = large.unwrap();
    let near = |arch: &_| space.neighbours(arch);
    let rows: BTreeSet<_> = near(&first).iter().flat_map(near).collect();
    let mut text = String::from("arch,valid\n");
    let mut others = 0;
    for row in rows.iter().take(3_000) {
        let (written, here) = (row.to_string(), renumbered(&row.to_string()));
        others += usize::from(written != here);
        let convolutions = written.matches("conv3x3").count() as f64;
        text += &format!("\"{here}\",{}\n", convolutions - 0.1 * written.matches('1').count() as f64);
    }
    assert!(others > 300, "{others} rows in other words");
    fs::write(path("table.csv"), text).unwrap();
    let of = |grow: u32| {
        let line =
            format!("search --space nas-bench-101 --accuracy {}:valid --candidates 40", path("table.csv"));
        let line =
            format!("{line} --budget 25 --algorithm ours --grow {grow} --out {}", path(&grow.to_string()));
        json(&words(&line))
    };
    let (grown, drawn) = (of(8), of(0));
    assert_eq!((grown["failed"].as_u64(), drawn["failed"].as_u64()), (Some(0), Some(0)));
    let best = |found: &Value| found["best"]["valid"].as_f64().unwrap();
    assert!(best(&grown) > best(&drawn), "{} {}", best(&grown), best(&drawn));
}
