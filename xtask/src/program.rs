use crate::cargo;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const PROGRAM: &str = "brp-nas";

/// Builds the program in release and runs it with `args`, in the folder of the one who calls.
///
/// On Unix the program takes the place of this process, so its exit status and signals are its own, and a
/// signal sent here reaches it; elsewhere its exit status is passed on.
///
/// # Errors
/// A program that cannot be built or started.
pub fn hand_over(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    let program = build(root)?;
    let mut command = Command::new(&program);
    command.args(args);
    #[cfg(unix)]
    {
        let error = std::os::unix::process::CommandExt::exec(&mut command);
        Err(error).with_context(|| format!("cannot run {}", program.display()))
    }
    #[cfg(not(unix))]
    {
        let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

/// Builds the program and returns where cargo put it.
fn build(root: &Path) -> Result<PathBuf> {
    let mut build = cargo("build", root);
    build.args(["--release", "--package", PROGRAM]);
    // a person sees the progress; a script sees only what went wrong
    if !std::io::stderr().is_terminal() {
        build.arg("--quiet");
    }
    put(build)
}

/// The program that the tests of the workspace ran.
///
/// # Errors
/// Tests that cannot be built.
pub(crate) fn tested(root: &Path) -> Result<PathBuf> {
    let mut test = cargo("test", root);
    test.args(["--workspace", "--all-features", "--no-run", "--quiet"]);
    put(test)
}

/// Where cargo puts the program, whatever target folder is set.
fn put(mut cargo: Command) -> Result<PathBuf> {
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let output = cargo.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "cannot build {PROGRAM}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == PROGRAM && message["profile"]["test"] == false)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo did not say where it put {PROGRAM}"))
}
