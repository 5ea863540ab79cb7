//! Any space by the texts of its architectures: a list, samples, graphs and encodings.

use crate::registry::{EncodingName, Space};
use anyhow::Result;
use arch_graph::{ArchGraph, Encode, Encoding, Global};
use nas_core::{SearchSpace, Seed};
use spaces::chain::{Chain, ChainEncoding, ChainSpace, FB_NET, NAS_BENCH_MACRO, PROXYLESS_NAS};
use spaces::{Darts, NasBench101, NasBench201, NasBenchAsr, NasBenchNlp};
use spaces::{darts, nas_bench_101, nas_bench_201, nas_bench_asr, nas_bench_nlp};
use std::collections::BTreeSet;

/// Draws in vain before a space is taken for used up.
const VAIN: usize = 10_000;

/// All texts in the space's order; none where there are too many.
pub(crate) fn all(space: Space) -> Option<Box<dyn Iterator<Item = String>>> {
    fn texts<S: SearchSpace>(space: &'static S) -> Option<Box<dyn Iterator<Item = String>>> {
        Some(Box::new(space.enumerate()?.map(|arch| arch.to_string())))
    }
    match space {
        Space::NasBench201 => texts(&NasBench201),
        Space::NasBench101 => texts(&NasBench101),
        Space::Darts => texts(&Darts),
        Space::ProxylessNas => texts(&PROXYLESS_NAS),
        Space::FbNet => texts(&FB_NET),
        Space::NasBenchMacro => texts(&NAS_BENCH_MACRO),
        Space::NasBenchAsr => texts(&NasBenchAsr),
        Space::NasBenchNlp => texts(&NasBenchNlp),
    }
}

/// Random architectures, each once, at most so many: fewer where the space has no more.
pub(crate) fn sample(space: Space, count: usize, seed: Seed) -> Vec<String> {
    fn draw<S: SearchSpace>(space: &S, count: usize, seed: Seed) -> Vec<String> {
        let (mut rng, mut seen, mut found, mut vain) =
            (seed.stream("sample"), BTreeSet::new(), Vec::new(), 0);
        while found.len() < count && vain < VAIN {
            let arch = space.sample(&mut rng);
            let text = arch.to_string();
            vain = if seen.insert(arch) { 0 } else { vain + 1 };
            if vain == 0 {
                found.push(text);
            }
        }
        found
    }
    match space {
        Space::NasBench201 => draw(&NasBench201, count, seed),
        Space::NasBench101 => draw(&NasBench101, count, seed),
        Space::Darts => draw(&Darts, count, seed),
        Space::ProxylessNas => draw(&PROXYLESS_NAS, count, seed),
        Space::FbNet => draw(&FB_NET, count, seed),
        Space::NasBenchMacro => draw(&NAS_BENCH_MACRO, count, seed),
        Space::NasBenchAsr => draw(&NasBenchAsr, count, seed),
        Space::NasBenchNlp => draw(&NasBenchNlp, count, seed),
    }
}

/// The whole graph of an architecture, and which of its nodes its result depends on.
pub(crate) fn graph(space: Space, text: &str) -> Result<(ArchGraph, Vec<bool>)> {
    let graph = match space {
        Space::NasBench201 => {
            let graph = NasBench201.parse(text)?.graph();
            let live = graph.isolated(nas_bench_201::Operation::None.op()).live();
            return Ok((graph, live));
        }
        Space::NasBenchAsr => {
            let graph = NasBenchAsr.parse(text)?.graph();
            let live = graph.isolated(nas_bench_asr::Operation::Zero.op()).live();
            return Ok((graph, live));
        }
        Space::NasBench101 => NasBench101.parse(text)?.graph(),
        Space::Darts => Darts.parse(text)?.graph(),
        Space::ProxylessNas => chain_graph(&PROXYLESS_NAS, text)?,
        Space::FbNet => chain_graph(&FB_NET, text)?,
        Space::NasBenchMacro => chain_graph(&NAS_BENCH_MACRO, text)?,
        Space::NasBenchNlp => NasBenchNlp.parse(text)?.graph(),
    };
    // nothing of these is dead by construction
    let live = vec![true; graph.len()];
    Ok((graph, live))
}

fn chain_graph(space: &ChainSpace, text: &str) -> Result<ArchGraph> {
    Ok(ChainEncoding::new(space, Global::Without)?.graph(&space.parse(text)?)?)
}

/// The encoding of an architecture, with a global node. A space that has one alone has it under both names.
pub(crate) fn encode(space: Space, text: &str, name: EncodingName) -> Result<Encoding> {
    let full = name == EncodingName::Full;
    let chain = |space: &ChainSpace| -> Result<Encoding> {
        let chain: Chain = space.parse(text)?;
        Ok(ChainEncoding::new(space, Global::First)?.encode(&chain)?)
    };
    Ok(match space {
        Space::NasBench201 if full => nas_bench_201::FullEncoding.encode(&NasBench201.parse(text)?)?,
        Space::NasBench201 => nas_bench_201::PrunedEncoding.encode(&NasBench201.parse(text)?)?,
        Space::NasBench101 => nas_bench_101::PaddedEncoding.encode(&NasBench101.parse(text)?)?,
        Space::Darts => darts::CellsEncoding.encode(&Darts.parse(text)?)?,
        Space::ProxylessNas => chain(&PROXYLESS_NAS)?,
        Space::FbNet => chain(&FB_NET)?,
        Space::NasBenchMacro => chain(&NAS_BENCH_MACRO)?,
        Space::NasBenchAsr if full => nas_bench_asr::FullEncoding.encode(&NasBenchAsr.parse(text)?)?,
        Space::NasBenchAsr => nas_bench_asr::PrunedEncoding.encode(&NasBenchAsr.parse(text)?)?,
        Space::NasBenchNlp => {
            nas_bench_nlp::RecipeEncoding::new(Global::First).encode(&NasBenchNlp.parse(text)?)?
        }
    })
}
