//! CONNECT: who is it, and what does it ask for.

use serde::Deserialize;

use super::User;
use crate::roles::Role;

/// What a client says of itself. Keys are taken as written, once each; the defaults are those of nats-server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Connect {
    #[serde(default = "yes")]
    pub(super) verbose: bool,
    #[serde(default = "yes")]
    pub(super) echo: bool,
    #[serde(default)]
    pub(super) headers: bool,
    #[serde(default)]
    pub(super) no_responders: bool,
    #[serde(default)]
    protocol: i64,
    #[serde(default)]
    pub(super) user: String,
    #[serde(default)]
    pub(super) pass: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    new_account: bool,
}

const fn yes() -> bool {
    true
}

/// Deepest nesting of a CONNECT that is read. Real ones have one level.
const MAX_DEPTH: usize = 8;

/// Why a login fails, in the words of nats-server, which clients know.
pub(super) const VIOLATION: &str = "Authorization Violation";

/// Reads a CONNECT and finds its user. The error is what the client is told before the connection closes.
pub(super) fn read(json: &[u8], users: &[User]) -> Result<(Connect, Role), &'static str> {
    if depth(json) > MAX_DEPTH {
        return Err(VIOLATION);
    }
    let connect: Connect = serde_json::from_slice(json).map_err(|_| VIOLATION)?;
    if !matches!(connect.protocol, 0 | 1) {
        return Err("invalid client protocol");
    }
    if connect.no_responders && !connect.headers {
        return Err("no responders requires headers support");
    }
    if !connect.account.is_empty() || connect.new_account {
        return Err(VIOLATION);
    }
    // All users are looked at, so that the time tells nothing of which exist.
    let mut found = None;
    for user in users {
        let same_user = same(user.credentials.user.as_bytes(), connect.user.as_bytes());
        let same_password = same(user.credentials.password.as_bytes(), connect.pass.as_bytes());
        if same_user & same_password {
            found = Some(user.role);
        }
    }
    found.map(|role| (connect, role)).ok_or(VIOLATION)
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

/// Compares in a time that depends on the lengths alone.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Credentials;

    #[test]
    fn logins() {
        let credentials = Credentials { user: "agent".to_owned(), password: "secret".to_owned() };
        let users = [User { role: Role::Agent, credentials }];
        let check = |json: &str| read(json.as_bytes(), &users).map(|(_, role)| role);
        assert_eq!(check(r#"{"user":"agent","pass":"secret"}"#), Ok(Role::Agent));
        let flat = r#"{"user":"agent","pass":"secret","x":"[[[[[[[[[[\"{{{{{{{{{{"}"#;
        assert_eq!(check(flat), Ok(Role::Agent));
        for (json, why) in [
            ("{}", VIOLATION),
            ("", VIOLATION),
            ("[]", VIOLATION),
            ("{verbose", VIOLATION),
            (r#"{"user":1,"pass":"secret"}"#, VIOLATION),
            (r#"{"user":"agent","pass":"secre"}"#, VIOLATION),
            (r#"{"user":"agent","pass":"secretx"}"#, VIOLATION),
            (r#"{"USER":"agent","PASS":"secret"}"#, VIOLATION),
            (r#"{"user":"x","user":"agent","pass":"secret"}"#, VIOLATION),
            (r#"{"user":"agent","pass":"secret","account":"a"}"#, VIOLATION),
            (r#"{"user":"agent","pass":"secret","new_account":true}"#, VIOLATION),
            (
                &format!(r#"{{"user":"agent","pass":"secret","x":{}1{}}}"#, "[".repeat(8), "]".repeat(8)),
                VIOLATION,
            ),
            (r#"{"user":"agent","pass":"secret","protocol":2}"#, "invalid client protocol"),
            (
                r#"{"user":"agent","pass":"secret","no_responders":true}"#,
                "no responders requires headers support",
            ),
        ] {
            assert_eq!(check(json), Err(why), "{json}");
        }
    }
}
