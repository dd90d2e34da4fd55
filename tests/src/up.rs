//! A running `logway up` with a data directory of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::parts;
use crate::process::Process;

/// `logway up` on free ports. Dropped, it is killed and its data are removed.
pub struct Up {
    dir: TempDir,
    options: Vec<String>,
    process: Process,
}

impl Up {
    /// Starts it with `options` beside the data directory and the ports, and waits until it says `ready`.
    pub fn start(options: &[&str]) -> Self {
        let dir = crate::short_dir();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let process = launch(&dir.path().join("d"), &options);
        Self { dir, options, process }
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("d")
    }

    /// A directory for the test's own files, removed with the data.
    pub fn files(&self) -> &Path {
        self.dir.path()
    }

    /// `logway COMMAND --data DIR`, to be given further arguments.
    pub fn command(&self, command: &str) -> Command {
        let mut logway = Command::new(parts::logway());
        logway.arg(command).arg("--data").arg(self.data());
        logway
    }

    /// Starts `logway COMMAND --data DIR ARGS...`.
    pub fn run(&self, command: &str, args: &[&str]) -> Process {
        Process::start(&format!("logway {command}"), self.command(command).args(args))
    }

    /// The address behind `what` in what it printed at its start: `up.address("nats")` is `127.0.0.1:PORT`.
    pub fn address(&self, what: &str) -> String {
        let line = self.process.wait_for_stderr(&format!("its {what} address"), |line| {
            line.contains(what) && line.contains("127.0.0.1:")
        });
        let (_, from) = line.split_once("127.0.0.1:").expect("looked for");
        let port: String = from.chars().take_while(char::is_ascii_digit).collect();
        format!("127.0.0.1:{port}")
    }

    /// Kills it, as `kill -9` does, and starts it anew on the same data.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = launch(&self.data(), &self.options);
    }

    /// The process, for what it prints, for signals and for its end.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn launch(data: &Path, options: &[String]) -> Process {
    let mut command = Command::new(parts::logway());
    command.arg("up").arg("--data").arg(data).args(["--nats-port", "0", "--http-port", "0"]).args(options);
    let process = Process::start("logway up", &mut command);
    process.wait_for_stderr("ready", |line| line.split_whitespace().any(|word| word == "ready"));
    process
}
