//! `logway-init`, the static program that runs inside each Machine. All of it is the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    init::main_with_args(std::env::args_os().skip(1))
}
