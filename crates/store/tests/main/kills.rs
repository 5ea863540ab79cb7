//! Four processes write into one store, and one of them is killed at a random moment.
//!
//! `STORE_TEST_ROUNDS=20 STORE_TEST_RECORDS=3000` runs it at the size that LIMITS.md speaks of.

use crate::{ALL, key};
use nas_core::Seed;
use rand::RngExt;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, thread};
use store::{Measured, Store};

fn number(name: &str, default: usize) -> usize {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn writer(folder: &Path, name: &str) -> Child {
    let mut command = Command::new(env::current_exe().expect("this binary"));
    command.args(["--exact", "kills::as_a_writer", "--nocapture"]);
    command.env("STORE_TEST_FOLDER", folder).env("STORE_TEST_WRITER", name).stdout(Stdio::piped());
    command.spawn().expect("a process")
}

/// Not a test of its own: what a process of the test below does. It says what is recorded only when it is.
#[test]
fn as_a_writer() {
    let (Some(folder), Ok(name)) = (env::var_os("STORE_TEST_FOLDER"), env::var("STORE_TEST_WRITER")) else {
        return;
    };
    println!();
    let store = Store::open_or_create(Path::new(&folder).join("runs.sqlite")).expect("a store");
    for i in 0..number("STORE_TEST_RECORDS", 200) {
        let first =
            store.finish(&key(format!("{name} {i:05}")), &Measured::of(i as f64), 0).expect("recorded");
        println!("recorded {name} {i:05} {first}");
    }
}

/// Counts what a process says was recorded, by record and whether it was the first; stops after `most` of them.
fn listen(output: &mut BufReader<ChildStdout>, said: &mut BTreeMap<String, Vec<bool>>, most: usize) {
    for _ in 0..most {
        let mut line = String::new();
        loop {
            line.clear();
            if output.read_line(&mut line).expect("its output") == 0 {
                return;
            }
            if line.starts_with("recorded ") {
                break;
            }
        }
        // a line that was cut off by the kill was no word
        let Some(line) = line.strip_suffix('\n') else { return };
        let (record, first) = line.rsplit_once(' ').expect("a record");
        let record = record.trim_start_matches("recorded ").to_owned();
        said.entry(record).or_default().push(first == "true");
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_and_nothing_is_there_twice() {
    let (rounds, records) = (number("STORE_TEST_ROUNDS", 2), number("STORE_TEST_RECORDS", 200));
    let mut rng = Seed(3).stream("kills");
    let mut before_the_kill = Vec::new();
    for round in 0..rounds {
        let dir = tempfile::TempDir::new().expect("a folder");
        let mut said = BTreeMap::new();
        let mut victim = writer(dir.path(), "victim");
        let mut victim_said = BufReader::new(victim.stdout.take().expect("its output"));
        let others: Vec<_> = ["b", "c", "d"]
            .map(|name| {
                let mut child = writer(dir.path(), name);
                let mut output = BufReader::new(child.stdout.take().expect("its output"));
                thread::spawn(move || {
                    let mut said = BTreeMap::new();
                    listen(&mut output, &mut said, usize::MAX);
                    assert!(child.wait().expect("its end").success());
                    said
                })
            })
            .into();
        listen(&mut victim_said, &mut said, rng.random_range(0..records));
        thread::sleep(Duration::from_micros(rng.random_range(0..3_000)));
        victim.kill().expect("SIGKILL");
        victim.wait().expect("its end");
        // what it had said before
        listen(&mut victim_said, &mut said, usize::MAX);
        before_the_kill.push(said.len());

        // at once, with the others still writing: everything acknowledged is there
        let store = Store::open(dir.path().join("runs.sqlite")).expect("a store");
        let there: BTreeMap<String, f64> =
            store.results(&ALL).expect("results").into_iter().map(|(key, m)| (key.arch, m.value)).collect();
        assert!(said.keys().all(|record| there.contains_key(record)), "round {round}: something is lost");

        // it begins again, and finds what it had done
        let mut again = writer(dir.path(), "victim");
        let mut output = BufReader::new(again.stdout.take().expect("its output"));
        listen(&mut output, &mut said, usize::MAX);
        assert!(again.wait().expect("its end").success());
        for other in others {
            said.extend(other.join().expect("no panic"));
        }
        assert_eq!(said.len(), 4 * records, "round {round}");
        let mut unsaid = 0;
        for (record, firsts) in &said {
            let firsts = firsts.iter().filter(|first| **first).count();
            assert!(firsts <= 1, "round {round}: {record} was recorded twice");
            unsaid += 1 - firsts;
        }
        // at most one was written and not acknowledged when the kill came
        assert!(unsaid <= 1, "round {round}: {unsaid}");
        let results = store.results(&ALL).expect("results");
        assert_eq!(results.len(), 4 * records, "round {round}");
        for (key, measured) in results {
            let number = key.arch.rsplit_once(' ').expect("a record").1;
            assert_eq!(number.parse(), Ok(measured.value), "round {round}: {}", key.arch);
        }
        store.check().expect("a sound file");
    }
    println!("records acknowledged before the kill: {before_the_kill:?} of {records}");
}
