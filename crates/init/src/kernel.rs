//! What init asks of the kernel and the clocks, and the plain values in which the answers come.
//!
//! Everything in this crate but `sys.rs` works through [`Sys`], so that the order of the work can be tested with a double
//! that records what is asked and plays what happens.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use line::Stream;

/// A process id.
pub type Pid = i32;

/// One of the two pipes that the app writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The app's standard output.
    Stdout,
    /// The app's standard error.
    Stderr,
}

impl Output {
    /// Both, in the order in which they are read.
    pub const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// The stream of the records that are read from it.
    pub const fn stream(self) -> Stream {
        match self {
            Self::Stdout => Stream::Stdout,
            Self::Stderr => Stream::Stderr,
        }
    }
}

/// What [`Sys::wait`] should wake for, besides signals, which always wake it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// Bytes or the end of each output, in the order of [`Output::ALL`].
    pub outputs: [bool; 2],
    /// Bytes from the agent, or its end.
    pub agent_read: bool,
    /// Room to send more to the agent.
    pub agent_write: bool,
}

/// What [`Sys::wait`] woke for. All false: the time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// Signals can be taken with [`Sys::signal`].
    pub signals: bool,
    /// Each output has bytes or has ended.
    pub outputs: [bool; 2],
    /// The agent sent bytes or closed.
    pub agent_read: bool,
    /// More can be sent to the agent.
    pub agent_write: bool,
}

/// A started command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Its process id, which is also the id of its session and group.
    pub pid: Pid,
    /// Bytes that each of its pipes holds before a write blocks.
    pub pipe_bytes: usize,
}

/// Why a command did not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The kernel would not run the file.
    #[error("cannot run {path}: {source}")]
    Exec {
        /// The file that was tried last, or the bare name if no folder of PATH has it.
        path: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// There was no pipe or process to be had.
    #[error("cannot start a process: {0}")]
    Process(#[source] io::Error),
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// It called exit with this code, 0 to 255.
    Code(i32),
    /// A signal killed it.
    Signal {
        /// Which.
        signal: Signal,
        /// Whether the kernel wrote a core file.
        core_dumped: bool,
    },
}

/// What a child used in its life, its own children that it waited for included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// CPU time in its own code.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// Most memory resident at a time, in KiB.
    pub max_rss_kb: i64,
}

/// The answer of [`Sys::reap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaped {
    /// This child had ended.
    Child {
        /// Which.
        pid: Pid,
        /// How.
        death: Death,
        /// What it used.
        used: Used,
    },
    /// Children live, none has ended.
    Alive,
    /// There is no child.
    None,
}

/// A process as a person knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: Pid,
    /// The kernel's name for it, at most 15 bytes.
    pub comm: String,
}

/// The kernel and the clocks.
pub trait Sys {
    /// `CLOCK_BOOTTIME` in nanoseconds. It is never set back and counts sleep.
    fn boottime(&self) -> i64;
    /// `CLOCK_REALTIME` in Unix nanoseconds.
    fn realtime(&self) -> i64;
    /// 64 random bits.
    fn random(&mut self) -> u64;
    /// Memory that this Machine or cgroup may use, in bytes.
    fn memory_bytes(&self) -> u64;
    /// How many processes the kernel has killed for lack of memory: in this cgroup where that is counted, else at all.
    fn oom_kills(&self) -> u64;

    /// Gives the kernel back the memory that was freed.
    fn give_memory_back(&mut self);

    /// Blocks the signals that init takes itself and makes init the parent of every orphan below it.
    fn prepare(&mut self) -> io::Result<()>;
    /// Starts `argv` in a session of its own: stdin /dev/null, stdout and stderr on pipes whose other ends init reads, no
    /// other descriptor, no signal blocked or ignored. `argv` is not empty.
    fn spawn(&mut self, argv: &[OsString]) -> Result<Started, SpawnError>;
    /// Waits for what `interest` names, at most `timeout` (`None`: for ever).
    fn wait(&mut self, interest: Interest, timeout: Option<Duration>) -> io::Result<Ready>;
    /// Reads an output: 0 at its end, `WouldBlock` when it is empty. A closed output is at its end.
    fn read(&mut self, output: Output, buffer: &mut [u8]) -> io::Result<usize>;
    /// Closes an output.
    fn close(&mut self, output: Output);

