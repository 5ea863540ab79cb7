//! A `.pt` of HELP.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = pickle::Pickle::read_torch(bytes, Default::default()).map(|pickle| pickle.root().numbers());
    let _ = tables::published::help::read(bytes, "ms");
});
