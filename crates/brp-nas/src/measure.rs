//! `brp-nas measure`.

mod machine;
mod runtime;
mod watch;
mod work;

use crate::choice::Choice;
use crate::elsewhere::Visit;
use crate::failure::{Failure, OrFail};
use crate::host::Host;
use crate::options::{Common, check_used, processors, read_config};
use crate::output::{self, Show, grid, number};
use crate::record::Record;
use crate::registry::Space;
use crate::scored::Sizes;
use crate::units::{self, Work};
use anyhow::{Context, anyhow};
use clap::ValueEnum;
use latbench::{Interleaved, MOST_INPUTS, Published, cores};
use machine::Machine;
use nas_core::Seed;
use runtime::{Build, Layers, Ready, Runtime, Subject};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::{Filter, Store};
use tables::hex;
use work::{Job, Protocol, Row};

/// In the middle of NAS-Bench-201: two 3 by 3 convolutions, one 1 by 1, a pooling, a skip.
const REFERENCE: &str =
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|";

/// Flags of `measure`; each is also a key of the `--config` file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Args {
    /// The search space [default: nas-bench-201].
    #[arg(long)]
    space: Option<Space>,
    #[command(flatten)]
    #[serde(flatten)]
    choice: Choice,
    /// An ONNX file with one input of 32-bit floats; may be given more than once.
    #[arg(long)]
    onnx: Option<Vec<PathBuf>>,
    /// What networks are run by [default: engine; onnxruntime for ONNX files].
    #[arg(long)]
    runtime: Option<Runtime>,
    /// The library of ONNX Runtime [default: ORT_DYLIB_PATH, else where the system looks for libraries].
    #[arg(long)]
    library: Option<PathBuf>,
    /// Which layers of an architecture are measured [default: pruned].
    #[arg(long)]
    layers: Option<Layers>,
    /// How latency is measured [default: interleaved].
    #[arg(long)]
    protocol: Option<ProtocolName>,
    /// Percent to which the median must be known with 95 % certainty [default: 2].
    #[arg(long)]
    precision: Option<f64>,
    /// What all runs of a network together may take, in seconds [default: 30; published: 600].
    #[arg(long)]
    limit: Option<f64>,
    /// Networks that take turns with one reference [default: 8].
    #[arg(long)]
    group: Option<usize>,
    /// The architecture that all others take turns with [default: one in the middle of nas-bench-201, of other spaces
    /// one that is drawn].
    #[arg(long)]
    reference: Option<String>,
    /// What that one takes on the quiet machine, in ms [default: measured once, and kept in the store].
    #[arg(long)]
    reference_ms: Option<f64>,
    /// Channels of the first stage, or of the stem of a chain [default: as published; 16 for nas-bench-201].
    #[arg(long)]
    channels: Option<u64>,
    /// Cells a stage, for darts in all; chains have none [default: as published; 5 for nas-bench-201].
    #[arg(long)]
    cells: Option<u64>,
    /// Classes of the network [default: 10].
    #[arg(long)]
    classes: Option<u64>,
    /// Side of the images [default: as published; 224 for proxyless-nas, else 32].
    #[arg(long)]
    image: Option<u64>,
    /// Images in a run [default: 1].
    #[arg(long)]
    batch: Option<usize>,
    /// The core that measures [default: the last that this program may run on; none with more than one thread].
    #[arg(long)]
    core: Option<usize>,
    /// The name of the device in the store [default: processor, runtime and threads].
    #[arg(long)]
    device: Option<String>,
    /// The run store: what is in it is not measured again; with another --seed everything is [default: store.sqlite in
    /// the run folder].
    #[arg(long)]
    store: Option<PathBuf>,
    /// Measure again what failed before [default: false].
    #[arg(long)]
    retry: Option<bool>,
    /// TOML file with the same options; flags win.
    #[arg(long)]
    #[serde(skip)]
    config: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    common: Common,
}

