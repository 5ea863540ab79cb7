//! Everything about measuring that needs no real clock, and what real runtimes answer.

mod main {
    #[cfg(feature = "cellnet")]
    mod agree;
    mod bad;
    mod known;
}
