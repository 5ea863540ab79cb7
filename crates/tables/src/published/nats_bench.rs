//! NATS-Bench (Dong et al., 2021), which holds NAS-Bench-201: folders `NATS-tss-v1_0-*-simple` and
//! `NATS-sss-v1_0-*-simple` with one bzip2-packed pickle a network, `NNNNNN.pickle.pbz2`.

use super::curves::{CurveRow, Measured, SPLITS};
use super::mean::Mean;
use crate::table::Cell;
use crate::{ColumnInfo, Flaw, Kind, Node, Pickle, PickleLimits, Table, bytes};
use std::collections::BTreeMap;

/// The data sets. `cifar10-valid` trains on half of CIFAR-10's training images and validates on the other
/// half, `cifar10` trains on all of them: the two are never mixed.
pub const DATA_SETS: [&str; 4] = ["cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"];

/// Bytes of an unpacked file; published ones have 330 thousand.
const UNPACKED: u64 = 64 << 20;
/// Runs of a network, and epochs of a run: published ones have 17, and 200.
const RUNS: usize = 256;
const EPOCHS: usize = 4_096;
/// Bytes of the text of an architecture, which stands in every row of the curves; published ones have 80.
const ARCH: usize = 1_000;
/// Architectures of the benchmark; published ones have 32,768.
const ARCHS: usize = 100_000;
/// Keys of a dict in which some are looked up one by one; published ones have 20.
const KEYS: usize = 1_000;

/// One trained network, as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its index in the benchmark.
    pub index: i64,
    /// Its text.
    pub arch: String,
    /// Every training, in the order of schedules, then of the file.
    pub runs: Vec<Run>,
}

/// One training of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The length of the training by which the run is filed, in epochs: 12, 90 or 200.
    pub schedule: i64,
    /// One of [`DATA_SETS`].
    pub dataset: &'static str,
    /// The seed.
    pub seed: i64,
    /// Millions of parameters.
    pub params: f64,
    /// Millions of multiply-adds of one image.
    pub flops: f64,
    /// Seconds a batch, as often as it was measured.
    pub latencies: Vec<f64>,
    /// Training, validation, test, and for CIFAR-100 and ImageNet16-120 validation and test together, by epoch
    /// from 0.
    pub epochs: BTreeMap<i64, [Measured; 4]>,
}

/// Reads the bytes of one `NNNNNN.pickle.pbz2`.
///
/// # Errors
/// Where the bytes are not what NATS-Bench publishes: the key, what was expected and found. A run whose data
/// set, seed or architecture is named otherwise inside than outside is refused.
pub fn read(packed: &[u8]) -> Result<Network, Flaw> {
    read_unpacked(&bytes::bunzip2(packed, UNPACKED)?)
}

/// Reads what is inside the bzip2.
///
/// # Errors
/// As [`read`].
pub fn read_unpacked(unpacked: &[u8]) -> Result<Network, Flaw> {
    network(Pickle::read(unpacked, PickleLimits::default())?.root())
}

/// Reads `meta.pickle.pbz2`: the text of every architecture, by index.
///
/// # Errors
/// As [`read`].
pub fn read_meta(packed: &[u8]) -> Result<Vec<String>, Flaw> {
    let unpacked = bytes::bunzip2(packed, UNPACKED)?;
    let pickle = Pickle::read(&unpacked, PickleLimits::default())?;
    let archs = pickle.root().get("meta_archs")?.items().map_err(|flaw| flaw.within("key 'meta_archs'"))?;
    let within = |flaw: Flaw| flaw.within("key 'meta_archs'");
    if archs.len() > ARCHS {
        return Err(within(Flaw::new("", format!("at most {ARCHS} architectures"), archs.len())));
    }
    let text = |arch: Node<'_>| match arch.text()? {
        text if text.len() > ARCH => Err(Flaw::new("", format!("at most {ARCH} bytes"), text.len())),
        text => Ok(text.to_owned()),
    };
    archs.map(text).collect::<Result<_, _>>().map_err(within)
}