impl Args {
    fn or(self, other: Self) -> Self {
        Self {
            space: self.space.or(other.space),
            choice: self.choice.or(other.choice),
            onnx: self.onnx.or(other.onnx),
            runtime: self.runtime.or(other.runtime),
            library: self.library.or(other.library),
            layers: self.layers.or(other.layers),
            protocol: self.protocol.or(other.protocol),
            precision: self.precision.or(other.precision),
            limit: self.limit.or(other.limit),
            group: self.group.or(other.group),
            reference: self.reference.or(other.reference),
            reference_ms: self.reference_ms.or(other.reference_ms),
            channels: self.channels.or(other.channels),
            cells: self.cells.or(other.cells),
            classes: self.classes.or(other.classes),
            image: self.image.or(other.image),
            batch: self.batch.or(other.batch),
            core: self.core.or(other.core),
            device: self.device.or(other.device),
            store: self.store.or(other.store),
            retry: self.retry.or(other.retry),
            config: self.config,
            common: self.common.or(other.common),
        }
    }
}

/// How latency is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ProtocolName {
    /// In turns with a reference, until the median is known, or not at all.
    #[default]
    Interleaved,
    /// As LatBench was: 100 rounds of 10 runs, 10 ms apart, inter-quartile means.
    Published,
}

/// All that decides what a latency comes to, beside architecture, device and seed: a part of the store's keys.
#[derive(Debug, Serialize)]
struct Fidelity {
    runtime: Runtime,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_version: Option<String>,
    #[serde(flatten)]
    build: Build,
    reference: String,
    threads: usize,
    protocol: Protocol,
}

/// What the record says of a run: the setting, and the flags as they were given.
#[derive(Debug, Serialize)]
struct Recorded<'a> {
    fidelity: &'a Fidelity,
    machine: &'a Machine,
    flags: &'a Args,
}

/// The result.
#[derive(Debug, Serialize)]
struct Report<'a> {
    space: Space,
    seed: u64,
    device: &'a str,
    /// Layers, as in LatBench (`pruned`) or as written.
    layers: Layers,
    measured: Vec<Row>,
    /// How many have no latency.
    failed: usize,
    /// How many were already in the store.
    found: usize,
    /// What the reference takes when the machine is quiet.
    reference_ms: Option<f64>,
    fidelity: &'a Fidelity,
    machine: Machine,
    host: Host,
    wall_s: f64,
}

impl Args {
    /// With what the configuration file says.
    pub(crate) fn whole(self) -> Result<Self, Failure> {
        let config = read_config(self.config.as_deref())?;
        Ok(self.or(config))
    }

    pub(crate) fn store(&self) -> Option<&Path> {
        self.store.as_deref()
    }

    pub(crate) fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// How many take turns.
    pub(crate) fn together(&self) -> usize {
        self.group.unwrap_or(8).max(1)
    }
}

/// What is to be measured, as text.
pub(crate) fn items(args: &Args) -> Result<Vec<String>, Failure> {
    let subjects = subjects(args, args.space.unwrap_or_default(), Seed(args.common.seed()))?;
    Ok(subjects.iter().map(Subject::text).collect())
}

