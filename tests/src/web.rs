//! A client of the HTTP face: questions, inserts and tails with a token.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::DEADLINE;

/// Whom is asked, and as who. Each request has a connection of its own.
#[derive(Debug, Clone)]
pub struct Web {
    address: String,
    token: String,
    headers: String,
}

/// A reply.
#[derive(Debug)]
pub struct Reply {
    /// 0: the connection broke before there was any.
    pub status: u16,
    /// Status line and headers, as they came.
    pub head: String,
    /// What came of the body.
    pub body: Vec<u8>,
    /// All of the body came.
    pub is_whole: bool,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The rows of a good answer. Panics with what it says if it is none.
    pub fn rows(&self) -> Vec<Value> {
        assert!(self.status == 200 && self.is_whole, "{}\n{}", self.head, self.text());
        let text = self.text();
        text.lines()
            .map(|row| serde_json::from_str(row).unwrap_or_else(|why| panic!("{why}: {row}")))
            .collect()
    }
}

impl Web {
    /// Asks `HOST:PORT` with this token.
    pub fn new(address: &str, token: &str) -> Self {
        Self { address: address.to_owned(), token: token.trim().to_owned(), headers: String::new() }
    }

    /// The same with one more header.
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        Self { headers: format!("{}{name}: {value}\r\n", self.headers), ..self.clone() }
    }

    /// The same token at another server, `HOST:PORT`.
    pub fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// The same server with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.trim().to_owned(), ..self.clone() }
    }

    /// Asks `path` with a form of these arguments.
    pub fn ask(&self, path: &str, args: &[(&str, &str)]) -> Reply {
        let pairs = args.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
        self.post(path, "application/x-www-form-urlencoded", pairs.collect::<Vec<_>>().join("&").as_bytes())
    }

    /// What `/select/logsql/query` says to a query.
    pub fn query(&self, query: &str) -> Reply {
        self.ask("/select/logsql/query", &[("query", query)])
    }

    /// The rows that it gives; panics if it gives none but an error.
    pub fn rows(&self, query: &str) -> Vec<Value> {
        self.query(query).rows()
    }

    /// The messages of the rows that it gives.
    pub fn messages(&self, query: &str) -> Vec<String> {
        self.rows(query).iter().map(|row| row["_msg"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// How many rows a filter finds.
    pub fn count(&self, filter: &str) -> u64 {
        let rows = self.rows(&format!("{filter} | stats count() n"));
        rows[0]["n"].as_str().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{rows:?}"))
    }

    /// Brings lines of JSON.
    pub fn insert(&self, lines: &str) -> Reply {
        self.post("/insert/jsonline", "application/stream+json", lines.as_bytes())
    }

    /// Sends a body, and reads the reply to its end.
    pub fn post(&self, path: &str, kind: &str, body: &[u8]) -> Reply {
        let mut stream = self.connect();
        let head =
            self.head("POST", path, &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()));
        // It may refuse before it has read all; what it says then counts.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        read(&bytes)
    }

    /// Sends a request of any method with a body, and reads the reply to its end.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        let mut stream = self.connect();
        let head = self.head(method, path, &format!("Content-Length: {}\r\n", body.len()));
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        read(&bytes)
    }

    /// Begins a tail; it has begun when this returns.
    pub fn tail(&self, query: &str) -> Tail {
        let mut stream = self.connect();
        let path = format!("/select/logsql/tail?query={}", escaped(query));
        stream.write_all(self.head("GET", &path, "").as_bytes()).expect("asking for a tail");
        let mut reader = BufReader::new(stream);
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
            head.push_str(&line);
            line.clear();
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Tail(reader)
    }

    /// Asks, reads the beginning of the answer, and goes away.
    pub fn leave(&self, query: &str, after_bytes: usize) {
        let mut stream = self.connect();
        let path = format!("/select/logsql/query?query={}", escaped(query));
        stream.write_all(self.head("GET", &path, "").as_bytes()).expect("asking");
        let mut begin = vec![0; after_bytes];
        stream.read_exact(&mut begin).expect("reading the beginning of an answer");
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("connecting to the HTTP port");
        stream.set_read_timeout(Some(DEADLINE)).expect("setting a timeout");
        stream.set_write_timeout(Some(Duration::from_secs(20))).expect("setting a timeout");
        stream
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn head(&self, method: &str, path: &str, more: &str) -> String {
        let Self { token, headers, .. } = self;
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{headers}{more}Connection: close\r\n\r\n"
        )
    }
}

/// A tail that goes on until it is dropped.
pub struct Tail(BufReader<TcpStream>);

impl Tail {
    /// The next row. Panics when none comes in time.
    pub fn next_row(&mut self) -> Value {
        loop {
            let mut line = String::new();
            let count = self.0.read_line(&mut line).expect("a row of the tail in time");
            assert!(count > 0, "the tail ended");
            // Between the rows stand the lengths of chunks.
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}"));
            }
        }
    }
}

/// As it stands in URLs and forms.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn read(bytes: &[u8]) -> Reply {
    let broken = || Reply { status: 0, head: String::new(), body: Vec::new(), is_whole: false };
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return broken() };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let lower = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let rest = &bytes[end + 4..];
    let (body, is_whole) = if lower.contains("transfer-encoding: chunked") {
        unchunked(rest)
    } else {
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        (rest.to_vec(), length.is_none_or(|length: usize| rest.len() == length))
    };
    Reply { status, head, body, is_whole }
}

/// The body of chunks, and whether the last one came.
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return (body, false) };
        let length =
            std::str::from_utf8(&rest[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(length) = length else { return (body, false) };
        rest = &rest[end + 2..];
        if length == 0 {
            return (body, true);
        }
        body.extend_from_slice(&rest[..length.min(rest.len())]);
        if rest.len() < length + 2 {
            return (body, false);
        }
        rest = &rest[length + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read() {
        for (text, status, body, is_whole) in [
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
                200,
                "abcd",
                true,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n9\r\nd", 200, "abcd", false),
            ("HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno", 400, "no", true),
            ("HTTP/1.1 400 No\r\nContent-Length: 3\r\n\r\nno", 400, "no", false),
            ("HTTP/1.1", 0, "", false),
        ] {
            let reply = read(text.as_bytes());
            assert_eq!((reply.status, reply.text().as_str(), reply.is_whole), (status, body, is_whole));
        }
    }
}
