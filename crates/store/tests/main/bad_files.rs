use crate::{ALL, key, new};
use nas_core::Seed;
use rand::RngExt;
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};
use store::{Measured, Store, StoreError};
use tempfile::TempDir;

/// What opening says, the file's own path cut off.
fn complaint(file: &Path) -> String {
    let error = Store::open_or_create(file).expect_err("an error");
    error.to_string().replace(&file.display().to_string(), "FILE")
}

#[test]
fn a_store_of_another_version() {
    let (dir, store) = new();
    let file = dir.path().join("runs.sqlite");
    drop(store);
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let expected =
        "FILE is a run store of version 7, expected version 1: use the release that made it, or a new file";
    assert_eq!(complaint(&file), expected);
    assert!(matches!(Store::open(&file), Err(StoreError::OtherVersion { found: 7, expected: 1, .. })));
}

#[test]
fn files_that_are_no_store() {
    let dir = TempDir::new().unwrap();
    let text = dir.path().join("notes.txt");
    fs::write(&text, "not a database, whatever its length: ".repeat(100)).unwrap();
    assert_eq!(complaint(&text), "FILE is not an SQLite file: name a run store, or a new file");

    let other = dir.path().join("other.sqlite");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE note (text TEXT)").unwrap();
    let expected = "FILE is an SQLite file, but not a run store: name a run store, or a new file";
    assert_eq!(complaint(&other), expected);

    let empty = dir.path().join("empty.sqlite");
    fs::write(&empty, "").unwrap();
    assert!(matches!(Store::open(&empty), Err(StoreError::NotAStore { .. })));
    // somebody may be about to make it one
    let slow = dir.path().join("slow.sqlite");
    fs::write(&slow, "").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            Store::open_or_create(&slow).unwrap();
        });
        Store::open(&slow).unwrap();
    });
    // what a process leaves that was killed before it made the tables
    Store::open_or_create(&empty).unwrap().finish(&key("a"), &Measured::of(1.0), 0).unwrap();

    let nowhere = dir.path().join("nowhere.sqlite");
    let error = Store::open(&nowhere).unwrap_err().to_string();
    assert!(error.starts_with("there is no store ") && error.contains("check the path"), "{error}");
    assert!(!nowhere.exists());
    assert!(complaint(&dir.path().join("no/folder.sqlite")).starts_with("cannot open or make FILE"));
    assert!(complaint(dir.path()).starts_with("cannot open or make FILE"));
    assert!(complaint(&text.join("below")).starts_with("cannot open or make FILE"));
}

/// Not a test of its own: what a process of the test below does, in a folder of its own.
#[cfg(unix)]
#[test]
fn as_one_who_names_files_strangely() {
    if std::env::var_os("STORE_TEST_STRANGE").is_none() {
        return;
    }
    for name in [":memory:", "file:x", "file:y?mode=memory"] {
        Store::open_or_create(name).unwrap().finish(&key("a"), &Measured::of(1.0), 0).unwrap();
        assert_eq!(Store::open(name).unwrap().results(&ALL).unwrap().len(), 1, "{name}");
        assert!(fs::metadata(name).unwrap().len() > 0, "{name}");
    }
}

/// SQLite has a meaning of its own for these, in which nothing would be kept, or somewhere else.
#[cfg(unix)]
#[test]
fn names_that_sqlite_takes_otherwise_are_files() {
    let dir = TempDir::new().unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "bad_files::as_one_who_names_files_strangely", "--nocapture"]);
    let there = command.env("STORE_TEST_STRANGE", "").current_dir(dir.path()).output().unwrap();
    assert!(there.status.success(), "{}", String::from_utf8_lossy(&there.stderr));
    assert_eq!(fs::read_dir(dir.path()).unwrap().filter(|entry| entry.is_ok()).count(), 3);
}

