use super::{Predictable, Seen, counted, one_hot};
use crate::registry::{ByName, EncodingName, Proxy};
use arch_graph::{ArchGraph, Bare, Cost, Features};
use cellnet::{SequenceNetwork, SpeechNetwork, SpeechSkeleton};
use nas_core::Decisions;
use spaces::nas_bench_asr::{Cell, FullEncoding, Operation, PrunedEncoding};
use spaces::{ArchHash, NasBenchAsr};
use surrogates::Block;

impl Predictable for NasBenchAsr {
    type Encoding = ByName<FullEncoding, PrunedEncoding>;
    type Bare = Bare<Self::Encoding>;

    fn hash(&self, cell: &Cell) -> ArchHash {
        cell.graph_hash()
    }

    fn number(&self, cell: &Cell) -> Option<u64> {
        Some(self.index(cell) as u64)
    }

    /// Of three seconds of sound.
    fn cost(&self, cell: &Cell) -> Option<Cost> {
        SpeechNetwork::new(cell, &SpeechSkeleton::default()).ok().map(|network| counted(network.cost()))
    }

    fn encodings(&self) -> &'static [EncodingName] {
        &[EncodingName::Full, EncodingName::Pruned]
    }

    fn encoding(&self, name: EncodingName) -> anyhow::Result<Self::Encoding> {
        Ok(ByName::new(name))
    }

    fn bare(&self, name: EncodingName) -> anyhow::Result<Self::Bare> {
        Ok(Bare(ByName::new(name)))
    }

    /// The operation of each node, and every skip.
    fn one_hot(&self, cell: &Cell) -> Vec<f64> {
        one_hot(self, cell)
    }

    /// With what gives zero cut off.
    fn structure(&self) -> anyhow::Result<Seen<Cell>> {
        let words = Cell::new([Operation::Zero; 3], [false; 6]).graph();
        let working = Operation::ALL.into_iter().filter(|op| *op != Operation::Zero).map(Operation::name);
        let graphs = Features::new(words.vocabulary(), working)?;
        let blocks = vec![Block::numbers(graphs.names().len())];
        let of =
            move |cell: &Cell| graphs.of(&cell.graph().isolated(Operation::Zero.op())).unwrap_or_default();
        Ok(Seen::new(blocks, of))
    }

    fn decisions(&self) -> Option<&dyn Decisions<Arch = Cell>> {
        Some(self)
    }

    fn scores(&self) -> Vec<Proxy> {
        vec![Proxy::Params, Proxy::Flops]
    }

    /// Not measured yet as features.
    fn seen(&self) -> Vec<Proxy> {
        Vec::new()
    }

    fn drawn(&self, cell: &Cell) -> anyhow::Result<(ArchGraph, Vec<bool>)> {
        let graph = cell.graph();
        let live = graph.isolated(Operation::Zero.op()).live();
        Ok((graph, live))
    }
}
