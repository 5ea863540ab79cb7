//! `brp-nas submit`.

use super::collect::{Taken, collect};
use super::status::{Standing, found, in_store};
use super::{Folder, Pieces, slurm};
use crate::Command;
use crate::failure::{Failure, OrFail};
use crate::options::{Format, read_config};
use crate::output;
use anyhow::{Context, anyhow};
use clap::{Parser, ValueEnum};
use cluster::{Dispatch, Look, Patience, Slurm};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Flags of `submit`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// To whom.
    engine: EngineName,
    /// The folder of the work, on a disk that all machines see.
    folder: PathBuf,
    /// An option of `sbatch`, such as --sbatch=--partition=cpu; may be given more than once.
    #[arg(long, allow_hyphen_values = true)]
    sbatch: Vec<String>,
    /// A file that says by which options of `sbatch` each device is reached (TOML); for `measure --device NAME`.
    #[arg(long)]
    devices: Option<PathBuf>,
    /// Architectures a task: more where each takes seconds [default: 1; of `measure` its --group].
    #[arg(long)]
    pack: Option<u64>,
    /// Tasks an array [default: as many as the site allows, at most 1,000].
    #[arg(long)]
    chunk: Option<u64>,
    /// Wait until all of it is done, hand over what was lost, and collect [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    wait: Option<bool>,
    /// How the result is printed on stdout [default: table].
    #[arg(long)]
    format: Option<Format>,
    /// The command with its flags, behind --: train, score or measure. Without it, the folder's work goes on.
    #[arg(last = true)]
    command: Vec<String>,
}

/// Who runs tasks.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum EngineName {
    /// Slurm, by `sbatch` and `squeue`.
    Slurm,
}

/// A file of devices.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Devices {
    #[serde(default)]
    device: BTreeMap<String, Device>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    sbatch: Vec<String>,
}

/// A command line within the command line.
#[derive(Debug, Parser)]
#[command(name = "brp-nas submit slurm FOLDER --", no_binary_name = true)]
struct Inner {
    #[command(subcommand)]
    command: Command,
}

pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let folder = if args.command.is_empty() { Folder::open(&args.folder)? } else { begin(args)? };
    let mut engine = slurm(&folder, options(args, &folder.work().pieces)?);
    let mut dispatch = Dispatch::new(Patience::default());
    let stored = in_store(&folder)?;
    found(&folder, &stored)?.open.iter().for_each(|task| dispatch.open(*task));
    // what is damaged is no result
    let result = |task: u64| folder.result(task).ok().flatten().map(drop);
    let look = dispatch.look(&mut engine, result).or_input()?;
    if let Some(error) = &look.passing {
        eprintln!("{error}; the same command goes on");
    }
    eprintln!("{} tasks handed over", look.submitted);
    if args.wait != Some(true) {
        return output::print(&Standing::now(&folder, &engine, &stored)?, args.format.unwrap_or_default());
    }
    let taken = wait(&folder, &mut engine, &mut dispatch, &look)?;
    output::print(&taken, args.format.unwrap_or_default())?;
    taken.check()
}

/// Waits without a glance at the clock: longer the longer nothing comes.
fn wait(
    folder: &Folder,
    engine: &mut Slurm,
    dispatch: &mut Dispatch,
    first: &Look<()>,
) -> Result<Taken, Failure> {
    let mut handed_over = first.submitted;
    let total = dispatch.len();
    let mut bar = crate::progress::Progress::new("tasks", total);
    let mut pause = Pause { said: passing(first), in_vain: 0 };
    let mut lost: Vec<u64> = Vec::new();
    while !dispatch.is_empty() {
        let look = dispatch.look(engine, |task| folder.result(task).ok().flatten().map(drop)).or_failed()?;
        handed_over += look.submitted;
        lost.extend(&look.lost);
        bar.step(total - dispatch.len());
        if !dispatch.is_empty() {
            pause.after(&look);
        }
    }
    drop(bar);
    Ok(Taken { handed_over: Some(handed_over), lost, ..collect(folder)? })
}

/// A pause between two looks, from one second up to half a minute; what the engine could not do is said before it.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    in_vain: u32,
    said: String,
}

impl Pause {
    pub(crate) fn after<R>(&mut self, look: &Look<R>) {
        let passing = passing(look);
        if passing != self.said && !passing.is_empty() {
            eprintln!("{passing}; it is tried again");
        }
        self.said = passing;
        let in_vain = look.done.is_empty() && look.lost.is_empty() && look.submitted == 0;
        self.in_vain = if in_vain { self.in_vain + 1 } else { 0 };
        std::thread::sleep(Duration::from_secs(u64::from(self.in_vain.clamp(1, 30))));
    }
}

fn passing<R>(look: &Look<R>) -> String {
    look.passing.as_ref().map_or_else(String::new, ToString::to_string)
}

fn begin(args: &Args) -> Result<Folder, Failure> {
    let inner = Inner::try_parse_from(&args.command).map_err(anyhow::Error::from).or_input()?;
    let pieces = match inner.command {
        Command::Train(args) => Pieces::Train(Box::new(args.whole()?)),
        Command::Score(args) => Pieces::Score(Box::new(args.whole()?)),
        Command::Measure(args) => Pieces::Measure(Box::new(args.whole()?)),
        _ => return Err(anyhow!("expected train, score or measure behind --")).or_input(),
    };
    let items = pieces.items()?;
    let pack = args.pack.unwrap_or_else(|| pieces.together());
    if pack == 0 || !pack.is_multiple_of(pieces.together()) {
        let together = pieces.together();
        return Err(anyhow!("--pack is {pack}; expected a multiple of {together}")).or_input();
    }
    let most = Slurm::new(Default::default()).most().or_input()?.max(1);
    let chunk = args.chunk.unwrap_or(most.min(1_000));
    if chunk == 0 || chunk > most {
        return Err(anyhow!("--chunk is {chunk}; this site allows 1 to {most}")).or_input();
    }
    let folder = Folder::begin(&args.folder, pieces, chunk, pack)?;
    folder.list_items(&items)?;
    Ok(folder)
}

/// Options of `sbatch`: those of the device, alone on its node, and the user's.
fn options(args: &Args, pieces: &Pieces) -> Result<Vec<String>, Failure> {
    let mut options = Vec::new();
    if let Some(file) = &args.devices {
        let Devices { device } = read_config(Some(file))?;
        let name = pieces.device().context("--devices is for `measure --device NAME`").or_input()?;
        let Some(found) = device.get(name) else {
            let known: Vec<&str> = device.keys().map(String::as_str).collect();
            return Err(anyhow!("{} has no device `{name}`; there are {}", file.display(), known.join(", ")))
                .or_input();
        };
        options.extend(found.sbatch.iter().cloned());
    }
    if matches!(pieces, Pieces::Measure(_)) {
        options.push("--exclusive".into());
    }
    options.extend(args.sbatch.iter().cloned());
    Ok(options)
}