    /// Takes the next pending signal.
    fn signal(&mut self) -> Option<Signal>;
    /// Takes the status of one child that has ended.
    fn reap(&mut self) -> Reaped;
    /// Sends a signal. A process that is gone is no error.
    fn kill(&mut self, pid: Pid, signal: Signal);
    /// All processes below init, dead ones excepted.
    fn descendants(&mut self) -> Vec<Process>;
    /// Processes that have an output of the app open for writing.
    fn writers(&mut self) -> Vec<Process>;

    /// Connects to the agent's socket without waiting.
    fn connect(&mut self, path: &Path) -> io::Result<()>;
    /// Sends to the agent; `WouldBlock` when it takes no more.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Receives from the agent: 0 at the end, `WouldBlock` when there is nothing.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Closes the connection to the agent, if there is one.
    fn disconnect(&mut self);

    /// Writes a notice for people, with init's name before it.
    fn say(&mut self, notice: &str);
    /// Ends init itself by `signal`, without a core file. Returns if the signal does not kill.
    fn die_of(&mut self, signal: Signal);
}

/// A signal by its number on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(i32);

/// The names of signals 1 to 31, without `SIG`.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

impl Signal {
    /// A terminal that went away.
    pub const HUP: Self = Self(1);
    /// Control-C.
    pub const INT: Self = Self(2);
    /// Control-\.
    pub const QUIT: Self = Self(3);
    /// The end that nobody can refuse.
    pub const KILL: Self = Self(9);
    /// The app's own use.
    pub const USR1: Self = Self(10);
    /// The app's own use.
    pub const USR2: Self = Self(12);
    /// Please end.
    pub const TERM: Self = Self(15);
    /// A child has ended.
    pub const CHLD: Self = Self(17);
    /// The window's size changed.
    pub const WINCH: Self = Self(28);

    /// The signals that init takes. All but `CHLD` are passed on to the main process.
    pub const TAKEN: [Self; 8] =
        [Self::TERM, Self::INT, Self::HUP, Self::QUIT, Self::USR1, Self::USR2, Self::WINCH, Self::CHLD];

    /// The signal of that number.
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Its name, as `SIGTERM`.
    pub fn name(self) -> Cow<'static, str> {
        let index = usize::try_from(self.0 - 1).unwrap_or(usize::MAX);
        match NAMES.get(index) {
            Some(name) => Cow::Owned(format!("SIG{name}")),
            None => Cow::Owned(format!("signal {}", self.0)),
        }
    }

    /// Reads `TERM`, `SIGTERM`, `sigterm` or `15`; `None` for what is no signal from 1 to 31.
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let by_name = (1..).zip(NAMES).find(|(_, known)| *known == name).map(|(number, _)| number);
        by_name.or_else(|| name.parse().ok().filter(|number| (1..=31).contains(number))).map(Self)
    }

    /// Whether it asks the app to end, so that init sees to it that the app does. Many take `QUIT` as a wish to see what their
    /// threads do, so it does not count.
    pub fn is_stop(self) -> bool {
        matches!(self, Self::TERM | Self::INT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, wanted) in [
            ("TERM", Some(Signal::TERM)),
            ("SIGTERM", Some(Signal::TERM)),
            ("sigwinch", Some(Signal::WINCH)),
            ("9", Some(Signal::KILL)),
            ("0", None),
            ("32", None),
            ("SIG", None),
            ("NOPE", None),
        ] {
            assert_eq!(Signal::parse(text), wanted, "{text}");
        }
        assert_eq!(Signal::USR2.name(), "SIGUSR2");
        assert_eq!(Signal::new(40).name(), "signal 40");
    }
}
