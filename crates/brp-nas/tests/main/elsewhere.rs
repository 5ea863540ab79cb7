//! Work on other machines: with programs that answer as Slurm's do, and with the real one where it is installed.

use crate::documented;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

/// A small training.
const SMALL: [&str; 16] = [
    "--image",
    "8",
    "--channels",
    "4",
    "--cells",
    "1",
    "--train-images",
    "60",
    "--validation",
    "20",
    "--epochs",
    "2",
    "--batch",
    "20",
    "--rate",
    "0.1",
];

/// Runs the tasks of an array at once, one after the other; a task that is listed in `lost` is lost when it first
/// comes.
const SBATCH: &str = r#"
[ -e refuse ] && { cat refuse >&2; exit 1; }
for word; do
    case $word in
    --array=*) list=$(echo "${word#--array=}" | tr , ' ') ;;
    --*) ;;
    *) if [ -z "$script" ]; then script=$word; else array=$word; fi ;;
    esac
done
echo "$@" >>said
for part in $list; do
    for number in $(seq "${part%-*}" "${part#*-}"); do
        if grep -qx "$array/$number" lost 2>/dev/null; then
            sed -i "\#^$array/$number\$#d" lost
        else
            SLURM_ARRAY_TASK_ID=$number sh "$script" "$array" >>log 2>&1
        fi
    done
done
echo 1
"#;

struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        site.program("sbatch", SBATCH);
        site.program("squeue", "cat queue 2>/dev/null || true");
        site.program("scontrol", "echo 'MaxArraySize            = 1001'");
        site
    }

    fn program(&self, name: &str, script: &str) {
        let file = self.path(name);
        fs::write(&file, format!("#!/bin/sh\ncd {}\n{script}\n", self.folder.path().display())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_brp-nas"));
        command.args(args).env("PATH", path).current_dir(self.folder.path()).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        documented(args[0], &self.run(&[args, &["--format", "json"]].concat()))
    }

    fn fails(&self, args: &[&str], status: i32, said: &[&str]) {
        let output = self.run(args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {error}");
        said.iter().for_each(|part| assert!(error.contains(part), "{args:?}: {part:?} is not in {error}"));
    }

    fn submit(&self, flags: &[&str], command: &[&str]) -> Value {
        let flags = [&["submit", "slurm", "work", "--format", "json"], flags, &["--"], command].concat();
        documented("submit", &self.run(&flags))
    }
}

fn train<'a>(extra: &[&'a str]) -> Vec<&'a str> {
    [&["train"], extra, &SMALL].concat()
}

/// Every unit of a store, without times and owners, in order.
fn units(store: &Path) -> Vec<String> {
    let exported = store.with_extension("csv");
    let args = ["export".into(), store.display().to_string(), "--to".into(), exported.display().to_string()];
    assert!(Command::new(env!("CARGO_BIN_EXE_brp-nas")).args(args).output().unwrap().status.success());
    let mut reader = csv::Reader::from_path(&exported).unwrap();
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (payload, free) = (at("payload"), ["cost_s", "owner", "tries", "at_ms"].map(at));
    let mut units = Vec::new();
    for row in reader.records() {
        let mut row: Vec<String> = row.unwrap().iter().map(String::from).collect();
        if let Ok(mut value) = serde_json::from_str::<Value>(&row[payload]) {
            value.as_object_mut().unwrap().remove("seconds");
            row[payload] = value.to_string();
        }
        free.iter().for_each(|at| row[*at].clear());
        units.push(row.join("|"));
    }
    units
}

#[test]
fn work_in_tasks_is_work_in_one_piece_to_the_last_bit() {
    let site = Site::new();
    fs::write(site.path("lost"), "0/1\n0/4\n").unwrap();
    let standing = site.submit(
        &["--chunk", "4", "--sbatch=--partition=p"],
        &train(&["--sample", "6", "--store", "far.sqlite"]),
    );
    // 1 was lost; 4 is the first of the second array
    assert_eq!((standing["done"].as_u64(), standing["missing"].as_u64()), (Some(5), Some(1)));
    let said = fs::read_to_string(site.path("said")).unwrap();
    assert!(said.contains("--array=0-3 ") && said.contains("--array=0-1 "), "{said}");
    assert!(said.contains("/logs/%x_%a.log --open-mode=append --partition=p"), "{said}");
    // what is missing is handed over again, and nothing else
    let standing = site.json(&["submit", "slurm", "work"]);
    assert_eq!((standing["done"].as_u64(), standing["missing"].as_u64()), (Some(6), Some(0)));
    assert!(fs::read_to_string(site.path("said")).unwrap().lines().last().unwrap().contains("--array=1 "));
    let taken = site.json(&["collect", "work"]);
    assert_eq!((taken["results"].as_u64(), taken["taken"].as_u64()), (Some(6), Some(6)));
    let again = site.json(&["collect", "work"]);
    assert_eq!((again["taken"].as_u64(), again["there"].as_u64()), (Some(0), Some(6)));
    // a task that is done is not done again, and one that is done again comes to the same
    let before = fs::read(site.path("work/results/0/2.json")).unwrap();
    assert_eq!(site.json(&["worker", "work", "--task", "2"])["found"], 1);
    assert_eq!(fs::read(site.path("work/results/0/2.json")).unwrap(), before);
    site.json(&train(&["--sample", "6", "--store", "near.sqlite", "--out", "near"]));
    assert_eq!(units(&site.path("far.sqlite")), units(&site.path("near.sqlite")));
    assert_eq!(site.json(&["status", "work"])["done"], 6);
}

