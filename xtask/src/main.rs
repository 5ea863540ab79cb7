//! `cargo xtask COMMAND`: see the README.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to the one who runs it")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = args.iter().map(|arg| arg.to_str().unwrap_or_default()).collect();
    let root = xtask::root();
    let done = match words.as_slice() {
        [] | ["--help" | "-h" | "help"] => {
            print!("{}", xtask::USAGE);
            Ok(())
        }
        ["ci"] => xtask::ci(&root),
        ["tidy"] => xtask::tidy(&root),
        ["fixtures"] => xtask::fixtures(&root, None),
        ["fixtures", case] => xtask::fixtures(&root, Some(case)),
        ["ci" | "tidy" | "fixtures", ..] => {
            eprint!("error: `{}` takes no such arguments\n\n{}", words.join(" "), xtask::USAGE);
            return ExitCode::from(2);
        }
        _ => match xtask::hand_over(&root, &args) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
