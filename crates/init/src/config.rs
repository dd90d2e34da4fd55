//! What init is told to do, and the reading of its command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Error;
use crate::kernel::Signal;

/// What the help says.
pub(crate) const HELP: &str = "\
Runs a command, reads its stdout and stderr line by line, and sends them to the host agent.

Usage: logway-init --socket PATH [OPTIONS] -- COMMAND [ARG]...

Options:
  --socket PATH          socket of the host agent, made for this instance
  --instance ID          name of the instance, for messages
  --policy POLICY        what to do when the agent takes no lines and memory for them is full:
                           drop-oldest  drop the oldest lines and say how many (default)
                           block        stop reading: the command waits, no line is lost
                           block:2s     stop reading for at most this long, then drop
  --ring BYTES           memory for lines that are not confirmed yet: 262144, 256K, 8M
                           (default: 1/64 of memory, from 256K to 8M)
  --kill-signal SIGNAL   what the command gets when init gets SIGTERM (default: SIGTERM)
  --kill-timeout TIME    how long the command may take to stop before it is killed (default: 5s)
  --flush-timeout TIME   how long to wait at the end until the agent has all lines (default: 5s)
  --signal-exit HOW      when a signal killed the command: code  exit with 128 + its number (default)
                                                           raise end by the same signal
  --help                 print this

Exit codes: that of the command; 128 + N if signal N killed it; 125 if the options are wrong or nothing could
be started; 126 if the command is not executable; 127 if it was not found.

Examples:
  logway-init --socket /run/logway/m1.sock -- ./server --port 8080
  logway-init --socket /run/logway/m1.sock --policy block -- sh -c 'echo started; exec ./job'
  logway-init --socket /run/logway/m1.sock --kill-signal INT --kill-timeout 30s -- ./server
";

/// What to do when the ring is full of lines that the agent has not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Drop the oldest lines; a gap record takes their place. The app never waits.
    DropOldest,
    /// Stop reading the app's outputs: it waits in `write` and nothing is lost.
    Block {
        /// How long at most, then as [`Policy::DropOldest`] until half of the ring is free. `None`: for ever.
        limit: Option<Duration>,
    },
}

/// How init ends when a signal killed the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalExit {
    /// With the code 128 + the signal's number.
    Code,
    /// By the same signal.
    Raise,
}

/// What init is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The agent's socket for this instance.
    pub socket: PathBuf,
    /// What init was told of its instance. For messages only: the agent trusts the socket.
    pub instance: String,
    /// What happens when the ring is full.
    pub policy: Policy,
    /// Size of the ring in bytes, from [`Config::MIN_RING_BYTES`] to [`Config::MAX_RING_BYTES`]; `None`: 1/64 of memory,
    /// from 256 KiB to 8 MiB.
    pub ring_bytes: Option<usize>,
    /// What the app gets when init gets `SIGTERM`; `None`: the same.
    pub kill_signal: Option<Signal>,
    /// From a request to stop to the signal that insists.
    pub kill_timeout: Duration,
    /// How long the end waits for the agent to confirm the last lines.
    pub flush_timeout: Duration,
    /// How init ends when a signal killed the app.
    pub signal_exit: SignalExit,
    /// The command and its arguments. Empty is an error that is reported as an event too.
    pub argv: Vec<OsString>,
}

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To print the help.
    Help,
    /// To run.
    Run(Config),
}

impl Config {
    /// Least size of a ring: two frames and the floors of stderr and events must fit.
    pub const MIN_RING_BYTES: usize = 256 * 1024;
    /// Largest ring that can be asked for.
    pub const MAX_RING_BYTES: usize = 1 << 30;

    /// The defaults, for `argv` behind `socket`.
    pub fn new(socket: impl Into<PathBuf>, argv: Vec<OsString>) -> Self {
        Self {
            socket: socket.into(),
            instance: String::new(),
            policy: Policy::DropOldest,
            ring_bytes: None,
            kill_signal: None,
            kill_timeout: Duration::from_secs(5),
            flush_timeout: Duration::from_secs(5),
            signal_exit: SignalExit::Code,
            argv,
        }
    }

    /// Reads the arguments after the program's name; [`Error::Usage`] says which one is wrong and what would be right.
    pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Asked, Error> {
        let mut args = args;
        let mut config = Self::new("", Vec::new());
        while let Some(arg) = args.next() {
            let text = text_of(&arg)?;
            match text {
                "--" => {
                    config.argv = args.collect();
                    break;
                }
                "-h" | "--help" => return Ok(Asked::Help),
                _ if !text.starts_with("--") => {
                    return Err(Error::Usage(format!("{text:?} is no option; the command goes after `--`")));
                }
                _ => {}
            }
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
                None => (text.to_owned(), None),
            };
            let mut value =
                || value.clone().or_else(|| args.next()).ok_or(format!("{name} needs a value after it"));
            config.set(&name, &mut value).map_err(Error::Usage)?;
        }
        if config.socket.as_os_str().is_empty() {
            return Err(Error::Usage("--socket PATH is missing: the socket that the agent printed".into()));
        }
        Ok(Asked::Run(config))
    }

    fn set(&mut self, name: &str, value: &mut dyn FnMut() -> Result<OsString, String>) -> Result<(), String> {
        let mut text = || value()?.into_string().map_err(|bad| format!("{name}: {bad:?} is not UTF-8"));
        match name {
            "--instance" => self.instance = text()?,
            "--policy" => self.policy = text()?.parse().map_err(|why| format!("--policy {why}"))?,
            "--ring" => self.ring_bytes = Some(ring_bytes(&text()?)?),
            "--kill-signal" => self.kill_signal = Some(kill_signal(&text()?)?),
            "--kill-timeout" => {
                self.kill_timeout = parse_time(&text()?).map_err(|why| format!("{name} {why}"))?
            }
            "--flush-timeout" => {
                self.flush_timeout = parse_time(&text()?).map_err(|why| format!("{name} {why}"))?
            }
            "--signal-exit" => self.signal_exit = signal_exit(&text()?)?,
            "--socket" => self.socket = PathBuf::from(value()?),
            _ => return Err(format!("{name} is not known; see --help")),
        }
        Ok(())
    }
}

