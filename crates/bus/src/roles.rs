//! Who may say and hear what on the bus: nothing is anonymous, and each role can do what its stage needs and no more.
//! The embedded broker enforces this table; [`nats_conf`] states the same for a real nats-server.

use std::fmt;

use crate::subject;

/// A stage's place on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Publishes lines and heartbeats, asks stores to append, answers for recent lines. Cannot read a line.
    Agent,
    /// The NATS front door: reads lines.
    Proxy,
    /// The HTTP API and the command line: reads lines, asks for recent ones, hands over those that came by HTTP.
    Api,
    /// Takes appends and answers queries; publishes imports.
    Store,
    /// Tells the state of orgs and keys, and notes which hosts there are.
    Registry,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::Agent, Self::Proxy, Self::Api, Self::Store, Self::Registry];

    /// The role's name: of its credential's file, of its user, and in its inboxes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Proxy => "proxy",
            Self::Api => "api",
            Self::Store => "store",
            Self::Registry => "registry",
        }
    }

    /// What its inboxes begin with. Each role hears its own answers only.
    pub fn inbox_prefix(self) -> String {
        format!("_INBOX.{}", self.as_str())
    }

    /// Whether a subject is one of its inboxes.
    pub fn has_inbox(self, subject: &[u8]) -> bool {
        let rest =
            subject.strip_prefix(b"_INBOX.").and_then(|rest| rest.strip_prefix(self.as_str().as_bytes()));
        rest.is_some_and(|rest| rest.len() > 1 && rest.starts_with(b"."))
    }

    /// The patterns within which it may publish.
    pub const fn may_publish(self) -> &'static [&'static str] {
        match self {
            Self::Agent => &["o.*.logs.>", "sys.hb.>", "sys.append.>", "sys.registry.snapshot"],
            Self::Proxy => &["sys.query.>", "sys.recent", "sys.registry.snapshot"],
            Self::Api => &["sys.query.>", "sys.append.>", "sys.recent", "sys.registry.snapshot"],
            Self::Store => &["o.*.logs.>", "sys.registry.snapshot"],
            Self::Registry => &["sys.registry"],
        }
    }

    /// The patterns within which it may subscribe, its own inboxes included.
    pub const fn may_subscribe(self) -> &'static [&'static str] {
        match self {
            Self::Agent => &["sys.recent", "sys.registry", "_INBOX.agent.>"],
            Self::Proxy => &["o.>", "sys.hb.>", "sys.registry", "_INBOX.proxy.>"],
            Self::Api => &["o.>", "sys.hb.>", "sys.registry", "_INBOX.api.>"],
            Self::Store => &["sys.append.*", "sys.query.*", "sys.registry", "_INBOX.store.>"],
            Self::Registry => &["sys.registry", "sys.registry.snapshot", "sys.hb.>", "_INBOX.registry.>"],
        }
    }

    /// Whether it may publish to the reply subject of a message that it was given: those that answer requests. The embedded
    /// broker takes answers only in the asker's own inboxes. A nats-server takes them anywhere: who answers has to look.
    pub const fn may_answer(self) -> bool {
        matches!(self, Self::Agent | Self::Store | Self::Registry)
    }

    /// Whether it may publish on `subject`, answers apart.
    pub fn allows_publish(self, subject: &[u8]) -> bool {
        self.may_publish().iter().any(|scope| subject::matches(scope.as_bytes(), subject))
    }

    /// Whether it may subscribe to `pattern`.
    pub fn allows_subscribe(self, pattern: &[u8]) -> bool {
        self.may_subscribe().iter().any(|scope| subject::is_within(pattern, scope.as_bytes()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many answers a role may give to one request.
pub const MAX_ANSWERS: u32 = 10_000;
/// How long it may answer, in seconds.
pub const ANSWER_SECONDS: u64 = 60;

/// The table as the `authorization` block of a nats-server configuration, for these users and passwords. Works from
/// nats-server 2.9 on. A password that begins as a bcrypt hash does (`$2a$`) is taken for one by the server.
pub fn nats_conf(users: &[(Role, &str, &str)]) -> String {
    authorization(
        users.iter().map(|(role, user, password)| (*role, conf_string(user), conf_string(password))),
    )
}

/// The same for one user of each role, named after it, whose password the server takes from its environment:
/// `LOGWAY_AGENT_PASSWORD` and so on. It is `deploy/nats/roles.conf`.
pub fn nats_conf_of_environment() -> String {
    let password = |role: Role| format!("$LOGWAY_{}_PASSWORD", role.as_str().to_ascii_uppercase());
    authorization(Role::ALL.into_iter().map(|role| (role, conf_string(role.as_str()), password(role))))
}

/// User and password as they stand in a configuration.
fn authorization(users: impl Iterator<Item = (Role, String, String)>) -> String {
    let mut conf = String::from("authorization {\n  users = [\n");
    for (role, user, password) in users {
        let list = |patterns: &[&str]| patterns.iter().map(|p| conf_string(p)).collect::<Vec<_>>().join(", ");
        conf.push_str(&format!(
            "    {{ user: {user}, password: {password}, permissions: {{\n      publish: {{ allow: [{}] }}\n      subscribe: {{ allow: [{}] }}\n",
            list(role.may_publish()),
            list(role.may_subscribe()),
        ));
        if role.may_answer() {
            conf.push_str(&format!(
                "      allow_responses: {{ max: {MAX_ANSWERS}, expires: \"{ANSWER_SECONDS}s\" }}\n"
            ));
        }
        conf.push_str("    } }\n");
    }
    conf.push_str("  ]\n}\n");
    conf
}

/// A string as a nats-server configuration has it.
fn conf_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_reads_no_line_and_a_reader_writes_none() {
        for pattern in
            ["o.>", ">", "*.>", "o.*.logs.>", "o.k.logs.web.lhr.i", "_INBOX.>", "_INBOX.proxy.x", "sys.>"]
        {
            assert!(!Role::Agent.allows_subscribe(pattern.as_bytes()), "{pattern}");
        }
        for subject in ["o.k.logs.web.lhr.i", "sys.hb.lhr.h1", "_INBOX.agent.x"] {
            assert!(!Role::Proxy.allows_publish(subject.as_bytes()), "{subject}");
            assert!(!Role::Api.allows_publish(subject.as_bytes()), "{subject}");
        }
        // What came over HTTP is kept by stores, as what agents have.
        let may_append = |role: Role| role.allows_publish(b"sys.append.3");
        assert!(may_append(Role::Api) && !may_append(Role::Proxy) && !may_append(Role::Store));
        assert!(
            Role::Agent.allows_publish(b"o.k.logs.web.lhr.i") && Role::Proxy.allows_subscribe(b"o.k.logs.>")
        );
        assert!(Role::Agent.allows_subscribe(b"sys.recent") && Role::Api.allows_publish(b"sys.recent"));
    }

    #[test]
    fn all_may_ask_the_registry_and_nobody_else_may_answer_for_it() {
        for role in Role::ALL {
            let is_registry = role == Role::Registry;
            assert!(role.allows_subscribe(crate::sys::REGISTRY.as_bytes()), "{role}");
            assert_eq!(role.allows_publish(crate::sys::REGISTRY.as_bytes()), is_registry, "{role}");
            assert_eq!(role.allows_publish(crate::sys::REGISTRY_SNAPSHOT.as_bytes()), !is_registry, "{role}");
            assert_eq!(
                role.allows_subscribe(crate::sys::REGISTRY_SNAPSHOT.as_bytes()),
                is_registry,
                "{role}"
            );
        }
        assert!(Role::Registry.allows_subscribe(b"sys.hb.>") && !Role::Registry.allows_subscribe(b"o.>"));
    }

    #[test]
    fn the_table_of_the_deployment_is_this_one() {
        let file = include_str!("../../../deploy/nats/roles.conf");
        let table: Vec<_> = file.lines().filter(|line| !line.starts_with('#')).collect();
        let wanted = nats_conf_of_environment();
        assert_eq!(table.join("\n").trim(), wanted.trim(), "write deploy/nats/roles.conf anew:\n{wanted}");
    }

    #[test]
    fn strings_of_a_configuration() {
        for (text, quoted) in [
            ("plain", r#""plain""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("$x #y {z}", r#""$x #y {z}""#),
            ("tab\tnewline\n", r#""tab\x09newline\x0a""#),
        ] {
            assert_eq!(conf_string(text), quoted);
        }
    }

    #[test]
    fn the_table_is_legal() {
        for role in Role::ALL {
            for pattern in role.may_publish().iter().chain(role.may_subscribe()) {
                assert!(subject::is_pattern(pattern.as_bytes()), "{pattern}");
            }
            let inbox = format!("{}.x.1", role.inbox_prefix());
            assert!(role.allows_subscribe(inbox.as_bytes()));
            for other in Role::ALL {
                assert_eq!(other.has_inbox(inbox.as_bytes()), other == role);
            }
            for none in ["", ".", "x"] {
                assert!(!role.has_inbox(format!("{}{none}", role.inbox_prefix()).as_bytes()));
            }
        }
    }
}
