use crate::failure::{Failure, OrFail};
use crate::host::{Host, now_ms, now_s};
use crate::options::read_config;
use anyhow::{Context, anyhow};
use nas_core::{Evaluation, Observe, Trial};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use store::{Filter, Store};

/// The folder of one run: `settings.json` before anything starts, `trials*.jsonl` or `fits.jsonl` as they come, and
/// `result.json` at the end. Where it is missing, the run was cut off; the lines say how far it came. Of a search
/// `report.html` shows it.
#[derive(Debug)]
pub(crate) struct Record {
    folder: PathBuf,
    found: Found,
    /// Nobody else works in the folder until it is closed, where the disk knows locks.
    _lock: Option<File>,
}

/// What was there when a process came to a folder.
#[derive(Debug)]
enum Found {
    /// No folder, or one without a run.
    Nothing { made: bool },
    /// A run: files that are written anew where it goes on, and bytes of its lines.
    Run { files: Vec<(PathBuf, Vec<u8>)>, recorded: u64 },
}

#[derive(Serialize)]
struct Start<'a, S> {
    command: &'a str,
    started_s: u64,
    settings: &'a S,
    inputs: &'a [Value],
    host: &'a Value,
}

/// Where what is for TensorBoard lies.
pub(crate) const TENSORBOARD: &str = "tensorboard";

/// The end of a run.
const RESULT: &str = "result.json";

/// What shows runs.
pub(crate) const PAGE: &str = "report.html";

/// What `settings.json` says of a run.
#[derive(Debug, Deserialize)]
pub(crate) struct Begun {
    pub(crate) command: String,
    pub(crate) started_s: u64,
    pub(crate) settings: Value,
    #[serde(default)]
    pub(crate) inputs: Vec<Value>,
    pub(crate) host: Value,
}

impl Begun {
    /// The run to go on with and its flags, where one is named; else the flags of a configuration file.
    pub(crate) fn or_config<T: DeserializeOwned + Default>(
        command: &str,
        resume: Option<&Path>,
        config: Option<&Path>,
        out: Option<&Path>,
    ) -> Result<(Option<Self>, T), Failure> {
        let Some(folder) = resume else { return Ok((None, read_config(config)?)) };
        for (flag, given) in [("--config", config), ("--out", out)] {
            if given.is_some() {
                return Err(anyhow!("--resume has the settings and the folder of its run: leave out {flag}"))
                    .or_input();
            }
        }
        let begun = Self::read(folder)?;
        begun.check_command(command)?;
        let flags = begun.flags()?;
        Ok((Some(begun), flags))
    }

    fn check_command(&self, command: &str) -> Result<(), Failure> {
        if self.command != command {
            let other = &self.command;
            return Err(anyhow!("the record is one of `{other}`, and not of `{command}`: name another run"))
                .or_input();
        }
        Ok(())
    }

    /// Of the run in this folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("settings.json");
        let what = || format!("{} holds no run: cannot read settings.json", folder.display());
        let text = fs::read_to_string(&path).with_context(what).or_input()?;
        let of_another = || format!("{} is not what this version writes for a run", path.display());
        serde_json::from_str(&text).with_context(of_another).or_input()
    }

    /// The flags of that run, as they were given.
    fn flags<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let flags = self.settings.get("flags").cloned().unwrap_or_default();
        serde_json::from_value(flags).context("the flags in settings.json").or_input()
    }

    /// That this is the revision of the program that began it, where what it keeps is not done again.
    pub(crate) fn check_revision(&self) -> Result<(), Failure> {
        let now = serde_json::to_value(Host::here()).or_failed()?;
        if self.host["revision"] == now["revision"] {
            return Ok(());
        }
        let (before, now) = (&self.host["revision"], &now["revision"]);
        Err(anyhow!(
            "the record is of revision {before}, and this program is {now}: what two keep is not mixed; begin a new one \
             with --out"
        ))
        .or_input()
    }

    /// That these are its settings and inputs, apart from the keys that may differ.
    pub(crate) fn check<S: Serialize>(
        &self,
        command: &str,
        settings: &S,
        inputs: &[Value],
        free: &[&str],
    ) -> Result<(), Failure> {
        let differ = |what: String| {
            let advice = "go on with the settings it was made with, or begin a new one with --out";
            Err(anyhow!("the record is one of other settings: {what}; {advice}")).or_input()
        };
        self.check_command(command)?;
        let now = serde_json::to_value(settings).or_failed()?;
        let (before, now) = (fields(&self.settings), fields(&now));
        // a setting with its usual value need not be there
        let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        for key in keys.into_iter().filter(|key| !free.contains(&key.as_str())) {
            let [known, value] = [&before, &now].map(|fields| fields.get(key));
            if known != value {
                let [known, value] =
                    [known, value].map(|value| value.map_or_else(|| "not there".into(), ToString::to_string));
                return differ(format!("{key} is {known} in it and {value} now"));
            }
        }
        if self.inputs != inputs {
            return differ("its tables are other ones, or have changed since (sha256)".into());
        }
        Ok(())
    }
}

