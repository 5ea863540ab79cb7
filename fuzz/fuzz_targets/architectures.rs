//! The texts of architectures of every space, and names of tables.
#![no_main]
use nas_core::SearchSpace;
use spaces::chain::{FB_NET, NAS_BENCH_MACRO, PROXYLESS_NAS};
use spaces::nas_bench_nlp::Recipe;
use spaces::{Darts, NasBench101, NasBench201, NasBenchAsr, NasBenchNlp};

/// What a text stands for prints as a text that stands for the same.
fn again<S: SearchSpace>(space: &S, text: &str)
where
    S::Arch: PartialEq + std::fmt::Debug,
{
    if let Ok(arch) = space.parse(text) {
        assert_eq!(space.parse(&arch.to_string()).as_ref(), Ok(&arch));
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    again(&NasBench201, text);
    again(&NasBench101, text);
    again(&Darts, text);
    again(&NasBenchAsr, text);
    again(&NasBenchNlp, text);
    if let Ok(recipe) = text.parse::<Recipe>() {
        let short = recipe.representative();
        assert_eq!(short.to_string().parse::<Recipe>().as_ref(), Ok(&short));
        assert_eq!(short.representative(), short);
    }
    again(&FB_NET, text);
    again(&NAS_BENCH_MACRO, text);
    again(&PROXYLESS_NAS, text);
    let _ = text.parse::<tables::TableRef>();
});
