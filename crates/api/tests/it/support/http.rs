//! A client that speaks bytes.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::soon;

/// A request without a body.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// A request with a form, as a browser sends it.
pub(crate) fn post(target: &str, form: &str) -> String {
    let kind = "Content-Type: application/x-www-form-urlencoded";
    format!("POST {target} HTTP/1.1\r\nHost: x\r\n{kind}\r\nContent-Length: {}\r\n\r\n{form}", form.len())
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
    /// It ended as it should.
    pub(crate) is_whole: bool,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The rows of an answer of lines.
    pub(crate) fn rows(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{self:?}");
        self.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The messages of the rows.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.rows().iter().map(|row| row["_msg"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon(TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// From another address of this machine.
    pub(crate) async fn connect_from(from: &str, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        let stream = soon(socket.connect(address)).await.unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
    }

    /// As [`Client::send`], when the other side may have gone.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) {
        let _ = soon(self.stream.write_all(bytes)).await;
    }

    /// Reads on; false at the end.
    async fn read(&mut self) -> bool {
        soon(self.stream.read_buf(&mut self.unread)).await.is_ok_and(|count| count > 0)
    }

    async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(mark.len()).position(|window| window == mark) {
                return Some(self.unread.drain(..at + mark.len()).collect());
            }
            if !self.read().await {
                return None;
            }
        }
    }

    async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unread.len() < count {
            if !self.read().await {
                return None;
            }
        }
        Some(self.unread.drain(..count).collect())
    }

    /// Status and head.
    pub(crate) async fn head(&mut self) -> Option<(u16, String)> {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await?).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some((status, head.to_ascii_lowercase()))
    }

    /// The next chunk of a body that comes bit by bit; `None` at its end, an error if it breaks off.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, ()> {
        let size = self.until(b"\r\n").await.ok_or(())?;
        let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
        let chunk = self.exactly(size).await.ok_or(())?;
        self.until(b"\r\n").await.ok_or(())?;
        Ok(Some(chunk).filter(|chunk| !chunk.is_empty()))
    }

    /// The whole answer.
    pub(crate) async fn answer(&mut self) -> Answered {
        let (status, head) = self.head().await.expect("closed without an answer");
        let mut answered = Answered { status, head, body: String::new(), is_whole: true };
        let mut body = Vec::new();
        if answered.header("transfer-encoding") == Some("chunked") {
            loop {
                match self.chunk().await {
                    Ok(Some(chunk)) => body.extend(chunk),
                    Ok(None) => break,
                    Err(()) => {
                        answered.is_whole = false;
                        break;
                    }
                }
            }
        } else {
            let length = answered.header("content-length").map_or(0, |length| length.parse().unwrap());
            body = self.exactly(length).await.expect("cut in the body");
        }
        answered.body = String::from_utf8(body).unwrap();
        answered
    }

    /// Whether the other side closes without another word.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !self.read().await && self.unread.is_empty()
    }
}
