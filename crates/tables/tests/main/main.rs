//! Tests of what `tables` promises.

mod csv_tables;
mod real_files;

use std::path::PathBuf;

/// The folder of real data beside the workspace; says that a test is skipped where it is not there.
fn shared() -> Option<PathBuf> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.is_dir() {
        println!("skipped: no folder shared beside the workspace");
        return None;
    }
    Some(data)
}
