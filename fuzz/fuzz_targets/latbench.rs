//! Pickles of LatBench and HW-NAS-Bench.
#![no_main]
use tables::published::{hw_nas_bench, latbench};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = latbench::read_averaged(bytes, "s");
    let _ = latbench::read_raw(bytes, "s");
    let _ = hw_nas_bench::read(bytes);
    let _ = hw_nas_bench::read_blocks(bytes);
});
