//! Golden values of second implementations, the published numbers, conformance, properties, bad input.
//! What the real tables of a neighbouring `shared` folder add is run where it is there.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod chain;
mod conformance;
mod darts;
mod nas_bench_101;
mod nas_bench_201;
mod nas_bench_asr;
mod nas_bench_nlp;

use arch_graph::Encoding;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A file of the neighbouring `shared` folder, or a note that it is not there.
#[allow(clippy::print_stdout, reason = "a part that is left out is said to be")]
pub(crate) fn shared(file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(file);
    let there = path.exists();
    if !there {
        println!("skipped: there is no shared/{file}");
    }
    there.then_some(path)
}

/// The rows of a table in `shared`, column by name.
pub(crate) fn table(file: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let file = std::fs::File::open(shared(file)?).expect("a readable file");
    let mut reader = csv::Reader::from_reader(flate2::read::GzDecoder::new(file));
    Some(reader.deserialize().collect::<Result<_, _>>().expect("a table"))
}

pub(crate) fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().expect("a number")
}

pub(crate) fn fnv1a(lines: impl Iterator<Item = String>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for line in lines {
        for byte in line.bytes().chain([b'\n']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

/// Rows of 0 and 1 as text, and the column of each node's one or -1.
pub(crate) fn plain(encoding: &Encoding) -> (Vec<String>, Vec<i64>) {
    let digit = |x: &f32| if *x == 1.0 { '1' } else { '0' };
    let rows = encoding.adjacency.chunks(encoding.nodes).map(|row| row.iter().map(digit).collect());
    let columns = encoding.features.chunks(encoding.width).map(|row| {
        assert!(row.iter().sum::<f32>() <= 1.0);
        row.iter().position(|x| *x == 1.0).map_or(-1, |at| at as i64)
    });
    (rows.collect(), columns.collect())
}

pub(crate) fn expected(rows: &Value, columns: &Value) -> (Vec<String>, Vec<i64>) {
    let rows = rows.as_array().expect("rows").iter().map(|row| row.as_str().expect("a row").into());
    let columns = columns.as_array().expect("columns").iter().map(|c| c.as_i64().expect("a column"));
    (rows.collect(), columns.collect())
}
