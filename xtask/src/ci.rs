use crate::program::tested;
use crate::{cargo, tidy};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The commands of cargo, with the folder of the workspace that each one is for.
const STEPS: [(&str, &str, &str); 6] = [
    ("fmt", ".", "--all --check"),
    ("clippy", ".", "--workspace --all-targets --all-features -- -D warnings"),
    ("test", ".", "--workspace --all-features"),
    ("doc", ".", "--workspace --no-deps --all-features"),
    // a workspace of its own, which nothing else looks at
    ("check", "fuzz", "--bins --locked"),
    // that no hot kernel has fallen to scalar speed
    ("run", ".", "--release --quiet --package cpu-ops --example floor"),
];

/// Everything that a change must pass, up to the first step that fails.
///
/// # Errors
/// The name of the step that failed.
pub fn ci(root: &Path) -> Result<()> {
    let mut times = Vec::new();
    for (command, folder, args) in STEPS {
        eprintln!("\n== cargo {command} {args} (in {folder})");
        let start = Instant::now();
        let mut step = cargo(command, &root.join(folder));
        step.args(args.split(' ')).current_dir(root);
        if command == "doc" {
            step.env("RUSTDOCFLAGS", "-D warnings");
        }
        if command == "check" {
            // nothing is linked, so libFuzzer need not be there, nor a compiler of C++
            step.env("CUSTOM_LIBFUZZER_PATH", root.join("fuzz/libfuzzer.a"));
        }
        let status = step.status().with_context(|| format!("cannot run cargo {command}"))?;
        if !status.success() {
            bail!("step `{command}` failed ({status}): cargo {command} {args} (in {folder})");
        }
        times.push((command, start.elapsed()));
    }
    for (name, step) in [("repro", quick_repro as fn(&Path) -> Result<()>), ("tidy", tidy)] {
        eprintln!("\n== {name}");
        let start = Instant::now();
        step(root).with_context(|| format!("step `{name}` failed"))?;
        times.push((name, start.elapsed()));
    }
    eprintln!("\n== all passed");
    for (step, time) in times {
        eprintln!("{step:<8}{:>8.1} s", time.as_secs_f64());
    }
    Ok(())
}

/// A few minutes' worth of every published experiment, by the program as it was tested; where the data is not there, on
/// the benchmark that comes with it.
fn quick_repro(root: &Path) -> Result<()> {
    let records = root.join("target/quick-repro");
    if records.exists() {
        std::fs::remove_dir_all(&records).context("cannot remove earlier records")?;
    }
    let mut repro = Command::new(tested(root)?);
    repro.args(["repro", "all", "--quick", "--results"]).arg(records).current_dir(root);
    let status = repro.status().context("cannot run the program")?;
    if !status.success() {
        bail!("`repro all --quick` failed ({status})");
    }
    Ok(())
}
