//! How grave a line is, inferred once, from what the app itself says. Standard error alone never means an error.
//!
//! In this order: a JSON object's level key (words, and the numbers of pino and bunyan); a syslog priority `<13>`; klog and
//! glog's `E1122 10:00:00`; Ruby's `E, [`; logfmt's `level=warn`; a bracketed or leading word behind times, numbers and
//! bracketed names. Anything else is `info`.

mod text;

use crate::{Error, json};

/// How grave a line is. These four are all that flyctl knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// The ordinary, and whatever does not say.
    Info,
    /// Odd, but it went on.
    Warn,
    /// Something failed. Fatal and critical are here too.
    Error,
}

impl Level {
    /// All levels, least grave first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The code in binary formats, 0 to 3.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The level of that code; [`Error::Value`] above 3.
    pub fn from_code(code: u8) -> Result<Self, Error> {
        let found = Self::ALL.get(usize::from(code)).copied();
        found.ok_or(Error::Value { what: "a level", value: u64::from(code) })
    }

    /// The level that a word of any common vocabulary and any case means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::from_word_bytes(word.as_bytes())
    }

    fn from_word_bytes(word: &[u8]) -> Option<Self> {
        if word.len() < 3 || word.len() > 13 {
            return None;
        }
        let mut lower = [0u8; 13];
        let lower = &mut lower[..word.len()];
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"trace" | b"debug" | b"dbg" | b"verbose" | b"fine" | b"finer" | b"finest" => Self::Debug,
            b"info" | b"inf" | b"information" | b"informational" | b"notice" | b"log" | b"note" => Self::Info,
            b"warn" | b"warning" | b"wrn" => Self::Warn,
            b"error" | b"err" | b"fatal" | b"ftl" | b"critical" | b"crit" | b"crt" | b"alert" | b"emerg"
            | b"emergency" | b"panic" | b"severe" | b"dpanic" => Self::Error,
            _ => return None,
        })
    }

    /// The level of a number in the way of pino and bunyan: 10 trace to 60 fatal.
    pub const fn from_number(number: u64) -> Self {
        match number {
            0..30 => Self::Debug,
            30..40 => Self::Info,
            40..50 => Self::Warn,
            _ => Self::Error,
        }
    }
}

/// What told the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LevelSource {
    /// Nothing did; it is `info`.
    Default,
    /// A key of a JSON object.
    Json,
    /// A key of logfmt.
    Logfmt,
    /// A word at the front, bare or in brackets, or a letter of klog, glog or Ruby.
    Text,
    /// A syslog priority.
    Syslog,
    /// Logway itself, for its own records.
    Platform,
}

impl LevelSource {
    /// All sources, in the order of their codes.
    pub const ALL: [Self; 6] =
        [Self::Default, Self::Json, Self::Logfmt, Self::Text, Self::Syslog, Self::Platform];

    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Json => "json",
            Self::Logfmt => "logfmt",
            Self::Text => "text",
            Self::Syslog => "syslog",
            Self::Platform => "platform",
        }
    }

    /// The code in binary formats, 0 to 5.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The source of that code; [`Error::Value`] above 5.
    pub fn from_code(code: u8) -> Result<Self, Error> {
        let found = Self::ALL.get(usize::from(code)).copied();
        found.ok_or(Error::Value { what: "a level's source", value: u64::from(code) })
    }

    /// The source of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

/// How far into a line a level is looked for, in bytes. Levels stand at the front; a JSON line's may stand later.
const TEXT_WINDOW_BYTES: usize = 256;
/// How far into a JSON line.
const JSON_WINDOW_BYTES: usize = 16 * 1024;

/// The level of a line and what told it.
#[inline]
pub fn infer(line: &[u8]) -> (Level, LevelSource) {
    let line = line.trim_ascii_start();
    let found = match line.first() {
        Some(b'{') => from_json(&line[..line.len().min(JSON_WINDOW_BYTES)]).map(|l| (l, LevelSource::Json)),
        Some(_) => text::infer(&line[..line.len().min(TEXT_WINDOW_BYTES)]),
        None => None,
    };
    found.unwrap_or((Level::Info, LevelSource::Default))
}

/// The level that a JSON object states at its top or in an object `log`. Only as much is read as is whole: the line may
/// have been cut.
fn from_json(line: &[u8]) -> Option<Level> {
    let mut scanner = json::Scanner::new(line);
    let mut found = None;
    scanner.begin_object().ok()?;
    while let Ok(Some(key)) = scanner.next_key() {
        let names_level = match key.raw() {
            b"level" | b"severity" | b"lvl" | b"loglevel" | b"log.level" | b"levelname" | b"@l"
            | b"severity_text" | b"severityText" | b"log_level" | b"Level" | b"LEVEL" | b"SEVERITY" => true,
            b"log" => {
                found = found.or_else(|| nested_level(&scanner));
                false
            }
            _ => false,
        };
        if names_level && let Some(level) = level_value(&scanner) {
            return Some(level);
        }
        if scanner.skip_value().is_err() {
            break;
        }
    }
    found
}

/// The `level` inside the object that comes next (`{"log":{"level":"error"}}`, the shape of ECS).
fn nested_level(scanner: &json::Scanner<'_>) -> Option<Level> {
    let mut scanner = scanner.clone();
    scanner.begin_object().ok()?;
    while let Ok(Some(key)) = scanner.next_key() {
        if key.raw() == b"level" {
            return level_value(&scanner);
        }
        scanner.skip_value().ok()?;
    }
    None
}

/// The value that comes next, as a level.
fn level_value(scanner: &json::Scanner<'_>) -> Option<Level> {
    let mut scanner = scanner.clone();
    match scanner.peek() {
        Some(b'"') => Level::from_word_bytes(scanner.string().ok()?.raw()),
        Some(b'0'..=b'9') => {
            let digits = scanner.number().ok()?;
            Some(Level::from_number(std::str::from_utf8(digits).ok()?.parse().ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
