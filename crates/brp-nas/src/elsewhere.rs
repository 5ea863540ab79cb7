//! Work on other machines: `worker`, `submit`, `status`, `collect`, and searches that train there.

pub(crate) mod collect;
mod desk;
mod folder;
mod pieces;
pub(crate) mod status;
pub(crate) mod submit;
pub(crate) mod worker;

pub(crate) use desk::{IsIn, TaskDesk};
pub(crate) use folder::Folder;
pub(crate) use pieces::{Pieces, Visit};

use cluster::{Slurm, SlurmJob};

/// The engine for the tasks of a folder; what they print is in it, unless options say otherwise.
fn slurm(folder: &Folder, options: Vec<String>) -> Slurm {
    let output = format!("--output={}/logs/%x_%a.log", folder.path().display());
    let options = [vec![output, "--open-mode=append".into()], options].concat();
    let job = SlurmJob {
        name: folder.work().name.clone(),
        script: folder.script(),
        chunk: folder.work().chunk,
        options,
    };
    Slurm::new(job)
}
