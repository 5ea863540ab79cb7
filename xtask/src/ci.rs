use crate::{cargo, tidy};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::Instant;

const STEPS: [(&str, &str); 5] = [
    ("fmt", "--all --check"),
    ("clippy", "--workspace --all-targets --all-features -- -D warnings"),
    ("test", "--workspace --all-features"),
    ("doc", "--workspace --no-deps --all-features"),
    // that no hot kernel has fallen to scalar speed
    ("run", "--release --quiet --package cpu-ops --example floor"),
];

/// Everything that a change must pass, up to the first step that fails.
///
/// # Errors
/// The name of the step that failed.
pub fn ci(root: &Path) -> Result<()> {
    let mut times = Vec::new();
    for (command, args) in STEPS {
        eprintln!("\n== cargo {command} {args}");
        let start = Instant::now();
        let mut step = cargo(command, root);
        step.args(args.split(' ')).current_dir(root);
        if command == "doc" {
            step.env("RUSTDOCFLAGS", "-D warnings");
        }
        let status = step.status().with_context(|| format!("cannot run cargo {command}"))?;
        if !status.success() {
            bail!("step `{command}` failed ({status}): cargo {command} {args}");
        }
        times.push((command, start.elapsed()));
    }
    eprintln!("\n== tidy");
    let start = Instant::now();
    tidy(root).context("step `tidy` failed")?;
    times.push(("tidy", start.elapsed()));
    eprintln!("\n== all passed");
    for (step, time) in times {
        eprintln!("{step:<8}{:>8.1} s", time.as_secs_f64());
    }
    Ok(())
}
