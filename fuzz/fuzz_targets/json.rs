//! JSON of NAS-Bench-Suite-Zero and NAS-Bench-NLP.
#![no_main]
use tables::published::{nas_bench_nlp, suite_zero};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = suite_zero::read(bytes);
    if let Ok(log) = nas_bench_nlp::read(bytes) {
        nas_bench_nlp::push_row(&mut tables::Table::new(nas_bench_nlp::columns()), &log);
    }
});
