//! A file of NATS-Bench, packed and as it is inside.
#![no_main]
use tables::published::nats_bench;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let packed = nats_bench::read(bytes);
    let _ = nats_bench::read_meta(bytes);
    for network in [packed, nats_bench::read_unpacked(bytes)].into_iter().flatten() {
        let schedules = nats_bench::schedules(&network);
        let mut table = tables::Table::new(nats_bench::columns(&schedules));
        let _ = nats_bench::push_row(&mut table, &schedules, &network);
        nats_bench::push_curves(&mut tables::published::no_curves(), &network);
    }
});
