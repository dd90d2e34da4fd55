//! A child process that ends with the bench, and what it said.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

/// How long a child may take to say what we wait for.
const DEADLINE: Duration = Duration::from_secs(30);

/// Lines of stderr kept while nobody reads; more make the child wait, which no bench lets happen.
const HELD_LINES: usize = 10_000;

/// A child in a process group of its own. Dropped, the group is killed.
pub(super) struct Running {
    name: String,
    child: Child,
    stderr: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    /// Starts `command`, which writes to `stdout`.
    pub(super) fn start(name: &str, command: &mut Command, stdout: Stdio) -> Result<Self> {
        command.process_group(0).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
        let stderr = child.stderr.take().context("stderr is a pipe")?;
        let (send, receive) = mpsc::sync_channel(HELD_LINES);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // When nobody listens any more the pipe is still drained, so that the child never waits for us.
                let _ = send.try_send(line);
            }
        });
        Ok(Self { name: name.to_owned(), child, stderr: receive, seen: Vec::new() })
    }

    /// Waits for a line of stderr for which `is_it` holds and gives it. An error with all it said when there is none.
    pub(super) fn wait_for(&mut self, what: &str, is_it: impl Fn(&str) -> bool) -> Result<String> {
        if let Some(line) = self.seen.iter().find(|line| is_it(line)) {
            return Ok(line.clone());
        }
        while let Ok(line) = self.stderr.recv_timeout(DEADLINE) {
            self.seen.push(line.clone());
            if is_it(&line) {
                return Ok(line);
            }
        }
        anyhow::bail!("{} did not say {what}; it said:\n{}", self.name, self.seen.join("\n"))
    }

    /// What it said so far, as far as somebody waited for it.
    pub(super) fn seen(&self) -> impl Iterator<Item = &str> {
        self.seen.iter().map(String::as_str)
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn end(mut self) -> Result<()> {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM)
            .with_context(|| format!("ending {}", self.name))?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// Its stdout, once.
    pub(super) fn stdout(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().with_context(|| format!("the stdout of {} is not a pipe", self.name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Not reaped yet means that the id is still its own.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
