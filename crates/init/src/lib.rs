//! Init: runs the app, reads what it prints, and sends it to the host agent.
//!
//! One thread and one loop ([`turn`](serve)). [`run`] is the life of an instance from top to bottom; the files are its steps:
//!
//! | step | file |
//! |---|---|
//! | the command line | `config` |
//! | start the app | `spawn`, `exec` |
//! | read its outputs, cut them into lines | `capture` |
//! | keep every record until it is acknowledged | `ring` |
//! | send, resend, notice a dead agent | `link` |
//! | pass signals on, insist on a stop | `signals` |
//! | tell a death for lack of memory | `oom` |
//! | the end: drain, end the rest, say how it ended, flush | `exit` |
//!
//! The kernel and the clocks are behind `kernel::Sys`; `sys` is the real one and the only file with `unsafe`.

mod capture;
mod config;
#[cfg(test)]
mod double;
mod exec;
mod exit;
mod kernel;
mod link;
mod oom;
mod proc;
mod ring;
mod serve;
mod signals;
mod spawn;
mod sys;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

pub use config::{Config, Policy, SignalExit, parse_time};
pub use kernel::{
    Death, Interest, Output, Pid, Process, Ready, Reaped, Signal, SpawnError, Started, Sys, Used,
};
pub use sys::Kernel;

use config::Asked;
use serve::Init;

/// Exit code when init was told something wrong, or could start nothing.
pub const EXIT_USAGE: u8 = 125;

/// Why init could not do its work. What goes wrong with the agent is no error: lines wait in memory.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The kernel refused what init cannot do without, before the app was started.
    #[error("cannot take signals: {0}; the process has too many open files or signals are not available")]
    Prepare(#[source] io::Error),
    /// The kernel refused to wait for or read the app's output. The app may still run.
    #[error("cannot read the output of the app: {0}")]
    Read(#[source] io::Error),
    /// The path of the agent's socket does not fit a socket's address.
    #[error("the path of the socket is too long: {path} has more than 107 bytes; use a shorter one")]
    SocketPath {
        /// The path.
        path: PathBuf,
    },
}

/// How init should end: as the app did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus {
    /// The exit code, with 128 added to the number of a signal.
    pub code: u8,
    /// The signal to end by instead, if that was asked for.
    pub raise: Option<Signal>,
}

/// Runs one instance from its start to the last acknowledged line.
pub fn run(config: &Config, sys: &mut impl Sys) -> Result<ExitStatus, Error> {
    let mut init = Init::prepare(config, sys)?;
    init.connect();
    if let Some(failed) = init.start_app() {
        return init.end_unstarted(failed);
    }
    init.serve_until_exit()?;
    init.drain()?;
    init.end_descendants()?;
    init.await_end_of_output()?;
    let status = init.say_exited();
    init.flush()?;
    init.say_goodbye()?;
    Ok(status)
}

/// `logway-init`, and `logway init`: reads the arguments after the program's name, runs, and gives the exit code.
pub fn main_with_args(args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut kernel = Kernel::default();
    let config = match Config::parse(args) {
        Ok(Asked::Run(config)) => config,
        Ok(Asked::Help) => {
            // Whoever closed stdout does not want the help.
            let _ = io::stdout().write_all(config::HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            kernel.say(&error.to_string());
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match run(&config, &mut kernel) {
        Ok(ExitStatus { code, raise }) => {
            if let Some(signal) = raise {
                kernel.die_of(signal);
            }
            ExitCode::from(code)
        }
        Err(error) => {
            kernel.say(&error.to_string());
            ExitCode::from(EXIT_USAGE)
        }
    }
}
