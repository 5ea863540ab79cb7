//! Tells the program which revision it was built from.

use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let revision = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".into());
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    println!("cargo::rustc-env=BRP_NAS_REVISION={revision}{}", if changed { "+changes" } else { "" });
    if let Some(folder) = git(&["rev-parse", "--absolute-git-dir"]) {
        for file in ["HEAD", "logs/HEAD"] {
            println!("cargo::rerun-if-changed={folder}/{file}");
        }
    }
    // a change of these makes another program; one of git's index does not
    let crates =
        std::fs::read_dir("..").into_iter().flatten().flatten().map(|entry| entry.path().join("src"));
    for folder in crates.filter(|folder| folder.exists()).chain(["../../fixtures".into()]) {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
}
