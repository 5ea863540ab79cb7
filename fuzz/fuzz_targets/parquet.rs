//! A Parquet file.
#![no_main]
use std::io::Write;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    let limits = tables::Limits { rows: 100_000, ..tables::Limits::default() };
    if let Ok(mut table) = tables::ParquetTable::open(file.path(), limits) {
        let all: Vec<usize> = (0..table.columns().len()).collect();
        let _ = table.read(&all);
    }
});
