#![doc = include_str!("../README.md")]

mod chart;
mod draw;
mod error;
mod labels;
mod theme;

pub use chart::{Axis, Chart, Mark, Series};
pub use error::ChartError;
pub use theme::{Theme, png};
