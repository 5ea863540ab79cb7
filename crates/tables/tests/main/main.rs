//! Tests of what `tables` promises.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are no tests to clippy")]

mod csv_tables;
mod mutations;
mod parquet;
mod pickles;
mod published;
mod real_files;
mod text_forms;

use std::path::PathBuf;

/// The folder of real data beside the workspace; says that a test is skipped where it is not there.
fn shared() -> Option<PathBuf> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.is_dir() {
        println!("skipped: no folder shared beside the workspace");
        return None;
    }
    Some(data)
}

/// A file of `fixtures/tables`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tables").join(name)
}

/// The JSON in such a file.
fn expected(name: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

/// `error` and what is behind it, with one folder taken out.
fn complaint(error: &dyn std::error::Error, folder: &std::path::Path) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(" / {error}");
        source = error.source();
    }
    text.replace(folder.to_str().unwrap(), "DIR")
}
