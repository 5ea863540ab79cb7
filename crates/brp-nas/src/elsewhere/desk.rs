//! The trainings of a search as tasks of a folder.

use super::submit::Pause;
use super::{Folder, Pieces, slurm};
use crate::failure::{Broken, Failure, OrFail};
use crate::kept_units::{Unit, put};
use crate::train;
use cluster::{Desk, Look, Patience, Slurm};
use nas_core::{Objective, SearchSpace};
use search::Evaluated;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use store::Store;

/// Tasks an array; a search has few open at once.
const CHUNK: usize = 100;

/// Who trains for a search on Slurm.
pub(crate) type Elsewhere<'a, S, O> =
    cluster::Elsewhere<Slurm, TaskDesk<'a, S, O>, Box<dyn FnMut(&Look<Evaluated>)>>;

/// Architectures as tasks; what a task left is taken into the store, where the objective finds it.
pub(crate) struct TaskDesk<'a, S: SearchSpace, O> {
    space: &'a S,
    folder: Folder,
    store: Store,
    items: Vec<String>,
    numbers: BTreeMap<String, u64>,
    objective: &'a O,
    is_in: &'a IsIn<'a, S::Arch>,
    /// Where it is left that a result could not be taken.
    broken: &'a Broken,
}

/// Whether the store has an outcome of an architecture.
pub(crate) type IsIn<'a, A> = dyn Fn(&Store, &A) -> Result<bool, Failure> + 'a;

impl<'a, S: SearchSpace, O: Objective<S::Arch>> TaskDesk<'a, S, O> {
    /// Begins the folder of a search, or finds it begun.
    pub(crate) fn evaluator(
        folder: &Path,
        args: train::Args,
        store: &Path,
        options: Vec<String>,
        (space, objective, is_in, broken): (&'a S, &'a O, &'a IsIn<'a, S::Arch>, &'a Broken),
    ) -> Result<Elsewhere<'a, S, O>, Failure> {
        let folder = Folder::begin(folder, Pieces::Train(Box::new(args)), CHUNK as u64, 1)?;
        let items = folder.items()?;
        let numbers = items.iter().cloned().zip(0..).collect();
        let store = Store::open_or_create(store).or_input()?;
        let engine = slurm(&folder, options);
        // says early that there is no Slurm
        engine.most().or_input()?;
        let desk = Self { space, folder, store, items, numbers, objective, is_in, broken };
        let mut pause = Pause::default();
        let wait = move |look: &Look<Evaluated>| pause.after(look);
        Ok(cluster::Elsewhere::new(engine, desk, Patience::default(), Box::new(wait)))
    }
}

impl<S: SearchSpace, O: Objective<S::Arch>> Desk<S::Arch> for TaskDesk<'_, S, O> {
    type Error = io::Error;

    fn task(&mut self, arch: &S::Arch) -> io::Result<u64> {
        let text = arch.to_string();
        if let Some(number) = self.numbers.get(&text) {
            return Ok(*number);
        }
        let number = self.items.len() as u64;
        self.items.push(text.clone());
        let array = (self.items.len() - 1) / CHUNK;
        let listed = self.folder.list_array(array as u64, &self.items[array * CHUNK..]);
        listed.map_err(|failure| io::Error::other(format!("{:#}", failure.error())))?;
        self.numbers.insert(text, number);
        Ok(number)
    }

    fn result(&mut self, task: u64) -> Option<Evaluated> {
        let arch = self.space.parse(self.items.get(usize::try_from(task).ok()?)?).ok()?;
        let taken = (self.is_in)(&self.store, &arch).and_then(|there| {
            if there {
                return Ok(true);
            }
            // a damaged result is none, so that the task is done again
            let Ok(Some(done)) = self.folder.result(task) else { return Ok(false) };
            put(&self.store, &done.units().collect::<Vec<Unit>>()).map(|_| true)
        });
        match taken {
            Ok(true) => {}
            Ok(false) => return None,
            Err(failure) => return Some(Err(self.broken.say(&failure))),
        }
        Some(self.objective.evaluate(&arch).map_err(|error| error.to_string()))
    }
}
