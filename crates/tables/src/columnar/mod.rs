//! Parquet, which is also the form of our own tables: flat columns, and what is known of them in the footer.

mod decode;
mod footer;
mod pages;
mod read;
mod thrift;
mod thrift_out;
mod write;

pub use read::ParquetTable;
pub(crate) use write::ParquetRows;

use crate::{ColumnInfo, Origin};
use serde::{Deserialize, Serialize};

/// The key in the footer under which [`Known`] stands.
const KEY: &str = "brp-nas.table";

/// Raised with every change of what stands there. Unknown keys of a later version are passed over.
const VERSION: u32 = 1;

/// What the footer says of a table of ours, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    version: u32,
    origin: Origin,
    columns: Vec<ColumnInfo>,
}
