#![doc = include_str!("../README.md")]

mod batch;
mod cifar;
mod clutter;
mod embedded;
mod error;
mod idx;
mod pickled;
mod published;
mod read;
mod resize;
mod set;
mod split;

// what stands in signatures here, so that one dependency is enough
#[doc(no_inline)]
pub use {nas_core, pickle};

pub use batch::{Augment, Normalise};
pub use cifar::{Cifar, from_cifar};
pub use clutter::Clutter;
pub use embedded::fashion_mnist;
pub use error::ImageError;
pub use idx::from_idx;
pub use pickled::from_pickle;
pub use published::{Part, read_part};
pub use read::{read, read_cifar, read_idx};
pub use set::Images;
