//! A TFRecord file of NAS-Bench-101, and the bytes of one record.
#![no_main]
use tables::published::{Records, nas_bench_101};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut models = nas_bench_101::Models::default();
    let mut records = Records::new(bytes);
    while let Ok(Some(record)) = records.next_record() {
        let _ = nas_bench_101::read(record).map(|training| models.add(&training));
    }
    if let Ok(training) = nas_bench_101::read(bytes) {
        let _ = models.add(&training);
        nas_bench_101::push_curves(&mut tables::published::no_curves(), &training, 0);
    }
    let _ = models.table();
});
