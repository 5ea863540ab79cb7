//! `brp-nas train`.

mod bench;
mod work;

use crate::choice::Choice;
use crate::columns::Told;
use crate::compare::{Compared, compare, compared_grid};
use crate::elsewhere::Visit;
use crate::failure::{Failure, OrFail};
use crate::options::{Common, read_config};
use crate::output::{self, Show, grid, number};
use crate::record::Record;
use crate::registry::Space;
use crate::units;
use anyhow::anyhow;
use cellnet::Reduced;
use nas_core::{Seed, stats};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tables::TableRef;

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
    /// What the accuracies are compared with, FILE:COLUMN: how well this training orders architectures.
    #[arg(long)]
    table: Option<TableRef>,
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
    pub(crate) fn of_search(space: Space, bench: Flags, seed: Seed) -> Self {
        let common = Common { seed: Some(seed.0), ..Common::default() };
        Self { space: Some(space), bench: Flags { store: None, ..bench }, common, ..Self::default() }
    }

    pub(crate) fn store(&self) -> Option<&Path> {
        self.bench.store.as_deref()
    }

    /// What is wrong with it is said before anything is written.
    fn bench(&self, archs: &[String]) -> Result<Bench, Failure> {
        let space = self.space.unwrap_or_default();
        let bench = Bench::reduced(space, &self.bench, self.setting, Seed(self.common.seed()))?;
        archs.first().map_or(Ok(()), |arch| bench.check(arch))?;
        Ok(bench)
    }

    fn or(self, other: Self) -> Self {
        Self {
            space: self.space.or(other.space),
            choice: self.choice.or(other.choice),
            setting: self.setting.or(other.setting),
            bench: self.bench.or(other.bench),
            table: self.table.or(other.table),
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
    /// Seconds that one of them took, as a mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Vec<Compared>>,
    wall_s: f64,
}

/// The architectures that are named, as text.
pub(crate) fn items(args: &Args) -> Result<Vec<String>, Failure> {
    args.choice.texts(args.space.unwrap_or_default(), Seed(args.common.seed()))
}

/// Shows the training of these architectures.
pub(crate) fn on<V: Visit>(args: &Args, items: &[String], visit: V) -> Result<V::Out, Failure> {
    visit.visit(&args.bench(items)?.job(items)?)
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let args = args.whole()?;
    let seed = Seed(args.common.seed());
    let started = std::time::Instant::now();
    let space = args.space.unwrap_or_default();
    let threads = args.common.cores()?;
    let archs = items(&args)?;
    let truth = Told::of(space, &archs, args.table.as_ref())?;
    let bench = args.bench(&archs)?;

    let recorded = Recorded { fidelity: bench.fidelity(), flags: &args };
    let record = Record::start("train", args.common.out.as_deref(), seed.0, &recorded, &truth.provenance)?;
    eprintln!("{} to train; the record is in {}", archs.len(), record.folder().display());
    let file = args.bench.store.clone().unwrap_or_else(|| record.folder().join("store.sqlite"));
    let (trained, found) = record.or_undo(units::complete(&bench.job(&archs)?, &file, threads))?;
    let seconds: Vec<f64> = trained.iter().filter_map(|row| row.seconds).collect();
    let report = Report {
        space,
        seed: seed.0,
        compared: truth.values.map(|truth| ordered(&trained, &truth, seed)),
        trained,
        found,
        mean_s: (!seconds.is_empty()).then(|| stats::mean(&seconds)),
        wall_s: started.elapsed().as_secs_f64(),
    };
    record.write("result.json", &report)?;
    output::print(&report, args.common.format())?;
    let reasons: Option<Vec<&String>> = report.trained.iter().map(|row| row.reason.as_ref()).collect();
    match reasons.as_deref() {
        Some([first, ..]) => Err(anyhow!("no training has a result, the first for: {first}")).or_failed(),
        _ => Ok(()),
    }
}

/// How well accuracies and losses at the end order what has a truth.
fn ordered(trained: &[Trained], truth: &[Option<f64>], seed: Seed) -> Vec<Compared> {
    let known: Vec<(&Trained, f64)> =
        trained.iter().zip(truth).filter_map(|(row, truth)| Some((row, (*truth)?))).collect();
    let values: Vec<f64> = known.iter().map(|(_, truth)| *truth).collect();
    let column = |of: &dyn Fn(&Trained) -> Option<f64>| -> Vec<f64> {
        known.iter().map(|(row, _)| of(row).unwrap_or(f64::NAN)).collect()
    };
    let scores = [
        ("test", column(&|row| row.test)),
        ("valid", column(&|row| row.valid)),
        // less is better
        ("train_loss", column(&|row| Some(-row.curve.last()?.train_loss))),
        ("test_loss", column(&|row| Some(-row.curve.last()?.test_loss))),
    ];
    let there = scores.into_iter().filter(|(_, column)| column.iter().any(|value| value.is_finite()));
    compare(&there.collect::<Vec<_>>(), &values, seed)
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
        let Self { trained, found, wall_s, compared, .. } = self;
        let compared = compared.as_deref().map_or_else(String::new, compared_grid);
        format!(
            "{}{compared}{} trained, {found} of them found in the store, {wall_s:.1} s\n",
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
