//! Everything about measuring that needs no real clock, and what real runtimes answer.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "cellnet")]
mod agree;
mod bad;
mod known;
