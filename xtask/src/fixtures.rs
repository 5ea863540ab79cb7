use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lists the scripts that make golden data, or runs the one of `case` (`CRATE/CASE`, or `CASE` where one crate alone has
/// it) in its folder.
///
/// # Errors
/// A case without a script, a script that cannot be run or fails.
pub fn fixtures(root: &Path, case: Option<&str>) -> Result<()> {
    let scripts = scripts(root)?;
    let Some(case) = case else {
        for (case, script) in &scripts {
            println!("{case}  {}", script.strip_prefix(root).unwrap_or(script).display());
        }
        return Ok(());
    };
    let whole = |name: &str| name == case;
    let last = |name: &str| name.rsplit('/').next() == Some(case);
    let named: Vec<_> = scripts.iter().filter(|(name, _)| whole(name) || last(name)).collect();
    let Some((_, script)) = named.iter().find(|(name, _)| whole(name) || named.len() == 1) else {
        let names: Vec<&str> = scripts.iter().map(|(name, _)| name.as_str()).collect();
        bail!("{case} is not one case with a make.py or make.sh; there are {}", names.join(", "));
    };
    let program = if script.extension().is_some_and(|end| end == "py") { "python3" } else { "bash" };
    let mut command = Command::new(program);
    if let Some(folder) = script.parent() {
        command.current_dir(folder);
    }
    let status = command.arg(script).status().with_context(|| format!("cannot run {program}"))?;
    ensure!(status.success(), "{} failed ({status})", script.display());
    Ok(())
}

/// `CRATE/CASE` and the script of every case that has one.
fn scripts(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut scripts = Vec::new();
    for krate in folders(&root.join("fixtures"))? {
        for case in folders(&krate)? {
            let name = case.strip_prefix(root.join("fixtures")).unwrap_or(&case).display().to_string();
            let made = ["make.py", "make.sh"].iter().map(|script| case.join(script));
            scripts.extend(made.filter(|script| script.is_file()).map(|script| (name.clone(), script)));
        }
    }
    Ok(scripts)
}

fn folders(of: &Path) -> Result<Vec<PathBuf>> {
    if !of.is_dir() {
        return Ok(Vec::new());
    }
    let entries = of.read_dir().with_context(|| format!("cannot list {}", of.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    Ok(paths)
}