#[test]
fn a_store_without_a_name_is_refused() {
    let error = Store::open_or_create("").unwrap_err();
    assert!(matches!(error, StoreError::NoLog { .. }), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written() {
    // of the system itself: there even root may not
    let system = Path::new("/sys/kernel");
    if system.is_dir() {
        assert!(complaint(&system.join("runs.sqlite")).starts_with("cannot open or make FILE"));
    }
    let (dir, store) = new();
    drop(store);
    let file = dir.path().join("runs.sqlite");
    read_only(&file, true);
    if fs::OpenOptions::new().write(true).open(&file).is_ok() {
        println!("skipped: this user may write files that are read-only");
    } else {
        let expected = "FILE cannot be written: allow writing to the file and its folder, or copy it";
        assert_eq!(complaint(&file), expected);
        read_only(&file, false);
        read_only(dir.path(), true);
        let error = Store::open(&file).map(drop).unwrap_err();
        assert!(matches!(error, StoreError::Open { .. } | StoreError::ReadOnly { .. }), "{error}");
        read_only(dir.path(), false);
    }
    read_only(&file, false);
}

fn read_only(path: &Path, yes: bool) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    permissions.set_readonly(yes);
    fs::set_permissions(path, permissions).unwrap();
}

/// A store of some pages, closed, as bytes.
fn full() -> (TempDir, Vec<u8>) {
    let (dir, store) = new();
    store.submit(&(0..200).map(|i| key(format!("{i:0>100}"))).collect::<Vec<_>>(), 0).unwrap();
    let held = store.claim("me", &ALL, 100, 0, Duration::from_secs(1)).unwrap();
    for (i, lease) in held.iter().enumerate().skip(1) {
        store
            .finish(&lease.key, &Measured { payload: Some("[1, 2]".into()), ..Measured::of(i as f64) }, 1)
            .unwrap();
    }
    store.save(&held[0], &[7; 20_000]).unwrap();
    drop(store);
    let bytes = fs::read(dir.path().join("runs.sqlite")).unwrap();
    (dir, bytes)
}

/// Everything that a program does with a store.
fn use_it(file: &Path) -> Result<(), StoreError> {
    let store = Store::open(file)?.wait_at_most(Duration::ZERO)?;
    store.rows(&ALL, 0)?;
    store.results(&ALL)?;
    store.counts(&ALL, 0)?;
    for i in 0..10 {
        let key = key(format!("{i:0>100}"));
        store.get(&key, 0)?;
        store.checkpoint(&key)?;
    }
    store.submit(&[key("new")], 0)?;
    for lease in store.claim("me", &ALL, 5, 10_000, Duration::from_secs(1))? {
        store.save(&lease, b"half")?;
        store.finish(&lease.key, &Measured::of(1.0), 10_001)?;
    }
    store.check()
}

#[test]
fn a_truncated_store_is_an_error_at_every_length() {
    let (dir, bytes) = full();
    let file = dir.path().join("cut.sqlite");
    for length in (1..bytes.len()).step_by(1_021) {
        fs::write(&file, &bytes[..length]).unwrap();
        let opened = Store::open_or_create(&file).and_then(|store| store.check());
        assert!(opened.is_err(), "{length}: taken for a whole one, or for none");
        fs::write(&file, &bytes[..length]).unwrap();
        let error = use_it(&file).expect_err("an error").to_string();
        let known = ["is damaged or cut off (", "is not an SQLite file"];
        assert!(known.iter().any(|words| error.contains(words)), "{length}: {error}");
    }
    let _ = remove_all(&file);
    fs::write(&file, &bytes).unwrap();
    use_it(&file).unwrap();
}

#[test]
fn a_damaged_store_never_panics() {
    let (dir, bytes) = full();
    let mut rng = Seed(0).stream("damage");
    let mut refused = 0;
    for round in 0..150 {
        let file = dir.path().join("damaged.sqlite");
        remove_all(&file).unwrap();
        let mut damaged = bytes.clone();
        for _ in 0..rng.random_range(1..200_u32) {
            let at = rng.random_range(0..damaged.len() as u64) as usize;
            // every other time in the first page, where the structure is
            let at = if round % 2 == 0 { at } else { at % 4_096 };
            damaged[at] = rng.random();
        }
        fs::write(&file, &damaged).unwrap();
        refused += usize::from(use_it(&file).is_err());
    }
    assert!(refused > 100, "{refused} of 150");
}

/// Removes a store with its log.
fn remove_all(file: &Path) -> io::Result<()> {
    for end in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(format!("{}{end}", file.display())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
