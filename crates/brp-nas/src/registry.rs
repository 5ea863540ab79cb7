//! The one place that knows spaces, encodings and methods by name.

use arch_graph::{Encode, Encoding, GraphError};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use spaces::SpaceError;
use spaces::nas_bench_201::{Cell, FullEncoding, PrunedEncoding, Skeleton};

/// A search space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Space {
    /// 15,625 cells of 6 operations.
    #[default]
    #[value(name = "nas-bench-201")]
    #[serde(rename = "nas-bench-201")]
    NasBench201,
}

/// How architectures become graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EncodingName {
    /// Every operation is kept: for devices on which dead operations cost time.
    Full,
    /// As published: dead operations and skips leave no trace.
    Pruned,
}

/// Whose settings a predictor is trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Setting {
    /// Our own: better and faster.
    #[default]
    Ours,
    /// As published.
    Published,
}

/// Multiply-adds of a cell in the published network: known without training it.
pub(crate) fn multiply_adds(cell: &Cell) -> f64 {
    Skeleton::default().cost(cell).map_or(0.0, |cost| cost.multiply_adds as f64)
}

/// What is known of a whole cell without training it: costs, counts and paths of what it computes.
pub(crate) fn descriptors() -> Result<impl Fn(&Cell) -> Vec<f64> + Clone, SpaceError> {
    let table = Skeleton::default().table()?;
    // the table is of the cells' own vocabulary
    Ok(move |cell: &Cell| cell.pruned_graph().descriptors(&table).unwrap_or_default())
}

/// An encoding of NAS-Bench-201 chosen at run time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellEncoding(pub(crate) EncodingName);

macro_rules! either {
    ($this:expr, $encoding:ident => $call:expr) => {
        match $this.0 {
            EncodingName::Full => {
                let $encoding = &FullEncoding;
                $call
            }
            EncodingName::Pruned => {
                let $encoding = &PrunedEncoding;
                $call
            }
        }
    };
}

impl Encode<Cell> for CellEncoding {
    type Error = GraphError;

    fn nodes(&self) -> usize {
        either!(self, e => e.nodes())
    }

    fn width(&self) -> usize {
        either!(self, e => e.width())
    }

    fn has_global(&self) -> bool {
        either!(self, e => e.has_global())
    }

    fn encode(&self, arch: &Cell) -> Result<Encoding, GraphError> {
        either!(self, e => e.encode(arch))
    }
}
