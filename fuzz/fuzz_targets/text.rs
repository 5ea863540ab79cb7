//! Tables of text: CSV and JSON lines, plain and gzipped, and whatever format the bytes seem to be.
#![no_main]
use std::io::Write;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    let limits = tables::Limits { text_bytes: 1 << 20, ..tables::Limits::default() };
    let _ = tables::read_table(file.path(), limits);
    let _ = tables::list_columns(file.path());
    let _ = tables::read_columns_within(limits, &spaces::NasBench201, file.path(), &["acc"]);
    let _ = tables::detect(file.path());
});
