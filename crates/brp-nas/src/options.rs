use crate::failure::{Failure, OrFail};
use anyhow::{Context, anyhow};
use clap::ValueEnum;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What every command with a record understands. Each option is also a key of the `--config` file; the flag wins.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Common {
    /// How the result is printed on stdout [default: table].
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// The root of all randomness [default: 0].
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder for the record of the run [default: a new one under runs/; of `enumerate` none].
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// What is done at once, a thread each [default: one a core]; of `measure`: threads of a network [default: 1].
    #[arg(long)]
    pub(crate) threads: Option<usize>,
}

/// A form of output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One object.
    Json,
    /// One row an architecture.
    Csv,
}

impl Common {
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            format: self.format.or(other.format),
            seed: self.seed.or(other.seed),
            out: self.out.or(other.out),
            threads: self.threads.or(other.threads),
        }
    }

    pub(crate) fn format(&self) -> Format {
        self.format.unwrap_or_default()
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// At least one.
    pub(crate) fn cores(&self) -> Result<usize, Failure> {
        cores(self.threads)
    }
}

/// As many as there are, where nobody asks for others; at least one.
pub(crate) fn cores(asked: Option<usize>) -> Result<usize, Failure> {
    match asked.unwrap_or_else(processors) {
        0 => Err(anyhow!("--threads is 0; at least one is needed")).or_input(),
        threads => Ok(threads.min(1_024)),
    }
}

/// Those that this thread may run on.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// More would hardly fit in the memory.
const MOST_REPEATS: usize = 1_000_000;

/// How often everything is done: at least once.
pub(crate) fn repeats(asked: Option<usize>) -> Result<usize, Failure> {
    match asked.unwrap_or(1) {
        0 => Err(anyhow!("--repeats is 0; at least one run is needed")).or_input(),
        repeats if repeats > MOST_REPEATS => {
            Err(anyhow!("--repeats is {repeats}; at most {MOST_REPEATS} are done")).or_input()
        }
        repeats => Ok(repeats),
    }
}

/// A flag of the command line: its name, whether it is given, whether anything uses it, and what would. A file of
/// settings may hold more, for other runs.
pub(crate) type Flag<'a> = (&'a str, bool, bool, &'a str);

/// Refuses a flag that nothing would look at.
pub(crate) fn check_used(flags: &[Flag<'_>]) -> Result<(), Failure> {
    match flags.iter().find(|(_, given, used, _)| *given && !used) {
        Some((flag, .., whose)) => {
            Err(anyhow!("{flag} is used by nothing here: it belongs to {whose}")).or_input()
        }
        None => Ok(()),
    }
}

/// The options in a TOML file, whose keys are the names of the flags.
pub(crate) fn read_config<T: DeserializeOwned + Default>(file: Option<&Path>) -> Result<T, Failure> {
    let Some(file) = file else { return Ok(T::default()) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read {}", file.display()))
        .or_input()?;
    toml::from_str(&text).with_context(|| format!("in {}", file.display())).or_input()
}
