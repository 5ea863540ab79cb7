//! `brp-nas`: predictor-based, hardware-aware neural architecture search from the command line.
//!
//! Results go to stdout, everything else to stderr. Exit status 0 done, 2 bad usage or input, 1 failed.

#![expect(clippy::print_stderr, reason = "stderr is where a program speaks of its progress")]

mod choice;
mod classes;
mod columns;
mod compare;
mod draw;
mod elsewhere;
mod enumerate;
mod export;
mod failure;
mod features;
mod host;
mod import;
mod info;
mod kept_scores;
mod kept_units;
mod measure;
mod named_scores;
mod options;
mod output;
mod predict;
mod predictable;
mod progress;
mod record;
mod registry;
mod report;
mod repro;
mod score;
mod scored;
mod search;
mod train;
mod units;
mod watch;

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
    Search(Box<search::Args>),
    #[command(args_override_self = true)]
    /// Fit a predictor on some rows of a table and judge it on the rest.
    Predict(predict::Args),
    #[command(args_override_self = true)]
    /// Score architectures without training them.
    Score(score::Args),
    #[command(args_override_self = true)]
    /// Train architectures for real on images.
    Train(train::Args),
    #[command(args_override_self = true)]
    /// Measure the latency of architectures or ONNX files on this machine.
    Measure(measure::Args),
    #[command(args_override_self = true)]
    /// Count a search space, or list, hash and encode its architectures, samples of them, or those of a file.
    Enumerate(enumerate::Args),
    #[command(args_override_self = true)]
    /// Draw an architecture as SVG or DOT.
    Draw(draw::Args),
    #[command(args_override_self = true)]
    /// Make a table, or units of a run store, of what a benchmark publishes or any table.
    Import(import::Args),
    #[command(args_override_self = true)]
    /// Write the units of a run store as a table.
    Export(export::Args),
    #[command(args_override_self = true)]
    /// Say what a table, a published file or a run store holds.
    Info(info::Args),
    #[command(args_override_self = true)]
    /// Make one page and pictures of runs, and of records of experiments.
    Report(report::Args),
    /// Do a published experiment and show its numbers beside ours.
    Repro(repro::Args),
    /// Hand work that `train`, `score` or `measure` does to the engine of a cluster, or what is missing of it.
    Submit(elsewhere::submit::Args),
    /// Do tasks of a work folder, here; what `submit` has Slurm run on its nodes.
    Worker(elsewhere::worker::Args),
    /// Say how the work of a folder stands.
    Status(elsewhere::status::Args),
    /// Take what the tasks of a work folder came to into its store.
    Collect(elsewhere::collect::Args),
}

/// candle's element-wise operators keep a pool of their own, whose threads spin while they wait and slow down those
/// that train beside them, five times and more. And the allocator gives memory back after 10 ms, only to ask for it
/// again a layer later, which costs half of a proxy's time. Both are read from the environment once, so the program
/// starts itself again, on Unix in the same process, with no such threads and a second's patience. Where that fails it goes
/// on as it is.
fn with_settings_for_tensors() {
    const THREADS: &str = "CANDLE_NUM_THREADS";
    const PATIENCE_MS: &str = "MIMALLOC_PURGE_DELAY";
    if std::env::var_os(THREADS).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        let mut again = std::process::Command::new(program);
        if std::env::var_os(PATIENCE_MS).is_none() {
            again.env(PATIENCE_MS, "1000");
        }
        again.args(std::env::args_os().skip(1)).env(THREADS, "1");
        #[cfg(unix)]
        let _error = std::os::unix::process::CommandExt::exec(&mut again);
        #[cfg(not(unix))]
        if let Ok(status) = again.status() {
            std::process::exit(status.code().unwrap_or(1));
        }
    }
}

fn main() -> ExitCode {
    with_settings_for_tensors();
    let outcome = match Cli::parse().command {
        Command::Search(args) => search::main(*args),
        Command::Predict(args) => predict::main(args),
        Command::Score(args) => score::main(args),
        Command::Train(args) => train::main(args),
        Command::Measure(args) => measure::main(args),
        Command::Enumerate(args) => enumerate::main(args),
        Command::Draw(args) => draw::main(args),
        Command::Import(args) => import::main(args),
        Command::Export(args) => export::main(args),
        Command::Info(args) => info::main(args),
        Command::Report(args) => report::main(&args),
        Command::Repro(args) => repro::main(&args),
        Command::Submit(args) => elsewhere::submit::main(&args),
        Command::Worker(args) => elsewhere::worker::main(&args),
        Command::Status(args) => elsewhere::status::main(&args),
        Command::Collect(args) => elsewhere::collect::main(&args),
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