/// Shows the measuring of these architectures or files.
pub(crate) fn on<V: Visit>(args: &Args, items: &[String], visit: V) -> Result<V::Out, Failure> {
    let (space, seed) = (args.space.unwrap_or_default(), Seed(args.common.seed()));
    let subjects = match &args.onnx {
        Some(_) => items.iter().map(file).collect::<Result<_, _>>()?,
        None => items.iter().cloned().map(Subject::Arch).collect(),
    };
    visit.visit(&job(args, space, subjects, seed)?.1)
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let given = args.clone();
    let args = args.whole()?;
    let interleaved = args.protocol.unwrap_or_default() == ProtocolName::Interleaved;
    let whose = "--protocol interleaved";
    check_used(&[
        ("--precision", given.precision.is_some(), interleaved, whose),
        ("--reference-ms", given.reference_ms.is_some(), interleaved, whose),
        ("--reference", given.reference.is_some(), interleaved, whose),
    ])?;
    let started = std::time::Instant::now();
    let seed = Seed(args.common.seed());
    let space = args.space.unwrap_or_default();
    let subjects = subjects(&args, space, seed)?;
    let job = job(&args, space, subjects, seed)?;
    let (fidelity, job) = job;
    let machine = Machine::here(job.core);
    let recorded = Recorded { fidelity: &fidelity, machine: &machine, flags: &args };
    if let Some(file) = args.store.as_ref().filter(|file| file.exists()) {
        // what the store and --reference-ms say of the reference has to agree
        job.usual(&Store::open_or_create(file).or_input()?)?;
    }
    let record = Record::start("measure", args.common.out.as_deref(), seed.0, &recorded, &[])?;
    let subjects: usize = job.groups.iter().map(Vec::len).sum();
    eprintln!("{subjects} to measure; the record is in {}", record.folder().display());
    let file = args.store.clone().unwrap_or_else(|| record.folder().join("store.sqlite"));
    let measure = || {
        if args.retry == Some(true) {
            let store = Store::open_or_create(&file).or_input()?;
            for key in job.keys().concat() {
                store.retry(&Filter::from(&key)).or_failed()?;
            }
        }
        units::complete(&job, &file, job.threads)
    };
    let (rows, found) = record.or_undo(measure())?;
    let measured = rows.concat();
    let report = Report {
        space,
        seed: seed.0,
        device: &job.device,
        layers: job.build.layers,
        failed: measured.iter().filter(|row| row.latency_ms.is_none()).count(),
        measured,
        found,
        reference_ms: job.usual(&Store::open(&file).or_failed()?)?.map(|usual| usual * 1e3),
        fidelity: &fidelity,
        machine,
        host: Host::here(),
        wall_s: started.elapsed().as_secs_f64(),
    };
    record.write("result.json", &report)?;
    output::print(&report, args.common.format())?;
    if report.failed == report.measured.len() {
        let reason = report.measured.first().and_then(|row| row.reason.clone()).unwrap_or_default();
        return Err(anyhow!("nothing could be measured: {reason}")).or_failed();
    }
    Ok(())
}

/// Files, or architectures.
fn subjects(args: &Args, space: Space, seed: Seed) -> Result<Vec<Subject>, Failure> {
    let Some(files) = &args.onnx else {
        return Ok(args.choice.texts(space, seed)?.into_iter().map(Subject::Arch).collect());
    };
    if args.choice != Choice::default() {
        return Err(anyhow!("--onnx names files, and architectures are named too; measure them one by one"))
            .or_input();
    }
    files.iter().map(file).collect()
}

fn file(path: impl AsRef<Path>) -> Result<Subject, Failure> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display())).or_input()?;
    let sha256 = hex(Sha256::digest(&bytes).as_slice());
    Ok(Subject::File { path: path.to_path_buf(), bytes, sha256 })
}

/// One in the middle of the space; of others than NAS-Bench-201 one that is drawn, always the same.
fn reference_of(space: Space) -> String {
    match space {
        Space::NasBench201 => REFERENCE.into(),
        _ => space.sample(1, Seed(0)).pop().unwrap_or_default(),
    }
}

