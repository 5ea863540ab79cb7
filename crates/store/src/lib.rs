#![doc = include_str!("../README.md")]

mod checkpoint;
mod error;
mod key;
mod lease;
mod open;
mod outcome;
mod query;
mod row;
mod schema;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use nas_core;

pub use error::StoreError;
pub use key::{Filter, Key};
pub use lease::Lease;
pub use open::Store;
pub use row::{Counts, Measured, Row, State};
