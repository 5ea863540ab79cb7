#![doc = include_str!("../README.md")]

mod brp_nas;
mod error;
mod limit;
mod order;
mod run;
mod summary;

pub use brp_nas::{BrpNas, Selection};
pub use error::SearchError;
pub use limit::{Limited, within_limit};
pub use order::InOrder;
pub use run::run;
pub use summary::{Summary, summarise};