/// The setting, and all that is measured in it; what is wrong with it is said before anything is written.
fn job(args: &Args, space: Space, subjects: Vec<Subject>, seed: Seed) -> Result<(Fidelity, Job), Failure> {
    let default = if args.onnx.is_some() { Runtime::Ort } else { Runtime::default() };
    let runtime = args.runtime.unwrap_or(default);
    let Sizes { published: (channels, cells), image, .. } = space.sizes(args.cells).or_input()?;
    let build = Build {
        layers: args.layers.unwrap_or_default(),
        channels: args.channels.unwrap_or(channels),
        cells: args.cells.or(cells),
        classes: args.classes.unwrap_or(10),
        image: args.image.unwrap_or(image),
        batch: args.batch.unwrap_or(1),
    };
    let threads = match args.common.threads {
        None => 1,
        Some(_) => args.common.cores()?,
    };
    let positive = |name: &str, value: f64| match value {
        value if value > 0.0 && value.is_finite() => Ok(value),
        value => Err(anyhow!("{name} is {value}; expected a number above 0")).or_input(),
    };
    if build.batch == 0 || args.group == Some(0) {
        return Err(anyhow!("--batch and --group are at least 1")).or_input();
    }
    let sides = [build.batch as u64, 3, build.image, build.image];
    let numbers = sides.into_iter().try_fold(1_u64, u64::checked_mul);
    if numbers.is_none_or(|numbers| numbers > MOST_INPUTS as u64) {
        return Err(anyhow!(
            "--batch {} of images of {} pixels a side: at most {MOST_INPUTS} numbers are an input",
            build.batch,
            build.image
        ))
        .or_input();
    }
    let limit = args.limit.map(|limit| positive("--limit", limit)).transpose()?;
    let limit = limit.map(Duration::try_from_secs_f64).transpose().context("--limit").or_input()?;
    let protocol = match args.protocol.unwrap_or_default() {
        ProtocolName::Interleaved => {
            let ours = Interleaved::default();
            let percent = positive("--precision", args.precision.unwrap_or(100.0 * ours.precision))?;
            Protocol::Interleaved(Interleaved {
                precision: percent / 100.0,
                limit: limit.unwrap_or(ours.limit),
                undisturbed: threads == 1,
                ..ours
            })
        }
        ProtocolName::Published => {
            let published = Published::default();
            Protocol::Published(Published { limit: limit.unwrap_or(published.limit), ..published })
        }
    };
    let usual = args.reference_ms.map(|ms| positive("--reference-ms", ms)).transpose()?;
    if threads > 1 && runtime == Runtime::Tract {
        return Err(anyhow!(
            "--threads is {threads}, and tract runs on one: leave it out, or take another --runtime"
        ))
        .or_input();
    }
    let reference = args.reference.clone().unwrap_or_else(|| reference_of(space));
    build.network(space, &reference).context("--reference").or_input()?;
    let core = match (args.core, threads) {
        (Some(core), _) => Some(core),
        (None, 1) => cores().last().copied(),
        _ => None,
    };
    if args.library.is_some() && runtime != Runtime::Ort {
        return Err(anyhow!("--library is used by nothing: it belongs to --runtime onnxruntime")).or_input();
    }
    let ready = Ready::new(runtime, args.library.as_deref())?;
    let fidelity = Fidelity {
        runtime,
        runtime_version: ready.version(),
        build,
        reference: reference.clone(),
        threads,
        protocol,
    };
    let name = || format!("{}, {}, {threads} threads", Host::here().processor(), output::name(&runtime));
    let job = Job {
        space,
        device: args.device.clone().unwrap_or_else(name),
        // a struct of numbers and names always has a text
        fidelity: serde_json::to_string(&fidelity).unwrap_or_default(),
        groups: subjects.chunks(args.together()).map(<[Subject]>::to_vec).collect(),
        reference: Subject::Arch(reference),
        given: usual.map(|ms| ms / 1e3),
        ready,
        build,
        protocol,
        threads,
        core,
        processors: processors(),
        seed,
    };
    Ok((fidelity, job))
}