fn network(root: Node<'_>) -> Result<Network, Flaw> {
    let mut found: Option<Network> = None;
    let mut schedules: Vec<(i64, Node<'_>)> = Vec::new();
    at_most(root, KEYS)?;
    for (key, part) in root.entries()? {
        let schedule = key.text()?.parse::<i64>().ok().filter(|schedule| *schedule > 0);
        schedules.push((schedule.ok_or_else(|| Flaw::new("", "a number of epochs as key", key))?, part));
    }
    schedules.sort_by_key(|(schedule, _)| *schedule);
    for (schedule, part) in schedules {
        let within = |flaw: Flaw| flaw.within(format!("key '{schedule}'"));
        at_most(part, KEYS).map_err(within)?;
        let index = part.get("arch_index").and_then(Node::int).map_err(within)?;
        let arch = part.get("arch_str").and_then(Node::text).map_err(within)?;
        if arch.len() > ARCH {
            return Err(within(Flaw::new("key 'arch_str'", format!("at most {ARCH} bytes"), arch.len())));
        }
        let network = found.get_or_insert_with(|| Network { index, arch: arch.into(), runs: Vec::new() });
        if network.index != index || network.arch != arch {
            let expected = format!("the architecture {} {}", network.index, network.arch);
            return Err(within(Flaw::new("key 'arch_str'", expected, format!("{index} {arch}"))));
        }
        let results = part.get("all_results").map_err(within)?;
        for (key, result) in results.entries().map_err(within)? {
            if network.runs.len() == RUNS {
                return Err(within(Flaw::new("", format!("at most {RUNS} runs"), "more")));
            }
            let within = |flaw: Flaw| within(flaw.within(format!("run {}", named(key))));
            let run = run(schedule, arch, key, result).map_err(within)?;
            let same = |other: &Run| {
                (other.schedule, other.dataset, other.seed) == (schedule, run.dataset, run.seed)
            };
            if network.runs.iter().any(same) {
                return Err(within(Flaw::new("", "each data set and seed once", "one again")));
            }
            network.runs.push(run);
        }
    }
    found.ok_or_else(|| Flaw::new("", "results of at least one schedule", "none"))
}

/// Refuses a dict of more keys: each look-up goes through all of them, and one that is kept once can stand in many
/// places.
fn at_most(dict: Node<'_>, keys: usize) -> Result<(), Flaw> {
    match dict.entries()?.len() {
        len if len > keys => Err(Flaw::new("", format!("a dict of at most {keys} keys"), dict)),
        _ => Ok(()),
    }
}

/// `('cifar10', 777)`.
fn named(key: Node<'_>) -> String {
    let parts = key.items().into_iter().flatten().take(2).map(|part| part.to_string());
    format!("({})", parts.collect::<Vec<_>>().join(", "))
}

fn run(schedule: i64, arch: &str, key: Node<'_>, result: Node<'_>) -> Result<Run, Flaw> {
    let at = |name: &'static str| move |flaw: Flaw| flaw.within(format!("key '{name}'"));
    let parts: Vec<Node<'_>> = key.items()?.take(3).collect();
    let [dataset, seed] = parts.as_slice() else {
        return Err(Flaw::new("the key", "a data set and a seed", key));
    };
    let (name, seed) = (dataset.text()?, seed.int()?);
    let dataset = DATA_SETS.into_iter().find(|known| *known == name);
    let dataset =
        dataset.ok_or_else(|| Flaw::new("the key", format!("one of {}", DATA_SETS.join(", ")), name))?;
    at_most(result, KEYS)?;
    let inside = result.get("name")?.text().map_err(at("name"))?;
    if inside != dataset {
        return Err(Flaw::new("key 'name'", format!("'{dataset}'"), inside));
    }
    let own_seed = result.get("seed")?;
    if own_seed.text().ok().and_then(|text| text.parse().ok()).or(own_seed.int().ok()) != Some(seed) {
        return Err(Flaw::new("key 'seed'", seed.to_string(), own_seed));
    }
    let config = result.get("arch_config")?;
    at_most(config, KEYS).map_err(at("arch_config"))?;
    if let Some(own) = config.find("arch_str")?
        && own.text()? != arch
    {
        return Err(Flaw::new("key 'arch_config'", format!("'{arch}'"), own));
    }
    let number = |name: &'static str| result.get(name)?.number().map_err(at(name));
    let latencies = match result.find("latency")? {
        Some(list) if list.items().map_err(at("latency"))?.len() > EPOCHS => {
            return Err(at("latency")(Flaw::new("", format!("at most {EPOCHS} latencies"), list)));
        }
        Some(list) => list.numbers().map_err(at("latency"))?,
        None => Vec::new(),
    };
    let mut run = Run {
        schedule,
        dataset,
        seed,
        params: number("params")?,
        flops: number("flop")?,
        latencies: latencies.into_iter().flatten().collect(),
        epochs: BTreeMap::new(),
    };
    type Place = fn(&mut Measured) -> &mut Option<f64>;
    let curves: [(&str, &str, Place); 4] = [
        ("train_acc1es", "eval_acc1es", |measured| &mut measured.accuracy),
        ("train_acc5es", "eval_acc5es", |measured| &mut measured.accuracy5),
        ("train_losses", "eval_losses", |measured| &mut measured.loss),
        ("train_times", "eval_times", |measured| &mut measured.seconds),
    ];
    for (train, eval, place) in curves {
        if let Some(curve) = result.find(train)?.filter(|curve| !curve.is_none()) {
            at_most(curve, EPOCHS).map_err(at(train))?;
            for (epoch, value) in curve.entries().map_err(at(train))? {
                let (epoch, value) = (epoch.int().map_err(at(train))?, value.number().map_err(at(train))?);
                put(&mut run, epoch, 0, place, value).map_err(at(train))?;
            }
        }
        if let Some(curve) = result.find(eval)?.filter(|curve| !curve.is_none()) {
            at_most(curve, SPLITS.len() * EPOCHS).map_err(at(eval))?;
            for (key, value) in curve.entries().map_err(at(eval))? {
                let (split, epoch) = split(dataset, key.text().map_err(at(eval))?).map_err(at(eval))?;
                put(&mut run, epoch, split, place, value.number().map_err(at(eval))?).map_err(at(eval))?;
            }
        }
    }
    Ok(run)
}

fn put(
    run: &mut Run,
    epoch: i64,
    split: usize,
    place: impl Fn(&mut Measured) -> &mut Option<f64>,
    value: f64,
) -> Result<(), Flaw> {
    if run.epochs.len() == EPOCHS && !run.epochs.contains_key(&epoch) {
        return Err(Flaw::new("", format!("at most {EPOCHS} epochs"), "more"));
    }
    if let Some(measured) = run.epochs.entry(epoch).or_default().get_mut(split) {
        *place(measured) = Some(value);
    }
    Ok(())
}

/// The place among [`SPLITS`] of `x-valid@11`, and the epoch.
fn split(dataset: &str, key: &str) -> Result<(usize, i64), Flaw> {
    let wrong = || Flaw::new("", "x-valid@EPOCH, x-test@EPOCH or ori-test@EPOCH", key);
    let (name, epoch) = key.split_once('@').ok_or_else(wrong)?;
    let epoch = epoch.parse().map_err(|_| wrong())?;
    // the test images of CIFAR-10 are all for testing, those of the other two are divided
    let whole = !divided(dataset);
    Ok(match name {
        "x-valid" => (1, epoch),
        "x-test" => (2, epoch),
        "ori-test" => (if whole { 2 } else { 3 }, epoch),
        _ => return Err(wrong()),
    })
}

/// What a table of one row a network holds: `index, arch`, then for each schedule and data set the means over
/// seeds at the last epoch, as `nats_bench` gives them with `is_random=False`.
pub fn columns(schedules: &[i64]) -> Vec<ColumnInfo> {
    let mut columns = vec![ColumnInfo::new("arch", Kind::Text), ColumnInfo::new("index", Kind::Integer)];
    for (schedule, dataset) in of(schedules) {
        let column = |what: &str| ColumnInfo::new(format!("{dataset}_{what}_{schedule}ep"), Kind::Number);
        columns.push(column("params").unit("M"));
        columns.push(column("flops").unit("M"));
        columns.push(column("latency_s").unit("s"));
        columns.push(ColumnInfo::new(format!("{dataset}_seeds_{schedule}ep"), Kind::Integer));
        for split in splits(dataset) {
            let named = |what: &str| column(&format!("{split}_{what}")).split(published(dataset, split));
            columns.extend([named("acc").unit("%"), named("loss"), named("time_s").unit("s")]);
        }
    }
    columns
}

fn of(schedules: &[i64]) -> impl Iterator<Item = (i64, &'static str)> + '_ {
    schedules.iter().flat_map(|schedule| DATA_SETS.map(|dataset| (*schedule, dataset)))
}

/// Whether its test images are divided into validation and test.
fn divided(dataset: &str) -> bool {
    splits(dataset).contains(&"valid_and_test")
}

/// What a data set is measured on.
fn splits(dataset: &str) -> &'static [&'static str] {
    const WHOLE: &[&str] = &["train", "valid", "test", "valid_and_test"];
    match dataset {
        "cifar10-valid" => &["train", "valid", "test"],
        "cifar10" => &["train", "test"],
        _ => WHOLE,
    }
}

/// How NATS-Bench calls a split.
fn published(dataset: &str, split: &str) -> &'static str {
    match split {
        "train" => "train",
        "valid" => "x-valid",
        "test" if divided(dataset) => "x-test",
        _ => "ori-test",
    }
}

