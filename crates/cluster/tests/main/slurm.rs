//! Programs in a folder that answer as Slurm's do; `xtask slurm` has the real one.

use cluster::{Dispatch, Engine, EngineError, Patience, Phase, Slurm, SlurmJob};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// The path to programs is the process's, so one test at a time.
static PATH: Mutex<()> = Mutex::new(());

struct Fake {
    folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Fake {
    fn new() -> Self {
        let alone = PATH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Self { folder: tempfile::tempdir().unwrap(), _alone: alone }
    }

    fn program(&self, name: &str, script: &str) {
        let file = self.path(name);
        std::fs::write(&file, format!("#!/bin/sh\ncd {}\n{script}\n", self.folder.path().display())).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn slurm(&self) -> Slurm {
        let job = SlurmJob {
            name: "brp-1".into(),
            script: "run.sh".into(),
            chunk: 100,
            options: vec!["--partition=short".into()],
        };
        Slurm::new(job).at(self.folder.path())
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn arrays_are_handed_over_and_found_again() {
    let fake = Fake::new();
    fake.program("sbatch", "echo \"$@\" >> said; echo 42");
    fake.program(
        "squeue",
        "echo 'brp-1-0|3|PENDING|Resources'; echo 'brp-1-2|17|RUNNING|None'; echo 'brp-1-2|18|COMPLETING|None'\n\
         echo 'other|N/A|RUNNING|None'; echo 'brp-12-0|1|RUNNING|None'; echo 'brp-1-0|4|PENDING|Resources'",
    );
    fake.program("scontrol", "echo 'Configuration data'; echo 'MaxArraySize            = 1001'");
    let mut slurm = fake.slurm();
    let submitted = slurm.submit(&[0, 1, 2, 5, 217, 218]);
    assert!(submitted.refused.is_none());
    assert_eq!(submitted.taken, [0, 1, 2, 5, 217, 218]);
    assert_eq!(
        read(&fake.path("said")),
        "--parsable --job-name=brp-1-0 --array=0-2,5 --partition=short run.sh 0\n\
         --parsable --job-name=brp-1-2 --array=17-18 --partition=short run.sh 2\n"
    );
    let there: Vec<(u64, Phase)> = slurm.tasks().unwrap().into_iter().collect();
    assert_eq!(
        there,
        [(3, Phase::Waiting), (4, Phase::Waiting), (217, Phase::Running), (218, Phase::Running)]
    );
    assert_eq!(slurm.queue().unwrap()[0].reason, "Resources");
    assert_eq!(slurm.most().unwrap(), 1001);
}

#[test]
fn what_is_refused_says_what_to_do_and_what_passes_is_tried_again() {
    let fake = Fake::new();
    let refusal = |slurm: &mut Slurm| slurm.submit(&[0]).refused.unwrap();
    let error = refusal(&mut fake.slurm());
    assert!(matches!(error, EngineError::Absent { .. }) && !error.passes(), "{error}");
    fake.program("sbatch", "echo 'sbatch: error: invalid partition specified: short' >&2; exit 1");
    let error = refusal(&mut fake.slurm());
    assert!(error.to_string().contains("sinfo") && !error.passes(), "{error}");
    fake.program("sbatch", "exit 3");
    assert!(refusal(&mut fake.slurm()).to_string().contains("by hand"));
    fake.program("squeue", "echo 'brp-1-0|x|RUNNING|None'");
    assert!(matches!(fake.slurm().tasks(), Err(EngineError::Unclear { .. })));
    fake.program("scontrol", "echo nothing");
    assert!(matches!(fake.slurm().most(), Err(EngineError::Unclear { .. })));

    // a controller that is away for a while, and a limit on the queue after the first array
    fake.program(
        "squeue",
        "[ -e up ] && exit 0; echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1",
    );
    fake.program(
        "sbatch",
        "[ -e full ] && { echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1; }; touch full; echo \"$@\" >> said",
    );
    let (mut slurm, mut dispatch) = (fake.slurm(), Dispatch::new(Patience { looks: 2, tries: 2 }));
    [1, 101].into_iter().for_each(|task| dispatch.open(task));
    let none = |_: u64| None::<()>;
    let look = dispatch.look(&mut slurm, none).unwrap();
    assert!(look.submitted == 0 && look.passing.unwrap().to_string().contains("controller"));
    fake.program("up", "");
    let look = dispatch.look(&mut slurm, none).unwrap();
    assert!(look.submitted == 1 && look.passing.unwrap().to_string().contains("not possible now"));
    std::fs::remove_file(fake.path("full")).unwrap();
    assert_eq!(dispatch.look(&mut slurm, none).unwrap().submitted, 1);
    assert_eq!(read(&fake.path("said")).lines().count(), 2);
}

/// Under another name or list a task would not be found again, and be handed over until it is called lost.
#[test]
fn options_that_say_what_tasks_are_known_by_are_refused() {
    let fake = Fake::new();
    fake.program("sbatch", "touch asked");
    for option in ["--job-name=mine", "-Jmine", "--array=0-9%5", "-a", "--job-n=x", "--ar=1"] {
        let job = SlurmJob { name: "brp-1".into(), options: vec![option.into()], ..SlurmJob::default() };
        let submitted = Slurm::new(job).at(fake.folder.path()).submit(&[0]);
        let error = submitted.refused.unwrap();
        assert!(error.to_string().contains(option) && !error.passes() && submitted.taken.is_empty());
    }
    assert!(!fake.path("asked").exists());
}

#[test]
fn a_list_that_is_longer_than_an_argument_may_be_is_handed_over_in_parts() {
    let fake = Fake::new();
    fake.program("sbatch", "echo x >> said");
    let job = SlurmJob { name: "brp-1".into(), chunk: 100_000, ..SlurmJob::default() };
    let tasks: Vec<u64> = (0..50_000).map(|task| 2 * task).collect();
    let submitted = Slurm::new(job).at(fake.folder.path()).submit(&tasks);
    assert!(submitted.refused.is_none());
    assert_eq!((submitted.taken, read(&fake.path("said")).lines().count()), (tasks, 5));
}

/// Arrays that nobody gave a size have one task each, also when they are found again.
#[test]
fn an_array_has_at_least_one_task() {
    let fake = Fake::new();
    fake.program("sbatch", "echo 42");
    fake.program("squeue", "echo 'brp-1-0|0|PENDING|Resources'; echo 'brp-1-5|0|RUNNING|None'");
    let job = SlurmJob { name: "brp-1".into(), script: "run.sh".into(), ..SlurmJob::default() };
    let mut slurm = Slurm::new(job).at(fake.folder.path());
    assert_eq!(slurm.submit(&[0, 5]).taken, [0, 5]);
    assert_eq!(slurm.tasks().unwrap().into_keys().collect::<Vec<u64>>(), [0, 5]);
}