impl Show for Report<'_> {
    fn table(&self) -> String {
        let rows = self.measured.iter().map(|row| {
            let interval = match (row.low_ms, row.high_ms) {
                (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
                _ => String::new(),
            };
            vec![row.arch.clone(), number(row.latency_ms, 3), interval, number(row.slowness, 2)]
        });
        let Self { device, measured, failed, found, wall_s, .. } = self;
        let mut text = grid(&["architecture", "ms", "95 %", "slowness"], rows);
        for row in measured {
            if let Some(reason) = &row.reason {
                text += &format!("{}: {reason}\n", row.arch);
            }
        }
        let done = measured.len() - failed;
        text + &format!(
            "{device}: {done} measured, {failed} failed, {found} of them found in the store, {wall_s:.1} s\n"
        )
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = [
            "arch",
            "latency_ms",
            "low_ms",
            "high_ms",
            "mad_ms",
            "uncorrected_ms",
            "slowness",
            "rounds",
            "discarded",
            "runs",
            "load",
            "at_s",
            "reason",
        ];
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let row = |row: &Row| {
            let mut cells = vec![row.arch.clone()];
            cells.extend([row.latency_ms, row.low_ms, row.high_ms, row.mad_ms].map(text));
            cells.extend([row.uncorrected_ms, row.slowness].map(text));
            cells.extend([row.rounds as u64, row.discarded as u64, row.runs].map(|count| count.to_string()));
            cells.extend([text(row.load), row.at_s.to_string(), row.reason.clone().unwrap_or_default()]);
            cells
        };
        (header.map(String::from).to_vec(), self.measured.iter().map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{Measured, State};

    /// Tasks that began together have measured the reference each for itself, and one of them counts.
    #[test]
    fn latencies_are_brought_to_the_scale_that_counts() {
        let args = Args { channels: Some(2), cells: Some(1), image: Some(8), ..Args::default() };
        let (_, job) =
            job(&args, Space::NasBench201, vec![Subject::Arch(REFERENCE.into())], Seed(0)).unwrap();
        let store = Store::open_or_create(tempfile::tempdir().unwrap().path().join("s.sqlite")).unwrap();
        let unit = |key: store::Key, value: f64, payload: Option<&Row>| {
            let payload = payload.map(|row| serde_json::to_string(row).unwrap());
            store.finish(&key, &Measured { value, payload, cost_s: None }, 0).unwrap();
            store.get(&key, 0).unwrap().unwrap()
        };
        let found = [unit(job.shared().remove(0), 2.0, None)];
        let agreed = [store::Row { state: State::Done(Measured::of(3.0)), ..found[0].clone() }];
        let row = Row { latency_ms: Some(10.0), ..Row::empty("arch".into()) };
        let own = unit(job.keys().concat().remove(0), 10.0, Some(&row));
        let by = |agreed: &[store::Row]| match job.agree(own.clone(), &found, agreed).unwrap().state {
            State::Done(Measured { value, payload: Some(payload), .. }) => {
                let row: Row = serde_json::from_str(&payload).unwrap();
                (value, row.latency_ms.unwrap())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(by(&agreed), (15.0, 15.0));
        assert_eq!(by(&found), (10.0, 10.0));
        assert_eq!(by(&[]), (10.0, 10.0));
    }

    /// Stores of before have the scale under the numbers of the protocol that found it.
    #[test]
    fn an_older_store_keeps_its_scale() {
        let args = Args { channels: Some(2), cells: Some(1), image: Some(8), ..Args::default() };
        let of = |args: &Args| job(args, Space::NasBench201, Vec::new(), Seed(0)).unwrap().1;
        let (before, longer) = (of(&args), of(&Args { limit: Some(20.0), ..args.clone() }));
        let published = of(&Args { protocol: Some(ProtocolName::Published), ..args.clone() });
        let other = of(&Args { channels: Some(4), ..args });
        // the key of before, to the letter
        let scale = r#"{"runtime":"engine","layers":"pruned","channels":2,"cells":1,"classes":10,"image":8,"batch":1,"#;
        let scale = format!(r#"{scale}"reference":"{REFERENCE}","threads":1}}"#);
        assert_eq!(before.shared()[0].fidelity, scale);
        let store = Store::open_or_create(tempfile::tempdir().unwrap().path().join("s.sqlite")).unwrap();
        let kept = |key: store::Key, ms: f64| store.finish(&key, &Measured::of(ms), 0).unwrap();
        kept(store::Key { fidelity: before.fidelity.clone(), ..before.shared().remove(0) }, 7.0);
        for (job, ms) in [(&before, Some(0.007)), (&longer, Some(0.007)), (&published, None), (&other, None)]
        {
            assert_eq!(job.usual(&store).unwrap(), ms);
        }
        // and where another is there, latencies go on as they began
        kept(before.shared().remove(0), 9.0);
        assert_eq!(before.usual(&store).unwrap(), Some(0.007));
        assert_eq!(longer.usual(&store).unwrap(), Some(0.009));
    }
}
