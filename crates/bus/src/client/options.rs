//! Where to connect, as whom, and within which bounds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Error;

/// The port of NATS.
pub const DEFAULT_PORT: u16 = 4222;

/// A user and its password. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// One server: `nats://[user:password@]host[:port]`, or without the scheme. `Display` and `Debug` hide the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddr {
    /// Name or address; an IPv6 address has no brackets here.
    pub host: String,
    /// The port; 4222 when none was given.
    pub port: u16,
    /// What stood before the `@`; wins over [`Options::credentials`].
    pub credentials: Option<Credentials>,
}

impl fmt::Display for ServerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for ServerAddr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
        let bad = |problem| Error::Address { address: shown.to_owned(), problem };
        let rest = match text.split_once("://") {
            Some(("nats", rest)) => rest,
            Some(("tls", _)) => {
                return Err(bad("TLS is not supported yet, use nats:// on a private network"));
            }
            Some(_) => return Err(bad("the scheme must be nats://")),
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (userinfo, authority) = match rest.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, rest),
        };
        let credentials = match userinfo {
            None => None,
            Some(userinfo) => {
                let (user, password) =
                    userinfo.split_once(':').ok_or_else(|| bad("before the @ stands user:password"))?;
                let decode =
                    |text| percent_decode(text).ok_or_else(|| bad("a % must be followed by two hex digits"));
                Some(Credentials { user: decode(user)?, password: decode(password)? })
            }
        };
        let (host, port) =
            split_port(authority).ok_or_else(|| bad("the port must be a number up to 65535"))?;
        if host.is_empty() || host.contains(['/', '?', '#', ' ', ',']) {
            return Err(bad("after nats:// stands host or host:port"));
        }
        Ok(Self { host: host.to_owned(), port, credentials })
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, u16)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { DEFAULT_PORT } else { rest.strip_prefix(':')?.parse().ok()? };
        return Some((host, port));
    }
    match authority.rsplit_once(':') {
        // More than one colon without brackets is a bare IPv6 address.
        Some((host, _)) if host.contains(':') => Some((authority, DEFAULT_PORT)),
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((authority, DEFAULT_PORT)),
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// What [`Client::start`](super::Client::start) needs. Take the defaults for what you do not care about:
/// `Options { servers, ..Options::default() }`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tried in turn, beginning with the first.
    pub servers: Vec<ServerAddr>,
    /// Shown in the server's list of connections.
    pub name: String,
    /// For servers whose address has none.
    pub credentials: Option<Credentials>,
    /// What the inboxes of [`Client::request_many`](super::Client::request_many) begin with: `_INBOX.<role>`, as the role
    /// table allows it.
    pub inbox_prefix: String,
    /// Connecting and logging in to one server may take this long; 5 s, as async-nats has it.
    pub connect_timeout: Duration,
    /// A connection that was silent for this long is asked with a PING; after two without an answer it is given up. 20 s.
    pub ping_interval: Duration,
    /// The longest wait between two tries, save after a refusal; 2 s. The first try is immediate, the second after about
    /// 10 ms, then double with jitter.
    pub reconnect_max: Duration,
    /// How long to wait after a server refused the login; 5 s, so that a wrong password does not load the server.
    pub refused_wait: Duration,
    /// Bytes that wait to be written before [`Client::send`](super::Client::send) and its kin wait; 4 MiB.
    pub write_queue_bytes: u32,
    /// Messages that wait in one subscription before the reading of the socket stops; 4,096.
    pub subscription_messages: usize,
    /// The same in bytes; 8 MiB.
    pub subscription_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            name: String::new(),
            credentials: None,
            inbox_prefix: "_INBOX".to_owned(),
            connect_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(20),
            reconnect_max: Duration::from_secs(2),
            refused_wait: Duration::from_secs(5),
            write_queue_bytes: 4 << 20,
            subscription_messages: 4096,
            subscription_bytes: 8 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16, login: Option<(&str, &str)>) -> ServerAddr {
        let credentials = login
            .map(|(user, password)| Credentials { user: user.to_owned(), password: password.to_owned() });
        ServerAddr { host: host.to_owned(), port, credentials }
    }

    #[test]
    fn addresses_are_read() {
        for (text, expected) in [
            ("nats://h", server("h", 4222, None)),
            ("h:1", server("h", 1, None)),
            ("nats://127.0.0.1:0/", server("127.0.0.1", 0, None)),
            ("nats://u:p@h:4", server("h", 4, Some(("u", "p")))),
            ("nats://u:p%40%3a:x@h", server("h", 4222, Some(("u", "p@::x")))),
            ("nats://u:a@b@h", server("h", 4222, Some(("u", "a@b")))),
            ("nats://[fdaa::3]:4223", server("fdaa::3", 4223, None)),
            ("[::1]", server("::1", 4222, None)),
            ("fdaa::3", server("fdaa::3", 4222, None)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bad_addresses_say_why_without_the_password() {
        for (text, why) in [
            ("tls://u:secret@h", "TLS is not supported yet"),
            ("http://h", "scheme"),
            ("nats://", "host"),
            ("nats://h:x", "port"),
            ("nats://h:65536", "port"),
            ("nats://secret@h", "user:password"),
            ("nats://u:secret%4@h", "hex"),
            ("nats://[::1", "port"),
            ("nats://a,b", "host"),
        ] {
            let error = text.parse::<ServerAddr>().unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let server = server("h", 1, Some(("u", "secret")));
        assert!(!format!("{server:?} {server}").contains("secret"));
    }
}
