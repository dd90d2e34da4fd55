//! Tasks of the repository, started as `cargo xtask TASK`. One file for each task.
//!
//! A task prints its result on stdout; the commands it runs are echoed on stderr with the time they took.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who started it")]

mod args;
mod bench;
mod dist;
mod elf;
mod fuzz;
mod parts;
mod sh;
mod test;
mod tidy;
mod vendor;

use std::process::ExitCode;

/// What `cargo xtask --help` prints.
const HELP: &str = "\
Tasks of the Logway repository

Usage: cargo xtask TASK [OPTIONS]

Tasks:
  test   install the test parts, then format check, lints, tidy, build, every test (what CI runs)
  tidy   check the rules of CONTRIBUTING.md that a program can check
  bench  measure what a line costs, against the budgets
  dist   build the static logway-init and the release logway, with a tarball and checksums
  fuzz   run a fuzz target, or list them
  vendor fetch the dashboard's modules of others, as they are pinned

Examples:
  cargo xtask test
  cargo xtask test --soak
  cargo xtask tidy
  cargo xtask test --help

Exit codes: 0 all is well, 1 a check, test or command failed, 2 the command line is wrong
";

/// How a task ended, when it could run at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Everything that was asked for is well.
    Good,
    /// A check, a test or a build failed; what failed has been printed.
    Bad,
}

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<args::Usage>() { 2 } else { 1 })
        }
    }
}

fn run(mut argv: Vec<String>) -> anyhow::Result<Outcome> {
    if argv.is_empty() || matches!(argv[0].as_str(), "-h" | "--help" | "help") {
        print!("{HELP}");
        return Ok(Outcome::Good);
    }
    let task = argv.remove(0);
    let task_main = match task.as_str() {
        "test" => test::main,
        "tidy" => tidy::main,
        "bench" => bench::main,
        "bench-produce" => bench::produce,
        "dist" => dist::main,
        "fuzz" => fuzz::main,
        "vendor" => vendor::main,
        _ => {
            return Err(args::Usage(format!(
                "unknown task '{task}': the tasks are test, tidy, bench, dist, fuzz, vendor (see 'cargo xtask --help')"
            ))
            .into());
        }
    };
    task_main(args::Args::new(&task, argv))
}
