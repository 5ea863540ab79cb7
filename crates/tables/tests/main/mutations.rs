//! A thousand mutations of every file: flipped bytes, truncation, lengths that lie. Each is read or refused.

use crate::{fixture, shared};
use nas_core::{Seed, Stream};
use rand::RngExt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tables::{Format, Import};
use tempfile::TempDir;

/// Of files that are not real, so that the test takes seconds.
const MUTATIONS: usize = 200;

/// Changes a file as damage would, or somebody who means harm.
fn mutate(bytes: &mut Vec<u8>, case: usize, rng: &mut Stream) {
    if bytes.is_empty() {
        return;
    }
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..bytes.len());
        match case % 5 {
            0 => bytes[at] ^= 1 << rng.random_range(0..8_u32),
            1 => bytes.truncate(at.max(1)),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'(', b']', b'R'][rng.random_range(0..8)],
            3 => {
                // lengths of four bytes, near or far
                let len = [rng.random_range(0..300_u32), u32::MAX, 1 << 31, 1 << 24][rng.random_range(0..4)];
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&len.to_le_bytes()[..end - at]);
            }
            _ => {
                // two pieces change places
                let (other, len) = (rng.random_range(0..bytes.len()), rng.random_range(1..64_usize));
                for i in 0..len {
                    let (a, b) = ((at + i) % bytes.len(), (other + i) % bytes.len());
                    bytes.swap(a, b);
                }
            }
        }
    }
}

/// Reads mutations of a file in its format; gives how many were accepted, and how long the longest took.
fn run(file: &PathBuf, format: Format, mutations: usize, unpacked: bool) -> (usize, Duration) {
    let dir = TempDir::new().unwrap();
    let original = fs::read(file).unwrap();
    let mut rng = Seed(12).stream(format.name());
    let (mut accepted, mut longest, target) = (0, Duration::ZERO, dir.path().join("x"));
    for case in 0..mutations {
        let mut bytes = original.clone();
        if unpacked {
            // a checksum finds every change of a packed file: change what is inside
            use std::io::{Read, Write};
            let mut inside = Vec::new();
            bzip2::read::MultiBzDecoder::new(bytes.as_slice()).read_to_end(&mut inside).unwrap();
            mutate(&mut inside, case, &mut rng);
            let mut zip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            zip.write_all(&inside).unwrap();
            bytes = zip.finish().unwrap();
        } else {
            mutate(&mut bytes, case, &mut rng);
        }
        fs::write(&target, &bytes).unwrap();
        let how = Import { format: Some(format), ..Import::default() };
        let started = Instant::now();
        match tables::inspect(&target, &how) {
            Ok(found) => {
                assert!(found.rows > 0);
                accepted += 1;
            }
            Err(error) => assert!(error.to_string().contains(target.to_str().unwrap()), "{error}"),
        }
        let _ = tables::detect(&target);
        longest = longest.max(started.elapsed());
    }
    (accepted, longest)
}

#[test]
fn mutated_fixtures_are_read_or_refused() {
    for (name, format) in [
        ("nats_bench/data/000002.pickle.pbz2", Format::NatsBench),
        ("nas_bench_101/full.tfrecord", Format::NasBench101),
        ("published/eagle.pickle", Format::Eagle),
        ("published/eagle_raw.pickle", Format::EagleRaw),
        ("published/zc_nasbench201.json", Format::SuiteZero),
        ("published/logs/log_stats_model_8_2020-01-01_2.json", Format::NasBenchNlp),
        ("../pickle/values/tensor.pt", Format::Help),
        ("parquet/plain.parquet", Format::Parquet),
        ("parquet/snappy.parquet", Format::Parquet),
        ("parquet/version2.parquet", Format::Parquet),
        ("parquet/groups.parquet", Format::Parquet),
    ] {
        run(&fixture(name), format, MUTATIONS, false);
    }
    let inside = run(&fixture("nats_bench/data/000002.pickle.pbz2"), Format::NatsBench, MUTATIONS, true);
    assert!(inside.0 > 0, "changed numbers are read");
}

#[test]
fn mutated_real_files_are_read_or_refused() {
    let Some(data) = shared() else { return };
    let formats = data.join("formats");
    // a thousand of each by `TABLES_MUTATIONS=1000`; LIMITS.md says what they took
    let count = std::env::var("TABLES_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(20);
    let nats = "NATS-tss-v1_0-3ffb9-simple";
    for (name, format, unpacked) in [
        (format!("{nats}/000000.pickle.pbz2"), Format::NatsBench, false),
        (format!("{nats}/000000.pickle.pbz2"), Format::NatsBench, true),
        (format!("{nats}/000011.pickle.pbz2"), Format::NatsBench, true),
        (format!("{nats}/000284.pickle.pbz2"), Format::NatsBench, true),
        ("help_gold_6226.pt".into(), Format::Help, false),
        ("eagle_gold_6226.pickle".into(), Format::Eagle, false),
        ("eagle_raw_results0.pickle".into(), Format::EagleRaw, false),
        ("hw_nas_bench_cifar10.pickle".into(), Format::HwNasBench, false),
        ("suite_zero_nas_bench_201.json".into(), Format::SuiteZero, false),
    ] {
        let (accepted, longest) = run(&formats.join(&name), format, count, unpacked);
        println!("{name}: {accepted} of {count} read, the longest took {longest:?}");
    }
}
