use super::{COLOURS, Predictable, Seen, counted, one_hot};
use crate::registry::{EncodingName, Proxy};
use arch_graph::{ArchGraph, Cost, Global};
use cellnet::ChainSkeleton;
use nas_core::Decisions;
use spaces::ArchHash;
use spaces::chain::{Chain, ChainEncoding, ChainSpace};
use surrogates::Block;

impl Predictable for ChainSpace {
    type Encoding = ChainEncoding;
    type Bare = ChainEncoding;

    fn hash(&self, chain: &Chain) -> ArchHash {
        chain.hash()
    }

    fn number(&self, chain: &Chain) -> Option<u64> {
        self.index(chain)
    }

    fn cost(&self, chain: &Chain) -> Option<Cost> {
        // the inherent one
        ChainSpace::cost(self, chain).or_else(|| {
            let skeleton = ChainSkeleton::of(self).ok()?;
            cellnet::chain(self, chain, &skeleton, COLOURS).ok().map(|network| counted(network.cost()))
        })
    }

    /// Every layer is run.
    fn encodings(&self) -> &'static [EncodingName] {
        &[EncodingName::Full]
    }

    fn encoding(&self, _: EncodingName) -> anyhow::Result<ChainEncoding> {
        Ok(ChainEncoding::new(self, Global::First)?)
    }

    fn bare(&self, _: EncodingName) -> anyhow::Result<ChainEncoding> {
        Ok(ChainEncoding::new(self, Global::Without)?)
    }

    /// The choice of each layer.
    fn one_hot(&self, chain: &Chain) -> Vec<f64> {
        one_hot(self, chain)
    }

    /// How often each choice stands, and whether it stands in a layer; then the choice of each layer.
    fn structure(&self) -> anyhow::Result<Seen<Chain>> {
        let (choices, layers) = (self.choices().len(), self.layers().len());
        let blocks = vec![Block::numbers(choices + layers * choices), Block::choices(layers)];
        Ok(Seen::new(blocks, move |chain: &Chain| {
            let codes: Vec<usize> = chain.choices().iter().map(|&choice| usize::from(choice)).collect();
            let counts =
                (0..choices).map(|choice| codes.iter().filter(|code| **code == choice).count() as f64);
            let own = |&code: &usize| (0..choices).map(move |choice| f64::from(u8::from(choice == code)));
            counts.chain(codes.iter().flat_map(own)).chain(codes.iter().map(|&code| code as f64)).collect()
        }))
    }

    /// The structure, parameters and multiply-adds.
    fn costs(&self) -> anyhow::Result<Seen<Chain>> {
        let (space, structure) = (*self, self.structure()?);
        let blocks = structure.blocks.iter().copied().chain([Block::numbers(2)]).collect();
        Ok(Seen::new(blocks, move |chain: &Chain| {
            let cost = Predictable::cost(&space, chain).unwrap_or_default();
            let numbers = [cost.parameters as f64, cost.multiply_adds as f64];
            structure.of(chain).into_iter().chain(numbers).collect()
        }))
    }

    fn drawn(&self, chain: &Chain) -> anyhow::Result<(ArchGraph, Vec<bool>)> {
        let graph = ChainEncoding::new(self, Global::Without)?.graph(chain)?;
        let live = vec![true; graph.len()];
        Ok((graph, live))
    }

    fn decisions(&self) -> Option<&dyn Decisions<Arch = Chain>> {
        Some(self)
    }

    fn scores(&self) -> Vec<Proxy> {
        vec![Proxy::Params, Proxy::Flops]
    }

    /// Those of a published definition; others are not measured yet as features.
    fn seen(&self) -> Vec<Proxy> {
        let first = self.chain(&vec![0; self.layers().len()]).ok();
        match first.and_then(|chain| ChainSpace::cost(self, &chain)) {
            Some(_) => self.scores(),
            None => Vec::new(),
        }
    }
}
