use crate::{Engine, EngineError, Phase, Submitted, ranges};
use std::collections::BTreeMap;
use std::env;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

/// Refusals that pass by themselves: the controller is away or busy, or a limit on how much may be in the queue.
const PASSING: [&str; 9] = [
    "Unable to contact slurm controller",
    "Socket timed out",
    "Connection refused",
    "Zero Bytes were transmitted",
    "Resource temporarily unavailable",
    "Slurm temporarily unable to accept job",
    "MaxSubmitJob",
    "MaxJobCount",
    "Job violates accounting/QOS policy",
];

/// Parts of what `sbatch` says, and what to do about it.
const ADVICE: [(&str, &str); 7] = [
    ("invalid partition", "`sinfo` lists the partitions; name one with --sbatch=--partition=NAME"),
    (
        "Invalid account",
        "`sacctmgr show associations user=$USER` lists the accounts; --sbatch=--account=NAME names one",
    ),
    ("Invalid qos", "name another one with --sbatch=--qos=NAME"),
    ("node configuration is not available", "ask for less with --sbatch, or for another partition"),
    ("Invalid job array", "the site allows smaller arrays: begin a new work folder with a smaller --chunk"),
    ("time limit", "ask for less time, or another partition, with --sbatch=--time=MINUTES"),
    ("Access/permission denied", "`scontrol show partition` says who may use it"),
];

/// Bytes of the list of an array; Linux takes arguments of 128 KiB.
const LIST: usize = 100_000;
/// Tasks whose list is never longer.
const SHORT: usize = 10_000;

/// Whether an option says what we have to say.
fn is_ours(option: &str) -> bool {
    ["-J", "-a", "--job", "--ar"].iter().any(|ours| option.starts_with(ours))
}

/// What is handed to Slurm for tasks of one kind of work.
#[derive(Debug, Clone, Default)]
pub struct SlurmJob {
    /// Names its jobs, with the number of the array behind; no other work of this user may have it.
    pub name: String,
    /// Run with the number of the array, and `SLURM_ARRAY_TASK_ID` in its environment.
    pub script: PathBuf,
    /// Tasks an array: task `n` is number `n % chunk` of array `n / chunk`. At most what [`Slurm::most`] says; 0 is 1.
    pub chunk: u64,
    /// Options of `sbatch`, which come last and so win; not the name of a job nor the list of an array, by which tasks are
    /// known.
    pub options: Vec<String>,
}

impl SlurmJob {
    /// Tasks an array, at least one.
    fn each(&self) -> u64 {
        self.chunk.max(1)
    }
}

/// Slurm, by its own commands.
#[derive(Debug, Clone)]
pub struct Slurm {
    job: SlurmJob,
    folder: Option<PathBuf>,
}

impl Slurm {
    /// The jobs of one kind of work.
    pub fn new(job: SlurmJob) -> Self {
        Self { job, folder: None }
    }

