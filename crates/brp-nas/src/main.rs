//! `brp-nas`: predictor-based, hardware-aware neural architecture search from the command line.
//!
//! Results go to stdout, everything else to stderr. Exit status 0 done, 2 bad usage or input, 1 failed.

#![expect(clippy::print_stderr, reason = "stderr is where a program speaks of its progress")]

mod enumerate;
mod failure;
mod host;
mod options;
mod output;
mod predict;
mod progress;
mod record;
mod registry;
mod search;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

/// Keeps freed memory: tensors of some megabytes come and go all the time, and page faults would cost a good part of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Predictor-based, hardware-aware neural architecture search.
#[derive(Debug, Parser)]
#[command(name = "brp-nas", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(args_override_self = true)]
    /// Find the best architectures under a budget of trained networks and, if given, a latency limit.
    Search(search::Args),
    #[command(args_override_self = true)]
    /// Fit a predictor on some rows of a table and judge it on the rest.
    Predict(predict::Args),
    #[command(args_override_self = true)]
    /// Count a search space, or give index, hash and costs of the architectures of a file.
    Enumerate(enumerate::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Search(args) => search::main(args),
        Command::Predict(args) => predict::main(args),
        Command::Enumerate(args) => enumerate::main(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {:#}", failure.error());
            ExitCode::from(match failure {
                Failure::Input(_) => 2,
                Failure::Failed(_) => 1,
            })
        }
    }
}
