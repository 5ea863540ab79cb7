#![doc = include_str!("../README.md")]

mod column;
mod error;
mod read;
mod source;
mod table_ref;
mod write;

pub use column::{Column, Provenance};
pub use error::{Place, TableError};
pub use read::{list_columns, read_archs, read_column, read_columns, read_columns_within};
pub use source::Limits;
pub use table_ref::TableRef;
pub use write::write_csv;