fn text_of(arg: &OsStr) -> Result<&str, Error> {
    arg.to_str().ok_or_else(|| Error::Usage(format!("{arg:?} is no option; the command goes after `--`")))
}

impl FromStr for Policy {
    type Err = String;

    /// Reads `drop-oldest`, `block` or `block:2s`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "drop-oldest" => Ok(Self::DropOldest),
            None if text == "block" => Ok(Self::Block { limit: None }),
            Some(("block", limit)) => Ok(Self::Block { limit: Some(parse_time(limit)?) }),
            _ => Err(format!("{text:?}: give drop-oldest, block, or block:2s")),
        }
    }
}

fn signal_exit(text: &str) -> Result<SignalExit, String> {
    match text {
        "code" => Ok(SignalExit::Code),
        "raise" => Ok(SignalExit::Raise),
        _ => Err(format!("--signal-exit {text:?}: give code or raise")),
    }
}

fn kill_signal(text: &str) -> Result<Signal, String> {
    Signal::parse(text).ok_or_else(|| format!("--kill-signal {text:?}: give a name as SIGINT, or 1 to 31"))
}

fn ring_bytes(text: &str) -> Result<usize, String> {
    let bad = || format!("--ring {text:?}: give bytes from 256K to 1024M, as 4194304, 4096K or 4M");
    let (digits, unit) = match text.trim_end_matches("iB").char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        _ => (text, 1),
    };
    let bytes = digits.parse::<usize>().ok().and_then(|count| count.checked_mul(unit)).ok_or_else(bad)?;
    if (Config::MIN_RING_BYTES..=Config::MAX_RING_BYTES).contains(&bytes) { Ok(bytes) } else { Err(bad()) }
}

/// At most a day: longer waits are a mistake of the unit.
const MAX_DURATION: Duration = Duration::from_secs(86_400);

/// Reads a time as people give it: a whole number of `ms`, `s`, `m` or `h`, up to a day.
///
/// # Errors
/// A sentence with what was given and what would be right.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?}: give a time up to 24h, as 500ms, 5s or 2m");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (digits, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(bad()),
    };
    let millis = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit_ms)).ok_or_else(bad)?;
    Some(Duration::from_millis(millis)).filter(|time| *time <= MAX_DURATION).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Asked, Error> {
        Config::parse(line.split_whitespace().map(OsString::from))
    }

    fn config(line: &str) -> Config {
        match parse(line) {
            Ok(Asked::Run(config)) => config,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_defaults() {
        let wanted = Config::new("/s", vec!["sh".into(), "-c".into(), "--help".into()]);
        assert_eq!(config("--socket /s -- sh -c --help"), wanted);
        assert_eq!(config("--socket=/s -- sh -c --help"), wanted);
        assert!(config("--socket /s").argv.is_empty() && config("--socket /s --").argv.is_empty());
    }

    #[test]
    fn every_option() {
        let wanted = Config {
            instance: "i1".into(),
            policy: Policy::Block { limit: Some(Duration::from_secs(2)) },
            ring_bytes: Some(4 << 20),
            kill_signal: Some(Signal::INT),
            kill_timeout: Duration::from_millis(300),
            flush_timeout: Duration::from_secs(120),
            signal_exit: SignalExit::Raise,
            ..Config::new("/s", vec!["true".into()])
        };
        let options = "--socket /s --instance i1 --policy block:2s --ring 4M --kill-signal SIGINT \
                       --kill-timeout 300ms --flush-timeout=2m --signal-exit raise -- true";
        assert_eq!(config(options), wanted);
        assert_eq!(config("--socket /s --policy block -- x").policy, Policy::Block { limit: None });
        for ring in ["256K", "256KiB", "262144"] {
            assert_eq!(config(&format!("--socket /s --ring {ring}")).ring_bytes, Some(262_144), "{ring}");
        }
    }

    #[test]
    fn help_is_for_init_only_before_the_command() {
        assert!(matches!(parse("--help"), Ok(Asked::Help)));
        assert!(matches!(parse("--socket /s -h"), Ok(Asked::Help)));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("", "--socket PATH is missing"),
            ("-- true", "--socket PATH is missing"),
            ("--socket", "--socket needs a value"),
            ("--socket /s true", "goes after `--`"),
            ("--socket /s -x", "goes after `--`"),
            ("--socket /s --colour x", "--colour is not known"),
            ("--socket /s --policy drop-newest", "give drop-oldest"),
            ("--socket /s --policy block:2", "as 500ms"),
            ("--socket /s --ring 1K", "256K"),
            ("--socket /s --ring 99999999999999999999M", "256K"),
            ("--socket /s --ring M", "256K"),
            ("--socket /s --kill-signal FOO", "SIGINT"),
            ("--socket /s --kill-timeout 5", "as 500ms"),
            ("--socket /s --kill-timeout 99h", "up to 24h"),
            ("--socket /s --signal-exit no", "code or raise"),
        ] {
            let Err(Error::Usage(text)) = parse(line) else { panic!("{line}: {:?}", parse(line)) };
            assert!(text.contains(part), "{line}: {text}");
        }
    }
}
