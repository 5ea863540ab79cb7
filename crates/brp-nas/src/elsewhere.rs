//! Work on other machines: `worker`, `submit`, `status`, `collect`, and searches that train there.

pub(crate) mod collect;
mod desk;
mod folder;
mod pieces;
pub(crate) mod status;
pub(crate) mod submit;
pub(crate) mod worker;

pub(crate) use desk::TaskDesk;
pub(crate) use folder::Folder;
pub(crate) use pieces::{Pieces, Visit};

use cluster::{Slurm, SlurmJob};

/// The engine for the tasks of a folder.
fn slurm(folder: &Folder, options: Vec<String>) -> Slurm {
    let job = SlurmJob {
        name: folder.work().name.clone(),
        script: folder.script(),
        chunk: folder.work().chunk,
        options,
    };
    Slurm::new(job)
}
