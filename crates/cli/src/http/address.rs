//! The address of the HTTP API: `http://host:4280`, `https://host`, or just `host`.

use std::fmt;
use std::str::FromStr;

/// The port of an address that is a bare host: that of `logway up`.
const UP_PORT: u16 = 4280;

/// Where the HTTP API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// TLS, by `https://`.
    pub(crate) is_tls: bool,
    /// What stands before the path of every question: empty, or with a slash before it and none behind.
    pub(crate) prefix: String,
}

impl Address {
    /// What goes into the header Host.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// That of the API beside a front door: the same host, the port of `logway up`, TLS where that has it.
    pub(crate) fn beside(door: &bus::client::ServerAddr) -> Self {
        Self { host: door.host.clone(), port: UP_PORT, is_tls: door.is_tls, prefix: String::new() }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is no address of the HTTP API: {why}");
        let (scheme, rest) = match text.trim().split_once("://") {
            None => (None, text.trim()),
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        };
        let (is_tls, usual) = match scheme.as_deref() {
            None => (false, UP_PORT),
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            Some(_) => return Err(wrong("write it as http://host:4280 or https://host")),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') || path.contains(['?', '#']) {
            return Err(wrong("it has neither a login nor a question in it"));
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => usual,
            Some(port) => port.parse().map_err(|_| wrong("its port is no number up to 65535"))?,
            None => return Err(wrong("behind the brackets comes a port or nothing")),
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_plain) {
            return Err(wrong("it names no host"));
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("its path has characters that no URL has"));
        }
        let prefix = path.trim_end_matches('/').to_owned();
        Ok(Self { host: host.to_owned(), port, is_tls, prefix })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, host, port, is_tls, shown) in [
            ("far", "far", 4280, false, "http://far:4280"),
            ("far:1", "far", 1, false, "http://far:1"),
            ("http://far", "far", 80, false, "http://far"),
            ("https://far/", "far", 443, true, "https://far"),
            ("HTTPS://far:8443/logway/", "far", 8443, true, "https://far:8443/logway"),
            ("http://[::1]:4280", "::1", 4280, false, "http://[::1]:4280"),
            ("[::1]", "::1", 4280, false, "http://[::1]:4280"),
            (" 127.0.0.1 ", "127.0.0.1", 4280, false, "http://127.0.0.1:4280"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port, address.is_tls), (host, port, is_tls), "{text}");
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse::<Address>().unwrap(), address, "{shown}");
        }
        for bad in [
            "",
            "http://",
            "nats://far",
            "far:x",
            "far:70000",
            "http://a:b@far",
            "http://far/?x",
            "[::1]x",
            "a b",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        let door = "tls://far:4223".parse().unwrap();
        assert_eq!(Address::beside(&door).to_string(), "https://far:4280");
    }
}
