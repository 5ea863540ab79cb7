//! What surrogates see of a cell: its graph, and its scores without training.

use crate::failure::{Failure, OrFail};
use crate::named_scores::Proxies;
use arch_graph::Features;
use nas_core::SearchSpace;
use spaces::NasBench201;
use spaces::nas_bench_201::{Cell, Operation};
use surrogates::{Block, by_rank};
use tables::Column;

/// Edges in the order of operations.
const EDGES: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];

/// Features of the graph, with what gives zero cut off, and scores by their rank in the space.
#[derive(Debug, Clone)]
pub(crate) struct CellFeatures {
    graphs: Features,
    /// By index of the cell.
    scores: Vec<Vec<f64>>,
}

impl CellFeatures {
    /// A column need not have all cells: another one with the same operations at work will do. Scores that tell no two
    /// cells apart are said, and left out.
    pub(crate) fn new(proxies: &Proxies, columns: &[Column<Cell>]) -> Result<Self, Failure> {
        let cells: Vec<Cell> = NasBench201.enumerate().into_iter().flatten().collect();
        let at_work: Vec<Cell> = cells.iter().map(at_work).collect();
        let words = NasBench201.get(0).or_failed()?;
        let working = Operation::ALL.into_iter().filter(|op| *op != Operation::None).map(Operation::name);
        let graphs = Features::new(words.graph().vocabulary(), working).or_failed()?;
        let (mut scores, mut useless) = (vec![Vec::new(); cells.len()], Vec::new());
        let own = proxies.looked_up(columns, &cells).into_iter().zip(proxies.looked_up(columns, &at_work));
        for (part, (own, other)) in proxies.0.iter().zip(own) {
            let score: Vec<Option<f64>> =
                own.into_iter().zip(other).map(|(own, other)| own.or(other)).collect();
            match by_rank(&score) {
                Some(ranks) => scores.iter_mut().zip(ranks).for_each(|(row, rank)| row.push(rank)),
                None => useless.push(Proxies(vec![part.clone()]).to_string()),
            }
        }
        if !useless.is_empty() {
            eprintln!("no two architectures differ by {}: left out of the features", useless.join(", "));
        }
        Ok(Self { graphs, scores })
    }

    /// The graph first, then the scores.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let scores = self.scores.first().map_or(0, Vec::len);
        let graph = Block::numbers(self.graphs.names().len());
        if scores > 0 { vec![graph, Block::numbers(scores)] } else { vec![graph] }
    }

    pub(crate) fn of(&self, cell: &Cell) -> Vec<f64> {
        // a cell has the vocabulary of another, so none is refused; an empty row would be
        let graph = cell.graph().isolated(Operation::None.op());
        let mut row = self.graphs.of(&graph).unwrap_or_default();
        row.extend(self.scores.get(cell.index()).into_iter().flatten());
        row
    }
}

/// What of a cell runs, as devices see it: an edge at a time in the order of operations.
pub(super) struct Liveness {
    /// The input reaches it.
    pub(super) forward: [bool; 6],
    /// It reaches the output.
    pub(super) backward: [bool; 6],
}

impl Liveness {
    pub(super) fn of(operations: &[Operation; 6]) -> Self {
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

/// How many features of each kind [`costs`] gives.
pub(crate) fn cost_blocks() -> Vec<Block> {
    let operations = Block::choices(6);
    vec![operations, operations, operations, Block::counts(4), Block::counts(5), Block::numbers(9)]
}

/// What decides the cost of a cell on a device: operations by edge, all of them, those whose result is used, and
/// those that also see the input; counts of the first two; lengths and degrees. Devices differ in what they skip.
pub(crate) fn costs(cell: &Cell) -> Vec<f64> {
    use Operation::{AvgPool3x3, Conv1x1, Conv3x3, None, SkipConnect};
    let all = cell.operations();
    let conv = |edge: usize| matches!(all[edge], Conv1x1 | Conv3x3);
    // found on the phones: a convolution alone into the last node runs though a zero follows it
    let runs_on = all[5] == None && ((conv(1) && all[2] == None) || (conv(2) && all[1] == None));
    let mut seen = all;
    if runs_on {
        seen[5] = SkipConnect;
    }
    let Liveness { forward, mut backward } = Liveness::of(&seen);
    backward[5] &= !runs_on;
    let joined = Liveness::of(&all).backward.iter().zip(forward).any(|(b, f)| *b && f);
    let joined = f64::from(u8::from(joined));
    let used = |edge: usize| if backward[edge] { all[edge] } else { None };
    let live = |edge: usize| if forward[edge] { used(edge) } else { None };
    let codes =
        |of: &dyn Fn(usize) -> Operation| (0..6).map(|edge| of(edge).number() as f64).collect::<Vec<_>>();
    let working = [SkipConnect, Conv1x1, Conv3x3, AvgPool3x3];
    let counts = |of: &dyn Fn(usize) -> Operation| {
        working.map(|op| (0..6).filter(|&edge| of(edge) == op).count() as f64)
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

/// The cell with nothing where nothing flows.
fn at_work(cell: &Cell) -> Cell {
    let mut operations = cell.operations();
    let Liveness { forward, backward } = Liveness::of(&operations);
    for edge in 0..6 {
        if !(forward[edge] && backward[edge]) {
            operations[edge] = Operation::None;
        }
    }
    Cell::new(operations)
}
