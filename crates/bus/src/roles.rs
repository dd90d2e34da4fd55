//! Who may do what on the bus. The broker enforces this table, and [`nats_conf`] says the same to a nats-server.

use std::fmt::Write as _;
use std::time::Duration;

/// A part of Logway as the bus sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The host agent: publishes lines, answers for recent ones.
    Agent,
    /// The NATS front door: reads lines, asks.
    Proxy,
    /// The HTTP API: reads lines, asks.
    Api,
    /// The store: takes batches, answers queries.
    Store,
    /// The registry: announces the state of the system.
    Registry,
}

/// The row of the table for one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    /// Patterns of the subjects that it may publish to.
    pub publish: &'static [&'static str],
    /// Patterns that it may subscribe to, and whatever lies within them.
    pub subscribe: &'static [&'static str],
    /// It may also publish to the reply subject of a message that it was given, within the bounds of [`RESPONSES_MAX`],
    /// [`RESPONSES_EXPIRE`] and [`RESPONSES_SUBJECTS`].
    pub may_answer: bool,
}

/// An answer may have this many messages; more are violations.
pub const RESPONSES_MAX: u32 = 10_000;
/// An answer may come this long after its request; later it is a violation.
pub const RESPONSES_EXPIRE: Duration = Duration::from_secs(60);
/// Requests that one session may have to answer at the same time; one more makes the oldest unanswerable. The embedded
/// broker's bound: nats-server has none.
pub const RESPONSES_SUBJECTS: usize = 1024;

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Agent, Self::Proxy, Self::Api, Self::Store, Self::Registry];

    /// Its name, as in the files of credentials and in inboxes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Proxy => "proxy",
            Self::Api => "api",
            Self::Store => "store",
            Self::Registry => "registry",
        }
    }

    /// What its inboxes begin with: `_INBOX.<role>`. No role can read another's.
    pub const fn inbox_prefix(self) -> &'static str {
        match self {
            Self::Agent => "_INBOX.agent",
            Self::Proxy => "_INBOX.proxy",
            Self::Api => "_INBOX.api",
            Self::Store => "_INBOX.store",
            Self::Registry => "_INBOX.registry",
        }
    }

    /// Its row of the table.
    pub const fn permissions(self) -> Permissions {
        match self {
            Self::Agent => Permissions {
                publish: &["o.*.logs.>", "sys.hb.>", "sys.append.>"],
                subscribe: &["_INBOX.agent.>", "sys.recent", "sys.registry"],
                may_answer: true,
            },
            Self::Proxy => Permissions {
                publish: &["sys.query.>", "sys.recent"],
                subscribe: &["o.>", "sys.hb.>", "sys.registry", "_INBOX.proxy.>"],
                may_answer: false,
            },
            Self::Api => Permissions {
                publish: &["sys.query.>", "sys.recent"],
                subscribe: &["o.>", "sys.hb.>", "sys.registry", "_INBOX.api.>"],
                may_answer: false,
            },
            Self::Store => Permissions {
                publish: &["o.*.logs.>"],
                subscribe: &["sys.append.*", "sys.query.*", "sys.registry", "_INBOX.store.>"],
                may_answer: true,
            },
            Self::Registry => Permissions {
                publish: &["sys.registry"],
                subscribe: &["sys.registry.snapshot", "_INBOX.registry.>"],
                may_answer: true,
            },
        }
    }
}

/// The table as the `authorization` block of a nats-server's configuration (2.9 and later), with a user and a password
/// for each role. A password that begins with `$2` would be taken for a bcrypt hash: do not use such.
pub fn nats_conf(users: &[(Role, &str, &str)]) -> String {
    let mut conf = String::from("authorization {\n  users = [\n");
    for (role, user, password) in users {
        let permissions = role.permissions();
        // Writing to a String cannot fail.
        let _ = write!(
            conf,
            "    {{ user: {}, password: {}, permissions: {{\n      publish: {{ allow: [{}] }}\n      subscribe: {{ allow: [{}] }}\n",
            quoted(user),
            quoted(password),
            list(permissions.publish),
            list(permissions.subscribe),
        );
        if permissions.may_answer {
            let _ = writeln!(
                conf,
                "      allow_responses: {{ max: {RESPONSES_MAX}, expires: \"{}s\" }}",
                RESPONSES_EXPIRE.as_secs()
            );
        }
        conf.push_str("    } }\n");
    }
    conf.push_str("  ]\n}\n");
    conf
}

fn list(patterns: &[&str]) -> String {
    patterns.iter().map(|pattern| quoted(pattern)).collect::<Vec<_>>().join(", ")
}

/// A string as nats-server's configuration reads it between double quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
