use super::{Descriptors, Lookup, Predictable, Seen, one_hot};
use crate::failure::{Failure, OrFail};
use crate::registry::{CellEncoding, EncodingName, Proxy};
use crate::{classes, kept_scores};
use anyhow::anyhow;
use arch_graph::{ArchGraph, Bare, Cost, Features};
use nas_core::{Decisions, SearchSpace, Seed};
use spaces::nas_bench_201::{Cell, Operation, Skeleton};
use spaces::{ArchHash, NasBench201};
use std::sync::Arc;
use surrogates::{Block, Described};

/// Edges in the order of operations.
const EDGES: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];

impl Predictable for NasBench201 {
    type Encoding = CellEncoding;
    type Bare = Bare<CellEncoding>;

    fn hash(&self, cell: &Cell) -> ArchHash {
        cell.class_hash()
    }

    fn number(&self, cell: &Cell) -> Option<u64> {
        Some(cell.index() as u64)
    }

    fn cost(&self, cell: &Cell) -> Option<Cost> {
        Skeleton::default().cost(cell).ok()
    }

    fn encodings(&self) -> &'static [EncodingName] {
        &[EncodingName::Full, EncodingName::Pruned]
    }

    fn encoding(&self, name: EncodingName) -> anyhow::Result<CellEncoding> {
        Ok(CellEncoding::new(name))
    }

    fn bare(&self, name: EncodingName) -> anyhow::Result<Bare<CellEncoding>> {
        Ok(Bare(CellEncoding::new(name)))
    }

    /// The operation of each edge.
    fn one_hot(&self, cell: &Cell) -> Vec<f64> {
        one_hot(self, cell)
    }

    /// The operations of edges that reach the output.
    fn one_hot_live(&self, cell: &Cell) -> Vec<f64> {
        let all = cell.operations();
        let runs = Liveness::of(&all).backward;
        let seen = |edge: usize| if runs[edge] { all[edge] } else { Operation::None };
        self.one_hot(&Cell::new(std::array::from_fn(seen)))
    }

    /// One operation alone, from the input to the output; a connection is the least that runs.
    fn lookup(&self) -> Option<Lookup<Cell>> {
        let alone = |op| {
            let mut operations = [Operation::None; 6];
            operations[3] = op;
            Cell::new(operations)
        };
        let [base, parts @ ..] = WORKING;
        let counts = |cell: &Cell| {
            let all = cell.operations();
            let Liveness { forward, backward } = Liveness::of(&all);
            let [_, parts @ ..] = WORKING;
            let count =
                |op| (0..6).filter(|&edge| all[edge] == op && forward[edge] && backward[edge]).count();
            parts.map(|op| count(op) as f64).to_vec()
        };
        Some(Lookup { base: alone(base), parts: parts.map(alone).to_vec(), counts })
    }

    /// With what gives zero cut off.
    fn structure(&self) -> anyhow::Result<Seen<Cell>> {
        let words = Cell::new([Operation::None; 6]).graph();
        let working = Operation::ALL.into_iter().filter(|op| *op != Operation::None).map(Operation::name);
        let graphs = Features::new(words.vocabulary(), working)?;
        let blocks = vec![Block::numbers(graphs.names().len())];
        // a cell has the vocabulary of another, so none is refused; an empty row would be
        let of =
            move |cell: &Cell| graphs.of(&cell.graph().isolated(Operation::None.op())).unwrap_or_default();
        Ok(Seen::new(blocks, of))
    }

    fn costs(&self) -> anyhow::Result<Seen<Cell>> {
        Ok(Seen::new(cost_blocks(), costs))
    }

    fn drawn(&self, cell: &Cell) -> anyhow::Result<(ArchGraph, Vec<bool>)> {
        let graph = cell.graph();
        let live = graph.isolated(Operation::None.op()).live();
        Ok((graph, live))
    }

    fn described(&self, cell: &Cell) -> Described {
        described(cell)
    }

    fn decisions(&self) -> Option<&dyn Decisions<Arch = Cell>> {
        Some(self)
    }

    fn scores(&self) -> Vec<Proxy> {
        [Proxy::Params, Proxy::Flops].into_iter().chain(kept_scores::names().map(Proxy::Kept)).collect()
    }

    fn kept(&self, name: &str, cell: &Cell) -> Option<f64> {
        kept_scores::get(name, cell)
    }

    fn draw(&self, count: usize, seed: Seed) -> Result<Vec<Cell>, Failure> {
        let size = self.len().unwrap_or(0) as usize;
        if count > size {
            return Err(anyhow!("--sample {count}: the space has {size} architectures")).or_input();
        }
        let mut stream = seed.stream("sample");
        let chosen = rand::seq::index::sample(&mut stream, size, count);
        chosen.into_iter().map(|index| self.get(index).or_failed()).collect()
    }

    fn whole(&self) -> Option<Vec<Cell>> {
        Some(classes::firsts().to_vec())
    }

    fn has_classes(&self) -> bool {
        true
    }

    fn representative(&self, cell: &Cell) -> Cell {
        classes::first(cell)
    }

    /// Costs, counts and paths of what a cell computes.
    fn descriptors(&self) -> anyhow::Result<Descriptors<Cell>> {
        let table = Skeleton::default().table()?;
        // the table is of the cells' own vocabulary
        Ok(Arc::new(move |cell: &Cell| cell.pruned_graph().descriptors(&table).unwrap_or_default()))
    }

    fn pool(&self, _: &[Cell]) -> Vec<Cell> {
        self.enumerate().into_iter().flatten().collect()
    }

    fn stand_in(&self, cell: &Cell) -> Cell {
        cell.live()
    }
}