/// The keys of an object, but for the flags, from which the others come.
fn fields(value: &Value) -> BTreeMap<String, Value> {
    let all = value.as_object().into_iter().flatten();
    all.filter(|(key, _)| *key != "flags").map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// How the run in this folder is gone on with by the same command.
fn how_to_go_on(command: &str, folder: &Path) -> String {
    let Ok(begun) = Begun::read(folder) else { return String::new() };
    let own = folder.join("store.sqlite");
    let named = begun.settings["flags"]["store"].as_str().map(PathBuf::from);
    match (command, Some(own).filter(|own| own.exists()).or(named)) {
        _ if begun.command != command => String::new(),
        ("search" | "predict", _) => format!(", or go on with it: --resume {}", folder.display()),
        (_, Some(store)) => format!(", and take what it has done: --store {}", store.display()),
        _ => String::new(),
    }
}

/// Bytes of lines in a folder: what is recorded of a run as it goes.
fn recorded(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if Path::new(&entry.file_name()).extension().is_some_and(|ending| ending == "jsonl") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

/// The files of a run that are written anew where it goes on: settings, result, its page, and what watches it.
fn rewritten(folder: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let events = folder.join(TENSORBOARD);
    let mut folders = vec![folder.to_path_buf()];
    if events.is_dir() {
        folders.extend(paths(&events)?);
    }
    let mut files = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for path in paths(folder)? {
            let ending = path.extension().and_then(OsStr::to_str);
            if matches!(ending, Some("json" | "html" | "csv" | "brp-nas")) {
                files.push((path.clone(), fs::read(path)?));
            }
        }
    }
    Ok(files)
}

/// What is in a folder.
fn paths(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// Whether this is a run store in which nothing has an outcome.
fn is_blank_store(path: &Path) -> bool {
    let counts = |store: Store| store.counts(&Filter::default(), now_ms());
    path.extension().is_some_and(|ending| ending == "sqlite")
        && Store::open(path).and_then(counts).is_ok_and(|of| of.done + of.failed + of.diverged == 0)
}

/// Keeps others out of a folder, where the disk knows locks.
fn lock(folder: &Path) -> Result<Option<File>, Failure> {
    let Ok(file) = File::open(folder) else { return Ok(None) };
    try_lock(&file, folder)?;
    Ok(Some(file))
}

/// Keeps others out of what a file stands for, unless one has it; where the disk knows no locks nobody is kept out.
pub(crate) fn try_lock(file: &File, of: &Path) -> Result<(), Failure> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(at_work(of)).or_input(),
        _ => Ok(()),
    }
}

fn at_work(folder: &Path) -> anyhow::Error {
    anyhow!("another process is at work in {}: stop it or wait for its end", folder.display())
}

impl Record {
    /// Makes the folder, a new one under `runs/` where none is named.
    pub(crate) fn start<S: Serialize>(
        command: &str,
        out: Option<&Path>,
        seed: u64,
        settings: &S,
        inputs: &[Value],
    ) -> Result<Self, Failure> {
        let folder = match out {
            Some(folder) => folder.to_path_buf(),
            None => fresh(command, seed),
        };
        if folder.join("settings.json").exists() {
            let advice = how_to_go_on(command, &folder);
            let folder = folder.display();
            return Err(anyhow!("{folder} already holds a run; name another folder with --out{advice}"))
                .or_input();
        }
        let made = !folder.exists();
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the run folder {}", folder.display()))
            .or_input()?;
        let record = Self { _lock: lock(&folder)?, folder, found: Found::Nothing { made } };
        let host = serde_json::to_value(Host::here()).or_failed()?;
        let start = Start { command, started_s: now_s(), settings, inputs, host: &host };
        record.write("settings.json", &start)?;
        Ok(record)
    }

