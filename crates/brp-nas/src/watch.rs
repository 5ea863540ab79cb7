//! Who watches a search, beside its record and the bar: a CSV file, and a file for TensorBoard. Both are written
//! anew where a search is gone on with, so that they are whole.

mod events;

use crate::failure::{Failure, OrFail};
use crate::host::now_s;
use crate::record::TENSORBOARD;
use anyhow::Context;
use clap::ValueEnum;
use events::{Events, Scalar};
use nas_core::{Observe, Trial};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// A form in which trials are written beside `trials.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Watch {
    /// `trials.csv`, a row a trial.
    Csv,
    /// `tensorboard/<run>/events.out.tfevents.*`: value, best value, latency, cost and failures by trial.
    Tensorboard,
}

/// A file that is written trial by trial.
#[derive(Debug)]
pub(crate) enum Watcher {
    Csv(Box<csv::Writer<File>>),
    Tensorboard { events: Events<File>, best: Option<f64>, failed: usize },
}

impl Watcher {
    /// In the folder of a run, for the trials of `name`.
    pub(crate) fn new(watch: Watch, folder: &Path, name: &str) -> Result<Self, Failure> {
        let path = match watch {
            Watch::Csv => folder.join(format!("{name}.csv")),
            Watch::Tensorboard => folder.join(TENSORBOARD).join(name).join("events.out.tfevents.0.brp-nas"),
        };
        let open = || -> io::Result<Self> {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            let file = File::create(&path)?;
            Ok(match watch {
                Watch::Csv => {
                    let mut writer = csv::Writer::from_writer(file);
                    let header = ["number", "iteration", "arch", "value", "latency_ms", "cost_s", "failure"];
                    writer.write_record(header)?;
                    Self::Csv(Box::new(writer))
                }
                Watch::Tensorboard => {
                    Self::Tensorboard { events: Events::new(file, now_s() as f64)?, best: None, failed: 0 }
                }
            })
        };
        open().with_context(|| format!("cannot write {}", path.display())).or_failed()
    }
}

impl<A: Display> Observe<A> for Watcher {
    fn on_trial(&mut self, trial: &Trial<A>) -> io::Result<()> {
        let text = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
        let known = trial.result.as_ref().ok();
        match self {
            Self::Csv(writer) => {
                writer.write_record([
                    trial.number.to_string(),
                    trial.iteration.to_string(),
                    trial.arch.to_string(),
                    text(known.map(|known| known.value)),
                    text(known.and_then(|known| known.latency_ms)),
                    text(known.and_then(|known| known.cost_s)),
                    trial.result.as_ref().err().cloned().unwrap_or_default(),
                ])?;
                writer.flush()
            }
            Self::Tensorboard { events, best, failed } => {
                let mut scalars = Vec::new();
                match known {
                    Some(known) => {
                        let larger = best.map_or(known.value, |best| best.max(known.value));
                        *best = Some(larger);
                        scalars.extend([Scalar("value", known.value), Scalar("best_value", larger)]);
                        scalars.extend(known.latency_ms.map(|ms| Scalar("latency_ms", ms)));
                        scalars.extend(known.cost_s.map(|seconds| Scalar("cost_s", seconds)));
                    }
                    None => {
                        *failed += 1;
                        scalars.push(Scalar("failed", *failed as f64));
                    }
                }
                events.write(now_s() as f64, trial.number as u64, &scalars)
            }
        }
    }

    fn on_recorded(&mut self, trial: &Trial<A>) -> io::Result<()> {
        self.on_trial(trial)
    }
}