/// What of a cell runs, as devices see it: an edge at a time in the order of operations.
struct Liveness {
    /// The input reaches it.
    forward: [bool; 6],
    /// It reaches the output.
    backward: [bool; 6],
}

impl Liveness {
    fn of(operations: &[Operation; 6]) -> Self {
        let (mut from, mut to) = ([true, false, false, false], [false, false, false, true]);
        let (mut forward, mut backward) = ([false; 6], [false; 6]);
        for (edge, (source, target)) in EDGES.into_iter().enumerate() {
            forward[edge] = operations[edge] != Operation::None && from[source];
            from[target] |= forward[edge];
        }
        for (edge, (source, target)) in EDGES.into_iter().enumerate().rev() {
            backward[edge] = operations[edge] != Operation::None && to[target];
            to[source] |= backward[edge];
        }
        Self { forward, backward }
    }
}

/// What devices take to run, in which they differ: the edges that the input reaches, and those that reach the output.
/// Found on the phones: a convolution alone into the last node runs though a zero follows it.
fn as_phones_run(all: &[Operation; 6]) -> Liveness {
    use Operation::{Conv1x1, Conv3x3, None, SkipConnect};
    let conv = |edge: usize| matches!(all[edge], Conv1x1 | Conv3x3);
    let runs_on = all[5] == None && ((conv(1) && all[2] == None) || (conv(2) && all[1] == None));
    let mut seen = *all;
    if runs_on {
        seen[5] = SkipConnect;
    }
    let mut liveness = Liveness::of(&seen);
    liveness.backward[5] &= !runs_on;
    liveness
}

const WORKING: [Operation; 4] =
    [Operation::SkipConnect, Operation::Conv1x1, Operation::Conv3x3, Operation::AvgPool3x3];

/// Counts of operations on all edges, on those that reach the output, and on those on a path; whether there is one, and
/// how many edges reach the output. In fine also every operation by edge, the same three ways, and products of counts.
fn described(cell: &Cell) -> Described {
    let all = cell.operations();
    let (plain, phones) = (Liveness::of(&all), as_phones_run(&all));
    let one_hot = |runs: &dyn Fn(usize) -> bool| -> Vec<f64> {
        let hot = |edge: usize| WORKING.map(|op| f64::from(u8::from(all[edge] == op && runs(edge))));
        (0..6).flat_map(hot).collect()
    };
    let counts = |runs: &dyn Fn(usize) -> bool| {
        WORKING.map(|op| (0..6).filter(|&edge| all[edge] == op && runs(edge)).count() as f64)
    };
    let live = |edge: usize| plain.forward[edge] && plain.backward[edge];
    let backward = |edge: usize| plain.backward[edge];
    let mut coarse = [counts(&|_| true), counts(&backward), counts(&live)].concat();
    coarse.push(f64::from(u8::from((0..6).any(live))));
    coarse.push((0..6).filter(|&edge| backward(edge)).count() as f64);
    let mut fine = vec![1.0];
    fine.extend(one_hot(&|_| true));
    fine.extend(one_hot(&|edge| phones.backward[edge]));
    fine.extend(one_hot(&|edge| phones.backward[edge] && phones.forward[edge]));
    fine.extend(&coarse);
    fine.extend((0..8).flat_map(|i| (i..8).map(move |j| (i, j))).map(|(i, j)| coarse[i] * coarse[j]));
    Described { fine, coarse }
}