#[test]
fn scores_and_latencies_are_tasks_too() {
    let site = Site::new();
    let score = [
        "score",
        "--sample",
        "5",
        "--channels",
        "2",
        "--cells",
        "1",
        "--image",
        "8",
        "--batch",
        "6",
        "--proxies",
        "snip,synflow",
    ];
    site.submit(&["--pack", "2"], &[&score[..], &["--store", "far.sqlite"]].concat());
    assert_eq!(site.json(&["collect", "work"])["taken"], 10);
    site.json(&[&score[..], &["--store", "near.sqlite", "--out", "near"]].concat());
    assert_eq!(units(&site.path("far.sqlite")), units(&site.path("near.sqlite")));

    fs::remove_dir_all(site.path("work")).unwrap();
    let devices = "[device.board]\nsbatch = [\"--partition=boards\", \"--nodelist=b1\"]\n";
    fs::write(site.path("devices.toml"), devices).unwrap();
    let measure = [
        "measure",
        "--sample",
        "3",
        "--group",
        "2",
        "--channels",
        "2",
        "--cells",
        "1",
        "--image",
        "8",
        "--precision",
        "90",
    ];
    let measure = [&measure[..], &["--device", "board", "--store", "latency.sqlite"]].concat();
    site.submit(&["--devices", "devices.toml"], &measure);
    let said = fs::read_to_string(site.path("said")).unwrap();
    assert!(said.contains("--partition=boards --nodelist=b1 --exclusive"), "{said}");
    // three networks in two groups, and the one reference that the first of them measured
    let taken = site.json(&["collect", "work"]);
    assert_eq!((taken["results"].as_u64(), taken["damaged"].as_array().unwrap().len()), (Some(2), 0));
    let rows = units(&site.path("latency.sqlite"));
    assert_eq!(rows.iter().filter(|row| row.contains("|reference_ms|")).count(), 1, "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.contains("|latency_ms|")).count(), 3, "{rows:?}");
    let other = [&measure[..], &["--device", "phone"]].concat();
    let flags = [&["submit", "slurm", "work2", "--devices", "devices.toml", "--"], &other[..]].concat();
    site.fails(&flags, 2, &["no device `phone`", "board"]);
}

#[test]
fn a_result_that_is_damaged_or_of_other_work_is_not_taken_and_done_again() {
    let site = Site::new();
    site.submit(&[], &train(&["--sample", "4", "--store", "far.sqlite"]));
    let file = |task: u64| site.path(&format!("work/results/0/{task}.json"));
    let whole = fs::read_to_string(file(0)).unwrap();
    fs::write(file(0), &whole[..whole.len() / 2]).unwrap();
    fs::write(file(1), whole.replace("\"epochs", "\"epoch5")).unwrap();
    fs::write(file(2), &whole).unwrap();
    let output = site.run(&["collect", "work", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let taken: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((taken["results"].as_u64(), taken["taken"].as_u64()), (Some(1), Some(1)));
    let damaged = taken["damaged"].to_string();
    for part in ["cut short", "its checksum is another one", "of another task or other settings"] {
        assert!(damaged.contains(part), "{damaged}");
    }
    let standing = site.json(&["submit", "slurm", "work"]);
    assert_eq!((standing["done"].as_u64(), standing["damaged"].as_u64()), (Some(4), Some(0)));
    assert_eq!(site.json(&["collect", "work"])["taken"], 3);
    // another version would come to other results
    let work = fs::read_to_string(site.path("work/work.json")).unwrap();
    fs::write(site.path("work/work.json"), work.replace(env!("CARGO_PKG_VERSION"), "9.9.9")).unwrap();
    site.fails(&["worker", "work", "--task", "0"], 2, &["of version 9.9.9", env!("CARGO_PKG_VERSION")]);
}

#[test]
fn what_cannot_be_handed_over_is_said_and_nothing_is_lost() {
    let site = Site::new();
    let command = train(&["--sample", "3"]);
    let submit = |folder: &'static str| [&["submit", "slurm", folder, "--"], &command[..]].concat();
    fs::write(site.path("refuse"), "sbatch: error: invalid partition specified: gone\n").unwrap();
    site.fails(&submit("work"), 2, &["invalid partition specified: gone", "sinfo"]);
    fs::write(site.path("refuse"), "sbatch: error: QOSMaxSubmitJobPerUserLimit\n").unwrap();
    let standing = site.json(&["submit", "slurm", "work"]);
    assert_eq!(standing["missing"], 3);
    fs::remove_file(site.path("refuse")).unwrap();
    assert_eq!(site.json(&["submit", "slurm", "work"])["done"], 3);
    // other work in the same folder, commands that are none, tasks that are none, no Slurm
    let other = train(&["--sample", "4"]);
    site.fails(&[&["submit", "slurm", "work", "--"], &other[..]].concat(), 2, &["holds other work"]);
    site.fails(&["submit", "slurm", "new", "--", "enumerate"], 2, &["expected train, score or measure"]);
    site.fails(&["submit", "slurm", "new", "--", "train", "--sampel", "3"], 2, &["--sampel"]);
    site.fails(&["submit", "slurm", "new"], 2, &["is no work folder"]);
    site.fails(&["worker", "work", "--task", "3"], 2, &["no task 3"]);
    site.fails(&["worker", "work", "--task", "1-x"], 2, &["--task", "1-x"]);
    for (flag, value) in [("--pack", "0"), ("--chunk", "2000"), ("--chunk", "0")] {
        let args = [&["submit", "slurm", "new", flag, value, "--"], &command[..]].concat();
        site.fails(&args, 2, &[flag, value]);
    }
    fs::remove_file(site.path("scontrol")).unwrap();
    if !installed("scontrol") {
        site.fails(&submit("new"), 2, &["there is no `scontrol`", "login nodes"]);
    }
    assert!(!site.path("new").exists());
}

#[test]
fn a_search_on_slurm_is_the_search_of_here() {
    let site = Site::new();
    let search = |out: &'static str, more: &[&'static str]| {
        let base = [
            "search",
            "--train",
            "--algorithm",
            "evolution",
            "--pool",
            "3",
            "--tournament",
            "2",
            "--budget",
            "7",
        ];
        let flags = ["--in-flight", "2", "--out", out, "--seed", "3"];
        [&base[..], &flags, &SMALL, more].concat()
    };
    let trials = |out: &str| -> Vec<(Value, Value, Value)> {
        let text = fs::read_to_string(site.path(out).join("trials.jsonl")).unwrap();
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["number"].clone(), line["arch"].clone(), line["result"]["Ok"]["value"].clone())
        };
        text.lines().map(line).collect()
    };
    fs::write(site.path("lost"), "0/2\n").unwrap();
    let slurm = site.json(&search("far", &["--evaluate", "slurm", "--sbatch=--partition=p"]));
    let here = site.json(&search("near", &["--evaluate", "here"]));
    assert_eq!(slurm["trained"].as_array().unwrap().len(), 7);
    assert_eq!(slurm["best"]["arch"], here["best"]["arch"]);
    assert_eq!(trials("far"), trials("near"));
    // cut off after three trials, it goes on with what its tasks left
    let text = fs::read_to_string(site.path("far/trials.jsonl")).unwrap();
    let three: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
    fs::write(site.path("far/trials.jsonl"), three).unwrap();
    fs::remove_file(site.path("said")).unwrap();
    site.json(&["search", "--resume", "./far"]);
    assert_eq!(trials("far"), trials("near"));
    assert!(!site.path("said").exists(), "something was trained again");
    // another search of the same store hands over nothing that is in it
    let known = site.json(&search("known", &["--evaluate", "slurm", "--store", "far/store.sqlite"]));
    assert_eq!(known["best"]["arch"], here["best"]["arch"]);
    assert!(!site.path("said").exists(), "something was trained again");
    let come = site.json(&search("come", &["--as-they-come", "--evaluate", "here"]));
    assert_eq!(come["as_they_come"], true);
    for (flags, said) in [
        (vec!["search", "--accuracy", "a.csv:b", "--evaluate", "slurm"], "--train --evaluate slurm"),
        (search("new", &["--sbatch=-x"]), "--sbatch is for trainings elsewhere"),
        (search("new", &["--evaluate", "slurm", "--retries", "2"]), "--retries is for trainings here"),
    ] {
        site.fails(&flags, 2, &[said]);
    }
}

