#![doc = include_str!("../README.md")]

mod bytes;
mod checksum;
mod column;
mod columnar;
mod error;
mod folder;
mod guess;
mod import;
mod json;
mod json_lines;
mod read;
mod source;
mod table;
mod table_ref;
mod table_writer;
mod write;

pub mod published;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use {nas_core, spaces};

pub use bytes::hex;
pub use checksum::{crc32c, masked_crc32c};
pub use column::{Column, Provenance};
pub use columnar::ParquetTable;
pub use error::{Place, TableError};
pub use import::{Format, Import, Imported, detect, import, inspect, read_table};
pub use pickle::{Flaw, Node, Pickle, PickleLimits};
pub use read::{list_columns, read_archs, read_column, read_columns, read_columns_within};
pub use source::Limits;
pub use table::{ColumnInfo, Kind, Origin, Table, Values};
pub use table_ref::TableRef;
pub use table_writer::{TableWriter, write_table};
pub use write::write_csv;
