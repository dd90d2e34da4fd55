//! Which of a Machine's voices a record came from.

use crate::Error;

/// The stream a record was read from. `stdout` and `stderr` are the app's; `init` and `agent` carry what Logway itself
/// has to say about the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// The app's standard output.
    Stdout,
    /// The app's standard error. Alone it never means that a line is an error.
    Stderr,
    /// Events of init: start, exit, signals.
    Init,
    /// What the host agent writes about an instance.
    Agent,
}

impl Stream {
    /// All streams, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Stdout, Self::Stderr, Self::Init, Self::Agent];

    /// The stream's name in JSON and in a terminal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Init => "init",
            Self::Agent => "agent",
        }
    }

    /// The stream of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// The stream's code in binary formats, 0 to 3.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The stream of that code; [`Error::Value`] above 3.
    pub fn from_code(code: u8) -> Result<Self, Error> {
        let found = Self::ALL.get(usize::from(code)).copied();
        found.ok_or(Error::Value { what: "stream", value: u64::from(code) })
    }

    /// Who wrote the lines of this stream.
    pub const fn provider(self) -> Provider {
        match self {
            Self::Stdout | Self::Stderr => Provider::App,
            Self::Init | Self::Agent => Provider::Runner,
        }
    }
}

/// Who wrote a line (`event.provider` in JSON).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// The app itself.
    App,
    /// Init, the agent, and every gap record.
    Runner,
    /// The platform's HTTP proxy.
    Proxy,
    /// A line inserted over HTTP.
    Import,
}

impl Provider {
    /// All providers.
    pub const ALL: [Self; 4] = [Self::App, Self::Runner, Self::Proxy, Self::Import];

    /// The provider's name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Runner => "runner",
            Self::Proxy => "proxy",
            Self::Import => "import",
        }
    }

    /// The provider of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == name)
    }
}