    /// The folder of a run that is gone on with; what it recorded stays. With other settings, as a larger budget, it has
    /// no result until it ends again.
    pub(crate) fn go_on<S: Serialize>(folder: &Path, begun: &Begun, settings: &S) -> Result<Self, Failure> {
        let lock = lock(folder)?;
        let cannot = || format!("cannot read {}", folder.display());
        let files = rewritten(folder).with_context(cannot).or_failed()?;
        let recorded = recorded(folder).with_context(cannot).or_failed()?;
        let record = Self { folder: folder.into(), found: Found::Run { files, recorded }, _lock: lock };
        let mut settings = serde_json::to_value(settings).or_failed()?;
        for passing in ["format", "threads", "out"] {
            // what is about this process alone is nothing to be kept
            if let Some(flag) = settings.get_mut("flags").and_then(|flags| flags.get_mut(passing)) {
                *flag = begun.settings["flags"][passing].clone();
            }
        }
        if settings == begun.settings {
            return Ok(record);
        }
        let Begun { command, started_s, inputs, host, .. } = begun;
        let start = Start { command, started_s: *started_s, settings: &settings, inputs, host };
        record.write("settings.json", &start)?;
        for name in [RESULT, PAGE] {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot take away {name}")).or_failed();
                }
                _ => {}
            }
        }
        Ok(record)
    }

    /// Where what was asked for was wrong and nothing was recorded, leaves the folder as it was found, so that the
    /// mended command may have it.
    pub(crate) fn or_undo<T>(&self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(Failure::Input(_)) = &outcome {
            // whatever fails here, the error that led to it is the one to be told
            let _ = self.undo();
        }
        outcome
    }

    fn undo(&self) -> anyhow::Result<()> {
        let now = recorded(&self.folder)?;
        match &self.found {
            // a last line that was cut off may be gone
            Found::Run { files, recorded } if now <= *recorded => {
                files.iter().try_for_each(|(path, bytes)| write_whole(path, bytes))
            }
            Found::Nothing { made } if now == 0 => {
                for path in paths(&self.folder)? {
                    let lines = path.extension().is_some_and(|ending| ending == "jsonl");
                    if path.ends_with("settings.json") || lines || is_blank_store(&path) {
                        fs::remove_file(path)?;
                    }
                }
                // only if nothing else is in it
                if *made { Ok(fs::remove_dir(&self.folder)?) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a whole file or nothing.
    pub(crate) fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).or_failed()? + "\n";
        write_whole(&self.folder.join(name), text.as_bytes()).or_failed()
    }

    /// A file that takes one object a line, and what it holds already. A last line that was cut off is dropped.
    /// Nobody else can have it until it is closed.
    pub(crate) fn lines<T: DeserializeOwned>(&self, name: &str) -> Result<(Lines, Vec<T>), Failure> {
        let path = self.folder.join(name);
        let cannot = || format!("cannot write {}", path.display());
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(cannot).or_failed()?;
        try_lock(&file, &self.folder)?;
        let whole = || -> std::io::Result<Vec<u8>> {
            let mut bytes = fs::read(&path)?;
            bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
            file.set_len(bytes.len() as u64)?;
            Ok(bytes)
        };
        let bytes = whole().with_context(cannot).or_failed()?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let parse = |(number, line): (usize, &[u8])| {
            let place = || format!("{}, line {number}: not what this version writes", path.display());
            serde_json::from_slice(line).with_context(place).or_input()
        };
        let held = (1..).zip(lines).map(parse).collect::<Result<_, _>>()?;
        Ok((Lines { file }, held))
    }
}

/// What the file of a search's trials is called, without its ending: where a run has several plans after which of them
/// it is, and where they are repeated after the number of the repeat.
pub(crate) fn trials_name(plan: Option<&str>, repeat: Option<usize>) -> String {
    let plan = plan.map_or_else(String::new, |plan| format!("-{plan}"));
    let repeat = repeat.map_or_else(String::new, |repeat| format!("-{repeat}"));
    format!("trials{plan}{repeat}")
}

/// The plan in such a name, empty where there is but one; none of other names.
pub(crate) fn plan_of_trials(name: &str, repeated: bool) -> Option<&str> {
    let rest = name.strip_prefix("trials")?;
    let plan = if repeated { rest.rsplit_once('-')?.0 } else { rest };
    Some(plan.trim_start_matches('-'))
}

/// Writes a file as a whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // two processes that write the same have a file each until one is renamed over the other
    let part = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn fresh(command: &str, seed: u64) -> PathBuf {
    let base = format!("runs/{}-{command}-{seed}", now_s());
    let number = (0..).map(|n| if n == 0 { base.clone() } else { format!("{base}-{n}") });
    number.map(PathBuf::from).find(|folder| !folder.exists()).unwrap_or_else(|| base.into())
}

/// Objects as JSON lines, each handed to the operating system before anybody hears of it.
#[derive(Debug)]
pub(crate) struct Lines {
    file: File,
}

impl Lines {
    pub(crate) fn add<T: Serialize>(&mut self, object: &T) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(object)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

/// A trial with its architecture as text.
#[derive(Serialize)]
struct Line<'a> {
    number: usize,
    iteration: usize,
    arch: String,
    result: &'a Result<Evaluation, String>,
}

impl<A: Display> Observe<A> for Lines {
    fn on_trial(&mut self, trial: &Trial<A>) -> std::io::Result<()> {
        let Trial { number, iteration, arch, result } = trial;
        self.add(&Line { number: *number, iteration: *iteration, arch: arch.to_string(), result })
    }
}
