//! Tests of what `tables` promises.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are no tests to clippy")]

mod csv_tables;
mod mutations;
mod parquet;
mod published;
mod real_files;
mod text_forms;

use nas_core::{ParseArchError, SearchSpace, Stream};
use std::path::PathBuf;

/// A space in which every text but `bad` is an architecture.
struct Texts;

impl SearchSpace for Texts {
    type Arch = String;

    fn name(&self) -> &str {
        "texts"
    }

    fn len(&self) -> Option<u64> {
        None
    }

    fn sample(&self, _: &mut Stream) -> String {
        String::new()
    }

    fn mutate(&self, arch: &String, _: &mut Stream) -> String {
        arch.clone()
    }

    fn neighbours(&self, _: &String) -> Vec<String> {
        Vec::new()
    }

    fn parse(&self, text: &str) -> Result<String, ParseArchError> {
        match text {
            "bad" => Err(ParseArchError::at("texts", text, 0, "anything else")),
            _ => Ok(text.into()),
        }
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = String> + '_>> {
        None
    }
}

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
