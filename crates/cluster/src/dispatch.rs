use crate::{Engine, EngineError, Phase};
use std::collections::BTreeMap;

/// How long a task is waited for, in looks, because a clock can jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Looks in a row at which a task has neither a result nor a place with the engine, before it is handed over again.
    /// More than one, because a file may be seen late on another machine, and a job a moment after it was taken.
    pub looks: u32,
    /// How often it is handed over before it counts as lost.
    pub tries: u32,
}

impl Default for Patience {
    /// Three looks, five tries.
    fn default() -> Self {
        Self { looks: 3, tries: 5 }
    }
}

/// What one look found.
#[derive(Debug)]
pub struct Look<R> {
    /// Results that were not there before, by task.
    pub done: Vec<(u64, R)>,
    /// Tasks that were handed over as often as may be and have no result; they are open no more.
    pub lost: Vec<u64>,
    /// How many were handed over now.
    pub submitted: usize,
    /// What the engine could not do now.
    pub passing: Option<EngineError>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Task {
    handed_over: u32,
    absent: u32,
}

/// The tasks that have no result yet. Each gives one, or is lost, and none gives two.
///
/// A look costs a question to the engine and one for the result of every open task.
#[derive(Debug)]
pub struct Dispatch {
    open: BTreeMap<u64, Task>,
    patience: Patience,
}

impl Dispatch {
    /// Without tasks.
    pub fn new(patience: Patience) -> Self {
        Self { open: BTreeMap::new(), patience }
    }

    /// Wants the result of a task. It is handed over at the next look, unless it has a result or the engine has it.
    pub fn open(&mut self, task: u64) {
        self.open.entry(task).or_default();
    }

    /// Wants no results any more of what was not handed over.
    pub fn stop(&mut self) {
        self.open.retain(|_, task| task.handed_over > 0);
    }

    /// Whether a task is open.
    pub fn is_open(&self, task: u64) -> bool {
        self.open.contains_key(&task)
    }

    /// How many tasks are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Looks once: takes what is done, and hands over what nobody has.
    ///
    /// # Errors
    /// An engine that refuses for good. What was found until then is looked for again.
    pub fn look<R>(
        &mut self,
        engine: &mut impl Engine,
        mut result: impl FnMut(u64) -> Option<R>,
    ) -> Result<Look<R>, EngineError> {
        let mut look = Look { done: Vec::new(), lost: Vec::new(), submitted: 0, passing: None };
        // the engine first: what is done between the two questions has a result, what is asked the other way round would
        // look lost
        let there: Option<BTreeMap<u64, Phase>> = match engine.tasks() {
            Ok(there) => Some(there),
            Err(error) if error.passes() => {
                look.passing = Some(error);
                None
            }
            Err(error) => return Err(error),
        };
        let mut homeless = Vec::new();
        for (&number, task) in &mut self.open {
            if let Some(result) = result(number) {
                look.done.push((number, result));
                continue;
            }
            let Some(there) = &there else { continue };
            if there.contains_key(&number) {
                (task.handed_over, task.absent) = (task.handed_over.max(1), 0);
                continue;
            }
            task.absent += 1;
            if task.handed_over > 0 && task.absent < self.patience.looks {
                continue;
            }
            let gone = task.handed_over >= self.patience.tries.max(1);
            if gone { look.lost.push(number) } else { homeless.push(number) }
        }
        for number in look.done.iter().map(|(number, _)| number).chain(&look.lost) {
            self.open.remove(number);
        }
        if homeless.is_empty() {
            return Ok(look);
        }
        let submitted = engine.submit(&homeless);
        for number in &submitted.taken {
            if let Some(task) = self.open.get_mut(number) {
                *task = Task { handed_over: task.handed_over + 1, absent: 0 };
            }
        }
        look.submitted = submitted.taken.len();
        match submitted.refused {
            Some(error) if !error.passes() && look.done.is_empty() && look.lost.is_empty() => Err(error),
            // what was found is told first; the next look is refused again
            refused => {
                look.passing = refused.or(look.passing);
                Ok(look)
            }
        }
    }
}
