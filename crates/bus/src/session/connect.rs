//! CONNECT: what a client says of itself, and what it asks for.

use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Deserializer};

/// What a client says of itself. Keys are taken as written, once each; the defaults are those of nats-server.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Connect {
    /// Whether it wants `+OK` for each verb.
    #[serde(default = "yes")]
    pub verbose: bool,
    /// Whether it wants to be told of subjects that are none.
    #[serde(default = "yes")]
    pub pedantic: bool,
    /// Whether its own subscriptions get what it publishes.
    #[serde(default = "yes")]
    pub echo: bool,
    /// Whether it takes and sends headers.
    #[serde(default)]
    pub headers: bool,
    /// Whether it wants to know of requests that nobody hears.
    #[serde(default)]
    pub no_responders: bool,
    #[serde(default)]
    protocol: i64,
    /// The user.
    #[serde(default, deserialize_with = "text_or_null")]
    pub user: String,
    /// The password.
    #[serde(default, deserialize_with = "text_or_null")]
    pub pass: String,
    /// A token in place of the two.
    #[serde(default, deserialize_with = "text_or_null")]
    pub auth_token: String,
    /// What the client calls itself.
    #[serde(default, deserialize_with = "text_or_null")]
    pub name: String,
    /// Its language.
    #[serde(default, deserialize_with = "text_or_null")]
    pub lang: String,
    /// The version of its library.
    #[serde(default, deserialize_with = "text_or_null")]
    pub version: String,
    #[serde(default, deserialize_with = "text_or_null")]
    account: String,
    #[serde(default)]
    new_account: bool,
}

impl std::fmt::Debug for Connect {
    /// Without what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect").field("user", &self.user).field("name", &self.name).finish_non_exhaustive()
    }
}

const fn yes() -> bool {
    true
}

/// Some clients write `null` for what they do not have.
fn text_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(from).map(Option::unwrap_or_default)
}

/// Deepest nesting of a CONNECT that is read. Real ones have one level.
const MAX_DEPTH: usize = 8;

/// Why a login fails, in the words of nats-server, which clients know.
pub const VIOLATION: &str = "Authorization Violation";

impl Connect {
    /// Reads the JSON of a CONNECT. Who it is, the server finds out.
    ///
    /// # Errors
    /// What the client is told before the connection closes.
    pub fn read(json: &[u8]) -> Result<Self, &'static str> {
        // A list of the values alone would be read too.
        if !json.trim_ascii_start().starts_with(b"{") || depth(json) > MAX_DEPTH {
            return Err(VIOLATION);
        }
        let json = std::str::from_utf8(json).map_err(|_| VIOLATION)?;
        let connect: Self = serde_json::from_str(json).map_err(|_| VIOLATION)?;
        if !matches!(connect.protocol, 0 | 1) {
            return Err("invalid client protocol");
        }
        if connect.no_responders && !connect.headers {
            return Err("no responders requires headers support");
        }
        if !connect.account.is_empty() || connect.new_account {
            return Err(VIOLATION);
        }
        Ok(connect)
    }

    /// A mark of the login and of what cannot change later, so that the secret need not be kept. It only tells whether a second
    /// CONNECT is for the same login: nobody becomes somebody else by one that happens to have the same mark.
    pub(super) fn mark(&self, state: &RandomState) -> u64 {
        state.hash_one((&self.user, &self.pass, &self.auth_token, self.headers))
    }
}

/// How deep brackets lie within each other.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        let read = |json: &str| Connect::read(json.as_bytes());
        let connect = read(r#"{"user":"u","pass":"p","name":"n","lang":"go","x":{"y":[1]}}"#).unwrap();
        assert!(connect.verbose && connect.pedantic && connect.echo && !connect.headers);
        assert_eq!((&*connect.user, &*connect.pass, &*connect.name), ("u", "p", "n"));
        assert!(!format!("{connect:?}").contains("\"p\""), "{connect:?}");
        assert!(read("{}").is_ok());
        assert!(read(r#"{"x":"[[[[[[[[[[\"{{{{{{{{{{"}"#).is_ok());
        for (json, why) in [
            ("", VIOLATION),
            ("[]", VIOLATION),
            (r#"[false, false, true]"#, VIOLATION),
            ("{verbose", VIOLATION),
            (r#"{"user":1}"#, VIOLATION),
            (r#"{"user":"x","user":"x"}"#, VIOLATION),
            (r#"{"account":"a"}"#, VIOLATION),
            (r#"{"new_account":true}"#, VIOLATION),
            (&format!(r#"{{"x":{}1{}}}"#, "[".repeat(8), "]".repeat(8)), VIOLATION),
            (r#"{"protocol":2}"#, "invalid client protocol"),
            (r#"{"protocol":-1}"#, "invalid client protocol"),
            (r#"{"no_responders":true}"#, "no responders requires headers support"),
        ] {
            assert_eq!(read(json).unwrap_err(), why, "{json}");
        }
        // Upper-case keys are other keys.
        assert_eq!(read(r#"{"USER":"u"}"#).unwrap().user, "");
    }

    #[test]
    fn the_mark_is_of_the_login() {
        let (state, read) = (RandomState::new(), |json: &str| Connect::read(json.as_bytes()).unwrap());
        let mark = |json: &str| read(json).mark(&state);
        let first = mark(r#"{"user":"u","pass":"p"}"#);
        assert_eq!(first, mark(r#"{"pass":"p","user":"u","verbose":false,"name":"x"}"#));
        for other in [
            r#"{"user":"u"}"#,
            r#"{"user":"up"}"#,
            r#"{"user":"u","pass":"q"}"#,
            r#"{"user":"u","auth_token":"p"}"#,
            r#"{"user":"u","pass":"p","headers":true}"#,
        ] {
            assert_ne!(first, mark(other), "{other}");
        }
    }
}
