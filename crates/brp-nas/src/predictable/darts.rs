use super::{COLOURS, Predictable, Seen, counted, one_hot};
use crate::registry::{EncodingName, Proxy};
use arch_graph::{ArchGraph, Bare, Cost};
use cellnet::{DartsSkeleton, darts};
use nas_core::Decisions;
use spaces::darts::{Cell, CellsEncoding, Genotype, NODES, Operation};
use spaces::{ArchHash, Darts};
use surrogates::Block;

/// Inputs of all nodes of a cell.
const INPUTS: usize = 2 * NODES;

impl Predictable for Darts {
    type Encoding = CellsEncoding;
    type Bare = Bare<CellsEncoding>;

    fn hash(&self, genotype: &Genotype) -> ArchHash {
        genotype.graph_hash()
    }

    fn written(&self, genotype: &Genotype) -> Genotype {
        genotype.sorted()
    }

    fn number(&self, genotype: &Genotype) -> Option<u64> {
        Some(self.index(genotype))
    }

    /// Of the network for CIFAR-10.
    fn cost(&self, genotype: &Genotype) -> Option<Cost> {
        darts(genotype, &DartsSkeleton::default(), COLOURS).ok().map(|network| counted(network.cost()))
    }

    /// Every node of a cell is used.
    fn encodings(&self) -> &'static [EncodingName] {
        &[EncodingName::Full]
    }

    fn encoding(&self, _: EncodingName) -> anyhow::Result<CellsEncoding> {
        Ok(CellsEncoding)
    }

    fn bare(&self, _: EncodingName) -> anyhow::Result<Bare<CellsEncoding>> {
        Ok(Bare(CellsEncoding))
    }

    /// The sources of each node, and the operation of each of its inputs.
    fn one_hot(&self, genotype: &Genotype) -> Vec<f64> {
        one_hot(self, genotype)
    }

    /// Of each cell how often an operation stands in it, at all and behind each of its two inputs, and how deep its
    /// nodes lie; then source and operation of every input.
    fn structure(&self) -> anyhow::Result<Seen<Genotype>> {
        let counts = 3 * Operation::ALL.len() + NODES;
        let blocks = vec![Block::numbers(2 * counts), Block::choices(2 * 2 * INPUTS)];
        Ok(Seen::new(blocks, |genotype: &Genotype| {
            let cells = [genotype.normal.sorted(), genotype.reduce.sorted()];
            let written = cells.into_iter().flat_map(|cell| {
                let inputs = cell.inputs().into_iter().flatten();
                inputs.flat_map(|(op, source)| [source as f64, op.number() as f64]).collect::<Vec<f64>>()
            });
            cells.into_iter().flat_map(counts_of).chain(written).collect()
        }))
    }

    fn drawn(&self, genotype: &Genotype) -> anyhow::Result<(ArchGraph, Vec<bool>)> {
        let graph = genotype.graph();
        let live = vec![true; graph.len()];
        Ok((graph, live))
    }

    fn decisions(&self) -> Option<&dyn Decisions<Arch = Genotype>> {
        Some(self)
    }

    fn scores(&self) -> Vec<Proxy> {
        vec![Proxy::Params, Proxy::Flops]
    }
}

/// Counts of operations, and how deep the nodes lie.
fn counts_of(cell: Cell) -> Vec<f64> {
    let inputs = cell.inputs();
    let mut found = Vec::new();
    for op in Operation::ALL {
        for behind in [None, Some(0), Some(1)] {
            let of = |(own, source): &&(Operation, usize)| {
                *own == op && behind.is_none_or(|behind| behind == *source)
            };
            found.push(inputs.iter().flatten().filter(of).count() as f64);
        }
    }
    let mut depths = vec![0.0_f64; 2];
    for node in inputs {
        depths.push(1.0 + node.iter().map(|(_, source)| depths[*source]).fold(0.0, f64::max));
    }
    found.extend(&depths[2..]);
    found
}
