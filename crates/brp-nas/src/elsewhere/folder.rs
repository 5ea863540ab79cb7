//! The folder of some work, which all machines see: what is to be done, and a file for whatever was.

use super::Pieces;
use crate::failure::{Failure, OrFail};
use crate::kept_units::Unit;
use crate::record::write_whole;
use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use store::{Row, State};

/// The form of these folders.
const FORMAT: u32 = 2;

/// `work.json`: written once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Work {
    format: u32,
    /// The version of the program; another one may come to other results.
    version: String,
    /// Names its jobs.
    pub(crate) name: String,
    /// Tasks an array.
    pub(crate) chunk: u64,
    /// Items a task.
    pub(crate) pack: u64,
    /// The store where results are gathered, on a disk of the machine that submits.
    pub(crate) store: PathBuf,
    pub(crate) pieces: Pieces,
}

/// What a task left.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Done {
    pub(crate) task: u64,
    version: String,
    /// Digest of the work it is a part of.
    work: String,
    pub(crate) seconds: f64,
    pub(crate) rows: Vec<Row>,
}

impl Done {
    pub(crate) fn units(self) -> impl Iterator<Item = Unit> {
        self.rows.into_iter().map(|row| (row.key, row.state))
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
    work: Work,
}

impl Folder {
    /// Begins a folder, or finds it begun with the same work.
    pub(crate) fn begin(path: &Path, pieces: Pieces, chunk: u64, pack: u64) -> Result<Self, Failure> {
        let path = std::path::absolute(path).or_input()?;
        let store =
            pieces.store().map_or_else(|| Ok(path.join("store.sqlite")), std::path::absolute).or_input()?;
        let text = serde_json::to_string(&pieces).or_failed()?;
        let name = digest(format!("{} {text}", path.display()).as_bytes());
        let name = format!("brp-{}", name.get(..10).unwrap_or_default());
        let version = env!("CARGO_PKG_VERSION").into();
        let work = Work { format: FORMAT, version, name, chunk, pack, store, pieces };
        if path.join("work.json").exists() {
            let there = Self::open(&path)?;
            let advice = "name another folder, or leave the command out to go on with it";
            if there.of_work() != digest(text.as_bytes()) {
                return Err(anyhow!("{} holds other work; {advice}", path.display())).or_input();
            }
            if (there.work.chunk, there.work.pack) != (chunk, pack) {
                let Work { chunk, pack, .. } = there.work;
                let cut = format!("holds this work in tasks of {pack}, {chunk} an array");
                return Err(anyhow!("{} {cut}; {advice}", path.display())).or_input();
            }
            return Ok(there);
        }
        let cannot = || format!("cannot make the work folder {}", path.display());
        for name in ["logs", "items"] {
            std::fs::create_dir_all(path.join(name)).with_context(cannot).or_input()?;
        }
        let text = serde_json::to_string_pretty(&work).or_failed()? + "\n";
        let folder = Self { path, work };
        folder.write_script()?;
        write_whole(&folder.path.join("work.json"), text.as_bytes()).or_input()?;
        Ok(folder)
    }

    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let path = std::path::absolute(path).or_input()?;
        let file = path.join("work.json");
        let what =
            || format!("{} is no work folder: cannot read work.json; `submit` makes one", path.display());
        let text = std::fs::read_to_string(&file).with_context(what).or_input()?;
        let work: Work =
            serde_json::from_str(&text).with_context(|| format!("in {}", file.display())).or_input()?;
        let (format, here) = (work.format, env!("CARGO_PKG_VERSION"));
        if format != FORMAT || work.version != here {
            let advice = "do it with that version, or begin another folder";
            let found = format!("form {format} of version {}", work.version);
            return Err(anyhow!(
                "{}: {found}, and this is form {FORMAT} of version {here}; {advice}",
                file.display()
            ))
            .or_input();
        }
        Ok(Self { path, work })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    /// What the work is known by.
    fn of_work(&self) -> String {
        digest(&serde_json::to_vec(&self.work.pieces).unwrap_or_default())
    }

    pub(crate) fn script(&self) -> PathBuf {
        self.path.join("run.sh")
    }

    /// What Slurm runs for every task.
    fn write_script(&self) -> Result<(), Failure> {
        let program = std::env::current_exe().context("the path of this program").or_failed()?;
        let (program, folder) = (quoted(&program), quoted(&self.path));
        let task = format!("$(( $1 * {} + SLURM_ARRAY_TASK_ID ))", self.work.chunk);
        let script = format!("#!/bin/sh\nexec {program} worker {folder} --task {task}\n");
        write_whole(&self.script(), script.as_bytes()).or_input()
    }

    fn list(&self, array: u64) -> PathBuf {
        self.path.join(format!("items/{array}.txt"))
    }