/// The schedules of a network.
pub fn schedules(network: &Network) -> Vec<i64> {
    let mut schedules: Vec<i64> = network.runs.iter().map(|run| run.schedule).collect();
    schedules.dedup();
    schedules
}

/// Adds the row of a network to a table of [`columns`].
///
/// # Errors
/// A schedule that the table does not have.
pub fn push_row(table: &mut Table, schedules: &[i64], network: &Network) -> Result<(), Flaw> {
    if let Some(run) = network.runs.iter().find(|run| !schedules.contains(&run.schedule)) {
        return Err(Flaw::new("", format!("the schedules {schedules:?} of the first file"), run.schedule));
    }
    let mut row = vec![Cell::Text(network.arch.clone()), Cell::Integer(network.index)];
    for (schedule, dataset) in of(schedules) {
        let ours = |run: &&Run| run.schedule == schedule && run.dataset == dataset;
        let runs: Vec<&Run> = network.runs.iter().filter(ours).collect();
        let mean = |value: &dyn Fn(&Run) -> f64| Cell::from(Mean::of(runs.iter().map(|run| value(run))));
        row.push(mean(&|run| run.params));
        row.push(mean(&|run| run.flops));
        row.push(mean(&|run| Mean::of(run.latencies.iter().copied()).unwrap_or(f64::NAN)));
        row.push(if runs.is_empty() { Cell::None } else { Cell::Integer(runs.len() as i64) });
        for split in splits(dataset) {
            let place = SPLITS.iter().position(|name| name == split).unwrap_or_default();
            let last = |run: &Run| {
                run.epochs
                    .get(&(schedule - 1))
                    .and_then(|splits| splits.get(place))
                    .copied()
                    .unwrap_or_default()
            };
            row.push(mean(&|run| last(run).accuracy.unwrap_or(f64::NAN)));
            row.push(mean(&|run| last(run).loss.unwrap_or(f64::NAN)));
            let times = |run: &Run| {
                let known = run.epochs.values().filter_map(|splits| splits.get(place)?.seconds);
                let (count, sum) = known.fold((0, 0.0), |(count, sum), seconds| (count + 1, sum + seconds));
                // of some epochs alone it would look short
                if count == schedule { sum } else { f64::NAN }
            };
            // of training the whole, of the others one pass
            let time =
                |run: &Run| if place == 0 { times(run) } else { last(run).seconds.unwrap_or(f64::NAN) };
            row.push(mean(&time));
        }
    }
    table.push(row);
    Ok(())
}

/// Adds every epoch of every run of a network to a table of curves.
pub fn push_curves(table: &mut Table, network: &Network) {
    for run in &network.runs {
        let latencies = || format!("{:?}", run.latencies);
        let mut whole = Some((Some(run.params), Some(run.flops), Some(latencies())));
        let empty = BTreeMap::from([(-1, [Measured::default(); 4])]);
        // a run without an epoch still has its cost
        let epochs = if run.epochs.is_empty() { &empty } else { &run.epochs };
        for (epoch, splits) in epochs {
            CurveRow {
                arch: &network.arch,
                schedule: run.schedule,
                dataset: run.dataset,
                seed: run.seed,
                epoch: *epoch,
                splits: *splits,
                run: whole.take().unwrap_or_default(),
            }
            .push_to(table);
        }
    }
}
