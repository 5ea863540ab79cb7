#![doc = include_str!("../README.md")]

mod flaw;
mod machine;
mod node;
mod numpy;
mod opcode;
mod read;
mod value;
mod zip;

pub use flaw::Flaw;
pub use node::Node;
pub use read::{Pickle, PickleLimits};
