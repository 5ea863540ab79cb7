//! `brp-nas train`.

mod bench;
mod work;

use crate::choice::Choice;
use crate::elsewhere::Visit;
use crate::failure::{Failure, OrFail};
use crate::options::{Common, read_config};
use crate::output::{self, Show, grid, number};
use crate::record::Record;
use crate::registry::Space;
use crate::units;
use cellnet::Reduced;
use nas_core::Seed;
use serde::{Deserialize, Serialize};
use spaces::nas_bench_201::Cell;
use std::path::{Path, PathBuf};

pub(crate) use bench::{Bench, Fidelity, Flags};
pub(crate) use work::Trained;

/// Flags of `train`; each is also a key of the `--config` file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Args {
    /// The search space [default: nas-bench-201].
    #[arg(long)]
    space: Option<Space>,
    #[command(flatten)]
    #[serde(flatten)]
    choice: Choice,
    /// A reduced setting by name, r8c4 (EcoNAS) or r16c8: images, channels and recipe, with 5 cells; other flags win.
    #[arg(long)]
    setting: Option<Reduced>,
    #[command(flatten)]
    #[serde(flatten)]
    bench: Flags,
    /// TOML file with the same options; flags win.
    #[arg(long)]
    #[serde(skip)]
    config: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    common: Common,
}

impl Args {
    /// With what the configuration file says.
    pub(crate) fn whole(self) -> Result<Self, Failure> {
        let config = read_config(self.config.as_deref())?;
        Ok(self.or(config))
    }

    /// What a search trains, in the setting of these flags.
    pub(crate) fn of_search(bench: Flags, seed: Seed) -> Self {
        let common = Common { seed: Some(seed.0), ..Common::default() };
        Self { bench: Flags { store: None, ..bench }, common, ..Self::default() }
    }

    pub(crate) fn store(&self) -> Option<&Path> {
        self.bench.store.as_deref()
    }

    /// What is wrong with it is said before anything is written.
    fn bench(&self, cells: &[Cell]) -> Result<Bench, Failure> {
        let bench = Bench::reduced(&self.bench, self.setting, Seed(self.common.seed()))?;
        cells.first().map_or(Ok(()), |cell| bench.check(*cell))?;
        Ok(bench)
    }

    fn or(self, other: Self) -> Self {
        Self {
            space: self.space.or(other.space),
            choice: self.choice.or(other.choice),
            setting: self.setting.or(other.setting),
            bench: self.bench.or(other.bench),
            config: self.config,
            common: self.common.or(other.common),
        }
    }
}

/// What the record says of a run: the setting, and the flags as they were given.
#[derive(Debug, Serialize)]
struct Recorded<'a> {
    fidelity: &'a Fidelity,
    flags: &'a Args,
}

/// The result.
#[derive(Debug, Serialize)]
struct Report {
    space: Space,
    seed: u64,
    trained: Vec<Trained>,
    /// How many of them were already in the store.
    found: usize,
    wall_s: f64,
}

/// The cells that are named, as text.
pub(crate) fn items(args: &Args) -> Result<Vec<String>, Failure> {
    let cells =
        args.choice.archs(&args.space.unwrap_or_default().cells().or_input()?, Seed(args.common.seed()))?;
    Ok(cells.iter().map(ToString::to_string).collect())
}

/// Shows the training of these cells.
pub(crate) fn on<V: Visit>(args: &Args, items: &[String], visit: V) -> Result<V::Out, Failure> {
    let space = args.space.unwrap_or_default();
    let cells = items.iter().map(|item| item.parse()).collect::<Result<Vec<_>, _>>().or_input()?;
    let bench = args.bench(&cells)?;
    visit.visit(&bench.job(space.name(), &cells)?)
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let args = args.whole()?;
    let seed = Seed(args.common.seed());
    let started = std::time::Instant::now();
    let space = args.space.unwrap_or_default();
    let threads = args.common.cores()?;
    let cells = args.choice.archs(&space.cells().or_input()?, seed)?;
    let bench = args.bench(&cells)?;

    let recorded = Recorded { fidelity: bench.fidelity(), flags: &args };
    let record = Record::start("train", args.common.out.as_deref(), seed.0, &recorded, &[])?;
    let file = args.bench.store.clone().unwrap_or_else(|| record.folder().join("store.sqlite"));
    let (trained, found) = units::complete(&bench.job(space.name(), &cells)?, &file, threads)?;
    let report = Report { space, seed: seed.0, trained, found, wall_s: started.elapsed().as_secs_f64() };
    record.write("result.json", &report)?;
    output::print(&report, args.common.format())
}

impl Show for Report {
    fn table(&self) -> String {
        let rows = self.trained.iter().map(|row| {
            let seconds = number(row.seconds, 1);
            let said = row.reason.clone().unwrap_or_default();
            vec![
                row.arch.clone(),
                number(row.valid, 2),
                number(row.test, 2),
                row.epochs.to_string(),
                seconds,
                said,
            ]
        });
        let Self { trained, found, wall_s, .. } = self;
        format!(
            "{}{} trained, {found} of them found in the store, {wall_s:.1} s\n",
            grid(&["architecture", "valid %", "test %", "epochs", "seconds", ""], rows),
            trained.len()
        )
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["arch", "valid", "test", "epochs", "seconds", "reason"].map(String::from).to_vec();
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let row = |row: &Trained| {
            let (valid, test, seconds) = (text(row.valid), text(row.test), text(row.seconds));
            let reason = row.reason.clone().unwrap_or_default();
            vec![row.arch.clone(), valid, test, row.epochs.to_string(), seconds, reason]
        };
        (header, self.trained.iter().map(row).collect())
    }
}