    /// With the programs of this folder instead of those of the path.
    #[must_use]
    pub fn at(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..self }
    }

    /// How many tasks an array may have on this site.
    ///
    /// # Errors
    /// No Slurm here, or one that does not say.
    pub fn most(&self) -> Result<u64, EngineError> {
        let said = self.run("scontrol", &["show".into(), "config".into()])?;
        let value = said.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize")?.split('=').nth(1));
        value.and_then(|value| value.trim().parse().ok()).ok_or_else(|| EngineError::Unclear {
            command: "scontrol show config".into(),
            found: said.lines().next().unwrap_or_default().into(),
            expected: "a line MaxArraySize = NUMBER",
        })
    }

    /// What of this work is in the queue or runs.
    ///
    /// # Errors
    /// A Slurm that does not answer, or not so that one can tell.
    pub fn queue(&self) -> Result<Vec<Queued>, EngineError> {
        let format = "%j|%K|%T|%r";
        let said = self.run("squeue", &["-h", "-r", "--me", "-o", format].map(String::from))?;
        let ours = said.lines().filter(|line| line.starts_with(&format!("{}-", self.job.name)));
        ours.map(|line| {
            Queued::read(line, &self.job).ok_or_else(|| EngineError::Unclear {
                command: format!("squeue -o {format}"),
                found: line.into(),
                expected: "NAME-ARRAY|NUMBER|STATE|REASON",
            })
        })
        .collect()
    }

    fn name(&self, array: u64) -> String {
        format!("{}-{array}", self.job.name)
    }

    /// What a command prints, where it succeeds.
    fn run(&self, program: &str, args: &[String]) -> Result<String, EngineError> {
        let path = self.folder.as_ref().map_or_else(|| program.into(), |folder| folder.join(program));
        let mut command = Command::new(path);
        command.args(args);
        // filters of the user's own `squeue`, which would hide our tasks
        let filters = env::vars_os().map(|(name, _)| name);
        filters.filter(|name| name.to_string_lossy().starts_with("SQUEUE_")).for_each(|name| {
            command.env_remove(name);
        });
        let output = command.output().map_err(|source| match source.kind() {
            // no memory or no process left, for now
            ErrorKind::WouldBlock | ErrorKind::OutOfMemory | ErrorKind::ExecutableFileBusy => {
                EngineError::Busy { command: program.into(), said: source.to_string() }
            }
            _ => EngineError::Absent { command: program.into(), source },
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.trim().chars().take(500).collect();
        let said = if said.is_empty() { format!("no word, {}", output.status) } else { said };
        let command = format!("{program} {}", args.join(" "));
        if PASSING.iter().any(|part| said.contains(part)) {
            return Err(EngineError::Busy { command, said });
        }
        let advice = ADVICE.iter().find(|(part, _)| said.to_lowercase().contains(&part.to_lowercase()));
        let advice = advice.map_or("try the command by hand", |(_, advice)| advice);
        Err(EngineError::Refused { command, said, advice })
    }
}

/// One task as `squeue` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Which.
    pub task: u64,
    /// Whether it runs.
    pub phase: Phase,
    /// Why not, in Slurm's words.
    pub reason: String,
}

impl Queued {
    fn read(line: &str, job: &SlurmJob) -> Option<Self> {
        let mut parts = line.splitn(4, '|');
        let array: u64 = parts.next()?.strip_prefix(&job.name)?.strip_prefix('-')?.trim().parse().ok()?;
        let number: u64 = parts.next()?.trim().parse().ok()?;
        let phase = match parts.next()?.trim() {
            "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "RESV_DEL_HOLD" | "SPECIAL_EXIT" | "REQUEUE_FED" => {
                Phase::Waiting
            }
            _ => Phase::Running,
        };
        let reason = parts.next().unwrap_or_default().trim().to_owned();
        Some(Self { task: array.checked_mul(job.each())?.checked_add(number)?, phase, reason })
    }
}

impl Engine for Slurm {
    fn submit(&mut self, tasks: &[u64]) -> Submitted {
        let chunk = self.job.each();
        let mut arrays: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for task in tasks {
            arrays.entry(task / chunk).or_default().push(task % chunk);
        }
        let mut submitted = Submitted::default();
        if let Some(option) = self.job.options.iter().find(|option| is_ours(option)) {
            submitted.refused = Some(EngineError::Refused {
                command: format!("sbatch {option}"),
                said: "tasks are known by the name of their job and the list of its array".into(),
                advice: "leave the option out",
            });
            return submitted;
        }
        let pieces = arrays.iter().flat_map(|(array, numbers)| {
            let piece = if ranges(numbers).len() > LIST { SHORT } else { numbers.len() };
            numbers.chunks(piece.max(1)).map(move |numbers| (*array, numbers))
        });
        for (array, numbers) in pieces {
            let mut args = vec![
                "--parsable".into(),
                format!("--job-name={}", self.name(array)),
                format!("--array={}", ranges(numbers)),
            ];
            args.extend(self.job.options.iter().cloned());
            args.extend([self.job.script.display().to_string(), array.to_string()]);
            match self.run("sbatch", &args) {
                Ok(_) => submitted.taken.extend(numbers.iter().map(|number| array * chunk + number)),
                Err(error) => {
                    submitted.refused = Some(error);
                    break;
                }
            }
        }
        submitted
    }

    fn tasks(&mut self) -> Result<BTreeMap<u64, Phase>, EngineError> {
        Ok(self.queue()?.into_iter().map(|queued| (queued.task, queued.phase)).collect())
    }
}
