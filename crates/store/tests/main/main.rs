//! Leases against a model, several processes with one of them killed, and every bad file by its words.

#![allow(clippy::unwrap_used, reason = "helpers of tests are no tests to clippy")]

mod bad_files;
mod basics;
mod kills;
mod leases;
mod processes;

use nas_core::Seed;
use store::{Filter, Key, Store};
use tempfile::TempDir;

const ALL: Filter = Filter {
    space: None,
    arch: None,
    metric: None,
    device: None,
    fidelity: None,
    seed: None,
    code_version: None,
};

fn key(arch: impl ToString) -> Key {
    Key {
        space: "letters".into(),
        arch: arch.to_string(),
        metric: "acc".into(),
        device: String::new(),
        fidelity: "epochs=2".into(),
        seed: Seed(0),
        code_version: "1".into(),
    }
}

fn new() -> (TempDir, Store) {
    let dir = TempDir::new().expect("a folder");
    let store = Store::open_or_create(dir.path().join("runs.sqlite")).expect("a store");
    (dir, store)
}
