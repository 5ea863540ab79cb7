use crate::failure::{Failure, OrFail};
use crate::host::{Host, now_s};
use anyhow::Context;
use nas_core::{Observe, Trial};
use serde::Serialize;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of one run: `settings.json` before anything starts, `trials*.jsonl` as trials come, and
/// `result.json` at the end. Where it is missing, the run was cut off; the trials say how far it came.
#[derive(Debug)]
pub(crate) struct Record {
    folder: PathBuf,
}

#[derive(Serialize)]
struct Start<'a, S> {
    command: &'a str,
    started_s: u64,
    settings: &'a S,
    inputs: &'a [serde_json::Value],
    host: Host,
}

impl Record {
    /// Makes the folder, a new one under `runs/` where none is named.
    pub(crate) fn start<S: Serialize>(
        command: &str,
        out: Option<&Path>,
        seed: u64,
        settings: &S,
        inputs: &[serde_json::Value],
    ) -> Result<Self, Failure> {
        let folder = match out {
            Some(folder) => folder.to_path_buf(),
            None => fresh(command, seed),
        };
        if folder.join("settings.json").exists() {
            let folder = folder.display();
            return Err(anyhow::anyhow!("{folder} already holds a run; name another folder with --out"))
                .or_input();
        }
        let record = Self { folder };
        fs::create_dir_all(&record.folder)
            .with_context(|| format!("cannot make the run folder {}", record.folder.display()))
            .or_input()?;
        let start = Start { command, started_s: now_s(), settings, inputs, host: Host::here() };
        record.write("settings.json", &start)?;
        Ok(record)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a whole file or nothing.
    pub(crate) fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Failure> {
        let (path, part) = (self.folder.join(name), self.folder.join(format!(".{name}.part")));
        let text = serde_json::to_string_pretty(value).or_failed()?;
        let write = || {
            let mut file = File::create(&part)?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display())).or_failed()
    }

    /// A file that takes one trial a line.
    pub(crate) fn trials(&self, name: &str) -> Result<TrialLines, Failure> {
        let path = self.folder.join(name);
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display())).or_failed()?;
        Ok(TrialLines { file })
    }
}

fn fresh(command: &str, seed: u64) -> PathBuf {
    let base = format!("runs/{}-{command}-{seed}", now_s());
    let number = (0..).map(|n| if n == 0 { base.clone() } else { format!("{base}-{n}") });
    number.map(PathBuf::from).find(|folder| !folder.exists()).unwrap_or_else(|| base.into())
}

/// Trials as JSON lines, each handed to the operating system before anybody hears of it.
#[derive(Debug)]
pub(crate) struct TrialLines {
    file: File,
}

impl<A: Serialize> Observe<A> for TrialLines {
    fn on_trial(&mut self, trial: &Trial<A>) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(trial)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}
