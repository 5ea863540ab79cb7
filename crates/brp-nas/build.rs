//! Tells the program which revision it was built from.

use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        // without writing to the index, which would be a change
        let git = Command::new("git").env("GIT_OPTIONAL_LOCKS", "0").args(args).output();
        let output = git.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let revision = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".into());
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    println!("cargo::rustc-env=BRP_NAS_REVISION={revision}{}", if changed { "+changes" } else { "" });
    if let Some(folder) = git(&["rev-parse", "--absolute-git-dir"]) {
        for file in ["HEAD", "logs/HEAD"] {
            println!("cargo::rerun-if-changed={folder}/{file}");
        }
        // what a change of makes another program
        for folder in ["..", "../../fixtures"] {
            println!("cargo::rerun-if-changed={folder}");
        }
    }
}
