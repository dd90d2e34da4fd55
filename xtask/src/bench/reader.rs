//! The person at the terminal: reads what `logway logs` writes, and notes how old each line is.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::child::Running;
use super::produce;

/// What `logway logs` writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlet {
    /// A pipe, as before `| jq`.
    Pipe,
    /// A terminal.
    Terminal,
}

/// The outlet, opened: our end of a terminal, or the word that the child has our end of a pipe.
pub(super) enum Open {
    Pipe,
    Terminal(OwnedFd),
}

impl Outlet {
    /// Gives the child's end and ours.
    pub(super) fn open(self) -> Result<(Stdio, Open)> {
        match self {
            Self::Pipe => Ok((Stdio::piped(), Open::Pipe)),
            Self::Terminal => {
                let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
                let ours = openpt(flags).context("opening a terminal")?;
                grantpt(&ours).and_then(|()| unlockpt(&ours)).context("unlocking the terminal")?;
                let name = ptsname(&ours, Vec::new()).context("finding the terminal's name")?;
                let name = name.to_str().context("the terminal has an odd name")?;
                let child = File::options().read(true).write(true).open(name);
                let child = child.with_context(|| format!("opening {name}"))?;
                Ok((child.into(), Open::Terminal(ours)))
            }
        }
    }
}

impl Open {
    /// From where what `child` writes can be read.
    pub(super) fn source(self, child: &mut Running) -> Result<File> {
        match self {
            Self::Pipe => Ok(File::from(OwnedFd::from(child.stdout()?))),
            Self::Terminal(ours) => Ok(File::from(ours)),
        }
    }
}

/// Reads in a thread of its own until the writer ends.
pub(super) struct Reader {
    ages: Arc<Mutex<Vec<Duration>>>,
}

impl Reader {
    /// Begins to read from `source`.
    pub(super) fn start(mut source: File) -> Self {
        let ages = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&ages);
        thread::spawn(move || {
            let (mut held, mut chunk) = (Vec::new(), vec![0; 256 * 1024]);
            // A terminal whose other end is closed gives an error in place of an end.
            while let Ok(read @ 1..) = source.read(&mut chunk) {
                let now = produce::monotonic();
                held.extend_from_slice(&chunk[..read]);
                let whole = memchr::memrchr(b'\n', &held).map_or(0, |end| end + 1);
                let lines = held[..whole].split(|byte| *byte == b'\n');
                let found: Vec<_> = lines.filter_map(|line| produce::age(line, now)).collect();
                if let Ok(mut ages) = shared.lock() {
                    ages.extend(found);
                }
                held.drain(..whole);
            }
        });
        Self { ages }
    }

    /// How many lines with a time have come.
    pub(super) fn count(&self) -> u64 {
        self.ages.lock().map_or(0, |ages| ages.len() as u64)
    }

    /// The ages of all lines from number `first` on.
    pub(super) fn ages_from(&self, first: u64) -> Vec<Duration> {
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        self.ages.lock().map(|ages| ages.get(first..).unwrap_or_default().to_vec()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn lines_from_a_pipe_and_from_a_terminal() {
        for outlet in [Outlet::Pipe, Outlet::Terminal] {
            let (stdout, open) = outlet.open().unwrap();
            let text = format!("a{0}1\nno time\nb{0}2", produce::MARK);
            let mut child =
                Running::start("printf", Command::new("printf").args(["%s\n", &text]), stdout).unwrap();
            let reader = Reader::start(open.source(&mut child).unwrap());
            while reader.count() < 2 {
                thread::yield_now();
            }
            assert_eq!(reader.ages_from(1).len(), 1, "{outlet:?}");
            assert!(reader.ages_from(9).is_empty());
        }
    }
}
