//! What every search space must hold, as functions to call from a test.

use crate::strategies::architecture;
use arch_graph::{ArchGraph, Encode};
use nas_core::{SearchSpace, Seed};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Random architectures that a property is tried on.
const CASES: u32 = 64;

/// Checks a space with its graphs and an encoder, on some hundred architectures and always the same:
///
/// - [`nas_core::conformance::space`]: texts, samples, neighbours, mutation, enumeration;
/// - [`arch_graph::conformance::encoder`] and [`arch_graph::conformance::canonical`], the latter on samples and their
///   neighbours;
/// - as properties, so that what fails is [shrunk](architecture): a text parses as what printed it, every neighbour
///   prints and parses too, is encoded, and architectures with different texts have different texts again.
///
/// ```
/// use spaces::{NasBenchAsr, nas_bench_asr::{Cell, FullEncoding}};
/// spaces::conformance::suite(&NasBenchAsr, &FullEncoding, |cell: &Cell| cell.graph()).unwrap();
/// ```
///
/// # Errors
/// The first thing that does not hold, in words, with the architecture that shows it.
pub fn suite<S, E>(space: &S, encoder: &E, graph: impl Fn(&S::Arch) -> ArchGraph) -> Result<(), String>
where
    S: SearchSpace,
    E: Encode<S::Arch>,
{
    nas_core::conformance::space(space, 32, Seed(0))?;
    let mut rng = Seed(1).stream("conformance");
    let mut some = Vec::with_capacity(96);
    for _ in 0..32 {
        let arch = space.sample(&mut rng);
        let near = space.mutate(&arch, &mut rng);
        some.extend([space.mutate(&near, &mut rng), near, arch]);
    }
    arch_graph::conformance::encoder(encoder, &some)?;
    let graphs: Vec<ArchGraph> = some.iter().map(&graph).collect();
    arch_graph::conformance::canonical(&graphs)?;
    holds(space, |arch| {
        let text = arch.to_string();
        let back = space.parse(&text).map_err(|error| format!("it is not parsed: {error}"))?;
        if back != *arch {
            return Err(format!("it parses as {back}"));
        }
        encoder.encode(arch).map_err(|error| format!("it is not encoded: {error}"))?;
        for near in space.neighbours(arch).into_iter().take(8) {
            match space.parse(&near.to_string()) {
                Ok(back) if back == near => {}
                Ok(back) => return Err(format!("its neighbour {near} parses as {back}")),
                Err(error) => return Err(format!("its neighbour is not parsed: {error}")),
            }
            if near.to_string() == text {
                return Err("its neighbour prints alike".into());
            }
        }
        Ok(())
    })
}

/// Checks that numbers and architectures are inverse, on the first and last numbers, some between, and some samples;
/// and that `len` itself is no number.
///
/// ```
/// use spaces::{Darts, conformance};
/// conformance::numbering(&Darts, 1_076_746_950_455_072_400, |number| Darts.get(number), |arch| Darts.index(arch)).unwrap();
/// ```
///
/// # Errors
/// The first number or architecture for which it does not hold, in words.
pub fn numbering<S: SearchSpace, E>(
    space: &S,
    len: u64,
    get: impl Fn(u64) -> Result<S::Arch, E>,
    index: impl Fn(&S::Arch) -> u64,
) -> Result<(), String> {
    if get(len).is_ok() {
        return Err(format!("{len} is the number of architectures, but also one's number"));
    }
    let step = (len / 97).max(1);
    let numbers = (0..97_u64).map(|place| place.saturating_mul(step)).chain([1, len.saturating_sub(1)]);
    for number in numbers.filter(|number| *number < len) {
        let Ok(arch) = get(number) else { return Err(format!("{number} has no architecture")) };
        if index(&arch) != number {
            return Err(format!("{number} is the number of {arch}, which has the number {}", index(&arch)));
        }
    }
    holds(space, |arch| {
        let number = index(arch);
        match get(number) {
            Ok(back) if back == *arch => Ok(()),
            Ok(back) => Err(format!("it has the number {number}, which is that of {back}")),
            Err(_) => Err(format!("it has the number {number}, which has no architecture")),
        }
    })
}

/// Tries a property on random architectures, the same every time, and shrinks what does not have it.
///
/// # Errors
/// The smallest architecture found that does not have it, and what was said of it.
pub fn holds<S: SearchSpace>(
    space: &S,
    property: impl Fn(&S::Arch) -> Result<(), String>,
) -> Result<(), String> {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let tried = runner.run(&architecture(space), |arch| {
        property(&arch).map_err(|why| TestCaseError::fail(format!("{arch}: {why}")))
    });
    tried.map_err(|error| match error {
        proptest::test_runner::TestError::Fail(reason, _) => reason.message().to_string(),
        other => other.to_string(),
    })
}
