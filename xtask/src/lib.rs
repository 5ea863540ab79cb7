#![doc = include_str!("../README.md")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to the one who runs it")]

mod ci;
mod files;
mod fixtures;
mod graph;
mod manifests;
mod program;
mod rust_code;
mod texts;
mod tidy;

pub use ci::ci;
pub use files::{File, Finding, list};
pub use fixtures::fixtures;
pub use graph::check_graph;
pub use manifests::check_manifests;
pub use program::hand_over;
pub use rust_code::blank;
pub use texts::check_texts;
pub use tidy::{all_findings, tidy};

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `cargo xtask` prints without a command.
pub const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci                    everything that a change must pass: format, clippy, tests, docs, tidy
  tidy                  checks the rules of the repository that a program can check
  fixtures              lists the scripts that make golden data
  fixtures CRATE/CASE   runs one of them
  --help                this text

Everything else is built in release and handed to the program: cargo xtask search --help
";

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The cargo that runs this, on the manifest of the workspace.
fn cargo(command: &str, root: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.arg(command).arg("--manifest-path").arg(root.join("Cargo.toml"));
    cargo
}
