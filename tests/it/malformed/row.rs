//! A row of the table: what is sent, and what each target answers.

use crate::targets::Kind;

/// As whom the row's bytes are sent. The text is more keys of the CONNECT, each behind a comma.
#[derive(Debug, Clone, Copy)]
pub(super) enum As {
    /// Before a login: right behind the greeting.
    Nobody,
    /// By one who may read lines.
    Reader(&'static str),
    /// By one who may publish them.
    Writer(&'static str),
}

/// What comes back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// Every byte of it.
    pub(super) said: &'static str,
    /// Whether a PING is answered behind it, or the connection is closed.
    pub(super) stays: bool,
}

/// The connection stays, and this was said.
pub(super) const fn stays(said: &'static str) -> Answer {
    Answer { said, stays: true }
}

/// The connection is closed, and this was said before.
pub(super) const fn closes(said: &'static str) -> Answer {
    Answer { said, stays: false }
}

/// What is said to who may not log in, or speaks before.
pub(super) const DENIED: Answer = closes("-ERR 'Authorization Violation'\r\n");
/// What is said to bytes that are not of the protocol.
pub(super) const UNKNOWN: Answer = closes("-ERR 'Unknown Protocol Operation'\r\n");
/// What is said to a control line that is too long.
pub(super) const TOO_LONG: Answer = closes("-ERR 'maximum control line exceeded'\r\n");
/// Nothing is said, and the connection stays.
pub(super) const QUIET: Answer = stays("");
/// The connection is closed without a word.
pub(super) const GONE: Answer = closes("");

/// One row. Its texts have words in angle brackets, see [`crate::targets::Target::fill`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Its place in the list of all that clients may do wrong.
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) who: As,
    pub(super) input: &'static str,
    broker: Answer,
    proxy: Answer,
    nats: Answer,
    heard: Option<[&'static str; 2]>,
}

/// A row with the same answer everywhere.
pub(super) const fn row(number: u8, name: &'static str, who: As, input: &'static str, answer: Answer) -> Row {
    Row { number, name, who, input, broker: answer, proxy: answer, nats: answer, heard: None }
}

impl Row {
    /// The front door answers otherwise.
    pub(super) const fn proxy(mut self, answer: Answer) -> Self {
        self.proxy = answer;
        self
    }

    /// Real servers answer otherwise.
    pub(super) const fn nats(mut self, answer: Answer) -> Self {
        self.nats = answer;
        self
    }

    /// A reader of `<o>logs.<n>.>` gets this, but at the front door.
    pub(super) const fn heard(mut self, said: &'static str) -> Self {
        self.heard = Some([said, said]);
        self
    }

    /// A reader of `<o>logs.<n>.>` gets this from real servers, and `ours` from the broker.
    pub(super) const fn heard_unlike_nats(mut self, ours: &'static str, nats: &'static str) -> Self {
        self.heard = Some([ours, nats]);
        self
    }

    /// What a target answers.
    pub(super) const fn answer(&self, kind: Kind) -> Answer {
        match kind {
            Kind::Broker => self.broker,
            Kind::Proxy => self.proxy,
            Kind::Nats(_) => self.nats,
        }
    }

    /// What a reader of `<o>logs.<n>.>` gets. `None`: nobody listens.
    pub(super) fn heard_at(&self, kind: Kind) -> Option<&'static str> {
        let [ours, nats] = self.heard?;
        Some(match kind {
            Kind::Broker => ours,
            // Nobody publishes there.
            Kind::Proxy => "",
            Kind::Nats(_) => nats,
        })
    }
}
