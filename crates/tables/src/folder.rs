//! Folders of many files, of which a few are in memory at a time.

use crate::import::{CURVE_ROWS, Format, Output, WHOLE, broken};
use crate::published::{nas_bench_nlp, nats_bench, no_curves};
use crate::{Flaw, Table, TableError, bytes};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::{fs, thread};

/// Networks that are kept before they are written.
const NETWORKS: usize = 512;

/// The end of the name of a file of NATS-Bench, and of the one that lists its architectures.
const NATS: &str = ".pickle.pbz2";
const META: &str = "meta.pickle.pbz2";

pub(crate) fn detect(path: &Path) -> Result<Format, TableError> {
    if !files(path, &is_network)?.is_empty() {
        return Ok(Format::NatsBench);
    }
    if !files(path, &is_log)?.is_empty() {
        return Ok(Format::NasBenchNlp);
    }
    let found = "a folder without NNNNNN.pickle.pbz2 or log_stats_*.json".into();
    Err(TableError::UnknownFormat { file: path.into(), found })
}

fn is_network(name: &str) -> bool {
    name.strip_suffix(NATS)
        .is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_log(name: &str) -> bool {
    name.starts_with("log_stats") && name.ends_with(".json")
}

/// The files of a folder whose names fit, by name; of a file itself alone.
fn files(path: &Path, fits: &dyn Fn(&str) -> bool) -> Result<Vec<PathBuf>, TableError> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let failed = |source| TableError::Open { file: path.into(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_str().is_some_and(fits) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The checksum of a folder, from those of its files.
#[derive(Default)]
struct FolderSum {
    hash: Sha256,
    first: String,
    count: usize,
}

impl FolderSum {
    fn add(&mut self, file: &Path, sha256: &str) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        self.hash.update(format!("{name} {sha256}\n"));
        self.first = sha256.into();
        self.count += 1;
    }

    /// Of one file its own.
    fn get(self, path: &Path) -> String {
        if path.is_dir() { bytes::hex(&self.hash.finalize()) } else { self.first }
    }
}

pub(crate) fn nats_bench(
    path: &Path,
    threads: usize,
    out: &mut Output,
    notes: &mut Vec<String>,
) -> Result<String, TableError> {
    let files = files(path, &is_network)?;
    let meta = path.join(META);
    let archs = if path.is_dir() && meta.exists() { read_meta(&meta)? } else { Vec::new() };
    let mut rows = NatsRows { archs, misnamed: 0, repeated: 0, seen: BTreeSet::new(), parts: None };
    let mut sum = FolderSum::default();
    in_order(&files, threads, read_network, |file, (network, sha256)| {
        sum.add(file, &sha256);
        rows.add(file, &network, out)
    })?;
    rows.end(path, out)?;
    if rows.misnamed > 0 {
        notes.push(format!("{} files are not named by the index inside, which counts", rows.misnamed));
    }
    if rows.repeated > 0 {
        notes.push(format!("{} rows repeat an architecture", rows.repeated));
    }
    Ok(sum.get(path))
}

fn read_network(file: &Path) -> Result<(nats_bench::Network, String), TableError> {
    let (packed, sha256) = bytes::read(file, WHOLE)?;
    let network = nats_bench::read(&packed).map_err(|flaw| broken(file, flaw))?;
    Ok((network, sha256))
}

fn read_meta(file: &Path) -> Result<Vec<String>, TableError> {
    let (packed, _) = bytes::read(file, WHOLE)?;
    nats_bench::read_meta(&packed).map_err(|flaw| broken(file, flaw))
}

/// The rows of a folder as they come.
struct NatsRows {
    /// The text of each architecture by index, where the folder says it.
    archs: Vec<String>,
    misnamed: usize,
    repeated: usize,
    seen: BTreeSet<i64>,
    /// The schedules, and rows that were not written yet.
    parts: Option<(Vec<i64>, Table, Table)>,
}

impl NatsRows {
    fn add(
        &mut self,
        file: &Path,
        network: &nats_bench::Network,
        out: &mut Output,
    ) -> Result<(), TableError> {
        let known = usize::try_from(network.index).ok().and_then(|index| self.archs.get(index));
        if let Some(known) = known
            && *known != network.arch
        {
            let expected = format!("{known}, as {META} says of {}", network.index);
            return Err(broken(file, Flaw::new("key 'arch_str'", expected, &network.arch)));
        }
        let number = file.file_name().unwrap_or_default().to_string_lossy();
        let number = number.strip_suffix(NATS).and_then(|number| number.parse::<i64>().ok());
        self.misnamed += usize::from(number.is_some_and(|number| number != network.index));
        self.repeated += usize::from(!self.seen.insert(network.index));
        let (schedules, table, curves) = self.parts.get_or_insert_with(|| {
            let schedules = nats_bench::schedules(network);
            let table = Table::new(nats_bench::columns(&schedules));
            (schedules, table, no_curves())
        });
        nats_bench::push_row(table, schedules, network).map_err(|flaw| broken(file, flaw))?;
        if out.wants_curves() {
            nats_bench::push_curves(curves, network);
            if curves.rows() >= CURVE_ROWS {
                out.write_curves(curves)?;
            }
        }
        if table.rows() == NETWORKS {
            out.write(table)?;
            *table = Table::new(nats_bench::columns(schedules));
        }
        Ok(())
    }

    fn end(&mut self, path: &Path, out: &mut Output) -> Result<(), TableError> {
        let (_, table, curves) =
            self.parts.as_mut().ok_or_else(|| TableError::NoRows { file: path.into() })?;
        out.write_curves(curves)?;
        out.write(table)
    }
}

/// Reads files on some threads and takes what comes in the order of the files; each thread is at most two files
/// ahead.
fn in_order<T: Send>(
    files: &[PathBuf],
    threads: usize,
    read: impl Fn(&Path) -> Result<T, TableError> + Sync,
    mut take: impl FnMut(&Path, T) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let threads = threads.clamp(1, 64);
    thread::scope(|scope| {
        let mut receivers = Vec::with_capacity(threads);
        for first in 0..threads {
            let (sender, receiver) = sync_channel(1);
            receivers.push(receiver);
            let read = &read;
            scope.spawn(move || {
                let ours = files.iter().skip(first).step_by(threads);
                // nobody listens any more where one has failed
                ours.map(|file| sender.send(read(file))).take_while(Result::is_ok).for_each(drop);
            });
        }
        for (file, receiver) in files.iter().zip(receivers.iter().cycle()) {
            if let Ok(found) = receiver.recv() {
                take(file, found?)?;
            }
        }
        drop(receivers);
        Ok(())
    })
}

pub(crate) fn nas_bench_nlp(path: &Path, out: &mut Output) -> Result<String, TableError> {
    let mut table = Table::new(nas_bench_nlp::columns());
    let mut curves = no_curves();
    let (mut sum, mut repeats) = (FolderSum::default(), BTreeMap::<String, i64>::new());
    for file in files(path, &is_log)? {
        let (read, sha256) = bytes::read(&file, WHOLE)?;
        sum.add(&file, &sha256);
        let log = nas_bench_nlp::read(&read).map_err(|flaw| broken(&file, flaw))?;
        nas_bench_nlp::push_row(&mut table, &log);
        let repeat = repeats.entry(log.recepie.clone()).or_insert(-1);
        *repeat += 1;
        if out.wants_curves() {
            nas_bench_nlp::push_curves(&mut curves, &log, *repeat);
            if curves.rows() >= CURVE_ROWS {
                out.write_curves(&mut curves)?;
            }
        }
        if table.rows() == NETWORKS {
            out.write(&table)?;
            table = Table::new(nas_bench_nlp::columns());
        }
    }
    out.write_curves(&mut curves)?;
    out.write(&table)?;
    Ok(sum.get(path))
}
