use std::collections::BTreeMap;
use thiserror::Error;

/// How a task stands that an engine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// In its queue.
    Waiting,
    /// On a machine.
    Running,
}

/// What an engine took of the tasks that were handed over.
#[derive(Debug, Default)]
pub struct Submitted {
    /// These it took.
    pub taken: Vec<u64>,
    /// Why it took no more.
    pub refused: Option<EngineError>,
}

/// Whoever runs tasks on machines. It may lose tasks, do them twice, and say that it has what it lost.
pub trait Engine {
    /// Hands tasks over.
    fn submit(&mut self, tasks: &[u64]) -> Submitted;

    /// The tasks that it has, and how they stand.
    ///
    /// # Errors
    /// An engine that does not answer, or not so that one can tell.
    fn tasks(&mut self) -> Result<BTreeMap<u64, Phase>, EngineError>;
}

/// Why an engine does not do what it is asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Its program is not there.
    #[error(
        "there is no `{command}` on this machine ({source}): Slurm's commands are found on its login nodes"
    )]
    Absent {
        /// The program.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It will not, and will not later either.
    #[error("`{command}` was refused: {said}; {advice}")]
    Refused {
        /// What was asked.
        command: String,
        /// What it said.
        said: String,
        /// What to do.
        advice: &'static str,
    },
    /// It will not now; asked again later, it may.
    #[error("`{command}` is not possible now: {said}")]
    Busy {
        /// What was asked.
        command: String,
        /// What it said.
        said: String,
    },
    /// Its answer is not understood.
    #[error("`{command}` answered {found:?}; expected {expected}")]
    Unclear {
        /// What was asked.
        command: String,
        /// What it said.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
}

impl EngineError {
    /// Whether it may be otherwise later.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}