/// How many features of each kind [`costs`] gives.
fn cost_blocks() -> Vec<Block> {
    let operations = Block::choices(6);
    vec![operations, operations, operations, Block::counts(4), Block::counts(5), Block::numbers(9)]
}

/// What decides the cost of a cell on a device: operations by edge, all of them, those whose result is used, and
/// those that also see the input; counts of the first two; lengths and degrees. Devices differ in what they skip.
fn costs(cell: &Cell) -> Vec<f64> {
    use Operation::None;
    let all = cell.operations();
    let Liveness { forward, backward } = as_phones_run(&all);
    let joined = Liveness::of(&all).backward.iter().zip(forward).any(|(b, f)| *b && f);
    let joined = f64::from(u8::from(joined));
    let used = |edge: usize| if backward[edge] { all[edge] } else { None };
    let live = |edge: usize| if forward[edge] { used(edge) } else { None };
    let codes =
        |of: &dyn Fn(usize) -> Operation| (0..6).map(|edge| of(edge).number() as f64).collect::<Vec<_>>();
    let counts = |of: &dyn Fn(usize) -> Operation| {
        WORKING.map(|op| (0..6).filter(|&edge| of(edge) == op).count() as f64)
    };
    let longest = |weights: [f64; 5]| {
        let mut at = [0.0_f64; 4];
        for (edge, (source, target)) in EDGES.into_iter().enumerate() {
            if live(edge) != None {
                at[target] = at[target].max(at[source] + weights[live(edge).number()]);
            }
        }
        at[3]
    };
    let mut row = [codes(&|edge| all[edge]), codes(&used), codes(&live)].concat();
    row.extend(counts(&|edge| all[edge]));
    row.extend(counts(&used));
    row.push(joined);
    row.push(joined);
    row.extend(
        [[0.0, 0.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0, 0.0]].map(longest),
    );
    row.extend(
        (1..4)
            .map(|node| f64::from(u8::from((0..6).any(|edge| EDGES[edge].1 == node && live(edge) != None)))),
    );
    row.push((0..6).filter(|&edge| used(edge) != None).count() as f64);
    row.push((0..6).filter(|&edge| live(edge) != None).count() as f64);
    row
}

#[cfg(test)]
mod tests {
    use crate::classes;
    use crate::predictable::{ByClass, Predictable};
    use nas_core::{SearchSpace, Seed};
    use spaces::NasBench201;
    use std::collections::BTreeSet;

    /// Of the 24 edits of a cell nearly all lead to another class; where only its first cell counted, 17 would be left.
    #[test]
    fn classes_have_the_neighbours_of_their_cells() {
        let (space, mut stream) = (ByClass(&NasBench201), Seed(0).stream("edits"));
        let some: Vec<_> = classes::firsts().iter().step_by(50).collect();
        let mut count = 0;
        for &cell in &some {
            let neighbours = space.neighbours(cell);
            let edited: BTreeSet<_> =
                NasBench201.neighbours(cell).iter().map(|next| NasBench201.representative(next)).collect();
            let others = edited.iter().filter(|next| *next != cell).count();
            assert_eq!(others, neighbours.len());
            assert!(neighbours.iter().all(|next| edited.contains(next) && next != cell));
            let child = space.mutate(cell, &mut stream);
            assert!(neighbours.is_empty() || neighbours.contains(&child), "{cell} became {child}");
            count += others;
        }
        assert!(count > 22 * some.len(), "{count} of {} classes", some.len());
    }
}