fn installed(program: &str) -> bool {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    folders.iter().any(|folder| Path::new(folder).join(program).exists())
}

/// A Slurm of this machine, ended with the test.
struct Slurm {
    folder: TempDir,
}

impl Slurm {
    /// None where it is not installed, or only root could start it.
    #[expect(clippy::print_stderr, reason = "what is skipped is said")]
    fn start() -> Option<Self> {
        if !["slurmctld", "slurmd", "munged", "sbatch"].iter().all(|program| installed(program)) {
            eprintln!("skipped: Slurm is not installed (Debian: slurm-wlm, munge)");
            return None;
        }
        if Command::new("id").arg("-u").output().unwrap().stdout != b"0\n" {
            eprintln!("skipped: only root can start the daemons of Slurm");
            return None;
        }
        // paths of sockets are short
        let folder = tempfile::Builder::new().prefix("slurm").tempdir_in("/tmp").unwrap();
        let slurm = Self { folder };
        match slurm.try_script(&["start"]) {
            Ok(()) => Some(slurm),
            Err(said) => {
                eprintln!("skipped: Slurm is installed, but its daemons do not start here: {said}");
                None
            }
        }
    }

    fn script(&self, what: &[&str]) {
        self.try_script(what).unwrap_or_else(|said| panic!("{what:?}: {said}"));
    }

