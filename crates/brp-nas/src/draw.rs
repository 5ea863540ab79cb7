//! `brp-nas draw`.

use crate::failure::{Failure, OrFail};
use crate::registry::Space;
use anyhow::{Context, anyhow};
use std::path::PathBuf;

/// Flags of `draw`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The search space.
    #[arg(long, default_value = "nas-bench-201")]
    space: Space,
    /// The architecture, as the space writes it.
    #[arg(long)]
    arch: String,
    /// The picture: `.svg`, or `.dot` for Graphviz.
    #[arg(long)]
    to: PathBuf,
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let Args { space, arch, to } = args;
    let extension = to.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let picture = match extension {
        "svg" | "dot" => {
            let (graph, live) = space.graph(&arch).with_context(|| format!("--arch {arch:?}")).or_input()?;
            if extension == "svg" { graph.svg(&live) } else { graph.dot(&live) }
        }
        _ => {
            return Err(anyhow!("--to {}: expected a file that ends in .svg or .dot", to.display()))
                .or_input();
        }
    };
    crate::record::write_whole(&to, picture.as_bytes()).or_failed()
}
