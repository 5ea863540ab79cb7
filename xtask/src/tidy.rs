use crate::{Finding, cargo, check_graph, check_manifests, check_texts, files};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

/// Everything in the workspace that breaks a rule, in the order of files and lines.
///
/// # Errors
/// Files that cannot be read, or a workspace that cargo does not understand.
pub fn all_findings(root: &Path) -> Result<Vec<Finding>> {
    let files = files::list(root)?;
    let mut metadata = cargo("metadata", root);
    let output = metadata.args(["--format-version", "1", "--all-features"]).output();
    let output = output.context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let mut found = check_texts(&files);
    found.extend(check_manifests(&files));
    found.extend(check_graph(&metadata));
    found.sort();
    Ok(found)
}

/// Prints what [`all_findings`] finds.
///
/// # Errors
/// As there, and where anything is found.
pub fn tidy(root: &Path) -> Result<()> {
    let found = all_findings(root)?;
    for finding in &found {
        eprintln!("{finding}");
    }
    match found.len() {
        0 => Ok(()),
        n => bail!("tidy found {n} thing{} to mend", if n == 1 { "" } else { "s" }),
    }
}
