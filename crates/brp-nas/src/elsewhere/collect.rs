//! `brp-nas collect`.

use super::Folder;
use crate::failure::{Failure, OrFail};
use crate::kept_units::{BATCH, Unit, put};
use crate::options::Format;
use crate::output::{self, Show};
use anyhow::anyhow;
use serde::Serialize;
use std::path::PathBuf;
use store::Store;

/// Flags of `collect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The work folder.
    folder: PathBuf,
    /// How the result is printed on stdout [default: table].
    #[arg(long)]
    format: Option<Format>,
}

/// What was taken into the store.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Taken {
    /// How often a task was handed over, where it was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handed_over: Option<usize>,
    /// Tasks that left a result.
    pub(crate) results: usize,
    /// Units that were new.
    pub(crate) taken: u64,
    /// Units whose outcome was there already, which stays.
    pub(crate) there: u64,
    /// What is wrong with files that were not taken; their tasks are done again.
    pub(crate) damaged: Vec<String>,
    /// Tasks that never had a result, however often they were handed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lost: Vec<u64>,
    pub(crate) store: PathBuf,
}

impl Taken {
    /// That nothing is missing of what was to be there.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if let Some(first) = self.damaged.first() {
            let (count, advice) = (self.damaged.len(), "`submit` has them done again");
            return Err(anyhow!("{count} results were not taken, the first: {first}; {advice}")).or_failed();
        }
        match self.lost.first() {
            Some(task) => {
                let (count, advice) = (self.lost.len(), "look into the logs of the work folder");
                Err(anyhow!("{count} tasks never had a result, {task} among them: {advice}")).or_failed()
            }
            None => Ok(()),
        }
    }
}

pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let taken = collect(&Folder::open(&args.folder)?)?;
    output::print(&taken, args.format.unwrap_or_default())?;
    taken.check()
}

/// Takes every result into the store, whole or not at all. A result stays in the folder, too.
pub(crate) fn collect(folder: &Folder) -> Result<Taken, Failure> {
    let file = &folder.work().store;
    let store = Store::open_or_create(file).or_input()?;
    let mut taken = Taken { store: file.clone(), ..Taken::default() };
    let mut units: Vec<Unit> = Vec::new();
    let mut flush = |units: &mut Vec<Unit>| -> Result<(), Failure> {
        let new = put(&store, units)?;
        taken.taken += new;
        taken.there += units.len() as u64 - new;
        units.clear();
        Ok(())
    };
    let (mut results, mut damaged) = (0, Vec::new());
    for task in folder.finished()? {
        match folder.result(task) {
            Ok(Some(done)) => {
                results += 1;
                // results of a task are taken together
                if units.len() + done.rows.len() > BATCH {
                    flush(&mut units)?;
                }
                units.extend(done.units());
            }
            Ok(None) => {}
            Err(failure) => damaged.push(format!("{:#}", failure.error())),
        }
    }
    flush(&mut units)?;
    (taken.results, taken.damaged) = (results, damaged);
    Ok(taken)
}

impl Show for Taken {
    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["results", "taken", "there", "damaged", "store"].map(String::from).to_vec();
        let Self { results, taken, there, damaged, store, .. } = self;
        let row = [results.to_string(), taken.to_string(), there.to_string(), damaged.len().to_string()];
        (header, vec![row.into_iter().chain([store.display().to_string()]).collect()])
    }
}