    fn lines(&self, array: u64) -> Result<Vec<String>, Failure> {
        let file = self.list(array);
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()));
        Ok(text.or_input()?.lines().map(String::from).collect())
    }

    /// All items, in their order.
    pub(crate) fn items(&self) -> Result<Vec<String>, Failure> {
        let arrays = (0..).take_while(|array| self.list(*array).exists());
        Ok(arrays.map(|array| self.lines(array)).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The items of a task.
    pub(crate) fn items_of(&self, task: u64) -> Result<Vec<String>, Failure> {
        let Work { chunk, pack, .. } = self.work;
        let (array, number) = (task / chunk, task % chunk);
        let place = || anyhow!("{} has no task {task}", self.path.display());
        if !self.list(array).exists() {
            return Err(place()).or_input();
        }
        let lines = self.lines(array)?;
        let from = usize::try_from(number * pack).or_input()?;
        let items: Vec<String> =
            lines.into_iter().skip(from).take(usize::try_from(pack).or_input()?).collect();
        if items.is_empty() { Err(place()).or_input() } else { Ok(items) }
    }

    /// How many tasks so many items are.
    pub(crate) fn tasks(&self, items: usize) -> u64 {
        (items as u64).div_ceil(self.work.pack)
    }

    /// Writes the items down. Those that stand there already have to be the first of these.
    pub(crate) fn list_items(&self, items: &[String]) -> Result<(), Failure> {
        let each = usize::try_from(self.work.chunk * self.work.pack).or_input()?;
        (0..).zip(items.chunks(each.max(1))).try_for_each(|(array, part)| self.list_array(array, part))
    }

    /// The items of one array.
    pub(crate) fn list_array(&self, array: u64, items: &[String]) -> Result<(), Failure> {
        if let Some(item) = items.iter().find(|item| item.is_empty() || item.contains('\n')) {
            return Err(anyhow!("{item:?} cannot be an item: expected one line")).or_input();
        }
        let there = if self.list(array).exists() { self.lines(array)? } else { Vec::new() };
        if !items.starts_with(&there) {
            return Err(anyhow!("{} holds other items", self.list(array).display())).or_input();
        }
        if there.len() == items.len() {
            return Ok(());
        }
        write_whole(&self.list(array), (items.join("\n") + "\n").as_bytes()).or_failed()
    }

    pub(crate) fn result_file(&self, task: u64) -> PathBuf {
        self.path.join(format!("results/{}/{task}.json", task / self.work.chunk))
    }

    /// Writes what a task came to, as a whole or not at all.
    pub(crate) fn finish(&self, task: u64, seconds: f64, rows: Vec<Row>) -> Result<(), Failure> {
        let file = self.result_file(task);
        let folder = file.parent().unwrap_or(&self.path);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))
            .or_failed()?;
        let done = Done { task, version: self.work.version.clone(), work: self.of_work(), seconds, rows };
        let text = serde_json::to_string(&done).or_failed()?;
        write_whole(&file, format!("{text}\n{}\n", digest(text.as_bytes())).as_bytes()).or_failed()
    }

    /// What a task came to, where it came to something. A file that is damaged, or of other work, is an error.
    pub(crate) fn result(&self, task: u64) -> Result<Option<Done>, Failure> {
        let file = self.result_file(task);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display())).or_input();
            }
        };
        let wrong = |what: &str| Err(anyhow!("{}: {what}", file.display())).or_input();
        let mut lines = text.lines();
        let (Some(body), Some(sum)) = (lines.next(), lines.next()) else {
            return wrong("cut short: expected a result and its checksum");
        };
        if digest(body.as_bytes()) != sum {
            return wrong("its checksum is another one: it was cut short or changed");
        }
        let done: Done =
            serde_json::from_str(body).with_context(|| format!("in {}", file.display())).or_input()?;
        if done.version != self.work.version {
            return wrong(&format!("it is of version {}, expected {}", done.version, self.work.version));
        }
        if done.task != task || done.work != self.of_work() {
            return wrong("it is of another task or other settings");
        }
        if let Some(row) =
            done.rows.iter().find(|row| matches!(row.state, State::Missing | State::Running { .. }))
        {
            return wrong(&format!("it has no outcome for {}", row.key));
        }
        Ok(Some(done))
    }

    /// Tasks that left a file, whatever is in it.
    pub(crate) fn finished(&self) -> Result<Vec<u64>, Failure> {
        let mut tasks = Vec::new();
        let list = |folder: &Path| -> std::io::Result<Vec<PathBuf>> {
            let entries = match std::fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            entries.map(|entry| Ok(entry?.path())).collect()
        };
        let results = self.path.join("results");
        let cannot = || format!("cannot list {}", results.display());
        for array in list(&results).with_context(cannot).or_input()? {
            let files = list(&array).with_context(cannot).or_input()?;
            let number =
                |file: &PathBuf| file.file_name()?.to_str()?.strip_suffix(".json")?.parse::<u64>().ok();
            tasks.extend(files.iter().filter_map(number));
        }
        tasks.sort_unstable();
        Ok(tasks)
    }

    /// What all tasks that begin later should know: units that one of them found out for all.
    pub(crate) fn shared(&self) -> Result<Vec<Row>, Failure> {
        let mut rows = BTreeMap::new();
        let Ok(entries) = std::fs::read_dir(self.path.join("shared")) else { return Ok(Vec::new()) };
        for entry in entries {
            let path = entry.or_input()?.path();
            if path.extension().is_some_and(|end| end == "json") {
                let text = std::fs::read_to_string(&path).or_input()?;
                let row: Row = serde_json::from_str(&text)
                    .with_context(|| format!("in {}", path.display()))
                    .or_input()?;
                rows.insert(row.key.clone(), row);
            }
        }
        Ok(rows.into_values().collect())
    }

    /// Tells all tasks that begin later; the first word counts.
    pub(crate) fn share(&self, row: &Row) -> Result<(), Failure> {
        let folder = self.path.join("shared");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))
            .or_failed()?;
        let text = serde_json::to_string(row).or_failed()?;
        let key = serde_json::to_vec(&row.key).or_failed()?;
        let name = digest(&key);
        let part = folder.join(format!(".{name}.{}", std::process::id()));
        write_whole(&part, text.as_bytes()).or_failed()?;
        // a link is made where nothing is, or not at all
        let linked = std::fs::hard_link(&part, folder.join(format!("{name}.json")));
        let _ = std::fs::remove_file(&part);
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error).or_failed(),
            _ => Ok(()),
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    tables::hex(Sha256::digest(bytes).as_slice())
}

/// As one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
