//! Several processes on one store: this binary runs itself, with one test as the worker.

use crate::{ALL, key, new};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};
use std::{env, thread};
use store::{Counts, Measured, State, Store};

const UNITS: usize = 40;
const LEASE: Duration = Duration::from_secs(60);
/// Generous, so that a hanging test ends.
const DEADLINE: Duration = Duration::from_secs(300);

/// The clock of the workers: it jumps beyond every lease when the file `later` appears.
fn now(folder: &Path) -> u64 {
    if folder.join("later").exists() { 1_000_000 } else { 1_000 }
}

fn worker(folder: &Path, name: &str) -> Child {
    let mut command = Command::new(env::current_exe().expect("this binary"));
    command.args(["--exact", "processes::as_a_worker", "--nocapture"]);
    command.env("STORE_TEST_FOLDER", folder).env("STORE_TEST_WORKER", name).stdout(Stdio::piped());
    command.spawn().expect("a process")
}

/// Not a test of its own: what a process of the test below does.
#[test]
fn as_a_worker() {
    let (Some(folder), Ok(name)) = (env::var_os("STORE_TEST_FOLDER"), env::var("STORE_TEST_WORKER")) else {
        return;
    };
    let folder = Path::new(&folder);
    // where tests run one after another, the line begins with the name of this one
    println!();
    let store = Store::open_or_create(folder.join("runs.sqlite")).expect("a store");
    // all of them submit the same work
    store.submit(&(0..UNITS).map(|i| key(format!("{i:02}"))).collect::<Vec<_>>(), 0).expect("submitted");
    let mut done = 0;
    loop {
        // so that something is left for the victim, however slowly it runs
        if name != "victim" && done == 10 && !folder.join("killed").exists() {
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        let now_ms = now(folder);
        let Some(mut held) = store.claim(&name, &ALL, 1, now_ms, LEASE).expect("an answer").pop() else {
            let counts = store.counts(&ALL, now_ms).expect("counts");
            if counts.missing + counts.running == 0 {
                return;
            }
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        let first = store.checkpoint(&held.key).expect("an answer").map_or(0, |bytes| bytes[0]);
        for epoch in first..3 {
            println!("epoch {} {epoch}", held.key.arch);
            thread::sleep(Duration::from_millis(2));
            store.save(&held, &[epoch + 1]).expect("saved");
            store.renew(&mut held, now(folder), LEASE).expect("held");
            if name == "victim" && done == 2 && epoch == 1 {
                println!("holding {}", held.key.arch);
                thread::sleep(DEADLINE);
            }
        }
        let value = held.key.arch.parse().expect("a number");
        let recorded = store.finish(&held.key, &Measured::of(value), now(folder)).expect("recorded");
        println!("finish {} {recorded}", held.key.arch);
        done += 1;
    }
}

#[test]
fn four_processes_one_of_them_killed_do_every_unit_once() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let mut victim = worker(dir.path(), "victim");
    let mut victim_said = BufReader::new(victim.stdout.take().expect("its output"));
    let mut others: Vec<Child> = ["b", "c", "d"].map(|name| worker(dir.path(), name)).into();

    let mut said = String::new();
    while !said.contains("holding ") {
        let read = victim_said.read_line(&mut said).expect("its output");
        assert!(read > 0, "the victim ended before it was killed: {said}");
    }
    victim.kill().expect("SIGKILL");
    victim.wait().expect("its end");
    std::fs::write(dir.path().join("killed"), "").expect("a file");
    let held = said.rsplit("holding ").next().expect("a unit").trim().to_owned();

    // the others do all the rest, and what the dead one holds stays its own as long as its lease runs
    let store = Store::open(dir.path().join("runs.sqlite")).expect("a store");
    let started = Instant::now();
    loop {
        let counts = store.counts(&ALL, 1_000).expect("counts");
        if counts.done == UNITS as u64 - 1 {
            assert_eq!((counts.running, counts.missing), (1, 0));
            break;
        }
        assert!(started.elapsed() < DEADLINE, "{counts:?}");
        thread::sleep(Duration::from_millis(5));
    }
    let row = store.get(&key(&held), 1_000).expect("an answer").expect("a row");
    assert!(matches!(row.state, State::Running { ref owner, .. } if owner == "victim"), "{row:?}");
    std::fs::write(dir.path().join("later"), "").expect("a file");

    for other in &mut others {
        let mut output = String::new();
        other.stdout.take().expect("its output").read_to_string(&mut output).expect("text");
        assert!(other.wait().expect("its end").success(), "{output}");
        said.push_str(&output);
    }
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    let ours = |line: &&str| line.starts_with("epoch ") || line.starts_with("finish ");
    said.lines().filter(ours).for_each(|line| *lines.entry(line).or_default() += 1);
    for unit in (0..UNITS).map(|i| format!("{i:02}")) {
        // the killed one had saved its second epoch, so that even its epochs were done once
        for epoch in 0..3 {
            assert_eq!(lines.remove(format!("epoch {unit} {epoch}").as_str()), Some(1), "{unit}");
        }
        assert_eq!(lines.remove(format!("finish {unit} true").as_str()), Some(1), "{unit}");
    }
    assert!(lines.is_empty(), "done twice: {lines:?}");

    let results = store.results(&ALL).expect("results");
    let values: Vec<f64> = results.iter().map(|(_, result)| result.value).collect();
    assert_eq!(values, (0..UNITS).map(|i| i as f64).collect::<Vec<_>>());
    let again = store.rows(&ALL, 0).expect("rows").into_iter().filter(|row| row.tries > 1);
    assert_eq!(again.map(|row| row.key.arch).collect::<Vec<_>>(), [held]);
    store.check().expect("a sound file");
}

#[test]
fn many_threads_make_and_fill_one_store_at_once() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let file = dir.path().join("runs.sqlite");
    thread::scope(|scope| {
        for thread in 0..8 {
            let file = &file;
            scope.spawn(move || {
                let store = Store::open_or_create(file).expect("a store");
                for i in 0..10 {
                    let new = store.finish(&key(format!("{thread} {i}")), &Measured::of(1.0), 0);
                    assert!(new.expect("recorded"));
                }
            });
        }
    });
    let counts = Store::open(&file).unwrap().counts(&ALL, 0).unwrap();
    assert_eq!(counts, Counts { done: 80, ..Counts::default() });
}

#[test]
fn who_opens_while_another_makes_it_never_sees_half_a_store() {
    let dir = tempfile::TempDir::new().expect("a folder");
    for round in 0..50 {
        let file = dir.path().join(format!("{round}.sqlite"));
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    Store::open_or_create(&file).map(drop).expect("a store");
                });
            }
        });
    }
}

#[test]
fn who_waits_too_long_for_a_writer_is_told() {
    let (dir, store) = new();
    let file = dir.path().join("runs.sqlite");
    let holder = rusqlite::Connection::open(&file).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let store = store.wait_at_most(Duration::from_millis(50)).unwrap();
    let error = store.finish(&key("a"), &Measured::of(1.0), 0).unwrap_err().to_string();
    assert!(error.contains("was locked by others for 0.05 s: look for a program that holds it"), "{error}");
    // readers do not wait, and the next writer gets through as soon as the first is done
    assert_eq!(store.results(&ALL).unwrap(), []);
    let store = store.wait_at_most(DEADLINE).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || store.finish(&key("a"), &Measured::of(1.0), 0));
        thread::sleep(Duration::from_millis(20));
        holder.execute_batch("COMMIT").unwrap();
        assert!(waiting.join().expect("no panic").unwrap());
    });
}