    fn try_script(&self, what: &[&str]) -> Result<(), String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cluster/slurm/cluster.sh");
        let mut command = Command::new("sh");
        command.arg(script).arg(what[0]).arg(self.folder.path()).args(&what[1..]);
        // the daemons keep what they inherit, so nothing may wait for its end
        let log = fs::File::create(self.folder.path().join("script.log")).unwrap();
        let status =
            command.stdout(log.try_clone().unwrap()).stderr(log).stdin(std::process::Stdio::null()).status();
        let said = || fs::read_to_string(self.folder.path().join("script.log")).unwrap_or_default();
        if status.unwrap().success() { Ok(()) } else { Err(said()) }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brp-nas"));
        command.args(args).current_dir(self.folder.path());
        command.env("SLURM_CONF", self.folder.path().join("slurm.conf"));
        command
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        self.script(&["stop"]);
    }
}

/// 200 trainings; in the middle of them a node is killed with all that runs on it, at another moment in each round, and
/// comes back. `SLURM_TEST_ROUNDS` says how many rounds; in the third, Slurm is left to notice by itself, which takes it
/// minutes.
#[test]
fn a_real_slurm_loses_a_node_and_no_result() {
    let Some(slurm) = Slurm::start() else { return };
    let near = slurm.folder.path().join("near.sqlite");
    // so long that a node has something to lose
    let trainings = [&train(&["--sample", "200"])[..], &["--epochs", "12"]].concat();
    let here = [&trainings[..], &["--store", "near.sqlite", "--out", "near"]].concat();
    assert!(slurm.command(&here).output().unwrap().status.success());
    let expected = units(&near);
    assert_eq!(expected.len(), 200);
    let rounds = std::env::var("SLURM_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for (round, (moment, how)) in
        [(2_300, "task"), (700, "task"), (4_900, "whole")].into_iter().enumerate().take(rounds)
    {
        let (folder, store) = (format!("work{round}"), format!("far{round}.sqlite"));
        let submit = ["submit", "slurm", &folder, "--pack", "5", "--wait", "true", "--format", "json", "--"];
        let submit = [&submit[..], &trainings, &["--store", &store]].concat();
        let mut command = slurm.command(&submit);
        // a Slurm that is stuck is no reason to wait for ever
        let mut patience = 6_000;
        let mut waiting = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let results = slurm.folder.path().join(&folder).join("results");
        while !results.exists() && patience > 0 {
            std::thread::sleep(Duration::from_millis(100));
            patience -= 1;
        }
        std::thread::sleep(Duration::from_millis(moment));
        slurm.script(&["kill", "n2", how]);
        std::thread::sleep(Duration::from_secs(1));
        slurm.script(&["node", "n2"]);
        while waiting.try_wait().unwrap().is_none() && patience > 0 {
            std::thread::sleep(Duration::from_millis(100));
            patience -= 1;
        }
        if patience == 0 {
            waiting.kill().unwrap();
        }
        let output = waiting.wait_with_output().unwrap();
        assert!(patience > 0, "round {round} takes too long: {}", String::from_utf8_lossy(&output.stderr));
        let taken = documented("submit", &output);
        assert_eq!(
            (taken["taken"].as_u64(), taken["damaged"].as_array().map(Vec::len)),
            (Some(200), Some(0))
        );
        assert_eq!(units(&slurm.folder.path().join(&store)), expected, "round {round}");
    }
}
