//! Where to connect and as whom.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::{Error, tls};

/// How a client connects.
#[derive(Debug, Clone)]
pub struct Options {
    /// Servers to try in turn, at least one.
    pub servers: Vec<ServerAddr>,
    /// What the client calls itself; servers show it in their lists.
    pub name: String,
    /// User and password for servers whose address names none.
    pub credentials: Option<Credentials>,
    /// What inboxes begin with, as `_INBOX.api`: see [`crate::roles::Role::inbox_prefix`].
    pub inbox_prefix: String,
    /// What it takes to speak TLS: without it no `tls://` address can be dialled, nor a server that wants TLS.
    pub tls: Option<tls::Client>,
}

/// User and password. The password is left out of `Debug`.
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

impl FromStr for Credentials {
    type Err = Error;

    /// Reads `user:password`, as a role's file has it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::Credentials;
        let (user, password) = text.trim().split_once(':').ok_or_else(bad)?;
        if user.is_empty() || password.is_empty() {
            return Err(bad());
        }
        Ok(Self { user: user.to_owned(), password: password.to_owned() })
    }
}

/// A server's address: `nats://[user:password@]host[:port]`, port 4222 if none is given; with `tls://` the connection is encrypted
/// or there is none. In user and password, `%` and two hexadecimal digits stand for a byte, as in any URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddr {
    /// Host name or address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether it was `tls://`.
    pub is_tls: bool,
    /// User and password that stood in the address; they win over [`Options::credentials`].
    pub credentials: Option<Credentials>,
}

impl From<SocketAddr> for ServerAddr {
    /// The server at this address, in the clear and without a login of its own.
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port(), is_tls: false, credentials: None }
    }
}

impl FromStr for ServerAddr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |why| Error::Address { address: hide_password(text), why };
        let (is_tls, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("nats", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            Some(_) => return Err(bad("only nats:// and tls:// are understood")),
        };
        let rest = rest.trim_end_matches('/');
        let (credentials, host_port) = match rest.rsplit_once('@') {
            Some((login, host)) => {
                (Some(read_login(login).ok_or_else(|| bad("before '@' stands user:password"))?), host)
            }
            None => (None, rest),
        };
        let (host, port) =
            split_port(host_port).ok_or_else(|| bad("the port is not a number from 1 to 65535"))?;
        if host.is_empty() {
            return Err(bad("there is no host"));
        }
        if host.contains(':') && !host_port.starts_with('[') {
            return Err(bad("an IPv6 address stands in brackets"));
        }
        Ok(Self { host: host.to_owned(), port, is_tls, credentials })
    }
}

fn read_login(text: &str) -> Option<Credentials> {
    let (user, password) = text.split_once(':')?;
    let credentials = Credentials { user: percent_decode(user)?, password: percent_decode(password)? };
    (!credentials.user.is_empty() && !credentials.password.is_empty()).then_some(credentials)
}

/// `None` if what is decoded is not UTF-8. A `%` without two digits stands for itself.
fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|digits| byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let decoded =
            digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(decoded.unwrap_or(byte));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(out).ok()
}

fn split_port(text: &str) -> Option<(&str, u16)> {
    const DEFAULT: u16 = 4222;
    if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']')?;
        let port = if tail.is_empty() { DEFAULT } else { read_port(tail.strip_prefix(':')?)? };
        return Some((host, port));
    }
    match text.rsplit_once(':') {
        None => Some((text, DEFAULT)),
        Some((host, port)) => Some((host, read_port(port)?)),
    }
}

fn read_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

/// The address as it may stand in a message.
fn hide_password(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((login, host)) => {
            let start = login.find("://").map_or(0, |at| at + 3);
            format!("{}***@{host}", &login[..start])
        }
        None => text.to_owned(),
    }
}

impl fmt::Display for ServerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "tls" } else { "nats" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, host, port, user) in [
            ("nats://h", "h", 4222, None),
            ("h:1", "h", 1, None),
            ("nats://u:p@h:9/", "h", 9, Some("u")),
            ("nats://u:p@x@h", "h", 4222, Some("u")),
            ("nats://[::1]:7", "::1", 7, None),
        ] {
            let address: ServerAddr = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port), "{text}");
            assert_eq!(address.credentials.as_ref().map(|c| c.user.as_str()), user);
        }
        for (text, shown, is_tls) in [
            ("tls://u:p@h", "tls://h:4222", true),
            ("tls://[::1]:7", "tls://[::1]:7", true),
            ("h:1", "nats://h:1", false),
        ] {
            let address: ServerAddr = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.is_tls), (shown, is_tls));
        }
        for (text, user, password) in
            [("a:b%40c%3a", "a", "b@c:"), ("%61:100%", "a", "100%"), ("a:%zz%2", "a", "%zz%2")]
        {
            let address: ServerAddr = format!("nats://{text}@h").parse().unwrap();
            let credentials = address.credentials.unwrap();
            assert_eq!(
                (credentials.user.as_str(), credentials.password.as_str()),
                (user, password),
                "{text}"
            );
        }
        for bad in ["::1", "nats://fe80::1:4222", "nats://a:%ff@h", "nats://:p@h", "nats://u:@h"] {
            assert!(bad.parse::<ServerAddr>().is_err(), "{bad}");
        }
        for bad in [
            "",
            "nats://",
            "nats://h:0",
            "nats://[::1]:0",
            "nats://h:x",
            "tls://",
            "TLS://h",
            "http://h",
            "nats://u@h",
            "nats://[::1",
        ] {
            assert!(bad.parse::<ServerAddr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_do_not_show() {
        let error = "http://u:secret@h".parse::<ServerAddr>().unwrap_err();
        let address: ServerAddr = "nats://u:secret@h".parse().unwrap();
        for text in [error.to_string(), address.to_string(), format!("{address:?}")] {
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
