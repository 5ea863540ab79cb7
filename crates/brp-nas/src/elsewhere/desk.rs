//! The trainings of a search as tasks of a folder.

use super::submit::Pause;
use super::{Folder, Pieces, slurm};
use crate::failure::{Failure, OrFail};
use crate::kept_units::{Unit, put};
use crate::train;
use cluster::{Desk, Look, Patience, Slurm};
use nas_core::Objective;
use search::Evaluated;
use spaces::nas_bench_201::Cell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use store::Store;

/// Tasks an array; a search has few open at once.
const CHUNK: u64 = 100;

/// Why a task cannot be made, or its result not be kept.
#[derive(Debug)]
pub(crate) struct DeskError(String);

impl Display for DeskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DeskError {}

impl From<Failure> for DeskError {
    fn from(failure: Failure) -> Self {
        Self(format!("{:#}", failure.error()))
    }
}

/// Who trains for a search on Slurm.
pub(crate) type Elsewhere<'a, O> =
    cluster::Elsewhere<Slurm, TaskDesk<'a, O>, Box<dyn FnMut(&Look<Evaluated>)>>;

/// Cells as tasks; what a task left is taken into the store, where the objective finds it.
pub(crate) struct TaskDesk<'a, O> {
    folder: Folder,
    store: Store,
    items: Vec<String>,
    numbers: BTreeMap<String, u64>,
    objective: &'a O,
}

impl<'a, O: Objective<Cell>> TaskDesk<'a, O> {
    /// Begins the folder of a search, or finds it begun.
    pub(crate) fn evaluator(
        folder: &Path,
        args: train::Args,
        options: Vec<String>,
        objective: &'a O,
    ) -> Result<Elsewhere<'a, O>, Failure> {
        let folder = Folder::begin(folder, Pieces::Train(Box::new(args)), CHUNK, 1)?;
        let items = folder.items()?;
        let numbers = items.iter().cloned().zip(0..).collect();
        let store = Store::open_or_create(&folder.work().store).or_input()?;
        let engine = slurm(&folder, options);
        // says early that there is no Slurm
        engine.most().or_input()?;
        let desk = Self { folder, store, items, numbers, objective };
        let (mut pause, mut said) = (Pause::default(), String::new());
        let wait = move |look: &Look<Evaluated>| {
            let passing = look.passing.as_ref().map_or_else(String::new, ToString::to_string);
            if passing != said && !passing.is_empty() {
                eprintln!("{passing}; it is tried again");
            }
            said = passing;
            pause.sleep(look.submitted > 0);
        };
        Ok(cluster::Elsewhere::new(engine, desk, Patience::default(), Box::new(wait)))
    }
}

impl<O: Objective<Cell>> Desk<Cell> for TaskDesk<'_, O> {
    type Error = DeskError;

    fn task(&mut self, cell: &Cell) -> Result<u64, DeskError> {
        let text = cell.to_string();
        if let Some(number) = self.numbers.get(&text) {
            return Ok(*number);
        }
        let number = self.items.len() as u64;
        self.items.push(text.clone());
        self.folder.list_items(&self.items)?;
        self.numbers.insert(text, number);
        Ok(number)
    }

    fn result(&mut self, task: u64) -> Option<Evaluated> {
        // a damaged one is none, so that the task is done again
        let done = self.folder.result(task).ok().flatten()?;
        let units: Vec<Unit> = done.rows.into_iter().map(|row| (row.key, row.state)).collect();
        if let Err(failure) = put(&self.store, &units) {
            return Some(Err(format!("{:#}", failure.error())));
        }
        let cell = self.items.get(usize::try_from(task).ok()?)?.parse::<Cell>().ok()?;
        Some(self.objective.evaluate(&cell).map_err(|error| error.to_string()))
    }
}
