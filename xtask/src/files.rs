use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt, fs};

/// A file of the repository.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path from the root, with `/`.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its text; empty where it is not UTF-8 or larger than 4 MB.
    pub text: String,
}

impl File {
    /// A file with this text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), bytes: text.len() as u64, text: text.into() }
    }

    /// The crate it belongs to.
    pub fn krate(&self) -> Option<&str> {
        match self.path.strip_prefix("crates/") {
            Some(rest) => rest.split_once('/').map(|(name, _)| name),
            None => self.path.starts_with("xtask/").then_some("xtask"),
        }
    }
}

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// All files that git tracks or would track; without git, all but `target`, `runs` and hidden folders.
///
/// # Errors
/// A file or folder that cannot be read.
pub fn list(root: &Path) -> Result<Vec<File>> {
    let mut paths = tracked(root).unwrap_or_default();
    if paths.is_empty() {
        walk(root, Path::new(""), &mut paths)?;
    }
    paths.sort();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        let full = root.join(&path);
        // what is deleted but not yet committed is no longer there
        let Ok(about) = fs::symlink_metadata(&full) else { continue };
        if !about.is_file() {
            continue;
        }
        let content = if about.len() <= 4_000_000 { fs::read(&full) } else { Ok(Vec::new()) };
        let content = content.with_context(|| format!("cannot read {}", full.display()))?;
        let text = String::from_utf8(content).unwrap_or_default();
        files.push(File { path: path.to_string_lossy().replace('\\', "/"), bytes: about.len(), text });
    }
    Ok(files)
}

fn tracked(root: &Path) -> Option<Vec<PathBuf>> {
    let git = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(git).current_dir(root).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(text.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect())
}

fn walk(root: &Path, folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let full = root.join(folder);
    for entry in fs::read_dir(&full).with_context(|| format!("cannot list {}", full.display()))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let skipped = ["target", "runs", ".git"].iter().any(|name| entry.file_name() == **name);
        match entry.file_type()?.is_dir() {
            true if skipped => {}
            true => walk(root, &path, paths)?,
            false => paths.push(path),
        }
    }
    Ok(())
}
